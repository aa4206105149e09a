"""The syllabus in README.md: lessons packed into weeks, by the minutes that each lesson states. `python -m docs.syllabus` writes it."""

from __future__ import annotations

import re
from pathlib import Path

from autograder import house
from autograder.authoring.source import read

WEEK = 180  # minutes of work in a week
README = house.ROOT / "README.md"
BEGIN, END = "<!-- syllabus: made by `python -m docs.syllabus` -->", "<!-- end of syllabus -->"
_TIME = re.compile(r"^\| Time \| (\d+) minutes \|$", re.MULTILINE)


def minutes(script: Path) -> int:
    """The minutes that a lesson says it takes; ValueError if it does not say."""
    found = _TIME.search(read(script).cells[0].source)
    if found is None:
        raise ValueError(f"{script.name} does not say how long it takes: | Time | 90 minutes |")
    return int(found[1])


def weeks(lessons: dict[str, int], week: int = WEEK) -> list[list[str]]:
    """The lessons in order, as many in a week as fit; a lesson that is longer has its own week."""
    packed: list[list[str]] = []
    left = 0
    for lesson, takes in lessons.items():
        if takes > left:
            packed.append([])
            left = week
        packed[-1].append(lesson)
        left -= takes
    return packed


def block() -> str:
    """The syllabus as it has to be in README.md."""
    scripts = {script.stem: script for script in house.lessons(house.SOLUTIONS)}
    takes = {name: minutes(script) for name, script in scripts.items()}
    lines = [BEGIN, "", "| week | lessons | work | answers to grade by hand, for each learner |", "|---|---|---|---|"]
    for number, names in enumerate(weeks(takes), 1):
        written = sum(cell.role == "written" for name in names for cell in read(scripts[name]).cells)
        hours = f"{sum(takes[name] for name in names) / 60:.1f} hours"
        lines.append(f"| {number} | {', '.join(name[:2] for name in names)} | {hours} | {written} |")
    return "\n".join([*lines, "", END])


def written(text: str) -> str:
    """README.md with the syllabus as it has to be."""
    before, _, rest = text.partition(BEGIN)
    return before + block() + rest.partition(END)[2]


if __name__ == "__main__":
    README.write_text(written(README.read_text(encoding="utf-8")), encoding="utf-8")
