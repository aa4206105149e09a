"""Are forbidden means found through aliases and helpers, without a false alarm where only the word occurs?"""

import pytest

from autograder.checking.means.rules import RULES, inspect
from autograder.checking.spec import CheckError


def found(*cells: str, name: str = "f", forbid: tuple[str, ...] = ("autograd",), judged: tuple[str, ...] = ()):
    """(status, sign) of an inspection, or None."""
    inspection = inspect(cells, name, forbid, judged)
    return inspection and (inspection.status, inspection.finding.sign)


TORCH = "import torch"
FORBIDDEN = ("forbidden", "autograd")

USES = {
    "in full": ["def f(y, x):\n    return torch.autograd.grad(y, x)"],
    "module under another name": ["import torch.autograd as ag", "def f(y, x):\n    return ag.grad(y, x)"],
    "function under another name": ["g = torch.autograd.grad", "def f(y, x):\n    return g(y, x)"],
    "an alias of an alias": ["t = torch\na = t.autograd\ng = a.grad", "def f(y, x):\n    return g(y, x)"],
    "imported from": ["from torch.func import vjp", "def f(y, x):\n    return vjp(y, x)"],
    "imported under another name": ["from torch.func import vjp as v", "def f(y, x):\n    return v(y, x)"],
    "a star import": ["from torch.func import *", "def f(y, x):\n    return jacrev(y)(x)"],
    "imported inside": ["def f(y, x):\n    from torch.autograd import grad as g\n    return g(y, x)"],
    "a local alias": ["def f(y, x):\n    a = torch\n    return a.autograd.grad(y, x)"],
    "a method": ["def f(y, x):\n    y.sum().backward()\n    return x.grad"],
    "a leaf": ["def f(x):\n    w = x.clone().requires_grad_()\n    return w"],
    "a leaf by assignment": ["def f(x):\n    x.requires_grad = True\n    return x"],
    "a leaf by keyword": ["def f(x):\n    return torch.zeros(3, requires_grad=True)"],
    "a parameter": ["def f(x):\n    return torch.nn.Parameter(x)"],
    "a helper": ["def h(y, x):\n    return torch.autograd.grad(y, x)", "def f(y, x):\n    return h(y, x)"],
    "a helper of a helper, defined later": [
        "def f(y):\n    return h(y)",
        "def h(y):\n    return k(y)",
        "def k(y):\n    y.backward()",
    ],
    "a nested function": ["def f(y):\n    def inner():\n        y.backward()\n    return inner()"],
    "a lambda": ["f = lambda y, x: torch.autograd.grad(y, x)"],
    "a method of a class": ["class C:\n    def __call__(self, y):\n        y.backward()\nf = C()"],
    "a method of a base class": [
        "class A:\n    def go(self, y):\n        torch.autograd.grad(y, y)",
        "class B(A):\n    pass",
        "def f(y):\n    return B().go(y)",
    ],
    "a table": ["tools = {'g': torch.autograd.grad}", "def f(y, x):\n    return tools['g'](y, x)"],
    "a table filled later": [
        "tools = {}\ntools['g'] = torch.autograd.grad",
        "def f(y, x):\n    return tools['g'](y, x)",
    ],
    "a default": ["def f(y, x, g=torch.autograd.grad):\n    return g(y, x)"],
    "a decorator": ["def f(x):\n    return x", "f = torch.func.jacrev(f)"],
    "partial": ["from functools import partial\ng = partial(torch.autograd.grad)", "def f(y):\n    return g(y)"],
    "getattr with a plain name": ["def f(y, x):\n    return getattr(torch, 'autograd').grad(y, x)"],
    "getattr of a method": ["def f(y, x):\n    return getattr(y, 'backward')()"],
    "the class of tensors": ["def f(y):\n    torch.Tensor.backward(y)"],
    "set on another class": ["torch.Tensor.go = torch.autograd.grad", "def f(y, x):\n    return y.go(x)"],
    "an autograd Function": ["class S(torch.autograd.Function):\n    pass", "def f(x):\n    return S.apply(x)"],
    "the earlier definition, kept": [
        "def f(y):\n    return torch.autograd.grad(y, y)",
        "old = f",
        "def f(y):\n    return old(y)",
    ],
    "one branch of two": [
        "if torch.pi > 3:\n    def f(y):\n        y.backward()\nelse:\n    def f(y):\n        return y"
    ],
    "behind a magic": ["%matplotlib inline\ndef f(y):\n    y.backward()"],
    "under a cell magic": ["%%time\ndef f(y):\n    y.backward()"],
}


