"""Every kind of exercise that the course has is judged alike in a notebook and in the sandbox."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import nbformat
import pytest
import torch
from safetensors.torch import save_file

from autograder import verify
from autograder.judge.twice import Sandboxed, Twice
from autograder.release import notebooks
from autograder.spec import CHECKS

KINDS = Path(__file__).parent / "kinds"


@pytest.fixture(scope="module")
def rows(tmp_path_factory, sandbox):
    """`course verify` on the lesson of kinds, by way of both transports."""
    name = "autograder.checks.kinds"
    found = importlib.util.spec_from_file_location(name, KINDS / "kinds.py")
    sys.modules[name] = module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    folder = tmp_path_factory.mktemp("kinds")
    file = folder / "kinds_weights.safetensors"
    save_file({"weight": 2 * torch.eye(3, dtype=torch.float64)}, file)
    handed_out = folder / "90_kinds.ipynb"
    nbformat.write(notebooks(KINDS / "90_kinds.py")[1], handed_out)

    with pytest.MonkeyPatch.context() as patch, Sandboxed(sandbox, files=((file.name, file),)) as second:
        patch.chdir(folder)
        original = file.read_bytes()

        def in_notebook(check, sources):
            file.write_bytes(original)
            return verify.in_notebook(check, sources)

        said = {}
        judge = Twice(in_notebook, second)
        solution, stub = verify.lesson(KINDS / "90_kinds.py"), verify.lesson(handed_out)
        report = lambda check, kind, label, verdict: said.update({(check.id, label): verdict})  # noqa: E731
        found_rows = dict(verify.verify("kinds", solution, stub, judge, KINDS, report))
    yield found_rows, said, judge.judged
    del sys.modules[name]
    for id in [id for id in CHECKS if id.startswith("kinds-")]:
        del CHECKS[id]


EXERCISES = "train cache model finite-difference chunks guess weights double quadruple".split()


@pytest.mark.needs_bubblewrap
@pytest.mark.parametrize("exercise", EXERCISES)
def test_every_kind_of_exercise_is_judged_alike_by_both_transports(rows, exercise):
    """For a kind of exercise, solution, stub, wrong and right answers get the same verdict and message in both."""
    row = rows[0][f"kinds-{exercise}"]
    assert [] == row.faults


@pytest.mark.needs_bubblewrap
def test_wrong_ways_to_truncate_are_told_apart(rows):
    """A state that is not cut, reset, cut late, cut at each step and stale gradients get five names by the parameters alone."""
    signs = {verdict.finding.sign for (id, _), verdict in rows[1].items() if id == "kinds-train"}
    assert {"no-cut", "reset", "late", "per-step", "stale", "reset + stale", "reach", "raised"} == signs
