"""What a process and all its descendants use, read from /proc; zero where there is no /proc."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Usage:
    """How many processes, how many bytes of memory, how many open files, pipes and sockets."""

    processes: int = 0
    memory: int = 0
    open: int = 0


def usage(pid: int, enough: int = 0) -> Usage:
    """The use of `pid` and its descendants. Root is not held to RLIMIT_NPROC, and no limit sums over processes.

    What several processes share is counted in each, unless that sum is over `enough` bytes: then each is given its part of it.
    """
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
    memory = sum(resident.get(one, 0) for one in found)
    if memory > enough:
        memory = sum(_part(one, resident.get(one, 0)) for one in found)
    return Usage(len(found), memory, sum(_open(one) for one in found))


def _open(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:  # it has just ended, or is not ours
        return 0


def _part(pid: int, resident: int) -> int:
    """The process's part of the memory that it shares, in bytes; all of it where the kernel does not say, none once it has ended."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            return sum(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
    except (ProcessLookupError, FileNotFoundError):
        return 0
    except (OSError, ValueError):
        return resident
