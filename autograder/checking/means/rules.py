"""What an exercise rules out: decided by what the observers saw while the answer ran, and by how exact its numbers are.

The text of the cells says where a means was used. It decides only where nothing can be seen: of what hides, within reach of a right
answer, a person decides; and of functions that are written in Python themselves, their names decide.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from autograder.beside.protocol import Seen, Watch
from autograder.checking.means.reach import Site, defined, walk
from autograder.checking.spec import CheckError, Finding


@dataclass(frozen=True)
class Rule:
    """What one name in `forbid=` rules out, how it is seen, and what is asked instead."""

    means: str  # what is forbidden, in words
    names: tuple[str, ...]  # dotted, with *: where it may stand in the text
    instead: str
    methods: tuple[str, ...] = ()  # of objects that cannot be told from the syntax: `loss.backward`
    allowed: tuple[str, ...] = ()  # exceptions to `names`
    runs: bool = False  # whether a backward pass breaks it
    operators: tuple[str, ...] = ()  # aten operators that are turned away during a call
    in_python: bool = False  # whether some of it is Python of PyTorch's, which no operator tells: its name decides
    exact: bool = False  # whether it shows in the last digits (exact.py)

    @property
    def seen(self) -> bool:
        return self.runs or self.exact or bool(self.operators)


_CELLS = ("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell", "RNNBase", "RNNCellBase")
_FUSED = ("lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell")
# What they are made of: a whole layer, and the way back through one step.
_PARTS = (
    "mkldnn_rnn_layer",
    "mkldnn_rnn_layer_backward",
    *(f"_thnn_differentiable_{c}_cell_backward" for c in ("lstm", "gru")),
)
_ATTENDING = ("attention_math", "flash_attention", "flash_attention_for_cpu", "efficient_attention", "cudnn_attention")

RULES: dict[str, Rule] = {
    "autograd": Rule(
        "automatic differentiation",
        ("torch.autograd", "torch.Tensor.backward", "functorch",
         *(f"torch.func.{f}" for f in ("grad", "grad_and_value", "vjp", "jvp", "jacrev", "jacfwd", "hessian"))),
        "Write the derivative yourself, from its formula: what comes from above times the local factors, step by step. "
        "Autograd is the referee here, not the player.",
        methods=("backward",),
        allowed=("torch.autograd.no_grad", "torch.autograd.inference_mode", "torch.autograd.set_grad_enabled",
                 "torch.autograd.enable_grad", "torch.autograd.profiler", "torch.autograd.Variable"),
        runs=True,
        operators=("_make_dual",),
    ),
    "differences": Rule(
        "finite differences",
        ("here.finite_difference", "scipy.optimize.approx_fprime", "scipy.differentiate.*", "numpy.gradient", "torch.gradient"),
        "Finite differences give the numbers, and one forward pass for each of them. Here the chain rule is asked.",
        operators=("view_as_real",),  # a complex step ends in an imaginary part
        exact=True,
    ),
    "cells": Rule(
        "PyTorch's own recurrent cells",
        (*(f"torch.nn.{c}" for c in _CELLS), "torch.nn.modules.rnn", "torch.nn.quantiz*", "torch.ao.nn",
         *(f"{m}.{f}" for m in ("torch", "torch._VF", "torch._C._VariableFunctions") for f in _FUSED),
         *(f"torch.ops.aten.{f}*" for f in (*_FUSED, *_PARTS)), "torch.mkldnn_rnn_layer"),
        "Write the gates yourself, from the formulas: matrix products, sigmoids and tanhs.",
        operators=(*(f"{f}.{form}" for f in _FUSED[:4] for form in ("input", "data")), *_FUSED[4:], *_PARTS),
    ),
    "attention": Rule(
        "PyTorch's own attention",
        ("torch.nn.functional.scaled_dot_product_attention", "torch.nn.functional.multi_head_attention_forward",
         "torch.nn.MultiheadAttention", "torch.nn.Transformer*", "torch.nn.attention", "torch.ops.aten.*attention*"),
        "Write the attention yourself: scores, mask, softmax, weighted sum.",
        operators=("scaled_dot_product_attention", "_native_multi_head_attention", "_transformer_encoder_layer_fwd",
                   *(f"_scaled_dot_product_{how}" for how in _ATTENDING)),
        in_python=True,  # with the weights asked for, it is products and a softmax
    ),
    "clip": Rule(
        "PyTorch's own clipping",
        ("torch.nn.utils.clip_grad*", "torch.nn.utils.clip_grads_with_norm_", "torch.nn.utils.get_total_norm"),
        "Write the clipping yourself: measure, compare with the limit, scale.",
        in_python=True,
    ),
    "checkpoint": Rule(
        "PyTorch's own checkpointing",
        ("torch.utils.checkpoint",),
        "Write it yourself: run a segment without a graph, keep its first state, run it again on the way back.",
        in_python=True,
    ),
}  # fmt: skip
_IN_WORDS = {"_make_dual": "forward-mode differentiation", "view_as_real": "a step in the complex plane"}

# What may do its work before the call, in another process, or to the observers themselves: a person should look.
_HIDING = (*(f"builtins.{f}" for f in ("exec", "eval", "compile", "__import__", "complex")), "importlib", "sys.modules", "sys._getframe*",
           "ctypes", "pickle", "runpy", "inspect", "gc", "subprocess", "multiprocessing", "socket", "mmap", "torch.load", "torch.hub",
           "torch.utils.cpp_extension", "torch.library", "torch.compile", "torch.jit", "torch.fx", "torch.export", "torch._functorch",
           "torch._dynamo", "torch.func.linearize", "torch.multiprocessing", "cmath", "numpy.complex*")  # fmt: skip
_HIDING_ATTRIBUTES = frozenset(
    "__getattribute__ __globals__ __builtins__ __subclasses__ __code__ __closure__ cell_contents f_back f_globals f_locals".split()
)
_GETTERS = ("builtins.getattr", "builtins.setattr", "operator.attrgetter", "operator.methodcaller")
# Modules whose names can be judged by their names; anything else is code that does not stand in the notebook.
_KNOWN = frozenset(
    "torch numpy math cmath scipy einops opt_einsum itertools functools operator collections typing types dataclasses "
    "contextlib copy random time warnings abc enum string re json sys os pathlib statistics builtins __future__ "
    "matplotlib IPython ipywidgets tqdm rich jaxtyping numbers textwrap pprint logging bptt autograder here".split()
)


@dataclass(frozen=True)
class Text:
    """The learner's cells in the order in which they ran, read for the answer `name`. `judged` names have checks of their own."""

    cells: Sequence[str]
    name: str
    judged: Collection[str] = field(default=())

    def sites(self) -> Iterator[Site]:
        """All places in reach of the answer, as far as they can be read."""
        try:
            yield from walk(self.cells, self.name, self.judged)
        except RecursionError:  # a cell nests expressions too deep
            return


