"""Expected values of lesson 03, gradient flow, by torch.func and autograd, and matrices whose radius is known."""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor
from torch.func import jacrev, vmap

from autograder.checking.draw import Draw

Params = dict[str, Tensor]


def next_state(h_prev: Tensor, x_t: Tensor, params: Params) -> Tensor:
    """One step of torch's own RNN cell, for one sequence or a batch."""
    none = torch.zeros_like(params["bias"])
    rows = h_prev.reshape(-1, h_prev.shape[-1]), x_t.reshape(-1, x_t.shape[-1])
    h = torch.rnn_tanh_cell(rows[1], rows[0], params["weight_ih"], params["weight_hh"], params["bias"], none)
    return h.reshape(h_prev.shape)


def states_from_first(x: Tensor, h0: Tensor, params: Params) -> list[Tensor]:
    """h_0, …, h_T for x (B, T, D), h0 (B, H)."""
    states = [h0]
    for t in range(x.shape[1]):
        states.append(next_state(states[-1], x[:, t], params))
    return states


def plain_step(h_prev: Tensor, x_t: Tensor, params: Params) -> Tensor:
    """One step for a single sequence, in operations that torch.func differentiates."""
    return torch.tanh(params["weight_ih"] @ x_t + params["weight_hh"] @ h_prev + params["bias"])


def torch_product(x: Tensor, h0: Tensor, params: Params, k: int, t: int) -> Tensor:
    """∂h_t/∂h_k by torch.func: the steps k + 1…t as one function of h_k, differentiated as a whole; (B, H, H)."""

    def run(h: Tensor, inputs: Tensor) -> Tensor:
        for s in range(k, t):
            h = plain_step(h, inputs[s], params)
        return h

    return vmap(jacrev(run))(states_from_first(x, h0, params)[k], x)


def lent_jacobian(h: Tensor, params: Params) -> Tensor:
    """∂h_t/∂h_{t-1} from h_t by torch.func: the step as a function of a small change before it; (B, H, H)."""

    def run(change: Tensor, a_t: Tensor) -> Tensor:
        return torch.tanh(a_t + params["weight_hh"] @ change)

    return vmap(jacrev(run))(torch.zeros_like(h), torch.atanh(h))


def lent_product(states: Tensor, params: Params, k: int, t: int) -> Tensor:
    """∂h_t/∂h_k as a chain of the single steps; (B, H, H)."""
    eye = torch.eye(states.shape[2], dtype=states.dtype, device=states.device).expand(len(states), -1, -1)
    steps = [lent_jacobian(states[:, s - 1], params) for s in range(k + 1, t + 1)]
    return functools.reduce(lambda product, J: torch.bmm(J, product), steps, eye)


def torch_norms(x: Tensor, h0: Tensor, params: Params, dh_T: Tensor) -> Tensor:
    """The mean over the batch of ‖∂L/∂h_t‖₂, t = 0…T, by autograd; (T+1,)."""
    with torch.enable_grad():
        states = states_from_first(x, h0.clone().requires_grad_(), params)
        grads = torch.autograd.grad((states[-1] * dh_T).sum(), states)
    return torch.stack([torch.linalg.vector_norm(grad, dim=1).mean() for grad in grads])


def torch_exponent(x: Tensor, h0: Tensor, params: Params, warmup: int) -> float:
    """The exponent, with all step Jacobians from torch.func and the lengths kept as logarithms."""
    states = torch.stack(states_from_first(x[None], h0[None], params))[:, 0]  # (T + 1, H)
    jacobians = vmap(jacrev(plain_step), (0, 0, None))(states[:-1], x, params)
    v, logs = torch.full_like(h0, 1 / math.sqrt(len(h0))), []
    for J in jacobians:
        v = torch.mv(J, v)
        logs.append(math.log(float(torch.linalg.vector_norm(v))))
        v = torch.nn.functional.normalize(v, dim=0, eps=0.0)
    return math.fsum(logs[warmup:]) / len(logs[warmup:])


def spiral(draw: Draw, H: int, sign: float = 1.0) -> tuple[Tensor, float]:
    """A matrix (H, H), H ≥ 3, whose largest eigenvalues are a complex pair, and their modulus, which is the radius.

    With `sign` -1 the largest is a single negative number instead.
    """
    radius, angle = draw.uniform(low=1.2, high=1.6).item(), draw.uniform(low=1.2, high=1.5).item()
    # The largest real part and the largest absolute real part are two numbers, and neither is the radius.
    small = torch.cat([draw.uniform(1, low=-0.95, high=-0.8), draw.uniform(H - 3, low=-0.5, high=-0.1)])
    real, imaginary = radius * math.cos(angle), radius * math.sin(angle)
    core = torch.diag(torch.cat([small.new_tensor([real, real]), small]))
    if sign > 0:
        core[0, 1], core[1, 0] = -imaginary, imaginary
    else:
        core[0, 0], core[1, 1], core[0, 1] = -radius, real, 1.0
    mixed = torch.eye(H, dtype=core.dtype, device=core.device) + draw.normal(H, H, scale=0.25)
    return mixed @ core @ torch.linalg.inv(mixed), radius


def triangle(draw: Draw, diagonal: tuple[float, ...]) -> Tensor:
    """An upper triangular matrix with this diagonal, which holds its eigenvalues, in this order."""
    W = torch.triu(draw.normal(len(diagonal), len(diagonal)), diagonal=1)
    return W + torch.diag(W.new_tensor(diagonal))


def middle(draw: Draw) -> tuple[Tensor, float]:
    """A matrix (5, 5) whose largest eigenvalue is neither the first nor the last, and its radius."""
    sizes = [draw.uniform(low=low, high=low + 0.15).item() for low in (0.7, 1.3, 1.8, 0.3, 1.0)]
    signs = (1, 1, -1, 1, -1)  # the largest is negative, and the last is not the largest real part
    return triangle(draw, tuple(sign * size for sign, size in zip(signs, sizes, strict=True))), sizes[2]
