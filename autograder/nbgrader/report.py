"""A page on how a class does: scores, how hard each exercise is and whom it tells apart, mistakes and what to teach again."""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from nbconvert.filters import markdown2html
from nbformat import NotebookNode

from autograder import metadata
from autograder.judge.entry import Entry
from autograder.judge.summary import Difficulty, difficulties, mistakes
from autograder.nbgrader.attendance import Attendance

LEAST = 5  # submissions, below which telling apart means nothing
TAUGHT = 3  # mistakes for which the lesson is quoted
STYLE = """
:root{color-scheme:light dark;--bar:#0072b2;--line:#8886}
body{font:16px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em}
table{border-collapse:collapse;margin:1em 0}th,td{text-align:left;padding:.25em 1em .25em 0;vertical-align:top}
h2{border-top:1px solid var(--line);padding-top:1em}blockquote{border-left:4px solid var(--bar);margin:.3em 0;padding:0 1em}
blockquote h1,blockquote h2,blockquote h3{border:0;margin:0;padding:.3em 0;font-size:1em}.anchor-link{display:none}
svg{display:block;max-width:100%;fill:currentColor;font-size:13px;text-anchor:middle}svg rect,td .bar{fill:var(--bar)}
td .bar{display:inline-block;height:.7em;margin-right:.5em;background:var(--bar)}
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


_TASK = re.compile(r"#+ (?:Exercise|Predict|Experiment|Try it)\b")


def passage(release: NotebookNode, exercise: str) -> str:
    """What the lesson teaches before an exercise, as markdown: the last heading that sets no task, and two paragraphs below it."""
    before: list[str] = []
    for cell in release.cells:
        if metadata.key(cell) == ("answer", exercise):
            break
        if cell.cell_type == "markdown" and not metadata.role(cell):
            before.append(cell.source)
    sections = re.split(r"^(?=#+ )", "\n\n".join(before), flags=re.MULTILINE)
    for section in reversed(sections):
        parts = [part for part in section.strip().split("\n\n") if not re.fullmatch(r"\*difficulty.*\*", part.strip())]
        if len(parts) > 1 and not _TASK.match(section):
            return "\n\n".join(parts[:3])
    return ""


def page(name: str, entries: Sequence[Entry], releases: Mapping[str, NotebookNode], present: Attendance) -> str:
    """The page, complete in itself: pictures are in it, and it loads nothing. `releases` are the lessons that it tells of."""
    body = [f"<h1>{escape(name)}</h1>", *(f"<p>{escape(line)}</p>" for line in present.lines())]
    body += _unwell([entry for entry in entries if entry.lesson not in releases])
    for lesson, release in releases.items():
        body += _lesson(lesson, [entry for entry in entries if entry.lesson == lesson], release)
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(name)}</title>'
    return f'<!doctype html><html lang="en">{head}<style>{STYLE}</style><body>{"".join(body)}</body></html>'


def _lesson(lesson: str, entries: Sequence[Entry], release: NotebookNode) -> list[str]:
    made = [f"<h2>{escape(lesson)}</h2>"]
    scores = [entry.score for entry in entries if entry.score is not None]
    if not scores:
        made.append("<p>Nothing has been graded yet.</p>")
    else:
        of = max(entry.of for entry in entries if entry.of is not None)
        awaits = sum(len(entry.awaits) for entry in entries)
        said = f"Graded: {len(scores)}. Median: {statistics.median(scores):g} of {of:g} points. Answers that await you: {awaits}."
        made += [f"<p>{said}</p>", _histogram(scores, of)]
    made += _unwell([entry for entry in entries if not entry.well])
    if asked := exercises(entries):
        made += [
            "<h3>Exercises</h3><p>How many are right, how many are not written, and whether being right goes with the points for all "
            "others: near 0, an exercise does not tell those who know from those who do not.</p>",
            _exercises(asked, {one.check: one for one in difficulties(entries)}),
        ]
    return made + _mistakes(entries, release)


def _unwell(entries: Sequence[Entry]) -> list[str]:
    if not entries:
        return []
    return ["<h3>Not read or graded</h3>", _table(("student", "why"), [(one.learner, one.problem) for one in entries])]


def _exercises(asked: Sequence[Exercise], difficulty: Mapping[str, Difficulty]) -> str:
    rows = "".join(
        f'<tr><td>{escape(one.check)}<td><span class="bar" style="width:{8 * one.right:.2f}em"></span>{one.right:.0%}'
        f"<td>{difficulty[one.check].unwritten}<td>{'–' if one.tells is None else f'{one.tells:+.2f}'}"
        for one in asked
    )
    return f"<table><tr><th>exercise<th>right<th>not written<th>tells apart{rows}</table>"


def _mistakes(entries: Sequence[Entry], release: NotebookNode) -> list[str]:
    found = mistakes(entries)
    if not found:
        return []
    named = [(str(one.count), one.sign, one.check, one.says) for one in found[:10]]
    made = ["<h3>Mistakes</h3>", _table(("how many", "mistake", "in", "what it looks like"), named)]
    for exercise in dict.fromkeys(one.check for one in found[:TAUGHT]):
        if text := passage(release, exercise):
            plain = re.sub(
                r"(\$\$?)([^$`]+)\1", lambda found: f"`{' '.join(found[2].split())}`", text
            )  # nothing here typesets
            quoted = f"<blockquote>{markdown2html(plain)}</blockquote>"
            made.append(f"<p>To teach again, for {escape(exercise)}:</p>{quoted}")
    return made


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _histogram(scores: Sequence[float], of: float, bins: int = 10) -> str:
    """A picture of how many submissions have how many points, in bins of equal width."""
    counts = [0] * bins
    for score in scores:
        counts[min(int(bins * score / of), bins - 1) if of else 0] += 1
    wide, high = 60, 120
    bars = [
        f'<rect x="{20 + at * wide + 2}" y="{20 + high - high * count / max(counts):.1f}" width="{wide - 4}" height="{high * count / max(counts):.1f}"/>'
        f'<text x="{20 + (at + 0.5) * wide}" y="{15 + high - high * count / max(counts):.1f}">{count or ""}</text>'
        for at, count in enumerate(counts)
    ]
    ticks = [f'<text x="{20 + at * wide}" y="{high + 38}">{of * at / bins:g}</text>' for at in range(bins + 1)]
    return (
        f'<svg viewBox="0 0 {40 + bins * wide} {high + 60}" width="{40 + bins * wide}" role="img" aria-label="How many have how many points">'
        f'{"".join(bars + ticks)}<text x="{20 + bins * wide / 2}" y="{high + 56}">points</text></svg>'
    )
