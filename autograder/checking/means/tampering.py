"""Code anywhere in a notebook that could put something else in a name's place without saying so: a person should look.

Reading what a name can reach (reach.py) takes a `def` and a `=` at their word. A cell that replaces the code of a function, a
function of torch, or the text of a cell before it runs makes that reading worthless, wherever it stands.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import torch

from autograder.checking.means.syntax import parse

Paths = Callable[[ast.AST], frozenset[str]]  # what an expression may be called in full: `torch.tanh`, `here.helper`

# Reaching these is enough: frames, loaded modules, hooks into the import and into every call.
_STEALTHY = ("sys._getframe*", "sys._current_frames", "sys.modules*", "sys.settrace", "sys.setprofile", "sys.meta_path*",
             "sys.path_hooks*", "threading.settrace*", "threading.setprofile*", "inspect.currentframe", "inspect.stack",
             "inspect.getouterframes", "importlib.reload", "gc.get_*", "ctypes*", "__main__*", "IPython.core*",
             "types.FunctionType", "types.CodeType", "unittest.mock*", "builtins.__*__")  # fmt: skip
_SHELL = ("get_ipython", "IPython.get_ipython")
_NAMESPACES = frozenset(f"builtins.{name}" for name in ("globals", "locals", "vars"))
_RUNNERS = frozenset(("builtins.exec", "builtins.eval"))
_SETTERS = frozenset(("builtins.setattr", "builtins.delattr"))
# Settings that a notebook may change on an imported module.
_SETTINGS = ("torch.backends*", "*.config*", "*.rcParams*", "*.options*", "matplotlib*")
_READS = frozenset(("get", "keys", "items", "values", "copy"))
# Magics that neither run another file nor change names; a cell magic that is not known could do anything with the cell.
_MAGICS = frozenset(
    "time timeit matplotlib pip conda mamba uv who who_ls whos pwd ls cd load_ext autoreload reload_ext config env precision "
    "pdb debug prun mprun lprun memit xmode history hist pinfo pinfo2 psource pdoc pfile lsmagic magic quickref page "
    "capture bash sh html latex markdown javascript js svg writefile".split()
)


def tampering(statement: ast.stmt, paths: Paths) -> Iterator[tuple[ast.AST, str]]:
    """(node, what it uses, in words) for each such place in a top-level statement, functions and classes in it included."""
    outer = {id(inner): node for node in ast.walk(statement) for inner in ast.iter_child_nodes(node)}
    for node in ast.walk(statement):
        around = outer.get(id(node))
        if isinstance(node, ast.Import | ast.ImportFrom):
            used = _import(node)
        elif isinstance(node, ast.Call):
            used = _call(node, around, outer, paths)
        elif isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            used = _store(node, paths)
        elif isinstance(node, ast.Name | ast.Attribute):
            used = _mention(node, around, paths)
        else:
            used = ""
        if used:
            yield node, used


def _import(node: ast.Import | ast.ImportFrom) -> str:
    within = f"{node.module}." if isinstance(node, ast.ImportFrom) and node.module else ""
    for alias in node.names:
        path = f"{within}{alias.name}"
        root = path.partition(".")[0]
        if _matches(path, _STEALTHY):
            return f"`{path}`"
        if (isinstance(node, ast.ImportFrom) and node.level) or _of_its_own(root):
            return f"`{root}`, which does not stand in the notebook"
    return ""


def _of_its_own(root: str) -> bool:
    """Whether a module is a file beside the notebook: found where the notebook runs, or (in the judge) nowhere."""
    if root in sys.stdlib_module_names or root in ("torch", "numpy", "bptt", "autograder"):
        return False
    try:
        spec = importlib.util.find_spec(root)
    except (ImportError, ValueError, AttributeError):
        return True
    if spec is None:
        return True
    places = [
        Path(one) for one in ([spec.origin] if spec.has_location else spec.submodule_search_locations or ()) if one
    ]
    return any(
        Path.cwd() in place.parents and not {"site-packages", "dist-packages"} & set(place.parts) for place in places
    )


def _call(node: ast.Call, around: ast.AST | None, outer: dict[int, ast.AST], paths: Paths) -> str:
    called = paths(node.func)
    if _is_shell(node.func, called):
        asked = outer.get(id(around))
        known = False
        if isinstance(around, ast.Attribute) and isinstance(asked, ast.Call) and asked.func is around:
            known = around.attr in ("system", "getoutput") or _first(asked) in _MAGICS
        return "" if known or isinstance(around, ast.Compare) else "`get_ipython()`"
    if called & _NAMESPACES:
        reads = isinstance(around, ast.Compare) or (isinstance(around, ast.Attribute) and around.attr in _READS)
        if node.args and not isinstance(around, ast.Attribute):  # vars(x) is harmless unless it is written to
            reads = not isinstance(around, ast.Subscript) or isinstance(around.ctx, ast.Load)
        return "" if reads else f"`{ast.unparse(node)}`"
    if called & _SETTERS and len(node.args) > 1:
        name = _first(node, 1)
        return "`setattr`" if not name or _dunder(name) or _elsewhere(paths(node.args[0])) else ""
    if called & _RUNNERS:
        text = _first(node)
        if not text:
            return f"`{ast.unparse(node.func)}` with a computed text"
        try:
            inside = [used for one in parse(text).body for _, used in tampering(one, paths)]
        except (SyntaxError, UnicodeEncodeError):
            inside = []
        return inside[0] if inside else ""
    return ""


def _store(node: ast.Attribute | ast.Subscript, paths: Paths) -> str:
    inner = node.value
    if isinstance(node, ast.Subscript):
        if isinstance(inner, ast.Attribute) and inner.attr == "__dict__":
            return "`.__dict__`"
        return ""
    if _dunder(node.attr):
        return f"`.{node.attr} =`"
    found = _elsewhere(paths(inner))
    if found and not _matches(f"{min(found)}.{node.attr}", _SETTINGS):
        return f"`{ast.unparse(node)} =`"
    local = not found and isinstance(inner, ast.Name) and inner.id not in ("self", "cls") and not paths(inner)
    if local and any(callable(getattr(owner, node.attr, None)) for owner in (torch, torch.Tensor)):
        return f"`{ast.unparse(node)} =`"  # torch under another name, perhaps: `def go(m): m.tanh = …`
    return ""


def _mention(node: ast.Name | ast.Attribute, around: ast.AST | None, paths: Paths) -> str:
    found = paths(node)
    used = next((path for path in sorted(found) if _matches(path, _STEALTHY)), "")
    if not used and isinstance(node, ast.Attribute) and node.attr == "__dict__" and _elsewhere(paths(node.value)):
        used = "__dict__"
    as_value = not (isinstance(around, ast.Call) and around.func is node) and not isinstance(around, ast.Attribute)
    if not used and as_value:  # under another name it would not be recognised
        used = next(iter(sorted(found & (_RUNNERS | _NAMESPACES | _SETTERS))), "")
        used = used or ("get_ipython" if _is_shell(node, found) else "")
    return f"`{used.removeprefix('builtins.')}`" if used else ""


def _is_shell(node: ast.AST, found: frozenset[str]) -> bool:
    return bool(found & set(_SHELL)) or (isinstance(node, ast.Name) and node.id == "get_ipython")


def _first(call: ast.Call, at: int = 0) -> str:
    """The argument at this place, if it is plain text; else empty."""
    found = call.args[at] if len(call.args) > at else None
    return found.value if isinstance(found, ast.Constant) and isinstance(found.value, str) else ""


def _elsewhere(found: frozenset[str]) -> frozenset[str]:
    """The paths of what the notebook does not define itself."""
    return frozenset(path for path in found if not path.startswith("here."))


def _dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _matches(path: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)
