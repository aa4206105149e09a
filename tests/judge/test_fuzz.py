"""Whatever becomes of a notebook on its way, is it read, and are the answers found that a person would find?

A few draws here and in CI; `make fuzz` tries many.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbformat import NotebookNode

from autograder import metadata
from autograder.house import SOLUTIONS
from autograder.judge.engine import judge
from autograder.judge.reader import HandedIn, parse, read
from autograder.judge.releases import Releases
from autograder.judge.restore import defined, restored
from autograder.nbgrader.repair import repair
from tests.submissions import lesson

ONE = lesson(SOLUTIONS / "00_start_here.py")
MANY = int(os.environ.get("BPTT_FUZZ", "0"))
QUICK = settings(
    max_examples=MANY * 20 or 60, deadline=None, derandomize=not MANY, suppress_health_check=[*HealthCheck]
)
JUDGED = settings(max_examples=MANY or 3, deadline=None, derandomize=not MANY, suppress_health_check=[*HealthCheck])

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


def _retype(notebook: NotebookNode, at: int, kind: str) -> None:
    old = notebook.cells[at]
    made = getattr(nbformat.v4, f"new_{kind}_cell")(old.source, metadata=old.metadata)
    made["id"] = old.get("id", "x")
    notebook.cells[at] = made


def _answers_stay_code(notebook: NotebookNode, at: int) -> bool:
    return metadata.role(notebook.cells[at]) != "answer" or bool(defined(notebook.cells[at].source))


def lose_id(notebook: NotebookNode, at: int) -> None:
    notebook.cells[at]["id"] = f"lost-{at}"


def lose_metadata(notebook: NotebookNode, at: int) -> None:
    notebook.cells[at].metadata = NotebookNode()


def lose_everything(notebook: NotebookNode, at: int) -> None:
    notebook.metadata = NotebookNode()
    for place, cell in enumerate(notebook.cells):
        cell.metadata, cell["id"] = NotebookNode(), f"lost-{place}"


def to_markdown(notebook: NotebookNode, at: int) -> None:
    if _answers_stay_code(notebook, at):
        _retype(notebook, at, "markdown")


def to_raw(notebook: NotebookNode, at: int) -> None:
    if _answers_stay_code(notebook, at):
        _retype(notebook, at, "raw")


def copied(notebook: NotebookNode, at: int) -> None:
    notebook.cells.insert(at + 1, copy.deepcopy(notebook.cells[at]))


def blank_copied(notebook: NotebookNode, at: int) -> None:
    original = ONE.handed_out.cells[at % len(ONE.handed_out.cells)]
    notebook.cells.insert(min(at + 1, len(notebook.cells)), copy.deepcopy(original))


def deleted(notebook: NotebookNode, at: int) -> None:
    if metadata.role(notebook.cells[at]) in ("check", "given", "hint", "written"):
        del notebook.cells[at]


def scratch(notebook: NotebookNode, at: int) -> None:
    notebook.cells.insert(at, nbformat.v4.new_code_cell("raise RuntimeError('scratch')"))


def odd_output(notebook: NotebookNode, at: int) -> None:
    if notebook.cells[at].cell_type == "code":
        notebook.cells[at]["outputs"] = [{"output_type": "display_data", "data": {"text/html": "<script>"}}, 7]


MISHAPS: list[Callable[[NotebookNode, int], None]] = [
    lose_id, lose_metadata, lose_everything, to_markdown, to_raw, copied, blank_copied, deleted, scratch, odd_output,
]  # fmt: skip


@st.composite
def mishandled(draw: st.DrawFn) -> NotebookNode:
    """A right notebook after a few mishaps, none of which takes an answer out of it."""
    notebook = ONE.right()
    for _ in range(draw(st.integers(1, 6))):
        mishap = draw(st.sampled_from(MISHAPS))
        mishap(notebook, draw(st.integers(0, len(notebook.cells) - 1)))
    return notebook


def sent(notebook: NotebookNode) -> NotebookNode:
    """The notebook as it is read from what was sent."""
    return parse(json.dumps(notebook).encode())


@QUICK
@given(notebook=mishandled())
def test_every_graded_cell_is_there_once(notebook):
    """Whatever became of a notebook, what is graded has the release's cells, and its answers are code that runs."""
    made = restored(sent(notebook), ONE.handed_out)
    keys = [key for cell in made.cells if (key := metadata.key(cell)) and key.role in ("check", "written", "given")]
    wanted = [
        key
        for cell in ONE.handed_out.cells
        if (key := metadata.key(cell)) and key.role in ("check", "written", "given")
    ]
    assert sorted(wanted) == sorted(keys)
    code = {cell.source.strip() for cell in made.cells if cell.cell_type == "code"}
    answers = {cell.source.strip() for cell in ONE.right().cells if metadata.role(cell) == "answer"}
    assert set() == answers - code
    nbformat.validate(repair(HandedIn(sent(notebook), digest="0"), ONE.handed_out))


@QUICK
@given(data=st.data())
def test_no_nonsense_in_a_file_stops_the_class(data):
    """A notebook in which anything was replaced by anything is read and repaired, or one sentence says why not."""
    plain = json.loads(nbformat.writes(ONE.right()))
    for _ in range(data.draw(st.integers(1, 4))):
        holder = data.draw(st.sampled_from([plain, plain["metadata"], *plain["cells"]] if _whole(plain) else [plain]))
        if holder:
            holder[data.draw(st.sampled_from(sorted(holder)))] = data.draw(JUNK)
    try:
        notebook = parse(json.dumps(plain).encode())
    except ValueError as error:
        assert str(error).endswith(".")
        return
    nbformat.validate(repair(HandedIn(notebook, digest="0"), ONE.handed_out))


def _whole(plain: dict) -> bool:
    return (
        isinstance(plain.get("metadata"), dict)
        and isinstance(plain.get("cells"), list)
        and all(isinstance(cell, dict) for cell in plain["cells"])
    )


@QUICK
@given(data=st.data())
def test_no_byte_stops_the_class(data, tmp_path_factory):
    """A file with bytes cut, changed or added is read, or one sentence says why not."""
    raw = bytearray(nbformat.writes(ONE.right()).encode())
    at, size = data.draw(st.integers(0, len(raw))), data.draw(st.integers(0, 40))
    raw[at : at + size] = data.draw(st.binary(max_size=40))
    file = tmp_path_factory.getbasetemp() / "fuzz.ipynb"
    file.write_bytes(raw)
    handed_in = read(file)
    assert handed_in.problem.endswith(".") or handed_in.notebook.cells is not None


@pytest.mark.needs_bubblewrap
@JUDGED
@given(notebook=mishandled())
def test_answers_that_a_person_would_find_earn_their_points(notebook, sandbox):
    """Judged in the sandbox, a right notebook is right after any mishap."""
    given_in = sent(notebook)
    found = Releases().of(given_in).notebook
    assert metadata.lesson(found) == ONE.name
    judged = judge(restored(given_in, ONE.handed_out), ONE.handed_out, key=b"fuzz", learner="ada", sandbox=sandbox)
    assert judged.score == sum(judged.points.values()), judged.problems
