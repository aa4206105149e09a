"""Forbidden means, read from the syntax tree of the learner's cells; one implementation for notebook and grading."""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from autograder.checking.means.reach import Site, tampered, walk
from autograder.checking.spec import CheckError, Finding, Status


@dataclass(frozen=True)
class Rule:
    """What one name in `forbid=` rules out: dotted names (with *), methods and attributes, and what is asked instead."""

    means: str  # what is forbidden, in words
    names: tuple[str, ...]
    instead: str
    attributes: tuple[str, ...] = ()  # of objects that cannot be told from the syntax: `loss.backward`
    keywords: tuple[str, ...] = ()  # arguments by keyword: `requires_grad=True`
    allowed: tuple[str, ...] = ()  # exceptions to `names`


_CELLS = ("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell", "RNNBase", "RNNCellBase")
_FUSED = ("lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell")

RULES: dict[str, Rule] = {
    "autograd": Rule(
        "automatic differentiation",
        ("torch.autograd", "torch.Tensor.backward", "functorch", "torch.nn.Parameter",
         *(f"torch.func.{f}" for f in ("grad", "grad_and_value", "vjp", "jvp", "jacrev", "jacfwd", "hessian", "linearize")),
         "jax", "autograd", "tensorflow"),
        "Write the derivative yourself, from its formula: what comes from above times the local factors, step by step. "
        "Autograd is the referee here, not the player.",
        attributes=("backward", "requires_grad_", "requires_grad", "retain_grad", "register_hook", "grad_fn"),
        keywords=("requires_grad", "create_graph", "retain_graph"),
        allowed=("torch.autograd.no_grad", "torch.autograd.inference_mode", "torch.autograd.set_grad_enabled",
                 "torch.autograd.profiler"),
    ),
    "differences": Rule(
        "finite differences",
        ("here.finite_difference", "scipy.optimize.approx_fprime", "scipy.differentiate.*", "numpy.gradient", "torch.gradient"),
        "Finite differences give the numbers, and one forward pass for each of them. Here the chain rule is asked.",
    ),
    "cells": Rule(
        "PyTorch's own recurrent cells",
        (*(f"torch.nn.{c}" for c in _CELLS), "torch.nn.modules.rnn", "torch.nn.quantiz*",
         "torch.ao.nn", *(f"{m}.{f}" for m in ("torch", "torch._VF", "torch._C._VariableFunctions") for f in _FUSED),
         *(f"torch.ops.aten.{f}*" for f in _FUSED), "torch.ops.aten._thnn_*", "torch._thnn_*"),
        "Write the gates yourself, from the formulas: matrix products, sigmoids and tanhs.",
    ),
    "clip": Rule(
        "PyTorch's own clipping",
        ("torch.nn.utils.clip_grad*", "torch.nn.utils.clip_grads_with_norm_", "torch.nn.utils.get_total_norm"),
        "Write the clipping yourself: measure, compare with the limit, scale.",
    ),
    "attention": Rule(
        "PyTorch's own attention",
        ("torch.nn.functional.scaled_dot_product_attention", "torch.nn.functional.multi_head_attention_forward",
         "torch.nn.MultiheadAttention", "torch.nn.Transformer*", "torch.nn.attention",
         "torch.ops.aten.*attention*"),
        "Write the attention yourself: scores, mask, softmax, weighted sum.",
    ),
    "checkpoint": Rule(
        "PyTorch's own checkpointing",
        ("torch.utils.checkpoint",),
        "Write it yourself: run a segment without a graph, keep its first state, run it again on the way back.",
    ),
}  # fmt: skip

# Code that hides what it does: a person should look.
_HIDING = (*(f"builtins.{f}" for f in ("exec", "eval", "compile", "__import__", "globals", "locals", "vars")),
           "importlib", "sys.modules", "ctypes", "pickle", "runpy", "inspect", "gc", "subprocess", "torch.load",
           "torch.hub", "torch.utils.cpp_extension")  # fmt: skip
_HIDING_ATTRIBUTES = ("__dict__", "__getattribute__", "__globals__", "__builtins__", "__subclasses__", "__code__")
_GETTERS = ("builtins.getattr", "builtins.setattr", "operator.attrgetter", "operator.methodcaller")
# Modules whose names can be judged by their names; anything else is code that does not stand in the notebook.
_KNOWN = frozenset(
    "torch numpy math cmath scipy einops opt_einsum itertools functools operator collections typing types dataclasses "
    "contextlib copy random time warnings abc enum string re json sys os pathlib statistics builtins __future__ "
    "matplotlib IPython ipywidgets tqdm rich jaxtyping numbers textwrap pprint logging bptt autograder here".split()
)


