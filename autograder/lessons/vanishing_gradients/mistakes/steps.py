"""Named mistakes of one step of an LSTM and of a GRU."""

from __future__ import annotations

import itertools
from collections.abc import Sequence, Set

import torch
from torch import Tensor

from autograder.checking.spec import Slip, reference
from autograder.lessons.vanishing_gradients.oracles import Params, State

BIASES = (
    Slip("bias-ih-left-out", "bias_ih is left out", "Which four tensors are in `params`, and where does each of them enter?"),
    Slip("bias-hh-left-out", "bias_hh is left out", "Which four tensors are in `params`, and where does each of them enter?"),
    Slip("input-left-out", "x_t is left out", "Which two products make the pre-activations?"),
    Slip("state-left-out", "the gates do not read h_{t-1}", "Which two products make the pre-activations?"),
)  # fmt: skip


def swaps(letters: Sequence[str]) -> tuple[Slip, ...]:
    """Two blocks of rows read for each other: one slip for each pair of gates."""
    asked = ", ".join(letters)
    return tuple(
        Slip(f"rows-{a}{b}", f"the rows of {a} and of {b} are taken for each other",
             f"From top to bottom, PyTorch's rows are those of {asked}. In which order do yours come out of the `chunk`?")
        for a, b in itertools.combinations(letters, 2)
    )  # fmt: skip


def pre_activations(slips: Set[str], x_t: Tensor, h: Tensor, params: Params, letters: str) -> dict[str, list[Tensor]]:
    """For each gate what x_t gives to its pre-activation and what h gives, biases included."""
    from_x = 0 * params["bias_ih"] if "input-left-out" in slips else x_t @ params["weight_ih"].T
    from_h = 0 * params["bias_hh"] if "state-left-out" in slips else h @ params["weight_hh"].T
    from_x = from_x if "bias-ih-left-out" in slips else from_x + params["bias_ih"]
    from_h = from_h if "bias-hh-left-out" in slips else from_h + params["bias_hh"]
    order = list(letters)
    for a, b in itertools.combinations(letters, 2):
        if f"rows-{a}{b}" in slips:
            i, j = order.index(a), order.index(b)
            order[i], order[j] = order[j], order[i]
    parts = (value.expand(len(x_t), -1).chunk(len(order), 1) for value in (from_x, from_h))
    return {gate: list(pair) for gate, pair in zip(order, zip(*parts, strict=True), strict=True)}


@reference(
    *swaps("ifgo"),
    *BIASES,
    Slip("one-added-to-f", "1 is added to the pre-activation of the forget gate", "Some libraries do that. Does the formula here?"),
    Slip("candidate-sigmoid", "the candidate g goes through a sigmoid", "Three of the four are gates, between 0 and 1. What values may the fourth have?"),
    Slip("candidate-linear", "the candidate g has no tanh", "What is done to the pre-activation of the candidate?"),
    Slip("gates-tanh", "the gates go through a tanh", "A gate lets through a share between 0 and 1. Which function gives such shares?"),
    Slip("gates-linear", "the gates are left as pre-activations", "A gate lets through a share between 0 and 1. Which function gives such shares?"),
    Slip("no-tanh-of-c", "h_t is made from c_t without its tanh", "What stands between c_t and the output gate?"),
    Slip("tanh-outside", "the tanh is taken of the product of o and c_t", "Is the tanh taken of c_t or of what the output gate lets through?"),
    Slip("c-squashed", "the new c is squashed by a tanh before it is kept", "c_t is a sum. Which of its two uses goes through a tanh: what is kept or what is shown?"),
    Slip("shows-old-c", "h_t shows c_{t-1}", "Which comes first: c_t or h_t?"),
    Slip("nothing-forgotten", "c_{t-1} is kept whole", "By what is c_{t-1} multiplied?"),
    Slip("nothing-kept", "c_{t-1} is left out", "c_t is a sum of two products. Which is the one with the old c?"),
    Slip("no-input-gate", "the candidate enters without the input gate", "How much of the candidate is written, and which gate says so?"),
    Slip("coupled", "1 − f stands in place of the input gate", "An LSTM has an input gate of its own. Which rows are its?"),
    Slip("forgets-the-sum", "the forget gate acts on the new part too", "Which of the two summands does f multiply?"),
    Slip("i-and-f-exchanged", "i multiplies c_{t-1} and f the candidate", "Which gate says how much stays, and which how much comes in?"),
    Slip("gates-read-c", "the gates read c_{t-1} in place of h_{t-1}", "The pair is (h, c). Which of the two do the gates read?"),
    Slip("pair-unpacked-as-c-h", "the pair is taken for (c, h)", "In which order do h and c stand in the pair?"),
    Slip("o-not-used", "the output gate is not used", "How much of tanh(c_t) is shown, and which gate says so?"),
)  # fmt: skip
def lstm_step(slips: Set[str], x_t: Tensor, state: State, params: Params) -> State:
    """(h_t, c_t) of nn.LSTMCell."""
    h, c = state[::-1] if "pair-unpacked-as-c-h" in slips else state
    gate = torch.tanh if "gates-tanh" in slips else (lambda a: a) if "gates-linear" in slips else torch.sigmoid
    a = {name: p + q for name, (p, q) in pre_activations(slips, x_t, c if "gates-read-c" in slips else h, params, "ifgo").items()}  # fmt: skip
    i, f, o = gate(a["i"]), gate(a["f"] + ("one-added-to-f" in slips)), gate(a["o"])
    g = torch.sigmoid(a["g"]) if "candidate-sigmoid" in slips else a["g"] if "candidate-linear" in slips else torch.tanh(a["g"])  # fmt: skip
    if "i-and-f-exchanged" in slips:
        i, f = f, i
    new = g if "no-input-gate" in slips else (1 - f if "coupled" in slips else i) * g
    kept = 0 * c if "nothing-kept" in slips else c if "nothing-forgotten" in slips else f * c
    c_t = f * (c + new) if "forgets-the-sum" in slips else kept + new
    c_t = torch.tanh(c_t) if "c-squashed" in slips else c_t
    shown = c if "shows-old-c" in slips else c_t
    o = torch.ones_like(o) if "o-not-used" in slips else o
    if "tanh-outside" in slips:
        return torch.tanh(o * shown), c_t
    return o * (shown if slips & {"no-tanh-of-c", "c-squashed"} else torch.tanh(shown)), c_t


