"""Folders that a learner filled: looked through and taken away however deep they are; no link is followed."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

DEEPEST = 30  # folders within each other that are looked into
_LONGEST = 2000  # characters of their path: the kernel takes no more than 4096 bytes


def below(folder: Path | str) -> Iterator[tuple[os.DirEntry[str], bool]]:
    """Every entry below `folder`, and whether it is a folder that is not looked into, because it lies too deep."""
    waiting = [(str(folder), 1)]
    while waiting:
        here, depth = waiting.pop()
        with contextlib.suppress(OSError), os.scandir(here) as entries:
            for entry in entries:
                within = entry.is_dir(follow_symlinks=False)
                shut = within and (depth >= DEEPEST or len(entry.path) > _LONGEST)
                yield entry, shut
                if within and not shut:
                    waiting.append((entry.path, depth + 1))


def remove(folder: Path | str) -> None:
    """Take `folder` away, as far as it can be; `shutil.rmtree` gives up a thousand folders deep."""
    subprocess.run(["rm", "-rf", "--", str(folder)], stderr=subprocess.DEVNULL)
