"""A read-out with a cross-entropy at every step: the mistakes in its gradient, and what each of them gives."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from autograder.checking.spec import Slip
from autograder.checking.sweeps.step import Params

_PAIRED = (
    "Which axis comes first in the scores, and which in the targets, before they are made flat? "
    "`reshape` and `flatten` swap no axes."
)
_SUM = "What is the gradient of ln Σ exp(z) by one of the z? Are the numbers in your line between 0 and 1?"

# Those that show in the gradients alone as well as beside the value of the loss.
SCORES = (
    Slip("softmax-over-batch", "the softmax in the gradient is taken over the batch",
         "Which numbers compete in a softmax: those of one example's classes, or those of several examples?"),
    Slip("no-one-hot", "the gradient of the logits is the softmax alone; the target is not taken from it",
         "For a perfect prediction the gradient has to vanish. Does it, with your formula?"),
    Slip("targets-shifted", "the targets are shifted by one step",
         "Which target belongs to h_1? They are given: nothing needs to be shifted here."),
    Slip("targets-one-early", "each step is given the target of the step before it, and step 1 that of step T",
         "Target t stands at targets[:, t - 1], for t = 1…T. Which one does step 1 get from you?"),
    Slip("targets-one-late", "each step is given the target of the step after it, and step T that of step 1",
         "Target t stands at targets[:, t - 1], for t = 1…T. Which one does step T get from you?"),
    Slip("targets-reshaped", "scores and targets are paired in different orders, in the loss and in the gradients: one row by row, the other step by step",
         _PAIRED),
    Slip("no-softmax", "the scores themselves stand in the gradient of the scores, where their softmax belongs", _SUM),
    Slip("log-softmax", "the logarithm of the softmax stands in the gradient of the scores, where the softmax belongs", _SUM),
    Slip("softmax-slope", "softmax minus one-hot is multiplied by p (1 − p), the slope of the softmax, once more",
         "Softmax minus one-hot is dℓ/dz already, with the slope of the softmax in it. What is left to multiply it by?"),
    Slip("readout-of-previous", "the outputs are read from h_{t-1}",
         "Which state is read out for target t: the one before x_t is seen, or the one after?"),
    Slip("readout-grad-of-previous", "dL/dweight_out is built with h_{t-1}", "Which state does weight_out multiply in step t?"),
    Slip("no-bias-out", "bias_out is left out of the logits", "Which of the parameters do your logits not use?"),
)  # fmt: skip
# Those that need the value of the loss to be told from others.
WITH_LOSS = (
    Slip("wrong-sign", "the gradient of the logits has the opposite sign: one-hot − softmax",
         "If the target's logit grows, the loss falls. Which sign has the gradient there?"),
    Slip("loss-pairs-mixed", "in the value of the loss, scores and targets are paired in different orders: one row by row, the other step by step",
         _PAIRED),
    Slip("gradient-pairs-mixed", "in the gradient of the scores, softmax and one-hot are paired in different orders: one row by row, the other step by step",
         _PAIRED),
    Slip("gradient-targets-shifted", "the one-hot in the gradient is that of another step, one too far, while the loss has the right targets",
         "Target t stands at targets[:, t - 1], for t = 1…T. Which one does your one-hot take in step 1?"),
    Slip("gradient-targets-one-early", "the one-hot in the gradient is that of the step before, while the loss has the right targets",
         "Target t stands at targets[:, t - 1], for t = 1…T. Which one does your one-hot take in step 1?"),
    Slip("gradient-targets-one-late", "the one-hot in the gradient is that of the step after, while the loss has the right targets",
         "Target t stands at targets[:, t - 1], for t = 1…T. Which one does your one-hot take in step T?"),
)  # fmt: skip


@dataclass(frozen=True)
class Losses:
    """The losses of steps 1…T and, behind them, of h_0, which a loop that goes too far reads out with the last targets."""

    values: Tensor  # (T+1,), means over the batch
    own: Tensor  # (T+1, B, H): what each of them gives to its state
    parts: Params  # (T+1, …): and to the parameters of the read-out


def read_out(slips: Set[str], states: Tensor, params: Params, targets: Tensor) -> Losses:
    """The loss at each of the states h_0…h_T, (T+1, B, H), with its gradients; targets (B, T)."""
    B, T = targets.shape
    at = [*range(T), -1]
    made, before = states[[t + 1 for t in at]], states[at]
    read = before if "readout-of-previous" in slips else made
    logits = read @ params["weight_out"].T
    if "no-bias-out" not in slips:
        logits = logits + params["bias_out"]
    in_loss, in_gradient = (
        F.one_hot(_aims(slips, targets, kind)[at], logits.shape[2]).to(logits.dtype) for kind in ("loss", "gradient")
    )
    values = -(in_loss * torch.log_softmax(logits, 2)).sum((1, 2)) / B
    dlogits = _dlogits(slips, logits, in_gradient) / B
    seen = before if "readout-grad-of-previous" in slips else read
    parts = {"weight_out": dlogits.mT @ seen, "bias_out": dlogits.sum(1)}
    return Losses(values, dlogits @ params["weight_out"], parts)


def _aims(slips: Set[str], targets: Tensor, where: str) -> Tensor:
    """The targets of each step, (T, B), in the loss or in the gradient."""
    aims = targets.reshape(targets.T.shape) if slips & {"targets-reshaped", f"{where}-pairs-mixed"} else targets.T
    for kind in ("", f"{where}-"):
        if f"{kind}targets-shifted" in slips:
            aims = torch.cat([aims[1:], aims[-1:]])
        if f"{kind}targets-one-early" in slips:
            aims = aims.roll(1, 0)
        if f"{kind}targets-one-late" in slips:
            aims = aims.roll(-1, 0)
    return aims


def _dlogits(slips: Set[str], logits: Tensor, right: Tensor) -> Tensor:
    """The gradient of the scores, as it is or as it is mistaken; the mean over the batch comes later."""
    p = torch.softmax(logits, 1 if "softmax-over-batch" in slips else 2)
    if "no-softmax" in slips:
        p = logits
    if "log-softmax" in slips:
        p = torch.log_softmax(logits, 2)
    found = p if "no-one-hot" in slips else right - p if "wrong-sign" in slips else p - right
    return found * p * (1 - p) if "softmax-slope" in slips else found
