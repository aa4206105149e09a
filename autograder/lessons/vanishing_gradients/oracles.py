"""The oracles of lesson 07: PyTorch's own cells, and autograd through them, never a second copy of what a learner writes."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

Params = dict[str, Tensor]
State = tuple[Tensor, Tensor]  # (h, c)
NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def torch_lstm_step(x_t: Tensor, state: State, params: Params) -> State:
    """One step of nn.LSTMCell."""
    return torch.lstm_cell(x_t, state, *(params[name] for name in NAMES))


def torch_gru_step(x_t: Tensor, h: Tensor, params: Params) -> Tensor:
    """One step of nn.GRUCell."""
    return torch.gru_cell(x_t, h, *(params[name] for name in NAMES))


def leaves(*tensors: Tensor) -> list[Tensor]:
    """Copies that autograd follows."""
    return [tensor.detach().clone().requires_grad_() for tensor in tensors]


def torch_lstm_step_backward(
    dh: Tensor, dc: Tensor, x_t: Tensor, state: State, params: Params
) -> tuple[Tensor, Tensor, Tensor, Params]:
    """(dx, dh_prev, dc_prev, dparams) of one step."""
    x, h, c, *own = leaves(x_t, *state, *(params[name] for name in NAMES))
    with torch.enable_grad():
        made = torch_lstm_step(x, (h, c), dict(zip(NAMES, own, strict=True)))
    dx, dh_prev, dc_prev, *grads = torch.autograd.grad(made, (x, h, c, *own), (dh, dc))
    return dx, dh_prev, dc_prev, dict(zip(NAMES, grads, strict=True))


def torch_lstm_gradients(x: Tensor, state: State, params: Params, dh_T: Tensor) -> Params:
    """The gradients of params and x for a loss on h_T alone."""
    given = dict(zip((*NAMES, "x"), leaves(*(params[name] for name in NAMES), x), strict=True))
    with torch.enable_grad():
        h, c = state
        for x_t in given["x"].unbind(1):
            h, c = torch_lstm_step(x_t, (h, c), given)
    return dict(zip(given, torch.autograd.grad(h, list(given.values()), dh_T), strict=True))


def influences(kind: str, weights: Mapping[str, Tensor], x: Tensor, units: slice = slice(None)) -> Tensor:
    """∂(Σ out_T)/∂x_t of each row, (B, T, D), for a layer of `kind` "rnn", "lstm" or "gru", cell by cell; Σ over `units`."""
    own = [weights[f"{name}_l0"] for name in NAMES]
    inputs = leaves(*x.unbind(1))
    with torch.enable_grad():
        h = c = x.new_zeros(len(x), own[1].shape[1])
        for x_t in inputs:
            if kind == "lstm":
                h, c = torch.lstm_cell(x_t, (h, c), *own)
            else:
                h = (torch.gru_cell if kind == "gru" else torch.rnn_tanh_cell)(x_t, h, *own)
    return torch.stack(torch.autograd.grad(h[:, units].sum(), inputs), 1)
