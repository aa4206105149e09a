"""Calls of lesson 02 whose results may spoil each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autograder.beside.probes import probe


@probe
def in_turn(
    names: dict[str, Any], of: str, calls: Sequence[Sequence[Any]], shared: Mapping[str, Any]
) -> dict[str, Any]:
    """Call a learner's function several times and look only then: "results" of all calls, and what "shared" has become.

    Each call gets its own arguments and, as the last one, the same dict `shared`. A result that a later call overwrites
    or adds to thus comes back spoilt.
    """
    results = [names[of](*arguments, shared) for arguments in calls]
    return {"results": results, "shared": shared}
