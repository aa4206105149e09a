"""Submissions as learners hand them in, made from a lesson and its catalogue of wrong answers: to measure grading on."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from nbformat import NotebookNode

from autograder import house, metadata
from autograder.authoring import answers
from autograder.authoring.contract import as_written
from autograder.authoring.release import notebooks

Kind = Literal["solved", "half solved", "with named mistakes"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Imagined:
    """A submission, and what is known of it."""

    learner: str
    script: Path
    kind: Kind
    notebook: NotebookNode


def class_of(scripts: Sequence[Path], count: int, kinds: Sequence[Kind] = KINDS) -> list[Imagined]:
    """`count` submissions: the lessons take turns, and then the kinds."""
    made = []
    for number in range(count):
        turn, at = divmod(number, len(scripts))
        script, kind = scripts[at], kinds[turn % len(kinds)]
        made.append(Imagined(f"s{number:04}", script, kind, submission(script, kind, number)))
    return made


def submission(script: Path, kind: Kind, number: int = 0) -> NotebookNode:
    """A lesson handed in: all answers right; the first half of them; or every third one wrong, by a mistake that `number` chooses."""
    answered, blank, wrong = _material(script)
    made = copy.deepcopy(answered)
    places = [at for at, cell in enumerate(made.cells) if metadata.role(cell) == "answer"]
    if kind == "half solved":
        for at in places[(len(places) + 1) // 2 :]:
            made.cells[at].source = blank.cells[at].source
    elif kind == "with named mistakes":
        for at in places[number % 3 :: 3]:
            if choices := wrong.get(metadata.key(made.cells[at]).id):  # type: ignore[union-attr]  # it has a role
                made.cells[at].source = choices[number % len(choices)]
    return made


@cache
def _material(script: Path) -> tuple[NotebookNode, NotebookNode, dict[str, list[str]]]:
    """The lesson with its answers, as a learner writes them; as it is handed out; and wrong answers by exercise."""
    solved, blank = notebooks(script)
    answered, own = copy.deepcopy(blank), {}
    for cell, original in zip(answered.cells, solved.cells, strict=True):
        if metadata.role(cell) in ("answer", "written"):
            cell.source = as_written(original.source).rstrip("\n")
        if (key := metadata.key(cell)) and key.role == "answer":
            own[key.id] = original.source
    wrong: dict[str, list[str]] = defaultdict(list)
    for sample in answers.wrong(house.ROOT / "tests" / "answers" / house.stem(script.stem), own):
        wrong[sample.of].append(sample.source)
    return answered, blank, dict(wrong)
