"""The first thing that differs between an answer and what was expected; nothing is broadcast or converted first."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from autograder.beside.wire import Yielded
from autograder.beside.wire import device as device_of
from autograder.checking.describe import describe

# Relative to the largest expected entry. float64 leaves room for an answer that computes in float32 internally.
TOLERANCE = {torch.float64: 5e-6, torch.float32: 2e-4, torch.float16: 2e-2, torch.bfloat16: 5e-2}


Names = str | tuple[str, ...]  # of a value, or of each item of a tuple
Axes = (
    str | Mapping[str, str] | tuple[str | Mapping[str, str], ...]
)  # "B T H"; for the items of a dict or a tuple, their own


@dataclass(frozen=True)
class Difference:
    """Where an answer first differs: the sign, the leaf's name, one line of facts, and the two values."""

    sign: str  # none · type · keys · length · shape · dtype · device · nonfinite · value
    name: str
    summary: str
    where: str
    got: Any
    want: Any
    axes: str = ""  # of a tensor, as the check named them


def first_difference(
    got: Any, want: Any, name: Names = "the answer", axes: Axes = "", rtol: float | None = None
) -> Difference | None:
    """The first Difference, in the order None, type, structure, shape, dtype, device, nan, values; None if there is none.

    `name` may be a tuple of names for a tuple of values; `axes` names a tensor's axes, e.g. "B T H" (a dict or tuple of
    them for a dict or tuple of tensors): T counts steps from 1, T0 from 0. `rtol` is relative to the largest entry.
    """
    return next(differences(got, want, name, axes, rtol), None)


def differences(
    got: Any, want: Any, name: Names = "the answer", axes: Axes = "", rtol: float | None = None
) -> Iterator[Difference]:
    """All leaves that differ, in the order of what was expected."""
    label = name if isinstance(name, str) else "the answer"

    def differs(sign: str, summary: str, where: str = "") -> Difference:
        return Difference(sign, label, summary, where, got, want)

    if got is None and want is not None:
        yield differs("none", f"{label} is None; expected {kind(want)}")
    elif isinstance(want, Tensor):
        yield from _tensor(got, want, label, axes if isinstance(axes, str) else "", rtol)
    elif isinstance(want, dict):
        if not isinstance(got, dict):
            yield differs("type", f"{label} is {kind(got)}; expected {kind(want)}")
        elif missing := [key for key in want if key not in got]:
            yield differs("keys", f"{label} has no key {missing[0]!r}; expected the keys {', '.join(map(repr, want))}")
        else:
            for key, item in want.items():
                inner: Axes = axes.get(key, "") if isinstance(axes, Mapping) else axes
                yield from differences(got[key], item, f"{label}[{key!r}]", inner, rtol)
    elif isinstance(want, tuple | list):
        if not isinstance(got, tuple | list):
            yield differs("type", f"{label} is {kind(got)}; expected {kind(want)}")
        elif len(got) != len(want):
            yield differs("length", f"{label} has {len(got)} items; expected {len(want)}")
        else:
            names = name if isinstance(name, tuple) else tuple(f"{name}[{i}]" for i in range(len(want)))
            for i, (one, item) in enumerate(zip(got, want, strict=True)):
                inner = axes[i] if isinstance(axes, tuple | list) else axes
                yield from differences(one, item, names[i], inner, rtol)
    elif isinstance(want, set | frozenset):
        yield from _set(got, want, label)
    elif isinstance(want, bool | str) or want is None:
        if got != want or isinstance(got, bool) != isinstance(want, bool):
            yield differs(
                "value" if type(got) is type(want) else "type",
                f"{label} is {describe(got)}; expected {want!r}",
            )
    else:
        yield from _number(got, want, label, rtol)


def _number(got: Any, want: int | float, label: str, rtol: float | None) -> Iterator[Difference]:
    value = got.item() if isinstance(got, Tensor) and got.numel() == 1 else got
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield Difference("type", label, f"{label} is {kind(got)}; expected a number", "", got, want)
    elif not math.isfinite(value) and math.isfinite(want):
        yield Difference("nonfinite", label, f"{label} is {value}; expected {want:.6g}", "", value, want)
    elif isinstance(want, int) and value != want:
        yield Difference("value", label, f"{label} is {value:.15g}; expected {want}", "", value, want)
    elif isinstance(want, float) and not math.isclose(
        value, want, rel_tol=rtol or TOLERANCE[torch.float64], abs_tol=1e-12
    ):
        yield Difference("value", label, f"{label} is {value:.6g}; expected {want:.6g}", "", value, want)


