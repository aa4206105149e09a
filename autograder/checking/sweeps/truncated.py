"""Truncated sweeps over a loss at every step: which losses go back through which steps, and how often they count."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, field

import torch
from torch import Tensor

from autograder.checking.spec import Slip
from autograder.checking.sweeps.readout import SCORES, read_out
from autograder.checking.sweeps.step import LOCAL, Params
from autograder.checking.sweeps.sweep import (
    MEETING,
    RECURRENT,
    STATES,
    forward,
    is_overwritten,
    overwritten,
    overwritten_readout,
    sweep,
    weigh,
)

_COUNTER = "Which values does the counter of the inner loop take? Write down the first and the last one."
# The loop over the steps of one window.
LOOP = (
    Slip("stops-before-first", "each way back stops before the first step of its window", _COUNTER),
    Slip("starts-before-last", "each way back leaves out the last step of its window, with its loss", _COUNTER),
    Slip("goes-past-first", "each way back goes one step too far; from step t = 1 that is t = 0, where the index t − 1 is −1 and counts from the end",
         _COUNTER),
    *overwritten("the first step of the last window"),
    *overwritten_readout("the first loss of the last window"),
)  # fmt: skip
# All that is told of a truncated sweep that is written by hand, where only gradients of parameters are asked.
BY_HAND = (*(slip for slip in LOCAL if slip.id not in ("dx-from-dh", "divided-by-batch")), *STATES, *MEETING, *SCORES, *LOOP)  # fmt: skip
_IN_PARTS = {slip.id for slip in BY_HAND} - {slip.id for slip in LOOP} | {"goes-past-first"}


@dataclass(frozen=True)
class Window:
    """One way back: these losses go back together through these steps, by index from 0, and count so many times."""

    losses: range
    steps: range
    times: float = 1.0


@dataclass(frozen=True)
class Case:
    """One sequence batch with a read-out, and how much each step gives to the gradient of each step's loss.

    The losses are cross-entropies, means over the batch.
    """

    x: Tensor
    h0: Tensor
    params: Params
    targets: Tensor
    scale: Sequence[float] = ()  # as in `forward`
    _kept: dict[frozenset[str], Params] = field(default_factory=dict, init=False)

    @property
    def T(self) -> int:
        return self.x.shape[1]

    @property
    def parts(self) -> Params:
        """By parameter, entry [t - 1, s - 1]: the gradient of loss t by the copy of the parameter that step s uses.

        Those of the read-out have one axis alone, [t - 1]. Index -1 is the step 0 of a loop that goes too far.
        """
        return self.parts_with(frozenset())

    def parts_with(self, slips: Set[str]) -> Params:
        """The same, with these mistakes."""
        chosen = frozenset(slips & _IN_PARTS)
        if chosen in self._kept:
            return self._kept[chosen]
        run = forward(chosen, self.x, self.h0, self.params, self.scale)
        losses = read_out(chosen, run.states, self.params, self.targets)
        alone = losses.own.new_zeros(len(losses.own), *losses.own.shape)
        alone[range(len(alone)), range(len(alone))] = losses.own
        swept = sweep(chosen, run, alone, self.params)
        parts = {name: swept.parts[name] for name in RECURRENT} | losses.parts
        if len(chosen) < 2:  # pairs are too many to keep
            self._kept[chosen] = parts
        return parts

    def weighted(self, weights: Tensor, own: Tensor | None = None, slips: Set[str] = frozenset()) -> Params:
        """The gradient in which loss t and step s count with weights[t - 1, s - 1]; the read-out's with `own[t - 1]`."""
        own = torch.ones(self.T, dtype=weights.dtype) if own is None else own
        parts = self.parts_with(slips)
        return {name: weigh(part, weights if name in RECURRENT else own) for name, part in parts.items()}

    def truncated(self, slips: Set[str], windows: Sequence[Window]) -> Params:
        """The gradient by several ways back, one after the other."""
        parts = self.parts_with(slips)
        n, ways = len(parts["bias"]), []
        for window in windows:
            losses, steps = list(window.losses), list(window.steps)
            if "stops-before-first" in slips:
                steps = steps[1:]
            if "starts-before-last" in slips:
                losses, steps = losses[:-1], steps[:-1]
            if "goes-past-first" in slips:
                steps = [steps[0] - 1, *steps]
            ways.append((losses, steps, window.times))
        weights = {False: _weights(n, ways)}
        if any(is_overwritten(slips, name) for name in parts):
            (losses, steps, times), last = ways[-1], slice(-1, None) if "forward-order" in slips else slice(1)
            weights[True] = _weights(n, [(losses, steps[last], times)])[0], _weights(n, [(losses[last], [], times)])[1]
        return {
            name: weigh(part, weights[is_overwritten(slips, name)][name not in RECURRENT])
            for name, part in parts.items()
        }


def _weights(n: int, ways: Sequence[tuple[list[int], list[int], float]]) -> tuple[Tensor, Tensor]:
    """How often each pair of loss and step counts, and how often each loss."""
    pairs, alone = [[0.0] * n for _ in range(n)], [0.0] * n
    for losses, steps, times in ways:
        for t in losses:
            alone[t] += times
            for s in steps:
                pairs[t][s] += times
    return torch.tensor(pairs, dtype=torch.float64), torch.tensor(alone, dtype=torch.float64)
