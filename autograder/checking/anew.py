"""A step's backward pass is called again and again: each call has to give its own results, and leave `params` alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from autograder.checking.compare import first_difference
from autograder.checking.expect import deny
from autograder.checking.student import Student


def each_call_anew(
    student: Student,
    of: str,
    one: Sequence[Any],
    other: Sequence[Any],
    params: Mapping[str, Tensor],
    want: Mapping[str, Tensor],
    sizes: str,
) -> None:
    """Three calls of the learner's `of`, whose last result is a dict dparams, looked at only afterwards.

    `one` and `other` are arguments before `params`, `want` is the right dparams of `one`, and `sizes` says how large they are. Raises
    Wrong where anything is added up, overwritten or written into `params`.
    """
    asked, shown = student.last, f"{of}, three times, with {sizes}"
    found = student.probe("in_turn", of=of, calls=[one, other, one], shared=params, shown=shown)
    if set(found["shared"]) != set(params) or first_difference(found["shared"], params) is not None:
        deny(
            "writes-into-params",
            "after the call the dict `params` holds something else than before",
            "The caller needs the parameters for the step before. Where do your gradients go: into a dict of their own?",
        )
    dparams = [result[-1] for result in found["results"]]
    if any(bool(value.any()) for value in dparams[0].values()) and _equal(dparams[0], dparams[1]):
        kept = _equal(dparams[0], want)
        deny(
            "overwritten-by-next-call" if kept else "adds-up-over-calls",
            f"{of} was called three times, and all three dparams hold the same numbers",
            "All calls return the same tensors: the last call "
            + ("overwrites what the earlier ones returned." if kept else "adds to what the earlier ones returned."),
            "Where is the dict of gradients made: once, outside of the function (or as a default argument), or at each call?",
        )
    if not _equal(dparams[0], dparams[2]):
        deny(
            "adds-up-over-calls",
            f"{of} was called twice with the same arguments and gave two different dparams",
            "Something is carried from call to call. Adding up over the steps is the caller's business: what does one step contribute?",
        )
    student.show(asked)


def _equal(one: Any, other: Any) -> bool:
    return first_difference(one, other) is None
