"""Does the house keep its own rules: imports one way, public names, docstrings, nothing of this machine?"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from autograder.house import ROOT

MODULES = sorted([*(ROOT / "autograder").rglob("*.py"), *(ROOT / "bptt").rglob("*.py")])


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """The contracts of pyproject.toml, held against the `autograder` and `bptt` in this folder."""
    line = [str(Path(sys.executable).with_name("lint-imports")), str(ROOT / "pyproject.toml"), "--no-cache"]
    return subprocess.run(
        line, cwd=folder, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(folder)}
    )


def test_everybody_knows_only_whom_they_may():
    """The layers and the other contracts of pyproject.toml hold."""
    done = lint_imports(ROOT)
    assert 0 == done.returncode, done.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("autograder/checking/draw.py", "from autograder.judge import plan", "A family knows those below it"),
        ("autograder/newcomer.py", "", "A family knows those below it"),
        ("autograder/beside/wire.py", "from autograder import errors", "What the sandbox sees knows nothing of ours"),
        ("bptt/graph.py", "def f():\n    import autograder.lessons", "What notebooks import besides torch"),
        ("autograder/lessons/start_here/checks.py", "from autograder.lessons.gradient_flow import oracles", "A lesson knows no other"),
        ("autograder/checking/card.py", "def f():\n    from nbgrader.api import Gradebook", "A learner needs nothing"),
    ],
)  # fmt: skip
def test_whoever_knows_more_is_named(tmp_path, module, line, contract):
    """The twins: each contract is broken by one import, also inside a function, and by a family without a place."""
    for package in ("autograder", "bptt"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / module).open("a") as file:
        file.write(f"\n{line}\n")
    done = lint_imports(tmp_path)
    broken = [found for found in done.stdout.split("\n") if found.startswith(contract) and "BROKEN" in found]
    assert (True, 1) == (done.returncode != 0, len(broken) or "not exhaustive" in done.stdout + done.stderr or 0), (
        done.stdout
    )


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
