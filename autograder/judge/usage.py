"""What a process and all its descendants use, read from /proc; zero where there is no /proc."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Usage:
    """How many processes, and how many bytes are resident in them."""

    processes: int = 0
    memory: int = 0


def usage(pid: int) -> Usage:
    """The use of `pid` and its descendants. Root is not held to RLIMIT_NPROC, and no limit sums over processes."""
    children: dict[int, list[int]] = defaultdict(list)
    resident: dict[int, int] = {}
    try:
        entries = os.listdir("/proc")
    except OSError:
        return Usage()
    for entry in entries:
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:  # it has just ended
                continue
            children[int(fields[1])].append(int(entry))
            resident[int(entry)] = int(fields[21]) * _PAGE
    found, todo = [], [pid]
    while todo:
        found.append(one := todo.pop())
        todo += children.get(one, [])
    return Usage(len(found), sum(resident.get(one, 0) for one in found))
