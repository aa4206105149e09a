"""A page on how a class does: scores, how hard each exercise is and whom it tells apart, mistakes and what to teach again."""

from __future__ import annotations

import io
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from nbconvert.filters import markdown2html
from nbformat import NotebookNode

from autograder import metadata
from autograder.judge.entry import Entry
from autograder.judge.summary import difficulties, mistakes
from autograder.nbgrader.attendance import Attendance

LEAST = 5  # submissions, below which telling apart means nothing
STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:1em 0}th,td{text-align:left;padding:.25em .8em .25em 0;vertical-align:top}
td.n,th.n{text-align:right}blockquote{border-left:4px solid #0072b2;margin:.3em 0;padding:0 1em;color:#444}
svg{max-width:100%;height:auto}body>h2{border-top:1px solid #ccc;padding-top:1em}.anchor-link{display:none}
"""


@dataclass(frozen=True)
class Exercise:
    """How one check went: the share of the class that it is right for, and how it goes with the score for all others."""

    check: str
    right: float
    tells: float | None  # correlation of being right with the points for the other checks; None if it says nothing


def exercises(entries: Sequence[Entry]) -> list[Exercise]:
    """The checks of one lesson in its order."""
    read = [entry for entry in entries if entry.well and entry.verdicts]
    ids = list(read[0].verdicts) if read else []
    made = []
    for id in ids:
        having = [entry for entry in read if id in entry.verdicts]
        right = [float(entry.verdicts[id].right) for entry in having]
        rest = [
            sum(verdict.points(entry.points[other]) for other, verdict in entry.verdicts.items() if other != id)
            for entry in having
        ]
        made.append(Exercise(id, statistics.fmean(right), _correlation(right, rest)))
    return made


def _correlation(one: Sequence[float], other: Sequence[float]) -> float | None:
    if len(one) < LEAST or len(set(one)) < 2 or len(set(other)) < 2:
        return None
    return statistics.correlation(one, other)


def passage(release: NotebookNode, exercise: str) -> str:
    """What the lesson says before an exercise, to teach again: the last heading, and the first paragraph below it, as markdown."""
    before: list[str] = []
    for cell in release.cells:
        if metadata.key(cell) == ("answer", exercise):
            break
        if cell.cell_type == "markdown" and not metadata.role(cell):
            before.append(cell.source)
    said = re.split(r"^(?=#+ )", "\n\n".join(before), flags=re.MULTILINE)[-1] if before else ""
    parts = [
        part for part in said.split("\n\n") if part.strip() and not re.fullmatch(r"\*difficulty.*\*", part.strip())
    ]
    return "\n\n".join(parts[:2])


def page(name: str, lessons: dict[str, tuple[list[Entry], NotebookNode]], present: Attendance) -> str:
    """The page, complete in itself: pictures are in it, and it loads nothing."""
    body = [f"<h1>{escape(name)}</h1>", *(f"<p>{escape(line)}</p>" for line in present.lines())]
    for lesson, (entries, release) in lessons.items():
        body += _lesson(lesson, entries, release)
    return f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(name)}</title><style>{STYLE}</style><body>{"".join(body)}</body></html>'


def _lesson(lesson: str, entries: list[Entry], release: NotebookNode) -> list[str]:
    made = [f"<h2>{escape(lesson)}</h2>"]
    if not entries:
        return [*made, "<p>Nothing has been graded yet.</p>"]
    scores = [entry.score for entry in entries if entry.score is not None]
    of = max((entry.of for entry in entries if entry.of is not None), default=0.0)
    awaits = sum(len(entry.awaits) for entry in entries)
    if scores:
        said = f"{len(scores)} submissions, median {statistics.median(scores):g} of {of:g} points"
        made += [f"<p>{said}{f', {awaits} answers await you' if awaits else ''}.</p>", _histogram(scores, of)]
    if unwell := [entry for entry in entries if not entry.well]:
        made.append("<h3>Not read or graded</h3>")
        made.append(_table(("student", "why"), [(entry.learner, entry.problem) for entry in unwell]))
    if asked := exercises(entries):
        unwritten = {one.check: one.unwritten for one in difficulties(entries)}
        rows = [
            (
                one.check,
                f"{one.right:.0%}",
                str(unwritten[one.check]),
                "–" if one.tells is None else f"{one.tells:+.2f}",
            )
            for one in asked
        ]
        made += [
            "<h3>Exercises</h3><p>How many are right, how many did not write it, and how being right goes with the points for "
            "all others: near 0, an exercise does not tell those who know from those who do not.</p>",
            _table(("exercise", "right", "not written", "tells apart"), rows),
            _scatter(asked),
        ]
    if found := mistakes(entries):
        made.append("<h3>Mistakes</h3>")
        named = [(str(one.count), one.sign, one.check, one.says) for one in found[:10]]
        made.append(_table(("how many", "mistake", "in", "what it looks like"), named))
        for exercise in dict.fromkeys(one.check for one in found[:3]):
            if text := passage(release, exercise):
                made.append(
                    f"<p>To teach again, before {escape(exercise)}:</p><blockquote>{markdown2html(text)}</blockquote>"
                )
    return made


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _histogram(scores: Sequence[float], of: float) -> str:
    def draw(axes: Any) -> None:
        axes.hist(scores, bins=[of * part / 10 for part in range(11)] if of else 10, color="#0072b2", edgecolor="white")
        axes.set_xlabel("points")
        axes.set_ylabel("submissions")

    return _svg(draw)


def _scatter(asked: Sequence[Exercise]) -> str:
    told = [(one.check, one.right, one.tells) for one in asked if one.tells is not None]
    if not told:
        return ""

    def draw(axes: Any) -> None:
        axes.scatter([right for _, right, _ in told], [tells for _, _, tells in told], color="#d55e00")
        for check, right, tells in told:
            axes.annotate(check, (right, tells), fontsize=7, xytext=(4, 3), textcoords="offset points")
        axes.set_xlim(-0.05, 1.25)
        axes.axhline(0, color="#999", linewidth=0.8)
        axes.set_xlabel("share that is right")
        axes.set_ylabel("tells apart")

    return _svg(draw)


def _svg(draw: Any) -> str:
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": "report"}):
        figure = Figure(figsize=(7, 2.8), layout="constrained")
        draw(figure.subplots())
        made = io.StringIO()
        FigureCanvasSVG(figure).print_svg(made, metadata={"Date": None})
    text = made.getvalue()
    return text[text.index("<svg") :]
