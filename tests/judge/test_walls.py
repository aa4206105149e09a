"""The walls of each sandbox level: what a learner's process cannot reach, and what nothing of it outlives."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autograder.authoring.release import as_bytes, notebooks
from autograder.beside import PLACES
from autograder.checking.run import lend
from autograder.house import SOLUTIONS
from autograder.judge.limits import MB, Limits
from autograder.judge.sandbox import Bubblewrap, Container, Inside, bubblewrap, machine
from autograder.judge.transport import Child, Ended
from autograder.judge.usage import usage
from tests import kinds
from tests.levels import levels

pytestmark = pytest.mark.needs_bubblewrap

SMALL = Limits(cell=20, memory=1024 * MB, processes=24, disk=32 * MB, output=1 * MB)


@pytest.fixture(scope="module", params=levels(), ids=lambda level: level.level)
def sandbox(request):
    """Each level that whoever runs the tests can have."""
    return request.param()


@pytest.fixture
def child(sandbox):
    """A process of its own for one test."""
    with Child(sandbox, Inside(SMALL), lend) as child:
        yield child


def run(child: Child, source: str) -> str:
    """What a cell raised, in one line, or ""."""
    child.allow(20, "a cell")
    return child.ask({"do": "run", "source": source})["value"]


def value_of(child: Child, source: str) -> str:
    """What a cell that may take long raised."""
    child.allow(60, "a cell")
    return child.ask({"do": "run", "source": source})["value"]


def value(child: Child, expression: str):
    """The value of an expression there."""
    assert "" == run(child, f"seen = {expression}")
    return child.ask({"do": "value", "name": "seen", "lend": {}})["value"]


# ---------------------------------------------------------------------------------------- what the child sees

LOOKS = {
    "passwd": "open('/etc/passwd').read()",
    "gradebook": f"open({str(kinds.FOLDER)!r} + '/kinds.py').read()",
    "checks": "__import__('autograder.checking')",
    "mistakes": "__import__('autograder.lessons')",
    "expect": "__import__('autograder.checking.expect')",
    "solutions": f"__import__('os').listdir({str(kinds.FOLDER.parents[1] / 'solutions')!r})",
    "home of the grader": f"__import__('os').listdir({str(Path.home() / '.cache')!r})",
    "network": "__import__('socket').create_connection(('1.1.1.1', 53), 2)",
    "write outside": "open('/course/x', 'w')",
    "write to packages": "open(__import__('torch').__file__, 'a')",
    "write to the root": "open('/x', 'w')",
    "other processes": "[p for p in __import__('os').listdir('/proc') if p.isdigit() and int(p) > 100][0]",
    "the kernel's settings": "open('/proc/sys/kernel/core_pattern', 'w')",
    "its own limits": "__import__('resource').setrlimit(7, (9999, 9999))",
    "new namespaces": "calls(unshare=(0x10000000,))",
    "memory that no process maps": "calls(memfd_create=(b'x', 0))",
    "a keyring": "calls(syscall=(250, 0, -3, 1))",
    "a key": "calls(syscall=(248, b'user', b'x', b'y', 1, -3))",
    "System V memory": "calls(shmget=(1, 4096, 0o1600))",
    "the first process": "calls(ptrace=(16, 1, 0, 0))",
    "another process's memory": "calls(process_vm_readv=(1, 0, 0, 0, 0, 0))",
    "a mount": "calls(mount=(b'none', b'/tmp', b'tmpfs', 0, 0))",
    "a file by its handle": "calls(syscall=(304, -100, 0, 0))",
    "io_uring": "calls(syscall=(425, 8, 0))",
    "bpf": "calls(syscall=(321, 0, 0, 0))",
    "root": "__import__('os').setuid(0)",
}

CALLS = """
import ctypes, os
def calls(**named):
    (name, args), = named.items()
    got = getattr(ctypes.CDLL(None, use_errno=True), name)(*args)
    if got < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
"""


@pytest.fixture(scope="module")
def looked(sandbox):
    """What a cell of each kind ends as, in one process."""
    with Child(sandbox, Inside(SMALL), lend) as child:
        run(child, CALLS)
        said = {name: run(child, source) for name, source in LOOKS.items()}
        said["own"] = run(child, "open('mine', 'w').write('x'); open('mine').read(); import torch, bptt, autograder")
        return said, value(child, "dict(os.environ), os.getcwd(), os.path.expanduser('~'), os.getuid()")


@pytest.mark.parametrize("what", LOOKS)
def test_the_learners_process_does_not_reach(looked, what):
    """Files of the machine, checks, solutions, network, other processes, and calls that make new rooms or hidden memory."""
    said = looked[0][what]
    assert said.startswith("PermissionError") if "calls(" in LOOKS[what] else said != ""


def test_the_learners_process_reaches_what_is_its_own(looked):
    """It writes and reads files of its own, and imports torch, bptt and the dummy."""
    assert "" == looked[0]["own"]


def test_the_environment_is_not_the_graders(looked):
    """No variable of the grader's environment, a home of its own, nobody's rights."""
    environment, place, home, uid = looked[1]
    assert place == home and uid != 0
    assert {"PATH", "HOME"} <= set(environment)
    assert not {"VIRTUAL_ENV", "PYTEST_CURRENT_TEST", "OLDPWD", "MAIL"} & set(environment)


def descendants(child: Child) -> list[int]:
    """The pids here of what the learner's code runs in."""
    found, todo = [], [child.pid]
    while todo:
        one = todo.pop()
        below = [int(pid) for pid in Path(f"/proc/{one}/task/{one}/children").read_text().split()]
        found += below
        todo += below
    return found