@dataclass(frozen=True)
class Inspection:
    """What was found: `status` is "forbidden" or "look"."""

    status: Status
    finding: Finding


def inspect(cells: Sequence[str], name: str, forbid: Sequence[str], judged: Collection[str] = ()) -> Inspection | None:
    """The first forbidden means in reach of the learner's `name`, or None.

    `cells` are the learner's cells in the order in which they ran; of two definitions the later one counts. In reach is
    what the definition mentions, and what the definitions of those names mention. `judged` are names that have a check
    of their own: they are not entered. What cannot be read from the syntax (exec, computed getattr, ...) is "look".
    """
    if unknown := [rule for rule in forbid if rule not in RULES]:
        raise CheckError(f"rules.py has no rule {unknown[0]!r}; there are {', '.join(RULES)}")
    unclear = None
    try:
        for site in walk(cells, name, judged):
            for key in forbid:
                if used := _breach(RULES[key], site):
                    return Inspection("forbidden", _forbidden(key, used, name, site))
            if unclear is None and (used := _hides(site)):
                unclear = Inspection("look", _unclear(used, name, site))
        for site, used in tampered(cells) if unclear is None else ():
            return Inspection("look", _elsewhere(used, name, site))
    except (RecursionError, MemoryError):
        return Inspection("look", _TOO_DEEP)
    return unclear


_TOO_DEEP = Finding(
    "look",
    "a cell nests expressions so deep that the notebook cannot be read",
    clues=("Split that expression into lines of its own. Until then a person has to look.",),
)


def _breach(rule: Rule, site: Site) -> str:
    """What the node at `site` uses that the rule forbids, as it would be written; empty if nothing."""
    for path in site.paths:
        if _matches(path, rule.names) and not _matches(path, rule.allowed):
            return _short(path)
    node = site.node
    if isinstance(node, ast.Attribute) and node.attr in rule.attributes and node.attr not in site.own_methods:
        reads = isinstance(node.ctx, ast.Load) and node.attr == "requires_grad"  # asking is not using
        if not reads and not _known_path(site):
            return f".{node.attr}" + ("()" if not node.attr.endswith(("grad", "fn")) else "")
    if isinstance(node, ast.Call):
        for keyword in node.keywords:
            off = isinstance(keyword.value, ast.Constant) and not keyword.value.value
            if keyword.arg in rule.keywords and not off:
                return f"{keyword.arg}=…"
        if site.called & set(_GETTERS):
            for argument in node.args[:2]:
                if isinstance(argument, ast.Constant) and argument.value in rule.attributes:
                    return f".{argument.value}"
    return ""


def _hides(site: Site) -> str:
    node = site.node
    if isinstance(node, ast.Attribute) and node.attr in _HIDING_ATTRIBUTES:
        return f"`.{node.attr}`"
    if isinstance(node, ast.Call) and (getter := site.called & set(_GETTERS)):
        at = 0 if any(name.startswith("operator.") for name in getter) else 1
        if len(node.args) > at and not isinstance(node.args[at], ast.Constant):
            return f"`{_short(min(getter))}` with a computed name"
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


def _known_path(site: Site) -> bool:
    """Whether the attribute is one of a module, judged by its full name already."""
    return any(not path.startswith("torch.Tensor.") for path in site.paths)


def _forbidden(key: str, used: str, name: str, site: Site) -> Finding:
    rule = RULES[key]
    return Finding(
        key,
        f"`{name}` uses {rule.means}, which this exercise rules out: `{used}`{_through(name, site)}",
        site.place,
        (rule.instead,),
    )


def _unclear(used: str, name: str, site: Site) -> Finding:
    return Finding(
        "look",
        f"`{name}` uses {used}{_through(name, site)}, so what it does cannot be read from the code",
        site.place,
        ("Write it plainly, without this, and the check can judge it. Otherwise a person has to look.",),
    )


def _elsewhere(used: str, name: str, site: Site) -> Finding:
    return Finding(
        "look",
        f"this notebook uses {used}, which can put something else in place of `{name}` or of what it calls",
        site.place,
        ("Leave that out, and the check can judge your answer. Otherwise a person has to look.",),
    )


def _through(name: str, site: Site) -> str:
    """The names by which the place is reached, if it is not in the function itself."""
    between = [one for one in site.chain if one != name]
    return f", by way of `{'` and `'.join(between)}`" if between else ""
