"""What lesson 08 hands to answers, and what it sees of them: a dtype, a model with a cache, the longest chain of operations."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from autograder.beside.probes import Kept, named, probe
from bptt.causal import CausalModel
from bptt.graph import depth


@probe
def with_dtype(names: dict[str, Any], call: str, sizes: list[int], dtype: str) -> Any:
    """`call(*sizes, dtype)` for a dtype of torch by its name."""
    return named(names, call)(*sizes, getattr(torch, dtype))


@probe
def chain(names: dict[str, Any], call: str, a: Tensor, b: Tensor, h0: Tensor) -> int:
    """How many operations of `call(a, b, h0)` lie one behind the other; 0 where no graph was recorded."""
    made = named(names, call)(*(part.detach().clone().requires_grad_() for part in (a, b, h0)))
    return depth(made, kind="") if isinstance(made, Tensor) else 0


class Cache:
    """A right KVCache, to hand over."""

    shown = "cache"

    def __init__(self) -> None:
        self.kept: list[tuple[Tensor, Tensor]] = []

    def append(self, k: Tensor, v: Tensor) -> None:
        self.kept.append((k, v))

    def attend(self, q: Tensor) -> Tensor:
        if not self.kept:
            raise LookupError("the cache is empty: attend was called before anything was appended")
        keys, values = (torch.cat(parts, 1) for parts in zip(*self.kept, strict=True))
        return F.scaled_dot_product_attention(q, keys, values)


class Model(CausalModel):
    """A CausalModel that notes how many tokens it reads at a time."""

    shown = "model"

    def __init__(self, weights: dict[str, Tensor]):
        table, places = weights["embedding.weight"], weights["position.weight"]
        super().__init__(_causal, table.shape[0], table.shape[1], places.shape[0])
        self.to(table.device, table.dtype)
        self.load_state_dict(weights)
        self.read_at_once: list[int] = []

    def read(self, tokens: Tensor, positions: Tensor) -> Tensor:
        self.read_at_once.append(tokens.shape[1])
        return super().read(tokens, positions)


def _causal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


@probe
def causal_model(names: dict[str, Any], weights: dict[str, Tensor]) -> dict[str, Kept]:
    """A Model with these weights, and an empty Cache."""
    return {"model": Kept(Model(weights)), "cache": Kept(Cache())}


@probe
def read_at_once(names: dict[str, Any], of: Model) -> list[int]:
    """How many tokens a Model has read at a time, call by call."""
    return list(of.read_at_once)
