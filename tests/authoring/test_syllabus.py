"""Is the README's syllabus what the lessons' stated minutes make it?"""

from __future__ import annotations

from docs import syllabus


def test_the_readme_has_the_syllabus_that_the_lessons_make():
    """Whoever adds a lesson or changes its minutes runs `python -m docs.syllabus`."""
    text = syllabus.README.read_text(encoding="utf-8")
    assert syllabus.written(text) == text, "run `python -m docs.syllabus`"


def test_lessons_are_packed_in_order_and_never_split():
    """A week takes as many lessons as fit; the next one begins another week, even if a later one would fit."""
    assert [["a", "b"], ["c"], ["d", "e"]] == syllabus.weeks({"a": 30, "b": 90, "c": 150, "d": 60, "e": 120}, 180)
    assert [["a"], ["b"]] == syllabus.weeks({"a": 500, "b": 1}, 180)