def test_outside_the_process_has_nobodys_rights(child):
    """Whoever grades, also root: no process of a learner's has root's uid or may change anything that is not its own."""
    for pid in descendants(child):
        status = Path(f"/proc/{pid}/status").read_text()
        assert 0 not in {int(uid) for uid in re.search(r"Uid:(.*)", status)[1].split()}
        rights = int(re.search(r"CapEff:\s*(\w+)", status)[1], 16)
        assert rights in (0, 1 << 2)  # looking through folders, where Landlock says which files can be opened


def test_packages_below_a_folder_for_writing_stay_in_sight(monkeypatch, tmp_path):
    """A course, or an interpreter, in /tmp is shown to each process, read-only, and /tmp can be written to beside it."""
    (tmp_path / "late.py").write_text("loaded = 1")
    tmp_path.chmod(0o755)
    monkeypatch.setattr(bubblewrap, "roots", lambda: (*machine.roots(), str(tmp_path)))
    server = bubblewrap._server.__wrapped__()  # one of its own

    class Below:
        def start(self, inside, reads, writes):
            return server.fork(inside, reads, writes)

    try:
        with Child(Below(), Inside(SMALL), lend) as child:
            assert "" == run(child, f"import sys; sys.path.append({str(tmp_path)!r}); import late")
            assert "" == run(child, f"open('{PLACES[1]}/mine', 'w').write('x')")
            assert "" != run(child, f"open({str(tmp_path / 'mine')!r}, 'w')")
    finally:
        server.close()


def test_walls_stand_one_behind_the_other():
    """In namespaces, /proc is read-only and no further user namespace may be made, whatever else forbids both."""
    with Child(Bubblewrap(), Inside(SMALL), lend) as child:
        assert value(child, "__import__('os').statvfs('/proc').f_flag & 1") == 1
        assert value(child, "open('/proc/sys/user/max_user_namespaces').read().strip()") == "0"


def test_nothing_of_a_submission_outlives_it(sandbox):
    """A process that left its parent, its session and its group ends with the child, and so does what it wrote."""
    with Child(sandbox, Inside(SMALL), lend) as child:
        assert "" == run(child, "import os, time, sys\nhome = os.getcwd()\nif os.fork() == 0:\n    os.setsid()\n"
                         "    if os.fork() == 0:\n        open('left', 'w').write('x')\n        time.sleep(600)\n    os._exit(0)")  # fmt: skip
        time.sleep(0.3)
        home, started = value(child, "home"), descendants(child)
        assert 2 <= len(started)
    time.sleep(0.3)
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]
    assert not Path(home).exists()


def test_one_submission_does_not_reach_another(sandbox):
    """Two at once: neither signals, nor files, nor sockets under a name go from one to the other."""
    with Child(sandbox, Inside(SMALL), lend) as one, Child(sandbox, Inside(SMALL), lend) as other:
        assert "" == run(one, "import socket\ns = socket.socket(socket.AF_UNIX)\ns.bind('\\0here')\ns.listen()\n"
                         "open('secret', 'w').write('x')")  # fmt: skip
        theirs = [*descendants(one), value(one, "__import__('os').getcwd()")]
        assert "" != run(other, "import socket\nsocket.socket(socket.AF_UNIX).connect('\\0here')")
        assert "" != run(other, f"import os, signal\nos.kill({theirs[0]}, signal.SIGKILL)")
        assert "" == run(other, "try:\n    os.kill(-1, 0)\nexcept OSError:\n    pass")
        if theirs[-1] != "/home/learner":
            assert "" != run(other, f"open({theirs[-1]!r} + '/secret').read()")
        assert "x" == value(one, "open('secret').read()")


EATERS = {
    "in a process": "kept = []\nwhile True:\n    kept.append(bytearray(10**7)); kept[-1][::4096] = b'x' * len(kept[-1][::4096])",
    "in many processes": "import os, time\nfor _ in range(12):\n    if os.fork() == 0:\n        kept = bytearray(2 * 10**8)\n"
    "        kept[::4096] = b'x' * len(kept[::4096])\n        time.sleep(60)\ntime.sleep(60)",
    "while it prints": "import os, time\nfor _ in range(12):\n    if os.fork() == 0:\n        kept = bytearray(2 * 10**8)\n"
    "        kept[::4096] = b'x' * len(kept[::4096])\n        time.sleep(60)\n"
    "while True:\n    print('.', flush=True); time.sleep(0.05)",
    "in shared maps": "import mmap\nkept = []\nwhile True:\n    kept.append(mmap.mmap(-1, 10**7)); kept[-1].write(b'x' * 10**7)",
}