def _set(got: Any, want: Any, label: str) -> Iterator[Difference]:
    if not isinstance(got, set | frozenset | list | tuple):
        yield Difference("type", label, f"{label} is {kind(got)}; expected {kind(want)}", "", got, want)
        return
    try:
        have = set(got)
    except TypeError:
        yield Difference(
            "type", label, f"{label} contains something that is not {kind(next(iter(want), ''))}", "", got, want
        )
        return
    missing, extra = sorted(want - have, key=repr), sorted(have - want, key=repr)
    if missing:
        yield Difference(
            "missing-item",
            label,
            f"{label} lacks {missing[0]!r} ({len(missing)} missing in all)",
            "",
            have,
            want,
        )
    elif extra:
        yield Difference(
            "extra-item",
            label,
            f"{label} has {extra[0]!r}, which does not belong ({len(extra)} extra in all)",
            "",
            have,
            want,
        )


def _tensor(got: Any, want: Tensor, label: str, axes: str, rtol: float | None) -> Iterator[Difference]:
    def differs(sign: str, summary: str, where: str = "") -> Difference:
        return Difference(sign, label, summary, where, got, want, axes)

    if not isinstance(got, Tensor):
        yield differs("type", f"{label} is {kind(got)}; expected {kind(want)}")
    elif got.shape != want.shape:
        yield differs("shape", f"{label} has shape {tuple(got.shape)}; expected {tuple(want.shape)}{_letters(axes)}")
    elif got.dtype != want.dtype:
        yield differs("dtype", f"{label} has dtype {got.dtype}; expected {want.dtype}, the dtype of the inputs")
    elif device_of(got) != device_of(want):
        yield differs("device", f"{label} is on {device_of(got)}; expected {device_of(want)}, the device of the inputs")
    else:
        yield from _values(got, want, label, axes, rtol)


def _values(got: Tensor, want: Tensor, label: str, axes: str, rtol: float | None) -> Iterator[Difference]:
    have, right = got.detach(), want.detach().to(got.device)
    off = wrong_entries(have, right, rtol)
    if not bool(off.any()):
        return
    broken = ~torch.isfinite(have) & torch.isfinite(right) if have.is_floating_point() else torch.zeros_like(off)
    first = torch.nonzero(broken if bool(broken.any()) else off)[0].tolist()
    count, total = int(off.sum()), off.numel()
    entry = f"{label}[{', '.join(map(str, first))}]" if first else label
    value, expected = have[tuple(first)].item(), right[tuple(first)].item()
    rest = f" ({count} of {total} entries differ)" if total > 1 else ""
    yield Difference(
        "nonfinite" if bool(broken.any()) else "value",
        label,
        f"{entry} is {_number_text(value)}; expected {_number_text(expected)}{rest}",
        _place(first, axes),
        have,
        right,
        axes,
    )


def wrong_entries(got: Tensor, want: Tensor, rtol: float | None = None) -> Tensor:
    """A bool tensor: which entries of `got` differ from `want` by more than the tolerance of the dtype."""
    if not want.is_floating_point():
        return got != want
    rtol = rtol if rtol is not None else TOLERANCE.get(want.dtype, 1e-4)
    if want.numel() == 0:
        return torch.zeros_like(want, dtype=torch.bool)
    scale = float(want.abs().max())
    if math.isfinite(scale):
        return ~((got - want).abs() <= rtol * scale + 1e-12)  # a nan is not close either
    finite = want[torch.isfinite(want)].abs()
    scale = float(finite.max()) if finite.numel() else 0.0
    close = (got - want).abs() <= rtol * scale + 1e-12
    return ~(close | (got == want) | (torch.isnan(got) & torch.isnan(want)))


def kind(value: Any) -> str:
    """A value's kind, in words a learner uses."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, tuple | list | dict | set):
        noun = (
            "set"
            if isinstance(value, set | frozenset)
            else "generator"
            if isinstance(value, Yielded)
            else type(value).__name__
        )
        return f"a {noun} of {len(value)} item{'' if len(value) == 1 else 's'}"
    if value is None or isinstance(value, bool | int | float | str):
        return describe(value)
    return f"of type {describe(value)}"


def _number_text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _letters(axes: str) -> str:
    if not axes:
        return ""
    names = axes.replace("T0", "T+1").split()
    return f" = ({', '.join(names)}{',' if len(names) == 1 else ''})"


def _place(index: list[int], axes: str) -> str:
    words = []
    for position, axis in zip(index, axes.split(), strict=False):
        if axis == "T":
            words.append(f"time step t = {position + 1}")
        elif axis == "T0":
            words.append(f"time step t = {position}")
        elif axis == "B":
            words.append(f"row {position} of the batch")
    return ", ".join(words)
