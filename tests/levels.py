"""The sandbox levels that whoever runs the tests can have: root both, others bubblewrap."""

from __future__ import annotations

import os

from autograder.judge.sandbox import Bubblewrap, Container


def levels() -> list[type[Bubblewrap] | type[Container]]:
    """Their classes, the stronger first."""
    return [Bubblewrap, *([Container] if hasattr(os, "geteuid") and os.geteuid() == 0 else [])]
