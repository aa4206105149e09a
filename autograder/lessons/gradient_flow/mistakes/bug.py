"""Named mistakes of lesson 03, gradient flow: the bug to find."""

from __future__ import annotations

from collections.abc import Set

import torch
from torch import Tensor

from autograder.checking.spec import Slip, reference
from autograder.lessons.gradient_flow.mistakes.jacobians import run

UNREPAIRED = "as-found"  # the program as it is handed out: its card does not name the mistake


@reference(
    Slip(
        UNREPAIRED,
        "the mistake with which the program was found is still in it",
        "Compare with autograd for T = 1 and for T = 2.",
    ),
    Slip("no-slope", "the gradient that goes back to the old state skips the tanh", "What lies between h_{t-1} and h_t?"),
    Slip(
        "slope-twice",
        "the gradient that goes back to the old state meets the slope twice, before the weights and behind them",
        "Through how many tanhs does one step lead?",
    ),
    Slip(
        "slope-twice-before",
        "the gradient that goes back to the old state meets the slope twice before it meets the weights",
        "Through how many tanhs does one step lead? Which of your names holds the slope already?",
    ),
    Slip(
        "slope-twice-old",
        "the gradient at h_{t-1} is already multiplied by the slope at h_{t-1}, which the next round of the loop multiplies in again",
        "Which line takes the slope of step t - 1 into account, and in which round of the loop?",
    ),
    Slip(
        "slope-moved",
        "what goes back to h_{t-1} takes the slope at h_{t-1} in place of that at h_t, behind the weights",
        "The slope of step t lies between its weights and h_t. At which state is it written, and before or behind the weights?",
    ),
    Slip(
        "slope-exchanged",
        "what goes back to h_{t-1} takes the slope at h_{t-1} in place of that at h_t",
        "The output of which tanh is the slope of step t written with?",
    ),
    Slip(
        "other-side",
        "the gradient that goes back is multiplied from the other side: J_t times a column, in place of a row times J_t",
        "A gradient is a row. Which does it meet first on its way back: the slopes or the weights, and which way round are these?",
    ),
    Slip(
        "weights-transposed",
        "the gradient that goes back is multiplied by weight_hhᵀ",
        "The forward pass multiplied rows by weight_hhᵀ. What does the way back multiply by?",
    ),
    Slip(
        "slope-of-old-state",
        "the slope is taken at h_{t-1}",
        "The output of which tanh is the slope of step t written with?",
    ),
    Slip("not-carried", "nothing is handed back from a step to the one before it", "What does step t - 1 start from?"),
    Slip(
        "weight-hh-with-new-state",
        "dL/dweight_hh is built with h_t instead of h_{t-1}",
        "Which state did weight_hh multiply at step t?",
    ),
    Slip("gradients-without-slope", "the weights' gradients are built from dh instead of da", "Where do the weights stand: before the tanh, or behind it?"),
    Slip("last-step-only", "the weights' gradients hold one step alone", "The weights are used at every step. What happens to the earlier contributions?"),
)  # fmt: skip
def loss_and_gradients(
    slips: Set[str], x: Tensor, target: Tensor, params: dict[str, Tensor]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Mean squared error of the last state's read-out, and its gradients; x (B, T, D), target (B,)."""
    W, (B, T, _) = params["weight_hh"], x.shape
    states = run(x, torch.zeros(B, W.shape[0], dtype=x.dtype, device=x.device), params)
    error = (states[-1] @ params["weight_out"].T + params["bias_out"])[:, 0] - target
    dout = (2 * error / B)[:, None]
    grads = {name: torch.zeros_like(tensor) for name, tensor in params.items()}
    grads["weight_out"], grads["bias_out"] = dout.T @ states[-1], dout.sum(0)
    dh = dout @ params["weight_out"]
    for t in range(T, 0, -1):
        slope = 1 - states[t - 1 if "slope-of-old-state" in slips else t] ** 2
        da = dh * slope
        used = dh if "gradients-without-slope" in slips else da
        old = states[t if "weight-hh-with-new-state" in slips else t - 1]
        parts = {"weight_ih": used.T @ x[:, t - 1], "weight_hh": used.T @ old, "bias": used.sum(0)}
        for name, part in parts.items():
            grads[name] = part if "last-step-only" in slips else grads[name] + part
        M = W.mT if "weights-transposed" in slips else W
        before = 1 - states[t - 1] ** 2
        if UNREPAIRED in slips:
            dh = (dh @ M) * slope
        elif "other-side" in slips:
            dh = (dh @ W.mT) * slope
        elif "slope-moved" in slips:
            dh = (dh @ M) * before
        elif "slope-exchanged" in slips:
            dh = (dh * before) @ M
        elif "slope-twice-old" in slips:
            dh = (da @ M) * before
        elif "no-slope" in slips:
            dh = dh @ M
        elif "slope-twice-before" in slips:
            dh = (da * slope) @ M
        else:
            dh = da @ M * (slope if "slope-twice" in slips else 1)
        dh = torch.zeros_like(dh) if "not-carried" in slips else dh
    return (error**2).mean(), grads
