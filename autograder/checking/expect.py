"""What a check's body calls: compare an answer with what was expected, and say which mistake it looks like."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NoReturn

from autograder.beside.advice import Raised
from autograder.checking import keys
from autograder.checking.axes import Terms, of_terms
from autograder.checking.axes import signs as signs_of_axes
from autograder.checking.compare import Axes, Difference, Names, differences, first_difference
from autograder.checking.confirm import Guess, now, try_on
from autograder.checking.diagnose import signs
from autograder.checking.picture import drawn
from autograder.checking.spec import Clue, Finding, LearnerFailed, Slip, Suspects, Wrong

MAX_PAIRS = 600  # how many pairs of slips are tried


def expect(
    got: Any,
    want: Any,
    name: Names = "the answer",
    axes: Axes = "",
    slips: Suspects | None = None,
    factors: Mapping[str, float] = {},
    terms: Mapping[str, Terms] | Terms | None = None,
    rtol: float | None = None,
    clue: str = "",
) -> None:
    """Raise Wrong with a Finding unless `got` equals `want`.

    `name` and `axes` as for `first_difference`; `slips` explains by named mistakes; `factors` (sizes: "B": 3) and `terms` (what the
    answer sums or averages: `(losses, "B T")`; a dict by key, for a dict of answers) feed the general signs; `clue` is said where
    nothing else is known. While guesses are on trial (confirm.py) nothing is raised.
    """
    if now().trial is not None:
        try_on(got, name, axes, slips)
        return
    found = list(differences(got, want, name, axes, rtol))
    if not found:
        return
    first = found[0]
    if slips is not None and first.sign not in ("none", "keys", "length", "missing-item"):
        if named := explain(got, want, slips, first, rtol, name):
            raise Wrong(Finding(named[0], first.summary, first.where, named[1], drawn(first)))
    clues = _in_another_order(got, want) or _general(first, factors, terms)
    for other in found[1:] if not clues else ():  # the first wrong part tells nothing: perhaps another one does
        if other.sign == "value":
            told = _general(other, factors, terms)
            clues += [Clue(one.sign, f"Look at {other.name}: {one.says}") for one in told]
    if not clues:
        clues = [Clue(first.sign, clue)] if clue else []
        clues += signs_of_axes(first) or keys.signs(first)
    clues = clues or keys.missing(first)
    sign = clues[0].sign if clues else first.sign
    said = tuple(one.says for one in clues)
    raise Wrong(Finding(sign, first.summary, first.where, (*said, *_tally(found, want, name)), drawn(first)))


def _general(one: Difference, factors: Mapping[str, float], terms: Mapping[str, Terms] | Terms | None) -> list[Clue]:
    """What the general signs say of a part of the answer."""
    if isinstance(terms, Mapping):
        terms = next(
            (value for key, value in terms.items() if one.name.endswith(f"[{key!r}]") or one.name == key), None
        )
    return (of_terms(one, terms) if terms else []) or signs(one, one.axes, factors)


def _in_another_order(got: Any, want: Any) -> list[Clue]:
    if not isinstance(want, tuple) or not isinstance(got, tuple | list) or not 2 <= len(got) == len(want) <= 4:
        return []
    if any(first_difference(list(order), want) is None for order in itertools.permutations(got)):
        return [
            Clue(
                "results-swapped", "The values are right and stand in another order. In which order are they asked for?"
            )
        ]
    return []


def _tally(found: Sequence[Difference], want: Any, name: Names) -> tuple[str, ...]:
    """Which of several parts are right, where that says something."""
    parts = [label for label, _ in parts_of(want, name)]
    wrong = {one.name for one in found}
    right = [label for label in parts if label not in wrong]
    if len(parts) < 3 or not right or any(one.sign != "value" for one in found):
        return ()
    if len(wrong) == 1:
        return (f"All other parts are right; only {found[0].name} is wrong.",)
    if len(right) <= len(wrong):
        return (
            (f"Right: {', '.join(right)}. All others are wrong.",)
            if len(right) > 1
            else (f"Only {right[0]} is right.",)
        )
    return (f"Wrong: {', '.join(one.name for one in found)}. All others are right.",)


def parts_of(want: Any, name: Names = "the answer") -> list[tuple[str, Any]]:
    """The parts of a value with their names, as `differences` names them."""
    if isinstance(want, dict):
        return [leaf for key, item in want.items() for leaf in parts_of(item, f"{name}[{key!r}]")]
    if isinstance(want, tuple | list):
        names = name if isinstance(name, tuple) else tuple(f"{name}[{i}]" for i in range(len(want)))
        return [leaf for one, item in zip(names, want, strict=True) for leaf in parts_of(item, one)]
    return [(str(name), want)]


def deny(sign: str, summary: str, *clues: str, where: str = "") -> NoReturn:
    """Raise Wrong with a Finding of the check's own."""
    raise Wrong(Finding(sign, summary, where, clues))


