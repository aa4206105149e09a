"""Named mistakes of lesson 08 in a linear recurrence: step by step, and in doubling jumps."""

from __future__ import annotations

import math
from collections.abc import Set

import torch
from torch import Tensor

from autograder.checking.spec import Slip, reference

_A = "What happens to the old state before the new term is added?"
_BASIC = (
    Slip("a-left-out", "the terms b are added up, and a is never used", _A),
    Slip("h0-left-out", "h0 has no part in it, and the first state is b_1", "What is h_1, written with h0?"),
    Slip("a-b-swapped", "a and b have changed places", "Which of the two multiplies the old state?"),
)


@reference(
    *_BASIC,
    Slip("always-h0", "every step goes on from h0", "Which state does step 2 go on from? Where does your loop keep it?"),
    Slip("leaky", "b is multiplied by 1 − a", "Is b weighted by anything in the formula?"),
    Slip("tanh", "a tanh is taken at every step", "Which part of the simple RNN's step is missing in this one?"),
    Slip("a-late", "each step uses the a of the step before it", "Which index has a_t, and which has h_{t-1}?"),
    Slip("b-late", "each step adds the b of the step before it", "Which index has b_t, and which has h_{t-1}?"),
    Slip("all-multiplied", "a multiplies the sum of the old state and b", "Does a multiply b, too?"),
    Slip("first-only", "only the first step is computed", "How often does your loop run, and what ends it? Is `return` inside it?"),
    Slip("with-h0", "h0 stands before the states", "The states h_1 … h_T are asked: how many is that?"),
)  # fmt: skip
def linear_recurrence(slips: Set[str], a: Tensor, b: Tensor, h0: Tensor) -> Tensor:
    """h_t = a_t ⊙ h_{t-1} + b_t; (B, T, H), (B, T, H), (B, H) → (B, T, H)."""
    if "a-b-swapped" in slips:
        a, b = b, a
    if "a-late" in slips:
        a = a.roll(1, 1)
    if "b-late" in slips:
        b = b.roll(1, 1)
    if "leaky" in slips:
        b = (1 - a) * b
    if "a-left-out" in slips:
        a = torch.ones_like(a)
    h, states = torch.zeros_like(h0) if "h0-left-out" in slips else h0, []
    for t in range(a.shape[1]):
        before = h0 if "always-h0" in slips else h
        h = a[:, t] * (before + b[:, t]) if "all-multiplied" in slips else a[:, t] * before + b[:, t]
        h = torch.tanh(h) if "tanh" in slips else h
        states.append(h)
    states = states[:1] if "first-only" in slips else [h0, *states] if "with-h0" in slips else states
    return torch.stack(states, 1)


@reference(
    *_BASIC,
    Slip("h0-unscaled", "h0 is added to the first term and not multiplied by a_1", "What is h_1, written with h0?"),
    Slip("h0-by-own-a", "h0 is multiplied by a_t alone and not by a_1 ⋯ a_t", "By which factors has h0 been multiplied when it arrives at step 3?"),
    Slip("h0-added-everywhere", "h0 is added to every state as it is", "By which factors has h0 been multiplied when it arrives at step 3?"),
    Slip("level-missing", "the last jump is left out, so that late steps do not hear of early ones",
         "How far has each step looked back after jumps of 1, 2, 4? Which jumps does T = 13 need?"),
    Slip("rounded-down", "the number of jumps is log₂ T rounded down: where T is no power of 2, late steps do not hear of early ones",
         "How far has each step looked back after jumps of 1, 2, 4? Which jumps does T = 13 need?"),
    Slip("jumps-of-one", "every jump is by one step", "After the first round each step knows of two. How far back is the next one that it knows nothing of?"),
    Slip("a-not-combined", "b is combined at every jump, and a stays as it was",
         "After a jump of 1, a pair stands for two steps. By what do both of them together multiply the state?"),
    Slip("a-first", "a is combined before b, which then uses the new a", "Which a does the formula for b use: that before the jump, or that after it?"),
    Slip("order-swapped", "the earlier of two pairs is applied to the later one", "Which of the two happens first to a state, and whose a multiplies the other's b?"),
    Slip("partners-a", "the earlier b is multiplied by the earlier a and not by the later one",
         "(a', b') after (a, b) gives a'b + b'. Which of your two slices of a is a', and which is a?"),
    Slip("wraps-around", "the first steps look back past the beginning and find the last steps there",
         "Which steps have no partner d steps before them? What does `roll` put there?"),
    Slip("divided", "everything is divided by the product of all a so far", "What is that product once an a is 0? And after 1000 steps of a = 0.5?"),
    Slip("logarithms", "products are made by adding logarithms of a", "What is the logarithm of 0, or of a number below 0?"),
)  # fmt: skip
def linear_recurrence_scan(slips: Set[str], a: Tensor, b: Tensor, h0: Tensor) -> Tensor:
    """The same states by jumps of 1, 2, 4, …"""
    if "a-b-swapped" in slips:
        a, b = b, a
    if "a-left-out" in slips:
        a = torch.ones_like(a)
    own, start = a, h0.unsqueeze(1)
    if slips & {"divided", "logarithms"}:
        product = a.log().cumsum(1).exp() if "logarithms" in slips else a.cumprod(1)
        return product * (start + (b / product).cumsum(1))
    if not slips & {"h0-left-out", "h0-added-everywhere", "h0-by-own-a"}:
        first = b[:, :1] + (start if "h0-unscaled" in slips else a[:, :1] * start)
        b = torch.cat([first, b[:, 1:]], 1)
    T = a.shape[1]
    rounds = math.floor(math.log2(T)) if "rounded-down" in slips else math.ceil(math.log2(T))
    for number in range(rounds - ("level-missing" in slips)):
        jump = 1 if "jumps-of-one" in slips else 2**number
        a, b = _jumped(slips, a, b, jump)
    if "h0-added-everywhere" in slips:
        return b + start
    return b + own * start if "h0-by-own-a" in slips else b


def _jumped(slips: Set[str], a: Tensor, b: Tensor, jump: int) -> tuple[Tensor, Tensor]:
    """Every pair combined with the one `jump` steps before it."""
    if "wraps-around" in slips:
        return a * a.roll(jump, 1), b + a * b.roll(jump, 1)
    early_a, early_b, late_a, late_b = a[:, :-jump], b[:, :-jump], a[:, jump:], b[:, jump:]
    both = late_a * early_a
    if "order-swapped" in slips:
        new = early_b + early_a * late_b
    else:
        new = late_b + (both if "a-first" in slips else early_a if "partners-a" in slips else late_a) * early_b
    both = late_a if "a-not-combined" in slips else both
    return torch.cat([a[:, :jump], both], 1), torch.cat([b[:, :jump], new], 1)
