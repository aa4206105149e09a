"""General signs of axes: an axis moved, a sum, mean or softmax over the wrong one, running totals, a factor for each part."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from autograder.checking.compare import Difference, wrong_entries
from autograder.checking.spec import Clue

# What an answer is the sum or the mean of, and the names of those first axes that may be summed over: (losses, "B T").
Terms = tuple[Tensor, str]


def signs(difference: Difference) -> list[Clue]:
    """What a tensor of the right shape is, told by making it from the right one; empty if it is nothing known."""
    got, want = difference.got, difference.want
    if difference.sign != "value" or not isinstance(want, Tensor) or want.dtype == torch.bool or want.is_complex():
        return []
    if not want.is_floating_point():
        got, want = got.double(), want.double()
    axes = _Axes(difference.axes.split(), want)
    for sign in (_moved, _normalised, _running, _alike, _reversed, _factors):
        if clue := next(sign(got, want, axes), None):
            return [clue]
    return []


class _Axes:
    """The axes of a tensor as a check names them: axis 1 (T)."""

    def __init__(self, letters: Sequence[str], like: Tensor):
        self.letters = letters
        long = [axis for axis in range(like.dim()) if like.shape[axis] > 1]
        self.long = sorted(long, key=lambda axis: letters[axis : axis + 1] not in (["T"], ["T0"]))  # time first

    def __call__(self, axis: int) -> str:
        letter = self.letters[axis].removesuffix("0") if axis < len(self.letters) else ""
        return f"axis {axis} ({letter})" if letter and self.letters.count(letter) < 2 else f"axis {axis}"


def _same(got: Tensor, value: Tensor) -> bool:
    return got.shape == value.shape and not bool(wrong_entries(got, value).any())


def _moved(got: Tensor, want: Tensor, axes: _Axes) -> Iterator[Clue]:
    for order in itertools.permutations(range(want.dim())) if want.dim() < 6 else ():
        if list(order) != sorted(order) and _same(got, want.permute(order)):
            moved = [axis for axis, place in enumerate(order) if axis != place]
            which = " and ".join(map(axes, moved)) if len(moved) == 2 else "axes " + ", ".join(map(str, moved))
            yield Clue("axes-moved", f"The numbers are right, but {which} have changed places. Which index is which?")


def _normalised(got: Tensor, want: Tensor, axes: _Axes) -> Iterator[Clue]:
    for have, right, whose in (
        (got, want, "Your numbers"),
        (got.exp(), want.exp(), "The exponentials of your numbers"),
    ):
        asked, found = _adding_up_to_one(right, axes), _adding_up_to_one(have, axes)
        if asked and found and not set(asked) & set(found):
            says = f"{whose} add up to 1 along {axes(found[0])}; they should along {axes(asked[0])}. Which axis are they normalised over?"
            yield Clue("softmax-axis", says)
    if _same(got, want.exp()):
        yield Clue("log-missing", "This is the exponential of what is asked for. Where is a logarithm missing?")
    if _same(got.exp(), want):
        says = "This is the logarithm of what is asked for. Is there one too many, or is an exponential missing?"
        yield Clue("exp-missing", says)
    for what, function in (("softmax", torch.softmax), ("logarithm of the softmax", torch.log_softmax)):
        if any(_same(function(got, axis), want) for axis in axes.long):
            yield Clue("softmax-missing", f"The {what} of your numbers is what is asked for. Where does it belong?")
        if any(_same(got, function(want, axis)) for axis in axes.long):
            says = f"This is the {what} of what is asked for. Is it asked for here, or does whoever uses the result take it?"
            yield Clue("softmax-too-many", says)


def _adding_up_to_one(value: Tensor, axes: _Axes) -> list[int]:
    if not bool(torch.isfinite(value).all()) or bool((value < 0).any()):
        return []
    sums = [(axis, value.sum(axis)) for axis in axes.long]
    return [axis for axis, total in sums if _same(total, torch.ones_like(total))]


def _running(got: Tensor, want: Tensor, axes: _Axes) -> Iterator[Clue]:
    for axis, back in itertools.product(axes.long, (False, True)):
        which = "from it on" if back else "up to it"
        if _same(got, _running_total(want, axis, back)):
            says = f"Along {axes(axis)} each entry is the sum of all that are asked for {which}. Where should the sum start over?"
            yield Clue("added-up", says)
        if _same(_running_total(got, axis, back), want):
            says = f"Along {axes(axis)} each entry is one share; what is asked for is the sum of all shares {which}."
            yield Clue("not-added-up", f"{says} What is carried from one entry to the next?")


def _running_total(value: Tensor, axis: int, back: bool) -> Tensor:
    return value.flip(axis).cumsum(axis).flip(axis) if back else value.cumsum(axis)


def _alike(got: Tensor, want: Tensor, axes: _Axes) -> Iterator[Clue]:
    for axis in axes.long:
        if _same(got, _first_for_all(got, axis)) and not _same(want, _first_for_all(want, axis)):
            means = {"the sum": want.sum(axis, keepdim=True), "the mean": want.mean(axis, keepdim=True)}
            name = next((name for name, value in means.items() if _same(got, value.expand_as(got))), "")
            says = f"Along {axes(axis)} all entries are the same" + (f": {name} of what is asked for." if name else ".")
            yield Clue("all-alike", f"{says} What should tell them apart?")


def _first_for_all(value: Tensor, axis: int) -> Tensor:
    return value.narrow(axis, 0, 1).expand_as(value)


def _reversed(got: Tensor, want: Tensor, axes: _Axes) -> Iterator[Clue]:
    for axis in axes.long:
        if _same(got, want.flip(axis)):
            yield Clue("reversed", f"The numbers are right, but along {axes(axis)} they stand in the opposite order.")


def _factors(got: Tensor, want: Tensor, axes: _Axes) -> Iterator[Clue]:
    for axis in axes.long:
        have, right = (value.movedim(axis, 0).reshape(value.shape[axis], -1) for value in (got, want))
        factors = (have * right).sum(1) / (right * right).sum(1)
        sure = bool(((right != 0).sum(1) > 1).all())  # a single number is always off by some factor
        if sure and bool((factors != 0).all()) and _same(have, factors[:, None] * right):
            some = ", ".join(f"{factor:.4g}" for factor in factors[:4].tolist()) + (", …" if len(factors) > 4 else "")
            says = f"Along {axes(axis)} each part is right but for a factor of its own: {some}."
            yield Clue("factor-for-each", f"{says} By what is each part multiplied or divided?")


def of_terms(difference: Difference, terms: Terms) -> list[Clue]:
    """Which sum or mean of the right terms an answer is; empty if it is none."""
    got, want = difference.got, difference.want
    values, names = terms[0], terms[1].split()
    if isinstance(got, int | float) and isinstance(want, int | float):  # a plain number is a sum or a mean, too
        got, want = values.new_tensor(got), values.new_tensor(want)
    if difference.sign not in ("value", "shape") or not isinstance(got, Tensor) or got.dtype != values.dtype:
        return []
    for ways in itertools.product(*(_ways(*axis) for axis in zip(names, values.shape, strict=False))):
        value = _reduced(values, ways)
        if _same(got, value) and not _same(value, want):
            return [_how(names, ways, values.shape, got.dim() > want.dim())]
    return []


def _ways(name: str, size: int) -> tuple[str | int, ...]:
    """What may have become of an axis: summed or averaged over, kept, or one step of it alone."""
    if size == 1:
        return "summed", "kept"
    return "summed", "averaged", "kept", *(range(size) if name == "T" else ())


def _reduced(values: Tensor, ways: Sequence[str | int]) -> Tensor:
    for axis, way in reversed(list(enumerate(ways))):
        if isinstance(way, int):
            values = values.select(axis, way)
        elif way != "kept":
            values = values.sum(axis) if way == "summed" else values.mean(axis)
    return values


def _how(names: Sequence[str], ways: Sequence[str | int], sizes: Sequence[int], more: bool) -> Clue:
    if len(ways) == 1 and isinstance(ways[0], int):
        says = f"This is the contribution of step t = {ways[0] + 1} alone. What happens to the contributions of the other steps?"
        return Clue("one-step-only", says)
    over = {way: [n for n, w, size in zip(names, ways, sizes, strict=False) if w == way and size > 1] for way in ways}
    parts = [f"{way} over {' and '.join(over[way])}" for way in ("summed", "averaged") if over.get(way)]
    parts += [f"of step t = {way + 1} alone" for way in ways if isinstance(way, int)]
    parts += [f"one for each entry of {' and '.join(over['kept'])}"] if more and over.get("kept") else []
    says = f"The terms are right, and here they are {', '.join(parts)}. Over which axes should you sum, and over which average?"
    return Clue("reduction", says)