@pytest.mark.parametrize("cells", USES.values(), ids=USES)
def test_autograd_is_found(cells):
    """Autograd within reach of the exercise's function is found, whatever it is called."""
    assert found(TORCH, *cells) == FORBIDDEN


CLEAN = {
    "a comment": ["def f(x):\n    # torch.autograd.grad would do it\n    return x"],
    "a string": ['def f(x):\n    """like loss.backward()"""\n    return "requires_grad_"'],
    "another function": ["def other(y):\n    y.backward()", "def f(x):\n    return x"],
    "an earlier definition": ["def f(y):\n    y.backward()", "def f(y):\n    return y"],
    "an import alone": ["import torch.autograd as ag\nfrom torch.func import vjp", "def f(x):\n    return x"],
    "a parameter of the same name": ["from torch.autograd import grad", "def f(grad):\n    return grad * 2"],
    "a local of the same name": ["from torch.autograd import grad", "def f(x):\n    grad = {}\n    return grad"],
    "a loop variable of the same name": ["from torch.func import vjp", "def f(x):\n    return [vjp for vjp in x]"],
    "no_grad": ["@torch.no_grad()\ndef f(x):\n    with torch.autograd.no_grad():\n        return x"],
    "a key": ["def f(x):\n    return {'grad': x, 'backward': x}"],
    "requires_grad=False": ["def f(x):\n    return torch.zeros(3, requires_grad=False)"],
    "asking whether": ["def f(x):\n    assert not x.requires_grad\n    return x.detach()"],
    "vmap": ["def f(x):\n    return torch.func.vmap(torch.outer)(x, x)"],
    "a class with a backward of its own": [
        "class Step:\n    def backward(self, dh):\n        return dh * 2",
        "def f(x):\n    return Step().backward(x)",
    ],
    "an attribute called grad": [
        "class Step:\n    def __init__(self, x):\n        self.grad = x",
        "def f(x):\n    return Step(x).grad",
    ],
    "an annotation": ["def f(x: torch.autograd.Variable) -> torch.autograd.Variable:\n    y: torch.nn.Parameter = x\n    return y"],
    "a broken cell": ["def f(:", "def f(x):\n    return x"],
    "the name of an experiment": ["y = torch.ones(2, requires_grad=True)\ny.sum().backward()", "def f(x):\n    return x"],
}  # fmt: skip


@pytest.mark.parametrize("cells", CLEAN.values(), ids=CLEAN)
def test_no_false_alarm(cells):
    """The word alone, or a use elsewhere, does not break the rule."""
    assert found(TORCH, *cells) is None


UNCLEAR = {
    "exec": ["def f(x):\n    exec('y = x')\n    return x"],
    "exec under another name": ["run = exec", "def f(x):\n    run('y = x')"],
    "eval in a helper": ["def h(s):\n    return eval(s)", "def f(x):\n    return h('x')"],
    "a computed getattr": ["def f(x):\n    return getattr(torch, 'auto' + 'grad')"],
    "__import__": ["def f(x):\n    return __import__('torch')"],
    "importlib": ["import importlib", "def f(x):\n    return importlib.import_module('torch')"],
    "a dictionary of names": ["def f(x):\n    return torch.__dict__['autograd']"],
    "globals": ["def f(x):\n    return globals()['h'](x)"],
    "a module of one's own": ["from mine import solve", "def f(x):\n    return solve(x)"],
    "imported under the exercise's name": ["from mine import f"],
    "defined by exec": ["exec('def f(x): return x')"],
    "replaced by exec": ["def f(x):\n    return x", "exec('def f(x): return 2 * x')"],
    "replaced by way of globals": ["def f(x):\n    return x", "globals()['f'] = abs"],
    "the grader's own answers": ["from autograder.mistakes import shared_gradients as s", "def f(x):\n    return s.bptt(x)"],
}  # fmt: skip


