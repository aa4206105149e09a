"""Checks of lesson 01, the unrolled graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from autograder.draw import Draw
from autograder.expect import expect
from autograder.mistakes import unrolled_graph as mistakes
from autograder.spec import check
from autograder.student import Student


def torch_step(x_t: Tensor, h_prev: Tensor, params: dict[str, Tensor]) -> Tensor:
    """The oracle: torch.nn.RNNCell with the same weights."""
    H, D = params["weight_ih"].shape
    cell = nn.RNNCell(D, H).to(x_t.device, x_t.dtype)
    with torch.no_grad():
        cell.weight_ih.copy_(params["weight_ih"])
        cell.weight_hh.copy_(params["weight_hh"])
        cell.bias_ih.copy_(params["bias"])
        cell.bias_hh.zero_()
        return cell(x_t, h_prev)


@check("unrolled-graph-rnn-step", of="rnn_step", standin=torch_step)
def rnn_step(student: Student, draw: Draw) -> None:
    """`rnn_step` computes h_t = tanh(x_t W_ihᵀ + h_{t-1} W_hhᵀ + b) for every row of the batch."""
    for B, D, H in ((2, 3, 4), (1, 3, 4), (3, 1, 2)):
        params = draw.params(D, H)
        x_t, h_prev = draw.normal(B, D), draw.normal(B, H)
        got = student.rnn_step(x_t, h_prev, params)
        want = torch_step(x_t, h_prev, params)
        expect(got, want, "h_t", axes="B H", slips=mistakes.rnn_step.on(x_t, h_prev, params))
    half = draw.to(torch.float32)
    params, x_t, h_prev = half.params(3, 4), half.normal(2, 3), half.normal(2, 4)
    expect(student.rnn_step(x_t, h_prev, params), torch_step(x_t, h_prev, params), "h_t", axes="B H")
