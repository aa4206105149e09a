"""Named mistakes of hand-written backpropagation through time: switches on one forward and one backward sweep."""

from __future__ import annotations

from collections.abc import Set

import torch
from torch import Tensor

from autograder.mistakes.shared_gradients_step import LOCAL, Params, one_step
from autograder.spec import Slip, reference

# The sweep over time.
SWEEP = (
    Slip(
        "weight-hh-overwritten",
        "dL/dweight_hh is set anew at each step, so that only step t = 1 is left in it",
        "weight_hh is used in every step. What happens to the contributions of the other steps?",
    ),
    Slip(
        "weight-ih-overwritten",
        "dL/dweight_ih is set anew at each step, so that only step t = 1 is left in it",
        "weight_ih is used in every step. What happens to the contributions of the other steps?",
    ),
    Slip(
        "bias-overwritten",
        "dL/dbias is set anew at each step, so that only step t = 1 is left in it",
        "The bias is used in every step. What happens to the contributions of the other steps?",
    ),
    Slip(
        "all-overwritten",
        "the gradients of all recurrent parameters are set anew at each step, so that only step t = 1 is left in them",
        "The parameters are used in every step. What happens to the contributions of the other steps?",
    ),
    Slip(
        "first-step-wraps",
        "in the first step dL/dweight_hh is built with the last state: index t − 1 is −1 there, and Python counts from the end",
        "Which state comes before h_1, and where does it stand?",
    ),
    Slip(
        "first-state-zero",
        "in the first step dL/dweight_hh is built with zeros in the place of h_0",
        "Which state comes before h_1? It is an argument, and need not be zero.",
    ),
    Slip(
        "stops-before-first",
        "the way back stops before step t = 1",
        "Which values does the loop's counter take? Write down the first and the last one.",
    ),
    Slip(
        "starts-before-last",
        "the way back leaves out step t = T",
        "Which values does the loop's counter take? Write down the first and the last one.",
    ),
    Slip(
        "forward-order",
        "the backward loop runs from the first step to the last",
        "Which δ has to be known before δ_t can be computed: the one of the step before or of the step after?",
    ),
    Slip(
        "dh1-as-dh0",
        "dL/dh_1 is returned in the place of dL/dh_0",
        "Between h_0 and h_1 lies one more step. Has the gradient passed it?",
    ),
    Slip(
        "dx-reversed",
        "the gradients of x stand in the order in which they were found, last step first",
        "Going backwards, which step's gradient is found first, and where does it belong?",
    ),
    Slip(
        "dx-reshaped",
        "the gradients of x were stacked with time first and then reshaped, which mixes the rows of the batch",
        "`reshape` does not swap axes, it cuts the same numbers into other rows. Which axis does `stack` make?",
    ),
    Slip(
        "x-reshaped",
        "x was reshaped to bring time to the front, which mixes the rows of the batch",
        "`reshape` does not swap axes, it cuts the same numbers into other rows. What does swap them?",
    ),
    Slip(
        "h0-ignored",
        "the states start from zeros and not from h0",
        "What is the state before the first step?",
    ),
    Slip(
        "states-one-early",
        "on the way back each step is given states one step early: h_{t-1} for its output and h_{t-2} for what it saw",
        "The list of states begins with h_0. At which index stands h_t, and at which h_{t-1}?",
    ),
    Slip(
        "left-linear",
        "the states are computed without the tanh",
        "What is done to a_t before it becomes h_t?",
    ),
)

LAST = (
    Slip(
        "no-carry",
        "nothing is passed from step T to the steps before it, so that only step T contributes",
        "h_{T-1} has no loss of its own here. How does the loss at the end reach it?",
    ),
    Slip(
        "fed-every-step",
        "dh_T is added at every step",
        "At how many steps does the loss look at the state in this exercise?",
    ),
    Slip(
        "same-upstream",
        "every step is given dh_T itself, unchanged",
        "dh_T is dL/dh_T. What is dL/dh_{T-1}, and which line makes it?",
    ),
    Slip(
        "never-handed-on",
        "every step is given dh_T itself, unchanged, and dh_T is returned for h0 too",
        "Each step's dL/dh_{t-1} is the upstream gradient of the step before it. Where does your loop put it?",
    ),
    Slip(
        "divided-by-time",
        "the gradients of the parameters are divided by T",
        "Is the gradient of a shared parameter the sum over its uses, or the mean?",
    ),
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
        "the targets were reshaped to bring time to the front, which mixes the rows of the batch",
        "`reshape` does not swap axes, it cuts the same numbers into other rows. What does swap them?",
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
    Slip(
        "step-one-left-out",
        "step t = 1 is left out, in the loss and in all gradients",
        "Which values does the loop's counter take? Write down the first and the last one.",
    ),
    Slip(
        "last-step-left-out",
        "step t = T is left out, in the loss and in all gradients",
        "Which values does the loop's counter take? Write down the first and the last one.",
    ),
    Slip(
        "no-bias-out",
        "bias_out is left out of the logits",
        "Which of the parameters do your logits not use?",
    ),
)


