"""The walls around one submission, built by the process that will run it: namespaces, credentials, system calls, limits.

Each function closes something for good in the calling process. OSError says what the kernel would not do. Sources: the man pages
clone(2), user_namespaces(7), seccomp(2), landlock(7), capabilities(7) and the kernel's uapi headers.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import re
import resource
import signal
import stat
import struct
import sys
from collections.abc import Iterable

from autograder.beside import PLACES

_libc = ctypes.CDLL(None, use_errno=True)
_held = ctypes.PyDLL(None, use_errno=True)  # calls without letting go of the interpreter's lock

NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = (
    0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip
_NAMESPACES = NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
_PDEATHSIG, _DUMPABLE, _KEEPCAPS, _SECCOMP, _CAPBSET_DROP, _SUBREAPER, _NO_NEW_PRIVS = 1, 4, 8, 22, 24, 36, 38

_MACHINE = platform.machine()
_CLONE = {"x86_64": 56, "aarch64": 220}.get(_MACHINE, -1)
_CAPSET = {"x86_64": 126, "aarch64": 91}.get(_MACHINE, -1)
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}.get(_MACHINE, 0)

# What no lesson needs, by number on x86_64 and aarch64: memory that no process maps, other processes' memory, keyrings, System V
# objects, and the parts of the kernel where holes are found most often.
_DENIED: dict[str, tuple[int | None, int | None]] = {
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "memfd_create": (319, 279), "memfd_secret": (447, 447),
    "shmget": (29, 194), "semget": (64, 190), "msgget": (68, 186), "mq_open": (240, 180),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "unshare": (272, 97), "setns": (308, 268),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "move_mount": (429, 429),
    "open_tree": (428, 428), "fsopen": (430, 430), "fsmount": (432, 432), "mount_setattr": (442, 442),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "kexec_load": (246, 104), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "open_by_handle_at": (304, 265), "quotactl": (179, 60),
    "syslog": (103, 116), "swapon": (167, 224), "swapoff": (168, 225), "reboot": (169, 142), "acct": (163, 89),
    "iopl": (172, None), "ioperm": (173, None), "vhangup": (153, 58), "fanotify_init": (300, 262),
}  # fmt: skip
_FILES = 20_000  # in a memory file system: an empty one takes a kilobyte of the kernel's memory
_CLONE3, _SOCKET = 435, {"x86_64": 41, "aarch64": 198}.get(_MACHINE, -1)


def clone_apart() -> int:
    """Fork into namespaces of its own: 0 in the child, which is process 1 there and has all rights over them, else its pid.

    The ids stay what they are.
    """
    uid, gid = os.getuid(), os.getgid()
    pid = _held.syscall(ctypes.c_long(_CLONE), ctypes.c_ulong(_NAMESPACES | signal.SIGCHLD), None, None, None, None)
    if pid == 0:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{uid} {uid} 1")
        _write("/proc/self/gid_map", f"{gid} {gid} 1")
    return _must(pid, "namespaces")


def furnish(places: Iterable[str], size: int) -> None:
    """In fresh namespaces: a proc of its own that cannot be written to, and one memory file system of `size` bytes for `places`.

    What was mounted below these places stays in sight there: the interpreter's packages may lie in /tmp.
    """
    _mount("none", "/", "", _REC | _PRIVATE)
    _mount("proc", "/proc", "proc", _NOSUID | _NODEV | _NOEXEC)
    _write("/proc/sys/user/max_user_namespaces", "0")
    _mount("none", "/proc", "", _REMOUNT | _BIND | _RDONLY | _NOSUID | _NODEV | _NOEXEC)
    first, *others = places = tuple(places)
    shown = [(path, os.open(path, os.O_PATH)) for path in _mounted_below(places)]
    _mount("tmpfs", first, "tmpfs", _NOSUID | _NODEV, f"size={size},nr_inodes={_FILES},mode=700")
    for number, place in enumerate(others):
        os.mkdir(f"{first}/{number}", 0o1777)
        _mount(f"{first}/{number}", place, "", _BIND)
    os.mkdir(f"{first}/home", 0o700)
    _mount(f"{first}/home", first, "", _BIND)  # over its parent: the other places are not seen twice
    for path, fd in shown:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            os.mkdir(path)
        else:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        _mount(f"/proc/self/fd/{fd}", path, "", _BIND | _REC)  # read-only, as it was
        os.close(fd)


def _mounted_below(places: Iterable[str]) -> list[str]:
    """The mount points below these folders, but not those within another such one (proc_pid_mountinfo(5))."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
        points = [re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), line.split()[4]) for line in table]
    below = sorted({point for point in points if any(point.startswith(f"{place}/") for place in places)})
    return [one for one in below if not any(one.startswith(f"{other}/") for other in below)]


