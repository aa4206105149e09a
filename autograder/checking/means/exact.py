"""How many digits an answer has right: a difference of two values never has all of them, a formula does.

On inputs of order 1 the honest forms of a gradient differ by 1e-14 at most in float64, central differences by 1e-11 at least.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from autograder.checking.spec import Finding, Wrong

EXACT = 1e-12  # relative to the largest entry
SINGLE = 3e-9  # below this, it was not float32 that lost the digits


def judge_digits(got: Any, want: Any, differences: bool) -> None:
    """Raise Wrong if `got`, which is right to the usual tolerance, is not exact; `differences`: its text names finite differences.

    `want` is float64 tensors in dicts, lists and tuples, and `got` has the same structure. The sign is "differences" where nothing else explains it,
    "single-precision" where each number is one of float32, else "inexact".
    """
    error, part = worst(got, want)
    if error <= EXACT:
        return
    digits = (
        f"the values agree with the exact ones to {error:.0e} of their size, where float64 arithmetic reaches 1e-15"
    )
    clue = "Finite differences stop there: they subtract two values that are almost equal."
    if torch.equal(part, part.float().double()):
        raise Wrong(Finding("single-precision", digits, clues=(_SINGLE,)))
    if differences or error < SINGLE:
        raise Wrong(Finding("differences", digits, clues=(clue,)))
    raise Wrong(Finding("inexact", digits, clues=(f"{clue} Is a derivative replaced by a difference? Or:", _SINGLE)))


def worst(got: Any, want: Any) -> tuple[float, Tensor]:
    """The largest deviation of an answer, relative to the largest entry of its tensor, and that tensor."""
    return max(((_error(*pair), pair[0]) for pair in _pairs(got, want)), key=lambda found: found[0])


_SINGLE = (
    "Is something computed in float32 on the way? A tensor that is created without `dtype=` is float32, and so is what "
    "`.float()` returns."
)


def _pairs(got: Any, want: Any) -> Iterator[tuple[Tensor, Tensor]]:
    if isinstance(want, Tensor):
        yield got, want
    else:
        for key in want if isinstance(want, dict) else range(len(want)):
            yield from _pairs(got[key], want[key])


def _error(got: Tensor, want: Tensor) -> float:
    size = want.abs().max().item() or 1.0
    return (got.double() - want).abs().max().item() / size
