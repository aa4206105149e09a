"""Does `course progress` say what the saved copies show, without running anything?"""

from __future__ import annotations

import shutil

import nbformat
import pytest

from autograder import cli
from autograder.checking import card
from autograder.checking.spec import Finding, Verdict
from autograder.house import NOTEBOOKS
from autograder.learner.saved import progress_in

RIGHT = Verdict("start-here-tanh-grad", "right")
WRONG = Verdict("start-here-tanh-grad", "wrong", finding=Finding("shape", "another shape"))


@pytest.fixture
def copy(tmp_path):
    """A learner's copy of lesson 00, as it was handed out."""
    path = tmp_path / "00_start_here.ipynb"
    shutil.copyfile(NOTEBOOKS / path.name, path)
    return path


def show(path, *verdicts):
    """Save the cards of these verdicts in the check's cell."""
    notebook = nbformat.read(path, as_version=4)
    cell = next(cell for cell in notebook.cells if cell.id == f"{verdicts[0].check}-check")
    cell.outputs = [nbformat.v4.new_output("display_data", {"text/html": card.html(one)}) for one in verdicts]
    nbformat.write(notebook, path)


def test_a_fresh_copy_has_nothing_right(copy):
    """In a lesson that nobody has run, no check counts as right or wrong."""
    assert ((), (), True) == (
        progress_in(copy).right,
        progress_in(copy).wrong,
        RIGHT.check in progress_in(copy).unasked,
    )


def test_a_saved_card_counts(copy):
    """A check whose saved card says right is right."""
    show(copy, RIGHT)
    assert (RIGHT.check,) == progress_in(copy).right


def test_a_card_that_says_not_yet_is_named(copy):
    """A check whose saved card says anything else is not yet right, but counts as run."""
    show(copy, WRONG)
    assert ((WRONG.check,), False) == (progress_in(copy).wrong, WRONG.check in progress_in(copy).unasked)


def test_the_last_card_counts(copy):
    """Of two cards in one output, the second is the newer one."""
    show(copy, RIGHT, WRONG)
    assert (WRONG.check,) == progress_in(copy).wrong


def test_the_command_says_what_comes_next(copy, capsys):
    """A line for each lesson, then the first check that is not right."""
    show(copy, RIGHT)
    assert 0 == cli.main(["progress", str(copy.parent)])
    shown = capsys.readouterr().out.splitlines()
    assert ("00_start_here", "1", "Next:") == (*shown[0].split()[:2], shown[1].split()[0])


def test_a_broken_copy_is_left_out_with_a_word(copy, capsys):
    """One notebook that cannot be read does not hide the others."""
    (copy.parent / "01_unrolled_graph.ipynb").write_text("{")
    cli.main(["progress", str(copy.parent)])
    shown = capsys.readouterr().out
    assert ("01_unrolled_graph.ipynb cannot be read", True) == (shown[:38], "00_start_here " in shown)


def test_a_folder_without_lessons_is_misuse(tmp_path, capsys):
    """If there is nothing to read, the answer is one line and exit code 2."""
    assert 2 == cli.main(["progress", str(tmp_path)])
