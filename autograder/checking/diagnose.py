"""General signs: from the numbers of a wrong answer to the mistake it most likely is."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from autograder.checking.compare import Difference, wrong_entries
from autograder.checking.spec import Clue
from autograder.checking.student import Handle


def signs(
    difference: Difference,
    axes: str = "",
    factors: Mapping[str, float] = {},
) -> list[Clue]:
    """What a difference looks like, most telling first; empty if it looks like nothing known.

    `factors` are sizes by which an answer may be off ("B": 3).
    """
    got, want = difference.got, difference.want
    if difference.sign == "none":
        if "[" in difference.name:  # a part of the answer
            return [Clue("none", "This part of the answer is None. Where should it have got its value?")]
        return [Clue("none", "Nothing was returned. Does every way through the function end in a `return`?")]
    if difference.sign == "type":
        return _type(got, want)
    if difference.sign == "shape":
        return _shape(got, want, axes.split(), factors)
    if difference.sign == "dtype" and got.is_complex() and not want.is_complex():
        return [
            Clue(
                "dtype",
                "The numbers are complex. Which line made them so, and what is to become of the imaginary part?",
            )
        ]
    if difference.sign == "dtype":
        return [
            Clue(
                "dtype",
                "Somewhere a tensor has a dtype of its own. Which line makes one without `dtype=` or `_like`, or changes one by"
                " `.float()`, `.double()` or `.to(...)`?",
            )
        ]
    if difference.sign == "device":
        return [
            Clue(
                "device",
                "Somewhere a tensor is made without saying on which device. Which line makes one without `device=` or `_like`?",
            )
        ]
    if difference.sign == "nonfinite":
        return [
            Clue(
                "nonfinite",
                "There is a nan or an infinity. Which operation can give one: a division by 0, the log of 0, an exp that overflows?",
            )
        ]
    if isinstance(got, Tensor) and isinstance(want, Tensor) and want.is_floating_point():
        sizes = {**_sizes(want, axes), **factors}
        return _values(got, want, axes.split(), sizes)
    if isinstance(got, int | float) and isinstance(want, int | float):
        if isinstance(want, int):  # a count may be twice another by chance
            return []
        return _factor(torch.tensor([float(got)]), torch.tensor([float(want)]), dict(factors))
    return []


def _type(got: Any, want: Any) -> list[Clue]:
    if isinstance(got, tuple) and len(got) == 1:
        return [
            Clue(
                "trailing-comma",
                "A tuple of one item comes from a comma at the end of the line. Is there one behind the value?",
            )
        ]
    if isinstance(got, tuple | list) and isinstance(want, Tensor):
        return [
            Clue(
                "not-stacked",
                "Several values came back where one tensor was asked for. Along which axis do they belong together?",
            )
        ]
    if isinstance(got, Tensor) and isinstance(want, tuple | list):
        return [Clue("one-of-several", f"One tensor came back where {len(want)} values were asked for.")]
    if isinstance(got, Tensor) and got.numel() > 1 and isinstance(want, int | float):
        return [
            Clue(
                "type",
                f"There are {got.numel()} numbers where one was asked for. Which of them is it, or what of them together?",
            )
        ]
    if isinstance(got, Handle) and repr(got) == "ndarray":
        says = "The answer is a numpy array, not a tensor. Which function of torch does what that one of numpy does?"
        return [Clue("type", says)]
    if isinstance(got, Handle) and repr(got) == "complex":
        says = "The answer is a complex number. What of it is asked for: its real part, or how long it is?"
        return [Clue("type", says)]
    if isinstance(got, Handle):
        return [
            Clue(
                "type",
                "The answer is an object, not its value. Was a function returned instead of being called?",
            )
        ]
    if isinstance(got, int | float) and isinstance(want, Tensor) and want.dim() == 0:
        return [
            Clue(
                "number-for-tensor",
                "A tensor was asked for, and a plain number came back: it has no graph and no dtype of its own. Which call took the number out?",
            )
        ]
    return [Clue("type", "The kind of value is not the one that was asked for.")]


def _shape(got: Tensor, want: Tensor, axes: list[str], sizes: Mapping[str, float]) -> list[Clue]:
    have, asked = tuple(got.shape), tuple(want.shape)
    if sorted(have) == sorted(asked):
        order = next((p for p in itertools.permutations(range(len(have))) if tuple(have[i] for i in p) == asked), None)
        if order is not None and not bool(wrong_entries(got.permute(order).to(want.dtype), want).any()):
            return [
                Clue(
                    "swapped-axes",
                    "The numbers are right, but the axes stand in another order. Along which axis did you stack, and which did you swap?",
                )
            ]
        return [
            Clue(
                "swapped-axes",
                "The sizes are right but in another order. Which axis is which? Write the shape behind each line.",
            )
        ]
    if not asked and got.numel() > 1:
        return [
            Clue(
                "not-reduced",
                "One number was asked for, and one for each entry came back. Over which axes is there still to be summed or averaged?",
            )
        ]
    if len(have) == len(asked) - 1:
        for axis in range(len(asked)):
            if have == asked[:axis] + asked[axis + 1 :]:
                if asked[axis] == 1:
                    which = f"Axis {axis}, of size 1," if asked.count(1) == 1 else "An axis of size 1"
                    says = f"{which} is missing. Did `squeeze` drop it, or an index where a slice was meant?"
                    return [Clue("missing-axis", says)]
                if axes[axis : axis + 1] == ["T"]:
                    says = "One step came back where all of them were asked for. Is `return` inside the loop, or is only the last step kept?"
                    return [Clue("missing-axis", says)]
                return [
                    Clue(
                        "missing-axis",
                        f"Axis {axis}, of size {asked[axis]}, is missing. Was something summed, indexed or kept only for the last step?",
                    )
                ]
    if len(have) == len(asked) + 1 and have[1:] == asked and have[0] > 1:
        says = "There is one axis too many, in front. Is it the batch, over which there is still to be summed?"
        return [Clue("extra-axis", says)]
    if len(have) == len(asked) + 1 and any(have[:a] + have[a + 1 :] == asked for a in range(len(have))):
        return [
            Clue(
                "extra-axis",
                "There is one axis too many. Does it come from `unsqueeze`, `keepdim`, or a slice where an index was meant?",
            )
        ]
    if len(have) == len(asked) and sum(a != b for a, b in zip(have, asked, strict=True)) == 1:
        axis = next(i for i, (a, b) in enumerate(zip(have, asked, strict=True)) if a != b)
        short = have[axis] - asked[axis]
        if abs(short) == 1:
            return [Clue("one-too-few" if short < 0 else "one-too-many", _one_off(got, want, axis, sizes))]
    if got.numel() == want.numel() and not bool(wrong_entries(got.reshape(asked).to(want.dtype), want).any()):
        return [Clue("reshaped", "The numbers are right and stand in another shape. What shape was asked for?")]
    return [Clue("shape", "Write the shape behind each line, and find the first that is not what you meant.")]


def _one_off(got: Tensor, want: Tensor, axis: int, sizes: Mapping[str, float]) -> str:
    """Which entry along an axis is missing or too many, if the others are right; else whose size it is."""
    have, right = got.shape[axis], want.shape[axis]
    some, all_of = (got, want) if have < right else (want, got)
    for begin, which in ((1, "first"), (0, "last")):
        part = all_of.narrow(axis, begin, min(have, right))
        if some.dtype == part.dtype and not bool(wrong_entries(some, part).any()):
            what = "is missing" if have < right else "is one too many"
            return f"Along axis {axis} the {which} entry {what}; the others are right. Where does it come from, or get lost?"
    whose = [name for name, size in sizes.items() if size == have and "·" not in name and name.isalpha()]
    other = f", and {have} is the size of {whose[0]}" if whose else ""
    return f"Axis {axis} has {have} entries instead of {right}{other}. Which axis of which factor does it come from?"


def _values(got: Tensor, want: Tensor, axes: list[str], sizes: dict[str, float]) -> list[Clue]:
    if not bool(got.any()):
        return [Clue("zero", "Every entry is 0. Was the result ever added to, or was the graph cut on the way?")]

    def same(value: Tensor) -> bool:
        return value.shape == got.shape and not bool(wrong_entries(got, value.to(got.dtype)).any())

    if same(-want):
        return [Clue("sign", "Every entry has the wrong sign. Where does a minus come in, or get lost?")]
    if clues := _factor(got, want, sizes):
        return clues
    if clues := _bounded(got, want):
        return clues
    off = got - want
    if got.numel() > 1 and not bool(wrong_entries(off, off.flatten()[0].expand_as(off).clone()).any()):
        return [
            Clue(
                "offset",
                f"Every entry is off by the same {off.flatten()[0].item():.6g}. Is a term counted twice or forgotten?",
            )
        ]
    if want.dim() == 2 and want.shape[0] == want.shape[1] and same(want.mT):
        return [
            Clue(
                "transposed",
                "This is the transpose of what was expected. Which index is the row of the result?",
            )
        ]
    if "T" in axes or "T0" in axes:
        if clues := _time(got, want, axes):
            return clues
    if "B" in axes:
        if clues := _rows(got, want, axes.index("B")):
            return clues
    if same(torch.flip(want, [0])) and want.shape[0] > 1:
        return [Clue("reversed", "The entries are right but in the opposite order.")]
    flat_got, flat_want = got.flatten(), want.flatten()
    if got.numel() > 2 and not bool(wrong_entries(flat_got.sort().values, flat_want.sort().values).any()):
        return [
            Clue(
                "rearranged",
                "The numbers are right but stand in other places. Was `reshape` or `view` used where a transpose was meant?",
            )
        ]
    return []


def _bounded(got: Tensor, want: Tensor) -> list[Clue]:
    """Whether numbers were kept from being too small or too large, or small ones were made 0."""
    off = wrong_entries(got, want)
    if bool(off.all()):
        return []
    least, most = float(got.min()), float(got.max())
    for bound, word, kept in ((least, "below", want.clamp(min=least)), (most, "above", want.clamp(max=most))):
        if not bool(wrong_entries(got, kept).any()):
            says = f"Every number {word} {bound:.4g} has become {bound:.4g}. Which line keeps numbers within bounds, and is it right to do so here?"
            return [Clue("bounded", says)]
    if not bool(got[off].any()) and float(want[off].abs().max()) < float(want[~off].abs().min()):
        return [
            Clue(
                "small-made-0",
                "The smallest numbers have become 0; all others are right. Which line takes a small number for 0?",
            )
        ]
    return []


def _factor(got: Tensor, want: Tensor, sizes: dict[str, float]) -> list[Clue]:
    norm = float((want * want).sum())
    if norm == 0:
        return []
    factor = float((got * want).sum()) / norm
    if not math.isfinite(factor) or factor == 0 or bool(wrong_entries(got, factor * want).any()):
        return []
    if got.numel() == 1:
        named = _name(factor, sizes)
        return [Clue("factor", f"It is off by a factor that looks like {named}. {_FACTOR}")] if named else []
    named = _name(factor, sizes) or (f"{factor:.4g}" if abs(factor - 1) > 1e-3 else f"{factor:.9g}")
    return [
        Clue(
            "factor",
            f"The direction is right and the length is not: every entry is off by the same factor, {named}. {_FACTOR}",
        )
    ]


_FACTOR = "Is something summed that should be averaged, or the other way round, or counted twice?"


def _name(factor: float, sizes: dict[str, float]) -> str:
    """`factor` in terms of sizes: "B", "1/T", "B·T", "2"."""
    known = {"2": 2.0, **{name: float(size) for name, size in sizes.items() if size not in (0, 1)}}
    pairs = {f"{a}·{b}": known[a] * known[b] for a, b in itertools.combinations(list(known)[1:], 2)}
    for name, value in {**known, **pairs}.items():
        shown = name if name == "2" else f"{name} = {value:g}"
        if math.isclose(factor, value, rel_tol=1e-4):
            return shown
        if math.isclose(factor, 1 / value, rel_tol=1e-4):
            return f"1/{name}" + ("" if name == "2" else f" (with {shown})")
    return ""


def _sizes(want: Tensor, axes: str) -> dict[str, float]:
    return {name: float(size) for name, size in zip(axes.split(), want.shape, strict=False) if name in ("B", "T", "V")}


def _time(got: Tensor, want: Tensor, axes: list[str]) -> list[Clue]:
    name = "T" if "T" in axes else "T0"
    axis, first = axes.index(name), 1 if name == "T" else 0
    have, right = got.movedim(axis, 0), want.movedim(axis, 0)
    T = have.shape[0]
    if T < 2:
        return []
    off = wrong_entries(have, right).reshape(T, -1).any(dim=1)
    wrong = [t + first for t in range(T) if bool(off[t])]
    last = T - 1 + first
    if T > 2 and not bool(wrong_entries(have[1:], right[:-1]).any()):
        return [
            Clue(
                "shifted-late",
                "Every step holds the value of the step before it. Is the state stored before it is updated?",
            )
        ]
    if T > 2 and not bool(wrong_entries(have[:-1], right[1:]).any()):
        return [
            Clue(
                "shifted-early",
                "Every step holds the value of the step after it. Where does the counting of steps begin?",
            )
        ]
    if not bool(wrong_entries(have, right.flip(0)).any()):
        return [
            Clue(
                "reversed-time",
                "The steps are in the opposite order. In which direction was the list filled?",
            )
        ]
    if len(wrong) == 1 and T > 2:
        return [Clue("one-step", f"Only time step t = {wrong[0]} is wrong. What is special about that step?")]
    if wrong and wrong[-1] < last and wrong == list(range(first, wrong[-1] + 1)):
        return [
            Clue(
                "worse-going-back",
                f"The last steps are right; from t = {wrong[-1]} back to the first they are wrong. What is passed from a step to the one before it?",
            )
        ]
    if wrong and wrong[0] > first and wrong == list(range(wrong[0], last + 1)):
        return [
            Clue(
                "worse-going-on",
                f"It is right up to t = {wrong[0] - 1} and wrong from t = {wrong[0]} on. What is carried from a step to the next?",
            )
        ]
    empty = [t + first for t in range(T) if not bool(have[t].any()) and bool(right[t].any())]
    if empty:
        which = f"t = {empty[0]}" if len(empty) == 1 else f"t = {empty[0]}, {empty[1]}{', …' if len(empty) > 2 else ''}"
        says = f"At {len(empty)} of {T} steps ({which}) every number is 0. Which loop, slice or window leaves these steps out?"
        return [Clue("empty-steps", says)]
    return []


def _rows(got: Tensor, want: Tensor, axis: int) -> list[Clue]:
    have, right = got.movedim(axis, 0), want.movedim(axis, 0)
    B = have.shape[0]
    if B < 2:
        return []
    off = wrong_entries(have, right).reshape(B, -1).any(dim=1)
    if not bool(off[0]) and bool(off[1:].all()):
        return [
            Clue(
                "first-row-only",
                "Only the first row of the batch is right. Is one row used for all, or does something carry over from a row to the next?",
            )
        ]
    if all(not bool(wrong_entries(have[b], have[0]).any()) for b in range(B)):
        return [
            Clue(
                "rows-equal",
                "All rows of the batch are the same. Was the batch averaged, or one row used for all?",
            )
        ]
    mixed = got.reshape(-1).sort().values, want.reshape(-1).sort().values
    if not bool(wrong_entries(*mixed).any()):
        return [
            Clue(
                "rows-mixed",
                "The numbers are right but rows of the batch are mixed. Was `reshape` used where a transpose was meant?",
            )
        ]
    return []
