"""Does the house keep its own rules: imports one way, public names, docstrings, nothing of this machine?"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from autograder.house import ROOT

MODULES = sorted([*(ROOT / "autograder").rglob("*.py"), *(ROOT / "bptt").rglob("*.py")])
# What learners do not have: a notebook must open without it.
STAFF_ONLY = {"nbgrader", "jupytext", "nbclient", "rich", "tqdm", "pytest", "playwright"}
# What knows expected values, mistakes or verdicts: none of it may be beside the learner's code.
KNOWING = re.compile(r"autograder\.(spec|draw|compare|diagnose|expect|run|notebook|checks|mistakes|judge|verify)\b")


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(source: str, module: str = "") -> set[str]:
    """Full names of the modules that `source` imports, anywhere in it; `from a import b` gives a and a.b."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*module.split(".")[: -node.level], *filter(None, [base])])
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return found


def graph() -> dict[str, set[str]]:
    """Which of our modules import which of our modules."""
    ours = {name_of(path): path for path in MODULES}
    return {name: imports(path.read_text(), name) & ours.keys() - {name} for name, path in ours.items()}


def cycle(edges: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle, or nothing."""
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for other in sorted(edges.get(name, ())):
            if found := walk(other, [*path, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(edges) if (found := walk(name, []))), [])


def reached(start: str, edges: dict[str, set[str]]) -> set[str]:
    found, todo = set(), [start]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += edges.get(name, ())
    return found


def test_imports_point_one_way():
    """No two modules need each other."""
    edges = graph()
    # A package's __init__ runs before its modules, but asks for them in its own turn.
    assert [] == cycle({name: {o for o in others if o != "autograder"} for name, others in edges.items()})


def test_a_circle_of_imports_would_be_found():
    """The twin: three modules in a circle are named."""
    assert ["a", "b", "c", "a"] == cycle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})


def test_bptt_knows_nothing_of_the_autograder():
    """What notebooks import besides torch exports no check and no answer."""
    bptt = {path: imports(path.read_text()) for path in MODULES if path.is_relative_to(ROOT / "bptt")}
    assert [] == [p.name for p, found in bptt.items() if any(n.split(".")[0] == "autograder" for n in found)]


@pytest.mark.parametrize("name", ["autograder.wire", "autograder.beside", "autograder.probes"])
def test_what_runs_beside_the_learners_code_imports_no_check(name):
    """Expected values and verdicts never enter the learner's process."""
    edges = {module: others - {"autograder"} for module, others in graph().items()}
    assert [] == [module for module in sorted(reached(name, edges)) if KNOWING.match(module)]


def test_a_notebook_opens_with_what_a_learner_has():
    """`from autograder import check` needs nothing that only staff install."""
    edges = graph()
    needed = reached("autograder", edges) | {name for name in edges if name.startswith("autograder.checks")}
    files = {name_of(path): path for path in MODULES}
    found = {name: {n.split(".")[0] for n in imports(files[name].read_text())} & STAFF_ONLY for name in needed}
    assert {} == {name: packages for name, packages in found.items() if packages}


def test_a_staff_package_would_be_found():
    """The twin: an import inside a function counts too."""
    assert "nbgrader.api" in imports("def f():\n    from nbgrader.api import Gradebook")


def test_what_a_notebook_imports_is_known_by_name():
    """`check` and `progress` are what learners call; CheckFailed is what they see."""
    import autograder

    assert ["CheckFailed", "check", "progress"] == sorted(autograder.__all__)


def test_no_module_hides_what_a_notebook_imports():
    """A module `autograder/progress.py`, once imported, would stand where notebooks look for the function."""
    import autograder

    assert set() == set(autograder.__all__) & {path.stem for path in MODULES if path.parent.name == "autograder"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_says_what_it_is_for(path):
    """The first line of a module is a sentence about it."""
    first = (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n\n")[0]
    assert re.search(r"\w[^\n]*[.:?](\n|$)", first), f"{path.name} begins {first!r}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_can_be_read_in_one_sitting(path):
    """About 300 lines are a lot; beyond 400 nobody reads on, not even a list of mistakes."""
    lines = len(path.read_text().splitlines())
    assert lines <= 400


def unlisted(design: str, modules: list[Path]) -> list[str]:
    """Modules that the design's tables do not name; a lesson's own are one line for all lessons."""
    lessons = {"checks", "mistakes", "experiments"}
    own = [path for path in modules if path.stem[:2] != "__" and path.parent.name not in lessons]
    section = {
        path: design.partition(f"| `{path.parent.relative_to(ROOT)}/` |")[2].partition("\n## ")[0] for path in own
    }
    return [str(path.relative_to(ROOT)) for path in own if f"`{path.name}`" not in section[path]]


def test_the_design_says_where_everything_is():
    """Every module has its place in the tables of docs/design.md."""
    assert [] == unlisted((ROOT / "docs" / "design.md").read_text(), MODULES)


def test_a_module_that_the_design_leaves_out_would_be_found():
    """The twin: a module without a line is named."""
    new = ROOT / "autograder" / "judge" / "new.py"
    assert ["autograder/judge/new.py"] == unlisted((ROOT / "docs" / "design.md").read_text(), [new])


def test_the_design_names_no_module_that_is_gone():
    """A name in the tables of docs/design.md is a file."""
    tables = (ROOT / "docs" / "design.md").read_text().partition("## Where everything is")[2].partition("\n## ")[0]
    there = {path.name for path in (*MODULES, *(ROOT / "experiments").glob("*.py"))}
    named = set(re.findall(r"`([a-z_]+\.py)`", tables))
    assert set() == named - there - {"nbgrader_config.py"}


def test_no_module_is_a_drawer():
    """A name says what is inside."""
    drawers = {"utils", "helpers", "common", "misc"}
    assert [] == [str(path) for path in MODULES if path.stem in drawers]


# Spelled so that this file does not contain what it forbids.
FOREIGN = re.compile(r"\.\./sha" r"red|/wo" r"rk/(main|shared)|/tm" r"p/(?!\w*\{)")
EMOJI = re.compile("[\U0001f300-\U0001faff\u2705\u274c\u2728]")


def tracked() -> list[Path]:
    """The text files in the repository, or in the folder where git is missing."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
        files = [ROOT / name for name in listed.stdout.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        files = [*MODULES, *ROOT.glob("*.*"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "tests").rglob("*.py")]
    return [path for path in files if path.is_file() and path.suffix not in (".png", ".safetensors", ".woff2")]


def test_nothing_points_out_of_the_repository():
    """No file names a folder that only the machine it was written on has."""
    assert [] == [f"{p.relative_to(ROOT)}: {found[0]}" for p in tracked() if (found := FOREIGN.search(p.read_text()))]


def test_a_path_out_of_the_repository_would_be_found():
    """The twin: such a path is recognised."""
    assert FOREIGN.search("see ../sha" + "red/style.md")


def test_the_prose_has_no_emoji():
    """Plain English carries the course."""
    assert [] == [str(p.relative_to(ROOT)) for p in tracked() if EMOJI.search(p.read_text())]


def test_conda_and_binder_install_the_same_pins():
    """environment.yml has no versions of its own: it reads constraints.txt."""
    text = (ROOT / "environment.yml").read_text()
    assert (True, True, []) == (
        "--constraint constraints.txt" in text,
        "--editable ." in text,
        re.findall(r"- (?:torch|numpy|jupyterlab)\b.*", text),
    )


def test_every_direct_dependency_is_pinned():
    """What pyproject.toml asks for has an exact version in constraints.txt."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *sum(project["optional-dependencies"].values(), [])]
    names = {re.match(r"[A-Za-z0-9_.-]+", line)[0].lower() for line in asked}
    pinned = {line.split("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().split() if "==" in line}
    assert set() == names - pinned


def test_the_installation_exposes_our_two_packages_only():
    """`import tests` or `import solutions` does not work just because the course is installed."""
    program = (
        "import importlib.util as u, sys; sys.path = [p for p in sys.path if p];"
        "print([n for n in ('autograder', 'bptt', 'solutions', 'notebooks', 'experiments') if u.find_spec(n)])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd="/", capture_output=True, text=True, check=True)
    assert "['autograder', 'bptt']" == done.stdout.strip()


def test_make_says_what_there_is_to_make():
    """`make` alone explains itself, and names every target that the README uses."""
    shown = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    used = set(re.findall(r"make ([a-z]+)", (ROOT / "README.md").read_text()))
    assert set() == {name for name in used if f"make {name} " not in shown}


def test_an_old_python_is_refused_with_the_way_out(tmp_path):
    """A Python that is too old ends in one line that says which one to get, not in a pip error."""
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_text("")
    old = tmp_path / "oldpython"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2 && exit 0\nexit 1\n')
    old.chmod(0o755)
    done = subprocess.run(["make", "lab", f"PYTHON={old}"], cwd=tmp_path, capture_output=True, text=True)
    assert (True, True) == (done.returncode != 0, "Python 3.9.2; the course needs Python 3.11 or newer" in done.stdout)