@contextmanager
def on_error(*rows: Raised, also: bool = False) -> Iterator[None]:
    """What the learner's code raises gets the question of the first row that it fits, with `also` behind the general one.

    Raises Wrong where that row has a sign: the error is the mistake of that name.
    """
    try:
        yield
    except LearnerFailed as failed:
        raise known(failed, *rows, also=also) from None


def known(failed: LearnerFailed, *rows: Raised, also: bool = False) -> LearnerFailed | Wrong:
    """What an error means by the first row that it fits; the error itself if it fits none."""
    finding = failed.finding
    row = next((row for row in rows if failed.status == "error" and row.fits(finding.summary)), None)
    if row is None:
        return failed
    clues = (*finding.clues, row.asks) if also else (row.asks,)
    if row.sign:
        return Wrong(Finding(row.sign, row.summary(finding.summary), finding.where, clues))
    return LearnerFailed(failed.status, replace(finding, clues=clues))


def explain(
    got: Any, want: Any, suspects: Suspects, first: Difference, rtol: float | None = None, name: Names = "the answer"
) -> tuple[str, tuple[str, ...]] | None:
    """The slips that give exactly this answer: one alone, two together, or, failing that, one for the first wrong part.

    What was ruled out by another case is not named (confirm.py).
    """
    table, asking = suspects.reference.slips, now()
    if asking.silent:
        return None

    def guess(*ids: str, part: str = "") -> Guess:
        return Guess(suspects.name, frozenset(ids), part)

    values = {id: value for id in table if (value := suspects.value_or_none((id,))) is not None}
    alone = [id for id, value in values.items() if asking.may_name(guess(id)) and _same(got, value, want, rtol)]
    if alone:
        asking.named = [guess(id) for id in alone if not table[id].once]
        return " | ".join(alone), _alternatives([table[id] for id in alone])
    if not asking.may_name_several:
        return None
    wrong = {one.name for one in differences(got, want, name, rtol=rtol)}
    made = {id: {one.name for one in differences(value, want, name, rtol=rtol)} for id, value in values.items()}
    shown = [
        id for id in values if made[id] or not table[id].once
    ]  # what no other case can confirm has to show in this one
    pairs = [pair for pair in itertools.combinations(shown, 2) if made[pair[0]] | made[pair[1]] == wrong]
    single = [id for id in values if made[id] == {first.name}]
    seen = {  # the wrong parts of the answer that are as a slip has them
        id: wrong - {one.name for one in differences(got, values[id], name, rtol=rtol)}
        for id in {*itertools.chain(*pairs), *single}
    }
    pairs.sort(key=lambda pair: -sum(bool(seen[id]) for id in pair))
    for pair in pairs[:MAX_PAIRS]:  # a slip of which some part is seen comes first
        if not asking.may_name(guess(*pair)):
            continue
        value = suspects.value_or_none(pair)
        if value is not None and _same(got, value, want, rtol):
            asking.named = [] if any(table[id].once for id in pair) else [guess(*pair)]
            return " + ".join(pair), _together([table[id] for id in pair])
    # For one part alone only a slip that spoils no other: one that does would have been seen there.
    fits = [id for id in single if first.name in seen[id]]
    partly = [id for id in fits if asking.may_name(guess(id, part=first.name))]
    if partly and isinstance(want, dict | tuple | list):
        asking.named = [guess(id, part=first.name) for id in partly if not table[id].once]
        return " | ".join(partly), (
            *_alternatives([table[id] for id in partly]),
            f"This is said of {first.name} alone. What else is wrong may have the same cause or another: fix this first, then run the check again.",
        )
    return None


def _same(got: Any, value: Any, want: Any, rtol: float | None) -> bool:
    return first_difference(got, value, rtol=rtol) is None and first_difference(value, want, rtol=rtol) is not None


def _alternatives(slips: list[Slip]) -> tuple[str, ...]:
    if len(slips) == 1:
        return f"This is what comes out when {slips[0].says}.", slips[0].asks
    said = "; or when ".join(slip.says for slip in slips)
    return f"This is what comes out when {said}. The numbers do not tell which.", *_asks(slips)


def _together(slips: list[Slip]) -> tuple[str, ...]:
    said = ", and ".join(slip.says for slip in slips)
    return f"This is what comes out when {said}: two mistakes at once.", *_asks(slips)


def _asks(slips: list[Slip]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(slip.asks for slip in slips))
