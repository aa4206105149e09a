"""Where a learner's process runs: three levels, and the one that this machine can give. Tried for real, not by a binary's presence."""

from __future__ import annotations

from autograder.judge.sandbox.bubblewrap import Bubblewrap
from autograder.judge.sandbox.container import Container
from autograder.judge.sandbox.level import Inside, NoSandbox, Sandbox, Started
from autograder.judge.sandbox.unsafe import Unsafe

__all__ = ["Bubblewrap", "Container", "Inside", "NoSandbox", "Sandbox", "Started", "Unsafe", "choose"]


def choose(unsafe: bool = False) -> Sandbox:
    """The best sandbox of this machine; NoSandbox, with what to do, where there is none."""
    if unsafe:
        return Unsafe()
    if not (refusal := Bubblewrap.refusal()):
        return Bubblewrap()
    if not Container.refusal():
        return Container()
    raise NoSandbox(refusal)
