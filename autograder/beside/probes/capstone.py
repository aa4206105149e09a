"""Training windows one after another, with whatever a learner's step hands on as the state, and what a predictor holds."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from autograder.beside.probes import Refused, named, probe
from autograder.beside.probes.models import NextToken


@probe
def in_windows(
    names: dict[str, Any], call: str, model: NextToken, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor, k: int, max_norm: float
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
        if isinstance(state, tuple) and not isinstance(model.rnn, nn.LSTM):
            raise Refused("state-kind", "the model's state is a tensor, and it came back as a tuple",
                          "`tuple(...)` takes a tensor apart along its first axis. What do you do where the state is no pair?")  # fmt: skip
        losses.append(loss)
    return {"losses": losses, "state": state}


@probe
def held_outside(names: dict[str, Any], of: object) -> list[str]:
    """The learner's variables whose module or tensor the object `of` has among its attributes."""
    held = {id(one) for one in getattr(of, "__dict__", {}).values() if isinstance(one, nn.Module | Tensor)}
    return [name for name, one in names.items() if id(one) in held and not name.startswith("_")]