def watch(forbid: Sequence[str], graph: bool = True) -> Watch | None:
    """What is to be seen of each call of an answer to which these rules apply; None where no rule does."""
    if unknown := [key for key in forbid if key not in RULES]:
        raise CheckError(f"rules.py has no rule {unknown[0]!r}; there are {', '.join(RULES)}")
    operators = sorted({name for key in forbid for name in RULES[key].operators})
    return {"turn_away": operators, "graph": graph} if any(RULES[key].seen for key in forbid) else None


def forbidden(forbid: Sequence[str], seen: Sequence[Seen | None], text: Text) -> Finding | None:
    """The first means that was used although it is ruled out."""
    for key in forbid:
        rule = RULES[key]
        if used := _used(rule, seen):
            return breach(key, text, f"{used} ran during the call")
        if rule.in_python and named(key, text):
            return breach(key, text)
    return None


def breach(key: str, text: Text, seen: str = "") -> Finding:
    """The finding that a rule was broken, with the place where the text names such a means; else with what was seen."""
    rule = RULES[key]
    used, place = named(key, text) or (seen, "")
    summary = f"`{text.name}` uses {rule.means}, which this exercise rules out: {used}"
    return Finding(key, summary, place, (rule.instead,))


def named(key: str, text: Text) -> tuple[str, str] | None:
    """What the text names of the means of a rule within reach of the answer, and in which line; None if nothing."""
    for site in text.sites():
        if used := _named(RULES[key], site):
            return f"`{used}`{_through(text.name, site)}", site.place
    return None


