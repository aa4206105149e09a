"""Seeded inputs for checks: the same seed gives the same numbers on every device and in every run."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

# The state of PyTorch's Mersenne twister on the CPU: a head of 24 bytes, then 624 words of 32 bits, each in 8 bytes
# (aten/src/ATen/CPUGeneratorImpl.cpp, CPUGeneratorImplStateLegacy).
_HEAD, _WORDS = 24, 624


Sizes = tuple[Any, ...]  # of the axes of a case, or other whole numbers; also those of its rows: ((3, 5, 2), 5)


def _larger(size: Any, by: int) -> Any:
    if isinstance(size, tuple):
        return tuple(_larger(one, by) for one in size)
    return size + by if type(size) is int and size > 1 else size


class Draw:
    """Numbers for one run of a check. The check's body sets the sizes; only the numbers come from here.

    Float tensors have `dtype` and `device`; everything is drawn on the CPU in float64 first, so that a float32 or GPU run
    sees the same inputs.
    """

    def __init__(
        self, seed: int, dtype: torch.dtype = torch.float64, device: str | torch.device = "cpu", larger: int = 0
    ):
        self.seed, self.dtype, self.device, self.larger = seed, dtype, torch.device(device), larger
        self.met: list[tuple[str, Sizes]] = []  # the sizes of all cases so far
        if self.device.type == "mps" and dtype == torch.float64:
            self.dtype = torch.float32  # Metal has no float64
        self._generator = _generator(seed)

    def to(self, dtype: torch.dtype) -> Draw:
        """The same stream of numbers in another dtype."""
        other = Draw.__new__(Draw)
        other.__dict__ = {**self.__dict__, "dtype": dtype}
        return other

    def again(self) -> Draw:
        """The same numbers from the beginning."""
        return Draw(self.seed, self.dtype, self.device, self.larger)

    def on_other_sizes(self) -> Draw:
        """Other numbers for cases of other sizes: each that is not 0 or 1 is larger by as much."""
        return Draw(self.seed ^ 2, self.dtype, self.device, larger=1 + self.seed % 2)

    def cases(self, axes: str, *cases: Sizes, others: Sequence[Sizes] = ()) -> Iterator[Sizes]:
        """The sizes of one case after the other, `axes` says whose: "B T D". Those that count are as written in the body.

        Where a named mistake is tried on other sizes, they are larger, or `others` where it matters how sizes relate.
        """
        for case in (others or [_larger(case, self.larger) for case in cases]) if self.larger else cases:
            self.met.append((axes, case))
            yield case

    def normal(self, *shape: int, scale: float = 1.0) -> Tensor:
        """Standard normal numbers times `scale`."""
        numbers = torch.randn(shape, generator=self._generator, dtype=torch.float64) * scale
        return numbers.to(self.device, self.dtype)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Uniform numbers in [low, high)."""
        numbers = low + (high - low) * torch.rand(shape, generator=self._generator, dtype=torch.float64)
        return numbers.to(self.device, self.dtype)

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        """int64 numbers in [low, high)."""
        return torch.randint(low, high, shape, generator=self._generator).to(self.device)

    def integer(self, low: int, high: int) -> int:
        """One int in [low, high)."""
        return int(torch.randint(low, high, (), generator=self._generator))

    def params(self, D: int, H: int, V: int | None = None, scale: float = 0.7) -> dict[str, Tensor]:
        """Parameters of a simple RNN under PyTorch's names; with `V`, also those of its read-out.

        `weight_ih (H, D)`, `weight_hh (H, H)`, `bias (H)`, `weight_out (V, H)`, `bias_out (V)`. The weights are of order 1
        and weight_hh is not symmetric, so that no mistake hides in small numbers.
        """
        params = {
            "weight_ih": self.normal(H, D, scale=scale),
            "weight_hh": self.normal(H, H, scale=scale),
            "bias": self.normal(H, scale=scale),
        }
        if V is not None:
            params["weight_out"] = self.normal(V, H, scale=scale)
            params["bias_out"] = self.normal(V, scale=scale)
        return params

    def layer(self, kind: str, D: int, H: int, scale: float = 0.7) -> dict[str, Tensor]:
        """Weights of one recurrent layer under PyTorch's names; `kind` is "rnn", "lstm" or "gru"."""
        gates = {"rnn": 1, "lstm": 4, "gru": 3}[kind]
        return {
            "weight_ih_l0": self.normal(gates * H, D, scale=scale),
            "weight_hh_l0": self.normal(gates * H, H, scale=scale),
            "bias_ih_l0": self.normal(gates * H, scale=scale),
            "bias_hh_l0": self.normal(gates * H, scale=scale),
        }

    def next_token(self, kind: str, V: int, D: int, H: int) -> dict[str, Tensor]:
        """Weights of a NextToken (beside/probes/models.py) over V tokens: embedding (V, D), layer and read-out."""
        weights = {"embedding.weight": self.normal(V, D)}
        weights |= {f"rnn.{name}": value for name, value in self.layer(kind, D, H).items()}
        return weights | {"readout.weight": self.normal(V, H, scale=0.7), "readout.bias": self.normal(V, scale=0.7)}


def hidden_seed(key: bytes, learner: str, check: str, content: str, asking: int) -> int:
    """The seed of a hidden draw: a keyed hash of learner, check, content of the submission and number of the asking.

    Nobody without the key can predict it, and no two askings share it: what was learned at one is useless at the next.
    """
    asked = json.dumps([learner, check, content, asking])
    return int.from_bytes(hmac.new(key, asked.encode(), hashlib.sha256).digest(), "big")


def open_seed(check: str) -> int:
    """The seed that a notebook uses for a check: the same for everybody."""
    digest = hmac.new(b"open", f"\0{check}".encode(), hashlib.sha256).digest()
    return int.from_bytes(digest[:7], "big")


def _generator(seed: int) -> torch.Generator:
    """A generator on the CPU that depends on all bits of the seed: `manual_seed` alone keeps 32 of them."""
    generator = torch.Generator().manual_seed(seed % 2**64)
    if seed >= 2**64:
        state = generator.get_state()
        words = hashlib.shake_256(seed.to_bytes(32, "big")).digest(4 * _WORDS)
        filled = torch.frombuffer(bytearray(words), dtype=torch.int32).to(torch.int64) & 0xFFFFFFFF
        state[_HEAD : _HEAD + 8 * _WORDS] = filled.view(torch.uint8)
        generator.set_state(state)
    return generator
