"""Gradients that go back through an answer of lesson 01."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from autograder.beside.probes import Refused, named, probe


@probe
def sent_back(
    names: dict[str, Any], call: str, given: Sequence[Any], toward: Sequence[Tensor], parts: Sequence[str]
) -> list[Tensor]:
    """The gradients of Σ toward · `call(*given)` with respect to the tensors in `given` that require one, in their order.

    `toward` has a tensor for each tensor that comes back, `parts` its name; a tensor that is not reached gets zeros.
    Refused where a part has no graph behind it.
    """
    asking: list[Tensor] = []
    made = named(names, call)(*_computed_from(asking, given))
    made = [made] if isinstance(made, Tensor) else list(made)
    for part, name in zip(made, parts, strict=True):
        if not part.requires_grad:
            raise Refused(
                "graph-lost",
                f"the values are right, but {name} has no graph behind it: no gradient can go back from it",
                "Which line takes the numbers out of the graph: `.detach()`, `.data`, `.item()`, `torch.tensor(...)`, `no_grad`?",
            )
    total = sum((part * weight).sum() for part, weight in zip(made, toward, strict=True))
    return list(torch.autograd.grad(total, asking, allow_unused=True, materialize_grads=True))


def _computed_from(leaves: list[Tensor], given: Any) -> Any:
    """`given` with every tensor that requires a gradient put into `leaves` and replaced by a copy computed from it.

    A copy, unlike a leaf, may be written into, as in a call without gradients.
    """
    if isinstance(given, Tensor) and given.requires_grad:
        leaves.append(given)
        return given.clone()
    if isinstance(given, dict):
        return {key: _computed_from(leaves, item) for key, item in given.items()}
    return type(given)(_computed_from(leaves, item) for item in given) if isinstance(given, list | tuple) else given
