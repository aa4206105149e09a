"""General signs of dicts and lists: keys that are missing or named differently, items that are missing, too many or grouped differently."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from autograder.checking.compare import Difference, first_difference
from autograder.checking.spec import Clue

MOST = 50  # keys or items of an answer that are compared with one another: what is handed in may have thousands


def signs(difference: Difference) -> list[Clue]:
    """What is there in place of a key that is missing; empty if nothing is."""
    if difference.sign != "keys":
        return []
    got, want = difference.got, difference.want
    gone, others = [key for key in want if key not in got], [key for key in got if key not in want][:MOST]
    return [Clue("keys", _renamed(got, want, gone, others))] if others else []


def missing(difference: Difference) -> list[Clue]:
    """Which keys or items are missing or too many: for where nothing else is known."""
    got, want, says = difference.got, difference.want, ""
    if difference.sign == "keys":
        gone = [repr(key) for key in want if key not in got]
        if not got:
            return [Clue("keys", "There are no keys at all. Which line should add them?")]
        few = f"Only {gone[0]} is" if len(gone) == 1 else f"{_listed(gone)} are"
        says = f"{few} missing; the other keys are there. Where should {'it' if len(gone) == 1 else 'they'} be added?"
    elif difference.sign == "length":
        says = _left_over(got, want, difference.name) or _packed(got, want)
    return [Clue(difference.sign, says)] if says else []


def _renamed(got: Mapping[Any, Any], want: Mapping[Any, Any], gone: Sequence[Any], others: Sequence[Any]) -> str:
    if all(isinstance(key, str) for key in (*gone, *others)):
        for key in others:
            before, found, after = key.partition(gone[0])
            if found and all(before + name + after in others for name in gone):
                rest = ", and so do the others" if len(gone) > 1 else ""
                return f"{key!r} stands where {gone[0]!r} is asked for{rest}. Which names does the exercise give?"
    for name in gone:
        if held := [key for key in others if first_difference(got[key], want[name]) is None]:
            return f"{held[0]!r} holds what is asked for under {name!r}. Which names does the exercise give?"
    if near := difflib.get_close_matches(str(gone[0]), [str(key) for key in others], n=1):
        return f"There is {near[0]!r}. Is that {gone[0]!r} under another name?"
    return f"In its place there is {_listed(list(map(repr, others)))}. What belongs to the name {gone[0]!r}?"


def _left_over(got: Sequence[Any], want: Sequence[Any], name: str) -> str:
    """Which items are missing or too many, if all others are right and in their order."""
    longer, shorter = (want, got) if len(want) > len(got) else (got, want)
    places, rest = [], list(shorter)
    for place, item in enumerate(longer):
        if rest and first_difference(rest[0], item) is None:
            rest.pop(0)
        else:
            places.append(f"{name}[{place}]")
    if rest or not shorter:
        return ""
    few = _listed(places) if len(places) < 4 else f"{places[0]} and at {len(places) - 1} more places"
    return f"{f'What belongs at {few} is missing' if longer is want else f'What stands at {few} is too much'}; all else is right."


def _packed(got: Sequence[Any], want: Sequence[Any]) -> str:
    """Whether all values are there, in another structure."""
    have, asked = _values(got), _values(want)
    if len(have) != len(asked) or len(have) > MOST:
        return ""
    for value in asked:
        same = [i for i, item in enumerate(have) if first_difference(item, value) is None]
        if not same:
            return ""
        have.pop(same[0])
    return "All values are there and right, but they are grouped differently. Which of them belong together?"


def _values(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        value = list(value.values())
    return [one for item in value for one in _values(item)] if isinstance(value, list | tuple) else [value]


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
