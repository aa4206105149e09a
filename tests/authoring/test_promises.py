"""Is every promise of the course kept by an exercise and an experiment, and does the map say where?"""

from __future__ import annotations

import re
import shutil

import pytest

from autograder.authoring.promises import BEGIN, END, LIST, promises, table, written_into
from autograder.errors import AuthorError
from autograder.house import SOLUTIONS
from docs import map as course_map


@pytest.fixture
def course(tmp_path):
    """A folder with the promises of lesson 01, and its script: `course(old, new)` changes the script first."""

    def build(old="", new=""):
        text = (SOLUTIONS / "01_unrolled_graph.py").read_text()
        assert old in text
        (tmp_path / "01_unrolled_graph.py").write_text(text.replace(old, new) if old else text)
        made = (SOLUTIONS / LIST).read_text().partition("[lessons.03]")[0]
        (tmp_path / LIST).write_text(made)
        return promises(tmp_path)

    return build


def test_every_lesson_keeps_its_promises():
    """Each promise of a lesson that is there has a check and an experiment; a lesson without promises says nothing."""
    assert [] == [f"{one.number} {one.id}: {one.says}" for one in promises() if one.kept_in and not one.kept]


def test_a_promise_that_nothing_keeps_is_found(course):
    """The twin: without its declaration, a promise is not kept."""
    assert all(one.kept for one in course() if one.number == "01")
    changed = course(' keeps="recurrence"', "")
    assert ["recurrence"] == [one.id for one in changed if one.number == "01" and not one.kept]


def test_every_lesson_but_the_first_makes_promises():
    """Lessons 01 to 09 are on the list, each with at least two promises, and no two of them have one id."""
    found = promises()
    assert [f"{n:02}" for n in range(1, 10)] == sorted({one.number for one in found})
    assert len({one.id for one in found}) == len(found)


def test_a_cell_that_keeps_what_nobody_promised_is_an_error(course):
    """A misspelt id names its cell, and the ids that there are."""
    with pytest.raises(
        AuthorError, match="no promise of this lesson is called recurrense.*recurrence, unrolling, paths"
    ):
        course('keeps="recurrence"', 'keeps="recurrense"')


def test_a_lesson_that_is_not_there_is_to_come(course):
    """Its promises stand in the map without a link."""
    drawn = table(course(), "notebooks/")
    assert "| 02, to come |" in drawn and "[01](notebooks/01_unrolled_graph.ipynb)" in drawn


@pytest.mark.parametrize("page", course_map.PAGES, ids=lambda page: page.name)
def test_the_map_on_a_page_is_what_the_lessons_say(page):
    """Whoever reads the README or the first lesson finds every promise, and notebooks that are there."""
    shown = page.read_text()
    assert course_map.drawn()[page] == shown, "run `python -m docs.map` and `course release 00`"
    part = shown.partition(BEGIN)[2].partition(END)[0]
    links = re.findall(r"\]\((?:notebooks/)?(\w+)\.ipynb\)", part)
    assert links and all((SOLUTIONS / f"{link}.py").exists() for link in links)


def test_a_page_without_a_place_for_the_map_is_an_error(tmp_path):
    """The error says what to put there."""
    shutil.copyfile(SOLUTIONS / LIST, tmp_path / "page.md")
    with pytest.raises(AuthorError, match="no place for the map"):
        written_into(tmp_path / "page.md", "| |")
