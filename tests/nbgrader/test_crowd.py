"""Does a class with every hostile and every spoilt submission in it end in time, with every score as it should be?

Sixty submissions here and in CI; `make fuzz` takes four hundred.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor

import nbformat
import pytest

from autograder.authoring.imagined import class_of
from autograder.house import SOLUTIONS
from autograder.nbgrader.classroom import Classroom, make
from autograder.nbgrader.regrade import Settings, regrade, submissions
from tests.spoilt import SPOILT, TANH
from tests.submissions import change, hand_in, lesson

pytestmark = [pytest.mark.needs_bubblewrap, pytest.mark.filterwarnings("ignore")]

NAME = "00_start_here"
SCRIPT = SOLUTIONS / f"{NAME}.py"
CROWD = int(os.environ.get("BPTT_CROWD", "60"))
LIMITS = {"cell": 20, "check": 20, "submission": 60, "memory": 2**30}
CALLED = """def tanh_grad(*args):
    import ctypes, os, signal, threading, time
    {}

def other"""
HOSTILE = {  # what an answer does when it is called, or its cell when it runs; it costs this exercise and no other
    "loops": CALLED.format("while True: pass"),
    "sleeps": CALLED.format("time.sleep(10**6)"),
    "deaf": CALLED.format("[signal.signal(s, signal.SIG_IGN) for s in (1, 2, 15)]\n    while True: pass"),
    "exits": CALLED.format("os._exit(0)"),
    "kills": CALLED.format("os.kill(-1, 9)"),
    "aborts": CALLED.format("os.abort()"),
    "segfaults": CALLED.format("ctypes.string_at(0)"),
    "forks": CALLED.format("while True: os.fork()"),
    "threads": CALLED.format("while True: threading.Thread(target=time.sleep, args=(60,)).start()"),
    "hoards": CALLED.format("kept = []\n    while True: kept.append(bytearray(2**24))"),
    "prints": CALLED.format("while True: print('x' * 2**20)"),
    "writes": CALLED.format("file = open('big', 'wb')\n    while True: file.write(bytes(2**20))"),
    "recurses": CALLED.format("return tanh_grad(*args)"),
    "huge": CALLED.format("return 7 ** 500"),
    "large": CALLED.format("return torch.zeros(2**26)"),
    "deep": CALLED.format("made = []\n    for _ in range(10**5): made = [made]\n    return made"),
    "mute": CALLED.format("os.closerange(3, 256)\n    time.sleep(10**6)"),
    "babbles": CALLED.format(
        "[os.write(fd, b'x' * 4096) for fd in range(3, 32) if os.path.exists(f'/proc/self/fd/{{fd}}')]"
    ),
    "cell-loops": "while True: pass\n\ndef tanh_grad",
    "cell-exits": "import os\nos._exit(3)\n\ndef tanh_grad",
    "cell-hoards": "kept = []\nwhile True: kept.append(bytearray(2**24))\n\ndef tanh_grad",
}


def test_hostile_and_spoilt_submissions_among_honest_ones(tmp_path):
    """Each hostile answer costs its own exercise, no spoilt notebook costs a point, and no honest learner hears of either."""
    one = lesson(SCRIPT)
    root = tmp_path / "class"
    make(root, [SCRIPT])
    full = one.points("check")
    expected = {}
    for name, code in HOSTILE.items():
        hand_in(root, f"hostile-{name}", NAME, change(one.right(), "answer", TANH, "def tanh_grad", code))
        expected[f"hostile-{name}"] = full - 3
    for name, build in SPOILT.items():
        made = build(one)
        hand_in(root, f"spoilt-{name}", NAME, made if isinstance(made, bytes) else nbformat.writes(made).encode())
        expected[f"spoilt-{name}"] = full
    for honest in class_of([SCRIPT], CROWD - len(expected), ["solved"]):
        hand_in(root, honest.learner, NAME, honest.notebook)
        expected[honest.learner] = full
    began = time.monotonic()
    classroom = Classroom(root)
    with ThreadPoolExecutor(2) as workers:
        entries = list(regrade(classroom, submissions(classroom), workers, Settings(limits=LIMITS)))
    seconds = time.monotonic() - began
    assert CROWD == len(entries)
    assert expected == {entry.learner: entry.score for entry in entries}
    assert seconds < 600
