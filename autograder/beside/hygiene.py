"""Finds, without a GPU, where an answer would mix devices: CPU tensors carry the tag of a pretend device.

Inputs are *away* (on the GPU); a tensor created without saying where is at *home* (on the CPU). The two may not meet, as on
a real GPU. A tensor whose place is unknown stays untagged and may meet both: a miss is better than a false alarm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

FACTORIES = frozenset(
    "zeros ones empty full eye arange linspace logspace rand randn randint randperm tensor as_tensor scalar_tensor "
    "from_numpy tril_indices triu_indices normal hann_window bernoulli".split()
)
# Where a real GPU tensor may meet a CPU tensor: indexing by it, copying from it, asking for its shape or dtype.
MEETING = frozenset(
    "__getitem__ __setitem__ copy_ to type_as expand_as view_as reshape_as __get__ __set__ result_type "
    "pack_padded_sequence _pack_padded_sequence".split()  # the lengths of a packed batch stay on the CPU
)
LEAVING = frozenset("numpy __array__ from_dlpack __dlpack__".split())


@contextmanager
def full_precision(device: torch.device | str) -> Iterator[None]:
    """Within this context a GPU computes float32 in full; by default cuDNN rounds products to the ten bits of TF32."""
    if torch.device(device).type != "cuda":
        yield
        return
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, matmul.allow_tf32
    cudnn.allow_tf32 = matmul.allow_tf32 = False
    try:
        yield
    finally:
        cudnn.allow_tf32, matmul.allow_tf32 = before


class DeviceMixed(RuntimeError):
    """Tensors of two devices met, or a GPU tensor was given to numpy."""


class Pretend(TorchFunctionMode):
    """While this mode is on, tensors carry their pretend device."""

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        tensors = list(_tensors((args, tuple(kwargs.values()))))
        away = any(_place(tensor) == "away" for tensor in tensors)
        # A 0-d CPU tensor counts as a number: it may meet anything.
        home = any(_place(tensor) == "home" and tensor.dim() > 0 for tensor in tensors)
        if away and name in LEAVING:
            raise DeviceMixed("a tensor on the GPU cannot become a numpy array: call `.cpu()` first, or stay in torch")
        if away and home and name not in MEETING:
            raise DeviceMixed(f"`{name.strip('_')}` gets one tensor on the inputs' device and one created on the CPU")
        out = func(*args, **kwargs)
        if name in ("cpu", "cuda", "to") and out is args[0]:  # on a real GPU this is a copy, with a tag of its own
            out = out.view_as(out)
        moved = name == "to" and _names_place(args[1:], kwargs)
        explicit = kwargs.get("device") is not None
        named = (*args[1:], kwargs.get("device")) if name == "to" else (kwargs.get("device"),)
        if "cpu" in [
            one for one in named if isinstance(one, str)
        ]:  # the CPU itself, or the text of x.device: no telling
            return out
        if name == "cpu":
            place = "home"
        elif name == "cuda" or moved or (explicit and name != "to"):
            place = "away"
        elif name in ("__setitem__", "copy_"):
            return out
        elif not tensors:
            place = "home" if name in FACTORIES else ""
        else:
            first = _place(tensors[0])
            place = "away" if away else first if len(tensors) == 1 else "home" if home else ""
        if place:
            for tensor in _tensors(out):
                tag(tensor, place)
        return out


def tag(tensor: Tensor, place: str) -> None:
    """Tag a tensor with where it pretends to be: "away" or "home"."""
    tensor._bptt_place = place  # type: ignore[attr-defined]


def stranded(value: Any) -> bool:
    """Whether a tensor in `value` was created on the CPU although the inputs are elsewhere."""
    return any(_place(tensor) == "home" and tensor.dim() > 0 for tensor in _tensors(value))


def _place(tensor: Tensor) -> str:
    return getattr(tensor, "_bptt_place", "")


def _names_place(args: Any, kwargs: Any) -> bool:
    named = (*args, *kwargs.values())
    return any(isinstance(one, torch.device | str | Tensor) for one in named)


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)
    elif type(value) is dict:
        for item in value.values():
            yield from _tensors(item)
