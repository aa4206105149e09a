"""Training windows one after another, with whatever a learner's step hands on as the state."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from autograder.beside.probes import named, probe


@probe
def in_windows(
    names: dict[str, Any], call: str, model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor, k: int, max_norm: float
) -> dict[str, Any]:  # fmt: skip
    """`call(model, optimizer, x_w, y_w, state, max_norm)` on one window of k steps after another.

    "losses" is what it returned first, "state" the last state, and "pairs" says for each window whether two values came back.
    """
    step, state, losses = named(names, call), None, []
    for start in range(0, x.shape[1], k):
        got = step(model, optimizer, x[:, start : start + k], y[:, start : start + k], state, max_norm)
        if not isinstance(got, tuple) or len(got) != 2:
            return {"odd": got}
        loss, state = got
        losses.append(loss)
    return {"losses": losses, "state": state}
