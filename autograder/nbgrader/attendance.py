"""Who of a class handed in nothing, and who handed in without being one of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from autograder.nbgrader.classroom import Classroom, gradebook


@dataclass(frozen=True)
class Attendance:
    """Who of the class's students handed in nothing, by lesson; and who handed in without being one of them."""

    missing: dict[str, tuple[str, ...]]
    strangers: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "nothing handed in": {k: list(v) for k, v in self.missing.items()},
            "not on the roster": list(self.strangers),
        }

    def lines(self) -> list[str]:
        """For a terminal."""
        said = [f"Nothing handed in for {lesson}: {', '.join(who)}" for lesson, who in self.missing.items() if who]
        if self.strangers:
            said.append(
                f"Not on the roster: {', '.join(self.strangers)}. Is a name misspelt? If so, rename the folder in submitted/."
            )
        return said


def attendance(classroom: Classroom, handed_in: Collection[tuple[str, str]]) -> Attendance:
    """Who is missing for the lessons in `handed_in`, (student, lesson) each; nobody where the class has no roster."""
    with gradebook(classroom) as book:
        named = {one.id for one in book.students if one.first_name or one.last_name or one.email}
    enrolled = {*named, *classroom.roster()}
    if not enrolled:
        return Attendance({}, ())
    lessons = sorted({lesson for _, lesson in handed_in if lesson in classroom.lessons()})
    missing = {
        lesson: tuple(sorted(enrolled - {student for student, other in handed_in if other == lesson}))
        for lesson in lessons
    }
    return Attendance(missing, tuple(sorted({student for student, _ in handed_in} - enrolled)))