@reference(
    *swaps("rzn"),
    *BIASES,
    Slip("z-exchanged", "z and 1 − z have changed places", "In PyTorch's GRU, which of the two says how much of the old state stays?"),
    Slip("reset-before-product", "the reset gate acts on h before it meets the weights", "Does r multiply h_{t-1}, or what the weights make of it?"),
    Slip("reset-without-bias", "the reset gate leaves out b_hn", "Which bias stands inside the brackets that r multiplies?"),
    Slip("reset-on-input", "the reset gate acts on what x_t gives too", "Which of the two parts of the candidate does r multiply?"),
    Slip("reset-not-used", "the reset gate is not used", "What does r multiply?"),
    Slip("reset-and-update-exchanged", "z acts within the candidate, and r mixes", "Which of the two gates acts inside the candidate?"),
    Slip("candidate-sigmoid", "the candidate n goes through a sigmoid", "Two of the three are gates, between 0 and 1. What values may the third have?"),
    Slip("candidate-linear", "the candidate n has no tanh", "What is done to the pre-activation of the candidate?"),
    Slip("gates-tanh", "the gates go through a tanh", "A gate lets through a share between 0 and 1. Which function gives such shares?"),
    Slip("not-mixed", "the candidate is added whole to what is kept", "The two shares add up to 1. What is the share of the candidate?"),
    Slip("old-state-whole", "the old state is kept whole", "The two shares add up to 1. What is the share of the old state?"),
    Slip("candidate-only", "the candidate alone comes back", "How much of the old state stays?"),
)  # fmt: skip
def gru_step(slips: Set[str], x_t: Tensor, h: Tensor, params: Params) -> Tensor:
    """h_t of nn.GRUCell."""
    gate = torch.tanh if "gates-tanh" in slips else torch.sigmoid
    a = pre_activations(slips, x_t, h, params, "rzn")
    r, z = gate(sum(a["r"], torch.zeros_like(h))), gate(sum(a["z"], torch.zeros_like(h)))
    if "reset-and-update-exchanged" in slips:
        r, z = z, r
    from_x, from_h = a["n"]
    inner = from_x + r * from_h
    if "reset-before-product" in slips:
        H = h.shape[1]
        inner = from_x + (r * h) @ params["weight_hh"][2 * H :].T + params["bias_hh"][2 * H :]
    if "reset-without-bias" in slips:
        b = params["bias_hh"][2 * h.shape[1] :]
        inner = from_x + r * (from_h - b) + b
    if "reset-on-input" in slips:
        inner = r * (from_x + from_h)
    if "reset-not-used" in slips:
        inner = from_x + from_h
    n = torch.sigmoid(inner) if "candidate-sigmoid" in slips else inner if "candidate-linear" in slips else torch.tanh(inner)  # fmt: skip
    if "z-exchanged" in slips:
        z = 1 - z
    share = torch.ones_like(z) if "not-mixed" in slips else 1 - z
    stays = torch.ones_like(z) if "old-state-whole" in slips else torch.zeros_like(z) if "candidate-only" in slips else z  # fmt: skip
    return n if "candidate-only" in slips else share * n + stays * h
