"""What a computation keeps: the bytes that autograd holds between the forward and the backward pass."""

import weakref
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import torch
from torch.utils._python_dispatch import TorchDispatchMode


def bytes_kept(forward: Callable[[], object], parameters: Iterable[torch.Tensor] = ()) -> int:
    """Bytes of the distinct storages that ``forward()`` keeps for the backward pass, those of ``parameters`` left out.

    A tensor that is kept several times, or by several views, counts once: adding up the saved tensors one by one would
    count a shared weight at every step. Source: https://docs.pytorch.org/docs/stable/autograd.html (saved tensors).
    """
    own = {parameter.untyped_storage().data_ptr() for parameter in parameters}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage  # held, so that no later tensor is given the same address
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        forward()
    return sum(storage.nbytes() for storage in kept.values())


def bytes_held(thing: object) -> int:
    """Bytes of the distinct storages of all tensors that ``thing`` holds, in attributes, lists, tuples and dicts."""
    held: dict[int, int] = {}
    waiting, seen = [thing], set()
    while waiting:
        one = waiting.pop()
        if isinstance(one, torch.Tensor):
            storage = one.untyped_storage()
            held[storage.data_ptr()] = storage.nbytes()
        elif id(one) not in seen:
            seen.add(id(one))
            waiting += one if isinstance(one, list | tuple) else [*one.values()] if isinstance(one, dict) else []
            waiting += [vars(one)] if hasattr(one, "__dict__") else []
    return sum(held.values())


def peak_bytes(run: Callable[[], object]) -> int:
    """The most bytes of tensors made inside ``run()`` that are alive at one moment, forward and backward passes included.

    Every operation's results are watched until their storage is freed, so that what is computed twice, or thrown away
    early, shows as it is. Storages that existed before do not count.
    """
    meter = _Alive()
    with meter:
        run()
    return meter.peak


class _Alive(TorchDispatchMode):
    """Adds a storage when an operation makes it, and takes it away when it is freed."""

    def __init__(self) -> None:
        super().__init__()
        self.alive = self.peak = 0
        self._watched: dict[int, weakref.ref] = {}  # by the storage's own identity, while it lives

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        given = {tensor.untyped_storage()._cdata for tensor in _tensors((args, tuple((kwargs or {}).values())))}
        for tensor in _tensors(out):
            storage = tensor.untyped_storage()
            key = storage._cdata
            if key not in given and key not in self._watched:  # a view's storage was counted when it was made
                self._watched[key] = weakref.ref(storage, partial(self._freed, key, storage.nbytes()))
                self.alive += storage.nbytes()
                self.peak = max(self.peak, self.alive)
        return out

    def _freed(self, key: int, size: int, _: weakref.ref) -> None:
        del self._watched[key]
        self.alive -= size


def _tensors(value: object) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _tensors(item)
