"""Named mistakes of hand-written backpropagation through time with a loss at every step."""

from __future__ import annotations

from collections.abc import Set

import torch
from torch import Tensor

from autograder.checking.spec import Slip, reference
from autograder.lessons.shared_gradients.mistakes.step import LOCAL, Params
from autograder.lessons.shared_gradients.mistakes.sweep import STOPS, SWEEP, forward, listed, plain, sweep

_COUNTER = "Which values does the loop's counter take? Write down the first and the last one."
STEPS = (
    Slip("step-one-left-out", "step t = 1 is left out, in the loss and in all gradients", _COUNTER),
    Slip("last-step-left-out", "step t = T is left out, in the loss and in all gradients", _COUNTER),
    Slip(
        "step-zero-too",
        "the loop does not stop behind step t = 1: it goes on to t = 0, in the loss and in all gradients",
        _COUNTER,
    ),
)
_PAIRED = (
    "Which axis comes first in the scores, and which in the targets, before they are made flat? "
    "`reshape` and `flatten` swap no axes."
)

EVERY = (
    Slip(
        "no-carry",
        "nothing is passed from a step to the one before it: each step sees its own loss only",
        "h_t matters for ℓ_t. For what else does it matter?",
    ),
    Slip(
        "fed-last-only",
        "the losses enter the backward sweep at the last step only",
        "Which losses does h_t reach directly? Where do they join on the way back?",
    ),
    Slip(
        "carry-own-loss-only",
        "each step passes back only what its own loss gave it, not what came from later steps",
        "δ_t has two parts. Which of them goes on to step t − 1?",
    ),
    Slip(
        "own-loss-late",
        "what the own loss wants of h_t is added only after step t has gone back",
        "δ_t is whole before the step goes back. Has the own loss been added by then?",
    ),
    Slip(
        "loss-last-only",
        "only the loss of the last step counts, in the value and in the gradients",
        "Over which steps is the loss summed in this exercise?",
    ),
    Slip(
        "loss-summed-over-batch",
        "loss and gradients are summed over the batch",
        "How is the loss averaged, and over what?",
    ),
    Slip(
        "gradients-summed-over-batch",
        "the loss is averaged over the batch, and the gradients are not",
        "The loss contains 1/B. Where does it enter the backward sweep?",
    ),
    Slip(
        "loss-averaged-over-time",
        "loss and gradients are averaged over time",
        "Over what is the loss summed, and over what is it averaged?",
    ),
    Slip(
        "gradients-averaged-over-time",
        "the loss is summed over time, and the gradients are averaged over it",
        "The loss does not contain 1/T. Which line divides by T?",
    ),
    Slip(
        "loss-only-averaged-over-time",
        "the loss is averaged over time, and the gradients are summed over it",
        "Over what is the loss summed, and over what is it averaged?",
    ),
    Slip(
        "loss-not-averaged",
        "the gradients are averaged over the batch, and the loss itself is not",
        "How is the loss averaged, and over what?",
    ),
    Slip(
        "softmax-over-batch",
        "the softmax in the gradient is taken over the batch",
        "Which numbers compete in a softmax: those of one example's classes, or those of several examples?",
    ),
    Slip(
        "no-one-hot",
        "the gradient of the logits is the softmax alone; the target is not taken from it",
        "For a perfect prediction the gradient has to vanish. Does it, with your formula?",
    ),
    Slip(
        "wrong-sign",
        "the gradient of the logits has the opposite sign: one-hot − softmax",
        "If the target's logit grows, the loss falls. Which sign has the gradient there?",
    ),
    Slip(
        "targets-shifted",
        "the targets are shifted by one step",
        "Which target belongs to h_1? They are given: nothing needs to be shifted here.",
    ),
    Slip(
        "targets-one-early",
        "each step is given the target of the step before it, and step 1 that of step T",
        "Target t stands at targets[:, t - 1], for t = 1…T. Which one does step 1 get from you?",
    ),
    Slip(
        "targets-one-late",
        "each step is given the target of the step after it, and step T that of step 1",
        "Target t stands at targets[:, t - 1], for t = 1…T. Which one does step T get from you?",
    ),
    Slip(
        "targets-reshaped",
        "scores and targets are paired in different orders, in the loss and in the gradients: one row by row, the other step by step",
        _PAIRED,
    ),
    Slip(
        "loss-pairs-mixed",
        "in the value of the loss, scores and targets are paired in different orders: one row by row, the other step by step",
        _PAIRED,
    ),
    Slip(
        "gradient-pairs-mixed",
        "in the gradient of the scores, softmax and one-hot are paired in different orders: one row by row, the other step by step",
        _PAIRED,
    ),
    Slip(
        "gradient-targets-shifted",
        "the one-hot in the gradient is that of another step, one too far, while the loss has the right targets",
        "Target t stands at targets[:, t - 1], for t = 1…T. Which one does your one-hot take in step 1?",
    ),
    Slip(
        "gradient-targets-one-early",
        "the one-hot in the gradient is that of the step before, while the loss has the right targets",
        "Target t stands at targets[:, t - 1], for t = 1…T. Which one does your one-hot take in step 1?",
    ),
    Slip(
        "gradient-targets-one-late",
        "the one-hot in the gradient is that of the step after, while the loss has the right targets",
        "Target t stands at targets[:, t - 1], for t = 1…T. Which one does your one-hot take in step T?",
    ),
    Slip(
        "no-softmax",
        "the scores themselves stand in the gradient of the scores, where their softmax belongs",
        "What is the gradient of ln Σ exp(z) by one of the z? Are the numbers in your line between 0 and 1?",
    ),
    Slip(
        "log-softmax",
        "the logarithm of the softmax stands in the gradient of the scores, where the softmax belongs",
        "What is the gradient of ln Σ exp(z) by one of the z? Are the numbers in your line between 0 and 1?",
    ),
    Slip(
        "softmax-slope",
        "softmax minus one-hot is multiplied by p (1 − p), the slope of the softmax, once more",
        "Softmax minus one-hot is dℓ/dz already, with the slope of the softmax in it. What is left to multiply it by?",
    ),
    Slip(
        "readout-of-previous",
        "the outputs are read from h_{t-1}",
        "Which state is read out for target t: the one before x_t is seen, or the one after?",
    ),
    Slip(
        "readout-grad-of-previous",
        "dL/dweight_out is built with h_{t-1}",
        "Which state does weight_out multiply in step t?",
    ),
    Slip(
        "weight-out-overwritten",
        "dL/dweight_out is set anew at each step, so that only step t = 1 is left in it",
        "weight_out is used in every step. What happens to the contributions of the other steps?",
    ),
    Slip(
        "readout-overwritten",
        "dL/dweight_out and dL/dbias_out are set anew at each step, so that only step t = 1 is left in them",
        "The read-out is used in every step. What happens to the contributions of the other steps?",
    ),
    Slip(
        "bias-out-overwritten",
        "dL/dbias_out is set anew at each step, so that only step t = 1 is left in it",
        "bias_out is used in every step. What happens to the contributions of the other steps?",
    ),
    Slip(
        "readout-last-only",
        "the gradients of the read-out are taken from the last step only",
        "At how many steps is the read-out used?",
    ),
    *STEPS,
    Slip(
        "no-bias-out",
        "bias_out is left out of the logits",
        "Which of the parameters do your logits not use?",
    ),
)


