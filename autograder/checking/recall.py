"""What is known while many answers to one check are judged on the same draw: what references gave, and what is right.

`meanwhile` is how this family says that something holds for a while.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import torch
from torch import Tensor

from autograder.beside.wire import tensors

T = TypeVar("T")


@contextmanager
def meanwhile(variable: ContextVar[Any], value: T) -> Iterator[T]:
    """The variable has this value until the block ends, and then again the one that it had."""
    token = variable.set(value)
    try:
        yield value
    finally:
        variable.reset(token)


_KEPT: ContextVar[dict[Any, Any] | None] = ContextVar("kept", default=None)


def remembered() -> AbstractContextManager[object]:
    """Meanwhile a reference computes once what it gives for the same slips on the same inputs; nobody may change it."""
    return meanwhile(_KEPT, {})


def recalled(compute: Callable[..., Any], slips: frozenset[str], args: tuple[Any, ...]) -> Any:
    """`compute(slips, *args)`, from memory if it is there."""
    kept = _KEPT.get()
    if kept is None:
        return compute(slips, *args)
    try:
        key = compute, slips, _content(args)
    except TypeError:
        return compute(slips, *args)
    if key not in kept:
        value = compute(slips, *args)
        if any(tensor.requires_grad for _, tensor in tensors(value)):  # a graph can be walked once
            return value
        kept[key] = value
    return kept[key]


_PROVEN: ContextVar[frozenset[str]] = ContextVar("proven", default=frozenset())


def proven(checks: frozenset[str]) -> AbstractContextManager[object]:
    """Meanwhile the exercises of these checks are known to be right."""
    return meanwhile(_PROVEN, checks)


def is_proven(check: str) -> bool:
    """Whether the exercise of this check need not be judged."""
    return check in _PROVEN.get()


_PLAIN = {type(None), bool, int, float, str, torch.dtype}


def _content(value: Any) -> Any:
    """Something to compare and hash in place of plain values and tensors; TypeError for anything else."""
    if (
        isinstance(value, Tensor) and not value.requires_grad
    ):  # one that does is itself part of a graph, whatever its numbers
        return value.dtype, tuple(value.shape), value.device, value.cpu().numpy().tobytes()
    if isinstance(value, dict):
        return dict, tuple((key, _content(item)) for key, item in value.items())
    if isinstance(value, tuple | list):
        return repr(value) if set(map(type, value)) <= _PLAIN else (type(value), tuple(map(_content, value)))
    if type(value) in _PLAIN:
        return repr(value)  # which tells 1 from 1.0 and True, and knows a nan again
    raise TypeError(f"{type(value).__name__} is not told by its content")
