"""What a submission may try: each try earns what the honest part earns, and costs nobody else anything."""

from __future__ import annotations

import dataclasses
import re

import pytest
import torch
from safetensors.torch import save_file

from autograder.checking.run import lend
from autograder.checking.spec import CHECKS
from autograder.judge.engine import judge
from autograder.judge.limits import MB, Limits
from autograder.judge.sandbox import Inside
from autograder.judge.transport import Child, Ended
from tests import kinds
from tests.levels import levels
from tests.submissions import HandOut, add, cell, copy_of, delete, lesson, write

pytestmark = [pytest.mark.needs_bubblewrap, pytest.mark.filterwarnings("ignore")]

SMALL = Limits(cell=20, memory=1024 * MB, processes=24, disk=32 * MB, output=1 * MB)
IDS = "train cache model finite-difference chunks guess weights double quadruple".split()


@pytest.fixture(scope="module", params=levels(), ids=lambda level: level.level)
def sandbox(request):
    """Each level that whoever runs the tests can have."""
    return request.param()


@pytest.fixture(scope="module")
def one():
    """The lesson of kinds, its checks registered, that of the endless loop with a short deadline."""
    with kinds.registered():
        for id in [id for id in CHECKS if id.startswith("kinds-")]:
            CHECKS[id] = dataclasses.replace(CHECKS[id], deadline=3.0 if id == "kinds-chunks" else 60.0)
        yield lesson(kinds.SCRIPT)


@pytest.fixture(scope="module")
def grade(one: HandOut, sandbox, tmp_path_factory):
    """Judges a notebook of the lesson of kinds, with small limits and the weights beside it."""
    folder = tmp_path_factory.mktemp("handed-in")
    save_file({"weight": 2 * torch.eye(3, dtype=torch.float64)}, folder / "kinds_weights.safetensors")
    (folder / "autograder.py").write_text("def check(id, seed=None): return 1\n")
    (folder / "bptt.py").write_text("def anything(*args): return 1\n")

    def judged(notebook):
        return judge(
            notebook, one.handed_out, key=b"k" * 16, learner="eve", limits=SMALL, sandbox=sandbox, files=folder
        )

    return judged


def answer(notebook, exercise: str, source: str):
    return write(notebook, "answer", f"kinds-{exercise}", source)


# --------------------------------------------------------------------------------------- crashes and floods


