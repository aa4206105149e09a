"""Does what notebooks import keep the answers to itself?"""

import ast

import pytest

from autograder import house
from autograder.authoring import leaks, source
from autograder.authoring.contract import Cell
from autograder.errors import AuthorError
from autograder.house import ROOT

MODULES = sorted((ROOT / "bptt").glob("*.py"))
LESSONS = house.lessons(house.SOLUTIONS)


def refuse_beside(lesson, text):
    """Hold `text` against the answers of a lesson, as if it were one more cell."""
    extra = Cell("code", text, len(lesson.cells) + 1, 0)
    beside = type(lesson)(lesson.path, lesson.name, lesson.stem, (*lesson.cells, extra))
    leaks.refuse(beside, [*("" for _ in lesson.cells), text])


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_bptt_exports_no_answer(path):
    """No answer's statements stand in a module that learners import, and no function there has an answer's name."""
    lesson = source.read(path)
    asked = {
        node.name
        for cell in lesson.cells
        if cell.role == "answer"
        for node in ast.parse(cell.source).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    for module in MODULES:
        text = module.read_text(encoding="utf-8")
        refuse_beside(lesson, text)
        assert not asked & {node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)}, (
            module
        )


def test_an_answer_in_a_module_would_be_found():
    """The answer of lesson 01's first exercise, under other names, is refused."""
    lesson = source.read(next(path for path in LESSONS if path.stem == "01_unrolled_graph"))
    stolen = next(cell.source for cell in lesson.cells if cell.id == "unrolled-graph-unroll")
    with pytest.raises(AuthorError, match="unrolled-graph-unroll"):
        refuse_beside(lesson, stolen.replace("states", "kept"))