def _aims(slips: Set[str], targets: Tensor, kind: str) -> list[Tensor]:
    """The target of each step, in the loss and in the gradients alike or, with a `kind`, as they are mistaken there alone."""
    T, aims = targets.shape[1], list(targets.T)
    if "targets-reshaped" in slips or kind and "gradient-pairs-mixed" in slips:
        aims = list(targets.reshape(T, -1))
    for before in {"", kind}:
        if f"{before}targets-shifted" in slips:
            aims = [*aims[1:], aims[-1]]
        if f"{before}targets-one-early" in slips:
            aims = [*aims[-1:], *aims[:-1]]
        if f"{before}targets-one-late" in slips:
            aims = [*aims[1:], aims[0]]
    return aims


def _counted(slips: Set[str], t: int, T: int) -> bool:
    """Whether the loss of step t + 1 is in the value of the loss."""
    if t == -1:
        return "step-zero-too" in slips
    left_out = t == 0 and "step-one-left-out" in slips or t == T - 1 and "last-step-left-out" in slips
    return not left_out and (t == T - 1 or "loss-last-only" not in slips)


def _one_hot(aim: Tensor, V: int, like: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(aim, V).to(like.dtype)


def _dlogits(slips: Set[str], logits: Tensor, right: Tensor) -> Tensor:
    """The gradient of the scores of one step, as it is or as it is mistaken; the mean over the batch comes later."""
    p = torch.softmax(logits, 0 if "softmax-over-batch" in slips else 1)
    if "no-softmax" in slips:
        p = logits
    if "log-softmax" in slips:
        p = torch.log_softmax(logits, 1)
    found = p if "no-one-hot" in slips else right - p if "wrong-sign" in slips else p - right
    return found * p * (1 - p) if "softmax-slope" in slips else found


@reference(*EVERY, *(slip for slip in LOCAL if slip.id != "divided-by-batch"), *SWEEP, *listed(*STEPS, *STOPS))
def bptt_every_step(slips: Set[str], x: Tensor, h0: Tensor, params: Params, targets: Tensor) -> tuple[Tensor, Params]:
    """Loss and gradients for a cross-entropy at every step, summed over time, averaged over the batch."""
    B, T, _ = x.shape
    given, slips = slips, plain(slips)
    inputs, before, states = forward(slips, x, h0, params)
    in_loss, in_gradient = _aims(slips, targets, ""), _aims(slips, targets, "gradient-")
    if "loss-pairs-mixed" in slips:
        in_loss = list(targets.reshape(T, B))
    V = params["bias_out"].shape[0]
    loss = x.new_zeros(())
    own, per_step = [], []
    for t in [*range(T), -1]:  # the last one is h_0, which a loop that goes too far reads out with targets[:, -1]
        read = states[t] if "readout-of-previous" in slips else states[t + 1]
        logits = read @ params["weight_out"].T
        if "no-bias-out" not in slips:
            logits = logits + params["bias_out"]
        if _counted(slips, t, T):
            loss = loss - (_one_hot(in_loss[t], V, logits) * torch.log_softmax(logits, 1)).sum()
        dlogits = _dlogits(slips, logits, _one_hot(in_gradient[t], V, logits))
        if not slips & {"loss-summed-over-batch", "gradients-summed-over-batch"}:
            dlogits = dlogits / B
        if t < T - 1 and "loss-last-only" in slips:
            dlogits = torch.zeros_like(dlogits)
        seen = states[t] if "readout-grad-of-previous" in slips else read
        per_step.append({"weight_out": dlogits.T @ seen, "bias_out": dlogits.sum(0)})
        fed = t == T - 1 or "fed-last-only" not in slips
        own.append(dlogits @ params["weight_out"] if fed else torch.zeros_like(read))
    if not slips & {"loss-summed-over-batch", "loss-not-averaged"}:
        loss = loss / B
    if slips & {"loss-averaged-over-time", "loss-only-averaged-over-time"}:
        loss = loss / T
    readout = {}
    for name in ("weight_out", "bias_out"):
        parts = [one[name] for one in per_step[:T]]
        if "readout-last-only" in slips:
            parts = parts[-1:]
        if slips & {"stops-before-first", "step-one-left-out"}:
            parts = parts[1:]
        if slips & {"starts-before-last", "last-step-left-out"}:
            parts = parts[:-1]
        if f"{name.replace('_', '-')}-overwritten" in slips or "readout-overwritten" in slips:
            parts = parts[:1]
        if slips & {"goes-past-first", "step-zero-too"}:
            parts = [per_step[T][name], *parts]
        readout[name] = torch.stack(parts).sum(0) if parts else torch.zeros_like(params[name])
    grads = {**readout, **sweep(given, x, inputs, before, states, own, params)}
    if slips & {"loss-averaged-over-time", "gradients-averaged-over-time"}:
        grads = {name: value / T for name, value in grads.items()}
    return loss, grads
