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
import yaml

from autograder.house import ROOT
from docs import layers

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


def test_the_picture_of_the_layers_is_what_the_contracts_say():
    """docs/layers.svg is drawn from pyproject.toml, and was drawn again after a change there."""
    drawn = layers.draw((ROOT / "pyproject.toml").read_text())
    assert drawn == layers.PICTURE.read_text(), "run `python -m docs.layers`, and commit docs/layers.svg"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"judge | notebook"', '"judge", "notebook"'),
        ('"autograder.notebook", "autograder.lessons"', '"autograder.lessons"'),
        ("A lesson knows no other lesson", "Lessons are strangers"),
    ],
    ids=["a layer", "who is a learner's", "a contract's name"],
)
def test_another_contract_is_another_picture(old, new):
    """The twin: what the contracts say is what the picture shows."""
    text = (ROOT / "pyproject.toml").read_text()
    assert layers.draw(text.replace(old, new)) != layers.draw(text)


def test_the_design_says_what_each_family_is():
    """Whoever opens docs/design.md finds every folder and module of the layers in its tree."""
    tree = (ROOT / "docs" / "design.md").read_text().split("```")[1]
    held = layers.contracts((ROOT / "pyproject.toml").read_text())
    families = [name.rpartition(".")[2] for row in layers.rows(held) for name in row]
    assert [] == [name for name in families if not re.search(rf"\b{name}(/|\.py)", tree)]


def unknown_paths(text: str) -> list[str]:
    """The files and folders that a page names, such as `docs/card.png` or, below autograder/, `judge/plan.py`, and that are missing."""
    named = re.findall(r"`((?:[\w.]+/)+(?:\w+\.(?:py|md|png|svg))?)`", text)
    ours = [name for name in named if "NN_" not in name and name not in ("work/", "build/", "mistakes/")]
    return [name for name in ours if not any((root / name).exists() for root in (ROOT, ROOT / "autograder"))]


@pytest.mark.parametrize("page", ["docs/design.md", "CONTRIBUTING.md"])
def test_a_page_names_files_that_are_there(page):
    """Whoever follows a page into the code finds the file that it names."""
    text = (ROOT / page).read_text()
    assert ([], ["judge/no_such.py"]) == (unknown_paths(text), unknown_paths(f"{text} `judge/no_such.py`"))


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
    """environment.yml has no versions of its own: it reads constraints.txt, and brings what learners, staff and tests need."""
    *conda, pip = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert ["python", "pip"] == [package.partition("=")[0] for package in conda]
    assert ["--constraint constraints.txt", "--editable .[staff,dev,site]"] == pip["pip"][-2:]


def test_the_forms_for_issues_are_what_github_takes():
    """Each form has a name, a description and fields with labels; GitHub does not show a form without them."""
    forms = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))]
    assert [["Author", True], ["Instructor", True], ["Learner", True]] == [
        [form["name"], bool(form["description"]) and all(map(_field, form["body"]))] for form in forms
    ]


def _field(field: dict) -> bool:
    """Whether GitHub can show this: text by its value, anything else by an id and a label."""
    if field["type"] == "markdown":
        return bool(field["attributes"]["value"])
    return bool(re.fullmatch(r"\w+", field["id"]) and field["attributes"]["label"])


def test_ci_and_the_hooks_ask_what_make_asks():
    """What lints is listed once, in the Makefile; a hook runs one of its commands, and CI runs them all, once."""
    made = subprocess.run(["make", "-n", "lint"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    asked = [re.search(r"exec ([a-z]+(?: [a-z]+)?)", hook["entry"])[1] for hook in hooks]
    assert [] == [command for command in asked if f".venv/bin/{command}" not in made]
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    runs = {name: [step.get("run", "") for step in job["steps"]] for name, job in jobs.items()}
    assert (True, True) == ("make lint TORCH=cpu" in runs["lint"], "bash .ci/run tests" in runs["test"])


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