def _forward(slips: Set[str], x: Tensor, h0: Tensor, params: Params) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Inputs and pre-activations of steps 1…T, and states h_0…h_T."""
    B, T, D = x.shape
    inputs = list(x.reshape(T, B, D) if "x-reshaped" in slips else x.transpose(0, 1))
    before: list[Tensor] = []
    states = [torch.zeros_like(h0) if "h0-ignored" in slips else h0]
    for x_t in inputs:
        a_t = x_t @ params["weight_ih"].T + states[-1] @ params["weight_hh"].T + params["bias"]
        before.append(a_t)
        states.append(a_t if "left-linear" in slips else torch.tanh(a_t))
    return inputs, before, states


def _sweep(
    slips: Set[str], x: Tensor, inputs: list[Tensor], before: list[Tensor], states: list[Tensor], own: list[Tensor],
    params: Params, given: Tensor | None = None,
) -> Params:  # fmt: skip
    """The backward sweep. `own[t]` is what the losses give to the state after index t directly, `given` where it begins."""
    T = len(inputs)
    grads = {name: torch.zeros_like(params[name]) for name in ("weight_ih", "weight_hh", "bias")}
    dx: list[Tensor] = []
    dh_next = delta = torch.zeros_like(states[0]) if given is None else given
    order = list(range(T)) if "forward-order" in slips else list(range(T - 1, -1, -1))
    if slips & {"stops-before-first", "step-one-left-out"}:
        order.remove(0)
    if slips & {"starts-before-last", "last-step-left-out"}:
        order.remove(T - 1)
    for t in order:
        delta = own[t] if "no-carry" in slips and t != order[0] else own[t] + dh_next
        if "own-loss-late" in slips:
            delta = dh_next
        if slips & {"same-upstream", "never-handed-on"} and given is not None:
            delta = given
        used, made = states[t], states[t + 1]
        if "states-one-early" in slips:
            used, made = states[t - 1], states[t]
        if t == 0 and "first-step-wraps" in slips:
            used = states[T]
        if t == 0 and "first-state-zero" in slips:
            used = torch.zeros_like(used)
        carried = own[t] if "carry-own-loss-only" in slips else delta
        dx_t, dh_next, dparams = one_step(slips, delta, carried, inputs[t], (before[t], states[t]), made, params, used)
        if "own-loss-late" in slips:
            dh_next = dh_next + own[t]
        for name, value in dparams.items():
            anew = f"{name.replace('_', '-')}-overwritten" in slips or "all-overwritten" in slips
            grads[name] = value if anew else grads[name] + value
        dx.append(dx_t)
    if "divided-by-time" in slips:
        grads = {name: value / T for name, value in grads.items()}
    found = dx if "dx-reversed" in slips or "forward-order" in slips else dx[::-1]
    missing = [torch.zeros_like(inputs[0])] * (T - len(found))
    found = missing + found if slips & {"stops-before-first", "step-one-left-out"} else found + missing
    grads["x"] = torch.stack(found).reshape(x.shape) if "dx-reshaped" in slips else torch.stack(found, 1)
    grads["h0"] = delta if slips & {"dh1-as-dh0", "never-handed-on"} else dh_next
    return grads


@reference(*LAST, *SWEEP, *LOCAL)
def bptt_last(slips: Set[str], x: Tensor, h0: Tensor, params: Params, dh_T: Tensor) -> Params:
    """Gradients of a loss that looks at the last state alone."""
    inputs, before, states = _forward(slips, x, h0, params)
    own = [torch.zeros_like(dh_T) for _ in inputs]
    if "fed-every-step" in slips:
        own[:-1] = [dh_T for _ in own[1:]]
    return _sweep(slips, x, inputs, before, states, own, params, dh_T)


@reference(*EVERY, *SWEEP, *(slip for slip in LOCAL if slip.id != "divided-by-batch"))
def bptt_every_step(slips: Set[str], x: Tensor, h0: Tensor, params: Params, targets: Tensor) -> tuple[Tensor, Params]:
    """Loss and gradients for a cross-entropy at every step, summed over time, averaged over the batch."""
    B, T, _ = x.shape
    inputs, before, states = _forward(slips, x, h0, params)
    aims = list(targets.reshape(T, B) if "targets-reshaped" in slips else targets.T)
    if "targets-shifted" in slips:
        aims = [*aims[1:], aims[-1]]
    if slips & {"targets-one-early", "targets-one-late"}:
        aims = [*aims[-1:], *aims[:-1]] if "targets-one-early" in slips else [*aims[1:], aims[0]]
    V = params["bias_out"].shape[0]
    loss = x.new_zeros(())
    own, per_step = [], []
    for t, aim in enumerate(aims):
        read = states[t] if "readout-of-previous" in slips else states[t + 1]
        logits = read @ params["weight_out"].T
        if "no-bias-out" not in slips:
            logits = logits + params["bias_out"]
        right = torch.nn.functional.one_hot(aim, V).to(logits.dtype)
        counted = t == T - 1 or "loss-last-only" not in slips
        if t == 0 and "step-one-left-out" in slips or t == T - 1 and "last-step-left-out" in slips:
            counted = False
        if counted:
            loss = loss - (right * torch.log_softmax(logits, 1)).sum()
        p = torch.softmax(logits, 0 if "softmax-over-batch" in slips else 1)
        dlogits = p if "no-one-hot" in slips else right - p if "wrong-sign" in slips else p - right
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
        parts = [one[name] for one in per_step]
        if "readout-last-only" in slips:
            parts = parts[-1:]
        if slips & {"stops-before-first", "step-one-left-out"}:
            parts = parts[1:]
        if slips & {"starts-before-last", "last-step-left-out"}:
            parts = parts[:-1]
        if f"{name.replace('_', '-')}-overwritten" in slips or "readout-overwritten" in slips:
            parts = parts[:1]
        readout[name] = torch.stack(parts).sum(0) if parts else torch.zeros_like(params[name])
    grads = {**readout, **_sweep(slips, x, inputs, before, states, own, params)}
    if slips & {"loss-averaged-over-time", "gradients-averaged-over-time"}:
        grads = {name: value / T for name, value in grads.items()}
    return loss, grads
