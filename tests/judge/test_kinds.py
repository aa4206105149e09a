"""Every kind of exercise that the course has is judged alike in a notebook and in the sandbox."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from autograder.authoring import verify
from autograder.authoring.twice import Sandboxed, Twice
from autograder.lessons import load_lesson
from tests import kinds


@pytest.fixture(scope="module")
def rows(tmp_path_factory, sandbox):
    """`course verify` on the lesson of kinds, by way of both transports: rows, verdicts by check and label."""
    folder = tmp_path_factory.mktemp("kinds")
    file = folder / "kinds_weights.safetensors"
    save_file({"weight": 2 * torch.eye(3, dtype=torch.float64)}, file)
    files, said = ((file.name, file),), {}

    def in_notebook(check, sources):
        return verify.in_notebook(check, sources, files)

    def report(check, kind, label, verdict):
        said[check.id, label] = verdict

    with kinds.registered(), Sandboxed(sandbox, files=files) as second:
        given = verify.material(kinds.SCRIPT, kinds.FOLDER)
        judge = Twice(in_notebook, second)
        yield {check.id: verify.prove(check, given, judge, report) for check in load_lesson("kinds")}, said


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
