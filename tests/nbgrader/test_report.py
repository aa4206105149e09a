"""Does the page on a class say how hard its exercises are, whom they tell apart, and what to teach again?"""

from __future__ import annotations

import pytest

from autograder.checking.spec import Finding, Verdict
from autograder.house import SOLUTIONS
from autograder.judge.entry import Entry
from autograder.judge.summary import mistakes, summary
from autograder.nbgrader.attendance import Attendance
from autograder.nbgrader.report import exercises, page, passage
from tests.submissions import lesson

NAME = "00_start_here"
ONE, TWO, THREE = "start-here-tanh-grad", "start-here-bug", "start-here-predict-slope"


def entry(who: str, right: str) -> Entry:
    """A graded submission in which these checks are right, by the digits 1, 2, 3."""
    wrong = Finding("no-square", "0.3, expected 0.2", clues=("The square is <b>missing</b>.",))
    verdicts = {
        id: Verdict(id, "right") if digit in right else Verdict(id, "wrong", finding=wrong)
        for digit, id in (("1", ONE), ("2", TWO), ("3", THREE))
    }
    points = dict.fromkeys(verdicts, 1.0)
    score = float(len(right))
    return Entry(f"{who}.ipynb", who, "graded", NAME, "v", "", score, 3.0, (), verdicts, points)


CLASS = [entry(f"s{n}", right) for n, right in enumerate(("123", "12", "123", "13", "", "3", "", "3"))]


def test_an_exercise_that_tells_apart_is_told_from_one_that_does_not():
    """Being right in 1 goes with the other points; being right in 3 goes with nothing."""
    tells = {one.check: one.tells for one in exercises(CLASS)}
    assert tells[ONE] > 0.5 > abs(tells[THREE])
    assert [0.5, 0.375, 0.625] == [one.right for one in exercises(CLASS)]


def test_few_submissions_tell_nothing():
    """The twin: of four submissions, no correlation is shown."""
    assert {None} == {one.tells for one in exercises(CLASS[:4])}


def test_mistakes_are_counted_by_name_and_the_lesson_has_the_passage():
    """The most frequent mistake comes first, and the page quotes what the lesson says before its exercise."""
    assert (TWO, "no-square", 5) == (mistakes(CLASS)[0].check, mistakes(CLASS)[0].sign, mistakes(CLASS)[0].count)
    release = lesson(SOLUTIONS / f"{NAME}.py").handed_out
    said = passage(release, ONE)
    assert said.startswith("## 3. The slope") and "difficulty" not in said
    assert "" == passage(release.__class__(cells=[]), ONE)


def test_nothing_of_a_learner_runs_on_the_page():
    """Names and messages are text; the page loads nothing."""
    made = page(
        "class",
        [*CLASS, entry("<script>x", "1"), Entry("x", "hank", "failed", problem="<b>missing")],
        {NAME: lesson(SOLUTIONS / f"{NAME}.py").handed_out},
        Attendance({NAME: ("<i>",)}, ()),
    )
    assert not any(live in made for live in ("<script", "<b>missing", "<i>", "src=", "@import"))
    assert "<svg" in made and "&lt;i&gt;" in made and "hank" in made


@pytest.mark.parametrize("state", ["failed", "unreadable"])
def test_what_was_not_graded_is_counted_by_its_reason(state):
    """The summary has whose submissions failed for the same reason, and their checks count for nothing."""
    made = summary([*CLASS, Entry("x", "eve", state, NAME, problem="The file is empty.")])
    assert {"The file is empty.": ("eve",)} == made.failures
    assert {8} == {one.count for one in made.checks}
