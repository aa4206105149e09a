"""One step of a simple RNN, read backwards: the mistakes that are made in it, and what each of them gives."""

from __future__ import annotations

from collections.abc import Set

import torch
from torch import Tensor

from autograder.checking.spec import Slip

Params = dict[str, Tensor]

LOCAL = (
    Slip("no-local-factor", "the slope of the tanh is left out, so that dL/da_t is taken to be dL/dh_t",
         "Between a_t and h_t lies a tanh. By what does a gradient that passes it get multiplied?"),
    Slip("factor-of-preactivation", "the slope of the tanh is written as 1 − a_t², with the value before the tanh",
         "1 − (·)² is the slope of tanh in terms of its output. Which of a_t and h_t is the output?"),
    Slip("sigmoid-factor", "the slope of a sigmoid, h_t (1 − h_t), is used",
         "Which function made h_t, and what is its slope, written in its output?"),
    Slip("squashed-twice", "tanh is applied to h_t once more: 1 − tanh(h_t)²",
         "h_t has passed the tanh already. What is left to do for its slope?"),
    Slip("factor-of-previous", "the slope of the tanh is taken at h_{t-1}", "Which state came out of the tanh of step t?"),
    Slip("factor-not-squared", "the slope of the tanh is written as 1 − h_t", "What is the slope of tanh at h_t = −0.9?"),
    Slip("factor-squared-outside", "the slope of the tanh is written as (1 − h_t)²",
         "What is the slope of tanh at h_t = 0.5 and at h_t = −0.5? It is the same on both sides of 0. Is yours?"),
    Slip("divided-by-slope", "dL/dh_t is divided by the slope of the tanh and not multiplied by it",
         "Where the tanh is flat, a move of a_t hardly moves h_t. Is the gradient that passes it large there, or small?"),
    Slip("slope-twice", "the slope of the tanh is multiplied in twice",
         "How many tanhs lie between a_t and h_t? Which two lines each multiply by a slope?"),
    Slip("bias-from-dh", "dL/dbias is summed from dL/dh_t and not from dL/da_t", "On which side of the tanh is the bias added?"),
    Slip("weight-hh-from-dh", "dL/dweight_hh is built from dL/dh_t and not from dL/da_t",
         "On which side of the tanh does weight_hh stand?"),
    Slip("weight-ih-from-dh", "dL/dweight_ih is built from dL/dh_t and not from dL/da_t",
         "On which side of the tanh does weight_ih stand?"),
    Slip("dx-from-dh", "dL/dx is built from dL/dh_t and not from dL/da_t",
         "The way from x_t to h_t passes a matrix and a tanh. Which of them is missing on the way back?"),
    Slip("carry-without-factor", "what is passed back to h_{t-1} has not gone through the slope of the tanh",
         "The way from h_{t-1} to h_t passes a matrix and a tanh. Which of them is missing on the way back?"),
    Slip("carry-transposed", "what is passed back to h_{t-1} is multiplied by weight_hh the wrong way round",
         "Forward it is h_{t-1} W_hhᵀ, in rows. Which matrix takes a row dL/da_t back to dL/dh_{t-1}?"),
    Slip("carry-without-weights", "what is passed back to h_{t-1} has not gone through weight_hh",
         "The way from h_{t-1} to h_t passes a matrix and a tanh. Which of them is missing on the way back?"),
    Slip("h-for-h-prev", "dL/dweight_hh is built with h_t in place of h_{t-1}", "Which state does weight_hh multiply in step t?"),
    Slip("weight-hh-transposed", "dL/dweight_hh comes out transposed",
         "Row i of weight_hh makes unit i of a_t. Which of the two factors gives the rows of its gradient?"),
    Slip("divided-by-batch", "the gradients of the parameters are divided by the size of the batch",
         "dL/dh is given for every row, so the mean over the batch, if there is one, is in it already. "
         "What remains to be done with the rows?"),
    Slip("bias-mean", "dL/dbias is the mean over the batch in place of the sum",
         "One bias is added in every row. What happens to the gradients of a value that is used several times?"),
    Slip("bias-not-summed", "the axis of the batch is still there in dL/dbias: it holds a row for each sequence",
         "One bias is added in every row. What happens to the gradients of a value that is used several times?"),
)  # fmt: skip


def slope(slips: Set[str], a_t: Tensor, h_prev: Tensor, h: Tensor) -> Tensor:
    """The slope of the tanh at each entry of (…, B, H), as it is or as it is mistaken."""
    if "no-local-factor" in slips:
        return torch.ones_like(h)
    if "sigmoid-factor" in slips:
        return h * (1 - h)
    if "factor-not-squared" in slips:
        return 1 - h
    if "factor-squared-outside" in slips:
        return (1 - h) ** 2
    if "divided-by-slope" in slips:
        return 1 / (1 - h * h)
    at = h
    if "factor-of-preactivation" in slips:
        at = a_t
    elif "squashed-twice" in slips:
        at = torch.tanh(h)
    elif "factor-of-previous" in slips:
        at = h_prev
    return (1 - at * at) ** (2 if "slope-twice" in slips else 1)


def passed_back(slips: Set[str], dh: Tensor, factor: Tensor, weight_hh: Tensor) -> Tensor:
    """What goes on to h_{t-1}, (…, B, H)."""
    back = dh if "carry-without-factor" in slips else dh * factor
    if "carry-without-weights" in slips:
        return back
    return back @ (weight_hh.T if "carry-transposed" in slips else weight_hh)


def shares(
    slips: Set[str], dh: Tensor, factor: Tensor, x_t: Tensor, h_prev: Tensor, h: Tensor, params: Params
) -> Params:
    """What single steps give to x, (…, B, D), and to the recurrent parameters; each argument may have axes in front."""
    dz = dh * factor
    to = {name: dh if f"{name}-from-dh" in slips else dz for name in ("weight-ih", "weight-hh", "bias", "dx")}
    weight_hh = to["weight-hh"].mT @ (h if "h-for-h-prev" in slips else h_prev)
    bias = to["bias"]
    found = {
        "weight_ih": to["weight-ih"].mT @ x_t,
        "weight_hh": weight_hh.mT if "weight-hh-transposed" in slips else weight_hh,
        "bias": bias if "bias-not-summed" in slips else bias.mean(-2) if "bias-mean" in slips else bias.sum(-2),
    }
    if "divided-by-batch" in slips:
        found = {name: value / dh.shape[-2] for name, value in found.items()}
    return found | {"x": to["dx"] @ params["weight_ih"]}
