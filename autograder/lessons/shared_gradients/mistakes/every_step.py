"""Named mistakes of hand-written backpropagation through time with a loss at every step."""

from __future__ import annotations

from collections.abc import Set

import torch
from torch import Tensor

from autograder.checking.spec import Slip, reference
from autograder.checking.sweeps.readout import SCORES, WITH_LOSS, read_out
from autograder.checking.sweeps.step import LOCAL, Params
from autograder.checking.sweeps.sweep import (
    MEETING,
    forward,
    gradients,
    is_overwritten,
    overwritten_readout,
    sweep,
    weigh,
)
from autograder.lessons.shared_gradients.mistakes.sweep import STOPS, SWEEP, listed, plain

_COUNTER = "Which values does the loop's counter take? Write down the first and the last one."
STEPS = (
    Slip("step-one-left-out", "step t = 1 is left out, in the loss and in all gradients", _COUNTER),
    Slip("last-step-left-out", "step t = T is left out, in the loss and in all gradients", _COUNTER),
    Slip("step-zero-too", "the loop does not stop behind step t = 1: it goes on to t = 0, in the loss and in all gradients", _COUNTER),
)  # fmt: skip
EVERY = (
    Slip("no-carry", "nothing is passed from a step to the one before it: each step sees its own loss only",
         "h_t matters for ℓ_t. For what else does it matter?"),
    Slip("fed-last-only", "the losses enter the backward sweep at the last step only",
         "Which losses does h_t reach directly? Where do they join on the way back?"),
    *MEETING,
    Slip("loss-last-only", "only the loss of the last step counts, in the value and in the gradients",
         "Over which steps is the loss summed in this exercise?"),
    Slip("loss-summed-over-batch", "loss and gradients are summed over the batch", "How is the loss averaged, and over what?"),
    Slip("gradients-summed-over-batch", "the loss is averaged over the batch, and the gradients are not",
         "The loss contains 1/B. Where does it enter the backward sweep?"),
    Slip("loss-averaged-over-time", "loss and gradients are averaged over time", "Over what is the loss summed, and over what is it averaged?"),
    Slip("gradients-averaged-over-time", "the loss is summed over time, and the gradients are averaged over it",
         "The loss does not contain 1/T. Which line divides by T?"),
    Slip("loss-only-averaged-over-time", "the loss is averaged over time, and the gradients are summed over it",
         "Over what is the loss summed, and over what is it averaged?"),
    Slip("loss-not-averaged", "the gradients are averaged over the batch, and the loss itself is not",
         "How is the loss averaged, and over what?"),
    *SCORES,
    *WITH_LOSS,
    *overwritten_readout("step t = 1"),
    Slip("readout-last-only", "the gradients of the read-out are taken from the last step only", "At how many steps is the read-out used?"),
    *STEPS,
)  # fmt: skip


@reference(*EVERY, *(slip for slip in LOCAL if slip.id != "divided-by-batch"), *SWEEP, *listed(*STEPS, *STOPS))
def bptt_every_step(slips: Set[str], x: Tensor, h0: Tensor, params: Params, targets: Tensor) -> tuple[Tensor, Params]:
    """Loss and gradients for a cross-entropy at every step, summed over time, averaged over the batch."""
    B, T, _ = x.shape
    given, slips = slips, plain(slips)
    run = forward(slips, x, h0, params)
    losses = read_out(slips, run.states, params, targets)
    loss = losses.values[_counted(slips, T)].sum()
    if slips & {"loss-summed-over-batch", "loss-not-averaged"}:
        loss = loss * B
    if slips & {"loss-averaged-over-time", "loss-only-averaged-over-time"}:
        loss = loss / T
    fed = x.new_ones(T + 1)  # how often each loss goes back
    if "loss-last-only" in slips:
        fed[[*range(T - 1), -1]] = 0
    if slips & {"loss-summed-over-batch", "gradients-summed-over-batch"}:
        fed = fed * B
    readout = {}
    for name, parts in losses.parts.items():
        weights, steps = torch.zeros_like(fed), _read_out(slips, name, T)
        weights[steps] = fed[steps]
        readout[name] = weigh(parts, weights)
    if "fed-last-only" in slips:
        fed[[*range(T - 1), -1]] = 0
    swept = sweep(slips, run, (losses.own * fed[:, None, None])[None], params)
    grads = readout | gradients(slips, swept, x, in_list=slips != given)
    if slips & {"loss-averaged-over-time", "gradients-averaged-over-time"}:
        grads = {name: value / T for name, value in grads.items()}
    return loss, grads


def _counted(slips: Set[str], T: int) -> list[int]:
    """The steps, by index, whose loss is in the value of the loss; index −1 is h_0."""
    steps = range(T)["loss-last-only" in slips and T - 1 :]
    left_out = {t for t, id in ((0, "step-one-left-out"), (T - 1, "last-step-left-out")) if id in slips}
    return [t for t in steps if t not in left_out] + [-1] * ("step-zero-too" in slips)


def _read_out(slips: Set[str], name: str, T: int) -> list[int]:
    """The steps whose gradient is in that of this parameter of the read-out."""
    steps = range(T)["readout-last-only" in slips and T - 1 :]
    steps = steps[bool(slips & {"stops-before-first", "step-one-left-out"}) :]
    steps = steps[:-1] if slips & {"starts-before-last", "last-step-left-out"} else steps
    steps = steps[:1] if is_overwritten(slips, name) else steps
    return [*steps, *[-1] * bool(slips & {"goes-past-first", "step-zero-too"})]
