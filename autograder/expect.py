"""What a check's body calls: compare an answer with what was expected, and say which mistake it looks like."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor

from autograder.compare import Difference, differences, first_difference
from autograder.diagnose import Clue, signs
from autograder.spec import Finding, Slip, Suspects, Wrong

MAX_PAIRS = 400  # how many pairs of slips are tried


def expect(
    got: Any,
    want: Any,
    name: Any = "the answer",
    axes: Any = "",
    slips: Suspects | None = None,
    factors: Mapping[str, float] = {},
    steps: Mapping[str, Sequence[Tensor]] | Sequence[Tensor] = (),
    rtol: float | None = None,
    clue: str = "",
) -> None:
    """Raise Wrong with a Finding unless `got` equals `want`.

    `name` and `axes` as for `first_difference`; `slips` explains by named mistakes; `factors` and `steps` feed the general
    signs (`steps` may be a dict by key, for a dict of answers); `clue` is said where nothing else is known.
    """
    found = list(differences(got, want, name, axes, rtol))
    if not found:
        return
    first = found[0]
    if slips is not None and first.sign not in ("none", "keys", "length", "missing-item"):
        if named := explain(got, want, slips, first, rtol):
            raise Wrong(Finding(named[0], first.summary, first.where, named[1]))
    clues = signs(first, _axes_of(first, want, name, axes), factors, _steps_of(first, steps))
    if not clues and clue:
        clues = [Clue(first.sign, clue)]
    sign = clues[0].sign if clues else first.sign
    raise Wrong(Finding(sign, first.summary, first.where, tuple(one.says for one in clues)))


def deny(sign: str, summary: str, *clues: str, where: str = "") -> None:
    """Raise Wrong with a Finding of the check's own."""
    raise Wrong(Finding(sign, summary, where, clues))


def explain(
    got: Any, want: Any, suspects: Suspects, first: Difference, rtol: float | None = None
) -> tuple[str, tuple[str, ...]] | None:
    """The slips that give exactly this answer: one alone, two together, or, failing that, one for the first wrong part."""
    table = suspects.reference.slips
    values: dict[str, Any] = {}
    for id in table:
        value = _value(suspects, (id,))
        if value is not None:
            values[id] = value
    alone = [id for id, value in values.items() if _same(got, value, want, rtol)]
    if alone:
        return " | ".join(alone), _alternatives([table[id] for id in alone])
    for pair in itertools.islice(itertools.combinations(values, 2), MAX_PAIRS):
        value = _value(suspects, pair)
        if value is not None and _same(got, value, want, rtol):
            return " + ".join(pair), _together([table[id] for id in pair])
    partly = []
    for id, value in values.items():
        part = next((d for d in differences(value, want) if _leaf(d, first)), None)
        if part is not None and first_difference(first.got, part.got, rtol=rtol) is None:
            partly.append(id)
    if partly and len(table) and isinstance(want, dict | tuple | list):
        return " | ".join(partly), (
            *_alternatives([table[id] for id in partly]),
            f"({first.name} shows this; another part is wrong in its own way.)",
        )
    return None


def _value(suspects: Suspects, slips: Iterable[str]) -> Any:
    try:
        return suspects.value(slips)
    except (
        RuntimeError,
        IndexError,
        ValueError,
    ):  # some mistakes, or pairs of them, cannot be computed on this case
        return None


def _same(got: Any, value: Any, want: Any, rtol: float | None) -> bool:
    return first_difference(got, value, rtol=rtol) is None and first_difference(value, want, rtol=rtol) is not None


def _leaf(part: Difference, first: Difference) -> bool:
    return part.want is first.want or (
        isinstance(part.want, Tensor)
        and isinstance(first.want, Tensor)
        and part.want.data_ptr() == first.want.data_ptr()
    )


def _alternatives(slips: list[Slip]) -> tuple[str, ...]:
    if len(slips) == 1:
        return f"This is what comes out when {slips[0].says}.", slips[0].asks
    said = "; or when ".join(slip.says for slip in slips)
    return f"This is what comes out when {said}. The numbers do not tell which.", *(slip.asks for slip in slips)


def _together(slips: list[Slip]) -> tuple[str, ...]:
    said = ", and ".join(slip.says for slip in slips)
    return f"This is what comes out when {said}: two mistakes at once.", *(slip.asks for slip in slips)


def _axes_of(first: Difference, want: Any, name: Any, axes: Any) -> str:
    if isinstance(axes, str):
        return axes
    pairs = axes.items() if isinstance(axes, dict) else enumerate(axes)
    for key, inner in pairs:
        label = name[key] if not isinstance(name, str) and isinstance(key, int) else f"{name}[{key!r}]"
        if first.name == label and isinstance(inner, str):
            return inner
    return ""


def _steps_of(first: Difference, steps: Any) -> Sequence[Tensor]:
    if isinstance(steps, Mapping):
        return next(
            (value for key, value in steps.items() if first.name.endswith(f"[{key!r}]") or first.name == key),
            (),
        )
    return steps
