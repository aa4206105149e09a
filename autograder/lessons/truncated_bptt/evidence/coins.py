"""Randomised truncation seen from outside: which cuts each draw has made, with what weights, and how often."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from autograder.checking.compare import first_difference
from autograder.checking.expect import deny
from autograder.checking.spec import Wrong
from autograder.lessons.truncated_bptt.evidence.seen import told_apart, weights_in
from autograder.lessons.truncated_bptt.mistakes.gradients import Case, gradient_of, randomized

# A right answer is refused with a probability below one in a million: two-sided, for each of some ten comparisons.
SIGMAS = 5.5


def judge_draws(case: Case, p: float, draws: Sequence[dict[str, Tensor]], few: bool = False) -> str | None:
    """Raise Wrong unless every draw is a possible one and, where there are enough, all are as frequent as they should be."""
    want = gradient_of(case)
    for draw in draws:
        missing = first_difference(draw, want, "grads")
        if missing is not None and missing.sign not in ("value",):
            deny(missing.sign, missing.summary, "The result is a dict with the keys, shapes and dtype of `params`.")
    patterns = list(itertools.product((False, True), repeat=case.T - 1))
    flat = torch.stack([_flat(draw) for draw in draws])
    right = _table(case, p, patterns, ())
    tolerance = 5e-6 if case.x.dtype == torch.float64 else 1e-3
    found = _matches(flat, right, tolerance)
    if few and all(one is not None for one in found):
        return None
    if not few and all(one is not None for one in _matches(flat, _flat(want)[None], tolerance)):
        deny("full-gradient", f"all {len(draws)} draws with p = {p:g} are the full gradient; expected cuts in most of them",
             "Where does a coin decide that the graph is cut, and is the cut used?")  # fmt: skip
    if any(one is None for one in found):
        _impossible(case, p, draws, flat, patterns, found, tolerance)
    return _frequent(p, [patterns[one] for one in found if one is not None])


def named_at_one(wrong: Wrong, case: Case, got: Any) -> None:
    """Raise Wrong for what only p = 1 shows: everything cut where nothing should be, or a division by 1 − p."""
    summary = wrong.finding.summary
    if wrong.finding.sign == "nonfinite":
        deny(
            "weight-one-minus-p",
            summary,
            "Something is divided by 0 for p = 1. Is it 1 − p?",
            randomized.slips["weight-one-minus-p"].asks,
        )
    if isinstance(got, dict) and first_difference(got, randomized(case, 1.0, (False,) * (case.T - 1))) is None:
        deny("cut-with-p", summary, "For p = 1 every boundary is cut here. Is p the probability to keep or to cut?")


def _flat(grads: dict[str, Tensor]) -> Tensor:
    return torch.cat([grads[name].flatten() for name in sorted(grads) if isinstance(grads[name], Tensor)]).double()


def _table(case: Case, p: float, patterns: Sequence[tuple[bool, ...]], slips: tuple[str, ...]) -> Tensor:
    return torch.stack([_flat(randomized(case, p, keep, slips=slips)) for keep in patterns])


def _matches(flat: Tensor, table: Tensor, tolerance: float) -> list[int | None]:
    if flat.shape[1] != table.shape[1]:
        return [None] * len(flat)
    gaps = (flat[:, None] - table[None]).abs().amax(2) / table.abs().amax().clamp_min(1e-300)
    best = gaps.min(1)
    return [int(i) if float(gap) < tolerance else None for gap, i in zip(best.values, best.indices, strict=True)]


def _impossible(
    case: Case, p: float, draws: Sequence[dict[str, Tensor]], flat: Tensor, patterns: Sequence[tuple[bool, ...]],
    found: Sequence[int | None], tolerance: float,
) -> None:  # fmt: skip
    odd = [i for i, one in enumerate(found) if one is None]
    summary = (
        f"{len(odd)} of {len(draws)} draws with p = {p:g} are none of the {len(patterns)} gradients that cuts can give"
    )
    named = []
    for slip in randomized.slips.values():
        table = _table(case, p, patterns, (slip.id,))
        if all(one is not None for one in _matches(flat, table, tolerance)):
            named.append(slip)
    if named:
        says = "; or when ".join(slip.says for slip in named)
        deny(
            " | ".join(slip.id for slip in named),
            summary,
            f"This is what comes out when {says}.",
            *(slip.asks for slip in named),
        )
    for size in (case.T, len(case.x), 1 / case.T, 1 / len(case.x), 1 / p, p):
        if all(one is not None for one in _matches(flat / size, _table(case, p, patterns, ()), tolerance)):
            deny(
                "factor",
                summary,
                f"Every draw is off by the same factor, {size:.4g}. Is something averaged that should be summed, or weighted once too often?",
            )
    if _coin_for_each_row(case, p, flat, patterns, tolerance):
        deny(
            "coin-for-each-row",
            summary,
            "Each row of the batch has coins of its own. That is unbiased too, but here one coin decides for a boundary, for all rows together.",
        )
    weights = [weights_in(case, draws[i]) for i in odd[:8]]
    allowed = torch.stack([weights_in_pattern(p, keep) for keep in patterns])
    for seen in weights:
        if seen is None:
            deny(
                "other-states",
                summary,
                "The states themselves seem to change with the cuts, or does each unit have a coin of its own? A cut takes the graph away and leaves every value as it is, and one coin decides for all units.",
            )
        if _coin_for_each_loss(seen, allowed):
            deny(
                "coin-for-each-loss",
                summary,
                "Each loss meets other cuts. There is one coin for each boundary, thrown once, and all losses that come back meet the same.",
            )
        nearest = min(allowed, key=lambda one: float((one - seen).abs().sum()))
        told = told_apart(seen, nearest)
        if told is not None:
            deny(
                told.sign,
                summary,
                f"Seen from outside, in one draw {told.summary} by the pattern of cuts that comes nearest.",
                *told.clues,
            )
    deny("impossible", summary, "Take T = 2: there is one boundary, and there are two possible gradients. Which two?")


def weights_in_pattern(p: float, keep: Sequence[bool]) -> Tensor:
    """The weight of each pair (loss, step) under one pattern of cuts."""
    T = len(keep) + 1
    weights = torch.zeros(T, T, dtype=torch.float64)
    for t in range(T):
        for s in range(t + 1):
            weights[t, s] = all(keep[s:t]) / p ** (t - s)
    return weights


def _coin_for_each_loss(seen: Tensor, allowed: Tensor) -> bool:
    return all(bool(((allowed[:, t] - seen[t]).abs().amax(1) < 1e-3).any()) for t in range(len(seen)))


def _coin_for_each_row(
    case: Case, p: float, flat: Tensor, patterns: Sequence[tuple[bool, ...]], tolerance: float
) -> bool:
    if len(case.x) != 2:
        return False
    halves = []
    for b in range(2):
        row = Case(case.x[b : b + 1], case.h0[b : b + 1], case.params, case.targets[b : b + 1])
        halves.append(_table(row, p, patterns, ()) / 2)
    sums = (halves[0][:, None] + halves[1][None]).flatten(0, 1)
    return all(one is not None for one in _matches(flat, sums, tolerance))


def _frequent(p: float, kept: Sequence[tuple[bool, ...]]) -> str:
    n, boundaries = len(kept), len(kept[0])
    if set(kept) == {(True,) * boundaries}:
        deny(
            "never-cut",
            f"in {n} draws with p = {p:g} no boundary is ever cut",
            "Which values does your coin take, and which of them cuts? Does the seed reach it?",
        )
    if len(set(kept)) == 1:
        deny(
            "same-every-time",
            f"all {n} seeds give the same cuts",
            "Does the seed reach the coins, or are they thrown from a fixed one?",
        )
    rates = [sum(one[b] for one in kept) / n for b in range(boundaries)]
    rate = sum(rates) / boundaries
    all_alike = sum(len(set(one)) == 1 for one in kept)
    if all_alike == n and boundaries > 1:
        deny(
            "one-coin",
            f"in all {n} draws either every boundary is kept or every one is cut",
            "How many coins are thrown for T steps? Is the generator seeded once, or again before each coin?",
        )
    cuts = [boundaries - sum(one) for one in kept]
    if len(set(cuts)) == 1 and boundaries > 1:
        deny(
            "fixed-number",
            f"every draw has exactly {cuts[0]} cuts",
            "Each boundary has a coin of its own, so their number varies. Is a place drawn, or a coin thrown?",
        )
    for b, one in enumerate(rates, 1):
        if _far(one, p, n) and abs(one - rate) > _allowed(rate, n):  # unlike the others, too
            deny("uneven", f"the boundary between steps {b} and {b + 1} is kept in {one:.2f} of the cases; expected {p:g} (within {_allowed(p, n):.2f})",
                 "Is there something special about this boundary in your loop?")  # fmt: skip
    if _far(rate, p, n * boundaries):
        if not _far(rate, 1 - p, n * boundaries):
            deny("cut-with-p", f"boundaries are kept in {rate:.2f} of the cases; expected {p:g} (within {_allowed(p, n * boundaries):.2f})",
                 "They are kept as often as they should be cut. Is p the probability to keep or to cut?")  # fmt: skip
        deny("wrong-rate", f"boundaries are kept in {rate:.2f} of the cases; expected {p:g} (within {_allowed(p, n * boundaries):.2f})",
             "With which probability does your coin say keep?")  # fmt: skip
    for b in range(boundaries - 1):
        both = sum(one[b] and one[b + 1] for one in kept) / n
        if _far(both, p * p, n):
            deny("dependent", f"two neighbouring boundaries are both kept in {both:.2f} of the cases; expected {p * p:.2f} (within {_allowed(p * p, n):.2f})",
                 "Do your coins depend on each other?")  # fmt: skip
    return f"{n} draws, {len(set(kept))} of {2**boundaries} patterns seen; boundaries kept in {rate:.2f} of the cases, p = {p:g}."


def _allowed(p: float, n: int) -> float:
    return SIGMAS * math.sqrt(p * (1 - p) / n)


def _far(rate: float, p: float, n: int) -> bool:
    return abs(rate - p) > _allowed(p, n)
