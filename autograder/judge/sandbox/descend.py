"""From root down to a uid without rights, on the way to the sandbox: `python descend.py UID FOLDERS PROGRAM …`, a path.

Root's uid inside a sandbox would be root's uid outside, for which much of /proc can be written to. But a folder such as /root
is closed to everybody else. So, in a mount namespace of its own, each of FOLDERS (a JSON list) is shown again under
`/mnt/NUMBER`, where anybody may look; then the process gives up its rights for good and becomes PROGRAM.
"""

from __future__ import annotations

import ctypes
import json
import os
import stat
import sys

NEWNS, BIND, REC, PRIVATE = 0x20000, 0x1000, 0x4000, 0x40000  # from linux/sched.h and linux/mount.h
PLACE = "/mnt"


def main() -> None:
    """Show the folders, step down, start the program."""
    uid, folders, program = int(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3:]
    libc = ctypes.CDLL(None, use_errno=True)

    def must(result: int, what: str) -> None:
        if result:
            sys.exit(f"{what}: {os.strerror(ctypes.get_errno())}")

    must(libc.unshare(NEWNS), "a mount namespace")
    must(libc.mount(b"none", b"/", None, REC | PRIVATE, None), "/ made private")
    held = [os.open(folder, os.O_PATH) for folder in folders]  # one may lie below PLACE, which is covered next
    must(libc.mount(b"tmpfs", PLACE.encode(), b"tmpfs", 0, b"mode=755"), f"a tmpfs on {PLACE}")
    for number, (folder, fd) in enumerate(zip(folders, held, strict=True)):
        shown = f"{PLACE}/{number}"
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            os.mkdir(shown)
        else:
            os.close(os.open(shown, os.O_CREAT | os.O_EXCL))
        must(libc.mount(f"/proc/self/fd/{fd}".encode(), shown.encode(), None, BIND | REC, None), f"{folder} shown")
        os.close(fd)
    os.chdir("/")
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    os.execv(program[0], program)  # nothing more is imported: the interpreter may lie where we cannot look any more


if __name__ == "__main__":
    main()
