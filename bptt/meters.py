"""What a computation keeps: the bytes that autograd holds between the forward and the backward pass."""

import weakref
from collections.abc import Callable, Iterable

import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakIdKeyDictionary


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
        self._known: WeakIdKeyDictionary = WeakIdKeyDictionary()
        self._before: WeakIdKeyDictionary = WeakIdKeyDictionary()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # noqa: ANN001, ANN204
        for tensor in pytree.tree_leaves((args, kwargs)):
            if isinstance(tensor, torch.Tensor) and tensor.untyped_storage() not in self._known:
                self._before[tensor.untyped_storage()] = True
        out = func(*args, **(kwargs or {}))
        for tensor in pytree.tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                self._add(tensor.untyped_storage())
        return out

    def _add(self, storage: torch.UntypedStorage) -> None:
        if storage in self._known or storage in self._before:
            return
        self._known[storage] = True
        size = storage.nbytes()
        self.alive += size
        self.peak = max(self.peak, self.alive)
        weakref.finalize(storage, self._free, size)

    def _free(self, size: int) -> None:
        self.alive -= size