def try_namespaces() -> None:
    """Print "alive" from a process that could be given namespaces and a furnished room here; else say on stderr why not."""
    if (pid := clone_apart()) == 0:
        try:
            furnish(PLACES, 2**20)
            powerless()
            deny_calls()
            os.write(1, b"alive")
        except OSError as error:
            os.write(2, str(error).encode())
        os._exit(0)
    os.waitpid(pid, 0)


def powerless() -> None:
    """Give up every capability, for this process and whatever it starts."""
    _drop_bounds()
    _keep_capabilities(0)


def step_down(uid: int) -> None:
    """From root to a uid without rights, for good; but for looking through folders that others may not enter, such as /root.

    An interpreter may lie there. Which files can be opened is for Landlock to say.
    """
    _drop_bounds()
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    _must(_libc.prctl(_KEEPCAPS, 1, 0, 0, 0), "capabilities")
    os.setresuid(uid, uid, uid)
    _keep_capabilities(1 << 2)  # CAP_DAC_READ_SEARCH


def _drop_bounds() -> None:
    for capability in range(64):
        if _libc.prctl(_CAPBSET_DROP, capability, 0, 0, 0) and ctypes.get_errno() == errno.EINVAL:
            return  # the last one that this kernel knows


def _keep_capabilities(kept: int) -> None:
    header, sets = struct.pack("Ii", 0x20080522, 0), struct.pack("6I", kept, kept, 0, 0, 0, 0)
    _must(_libc.syscall(ctypes.c_long(_CAPSET), header, sets), "capabilities")
    _must(_libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0), "no new rights")


def unreadable(yes: bool) -> None:
    """Whether others of the same uid may look into this process."""
    _libc.prctl(_DUMPABLE, int(not yes), 0, 0, 0)


def end_with_parent() -> None:
    """Be killed when the process that started this one ends."""
    _libc.prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of every process that one's descendants leave without."""
    _libc.prctl(_SUBREAPER, 1, 0, 0, 0)


def close_all_but(*kept: int) -> None:
    """Close every other open descriptor."""
    low = 0
    for fd in sorted(kept):
        if low < fd:  # an empty range would be everything
            os.closerange(low, fd)
        low = fd + 1
    os.closerange(low, 2**20)


