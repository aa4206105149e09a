"""What must be built or observed beside the learner's code; a probe returns plain values or an object that is kept there.

A probe that serves only one lesson is in the module with that lesson's name. Probes run where a hostile program could forge them. So
what is *observed* may only take points away or name a mistake, and what is *built* is judged by values that depend on the hidden
draw. An oracle builds the same things in the judge.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PROBES: dict[str, Callable[..., Any]] = {}


@dataclass(frozen=True)
class Kept:
    """A value that stays beside the learner's code although it could be copied: the check gets a handle on it."""

    value: Any


class Refused(Exception):
    """What was found is not right; becomes the finding of a wrong answer."""

    def __init__(self, sign: str, summary: str, *clues: str):
        super().__init__(summary)
        self.sign, self.summary, self.clues = sign, summary, clues


def probe(run: Callable[..., Any]) -> Callable[..., Any]:
    """Register `run(names, **plain)` under its name; `names` are the learner's. ValueError if another probe has that name."""
    code, known = run.__code__, PROBES.get(run.__name__, run).__code__
    if (known.co_filename, known.co_firstlineno) != (code.co_filename, code.co_firstlineno):
        raise ValueError(f"{known.co_filename} and {code.co_filename} both have a probe called {run.__name__}")
    PROBES[run.__name__] = run
    return run


def find(name: str) -> Callable[..., Any]:
    """The probe of this name, from whichever module of this folder."""
    if name not in PROBES:
        for module in pkgutil.iter_modules(__path__):
            importlib.import_module(f"{__name__}.{module.name}")
    return PROBES[name]


def named(names: dict[str, Any], call: str) -> Any:
    """What the learner has under the name `call`; Refused if there is nothing."""
    if call not in names:
        clue = "Has its cell been run, and is the name spelt as in the exercise?"
        raise Refused("missing", f"{call} is not defined", clue)
    return names[call]