@pytest.mark.parametrize("cells", UNCLEAR.values(), ids=UNCLEAR)
def test_what_cannot_be_read_is_for_a_person(cells):
    """Code that hides what it does is neither right nor wrong: a person should look."""
    assert found(TORCH, *cells) == ("look", "look")


TAMPERING = {
    "the text of later cells is changed": ["get_ipython().input_transformers_cleanup.append(lambda lines: lines)"],
    "the syntax of later cells is changed": ["shell = get_ipython()\nshell.ast_transformers.append(None)"],
    "a cell is run by the shell": ["get_ipython().run_cell(bytes([100]).decode())"],
    "a name is set in the shell": ["get_ipython().user_ns['f'] = torch.autograd.grad"],
    "another file is run": ["%run helper.py"],
    "an unknown cell magic": ["%%mine\nx"],
    "a module of one's own is imported": ["import mine"],
    "the frame": ["import sys\nsys._getframe(0).f_globals['f'] = torch.autograd.grad"],
    "the main module": ["import __main__\n__main__.f = torch.autograd.grad"],
    "the loaded modules": ["import sys\nsys.modules['__main__'].f = torch.autograd.grad"],
    "a function of torch": ["torch.tanh = 3"],
    "torch handed on": ["def go(m):\n    m.tanh = 3\ngo(torch)"],
    "an operator of tensors": ["torch.Tensor.__mul__ = lambda a, b: torch.autograd.grad(a, a)"],
    "the code of the function": ["def g(x):\n    return torch.autograd.grad(x, x)\nf.__code__ = g.__code__"],
    "its defaults": ["f.__defaults__ = (torch.autograd.grad,)"],
    "setattr on a module": ["setattr(torch, 'tanh', 3)"],
    "setattr with a computed name": ["setattr(f, '__co' + 'de__', 3)"],
    "the table of names under another name": ["table = globals\ntable()['f'] = 3"],
    "the table of a module": ["vars(torch)['tanh'] = 3"],
    "text that does such a thing": ["exec('import __main__ as m')"],
    "computed text": ["exec(bytes([100]).decode())"],
}


@pytest.mark.parametrize("cell", [cell for (cell,) in TAMPERING.values()], ids=TAMPERING)
def test_a_cell_that_could_replace_anything_is_for_a_person(cell):
    """A cell that changes functions, cells or names behind the reader's back is neither right nor wrong: a person should look."""
    clean = (TORCH, "def f(x):\n    return torch.tanh(x) * x")
    assert found(*clean) is None
    assert found(*clean, cell) == ("look", "look")


HARMLESS = {
    "magics": ["%matplotlib inline", "%timeit f(1)", "!ls", "%%time\nx = 1", "%%bash\nls", "%load_ext autoreload"],
    "settings": ["torch.backends.cudnn.deterministic = True", "import matplotlib\nmatplotlib.rcParams.update({})"],
    "a module of the learner's": ["class M(torch.nn.Module):\n    def __init__(self):\n        self.softmax = self.__h = 3"],
    "parameters": ["def g(p):\n    p.grad = None\n    p.data = p.data * 2\n    p.requires_grad = True"],
    "a counter on a function": ["def g(p):\n    return 1\ng.calls = 0"],
    "setattr with a plain name": ["class M:\n    def go(self):\n        setattr(self, 'a', 3)"],
    "asking for a name": ["if 'x' in globals():\n    y = globals().get('x')", "print(vars(f))"],
    "collecting garbage": ["import gc\ngc.collect()"],
    "reading one's own code": ["import inspect\nprint(inspect.getsource(f))"],
    "an optimizer": ["opt = torch.optim.SGD([torch.zeros(1)], lr=1)\nopt.param_groups[0]['lr'] = 3"],
    "asking for the shell": ["if get_ipython() is not None:\n    pass"],
    "an installed package": ["from tqdm.auto import tqdm"],
}  # fmt: skip