@pytest.fixture(scope="module")
def crashing(one, grade):
    """A notebook in which most answers end their process, each in another way."""
    notebook = one.right()
    answer(notebook, "double", "import os\ndef double(x):\n    os._exit(0)")
    answer(notebook, "chunks", "def chunks(x, y, k):\n    while True:\n        pass")
    answer(notebook, "cache", "import ctypes\nclass KVCache:\n    def __init__(self):\n        ctypes.string_at(0)")
    answer(
        notebook,
        "train",
        "def train_tbptt(*args):\n    kept = []\n    while True:\n        kept.append(bytearray(10**8))",
    )
    answer(notebook, "model", "import os, time\ndef SequenceModel(*args):\n    while True:\n        os.fork()")
    answer(
        notebook, "weights", "import sys\ndef predict(x):\n    while True:\n        sys.__stdout__.write('x' * 4096)"
    )
    at = next(i for i, one in enumerate(notebook.cells) if one.metadata.get("bptt", {}).get("id") == "kinds-guess")
    add(notebook, at, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    return grade(notebook)


@pytest.mark.parametrize(
    "exercise, status, reason",
    [
        ("double", "crashed", "exit code 0"),
        ("chunks", "timeout", "no answer within"),
        ("cache", "crashed", "SIGSEGV"),
        ("train", "error|crashed", "MemoryError|of memory were used"),  # whichever limit is met first
        ("weights", "crashed", "were printed"),
    ],
)
def test_an_answer_that_ends_its_process_gets_its_reason(crashing, exercise, status, reason):
    """An exit, an endless loop, a segfault, a memory bomb and a flood of output each end as what they are."""
    verdict = crashing.verdicts[f"kinds-{exercise}"]
    assert re.fullmatch(status, verdict.status)
    assert re.search(reason, verdict.finding.summary)


def test_a_fork_bomb_is_bounded(crashing):
    """Processes that multiply are ended together, or kept from being started."""
    assert crashing.verdicts["kinds-model"].status in ("crashed", "error")


def test_a_crash_costs_only_its_own_exercise(crashing):
    """What comes after a crash is judged, and a dependent exercise is judged with a stand-in for the one that crashes."""
    right = {id.removeprefix("kinds-") for id, verdict in crashing.verdicts.items() if verdict.right}
    assert {"finite-difference", "guess", "quadruple"} == right


def test_a_cell_that_kills_its_process_is_named(crashing):
    """A cell that ended the process is left out from then on, and the submission says which it was."""
    assert any("SIGKILL" in problem for problem in crashing.problems)


# ------------------------------------------------------------------------------------------------- cheating

CHEATS = """
import torch, builtins, ast
torch.allclose = torch.equal = torch.Tensor.equal = lambda *a, **k: True
torch.testing.assert_close = lambda *a, **k: None
class Drop(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.Pass()
    def visit_Raise(self, node):
        return ast.Pass()
get_ipython().ast_transformers.append(Drop())
import autograder, autograder.beside.probes, autograder.beside.beside
autograder.check = lambda *a: None
for name in list(autograder.beside.probes.PROBES):
    autograder.beside.probes.PROBES[name] = lambda names, **k: True
autograder.beside.beside.Beside._call = lambda self, request: {"ok": True, "value": True, "changed": [], "status": "right"}
autograder.beside.beside.Beside._value = lambda self, request: {"ok": True, "value": None, "changed": []}
"""

FORGE = """
import os, sys
from autograder.beside import frames
def double(x):
    frame = sys._getframe()
    while "self" not in frame.f_locals or not hasattr(frame.f_locals["self"], "writes"):
        frame = frame.f_back
    judged = frame.f_locals["self"]
    for id in range(judged.id, judged.id + 3):
        os.write(judged.writes, frames.pack({"id": id, "reply": {"ok": True, "value": x, "changed": []}}))
    return 2 * x
"""

SAYS_RIGHT = """
from autograder.beside import child
child.Service.answer = lambda self, request: {"ok": True, "status": "right", "credit": 1.0, "value": None, "changed": []}
"""


def test_blank_with_patches_earns_nothing(one, grade):
    """A blank notebook that patches comparisons, strips asserts and raises, shadows `autograder` and overwrites probes: 0."""
    assert 0 == grade(add(one.blank(), 1, CHEATS)).score


def test_a_reply_that_claims_to_be_right_earns_nothing(one, grade):
    """A process that answers everything by "right" has no right values, and earns nothing."""
    assert 0 == grade(add(one.blank(), 1, SAYS_RIGHT)).score


def test_forged_replies_end_the_process_and_shift_no_answer(one, grade):
    """Replies sent ahead of the questions end the child; the next check starts from a clean pipe."""
    judged = grade(answer(one.right(), "double", FORGE))
    assert {"kinds-double"} == {id for id, verdict in judged.verdicts.items() if not verdict.right}


# ------------------------------------------------------------------------------------------------- the pipe


def test_a_process_that_speaks_unasked_is_ended(sandbox):
    """A frame between two questions is not taken for the answer to the second."""
    with Child(sandbox, Inside(SMALL), lend) as child:
        child.allow(20, "a cell")
        child.ask({"do": "run", "source": "import threading, time, gc\nfrom autograder.beside import child, frames"})
        child.ask({"do": "run", "source": (
            "import os\nme = next(o for o in gc.get_objects() if isinstance(o, child.Service))\n"
            "def later():\n    time.sleep(.3)\n    os.write(me.writes, frames.pack({'id': me.id + 1, 'reply': "
            "{'ok': True, 'value': 4, 'changed': []}}))\nthreading.Thread(target=later).start()")})  # fmt: skip
        import time

        time.sleep(1)
        with pytest.raises(Ended, match="without being asked"):
            child.ask({"do": "value", "name": "guess", "lend": {}})


# --------------------------------------------------------------------------------------------------- honest


@pytest.fixture(scope="module")
def honest(one, grade):
    """A right notebook, as untidy as they come."""
    notebook = one.right()
    answer(
        notebook,
        "double",
        "import sys, warnings\ndef double(x):\n    warnings.warn('old')\n    print('hm', file=sys.stderr)\n    return twice(x)",
    )
    moved = cell(notebook, "answer", "kinds-chunks").source
    write(notebook, "answer", "kinds-chunks", cell(one.handed_out, "answer", "kinds-chunks").source)
    copy_of(copy_of(notebook, "answer", "kinds-cache"), "check", "kinds-cache")
    delete(delete(notebook, "check", "kinds-model"), "given", "setup")
    cell(notebook, "experiment", "play").source += "\ndef twice(x):\n    return 2 * x"
    add(notebook, len(notebook.cells), moved)
    add(notebook, 0, "%matplotlib inline\n%timeit -n1 -r1 1\n!ls\ndisplay(1)\nimport asyncio\nawait asyncio.sleep(0)")
    add(notebook, 1, "1 / 0")
    add(notebook, 2, "import threading, torch\ntorch.set_num_threads(4)\n(torch.ones(600, 600) @ torch.ones(600, 600)).sum()\n"
        "lock = threading.Lock()\nlock.acquire()\nthreading.Thread(target=lock.acquire).start()")  # fmt: skip
    return grade(notebook)


@pytest.mark.parametrize("exercise", IDS)
def test_an_untidy_right_notebook_gets_every_point(honest, exercise):
    """Warnings, prints, magics, a helper in an experiment, an answer at the end, copies, deleted cells, an error and a thread that waits
    for ever cost nothing."""
    assert "right" == honest.verdicts[f"kinds-{exercise}"].status


def test_a_magic_is_no_problem_and_an_error_is_named(honest):
    """Of all its cells only the one that raised is remarked on."""
    assert 1 == len(honest.problems)
    assert "ZeroDivisionError" in honest.problems[0]
