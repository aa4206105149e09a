"""Does `course verify` prove what it says, and does it notice when something is not so?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autograder import cli, verify
from autograder.spec import CHECKS, Check, Finding, Verdict

ROOT = Path(__file__).resolve().parent.parent
LESSONS = [path.stem for path in sorted((ROOT / "solutions").glob("[0-9][0-9]_*.py"))]


@pytest.mark.needs_bubblewrap
@pytest.mark.parametrize("stem", LESSONS)
def test_a_lesson_is_green_through_both_transports(stem, capsys):
    """Solution passes, stub fails, mistakes are caught and named, variants accepted, in the notebook and in the sandbox."""
    code = cli.main(["verify", stem])
    shown = capsys.readouterr()
    assert code == 0, shown.out + shown.err
    assert "in the sandbox (bubblewrap)" in shown.out


@pytest.mark.parametrize("stem", LESSONS)
def test_each_check_is_tried_on_enough_answers(stem):
    """Every exercise has at least six wrong answers and three right variants; a prediction, where any honest guess is right, a pair."""
    lesson = verify.lesson(ROOT / "solutions" / f"{stem}.py")
    tests = ROOT / "tests"
    wrong = [sample.of for sample in verify.samples(tests / "mistakes" / f"{lesson.stem}.py", "gets")]
    right = [sample.of for sample in verify.samples(tests / "variants" / f"{lesson.stem}.py", "variant")]
    for role, id, _ in lesson.cells:
        if role == "answer":
            least = (2, 1) if "-predict-" in id else (6, 3)
            assert (wrong.count(id) >= least[0], right.count(id) >= least[1]) == (True, True), id


def test_the_matrix_is_json(capsys):
    """`--json` prints nothing but the matrix, whatever the answers print."""
    cli.main(["verify", "00", "--json", "--notebook-only"])
    row = json.loads(capsys.readouterr().out)["checks"]["start-here-tanh-grad"]
    assert (row["lesson"], row["solution"], row["stub_fails"]) == ("00", True, True)
    assert row["mistakes"]["total"] == row["mistakes"]["caught"] == row["mistakes"]["named"] >= 6
    assert row["variants"]["total"] == row["variants"]["accepted"] >= 4


@pytest.fixture
def tried(tmp_path):
    """`tried(judge)` verifies a lesson of one check, with one wrong answer and one variant, by a judge of the test's own."""

    def body(student, draw):
        """Anything."""

    CHECKS["tiny-one"] = Check("tiny-one", "one", body, lesson="tiny")
    for kind, header in (("mistakes", 'gets="known"'), ("variants", 'variant="other"')):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "tiny.py").write_text(f'# %% of="tiny-one" {header}\n{kind} = 1\n')
    lesson = verify.Lesson("99", "tiny", (("answer", "tiny-one", "solution = 1"),))
    stub = verify.Lesson("99", "tiny", (("answer", "tiny-one", "stub = 1"),))

    def run(judge, monkeypatch):
        monkeypatch.setattr(verify, "load_lesson", lambda stem: [CHECKS["tiny-one"]])
        ((_, row),) = verify.verify("tiny", lesson, stub, judge, tmp_path, lambda *heard: None)
        return row

    yield run
    del CHECKS["tiny-one"]


def judged(solution="right", stub="missing", mistakes="known", variants="right"):
    """A judge that ends as told for each kind of answer; for the wrong one, as a finding of that sign."""

    def judge(check, sources):
        kind = sources[0].split(" ")[0]
        if kind == "mistakes":
            return (
                Verdict(check.id, "right")
                if mistakes == "right"
                else Verdict(check.id, "wrong", finding=Finding(mistakes, ""))
            )
        return Verdict(check.id, {"solution": solution, "stub": stub, "variants": variants}[kind])

    return judge


def test_what_should_be_is_green(tried, monkeypatch):
    """If all ends as it should there is no fault."""
    assert tried(judged(), monkeypatch).green


@pytest.mark.parametrize(
    "otherwise",
    [
        {"solution": "wrong"},
        {"stub": "right"},
        {"stub": "broken"},
        {"mistakes": "right"},
        {"mistakes": "other"},
        {"variants": "wrong"},
    ],
)
def test_whatever_is_not_as_it_should_be_is_a_fault(tried, monkeypatch, otherwise):
    """A failing solution, a passing stub, a mistake missed or misnamed, a variant refused: each turns the check red."""
    assert len(tried(judged(**otherwise), monkeypatch).faults) == 1


def test_a_notebook_that_was_edited_is_noticed(tmp_path, monkeypatch):
    """A committed notebook that is not what the solution generates is found; the untouched one is not."""
    path = ROOT / "solutions" / "00_start_here.py"
    assert verify.as_generated(path)
    (tmp_path / "00_start_here.ipynb").write_bytes((ROOT / "notebooks" / "00_start_here.ipynb").read_bytes() + b" ")
    monkeypatch.setattr(verify, "NOTEBOOKS", tmp_path)
    assert not verify.as_generated(path)
