"""The way back through time: the mistakes of its loop, and what each of them gives.

Switches whose words depend on the exercise: no-carry, same-upstream, never-handed-on; stops-before-first,
starts-before-last, goes-past-first, and where a loss stands in the same loop step-one-left-out, last-step-left-out,
step-zero-too; dh1-as-dh0, dx-reversed, dx-reshaped.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

import torch
from torch import Tensor

from autograder.checking.spec import Slip
from autograder.checking.sweeps.step import Params, passed_back, shares, slope

RECURRENT = ("weight_ih", "weight_hh", "bias")

# In the states and in their order: the same in a full sweep and in a truncated one.
STATES = (
    Slip("first-step-wraps", "in the first step dL/dweight_hh is built with the last state: index t − 1 is −1 there, and Python counts from the end",
         "Which state comes before h_1, and where does it stand?"),
    Slip("first-state-zero", "in the first step dL/dweight_hh is built with zeros in place of h_0",
         "Which state comes before h_1? It is an argument, and need not be zero."),
    Slip("forward-order", "the backward loop runs from the first step to the last",
         "Which δ has to be known before δ_t can be computed: the one of the step before or of the step after?"),
    Slip("x-reshaped", "x was reshaped to bring time to the front, which mixes the rows of the batch",
         "`reshape` does not swap axes, it cuts the same numbers into other rows. What does swap them?"),
    Slip("h0-ignored", "the states start from zeros and not from h0", "What is the state before the first step?"),
    Slip("states-one-early", "on the way back each step is given states one step early: h_{t-1} for its output and h_{t-2} for what it saw",
         "The list of states begins with h_0. At which index stands h_t, and at which h_{t-1}?"),
    Slip("inputs-one-late", "step t reads x_{t-1}, and step 1 the last input", "Step t reads x_t. At which index of x is it, if Python counts from 0?"),
    Slip("inputs-one-early", "step t reads x_{t+1}, and the last step the first input",
         "Step t reads x_t. At which index of x is it, if Python counts from 0?"),
    Slip("first-input-twice", "step t reads x_{t-1}, and step 1 x_1 as well", "Step t reads x_t. At which index of x is it, if Python counts from 0?"),
    Slip("weight-hh-turned", "the states are computed with weight_hh the wrong way round: h W in place of h Wᵀ",
         "Row i of weight_hh makes unit i. With rows h_{t-1}, is the product h W or h Wᵀ?"),
    Slip("left-linear", "the states are computed without the tanh", "What is done to a_t before it becomes h_t?"),
)  # fmt: skip
# Where losses at several steps meet.
MEETING = (
    Slip("carry-own-loss-only", "each step passes back only what its own loss gave it, not what came from later steps",
         "δ_t has two parts. Which of them goes on to step t − 1?"),
    Slip("own-loss-late", "what the own loss wants of h_t is added only after step t has gone back",
         "δ_t is whole before the step goes back. Has the own loss been added by then?"),
)  # fmt: skip


def overwritten(left: str) -> tuple[Slip, ...]:
    """A gradient that is assigned again at each step: `left` says which step is left in it."""
    return (
        _anew("weight-hh", "weight_hh is", left),
        _anew("weight-ih", "weight_ih is", left),
        _anew("bias", "The bias is", left),
        Slip("all-overwritten", f"the gradients of all recurrent parameters are assigned again at each step, so that only {left} is left in them",
             "The parameters are used in every step. What happens to the contributions of the other steps?"),
    )  # fmt: skip


def overwritten_readout(left: str) -> tuple[Slip, ...]:
    """The same for the parameters of a read-out."""
    return (
        _anew("weight-out", "weight_out is", left),
        Slip("readout-overwritten", f"dL/dweight_out and dL/dbias_out are assigned again at each step, so that only {left} is left in them",
             "The read-out is used in every step. What happens to the contributions of the other steps?"),
        _anew("bias-out", "bias_out is", left),
    )  # fmt: skip


def _anew(id: str, used: str, left: str) -> Slip:
    return Slip(f"{id}-overwritten", f"dL/d{id.replace('-', '_')} is assigned again at each step, so that only {left} is left in it",
                f"{used} used in every step. What happens to the contributions of the other steps?")  # fmt: skip


def is_overwritten(slips: Set[str], name: str) -> bool:
    """Whether only the last contribution is left in the gradient of this parameter."""
    all_of = "all-overwritten" if name in RECURRENT else "readout-overwritten"
    return bool(slips & {all_of, f"{name.replace('_', '-')}-overwritten"})


@dataclass(frozen=True)
class Forward:
    """A forward pass, time first."""

    x: Tensor  # (T, B, D)
    a: Tensor  # (T, B, H), before the tanh
    states: Tensor  # (T+1, B, H), h_0…h_T
    scale: Sequence[float] = ()  # by what h_1…h_{T-1} are multiplied before the next step reads them


def forward(slips: Set[str], x: Tensor, h0: Tensor, params: Params, scale: Sequence[float] = ()) -> Forward:
    """The states of a simple RNN on x (B, T, D) from h0 (B, H)."""
    B, T, D = x.shape
    inputs = x.reshape(T, B, D) if "x-reshaped" in slips else x.transpose(0, 1)
    if "inputs-one-late" in slips:
        inputs = inputs.roll(1, 0)
    if "inputs-one-early" in slips:
        inputs = inputs.roll(-1, 0)
    if "first-input-twice" in slips:
        inputs = inputs[[0, *range(T - 1)]]
    weight_hh = params["weight_hh"].T if "weight-hh-turned" in slips else params["weight_hh"]
    a, states = [], [torch.zeros_like(h0) if "h0-ignored" in slips else h0]
    for t, from_x in enumerate(inputs @ params["weight_ih"].T + params["bias"]):
        h = states[-1] * scale[t - 1] if scale and t else states[-1]
        a.append(from_x + h @ weight_hh.T)
        states.append(a[-1] if "left-linear" in slips else torch.tanh(a[-1]))
    return Forward(inputs, torch.stack(a), torch.stack(states), scale)


@dataclass(frozen=True)
class Swept:
    """What a backward sweep gives at each step; step t at index t − 1, and step 0, to which a loop may go on, at index −1."""

    order: list[int]  # the indices in the order in which the loop comes to them
    parts: Params  # (L, T+1, …): of the recurrent parameters and of x
    last: Tensor  # (L, B, H): what arrives at the state that the last step made
    after: Tensor  # (L, B, H): and what that step has passed back


def sweep(slips: Set[str], run: Forward, own: Tensor, params: Params, begin: Tensor | None = None) -> Swept:
    """Back from step T to step 1. `own` (L, T+1, B, H): what each of L losses gives to each state, indexed as in Swept.

    `begin` (B, H) is what arrives at h_T besides.
    """
    L, T = len(own), len(run.x)
    at = [*range(T), -1]
    order = list(range(T)) if "forward-order" in slips else list(range(T - 1, -1, -1))
    if slips & {"stops-before-first", "step-one-left-out"}:
        order.remove(0)
    if slips & {"starts-before-last", "last-step-left-out"}:
        order.remove(T - 1)
    if slips & {"goes-past-first", "step-zero-too"}:
        order.append(-1)
    early = int("states-one-early" in slips)
    h, h_prev, read = (run.states[[t + shift for t in at]] for shift in (1 - early, 0, -early))
    if "first-step-wraps" in slips:
        read[0] = run.states[T]
    if "first-state-zero" in slips:
        read[0] = 0
    factor = slope(slips, run.a[at], h_prev, h)
    deltas = torch.zeros_like(own)
    delta = after = torch.zeros_like(own[:, 0]) if begin is None else begin.expand_as(own[:, 0])
    for i, t in enumerate(order):
        delta = own[:, t] if "no-carry" in slips and i else own[:, t] + after
        if "own-loss-late" in slips:
            delta = after
        if begin is not None and slips & {"same-upstream", "never-handed-on"}:
            delta = begin.expand(L, *begin.shape)
        deltas[:, t] = delta
        carried = own[:, t] if "carry-own-loss-only" in slips else delta
        after = passed_back(slips, carried, factor[t], params["weight_hh"])
        if run.scale and t > 0:
            after, read[t] = after * run.scale[t - 1], read[t] * run.scale[t - 1]
        if "own-loss-late" in slips:
            after = after + own[:, t]
    return Swept(order, shares(slips, deltas, factor, run.x[at], read, h, params), delta, after)


def gradients(slips: Set[str], swept: Swept, x: Tensor, in_list: bool = False) -> Params:
    """The gradients of the recurrent parameters, x and h0 in a full sweep; `in_list`: those of x are collected in a list."""
    T, grads = x.shape[1], {}
    for name in RECURRENT:
        part = swept.parts[name]
        grads[name] = (part[:, swept.order[-1:]] if is_overwritten(slips, name) else part).sum((0, 1))
    dx = swept.parts["x"].sum(0)
    if in_list:
        dx = dx[sorted(swept.order)]
    elif -1 in swept.order:
        dx = dx[[*range(T - 1), -1]]  # what t = 0 gives is written to the place of step T
    else:
        dx = dx[:T]
    dx = dx.flip(0) if "dx-reversed" in slips else dx
    grads["x"] = dx.reshape(x.shape) if "dx-reshaped" in slips else dx.transpose(0, 1)
    grads["h0"] = (swept.last if slips & {"dh1-as-dh0", "never-handed-on"} else swept.after).sum(0)
    return grads


def weigh(part: Tensor, weights: Tensor) -> Tensor:
    """One parameter's contributions, summed over losses and steps with weights (T, T), or over losses with weights (T)."""
    for axis, size in enumerate(weights.shape):
        part = part.narrow(axis, 0, size)
    summed: Tensor = torch.tensordot(weights.to(part), part, weights.dim())
    return summed
