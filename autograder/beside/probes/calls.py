"""Calls whose results may overwrite each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autograder.beside.probes import probe


@probe
def in_turn(
    names: dict[str, Any], of: str, calls: Sequence[Sequence[Any]], shared: Mapping[str, Any]
) -> dict[str, Any]:
    """The "results" of several calls of a learner's function, and what "shared" has become, all looked at after the last call.

    Each call gets its own arguments and, as the last one, the same dict `shared`. So a result that a later call overwrites
    or adds to comes back wrong.
    """
    results = [names[of](*arguments, shared) for arguments in calls]
    return {"results": results, "shared": shared}
