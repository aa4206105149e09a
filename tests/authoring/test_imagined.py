"""Are the submissions that grading is measured on what they are said to be?"""

from __future__ import annotations

from autograder import metadata
from autograder.authoring.imagined import KINDS, class_of, submission
from autograder.house import SOLUTIONS
from tests.submissions import lesson

SCRIPTS = [SOLUTIONS / "00_start_here.py", SOLUTIONS / "01_unrolled_graph.py"]


def answered(script, notebook):
    """Which answers are the solution's, in order."""
    right = lesson(script).right()
    pairs = zip(notebook.cells, right.cells, strict=True)
    return [cell.source == ours.source for cell, ours in pairs if metadata.role(ours) == "answer"]


def test_the_three_kinds_differ_as_they_say():
    """All are right, the first half is, or all but every third."""
    script = SCRIPTS[1]
    solved, half, wrong = (answered(script, submission(script, kind)) for kind in KINDS)
    assert all(solved)
    assert half == sorted(half, reverse=True) and half.count(True) == (len(half) + 1) // 2
    assert [at for at, right in enumerate(wrong) if not right] == list(range(0, len(wrong), 3))


def test_lessons_and_kinds_take_turns():
    """A class has every lesson in every kind equally often."""
    made = class_of(SCRIPTS, 12)
    assert {2} == {
        sum((one.script, one.kind) == (script, kind) for one in made) for script in SCRIPTS for kind in KINDS
    }
    assert 12 == len({one.learner for one in made})
