"""Models, layers and optimizers that are built beside the learner's code, and what they hold afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from autograder.beside.probes import probe

LAYERS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class NextToken(nn.Module):
    """A model that predicts the next token: `embedding`, `rnn` (batch first), `readout`.

    `forward(x, state=None) -> (logits (B, T, V), state)` for tokens x (B, T). The weights, named as in the state dict, set the
    sizes and the dtype.
    """

    shown = "model"  # what a message calls it

    def __init__(self, kind: str, weights: Mapping[str, Tensor]):
        super().__init__()
        vocab, width = weights["embedding.weight"].shape
        read = weights["readout.weight"]
        self.embedding = nn.Embedding(vocab, width)
        inner = {name.removeprefix("rnn."): value for name, value in weights.items() if name.startswith("rnn.")}
        self.rnn = recurrent(kind, inner)
        self.readout = nn.Linear(read.shape[1], read.shape[0])
        self.to(read.device, read.dtype)
        self.load_state_dict(dict(weights))
        self._inputs: list[Tensor] = []  # what the recurrent layer was given, call by call
        self._reached: list[tuple[int, int, int]] = []

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        given = self.embedding(x)
        if torch.is_grad_enabled():
            given = given if given.requires_grad else given.detach().requires_grad_()
            call = len(self._inputs)
            self._inputs.append(given.detach())
            given.register_hook(lambda grad: self._note(call, grad))
        states, state = self.rnn(given, state)
        return self.readout(states), state

    def _note(self, call: int, grad: Tensor) -> None:
        steps = torch.nonzero(grad.detach().abs().sum((0, 2))).flatten().tolist()
        offset = sum(one.shape[1] for one in self._inputs[:call])
        if steps:
            self._reached.append((len(self._inputs), offset + steps[0] + 1, offset + steps[-1] + 1))


def recurrent(kind: str, weights: Mapping[str, Tensor]) -> nn.Module:
    """An `nn.RNN`, `nn.LSTM` or `nn.GRU` of one layer, batch first, with these weights (`weight_ih_l0`, …)."""
    some, hidden = weights["weight_ih_l0"], weights["weight_hh_l0"].shape[1]
    layer: nn.Module = LAYERS[kind](some.shape[1], hidden, batch_first=True).to(some.device, some.dtype)
    layer.load_state_dict(dict(weights))
    return layer


@probe
def model(names: dict[str, Any], kind: str, weights: dict[str, Tensor]) -> NextToken:
    """A NextToken; `draw.next_token(kind, …)` draws its weights."""
    return NextToken(kind, weights)


@probe
def optimizer(names: dict[str, Any], model: nn.Module, kind: str = "sgd", **options: float) -> torch.optim.Optimizer:
    """An optimizer for all parameters of a model: "sgd" or "adam", with `lr` and the like."""
    make: type[Any] = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[kind]
    made: torch.optim.Optimizer = make(model.parameters(), **options)
    return made


@probe
def parameters(names: dict[str, Any], of: nn.Module | Iterable[Tensor]) -> Any:
    """Copies of the parameters: a dict by name for a module, else a list."""
    if isinstance(of, nn.Module):
        return {name: value.detach().clone() for name, value in named_parameters(of)}
    return [value.detach().clone() for value in of]


@probe
def gradients(names: dict[str, Any], of: nn.Module | Iterable[Tensor]) -> Any:
    """Copies of the gradients (None where there is none): a dict by name for a module, else a list."""
    if isinstance(of, nn.Module):
        return {name: _copied(value.grad) for name, value in named_parameters(of)}
    return [_copied(value.grad) for value in of]


def named_parameters(of: nn.Module) -> Iterable[tuple[str, Tensor]]:
    return nn.Module.named_parameters(of)


def _copied(value: Tensor | None) -> Tensor | None:
    return None if value is None else value.detach().clone()


@probe
def reach(names: dict[str, Any], model: NextToken) -> list[tuple[int, int, int]]:
    """Where gradients arrived, backward pass by backward pass: (forward calls so far, first step, last step), from 1.

    Steps are counted over all forward calls of the model, in their order.
    """
    return list(model._reached)
