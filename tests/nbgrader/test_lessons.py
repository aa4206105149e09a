"""Does every lesson give, in real nbgrader, all points to the solution, none to the blank, and to mixed submissions exactly their share?"""

from __future__ import annotations

import ast
import itertools
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from autograder import house, metadata
from autograder.house import SOLUTIONS
from autograder.lessons import load
from autograder.nbgrader import regrade
from autograder.nbgrader.classroom import Classroom, gradebook, make
from autograder.nbgrader.handed_in import find
from tests.submissions import hand_in, lesson, material_of, write

pytestmark = [pytest.mark.needs_bubblewrap, pytest.mark.filterwarnings("ignore")]

LESSONS = [path.stem for path in house.lessons(house.SOLUTIONS)]
MIXED = [f"mixed-{number}" for number in range(10)]
WRONG, VARIANT = 0.35, 0.65  # below the first, a wrong answer is handed in; below the second, a right variant


def names(source):
    """The names that a cell defines at the top level, and all names that it uses."""
    tree = ast.parse(source)
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assigned = {
        node.id
        for one in tree.body
        if isinstance(one, ast.Assign)
        for node in one.targets
        if isinstance(node, ast.Name)
    }
    return defined | assigned, {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def keeps_to_itself(source, id, others):
    """Whether an answer defines nothing, besides its own name, that another answer uses or defines."""
    helpers = names(source)[0] - {load(id).of}
    return not any(helpers & set.union(*names(other)) for other in others)


def mixed(one, who):
    """A notebook of wrong answers, right variants and solutions, drawn with `who` as the seed, and the points that it should get."""
    for attempt in itertools.count():
        notebook, expected = drawn(one, f"{who} {attempt}")
        if len({points > 0 for points in expected.values()}) == 2:
            return notebook, expected


def drawn(one, who):
    """One draw of a notebook; it may happen to be right throughout."""
    keys = ((metadata.key(cell), cell) for cell in one.right().cells)
    answers = {key.id: cell.source for key, cell in keys if key and key.role == "answer"}
    draw = random.Random(f"{one.name} {who}")
    tried = material_of(house.stem(one.name))
    wrong, right = tried.wrong, tried.right
    notebook, expected = one.right(), {}
    for cell in one.handed_out.cells:
        key = metadata.key(cell)
        if not key or key.role != "check":
            continue
        id, chance = key.id, draw.random()
        kind = wrong if chance < WRONG else right if chance < VARIANT else []
        others = [source for other, source in answers.items() if other != id]
        choice = [sample.source for sample in kind if sample.of == id and keeps_to_itself(sample.source, id, others)]
        if choice:
            write(notebook, "answer", id, draw.choice(choice))
        missed = kind is wrong and choice
        expected[cell.metadata["nbgrader"]["grade_id"]] = 0.0 if missed else cell.metadata["nbgrader"]["points"]
    return notebook, expected


@pytest.fixture(scope="module", params=LESSONS)
def graded(request, tmp_path_factory):
    """A class that handed in one lesson: (what everybody should get, what they got), by student and graded cell."""
    root, one = tmp_path_factory.mktemp("bptt") / "class", lesson(SOLUTIONS / f"{request.param}.py")
    make(root, [SOLUTIONS / f"{request.param}.py"])
    full = {
        cell.metadata["nbgrader"]["grade_id"]: cell.metadata["nbgrader"]["points"]
        for cell in one.handed_out.cells
        if metadata.role(cell) == "check"
    }
    hands = {"right": (one.right(), full), "blank": (one.blank(), dict.fromkeys(full, 0.0))}
    hands |= {who: mixed(one, who) for who in MIXED}
    for student, (notebook, _) in hands.items():
        hand_in(root, student, one.name, notebook, files=material_of(one.name[3:]).files)
    classroom = Classroom(root)
    with ThreadPoolExecutor(2) as workers:
        list(regrade.regrade(classroom, [find(classroom, student, one.name) for student in hands], workers))
    got = {}
    with gradebook(classroom) as book:
        for student in hands:
            marks = book.find_submission(one.name, student).notebooks[0].grades
            got[student] = {
                mark.name: mark.auto_score or 0.0 for mark in marks if mark.name in full
            }  # None: a person decides
    return {student: expected for student, (_, expected) in hands.items()}, got


@pytest.mark.parametrize("student", ["right", "blank", *MIXED])
def test_everybody_gets_exactly_their_points(graded, student):
    """Check by check, the gradebook has the points for what is right, and none for what is not."""
    expected, got = graded
    assert got[student] == expected[student]


def test_mixed_submissions_are_mixed(graded):
    """The twin: every mixed submission has right and wrong answers, so that neither full marks nor none is its score."""
    expected, _ = graded
    assert all(len({points > 0 for points in expected[who].values()}) == 2 for who in MIXED)
