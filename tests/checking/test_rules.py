"""Does the text say where a means is named, through aliases and helpers, and what hides?"""

import pytest

from autograder.checking.means.rules import RULES, Text, forbidden, named, unclear, watch
from autograder.checking.spec import CheckError


def place(*cells: str, rule: str = "autograd", judged: tuple[str, ...] = ()):
    """What the text names of a rule's means within reach of `f`, and where; None if nothing."""
    return named(rule, Text(cells, "f", judged))


def hides(*cells: str) -> bool:
    """Whether the text of a right answer `f` is for a person."""
    return unclear([], Text(cells, "f")) is not None


TORCH = "import torch"

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
    assert place(TORCH, *cells)


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
    """The word alone, or a use elsewhere, is no place."""
    assert place(TORCH, *cells) is None


HIDES = {
    "exec": ["def f(x):\n    exec('y = x')\n    return x"],
    "exec under another name": ["run = exec", "def f(x):\n    run('y = x')"],
    "eval in a helper": ["def h(s):\n    return eval(s)", "def f(x):\n    return h('x')"],
    "a computed getattr": ["def f(x):\n    return getattr(torch, 'auto' + 'grad')"],
    "__import__": ["def f(x):\n    return __import__('torch')"],
    "importlib": ["import importlib", "def f(x):\n    return importlib.import_module('torch')"],
    "a module of one's own": ["from mine import solve", "def f(x):\n    return solve(x)"],
    "imported under the exercise's name": ["from mine import f"],
    "defined by exec": ["exec('def f(x): return x')"],
    "run by a magic": ["%run helper.py"],
    "algebra before the call": ["import sympy\ng = sympy.lambdify(1, 2)", "def f(x):\n    return g(x)"],
    "compiled before the call": ["g = torch.compile(abs)", "def f(x):\n    return g(x)"],
    "the grader's own answers": [
        "from autograder.mistakes import shared_gradients as s",
        "def f(x):\n    return s.bptt(x)",
    ],
}


@pytest.mark.parametrize("cells", HIDES.values(), ids=HIDES)
def test_what_hides_is_for_a_person(cells):
    """What may work before the call, or on the observers, within reach of a right answer: a person should look."""
    assert hides(TORCH, *cells)


OPEN = {
    **CLEAN,
    "a name of a loop": ["for f in [torch.tanh]:\n    pass"],
    "a dictionary of names": ["def f(x):\n    return torch.__dict__['tanh'](x)"],
    "names of the cell": ["def f(x):\n    print(locals(), vars(), globals().keys())\n    return x"],
    "exec elsewhere": ["exec('z = 1')", "def f(x):\n    return x"],
    "a cell that is nested too deep": ["def f(x):\n    return x", "x = 0" + "+0" * 20_000],
    "another one": ["def f(x):\n    return x", "x = a" + ".b" * 5000],
    "an installed package": ["from tqdm.auto import tqdm", "def f(x):\n    return list(tqdm(x))"],
    "magics": ["%matplotlib inline", "%%mine\nx", "def f(x):\n    return x"],
}


@pytest.mark.parametrize("cells", OPEN.values(), ids=OPEN)
def test_what_hides_nothing_is_for_nobody(cells):
    """A plain answer calls for no person, whatever other cells do."""
    assert not hides(TORCH, *cells)


def test_a_helper_with_a_check_of_its_own_is_not_entered():
    """A breach in an exercise that has its own check is named there, once."""
    cells = (TORCH, "def step(y):\n    y.backward()", "def f(y):\n    return step(y)")
    assert place(*cells, judged=("step",)) is None
    assert place(*cells) == ("`.backward()`, by way of `step`", "line 2 of the cell: y.backward()")


OTHERS = {
    "cells": ["def f(x):\n    return torch.nn.LSTM(3, 4)(x)", "def f(x):\n    return torch._VF.lstm(x)",
              "from torch import nn\ndef f(x):\n    return nn.GRUCell(3, 4)(x)", "def f(x):\n    return torch.lstm_cell(x)",
              "from torch.nn import *\ndef f(x):\n    return RNN(3, 4)(x)"],
    "clip": ["from torch.nn.utils import clip_grad_norm_\ndef f(p):\n    clip_grad_norm_(p, 1)",
             "def f(p):\n    torch.nn.utils.clip_grad_value_(p, 1)"],
    "attention": ["def f(q):\n    return torch.nn.MultiheadAttention(8, 1)(q, q, q)", "import torch.nn.functional as F\ndef f(q):\n    return F.scaled_dot_product_attention(q, q, q)"],
    "checkpoint": ["from torch.utils.checkpoint import checkpoint\ndef f(g, x):\n    return checkpoint(g, x)"],
    "differences": ["def finite_difference(g, t, e):\n    return t\ndef f(x):\n    return finite_difference(abs, x, 1)"],
}  # fmt: skip


@pytest.mark.parametrize("rule, cell", [(rule, cell) for rule, cells in OTHERS.items() for cell in cells])
def test_each_rule_names_its_own_means(rule, cell):
    """The text names a means for its own rule, and for no other one."""
    assert [key for key in RULES if place(TORCH, cell, rule=key)] == [rule]


@pytest.mark.parametrize("rule", ["clip", "checkpoint", "attention"])
def test_what_is_written_in_python_is_read(rule):
    """No observer sees PyTorch's functions that are Python themselves: their names decide."""
    for cell in OTHERS[rule]:
        assert forbidden((rule,), [], Text((TORCH, cell), "f")).sign == rule
    assert forbidden((rule,), [], Text((TORCH, "def f(x):\n    return x"), "f")) is None


def test_an_unknown_rule_is_an_authors_error():
    """A check that forbids something unknown is told which rules there are."""
    with pytest.raises(CheckError, match="no rule 'magic'; there are autograd"):
        watch(("magic",))
