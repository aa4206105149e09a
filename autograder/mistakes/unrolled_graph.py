"""Named mistakes of lesson 01, the unrolled graph."""

from __future__ import annotations

from collections.abc import Set

import torch
from torch import Tensor

from autograder.spec import Slip, reference


@reference(
    Slip("left-linear", "the tanh is left out", "What is done to a_t before it becomes h_t?"),
    Slip("no-bias", "the bias is left out", "Which of the parameters does your line not use?"),
    Slip("bias-twice", "the bias is added twice", "How many biases does the formula have?"),
    Slip("no-recurrence", "h_{t-1} is left out", "Where does the previous state enter the formula?"),
    Slip("no-input", "x_t is left out", "Where does the input enter the formula?"),
    Slip("weight-hh-transposed", "weight_hh is used the other way round", "For row vectors, is it h W or h Wᵀ?"),
    Slip("sigmoid", "a sigmoid stands in the place of tanh", "Which function maps a_t to h_t here?"),
    Slip("relu", "a ReLU stands in the place of tanh", "Which function maps a_t to h_t here?"),
    Slip(
        "state-added",
        "h_{t-1} is added once more, behind the tanh",
        "Does the formula have a skip connection?",
    ),
    Slip("bias-outside", "the bias is added behind the tanh", "What stands inside the tanh?"),
)
def rnn_step(slips: Set[str], x_t: Tensor, h_prev: Tensor, params: dict[str, Tensor]) -> Tensor:
    """h_t = tanh(x_t W_ihᵀ + h_{t-1} W_hhᵀ + b); (B, D), (B, H) → (B, H)."""
    weight_hh = params["weight_hh"]
    a_t = torch.zeros_like(h_prev)
    if "no-input" not in slips:
        a_t = a_t + x_t @ params["weight_ih"].T
    if "no-recurrence" not in slips:
        a_t = a_t + h_prev @ (weight_hh if "weight-hh-transposed" in slips else weight_hh.T)
    if "no-bias" not in slips and "bias-outside" not in slips:
        a_t = a_t + params["bias"] * (2 if "bias-twice" in slips else 1)
    if "left-linear" in slips:
        h_t = a_t
    elif "sigmoid" in slips:
        h_t = torch.sigmoid(a_t)
    elif "relu" in slips:
        h_t = torch.relu(a_t)
    else:
        h_t = torch.tanh(a_t)
    if "bias-outside" in slips:
        h_t = h_t + params["bias"]
    return h_t + h_prev if "state-added" in slips else h_t