@pytest.mark.parametrize("where", EATERS)
def test_memory_is_counted_wherever_it_is(child, where):
    """Over all processes, and also while output flows: the child is ended, and the verdict names the limit."""
    child.allow(30, "a cell")
    try:
        said = child.ask({"do": "run", "source": EATERS[where]})["value"]  # a MemoryError: the process's own limit
    except Ended as ended:
        said = ended.finding.summary
    assert "memory" in said.lower()


def test_what_the_kernel_holds_for_sockets_is_bounded(child):
    """Full sockets hold memory that no process maps: all that is open is counted, and too much ends the child."""
    child.allow(60, "a cell")
    with pytest.raises(Ended, match="sockets were open"):
        child.ask({"do": "run", "source": (
            "import os, socket, time\nfor _ in range(8):\n    if os.fork() == 0:\n        kept = []\n        try:\n"
            "            while True:\n                kept += socket.socketpair()\n        except OSError:\n            time.sleep(30)\n"
            "time.sleep(30)")})  # fmt: skip


def test_files_are_bounded_in_all(child):
    """What a submission writes, in whatever folder, is held to its limit, or counts as memory."""
    child.allow(30, "a cell")
    source = (
        "import os, tempfile, time\nfor place in (os.getcwd(), tempfile.gettempdir(), '/dev/shm'):\n"
        "    for n in range(40):\n        try:\n            open(f'{place}/{n}', 'wb').write(b'x' * 2**25)\n"
        "        except OSError:\n            pass\ntime.sleep(2)\n"
        "total = sum(os.path.getsize(f'{p}/{n}') for p in (os.getcwd(), '/dev/shm') for n in range(40) if os.path.exists(f'{p}/{n}'))"
    )
    try:
        child.ask({"do": "run", "source": source})
    except Ended as ended:
        assert "memory" in ended.finding.summary
    else:
        assert value(child, "total") <= SMALL.disk


def test_files_without_content_are_bounded(child):
    """Each takes memory of the kernel's: their number is held to a limit, or ends the child."""
    child.allow(60, "a cell")
    source = "import time\nseen = 0\ntry:\n    while seen < 60_000:\n        open(f'{seen}', 'w').close(); seen += 1\n"
    try:
        assert "No space" in value_of(child, source + "finally:\n    time.sleep(1)")
    except Ended as ended:
        assert "memory" in ended.finding.summary
    else:
        assert value(child, "seen") < 30_000


@pytest.mark.parametrize("count, name", [(1200, "d"), (30, "d" * 200)])
def test_folders_within_folders_hide_nothing(sandbox, count, name):
    """Deeper than Python or the kernel follow: what lies there is bounded or ends the child, and goes with it."""
    source = (
        f"import os, time\nhome = os.getcwd()\nfor _ in range({count}):\n    os.mkdir({name!r}); os.chdir({name!r})\n"
        "for n in range(10):\n    open(f'{n}', 'wb').write(b'x' * 2**24)\ntime.sleep(2)"
    )
    with Child(sandbox, Inside(SMALL), lend) as child:
        home = value(child, "__import__('os').getcwd()")
        try:
            assert "No space" in value_of(child, source)
        except Ended as ended:
            assert "memory" in ended.finding.summary
    assert not Path(home).exists()


def test_shared_memory_is_not_counted_twice(child):
    """Idle forks share what they were forked with: eight of them are far from the limit that eight times as much would pass."""
    assert "" == run(
        child,
        "import os, time\nfor _ in range(8):\n    if os.fork() == 0:\n        time.sleep(60)\n        os._exit(0)",
    )
    assert usage(child.pid, enough=2**40).memory > SMALL.memory > 2 * usage(child.pid).memory
    assert "" == run(child, "time.sleep(1)")


if Container in levels():  # root runs the tests

    def test_where_namespaces_are_denied_root_grades_in_the_container_level(tmp_path):
        """As Docker does by default: no namespaces, no mounts. `choose` takes the level for containers, and it judges."""
        notebook = tmp_path / "00_start_here.ipynb"
        notebook.write_bytes(as_bytes(notebooks(SOLUTIONS / "00_start_here.py")[0]))
        source = (
            "from autograder.beside import walls; walls.deny_calls(network=True); from autograder import cli; "
            f"raise SystemExit(cli.main(['grade', {str(notebook)!r}, '--json', '--again']))"
        )
        ended = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=120)
        (one,) = json.loads(ended.stdout)["submissions"]
        assert ("container", one["of"]) == (one["provenance"]["sandbox"], one["score"])
