"""What is right for losses at every step and for sequence models, by torch.distributions and torch.nn: the oracles of lesson 04."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from autograder.beside.probes.sequence_loss import SequenceModel

Weights = Mapping[str, Tensor]


def token_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """The loss of each token, (B, T), by torch.distributions: minus the log-probability of the target."""
    return -torch.distributions.Categorical(logits=logits).log_prob(targets)


def loss_of_all(logits: Tensor, targets: Tensor, reduction: str) -> Tensor:
    """The oracle of `sequence_loss`."""
    losses = token_losses(logits, targets)
    return losses.sum() if reduction == "sum" else losses.mean()


def loss_of_real(logits: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    """The oracle of `masked_sequence_loss`: the rows cut to their lengths, one behind the other, without padding."""
    rows = [(logits[b, :end], targets[b, :end]) for b, end in enumerate(lengths.tolist())]
    return token_losses(torch.cat([row for row, _ in rows]), torch.cat([row for _, row in rows])).mean()


def run(weights: Weights, tokens: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The oracle of a SequenceModel: torch.nn's own layers with these weights."""
    with torch.no_grad():
        return SequenceModel(weights)(tokens, h)


def one_step(model: SequenceModel, optimizer: torch.optim.Optimizer, tokens: Tensor, targets: Tensor) -> float:
    """The oracle's step: the loss by torch.distributions, the gradients by autograd.grad."""
    loss = token_losses(model(tokens)[0], targets).mean()
    own = list(model.parameters())
    for parameter, grad in zip(own, torch.autograd.grad(loss, own), strict=True):
        parameter.grad = grad
    optimizer.step()
    return loss.item()


def trained(
    weights: Weights, batches: Sequence[tuple[Tensor, Tensor]], options: Mapping[str, float]
) -> tuple[float, dict[str, Tensor]]:
    """The last loss, and how far the parameters have moved, by torch.optim."""
    model = SequenceModel(weights)
    optimizer = torch.optim.SGD(model.parameters(), lr=options["lr"], momentum=options["momentum"])
    losses = [one_step(model, optimizer, *batch) for batch in batches]
    return losses[-1], {name: value.detach() - weights[name] for name, value in model.named_parameters()}


def greedy(weights: Weights, prompt: Tensor, n: int) -> Tensor:
    """The oracle of `generate`: everything so far is read again for each token."""
    tokens = prompt
    for _ in range(n):
        logits, _ = run(weights, tokens.unsqueeze(0))
        tokens = torch.cat([tokens, logits[0, -1:].argmax(-1)])
    return tokens[len(prompt) :]
