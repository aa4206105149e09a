"""What happened is what the card says: why a name is not there, or a call failed, that was in order where it was written.

A learner's machine may have a newer Python, another module or a GPU. What fails only for the lack of these awaits a person,
with neither points nor 0; what the notebook itself got wrong is told as what it is.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from autograder.checking.spec import Finding, Status, Verdict
from autograder.judge.plan import Ask, Run

_MODULE = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")
_DEVICE = re.compile(
    r"not compiled with CUDA|No CUDA GPUs|NVIDIA driver|not linked with support for (?:mps|cuda)|MPS backend", re.I
)
_NEWER = {  # syntax by the Python that brought it
    (3, 12): re.compile(r"^\s*type\s+\w+[^=]*=|^\s*(?:async\s+)?(?:def|class)\s+\w+\[", re.MULTILINE),
    (3, 14): re.compile(r"^\s*except\s+[\w.]+\s*,\s*[\w.]+\s*:|=\s*t[\"']", re.MULTILINE),
}


def explained(
    verdict: Verdict, of: str, steps: Sequence[Run | Ask], failed: Mapping[str, tuple[Status, str]]
) -> Verdict:
    """The verdict with the reason in place of its consequence. `failed` says how cells ended, by label; `of` is judged."""
    if verdict.right or verdict.finding is None:
        return verdict
    label = _origin(of, steps, failed) if verdict.status == "missing" else ""
    status, how = failed.get(label, (verdict.status, ""))
    lacks, clue = _lacks(how or _raised(verdict), _source(label, steps))
    place = f"{label} {how}" if label else verdict.finding.summary
    if lacks:
        return replace(verdict, status="look", finding=Finding("not-here", f"{lacks}: {place}", clues=(clue,)))
    if not label:
        return verdict
    clue = f"`{of}` is defined in this cell, which stopped there. Does it run from top to bottom after a restart of the kernel?"
    return replace(
        verdict, status=status, finding=Finding("cell-failed", f"{of} is not defined: {place}", clues=(clue,))
    )


def _origin(of: str, steps: Sequence[Run | Ask], failed: Mapping[str, tuple[Status, str]]) -> str:
    """The label of the last cell that would define a name and did not end well; "" if there is none."""
    defines = re.compile(rf"^\s*(?:(?:async\s+)?def|class)\s+{of}\b|^{of}\s*[:=]", re.MULTILINE)
    for step in reversed(steps):
        if isinstance(step, Run) and step.label in failed and defines.search(step.source):
            return step.label
    return ""


def _raised(verdict: Verdict) -> str:
    """What a call raised, with all that is said of it; "" if it came back."""
    if verdict.finding is None or verdict.status not in ("error", "crashed", "broken"):
        return ""
    return " ".join((verdict.finding.summary, verdict.finding.where, *verdict.finding.clues))


def _source(label: str, steps: Sequence[Run | Ask]) -> str:
    return next((step.source for step in steps if isinstance(step, Run) and step.label == label), "")


def _lacks(why: str, source: str) -> tuple[str, str]:
    """What this machine lacks, and what the learner can do; "" if it lacks nothing that is needed."""
    if found := _MODULE.search(why):
        return (
            f"the module {found[1]} is not installed where this is graded",
            "Everything in this course works with PyTorch alone. Is the import needed, and spelt as it should be?",
        )
    if _DEVICE.search(why):
        return (
            "the device that this code asks for is not there where this is graded",
            "Let tensors be made on the device of your inputs (`x.device`), not on one that is named.",
        )
    here = tuple(map(int, platform.python_version_tuple()[:2]))
    newer = [version for version, syntax in _NEWER.items() if version > here and syntax.search(source)]
    if "SyntaxError" in why and newer:
        return (
            f"this is syntax of Python {newer[0][0]}.{newer[0][1]}, and it is graded with {here[0]}.{here[1]}",
            f"Write it so that Python {here[0]}.{here[1]} can read it.",
        )
    return "", ""
