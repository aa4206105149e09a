"""A Verdict as HTML for a notebook and a gradebook, and as text for a terminal."""

from __future__ import annotations

from html import escape

from autograder.checking import picture
from autograder.checking.spec import Verdict

# Colours that work on light and dark backgrounds.
_GOOD, _BAD, _ODD = "#00795a", "#b84f00", "#9a4675"  # white on each of them is read at a contrast above 4.5


def headline(verdict: Verdict) -> str:
    """One line: the check and how it ended."""
    if verdict.right:
        return f"{verdict.check}: {_head(verdict)}" + (
            f" ({verdict.credit:.0%} of the points)" if verdict.credit < 1 else ""
        )
    summary = verdict.finding.summary if verdict.finding else ""
    return f"{verdict.check}: {verdict.ending.head}" + (f". {_sentence(summary)}" if summary else "")


def text(verdict: Verdict) -> str:
    """The whole verdict in a few lines."""
    lines = [f"[{'x' if verdict.right else ' '}] {verdict.check}: {_head(verdict)}"]
    if verdict.right and verdict.claim:
        lines.append(f"    {verdict.claim}")
    lines += [f"    {label}: {value}" if label else f"    {value}" for label, value in _rows(verdict)]
    if verdict.finding and verdict.finding.picture:
        lines += [
            f"    {label + ':' if label else '':8} {value}" for label, value in picture.lines(verdict.finding.picture)
        ]
    return "\n".join(lines)


def html(verdict: Verdict) -> str:
    """The whole verdict as a card; everything that comes from the learner is escaped."""
    colour = _GOOD if verdict.right else _ODD if verdict.ending.odd else _BAD
    mark = "&#10003;" if verdict.right else "&#10007;"
    rows = "".join(
        f'<tr style="background:none"><th style="text-align:left;vertical-align:top;padding:1px 12px 1px 0;font-weight:600;white-space:nowrap;'
        f'background:none">{escape(label)}</th><td style="text-align:left;padding:1px 0;background:none;'
        f'white-space:normal;overflow-wrap:anywhere">{_code(value)}</td></tr>'
        for label, value in _rows(verdict)
    )
    claim = f'<div style="opacity:.85;margin-top:2px">{_code(verdict.claim)}</div>' if verdict.claim else ""
    table = (
        f'<table style="margin:6px 0 0;border:none;border-collapse:collapse;font-size:inherit;color:inherit">{rows}</table>'
        if rows
        else ""
    )
    return (
        f'<div class="bptt-card" data-check="{escape(verdict.check)}" data-status="{verdict.status}" '
        f'style="border-left:4px solid {colour};padding:6px 12px;margin:4px 0;max-width:52em;'
        f'font-family:var(--jp-content-font-family,sans-serif);color:var(--jp-content-font-color1,inherit)">'
        f'<div><span style="background:{colour};color:#fff;font-weight:700;padding:1px 8px;border-radius:3px">{mark} {escape(_state(verdict))}</span> '
        f'<span style="opacity:.8">{escape(verdict.check)}</span></div>{claim}{table}{_picture(verdict)}</div>'
    )


def _picture(verdict: Verdict) -> str:
    drawn = verdict.finding.picture if verdict.finding else None
    return f'<div style="margin-top:6px">{picture.html(drawn, _BAD, _GOOD)}</div>' if drawn else ""


def _head(verdict: Verdict) -> str:
    return "noted" if verdict.noted else verdict.ending.head


def _state(verdict: Verdict) -> str:
    head = _head(verdict)
    if verdict.right and verdict.credit < 1:
        head += f" ({verdict.credit:.0%} of the points)"
    return head[0].upper() + head[1:]


def _rows(verdict: Verdict) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    if verdict.finding:
        if verdict.call and verdict.ending.called:
            rows.append(("Asked", f"`{verdict.call}`"))
        rows.append(("Found", _sentence(verdict.finding.summary)))
        if verdict.finding.where:
            rows.append(("Where", verdict.finding.where))
        rows += [("Clue" if i == 0 else "", clue) for i, clue in enumerate(verdict.finding.clues)]
    rows += [("Note", note) for note in verdict.notes]
    return rows


def _sentence(summary: str) -> str:
    return summary if summary.endswith((".", "?", "!")) else summary + "."


def _code(value: str) -> str:
    """Escaped text in which `this` becomes code."""
    parts = escape(value).split("`")
    if len(parts) % 2 == 0:
        return "`".join(parts)
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))
