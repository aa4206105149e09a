"""Is what an exercise rules out seen when it is used, however it is written, and nothing else?"""

import textwrap
from dataclasses import replace

import numpy
import pytest
import torch

from autograder.beside.beside import Beside
from autograder.beside.cells import execute
from autograder.beside.observers import observer, of_this_process
from autograder.checking import run
from autograder.checking.draw import Draw
from autograder.checking.means import rules
from autograder.checking.means.exact import EXACT, worst
from autograder.checking.spec import CheckError
from autograder.checking.student import Student
from autograder.lessons import load
from tests.submissions import material_of

STEP = "shared-gradients-step-backward"
HONEST = """
def rnn_step_backward(dh, x_t, h_prev, h, params):
    dz = dh * (1 - h * h)
    own = {"weight_ih": dz.T @ x_t, "weight_hh": dz.T @ h_prev, "bias": dz.sum(0)}
    return dz @ params["weight_ih"], dz @ params["weight_hh"], own
"""
NAMES = ("weight_ih", "weight_hh", "bias")
GIVEN = """
import torch
def pre(x, h, wi, wh, b):
    return x @ wi.T + h @ wh.T + b
def step(x, h, wi, wh, b):
    return torch.tanh(pre(x, h, wi, wh, b))
def parts(x_t, h_prev, params):
    return x_t, h_prev, *(params[name] for name in ("weight_ih", "weight_hh", "bias"))
def answer(dx, dh, *own):
    return dx, dh, dict(zip(("weight_ih", "weight_hh", "bias"), own))
"""


def ruled_out(stem):
    """The checks of a lesson that rule out other derivatives."""
    ids = {sample.of for sample in material_of(stem).wrong}
    return sorted(id for id in ids if load(id).exact is not None)


def verdict(*cells, id=STEP, observed=None):
    """The verdict of a notebook with these cells, in which the answer is the last one."""
    sources = [GIVEN, *(textwrap.dedent(cell).strip() for cell in cells)]
    names = {"__name__": "__main__"}
    for number, source in enumerate(sources, 1):
        execute(source, names, f"cell {number}")
    observed = observed or of_this_process()
    return run.run_check(load(id), Beside(names, observed.aside(run.lend), observer=observed), Draw(5), sources)


def by(gradient, before=""):
    """An answer whose derivative comes from the expression `gradient` of dh, step and args."""
    body = f"def rnn_step_backward(dh, x_t, h_prev, h, params):\n    args = parts(x_t, h_prev, params)\n{textwrap.indent(textwrap.dedent(gradient).strip(), '    ')}\n"
    return textwrap.dedent(before) + body


def test_the_honest_answer_is_right():
    """The answer that the tests below disguise is right when it is written by hand."""
    assert verdict(HONEST).status == "right"


