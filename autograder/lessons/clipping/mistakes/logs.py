"""Named mistakes in reading the symptoms of exploding gradients from a log."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence, Set

from autograder.checking.spec import Slip, reference

Log = Mapping[str, Sequence[float]]
SYMPTOMS = ("nan loss", "loss jump", "weight growth", "gradient spike")
_TWENTY = "Which entries are the 20 before entry i, and what is the median of numbers?"


@reference(
    Slip("mean", "the mean is taken for the median", "What does one very large number among the 20 do to their mean, and what to their median?"),
    Slip("one-before", "an entry is compared with the entry right before it", _TWENTY),
    Slip("smallest", "an entry is compared with the smallest of the 20 before it", _TWENTY),
    Slip("largest", "an entry is compared with the largest of the 20 before it", _TWENTY),
    Slip("all-before", "an entry is compared with the median of all entries before it", "Which slice holds only the 20 before entry i?"),
    Slip("first-twenty", "every entry is compared with the first 20", "Which slice holds the 20 before entry i? It moves with i."),
    Slip("whole-log", "an entry is compared with the median of the whole log", "Does the slice for entry i hold entries that come after it?"),
    Slip("too-early", "entries with fewer than 20 before them are compared, too", "Which is the first entry that has 20 before it?"),
    Slip("last-entry", "only the last entry is compared", "A run may recover. Which entries are asked for?"),
    Slip("or-equal", "an entry that is exactly at a bound counts as over it", "Is 3 over 3?"),
    Slip("or-equal-median", "a loss or a gradient norm that is exactly at its bound counts as over it", "Is 3 over 3?"),
    Slip("or-equal-weight", "a weight norm that is exactly at its bound counts as over it", "Is 10 over 10?"),
    Slip("last-spike", "only the last loss and the last gradient norm are compared", "A run may recover. Which entries are asked for?"),
    Slip("last-weight", "only the last weight norm is compared", "Weights may shrink again. Which entries are asked for?"),
    Slip("starts-late", "the first entry that has 20 before it is not compared", "Which is the first entry that has 20 before it? Count from 0."),
    Slip("last-missing", "the slice leaves out the entry right before: 19 entries", _TWENTY),
    Slip("first-missing", "the slice begins one entry late: 19 entries", _TWENTY),
    Slip("own-entry", "the slice is shifted by one and holds the entry itself", "Does the slice for entry i hold entry i? Where does a slice end?"),
    Slip("lower-median", "the lower of the two entries in the middle is taken for the median", "Of 20 numbers two are in the middle. What is the median of (1, 3)?"),
    Slip("upper-median", "the upper of the two entries in the middle is taken for the median, or the entry itself is one of 21 in the slice",
         "Of 20 numbers two are in the middle. What is the median of (1, 3)? And does the slice hold entry i?"),
    Slip("factors-swapped", "the factors 3 and 10 have changed places", "Which factor belongs to the loss, and which to the norms?"),
    Slip("three-for-both", "the factor is 3 for losses and gradients", "Which factor belongs to the loss, and which to the norms?"),
    Slip("ten-for-both", "the factor is 10 for losses and gradients", "Which factor belongs to the loss, and which to the norms?"),
    Slip("nan-only", "an infinite loss is not seen", "Which function is true for both, nan and infinity?"),
    Slip("inf-only", "a nan is not seen", "What is `nan == inf`, and what is `nan == nan`? Which function is true for both, nan and infinity?"),
    Slip("nan-anywhere", "a norm that is not finite counts as a nan loss", "In which of the three lists is a nan loss looked for?"),
    Slip("weight-least", "a weight norm is compared with the smallest", "With which weight norm is each one compared?"),
    Slip("weight-before", "a weight norm is compared with the one before", "With which weight norm is each one compared?"),
    Slip("weight-median", "a weight norm is compared with the median of the 20 before it", "With which weight norm is each one compared?"),
    Slip("first-symptom", "only the first symptom that is found is returned", "Can a log show several symptoms? How many `return`s are there on the way?"),
    Slip("drops", "an entry far below the median counts, too", "In which direction does a spike go?"),
    Slip("lists-swapped", "the losses are read for the gradient norms, and the other way round", "Which list belongs to which symptom?"),
)  # fmt: skip
def symptoms(slips: Set[str], logs: Sequence[Log]) -> list[dict[str, bool]]:
    """For each log, which symptoms it shows."""
    return [_shown(slips, log) for log in logs]


def _shown(slips: Set[str], log: Log) -> dict[str, bool]:
    three, ten = 3, 10
    if "factors-swapped" in slips:
        three, ten = ten, three
    if "three-for-both" in slips:
        ten = three
    if "ten-for-both" in slips:
        three = ten
    losses, norms = log["loss"], log["grad_norm"]
    if "lists-swapped" in slips:
        losses, norms = norms, losses
    looked = [*losses, *norms, *log["weight_norm"]] if "nan-anywhere" in slips else log["loss"]
    bad = (
        math.isnan if "nan-only" in slips else math.isinf if "inf-only" in slips else lambda one: not math.isfinite(one)
    )
    found = {
        "nan loss": any(map(bad, looked)),
        "loss jump": _over(slips, losses, three),
        "weight growth": _grown(slips, log["weight_norm"], 10),
        "gradient spike": _over(slips, norms, ten),
    }
    if "first-symptom" in slips:
        first = next((name for name, seen in found.items() if seen), None)
        found = {name: name == first for name in found}
    return found


def _over(slips: Set[str], values: Sequence[float], factor: float) -> bool:
    for i, level in _levels(slips, values):
        above = values[i] >= factor * level if slips & {"or-equal", "or-equal-median"} else values[i] > factor * level
        if above or "drops" in slips and values[i] * factor < level:
            return True
    return False


def _levels(slips: Set[str], values: Sequence[float]) -> Iterator[tuple[int, float]]:
    """Entries with what they are compared with."""
    begin = 1 if slips & {"too-early", "one-before"} else 21 if "starts-late" in slips else 20
    for i in range(max(begin, len(values) - 1) if slips & {"last-entry", "last-spike"} else begin, len(values)):
        before = values[max(0, i - 20) : i]
        if "last-missing" in slips:
            before = values[i - 20 : i - 1]
        if "first-missing" in slips:
            before = values[i - 19 : i]
        if "own-entry" in slips:
            before = values[i - 19 : i + 1]
        if "one-before" in slips:
            before = values[i - 1 : i]
        if "all-before" in slips:
            before = values[:i]
        if "first-twenty" in slips:
            before = values[:20]
        if "whole-log" in slips:
            before = values
        pick = (
            statistics.mean
            if "mean" in slips
            else min
            if "smallest" in slips
            else max
            if "largest" in slips
            else statistics.median_low
            if "lower-median" in slips
            else statistics.median_high
            if "upper-median" in slips
            else statistics.median
        )
        yield i, pick(before)


def _grown(slips: Set[str], values: Sequence[float], factor: float) -> bool:
    if "weight-median" in slips:
        return _over(slips - {"mean"}, values, factor)
    if slips & {"last-entry", "last-weight"}:
        return bool(values) and values[-1] > factor * values[0]
    for i, value in enumerate(values):
        level = (
            min(values) if "weight-least" in slips else values[max(0, i - 1)] if "weight-before" in slips else values[0]
        )
        if value > factor * level or slips & {"or-equal", "or-equal-weight"} and value == factor * level:
            return True
    return False
