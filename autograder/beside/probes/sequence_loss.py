"""The sequence model of lesson 04, which refuses bad inputs in the exercise's own words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from autograder.beside.probes import Refused, probe
from autograder.beside.probes.models import NextToken, named_parameters


class SequenceModel(NextToken):
    """A NextToken whose state is called `h`; it records what it was fed, call by call."""

    def __init__(self, weights: Mapping[str, Tensor]):
        super().__init__("rnn", weights)
        self._fed: list[tuple[int, int, bool]] = []

    def forward(self, tokens: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        self._vet(tokens)
        self._fed.append((tokens.shape[0], tokens.shape[1], h is not None))
        return super().forward(tokens, h)

    def _vet(self, tokens: Any) -> None:
        """Raise ValueError, in the exercise's words, unless the tokens are (B, T) whole numbers in 0…V−1."""
        if not isinstance(tokens, Tensor):
            raise ValueError(
                f"the model was called with something of type {type(tokens).__name__}; expected a tensor (B, T)"
            )
        if tokens.dim() != 2:
            asked = (1, *tokens.shape) if tokens.dim() == 1 else (1, 1) if tokens.dim() == 0 else "(B, T)"
            raise ValueError(f"the model was called with tokens of shape {tuple(tokens.shape)}; expected {asked}: "
                             "a batch axis and a time axis, even for one token")  # fmt: skip
        if tokens.is_floating_point():
            raise ValueError(f"the model was called with tokens of dtype {tokens.dtype}; expected whole numbers")
        V = self.embedding.weight.shape[0]
        odd = (tokens < 0) | (tokens >= V)
        if bool(odd.any()):
            raise ValueError(
                f"the model was called with the token {tokens[odd][0].item()}; its tokens are 0 to {V - 1}"
            )

    @staticmethod
    def sent_back(model: Any, pieces: Sequence[Tensor], h: Tensor, toward: Sequence[Tensor]) -> dict[str, Any]:
        """The gradients of Σ toward · what a model returns for one piece of text after another, passing its state on.

        `toward` has a tensor for the logits of each piece, and one for the last state. The keys are the names of the parameters, and
        "h" for the first state; the values are zeros where nothing arrives, and all None where no result has a graph.
        """
        first = h.detach().clone().requires_grad_()
        state, results = first, []
        for tokens in pieces:
            logits, state = model(tokens, state)
            results.append(logits)
        parts = [*results, state]
        total = sum((part * weight).sum() for part, weight in zip(parts, toward, strict=True))
        own = {**dict(named_parameters(model)), "h": first}
        if not isinstance(total, Tensor) or not total.requires_grad:
            return dict.fromkeys(own)
        grads = torch.autograd.grad(total, list(own.values()), allow_unused=True, materialize_grads=True)
        return dict(zip(own, grads, strict=True))


@probe
def sequence_model(names: dict[str, Any], weights: dict[str, Tensor], stale: Mapping[str, Tensor] = {}) -> nn.Module:
    """A SequenceModel; `stale` are gradients that an earlier step left on its parameters."""
    made = SequenceModel(weights)
    for name, parameter in made.named_parameters():
        parameter.grad = stale[name].detach().clone() if name in stale else None
    return made


@probe
def fed(names: dict[str, Any], model: SequenceModel) -> list[tuple[int, int, bool]]:
    """What a model was called with, call by call: (rows, steps, whether a state was given)."""
    return list(model._fed)


@probe
def load(names: dict[str, Any], into: Any, weights: dict[str, Tensor], shown: str = "the model") -> None:
    """Put drawn weights into a learner's module; Refused with the first name or shape that does not fit."""
    if not isinstance(into, nn.Module):
        raise Refused("type", f"{shown} is a {type(into).__name__}; expected an nn.Module",
                      "Does the class inherit from it, as in `class …(nn.Module)`?")  # fmt: skip
    have = {name: tuple(value.shape) for name, value in into.state_dict().items()}
    if extra := [name for name in have if name not in weights]:
        odd = extra[0]
        clue = "A recurrent layer that also reads backwards has weights with that name." if "reverse" in odd else ""
        clue = clue or ("A second recurrent layer has weights with that name." if "_l1" in odd else "")
        summary = f"{shown} has {odd}, which the exercise does not ask for"
        if not any(name not in have for name in weights):
            raise Refused("keys", summary, *([clue] if clue else []))
    for name, value in weights.items():
        if name not in have:
            raise Refused("keys", f"{shown} has no {name}; it has {', '.join(have) or 'no parameters'}",
                          "Do its parts have the names that the exercise gives, and does `__init__` set them after `super().__init__()`?")  # fmt: skip
        if have[name] != tuple(value.shape):
            raise Refused("shape", f"{name} of {shown} has shape {have[name]}; expected {tuple(value.shape)}",
                          *_misshapen(have[name], tuple(value.shape)))  # fmt: skip
    some = next(iter(weights.values()))
    into.to(some.device, some.dtype)
    into.load_state_dict(weights)


def _misshapen(have: tuple[int, ...], asked: tuple[int, ...]) -> tuple[str, ...]:
    """What a weight of the wrong shape looks like."""
    if have == asked[::-1]:
        return ("Its two sizes are swapped. In which order does the layer take them?",)
    gates = have[0] // asked[0] if have and asked and have[0] % asked[0] == 0 and have[1:] == asked[1:] else 0
    if gates in (3, 4):
        kind = "a GRU" if gates == 3 else "an LSTM"
        return (
            f"It has {gates} times as many rows as expected: this is the weight of {kind}. Which layer is asked for?",
        )
    return ("Which of the given sizes belongs here?",)
