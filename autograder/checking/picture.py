"""The shape of an error, for the card: how large it is at each time step, or a small tensor beside what was expected.

As SVG and tables where HTML can be shown, and as numbers in a terminal. Both say the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from torch import Tensor

from autograder.checking.compare import Difference, wrong_entries

STEPS = 3, 60  # a bar for each time step, where there are so many
ROWS, COLUMNS = 5, 6  # of a tensor that is shown whole

Row = tuple[str, ...]


@dataclass(frozen=True)
class Picture:
    """Either `errors` by step, relative to the largest entry expected (0 where all is right), or the rows of two small tensors."""

    first: int = 1  # number of the first step
    errors: tuple[float, ...] = ()
    got: tuple[Row, ...] = ()
    want: tuple[Row, ...] = ()
    wrong: tuple[tuple[bool, ...], ...] = ()  # which entries


def drawn(one: Difference) -> Picture | None:
    """The picture of a difference between two tensors; None where none says more than the words."""
    got, want = one.got, one.want
    if (
        one.sign != "value"
        or not isinstance(want, Tensor)
        or not isinstance(got, Tensor)
        or not want.is_floating_point()
    ):
        return None
    if not bool(got.isfinite().all()) or not bool(want.isfinite().all()):
        return None
    wrong, axes = wrong_entries(got, want), one.axes.split()
    for name, first in (("T", 1), ("T0", 0)):
        if name in axes and len(axes) == want.dim() and STEPS[0] <= want.shape[axes.index(name)] <= STEPS[1]:
            scale = max(float(want.abs().max()), 1e-300)
            off = (
                ((got - want).abs() / scale * wrong)
                .movedim(axes.index(name), 0)
                .reshape(want.shape[axes.index(name)], -1)
                .amax(1)
            )
            return Picture(first, errors=tuple(round(error, 12) for error in off.tolist()))
    if (
        want.dim() not in (1, 2)
        or not 2 <= want.numel()
        or want.shape[-1] > COLUMNS
        or want.shape[0] > max(ROWS, COLUMNS)
    ):
        return None
    if want.dim() == 2 and want.shape[0] > ROWS:
        return None
    got, want, wrong = (one.reshape(-1, one.shape[-1]) for one in (got, want, wrong))
    return Picture(got=_rows(got), want=_rows(want), wrong=tuple(tuple(row) for row in wrong.tolist()))


def _rows(tensor: Tensor) -> tuple[Row, ...]:
    return tuple(tuple(f"{entry:.4g}" for entry in row) for row in tensor.tolist())


# In a terminal


def lines(picture: Picture) -> Iterator[tuple[str, str]]:
    """The picture as rows of text: a label and what it says."""
    if picture.errors:
        yield "By step", _spoken(picture)
        return
    width = max(len(entry) for row in (*picture.got, *picture.want) for entry in row) + 1
    for label, rows in (("Got", picture.got), ("Wanted", picture.want)):
        for i, row in enumerate(rows):
            marks = picture.wrong[i] if label == "Got" else (False,) * len(row)
            said = " ".join((entry + "*" * off).rjust(width) for entry, off in zip(row, marks, strict=True))
            yield (label if i == 0 else ""), said + ("   (* differs)" if label == "Got" and i == 0 else "")


def _spoken(picture: Picture) -> str:
    """Runs of steps that are right, and the error at those that are not."""
    said, begin = [], 0
    errors = picture.errors
    while begin < len(errors):
        end = begin
        while not errors[begin] and end + 1 < len(errors) and not errors[end + 1]:
            end += 1
        steps = f"t={begin + picture.first}" + (f"…{end + picture.first}" if end > begin else "")
        said.append(f"{steps} {'right' if not errors[begin] else f'off by {_size(errors[begin])}'}")
        begin = end + 1
    return "; ".join(said)


def _size(error: float) -> str:
    return f"{error:.0%}" if error >= 0.005 else f"{error:.0e}"


# In a notebook


def html(picture: Picture, bad: str, good: str) -> str:
    """The picture as HTML; `bad` and `good` are the colours of what is wrong and right."""
    return _bars(picture, bad, good) if picture.errors else _tables(picture, bad)


def _bars(picture: Picture, bad: str, good: str) -> str:
    """A bar for each step, as high as its error; a flat mark where it is right."""
    height, wide = 40, 12 if len(picture.errors) <= 30 else 8
    top, count = max(picture.errors), len(picture.errors)
    drawn = []
    for i, error in enumerate(picture.errors):
        tall = max(4.0, height * error / top) if error else 2.0
        drawn.append(
            f'<rect x="{i * wide + 1}" y="{height - tall + 2:.1f}" width="{wide - 2}" height="{tall:.1f}" fill="{bad if error else good}"/>'
        )
    named = sorted({0, count - 1, picture.errors.index(top)})
    numbers = [
        f'<text x="{i * wide + wide / 2:g}" y="{height + 14}" font-size="10" text-anchor="middle" fill="currentColor">{i + picture.first}</text>'
        for k, i in enumerate(named)
        if k == 0 or i - named[k - 1] > 1
    ]
    said = f"The error by time step, relative to the largest entry: {_spoken(picture)}"
    return (
        f'<svg role="img" aria-label="{escape(said)}" width="{count * wide + 4}" height="{height + 18}" '
        f'style="max-width:100%;overflow:visible">{"".join(drawn)}{"".join(numbers)}</svg>'
        f'<div style="font-size:.85em">error at each t; the highest bar is {_size(top)} of the largest entry expected</div>'
    )


def _tables(picture: Picture, bad: str) -> str:
    def table(caption: str, rows: Sequence[Row], marks: Sequence[Sequence[bool]]) -> str:
        body = "".join(
            "<tr style='background:none'>"
            + "".join(_entry(entry, off, bad) for entry, off in zip(row, which, strict=True))
            + "</tr>"
            for row, which in zip(rows, marks, strict=True)
        )
        return (
            f'<table style="border:none;border-collapse:collapse;font-size:.9em;color:inherit;margin:0 24px 0 0;display:inline-table">'
            f'<caption style="text-align:left;font-size:.9em;caption-side:top;padding:0;color:inherit">{caption}</caption>{body}</table>'
        )

    none = [[False] * len(row) for row in picture.want]
    return table("came back", picture.got, picture.wrong) + table("expected", picture.want, none)


def _entry(entry: str, off: bool, bad: str) -> str:
    mark = f"background:{bad};color:#fff;font-weight:600" if off else "background:none"
    return f'<td style="text-align:right;padding:1px 6px;{mark}">{escape(entry)}</td>'