GRAD = "leaves = [a.clone().requires_grad_() for a in args]\n"
REVERSE = {
    "in full": by(GRAD + "return answer(*torch.autograd.grad(step(*leaves), leaves, dh))"),
    "backward": by(GRAD + "step(*leaves).backward(dh)\nreturn answer(*(leaf.grad for leaf in leaves))"),
    "vjp": by("return answer(*torch.func.vjp(step, *args)[1](dh))"),
    "jacrev": by("J = torch.func.jacrev(step, argnums=tuple(range(5)))(*args)\nreturn answer(*(torch.tensordot(dh, j, 2) for j in J))"),
    "a loop binds it": by(GRAD + "for g in [torch.autograd.grad]:\n    return answer(*g(step(*leaves), leaves, dh))"),
    "a with binds it": by(GRAD + "import contextlib\nwith contextlib.nullcontext(torch.autograd.grad) as g:\n    return answer(*g(step(*leaves), leaves, dh))"),
    "a match binds it": by(GRAD + "match torch.autograd.grad:\n    case g:\n        return answer(*g(step(*leaves), leaves, dh))"),
    "a global": by(GRAD + "find()\nreturn answer(*g(step(*leaves), leaves, dh))", "def find():\n    global g\n    g = torch.autograd.grad\n"),
    "the globals of a function": by(GRAD + "g = torch.Tensor.backward.__globals__['torch'].autograd.grad\nreturn answer(*g(step(*leaves), leaves, dh))"),
    "another module": by("from torch._functorch.eager_transforms import vjp\nreturn answer(*vjp(step, *args)[1](dh))"),
    "the class of another module": by(GRAD + "torch._tensor.Tensor.backward(step(*leaves), dh)\nreturn answer(*(leaf.grad for leaf in leaves))"),
    "a module of the course": by(GRAD + "import bptt.meters\nreturn answer(*bptt.meters.torch.autograd.grad(step(*leaves), leaves, dh))"),
    "getattr handed to map": by(GRAD + "(g,) = map(getattr, [torch.autograd], ['grad'])\nreturn answer(*g(step(*leaves), leaves, dh))"),
    "attrgetter": by(GRAD + "import operator\ng = operator.attrgetter('autograd.grad')(torch)\nreturn answer(*g(step(*leaves), leaves, dh))"),
    "a dictionary of names": by(GRAD + "return answer(*torch.__dict__['autograd'].grad(step(*leaves), leaves, dh))"),
    "vars": by(GRAD + "return answer(*vars(torch)['autograd'].grad(step(*leaves), leaves, dh))"),
    "eval": by(GRAD + "return answer(*eval('torch.autograd.grad')(step(*leaves), leaves, dh))"),
    "exec": by(GRAD + "exec('from torch.autograd import grad as g', globals())\nreturn answer(*g(step(*leaves), leaves, dh))"),
    "text turned into an object": by(GRAD + "import pkgutil\ng = pkgutil.resolve_name('torch.autograd:grad')\nreturn answer(*g(step(*leaves), leaves, dh))"),
    "importlib": by(GRAD + "import importlib\ng = importlib.import_module('torch.autograd').grad\nreturn answer(*g(step(*leaves), leaves, dh))"),
    "a pickle": by(GRAD + "import pickle\ng = pickle.loads(b'ctorch.autograd\\ngrad\\n.')\nreturn answer(*g(step(*leaves), leaves, dh))"),
    "the engine": by(GRAD + "torch.autograd.Variable._execution_engine.run_backward((step(*leaves),), (dh,), False, False, (), True, True)\nreturn answer(*(leaf.grad for leaf in leaves))"),
    "a method backward of one's own": by(
        GRAD + "return answer(*Step().backward(step(*leaves), leaves, dh))",
        "class Step:\n    def backward(self, y, leaves, dh):\n        y.backward(dh)\n        return [leaf.grad for leaf in leaves]\n",
    ),
    "a class that is callable": "class Back:\n    def __call__(self, dh, x_t, h_prev, h, params):\n"
        "        leaves = [a.clone().requires_grad_() for a in parts(x_t, h_prev, params)]\n"
        "        return answer(*torch.autograd.grad(step(*leaves), leaves, dh))\nrnn_step_backward = Back()",
    "a Function": by(
        GRAD + "return answer(*torch.autograd.grad(Tanh.apply(pre(*leaves)), leaves, dh))",
        "class Tanh(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, a):\n        ctx.y = a.tanh()\n        return ctx.y\n"
        "    @staticmethod\n    def backward(ctx, d):\n        return d * (1 - ctx.y**2)\n",
    ),
    "a checkpoint": by(GRAD + "from torch.utils.checkpoint import checkpoint\ncheckpoint(step, *leaves, use_reentrant=False).backward(dh)\nreturn answer(*(leaf.grad for leaf in leaves))"),
    "another thread": by(
        GRAD + "import threading\ndef go():\n    step(*leaves).backward(dh)\nt = threading.Thread(target=go)\nt.start()\nt.join()\nreturn answer(*(leaf.grad for leaf in leaves))"
    ),
    "an optimizer's closure": by(GRAD + "torch.optim.SGD(leaves, lr=0).step(lambda: step(*leaves).backward(dh))\nreturn answer(*(leaf.grad for leaf in leaves))"),
    "a hook": by(GRAD + "got = {}\nfor i, leaf in enumerate(leaves):\n    leaf.register_hook(lambda g, i=i: got.update({i: g}))\nstep(*leaves).backward(dh)\nreturn answer(*(got[i] for i in range(5)))"),
    "a function of torch in its place": by(GRAD + "return answer(*torch.sin(step(*leaves), leaves, dh))", "real, torch.sin = torch.sin, torch.autograd.grad\n"),
    "code in its place": "def rnn_step_backward(dh, x_t, h_prev, h, params):\n    return dh\n"
        "def other(dh, x_t, h_prev, h, params):\n    leaves = [a.clone().requires_grad_() for a in parts(x_t, h_prev, params)]\n"
        "    return answer(*torch.autograd.grad(step(*leaves), leaves, dh))\nrnn_step_backward.__code__ = other.__code__",
}  # fmt: skip
FORWARD = {
    "jacfwd": by("J = torch.func.jacfwd(step, argnums=tuple(range(5)))(*args)\nreturn answer(*(torch.tensordot(dh, j, 2) for j in J))"),
    "jvp by another road": by(
        """
        from torch._functorch.eager_transforms import jvp
        out = []
        for i, a in enumerate(args):
            g = torch.zeros_like(a)
            for j in range(a.numel()):
                v = [torch.zeros_like(b) for b in args]
                v[i].view(-1)[j] = 1
                g.view(-1)[j] = (jvp(step, tuple(args), tuple(v))[1] * dh).sum()
            out.append(g)
        return answer(*out)
        """
    ),
    "dual numbers": by(
        """
        import torch.autograd.forward_ad as fw
        out = []
        for i, a in enumerate(args):
            g = torch.zeros_like(a)
            for j in range(a.numel()):
                v = torch.zeros_like(a)
                v.view(-1)[j] = 1
                with fw.dual_level():
                    given = [fw.make_dual(b, v) if k == i else b for k, b in enumerate(args)]
                    g.view(-1)[j] = (fw.unpack_dual(step(*given)).tangent * dh).sum()
            out.append(g)
        return answer(*out)
        """
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def torch_as_it_was():
    """Some answers put something else in place of a function of torch."""
    kept = torch.sin, torch.is_grad_enabled()
    yield
    torch.sin = kept[0]
    torch.set_grad_enabled(kept[1])
    torch.set_default_device(None)
    torch.autograd.set_detect_anomaly(False)


@pytest.mark.parametrize("cell", [*REVERSE.values(), *FORWARD.values()], ids=[*REVERSE, *FORWARD])
def test_automatic_differentiation_is_seen_however_it_is_written(cell):
    """Reverse and forward mode are seen when they run, whatever they are called; the numbers would be right."""
    got = verdict(cell)
    assert (got.status, got.finding.sign) == ("forbidden", "autograd"), got


@pytest.mark.parametrize("cell", [*REVERSE.values(), *FORWARD.values()], ids=[*REVERSE, *FORWARD])
def test_the_disguises_would_pass_if_nobody_looked(cell, monkeypatch):
    """Twin: with nothing seen and no text, each of the answers above is right."""
    blind = observer()._replace(watch=lambda call, what: (call(), SAW_NOTHING))
    names = {}
    for source in (GIVEN, cell):
        execute(source.strip(), names, "cell 1")
    check = replace(load(STEP), exact=None, forbid=("autograd",))
    assert run.judge_alone(check, Beside(names, run.lend, observer=blind), Draw(5)).status == "right"


SAW_NOTHING = {"canary": True, "runs": 0, "nodes": 0, "away": [], "outside": []}

NUMERIC = """
out = []
args = [a.double() for a in args]
for i, a in enumerate(args):
    g = torch.zeros_like(a)
    for j in range(a.numel()):
        v = torch.zeros_like(a)
        v.view(-1)[j] = 1
        def at(e):
            return (step(*(b + e * v if k == i else b for k, b in enumerate(args))) * dh).sum()
        g.view(-1)[j] = {}
    out.append(g.to(dh.dtype))
return answer(*out)
"""
CENTRAL = by(NUMERIC.format("(at(6e-6) - at(-6e-6)) / 12e-6"))
ONE_SIDED = by(NUMERIC.format("(at(1e-8) - at(0)) / 1e-8"))
COMPLEX = NUMERIC.replace("e * v if k == i else b", "(e * v if k == i else 0j)")
IMAG = by(COMPLEX.format("at(1e-20j).imag / 1e-20"))
RICHARDSON = by(NUMERIC.format("(8 * (at(1e-3) - at(-1e-3)) - at(2e-3) + at(-2e-3)) / 12e-3"))
FLOAT32 = HONEST.replace("(1 - h * h)", "(1 - h.float() ** 2)")
DIGITS = {
    "central differences": (CENTRAL, "forbidden", "differences"),
    "one-sided differences": (ONE_SIDED, "wrong", "inexact"),
    "a complex step": (IMAG, "forbidden", "differences"),
    "float32 on the way": (FLOAT32, "wrong", "inexact"),
}  # fmt: skip


@pytest.mark.parametrize("cell, status, sign", DIGITS.values(), ids=DIGITS)
def test_differences_are_told_by_their_digits(cell, status, sign):
    """Differences of two values never have all digits; float32 on the way is said to be possible, and not called forbidden."""
    got = verdict(cell)
    assert (got.status, got.finding and got.finding.sign) == (status, sign), got


@pytest.mark.parametrize("step", ["1e-20j", "complex(0, 1e-20)", "cmath.rect(1e-20, cmath.pi / 2)"])
def test_a_complex_step_outside_pytorch_is_for_a_person(step):
    """It has all digits, and runs where no operator is turned away; the text tells it."""
    answer = by("import cmath\n" + COMPLEX.format(f"at({step}).item().imag / 1e-20"))
    got = verdict(answer)
    assert got.status == "look", got


def test_single_precision_is_said_on_its_own():
    """Numbers that are all of float32 are called that; it is no means that is ruled out."""
    rounded = HONEST.replace("return dz", "own = {k: v.float().to(dh.dtype) for k, v in own.items()}\n    return dz")
    got = verdict(rounded)
    assert (got.status, got.finding.sign) == ("wrong", "single-precision")


def test_the_helper_that_is_named_is_where_the_digits_were_lost():
    """Where the text names `finite_difference`, the message says so, whatever the error."""
    helper = "def finite_difference(at, e):\n    return (at(e) - at(0)) / e\n"
    got = verdict(helper, by(NUMERIC.format("finite_difference(at, 1e-8)")))
    assert (got.status, got.finding.sign) == ("forbidden", "differences")
    assert "`finite_difference`" in got.finding.summary and "finite_difference(at" in got.finding.where


RULED = [(stem, check) for stem in ("shared_gradients", "gradient_flow") for check in ruled_out(stem)]


@pytest.mark.parametrize("stem, check", RULED, ids=[check for _, check in RULED])
def test_honest_answers_have_all_their_digits(stem, check):
    """Every right answer that is written here is ten times as exact as it has to be."""
    given, found = material_of(stem), []
    for source in [sample.source for sample in given.right if sample.of == check] + [None]:
        names = {"__name__": "__main__"}
        for cell in given.solution.sources(check, source):
            execute(cell, names, "cell")
        student = Student(Beside(names, run.lend))
        for seed in range(3):
            found.append(worst(*load(check).exact(student, Draw(seed)))[0])
    assert max(found) < EXACT / 10


HABITS = {
    "from math import *": "from math import *",
    "from torch import *": "from torch import *",
    "print(locals())": "print(len(locals()))",
    "vars()": "print(len(vars()))",
    "globals written to": "globals()['seen'] = 1",
    "importlib.reload": "import importlib, textwrap\nimportlib.reload(textwrap)",
    "sys.modules": "import sys\nprint('torch' in sys.modules)",
    "__import__": "np = __import__('numpy')",
    "exec elsewhere": "exec('z = 1')",
    "autograd elsewhere": "y = torch.ones(2, requires_grad=True)\ny.sum().backward()",
    "set_grad_enabled(False)": "torch.set_grad_enabled(False)",
    "a value's gradient is set": "value = torch.ones(2)\nvalue.grad = torch.ones(2)",
    "a default device": "torch.set_default_device('cpu')",
    "anomalies are looked for": "torch.autograd.set_detect_anomaly(True)",
    "a frame": "import sys\nsys._getframe(0)",
    "collecting garbage": "import gc\ngc.collect()",
    "a function of torch is wrapped": "real = torch.tanh\ntorch.tanh = lambda *a: real(*a)",
    "a subprocess elsewhere": "import subprocess\nsubprocess.run(['true'])",
    "the name of an exercise in a string": "print('torch.autograd.grad')",
}  # fmt: skip
WITHIN = {
    "requires_grad_(False)": "params = {k: v.detach().requires_grad_(False) for k, v in params.items()}",
    "requires_grad_()": "x_t = x_t.clone().requires_grad_()\n    h = h.clone().requires_grad_()",
    "a Parameter": "params = {k: torch.nn.Parameter(v) for k, v in params.items()}",
    "no_grad": "torch.set_grad_enabled(False)",
    "asking whether": "assert not x_t.requires_grad and x_t.grad_fn is None or True",
    "printing": "print(sorted(locals()), vars().keys())",
    "vmap": "torch.func.vmap(torch.outer)(h, h)",
    "a dead branch": "if False:\n        torch.autograd.grad(h, h)",
    "a pooled buffer": "buffer = torch.empty_like(h)\n    torch.mul(h, h, out=buffer)",
    "einsum": "torch.einsum('bh,bk->hk', dh, h_prev)",
    "a print of the time": "import time\n    time.perf_counter()",
}


@pytest.mark.parametrize("cell", HABITS.values(), ids=HABITS)
def test_what_another_cell_does_is_nobodys_business(cell):
    """Habits of notebooks, before and after the answer, cost nothing and call for nobody."""
    assert verdict(cell, HONEST).status == "right"
    assert verdict(HONEST, cell).status == "right"


@pytest.mark.parametrize("line", WITHIN.values(), ids=WITHIN)
def test_what_an_honest_answer_contains_is_no_means(line):
    """A word or a habit within the answer is not a use."""
    got = verdict(HONEST.replace("    dz = ", f"    {line}\n    dz = "))
    assert got.status == "right", got


WALK = """
def walked(node, g, leaves, got):
    if hasattr(node, "variable"):
        got[id(node.variable)] = got.get(id(node.variable), 0) + g.sum_to_size(node.variable.shape)
        return
    for (other, _), one in zip(node.next_functions, [*[node(g)]] if isinstance(node(g), torch.Tensor) else node(g)):
        if other is not None and one is not None:
            walked(other, one, leaves, got)
"""
BY_WALK = (
    GRAD
    + "got = {}\nwalked(step(*leaves).grad_fn, dh, leaves, got)\nreturn answer(*(got[id(leaf)] for leaf in leaves))"
)
WALKED = {
    "as the call begins": (by(BY_WALK, WALK), "error"),
    "with autograd turned on": (by("with torch.enable_grad():\n" + textwrap.indent(BY_WALK, "    "), WALK), "look"),
}


@pytest.mark.parametrize("cell, status", WALKED.values(), ids=WALKED)
def test_a_graph_walked_by_hand_earns_nothing(cell, status):
    """One case begins without a graph: there is none to walk, and one that is recorded all the same is for a person."""
    assert verdict(cell).status == status


HIDING = {
    "eval": "h = eval('h')",
    "exec under another name": "run = exec\n    run('1')",
    "a computed getattr": "getattr(torch, 'ta' + 'nh')",
    "loaded modules": "import sys\n    sys.modules",
    "its own frame": "import sys\n    sys._getframe().f_back",
    "a closure": "HELPER.__closure__",
    "compiled before": "torch.compile",
}


@pytest.mark.parametrize("line", HIDING.values(), ids=HIDING)
def test_a_right_answer_that_hides_is_for_a_person(line):
    """What might do its work before the call, or to the observers, within reach of a right answer: a person looks."""
    cell = HONEST.replace("    dz = ", f"    {line}\n    dz = ")
    assert verdict("def HELPER(): pass", cell).status == "look"
    wrong = cell.replace("h * h", "h")
    assert verdict("def HELPER(): pass", wrong).status == "wrong"  # there is nothing to gain


def test_an_answer_that_no_cell_defines_is_for_a_person():
    """A name that text was run for, or a table of names was written to, is right or wrong; what it does, nobody can read."""
    assert verdict(f"exec({HONEST.strip()!r})").status == "look"
    assert verdict(f"made = {{}}\nexec({HONEST.strip()!r}, globals())\nother = rnn_step_backward").status == "look"


def test_another_process_is_for_a_person():
    """A process that is started in the call may do anything."""
    started = HONEST.replace("    dz = ", "    import os\n    os.system('true')\n    dz = ")
    got = verdict(started)
    assert got.status == "look" and "process" in got.finding.summary


CHEAT = REVERSE["in full"]


def test_replacing_functions_changes_nothing_that_is_seen():
    """The observers hold what they use: a cell that replaces functions of torch, or ours, is seen all the same."""
    patch = """
    import autograder.beside.observers as o
    kept = o.observer, o._ticking, o._turning_away, torch._C._current_graph_task_id, torch.autograd._get_sequence_nr
    o.observer = o._ticking = o._turning_away = lambda *a: None
    torch._C._current_graph_task_id = torch.autograd._get_sequence_nr = lambda: 7
    """
    back = "o.observer, o._ticking, o._turning_away, torch._C._current_graph_task_id, torch.autograd._get_sequence_nr = kept"
    sources = [GIVEN, textwrap.dedent(patch), CHEAT]
    names, watch = {}, observer()
    try:
        for source in sources:
            execute(source, names, "cell")
        got = run.run_check(load(STEP), Beside(names, run.lend, observer=watch), Draw(5), sources)
    finally:
        execute(back, names, "cell")
    assert got.status == "forbidden"


def cells_of(function, found=None):
    """Every cell of the closures that a function can reach, by name."""
    found = {} if found is None else found
    for name, one in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        if name not in found:
            found[name] = one
            if hasattr(one.cell_contents, "__code__"):
                cells_of(one.cell_contents, found)
    return found


@pytest.mark.parametrize("name, value", [("tick", lambda: 7), ("tick", lambda: -1), ("hold", lambda: None)])
def test_observers_that_were_changed_earn_no_points(name, value):
    """Where the canary is not seen, a person looks, at honest answers too."""
    watched = observer()
    cells_of(watched.watch)[name].cell_contents = value
    assert verdict(HONEST, observed=watched).status == "look"
    assert verdict(CHEAT, observed=watched).status in ("error", "forbidden")


@pytest.mark.parametrize(
    "said", [{}, {"seen": None}, {"seen": {"canary": True}}, {"seen": {**SAW_NOTHING, "runs": "0"}}]
)
def test_a_reply_that_says_nothing_of_the_right_form_earns_no_points(said):
    """Whoever answers in our place, and leaves out what was seen, is looked at by a person."""

    class Silent(Beside):
        def ask(self, request):
            reply = super().ask(request)
            reply.pop("seen", None)
            return {**reply, **said}

    names = {}
    for source in (GIVEN, HONEST):
        execute(source.strip(), names, "cell")
    assert run.run_check(load(STEP), Silent(names, run.lend), Draw(5), [GIVEN, HONEST]).status == "look"


def test_differences_that_are_extrapolated_are_not_seen():
    """A formula of higher order has all digits: it passes, and docs/security.md says so."""
    assert verdict(RICHARDSON).status == "right"


def test_a_derivative_made_before_the_call_is_not_seen():
    """Known by its name, it is for a person; under a name that the text does not tell, it passes, and docs/security.md says so."""
    make = """
    def slope(a):
        return torch.tanh(a).sum()
    from torch.fx.experimental.proxy_tensor import make_fx
    def made(a, known={}):
        return known[a.dtype](a)
    """
    traced = "{t: make_fx(torch.func.grad(slope), tracing_mode='symbolic')(torch.zeros(3, 4, dtype=t)) for t in (torch.float32, torch.float64)}"
    answer = HONEST.replace("(1 - h * h)", "made(torch.atanh(h), graphs)")
    make = make.replace("known={}", "known")
    assert verdict(make, f"graphs = {traced}", answer).status == "look"
    assert verdict(make, f"for graphs in [{traced}]:\n    pass", answer).status == "right"


LONG = """
import numpy as np
up, long = np.array(dh.tolist()), [np.array(a.tolist(), dtype=np.longdouble) for a in args]
out = []
for i, a in enumerate(long):
    g = np.zeros_like(a)
    for j in np.ndindex(*a.shape):
        def at(e):
            x, h, wi, wh, b = [one.copy() if k == i else one for k, one in enumerate(long)]
            (x, h, wi, wh, b)[i][j] += e
            return (np.tanh(x @ wi.T + h @ wh.T + b) * up).sum()
        e = np.longdouble(1e-6)
        g[j] = (8 * (at(e) - at(-e)) - at(2 * e) + at(-2 * e)) / (12 * e)
    out.append(torch.tensor(g.astype(np.float64).tolist(), dtype=dh.dtype, device=dh.device))
return answer(*out)
"""


def test_differences_of_longer_numbers_are_not_seen():
    """Numpy's long numbers have digits to lose, where the machine has them: it passes, and docs/security.md says so."""
    assert verdict(by(LONG)).status == ("right" if numpy.finfo(numpy.longdouble).eps < 1e-18 else "forbidden")


def test_a_process_of_an_earlier_cell_is_not_seen():
    """Known by its name, it is for a person; under a name that the text does not tell, it passes, and docs/security.md says so."""
    program = """
    import json, sys, torch
    for line in sys.stdin:
        dh, *args = [torch.tensor(one, dtype=torch.float64, requires_grad=True) for one in json.loads(line)]
        x, h, wi, wh, b = args
        grads = torch.autograd.grad(torch.tanh(x @ wi.T + h @ wh.T + b), args, dh)
        print(json.dumps([g.tolist() for g in grads]), flush=True)
    """
    start = f"""
    import json, subprocess, sys
    def helper_of(text):
        return subprocess.Popen([sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    program = {textwrap.dedent(program)!r}
    """
    answer = by(
        """
        print(json.dumps([one.tolist() for one in (dh, *args)]), file=helper.stdin, flush=True)
        return answer(*(torch.tensor(one, dtype=dh.dtype, device=dh.device) for one in json.loads(helper.stdout.readline())))
        """
    )
    assert verdict(start, "helper = helper_of(program)", answer).status == "look"
    assert verdict(start, "for helper in [helper_of(program)]:\n    pass", answer).status == "right"


def test_observers_that_are_forged_are_not_seen():
    """Whoever rewrites our own Python to say that nothing ran passes: a process can lie about itself."""
    forged = observer()._replace(watch=lambda call, what: (call(), SAW_NOTHING))
    cell = "def helper(*args):\n    pass\n" + CHEAT.replace(
        "    args =", "    torch.set_grad_enabled(True)\n    args ="
    )
    assert verdict(cell, observed=forged).status == "right"


# ------------------------------------------------------------------------------------------ what others run

LAST = "shared-gradients-bptt-last"
FORWARD_PASS = """
def forward(x, h0, params):
    states = [h0]
    for t in range(x.shape[1]):
        states.append(step(*parts(x[:, t], states[-1], params)))
    return states
"""
SWEEP = """
def bptt_last(x, h0, params, dh_T):
    states, dh, dxs = forward(x, h0, params), dh_T, []
    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    for t in range(x.shape[1], 0, -1):
        dx, dh, own = rnn_step_backward(dh, x[:, t - 1], states[t - 1], states[t], params)
        dxs.insert(0, dx)
        for name in own:
            grads[name] += own[name]
    return {**grads, "x": torch.stack(dxs, 1), "h0": dh}
"""


def test_a_helper_with_a_check_of_its_own_is_judged_there():
    """An exercise that calls one which breaks the rule is judged with a right one; what that runs is not counted."""
    got = verdict(FORWARD_PASS, CHEAT, SWEEP, id=LAST)
    assert got.status == "right" and "in its place" in got.notes[-1], got
    assert verdict(FORWARD_PASS, CHEAT, SWEEP).status == "forbidden"  # rnn_step_backward itself


def test_a_helper_is_no_excuse():
    """An exercise that breaks the rule itself breaks it with a right helper, too."""
    own = SWEEP.replace("    return", "    torch.ones(1, requires_grad=True).sum().backward()\n    return")
    for helper in (CHEAT, HONEST, HONEST.replace("1 - h * h", "1 - h")):
        assert verdict(FORWARD_PASS, helper, own, id=LAST).status == "forbidden"


def test_a_helper_may_use_what_its_own_exercise_allows():
    """A needed exercise that allows autograd may use it where another one that rules it out calls it."""
    jacobian = """
    def step_jacobian(h, params):
        def one(a):
            return torch.func.jacrev(lambda p: torch.tanh(torch.atanh(a) + params["weight_hh"] @ p))(torch.zeros_like(a))
        return torch.stack([one(a) for a in h])
    """
    answer = """
    def loss_and_gradients(x, target, params):
        states = [x.new_zeros(len(x), len(params["bias"]))]
        for t in range(x.shape[1]):
            states.append(step(*parts(x[:, t], states[-1], params)))
        error = (states[-1] @ params["weight_out"].T + params["bias_out"])[:, 0] - target
        dout = (2 * error / len(x))[:, None]
        grads = {name: torch.zeros_like(value) for name, value in params.items()}
        grads["weight_out"], grads["bias_out"] = dout.T @ states[-1], dout.sum(0)
        dh = dout @ params["weight_out"]
        for t in range(x.shape[1], 0, -1):
            da = dh * (1 - states[t] ** 2)
            grads["weight_ih"] += da.T @ x[:, t - 1]
            grads["weight_hh"] += da.T @ states[t - 1]
            grads["bias"] += da.sum(0)
            dh = (dh[:, None] @ step_jacobian(states[t], params))[:, 0]
        return (error**2).mean(), grads
    """
    assert verdict(jacobian, id="gradient-flow-step-jacobian").status == "right"
    got = verdict(jacobian, answer, id="gradient-flow-bug")
    assert got.status == "right" and "in its place" in got.notes[-1], got


# ------------------------------------------------------------------------------------------------- the text


def test_the_message_says_where():
    """A learner reads which name breaks the rule, how it is reached, in which line, and what to do instead."""
    helper = "def helper(y, x, dh):\n    return torch.autograd.grad(y, x, dh)"
    finding = verdict(helper, by(GRAD + "return answer(*helper(step(*leaves), leaves, dh))")).finding
    assert "`torch.autograd.grad`, by way of `helper`" in finding.summary
    assert finding.where == "line 2 of the cell: return torch.autograd.grad(y, x, dh)"
    assert "Write the derivative yourself" in finding.clues[0]


def test_a_message_without_a_place_says_what_ran():
    """What the text does not name is said as it was seen."""
    assert "a backward pass ran during the call" in verdict(REVERSE["another module"]).finding.summary


def test_a_wrong_answer_that_names_a_means_is_told_so():
    """An attempt with autograd that fails is an error, with a word about the rule first."""
    got = verdict(by("return answer(*torch.autograd.grad(step(*args), args, dh))"))
    assert got.status == "error" and "this exercise rules out" in got.finding.clues[0]


def test_the_time_of_a_check_does_not_grow_with_the_history(monkeypatch):
    """A cell that was run 150 times, or in 150 versions, is read no longer than one that was run once."""
    from autograder.checking.means import reach

    seen = []
    visit = reach._Reach.visit
    monkeypatch.setattr(
        reach._Reach, "visit", lambda self, *args, **kwargs: seen.append(1) or visit(self, *args, **kwargs)
    )
    counts = []
    versions = [HONEST.strip() + f"\n# version {n}" for n in range(150)]
    for cells in ([HONEST], [HONEST] * 150, versions):
        seen.clear()
        assert rules.unclear([], rules.Text([GIVEN, *cells], "rnn_step_backward")) is None
        counts.append(len(seen))
    assert counts[0] == counts[1] == counts[2] > 10


def test_text_without_end_is_not_read():
    """Cells that are too long, and those that ran before too many others, are left out: an answer among them is for a person."""
    from autograder.checking.means import reach

    assert verdict("if False:\n    x = [" + "a," * reach.LONGEST + "]", HONEST).status == "right"
    assert verdict(HONEST + "\n#" + "x" * reach.LONGEST).status == "look"
    cells = [f"# {n} " + "x" * (reach.LONGEST - 10) for n in range(reach.READ // reach.LONGEST + 1)]
    assert not reach.defined([HONEST, *cells], "rnn_step_backward")
    assert reach.defined([*cells, HONEST], "rnn_step_backward")


def test_an_exercise_that_rules_out_derivatives_has_a_case_to_tell_them_by():
    """The author of such a check is told what is missing."""
    from autograder.checking.spec import check

    with pytest.raises(CheckError, match="needs `exact`"):
        check("checking-nothing", "f", forbid=("autograd",))(test_the_honest_answer_is_right)
