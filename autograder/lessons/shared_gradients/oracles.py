"""The oracles of lesson 02: autograd and torch.func, never a second copy of what a learner writes."""

from __future__ import annotations

import torch
from torch import Tensor

Params = dict[str, Tensor]
RECURRENT = ("bias", "weight_hh", "weight_ih")


def copies_to_differentiate(*tensors: Tensor) -> list[Tensor]:
    """Copies that autograd follows."""
    return [tensor.detach().clone().requires_grad_() for tensor in tensors]


def states_after_first(x: Tensor, h0: Tensor, params: Params) -> list[Tensor]:
    """h_1…h_T by PyTorch's own cell; gradients flow to whatever requires them."""
    states, h = [], h0
    for x_t in x.unbind(1):
        h = torch.rnn_tanh_cell(x_t, h, params["weight_ih"], params["weight_hh"], params["bias"], 0 * params["bias"])
        states.append(h)
    return states


def recorded(x: Tensor, h0: Tensor, params: Params) -> tuple[list[Tensor], Params]:
    """States and the leaves that they came from: parameters (read-out first), x and h0."""
    order = [name for name in ("weight_out", "bias_out", *RECURRENT) if name in params]
    copies = copies_to_differentiate(*(params[name] for name in order), x, h0)
    given = dict(zip([*order, "x", "h0"], copies, strict=True))
    return states_after_first(given["x"], given["h0"], given), given


def untied_by_autograd(x: Tensor, h0: Tensor, params: Params, dh_T: Tensor) -> list[Params]:
    """One backward pass for each step, in which the parameters of that step alone are leaves."""
    entries = []
    for k in range(x.shape[1]):
        copy = dict(zip(params, copies_to_differentiate(*params.values()), strict=True))
        h = h0
        for t, x_t in enumerate(x.unbind(1)):
            h = states_after_first(x_t[:, None], h, copy if t == k else params)[0]
        entries.append(dict(zip(copy, torch.autograd.grad(h, list(copy.values()), dh_T), strict=True)))
    return entries


def step_by_autograd(
    dh: Tensor, x_t: Tensor, h_prev: Tensor, h: Tensor, params: Params
) -> tuple[Tensor, Tensor, Params]:
    """(dx, dh_prev, dparams) of one step; of the parameters, the recurrent ones have a part in it."""
    own = {name: params[name] for name in ("weight_ih", "weight_hh", "bias")}
    states, given = recorded(x_t[:, None], h_prev, own)
    found = dict(zip(given, torch.autograd.grad(states[0], list(given.values()), dh), strict=True))
    return found.pop("x")[:, 0], found.pop("h0"), found


def last_by_autograd(x: Tensor, h0: Tensor, params: Params, dh_T: Tensor) -> Params:
    """Gradients of parameters, x and h0 for a loss on the last state."""
    states, given = recorded(x, h0, params)
    return dict(zip(given, torch.autograd.grad(states[-1], list(given.values()), dh_T), strict=True))


def every_by_autograd(x: Tensor, h0: Tensor, params: Params, targets: Tensor) -> tuple[Tensor, Params]:
    """Cross-entropy summed over time, averaged over the batch, and its gradients."""
    states, given = recorded(x, h0, params)
    logits = torch.nn.functional.linear(torch.stack(states, 1), given["weight_out"], given["bias_out"])
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum") / len(x)
    return loss.detach(), dict(zip(given, torch.autograd.grad(loss, list(given.values())), strict=True))


def immediate_by_func(h_t: Tensor, h_prev: Tensor, weight_hh: Tensor) -> Tensor:
    """jacrev of tanh(c + weight_hh h_prev), with c such that h_t comes out; the result does not depend on weight_hh."""
    c = torch.atanh(h_t) - weight_hh @ h_prev
    return torch.func.jacrev(lambda W: torch.tanh(c + W @ h_prev))(weight_hh)


def total_by_func(x: Tensor, h0: Tensor, params: Params) -> Tensor:
    """jacrev of all states by weight_hh, (T, H, H, H)."""
    states = lambda W: torch.cat(states_after_first(x[None], h0[None], {**params, "weight_hh": W}))  # noqa: E731
    return torch.func.jacrev(states)(params["weight_hh"])


def leaky_by_autograd(x: Tensor, y: Tensor, params: Params, alpha: float) -> tuple[Tensor, Params]:
    """The loss of a network of leaky units, and its gradients."""
    given = dict(zip(params, copies_to_differentiate(*params.values()), strict=True))
    h, guesses = x.new_zeros(len(x), len(params["u"])), []
    for x_t in x.unbind(1):
        h = torch.lerp(h, torch.tanh(given["u"] * h + given["w"] * x_t[:, None] + given["b"]), alpha)
        guesses.append(h @ given["v"])
    loss = torch.nn.functional.mse_loss(torch.stack(guesses, 1), y)
    return loss.detach(), dict(zip(given, torch.autograd.grad(loss, list(given.values())), strict=True))
