"""What must be built or observed beside the learner's code; probes give plain values or an object that is kept there.

A probe runs where a hostile program could forge it. So what is *observed* may take points away or name a mistake, and what
is *built* is judged by values that depend on the hidden draw.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

PROBES: dict[str, Callable[..., Any]] = {}


def probe(run: Callable[..., Any]) -> Callable[..., Any]:
    """Register `run(names, **plain)` under its name; `names` are the learner's."""
    PROBES[run.__name__] = run
    return run
