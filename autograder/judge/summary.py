"""What many entries have in common: scores, why some were not graded, which checks and mistakes are frequent, what took long."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from autograder.judge.entry import Entry

MOST = 5  # of anything that is listed


@dataclass(frozen=True)
class Scores:
    """The scores for one lesson."""

    lesson: str
    count: int
    lowest: float
    median: float
    highest: float
    of: float


@dataclass(frozen=True)
class Difficulty:
    """How a check went: how many it was not right for, how many of these had not written it, and of how many."""

    check: str
    missed: int
    unwritten: int
    count: int


@dataclass(frozen=True)
class Named:
    """A mistake, by the sign that it was recognised by, and one of the answers that it was found in."""

    check: str
    sign: str
    count: int
    says: str


@dataclass(frozen=True)
class Summary:
    """What there is to say of many submissions at once."""

    states: dict[str, int]
    scores: tuple[Scores, ...]
    failures: dict[str, tuple[str, ...]]  # reason: whose
    slowest: tuple[tuple[str, str, float], ...]  # learner, lesson, seconds; what was known took none
    checks: tuple[Difficulty, ...]  # the most missed first
    mistakes: tuple[Named, ...]  # the most frequent first

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "states": self.states,
            "scores": [vars(one) for one in self.scores],
            "failures": {reason: list(who) for reason, who in self.failures.items()},
            "slowest": [{"learner": who, "lesson": lesson, "seconds": took} for who, lesson, took in self.slowest],
            "checks": [vars(one) for one in self.checks],
            "mistakes": [vars(one) for one in self.mistakes],
        }

    def lines(self) -> list[str]:
        """For a terminal: a few lines, those that have something to say."""
        said = [", ".join(f"{count} {state}" for state, count in self.states.items())]
        for one in self.scores:
            said.append(f"{one.lesson}: {one.lowest:g} to {one.highest:g} of {one.of:g} points, median {one.median:g}")
        if failed := sorted({one for who in self.failures.values() for one in who}):
            said.append(f"{len(failed)} could not be read or graded: {', '.join(failed)}")
        checks = [f"{one.check} {one.missed}/{one.count}" for one in self.checks[:MOST] if one.missed]
        mistakes = [f"{one.sign} in {one.check} {one.count}" for one in self.mistakes[:MOST]]
        slow = [f"{who} {lesson} {took:.0f} s" for who, lesson, took in self.slowest if took >= 1]
        for title, items in (("Most often not right", checks), ("Mistakes", mistakes), ("Slowest", slow)):
            if items:
                said.append(f"{title}: {', '.join(items)}")
        return said


def summary(entries: Sequence[Entry]) -> Summary:
    """The Summary of these entries."""
    failures: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        if not entry.well:
            failures[entry.problem].append(entry.learner)
    slowest = sorted(((one.learner, one.lesson, one.seconds) for one in entries), key=lambda row: -row[2])
    return Summary(
        dict(Counter(entry.state for entry in entries)),
        tuple(_scores(entries)),
        {reason: tuple(who) for reason, who in failures.items()},
        tuple(row for row in slowest[:MOST] if row[2]),
        tuple(difficulties(entries)),
        tuple(mistakes(entries)),
    )


def difficulties(entries: Iterable[Entry]) -> list[Difficulty]:
    """Every check that was asked, the most missed first."""
    asked: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        if entry.well:
            for id, verdict in entry.verdicts.items():
                asked[id].append(verdict.status)
    made = [
        Difficulty(id, sum(status != "right" for status in all), all.count("missing"), len(all))
        for id, all in asked.items()
    ]
    return sorted(made, key=lambda one: -one.missed / one.count)


def mistakes(entries: Iterable[Entry]) -> list[Named]:
    """Every mistake that was recognised, the most frequent first; a check that was not written is none."""
    counts: Counter[tuple[str, str]] = Counter()
    says: dict[tuple[str, str], str] = {}
    for entry in entries:
        for id, verdict in entry.verdicts.items() if entry.well else ():
            if verdict.finding and not verdict.right and verdict.status != "missing":
                counts[id, verdict.finding.sign] += 1
                clues = verdict.finding.clues
                says.setdefault((id, verdict.finding.sign), clues[0] if clues else verdict.finding.summary)
    return [Named(id, sign, count, says[id, sign]) for (id, sign), count in counts.most_common()]


def _scores(entries: Iterable[Entry]) -> Iterable[Scores]:
    by: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for entry in entries:
        if entry.score is not None and entry.of is not None:
            by[entry.lesson].append((entry.score, entry.of))
    for lesson, pairs in sorted(by.items()):
        scores = [score for score, _ in pairs]
        yield Scores(
            lesson, len(scores), min(scores), statistics.median(scores), max(scores), max(of for _, of in pairs)
        )
