"""A small causal model: an embedding with positions, one layer of attention, a read-out."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

Attention = Callable[[Tensor, Tensor, Tensor], Tensor]  # q, k, v, all (B, T, E) -> (B, T, E), causal


class CausalModel(nn.Module):
    """Logits (B, T, V) for tokens (B, T), T at most ``longest``; ``attention`` lets each step look at itself and those before it.

    The same in three parts, for whoever reads a token at a time: ``read`` embeds tokens at their positions, ``project``
    makes q, k and v, ``say`` gives the logits.
    """

    def __init__(self, attention: Attention, vocab: int, width: int, longest: int):
        super().__init__()
        self.attention = attention
        self.embedding = nn.Embedding(vocab, width)
        self.position = nn.Embedding(longest, width)
        self.projection = nn.Linear(width, 3 * width)
        self.readout = nn.Linear(width, vocab)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.read(tokens, torch.arange(tokens.shape[1], device=tokens.device))
        return self.say(x, self.attention(*self.project(x)))

    def read(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Tokens (B, n) at positions (n,), counted from 0, as vectors (B, n, E)."""
        return self.embedding(tokens) + self.position(positions)

    def project(self, x: Tensor) -> tuple[Tensor, ...]:
        """The queries, keys and values of x, each of its shape (B, n, E)."""
        return self.projection(x).chunk(3, -1)

    def say(self, x: Tensor, mixed: Tensor) -> Tensor:
        """The logits (B, n, V) for x and what attention has brought to it, both (B, n, E)."""
        return self.readout(x + mixed)
