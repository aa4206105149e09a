"""What lesson 01's answers must equal: PyTorch's own recurrent layers, autograd, and the definition of the graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

WEIGHTS = ("weight_ih", "weight_hh", "bias")


def asking(h0: Tensor, params: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """Copies of h_0 and of the parameters that require a gradient."""
    return h0.clone().requires_grad_(), {name: tensor.clone().requires_grad_() for name, tensor in params.items()}


def gradients(
    made: tuple[Tensor, ...], toward: list[Tensor], h0: Tensor, params: dict[str, Tensor]
) -> tuple[Tensor, ...]:
    """The oracle: autograd's gradients of Σ toward · made, in the order of BACK."""
    total = torch.stack([(one * weight).sum() for one, weight in zip(made, toward, strict=True)]).sum()
    return torch.autograd.grad(total, [h0, *(params[name] for name in WEIGHTS)])


def step_by_cell(x_t: Tensor, h_prev: Tensor, params: dict[str, Tensor]) -> Tensor:
    """The oracle: torch.nn.RNNCell with the same weights; keeps the graph to params and h_prev."""
    H, D = params["weight_ih"].shape
    cell = nn.RNNCell(D, H).to(x_t.device, x_t.dtype)
    weights = {name.replace("bias", "bias_ih"): params[name] for name in WEIGHTS}
    weights["bias_hh"] = torch.zeros_like(params["bias"])
    return torch.func.functional_call(cell, weights, (x_t, h_prev))


def torch_unroll(x: Tensor, h0: Tensor, params: dict[str, Tensor]) -> Tensor:
    """The oracle: torch.nn.RNN with the same weights; keeps the graph to params."""
    H, D = params["weight_ih"].shape
    rnn = nn.RNN(D, H, batch_first=True).to(x.device, x.dtype)
    weights = {
        "weight_ih_l0": params["weight_ih"],
        "weight_hh_l0": params["weight_hh"],
        "bias_ih_l0": params["bias"],
        "bias_hh_l0": torch.zeros_like(params["bias"]),
    }
    return torch.func.functional_call(rnn, weights, (x, h0.unsqueeze(0)))[0]


def standin_unroll(x: Tensor, h0: Tensor, params: dict[str, Tensor]) -> Tensor:
    """The oracle for values, and what is lent to the exercises that build on `unroll`."""
    # In float64 on the CPU: on a GPU, cuDNN's RNN rounds the products of float32 to the ten bits of TF32.
    wide = {name: params[name].to("cpu", torch.float64) for name in ("weight_ih", "weight_hh", "bias")}
    states = torch_unroll(x.to("cpu", torch.float64), h0.to("cpu", torch.float64), wide)
    return states.to(x.device, x.dtype)


def arrows(T: int) -> set[tuple[str, str]]:
    """The oracle: of all pairs of nodes, those that the definition of h_t and L_t names."""
    nodes = ["theta", "h0", *(f"{row}{t}" for row in "xhL" for t in range(1, T + 1))]

    def used(start: str, end: str) -> bool:
        if start == "theta":
            return end[0] == "h" and end != "h0"
        steps = int(end[1:]) - int(start[1:])
        return (start[0], end[0], steps) in {("x", "h", 0), ("h", "h", 1), ("h", "L", 0)}

    return {(start, end) for start in nodes for end in nodes if end != "theta" and used(start, end)}


def entries(t: int) -> list[str]:
    """The states at which a path from theta to L_t can enter: those from which L_t can be reached."""
    into: dict[str, list[str]] = {}
    for start, end in arrows(t):
        into.setdefault(end, []).append(start)
    found, waiting = [], [f"L{t}"]
    while waiting:
        for start in into.get(waiting.pop(), ()):
            if start == "theta":
                found.append(start)
            else:
                waiting.append(start)
    return found


def one_by_one(
    x: Tensor,
    h0: Tensor,
    lengths: Sequence[int],
    params: dict[str, Tensor],
    run: Callable[..., Tensor] = standin_unroll,
) -> tuple[Tensor, Tensor]:
    """The oracle: every sequence run alone, without its padding; its last state repeated past the end.

    With `run=torch_unroll` it keeps the graph.
    """
    rows, last = [], []
    for b, length in enumerate(lengths):
        alone = run(x[b : b + 1, :length], h0[b : b + 1], params)[0] if length else h0[:0]
        end = alone[-1] if length else h0[b]
        rows.append(torch.cat([alone, end.expand(x.shape[1] - length, -1)]))
        last.append(end)
    return torch.stack(rows), torch.stack(last)