@pytest.mark.parametrize("cells", HARMLESS.values(), ids=HARMLESS)
def test_what_notebooks_do_is_no_tampering(cells):
    """Magics, settings, counters and the like do not call for a person."""
    assert found(TORCH, "def f(x):\n    return x", *cells) is None


@pytest.mark.parametrize("cell", ["x = 0" + "+0" * 20_000, "x = a" + ".b" * 5000])
def test_a_cell_that_cannot_be_read_is_for_a_person(cell):
    """Expressions nested deeper than Python can parse end in a look, not in an error of ours."""
    assert found(TORCH, "def f(x):\n    return x", cell) == ("look", "look")


def test_computed_code_elsewhere_is_no_matter():
    """An exec of plain text that has nothing to do with the exercise does not call for a person."""
    assert found(TORCH, "exec('z = 1')", "def f(x):\n    return x") is None


def test_a_helper_with_a_check_of_its_own_is_not_entered():
    """A breach in an exercise that has its own check counts there, once."""
    cells = (TORCH, "def step(y):\n    y.backward()", "def f(y):\n    return step(y)")
    assert found(*cells, judged=("step",)) is None
    assert found(*cells) == FORBIDDEN


def test_the_message_says_where_and_what_is_asked_instead():
    """A learner reads which name breaks the rule, how it is reached, in which line, and what to do instead."""
    cells = (TORCH, "def h(y, x):\n    return torch.autograd.grad(y, x)", "def f(y, x):\n    return h(y, x)")
    finding = inspect(cells, "f", ("autograd",)).finding
    assert "`torch.autograd.grad`, by way of `h`" in finding.summary
    assert finding.where == "line 2 of the cell: return torch.autograd.grad(y, x)"
    assert "Write the derivative yourself" in finding.clues[0]


OTHERS = {
    "cells": ["def f(x):\n    return torch.nn.LSTM(3, 4)(x)", "def f(x):\n    return torch._VF.lstm(x)",
              "from torch import nn\ndef f(x):\n    return nn.GRUCell(3, 4)(x)", "def f(x):\n    return torch.lstm_cell(x)",
              "from torch.nn import *\ndef f(x):\n    return RNN(3, 4)(x)"],
    "clip": ["from torch.nn.utils import clip_grad_norm_\ndef f(p):\n    clip_grad_norm_(p, 1)",
             "def f(p):\n    torch.nn.utils.clip_grad_value_(p, 1)"],
    "attention": ["import torch.nn.functional as F\ndef f(q):\n    return F.scaled_dot_product_attention(q, q, q)"],
    "checkpoint": ["from torch.utils.checkpoint import checkpoint\ndef f(g, x):\n    return checkpoint(g, x)"],
    "differences": ["def finite_difference(g, t, e):\n    return t\ndef f(x):\n    return finite_difference(abs, x, 1)"],
}  # fmt: skip


@pytest.mark.parametrize("rule,cell", [(rule, cell) for rule, cells in OTHERS.items() for cell in cells])
def test_each_rule_finds_what_it_names(rule, cell):
    """Every rule finds its own means, and no other rule claims them."""
    others = tuple(key for key in RULES if key != rule)
    assert found(TORCH, cell, forbid=(rule,)) == ("forbidden", rule)
    assert found(TORCH, cell, forbid=others) is None


def test_an_unknown_rule_is_an_authors_error():
    """A check that forbids something unknown is told which rules there are."""
    with pytest.raises(CheckError, match="no rule 'magic'; there are autograd"):
        inspect((), "f", ("magic",))


def test_nothing_is_said_of_a_name_that_no_cell_defines():
    """A missing answer is not a breach: the check itself says that it is missing."""
    assert found(TORCH, "def g(x):\n    return x") is None
