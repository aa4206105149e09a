"""Is what an exercise rules out seen in the sandbox, where cells may change the code beside them?"""

import pytest

from autograder.authoring.twice import Sandboxed
from autograder.house import SOLUTIONS
from autograder.judge.engine import judge as judged
from autograder.lessons import load
from tests.submissions import add, lesson, write

pytestmark = pytest.mark.needs_bubblewrap

STEP = "shared-gradients-step-backward"
HONEST = """
def rnn_step_backward(dh, x_t, h_prev, h, params):
    dz = dh * (1 - h * h)
    own = {"weight_ih": dz.T @ x_t, "weight_hh": dz.T @ h_prev, "bias": dz.sum(0)}
    return dz @ params["weight_ih"], dz @ params["weight_hh"], own
"""
CHEAT = """
import torch
def rnn_step_backward(dh, x_t, h_prev, h, params):
    step = lambda x, h, p: torch.tanh(x @ p["weight_ih"].T + h @ p["weight_hh"].T + p["bias"])
    for vjp in [torch.func.vjp]:
        return vjp(step, x_t, h_prev, params)[1](dh)
"""
CHANGES = {
    "nothing": "",
    "functions of torch": "import torch\ntorch.Tensor.register_hook = torch._C._current_graph_task_id = torch.zeros = lambda *a, **k: None",
    "the observers' module": "import autograder.beside.observers as o\nfor name in list(vars(o)):\n    if not name.startswith('__'):\n        setattr(o, name, None)",
    "the asking": "import autograder.beside.beside as b\nb.Beside.ask = lambda self, request: self._ask(request)",
    "the answering": "from autograder.beside import child\nchild.Service.answer = lambda self, request: self.beside._ask(request)",
    "the loaded modules": "import sys\nfor name in list(sys.modules):\n    if 'autograder' in name:\n        del sys.modules[name]",
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_process_that_changes_the_code_beside_it_earns_nothing_by_it(sandbox, change):
    """With our code and PyTorch's replaced, autograd is seen all the same."""
    with Sandboxed(sandbox) as judge:
        assert judge(load(STEP), [change, CHEAT]).status == "forbidden"


def test_the_sandbox_says_what_the_notebook_says(sandbox):
    """Where nothing was changed, the verdict is the notebook's, and an honest answer is right."""
    with Sandboxed(sandbox) as judge:
        assert judge(load(STEP), [HONEST]).status == "right"
        got = judge(load(STEP), [CHEAT])
        assert (got.status, got.finding.sign) == ("forbidden", "autograd")
        assert judge(load(STEP), ["import torch\ntorch.set_grad_enabled(False)", HONEST]).status == "right"


def test_in_a_submission_only_the_exercise_that_breaks_the_rule_loses(sandbox):
    """What builds on it is judged with a right one, in a process of its own; scratch cells cost nothing."""
    notebook = lesson(SOLUTIONS / "02_shared_gradients.py").right()
    write(notebook, "answer", STEP, CHEAT)
    for at, habit in enumerate(
        ("from math import *", "print(len(locals()))", "import sys\nprint('torch' in sys.modules)"), 1
    ):
        add(notebook, at, habit)
    handed_out = lesson(SOLUTIONS / "02_shared_gradients.py").handed_out
    found = judged(notebook, handed_out, key=b"k" * 16, learner="ada", sandbox=sandbox).verdicts
    assert {id: verdict.status for id, verdict in found.items() if not verdict.right} == {STEP: "forbidden"}
    assert "in its place" in found["shared-gradients-bptt"].notes[-1]
