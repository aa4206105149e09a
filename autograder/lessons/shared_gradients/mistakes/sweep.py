"""Named mistakes of hand-written backpropagation through time: switches on one forward and one backward sweep."""

from __future__ import annotations

from collections.abc import Set

import torch
from torch import Tensor

from autograder.checking.spec import Slip, reference
from autograder.lessons.shared_gradients.mistakes.step import LOCAL, Params, one_step

_COUNTER = "Which values does the loop's counter take? Write down the first and the last one."
STOPS = (
    Slip("stops-before-first", "the way back stops before step t = 1", _COUNTER),
    Slip("starts-before-last", "the way back leaves out step t = T", _COUNTER),
    Slip(
        "goes-past-first",
        "the way back does not stop behind step t = 1: it goes on to t = 0, where the index t − 1 is −1 and counts from the end",
        _COUNTER,
    ),
)


def listed(*slips: Slip) -> tuple[Slip, ...]:
    """The same mistakes where the dx are collected in a list, so that the gradient of x has too few or too many steps."""
    says = "{}. So the list of dx does not have T entries"
    return tuple(Slip(f"{slip.id}-listed", says.format(slip.says), slip.asks) for slip in slips)


# The sweep over time.
SWEEP = (
    *STOPS,
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


def forward(slips: Set[str], x: Tensor, h0: Tensor, params: Params) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
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


def plain(slips: Set[str]) -> Set[str]:
    """The slips without the difference that a list of dx makes."""
    return frozenset(id.removesuffix("-listed") for id in slips)


def sweep(
    slips: Set[str], x: Tensor, inputs: list[Tensor], before: list[Tensor], states: list[Tensor], own: list[Tensor],
    params: Params, given: Tensor | None = None,
) -> Params:  # fmt: skip
    """The backward sweep. `own[t]` is what the losses give to the state after index t directly, `given` where it begins."""
    T, in_list = len(inputs), any(id.endswith("-listed") for id in slips)
    slips = plain(slips)
    past = bool(slips & {"goes-past-first", "step-zero-too"})
    grads = {name: torch.zeros_like(params[name]) for name in ("weight_ih", "weight_hh", "bias")}
    dx: list[Tensor] = []
    dh_next = delta = torch.zeros_like(states[0]) if given is None else given
    order = list(range(T)) if "forward-order" in slips else list(range(T - 1, -1, -1))
    if slips & {"stops-before-first", "step-one-left-out"}:
        order.remove(0)
    if slips & {"starts-before-last", "last-step-left-out"}:
        order.remove(T - 1)
    if past:
        order.append(-1)
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
    if past and not in_list:
        found = [*found[1:-1], found[0]]  # what t = 0 gives is written to the place of step T
    missing = [torch.zeros_like(inputs[0])] * (0 if in_list else T - len(found))
    found = missing + found if slips & {"stops-before-first", "step-one-left-out"} else found + missing
    grads["x"] = torch.stack(found).reshape(x.shape) if "dx-reshaped" in slips else torch.stack(found, 1)
    grads["h0"] = delta if slips & {"dh1-as-dh0", "never-handed-on"} else dh_next
    return grads


@reference(*LAST, *LOCAL, *SWEEP, *listed(*STOPS))
def bptt_last(slips: Set[str], x: Tensor, h0: Tensor, params: Params, dh_T: Tensor) -> Params:
    """Gradients of a loss that looks at the last state alone."""
    inputs, before, states = forward(slips, x, h0, params)
    own = [torch.zeros_like(dh_T) for _ in inputs]
    if "fed-every-step" in slips:
        own[:-1] = [dh_T for _ in own[1:]]
    own.append(torch.zeros_like(dh_T))  # of h_0, which a sweep that goes too far asks for
    return sweep(slips, x, inputs, before, states, own, params, dh_T)