def deny_calls(network: bool = False) -> None:
    """Refuse the system calls that no lesson needs, and new user namespaces; without `network`, sockets but local ones, too."""
    column = {"x86_64": 0, "aarch64": 1}[_MACHINE]
    numbers = [pair[column] for pair in _DENIED.values()]
    load, equal, any_bit, give = 0x20, 0x15, 0x45, 0x06
    refuse = 0x00050000 | errno.EPERM
    program = [(load, 0, 0, 4), (equal, 1, 0, _AUDIT_ARCH), (give, 0, 0, 0x80000000)]  # another architecture: killed
    program += [(load, 0, 0, 0)]
    if _MACHINE == "x86_64":
        program += [(0x35, 0, 1, 0x40000000), (give, 0, 0, refuse)]  # the x32 numbers
    for number in numbers:
        if number is not None:
            program += [(equal, 0, 1, number), (give, 0, 0, refuse)]
    program += [
        (equal, 0, 1, _CLONE3),
        (give, 0, 0, 0x00050000 | errno.ENOSYS),
    ]  # its flags cannot be read; clone's can
    program += [
        (equal, 0, 3, _CLONE),
        (load, 0, 0, 16),
        (any_bit, 0, 1, NEWUSER),
        (give, 0, 0, refuse),
        (load, 0, 0, 0),
    ]
    if not network:
        program += [(equal, 0, 3, _SOCKET), (load, 0, 0, 16), (equal, 1, 0, 1), (give, 0, 0, refuse)]
    program += [(give, 0, 0, 0x7FFF0000)]
    filters = b"".join(struct.pack("HBBI", *one) for one in program)
    buffer = ctypes.create_string_buffer(filters, len(filters))
    head = struct.pack("HxxxxxxP", len(program), ctypes.addressof(buffer))
    _must(_libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0), "no new rights")
    _must(_libc.prctl(_SECCOMP, 2, head, 0, 0), "a filter of system calls")


def landlock() -> int:
    """The version of Landlock that this kernel has; 0 for none."""
    return max(0, int(_libc.syscall(ctypes.c_long(444), None, ctypes.c_size_t(0), ctypes.c_uint(1))))


def allow_files(readable: Iterable[str], writable: Iterable[str]) -> None:
    """From now on, only what lies below these paths can be opened (Landlock); and no signal or abstract socket leaves, where it knows these."""
    version = landlock()
    read = 0b1101  # execute, read a file, list a folder
    every = (1 << (13 if version < 2 else 14 if version < 3 else 15 if version < 5 else 16)) - 1
    scoped = 0b11 if version >= 6 else 0
    attributes = struct.pack("QQQ", every, 0, scoped)[: 24 if version >= 6 else 8]
    ruleset = int(_must(_libc.syscall(ctypes.c_long(444), attributes, ctypes.c_size_t(len(attributes)), 0), "Landlock"))
    for paths, access in ((readable, read), (writable, every)):
        for path in paths:
            try:
                fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except OSError:  # not on this machine
                continue
            allowed = access if os.path.isdir(path) else access & 0xC007  # the rights that a file has
            rule = struct.pack("=Qi", allowed, fd)
            _must(_libc.syscall(ctypes.c_long(445), ruleset, 1, rule, 0), f"a rule for {path}")
            os.close(fd)
    _must(_libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0), "no new rights")
    _must(_libc.syscall(ctypes.c_long(446), ruleset, 0), "Landlock")
    os.close(ruleset)


def limit(limits: dict[str, float], *, alone: bool, mapped: bool) -> None:
    """Set the limits of one process (`judge/limits.py`, by name). `alone`: nobody else has its uid; `mapped`: also of what is only mapped."""

    def at_most(what: int, value: float) -> None:
        hard = resource.getrlimit(what)[1]
        most = int(value) if hard == resource.RLIM_INFINITY else min(int(value), hard)
        resource.setrlimit(what, (most, most))

    at_most(resource.RLIMIT_CPU, limits["cpu"])
    at_most(resource.RLIMIT_FSIZE, limits["file"])
    at_most(resource.RLIMIT_CORE, 0)
    at_most(resource.RLIMIT_NOFILE, 1024)
    if sys.platform == "linux":
        if alone:
            at_most(resource.RLIMIT_NPROC, limits["processes"])
        if mapped:
            at_most(resource.RLIMIT_DATA, limits["memory"])
            at_most(resource.RLIMIT_AS, limits["memory"] + 4 * 2**30)


def _mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    result = _libc.mount(
        source.encode(), target.encode(), kind.encode() or None, ctypes.c_ulong(flags), data.encode() or None
    )
    _must(result, f"mounting {kind or source} on {target}")


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def _must(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result
