"""What a computation keeps: the bytes that autograd holds between the forward and the backward pass."""

from collections.abc import Callable, Iterable

import torch


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
