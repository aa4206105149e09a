"""Verdicts kept by what they depend on: grading the same again costs nothing, and a grading that was ended goes on."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from autograder.checking.picture import Picture
from autograder.checking.spec import Check, Finding, Verdict
from autograder.judge.sandbox.machine import BPTT, PACKAGE


class Store:
    """Files of one verdict each under a folder, named by a hash; written at once or not at all.

    With `refresh`, nothing is looked up, and what is judged again takes the place of what was there.
    """

    def __init__(self, folder: Path, refresh: bool = False):
        self.folder, self.refresh = folder, refresh

    def get(self, key: str) -> Verdict | None:
        """The verdict kept under this key, or None."""
        try:
            return from_plain(self.read(key))
        except (TypeError, KeyError):
            return None

    def put(self, key: str, verdict: Verdict) -> None:
        """Keep a verdict, unless it may come out otherwise another time."""
        if verdict.ending.kept:
            self.write(key, asdict(verdict))

    def read(self, key: str) -> Any:
        """What was written under this key, or None."""
        if self.refresh:
            return None
        try:
            return json.loads(self._file(key).read_text())
        except (OSError, ValueError):
            return None

    def write(self, key: str, plain: object) -> None:
        """Keep what JSON can hold."""
        file = self._file(key)
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(dir=file.parent, prefix=".writing-")
        try:
            with os.fdopen(handle, "w") as out:
                json.dump(plain, out)
            os.replace(aside, file)
        except BaseException:
            os.unlink(aside)
            raise

    def _file(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key[2:]}.json"


def from_plain(plain: dict[str, Any]) -> Verdict:
    """A Verdict from what `dataclasses.asdict` makes of it."""
    finding = plain["finding"]
    if finding is not None:
        drawn = finding.get("picture")
        picture = Picture(**{name: _tuples(value) for name, value in drawn.items()}) if drawn else None
        finding = Finding(**{**finding, "clues": tuple(finding["clues"]), "picture": picture})
    return Verdict(**{**plain, "finding": finding, "notes": tuple(plain["notes"])})


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def key(check: Check, **rests_on: Any) -> str:
    """The name of a verdict: a hash of all that it depends on, our own code included."""
    return sum_of(check=check.id, code=code(*_JUDGES, BPTT), **rests_on)


def sum_of(**parts: Any) -> str:
    """A hash of what JSON can hold."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


# The code that any verdict rests on: the checks, what judges, and what the learner's code may call.
_JUDGES = tuple(PACKAGE / name for name in ("checking", "beside", "lessons", "judge"))


@cache
def code(*folders: Path) -> str:
    """A hash of all Python code in these folders."""
    digest = hashlib.sha256()
    for file in sorted(file for folder in folders for file in folder.rglob("*.py")):
        digest.update(str(file.relative_to(PACKAGE.parent)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()