def with_a_word(finding: Finding, forbid: Sequence[str], text: Text) -> Finding:
    """The finding on an answer that is not right, with a first clue if it names what is ruled out."""
    for key in forbid:
        if found := named(key, text):
            line = f" ({found[1]})" if found[1] else ""
            clue = f"It names {found[0]}{line}, and this exercise rules out {RULES[key].means}."
            return replace(finding, sign=key, clues=(clue, RULES[key].instead, *finding.clues))
    return finding


def unclear(seen: Sequence[Seen | None], text: Text) -> Finding | None:
    """Why a person has to look at a right answer: what it does could not be seen; None if it could."""
    name = text.name
    for one in seen:
        if one is None or not one["canary"]:
            return _look(
                f"what runs inside `{name}` could not be seen: a cell has changed what the check observes it with"
            )
        if one["outside"]:
            return _look(f"`{name}` starts another process, where it cannot be seen what runs")
    for site in text.sites():
        if used := _hides(site):
            return _look(f"`{name}` uses {used}{_through(name, site)}, so what it does cannot be seen", site.place)
    if text.cells and not defined(text.cells, name):
        return _look(f"no cell says plainly what `{name}` is, so what it does cannot be seen")
    return None


def recorded(seen: Sequence[Seen | None], name: str) -> Finding | None:
    """Why a person has to look at an answer that recorded a graph although the call began without."""
    if any(one is not None and one["nodes"] for one in seen):
        return _look(f"`{name}` turns autograd on and has a graph recorded, although its call began without one")
    return None


def _look(summary: str, where: str = "") -> Finding:
    clue = "Write it plainly, without this, and the check can judge it. Otherwise a person has to look."
    return Finding("look", summary, where, (clue,))


def _used(rule: Rule, seen: Sequence[Seen | None]) -> str:
    """What broke the rule, in words; empty if nothing did."""
    for one in seen:
        if one is not None and rule.runs and one["runs"] > 0:
            return "a backward pass"
        for name in one["away"] if one is not None else ():
            if name in rule.operators:
                return _IN_WORDS.get(name, f"`{name.partition('.')[0]}`")
    return ""


def _named(rule: Rule, site: Site) -> str:
    """How the node at `site` names such a means, as it would be written; empty if it does not."""
    for path in site.paths:
        if _matches(path, rule.names) and not _matches(path, rule.allowed):
            return _short(path)
    node = site.node
    if isinstance(node, ast.Attribute) and node.attr in rule.methods and node.attr not in site.own_methods:
        return f".{node.attr}()"
    if isinstance(node, ast.Call) and site.called & set(_GETTERS):
        for argument in node.args[:2]:
            if isinstance(argument, ast.Constant) and argument.value in rule.methods:
                return f".{argument.value}()"
    return ""


def _hides(site: Site) -> str:
    node = site.node
    if isinstance(node, ast.Attribute) and node.attr in _HIDING_ATTRIBUTES:
        return f"`.{node.attr}`"
    if isinstance(node, ast.Call) and (getter := site.called & set(_GETTERS)):
        at = 0 if any(name.startswith("operator.") for name in getter) else 1
        if len(node.args) > at and not isinstance(node.args[at], ast.Constant):
            return f"`{_short(min(getter))}` with a computed name"
    if isinstance(node, ast.Constant) and isinstance(node.value, complex):
        return f"`{node.value}`, a complex number"
    for path in sorted(site.paths):
        if _matches(path, _HIDING):
            return f"`{_short(path)}`"
        if path.partition(".")[0] not in _KNOWN:
            return f"`{path}`, which does not stand in the notebook"
        if path.startswith("autograder.") and path not in ("autograder.check", "autograder.progress"):
            return f"`{path}`"
    return ""


def _matches(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(path, pattern) or fnmatchcase(path, pattern + ".*") for pattern in patterns)


def _short(path: str) -> str:
    return path.removeprefix("builtins.").removeprefix("here.")


def _through(name: str, site: Site) -> str:
    """The names by which the place is reached, if it is not in the function itself."""
    between = [one for one in site.chain if one != name]
    return f", by way of `{'` and `'.join(between)}`" if between else ""
