"""Logs that show one symptom of exploding gradients, several, or none, each with what is special about it."""

from __future__ import annotations

import math

from autograder.checking.draw import Draw

Log = dict[str, list[float]]


class _Logs:
    """Quiet logs to begin with: every entry within a tenth of a level."""

    def __init__(self, draw: Draw):
        self.draw, self.made = draw, list[tuple[str, Log]]()

    def quiet(self, n: int = 48) -> Log:
        """A log of n steps without a symptom."""

        def around(level: float) -> list[float]:
            return [level * one for one in self.draw.uniform(n, low=0.9, high=1.1).tolist()]

        levels = self.draw.uniform(3, low=0.7, high=1.6).tolist()
        return dict(zip(("loss", "grad_norm", "weight_norm"), map(around, levels), strict=True))

    def add(self, says: str, log: Log | None = None, **entries: dict[int, float]) -> Log:
        """A log in which some entries are the given multiples of the first one."""
        log = self.quiet() if log is None else log
        for key, factors in entries.items():
            for i, factor in factors.items():
                log[key][i] = factor * log[key][0]
        self.made.append((says, log))
        return log


def drawn_logs(draw: Draw) -> list[tuple[str, Log]]:
    """Pairs (what is special about it, log). Any two definitions of a symptom differ on one of them."""
    logs = _Logs(draw)
    middle = draw.integer(24, 36)
    logs.add("a log in which the loss jumps and recovers", loss={middle: 4.2}, grad_norm={middle: 5.0})
    logs.add(
        "a log in which the gradient spikes and recovers", loss={middle: 2.2}, grad_norm={middle: 13.0, middle + 2: 7.0}
    )
    logs.add("a quiet log")
    logs.add("a log in which the loss is infinite for one step", loss={middle: math.inf})
    logs.add("a log that ends in nan", loss=dict.fromkeys(range(45, 48), math.nan), grad_norm={47: math.nan})
    logs.add("a log of finite losses whose last gradient norms are nan", grad_norm={46: math.nan, 47: math.nan})
    logs.add(
        "a log whose loss rises threefold within three steps", loss={middle: 1.9, middle + 1: 3.4, middle + 2: 5.0}
    )
    logs.add("a log in which every fourth loss and gradient is small",
             loss=dict.fromkeys(range(1, 48, 4), 0.27), grad_norm=dict.fromkeys(range(2, 48, 4), 0.08))  # fmt: skip
    logs.add("a log that is wild in its first steps only", loss={3: 60.0, 7: 25.0}, grad_norm={4: 300.0})
    logs.add(
        "a log that is wild in its first steps and jumps later", loss={5: 90.0, 22: 4.5}, grad_norm={5: 400.0, 23: 14.0}
    )
    logs.add("a log whose entry with 19 before it is large", loss={19: 5.0}, grad_norm={19: 20.0})
    logs.add("a log whose entry with exactly 20 before it is large", loss={20: 5.0}, grad_norm={20: 20.0})
    logs.add("a log whose last entry is large", loss={47: 5.0}, grad_norm={47: 20.0})
    _edges(logs)
    _slow(logs)
    _weights(logs)
    _bounds(logs)
    return logs.made


def _edges(logs: _Logs) -> None:
    """Low and high entries by turns, and one near the bound: one entry more or less in the slice, or one of the two in the middle, decides."""
    for at in (30, 31):
        for says, loss, norm in (("below", 3.3, 11.0), ("above", 3.9, 13.0)):
            log = logs.quiet(40)
            log["loss"], log["grad_norm"] = (
                [level * (1.4 if i % 2 else 1.0) for i in range(40)] for level in (0.8, 1.1)
            )
            log["loss"][at], log["grad_norm"][at] = 0.8 * loss, 1.1 * norm
            logs.add(
                f"a log of entries by turns low and high, whose entry {at} is {says} the bounds, but not by much", log
            )


def _slow(logs: _Logs) -> None:
    """What moves slowly: only the 20 before an entry tell."""
    fall, rise = ([0.95**i for i in range(70)], [1.05**i for i in range(70)])
    for says, course, jump in (("falls slowly and jumps", fall, 3.9), ("rises slowly", rise, 1.0)):
        log = logs.quiet(70)
        log["loss"] = [4 * one for one in course]
        log["loss"][60] *= jump
        log["grad_norm"] = [9 * one * one for one in course]
        log["grad_norm"][60] *= jump**2
        logs.add(f"a log whose loss {says}", log)

    steps = {"early": [1.0] * 22 + [2.0] * 30 + [3.9] + [2.0] * 7, "late": [1.0] * 30 + [2.0] * 25 + [3.9] + [2.0] * 40}
    for says, course in steps.items():
        log = logs.quiet(len(course))
        log["loss"] = [0.8 * one for one in course]
        log["grad_norm"] = [0.3 * one**2.5 for one in course]
        logs.add(f"a log whose loss doubles {says}", log)


def _weights(logs: _Logs) -> None:
    grows = logs.add("a log in which the weights grow and shrink again")
    first = grows["weight_norm"][0]
    grows["weight_norm"] = [first * (1 + 12 * math.sin(math.pi * i / 50) ** 2) for i in range(48)]
    least = logs.add("a log in which the weights shrink and come back")
    first = least["weight_norm"][0]
    least["weight_norm"] = [
        first * (1 - 0.88 * math.sin(math.pi * i / 40)) if i < 40 else 1.5 * first for i in range(48)
    ]


def _bounds(logs: _Logs) -> None:
    """Exactly at a bound, far below it, everything at once, and very short."""
    logs.add("a log that reaches the bounds exactly", {
        "loss": [*[2.0] * 30, 6.0, 2.0], "grad_norm": [*[0.5] * 30, 5.0, 0.5], "weight_norm": [*[1.5] * 31, 15.0]})  # fmt: skip
    logs.add("a log in which everything drops", loss={40: 0.1}, grad_norm={40: 0.01}, weight_norm={40: 0.01})
    logs.add(
        "a log with all four symptoms",
        loss={30: 4.0, 46: math.nan, 47: math.nan},
        grad_norm={30: 30.0},
        weight_norm={40: 14.0},
    )
    logs.add(
        "a log of three steps",
        {"loss": [1.0, 9.0, 80.0], "grad_norm": [1.0, 50.0, 2000.0], "weight_norm": [1.0, 2.0, 3.0]},
    )
    logs.add("a log of two steps", {"loss": [1.0, 1.1], "grad_norm": [1.0, 2.0], "weight_norm": [0.8, 9.0]})
    logs.add("a log without entries", {"loss": [], "grad_norm": [], "weight_norm": []})
