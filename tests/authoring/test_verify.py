"""Does `course verify` prove what it says, and notice when something is wrong?"""

from __future__ import annotations

import json

import pytest

from autograder import cli, house
from autograder.authoring import verify
from autograder.authoring.answers import Sample
from autograder.checking.recall import is_proven
from autograder.checking.spec import Check, Finding, Verdict
from autograder.errors import AuthorError
from autograder.house import NOTEBOOKS, SOLUTIONS
from autograder.lessons import load
from tests.submissions import material_of

LESSONS = [path.stem for path in house.lessons(house.SOLUTIONS)]


@pytest.mark.needs_bubblewrap
@pytest.mark.parametrize("stem", LESSONS)
def test_a_lesson_is_green_through_both_transports(stem, capsys):
    """Solution passes, stub fails, mistakes are caught and named, variants accepted, in the notebook and in the sandbox."""
    code = cli.main(["verify", stem, "--jobs", "1"])
    shown = capsys.readouterr()
    assert code == 0, shown.out + shown.err
    assert "in the sandbox (bubblewrap)" in shown.out


@pytest.mark.parametrize("stem", LESSONS)
def test_each_check_is_tried_on_enough_answers(stem):
    """Every exercise has at least six wrong answers and three right variants; a prediction, where any honest guess is right, a pair."""
    tried = material_of(house.stem(stem))
    wrong, right = [sample.of for sample in tried.wrong], [sample.of for sample in tried.right]
    for role, id, _ in tried.solution.cells:
        if role == "answer":
            least = (2, 1) if "-predict-" in id else (6, 3)
            assert (wrong.count(id) >= least[0], right.count(id) >= least[1]) == (True, True), id


def test_the_matrix_is_json(capsys):
    """`--json` prints only the matrix, whatever the answers print."""
    cli.main(["verify", "00", "--json", "--notebook-only", "--jobs", "1"])
    row = json.loads(capsys.readouterr().out)["checks"]["start-here-tanh-grad"]
    assert (row["lesson"], row["solution"], row["stub_fails"]) == ("00", True, True)
    assert row["mistakes"]["total"] == row["mistakes"]["caught"] == row["mistakes"]["named"] >= 6
    assert row["variants"]["total"] == row["variants"]["accepted"] >= 4


@pytest.fixture
def tried():
    """`tried(judge)` verifies a lesson of one check, with one wrong answer and one variant, using the test's own judge."""

    def body(student, draw):
        """Anything."""

    tiny = Check("tiny-one", "one", body, lesson="tiny")
    program = lambda text: verify.Program("99_tiny", (("answer", "tiny-one", text),))  # noqa: E731
    wrong, right = Sample("tiny-one", "known", "mistakes = 1"), Sample("tiny-one", "other", "variants = 1")
    given = verify.Material(program("solution = 1"), program("stub = 1"), (wrong,), (right,))
    return lambda judge: verify.prove(tiny, given, judge, lambda *heard: None, alone=judge)


def judged(solution="right", stub="missing", mistakes="known", variants="right"):
    """A judge that returns the given status for each kind of answer; for the wrong one, a finding with the given sign."""

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


def test_what_should_be_is_green(tried):
    """If everything ends as it should, there is no fault."""
    assert tried(judged()).green


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
def test_whatever_is_not_as_it_should_be_is_a_fault(tried, otherwise):
    """A failing solution, a passing stub, a missed or misnamed mistake, a refused variant: each turns the check red."""
    assert len(tried(judged(**otherwise)).faults) == 1


def test_a_notebook_that_was_edited_is_noticed(tmp_path):
    """A committed notebook that differs from what the solution generates is found; an untouched one is not."""
    path = SOLUTIONS / "00_start_here.py"
    assert verify.as_generated(path, NOTEBOOKS)
    (tmp_path / "00_start_here.ipynb").write_bytes((NOTEBOOKS / "00_start_here.ipynb").read_bytes() + b" ")
    assert not verify.as_generated(path, tmp_path)


def test_an_answer_for_an_exercise_that_is_not_there_is_an_error(tmp_path):
    """An id that is misspelt would otherwise be tried by no check, in silence."""
    (tmp_path / "wrong.diff").write_text("== start-here-tanh-gard\n\n@@ sign @@\n+def tanh_grad(h):\n+    return h\n")
    with pytest.raises(AuthorError, match="start-here-tanh-gard.*Did you mean start-here-tanh-grad"):
        verify.material(SOLUTIONS / "00_start_here.py", tmp_path)


def test_a_right_answer_without_a_name_is_an_error(tmp_path):
    """A misspelt key in a header would otherwise lose the answer, in silence."""
    (tmp_path / "right.py").write_text('# %% of="start-here-tanh-grad" varaint="x"\ntanh_grad = 1\n')
    with pytest.raises(AuthorError, match="right answer 1 does not say"):
        verify.material(SOLUTIONS / "00_start_here.py", tmp_path)


def test_an_edit_whose_line_is_not_there_names_both(tmp_path):
    """The error says which wrong answer, of which right one, and which line."""
    (tmp_path / "wrong.diff").write_text(
        "== start-here-tanh-grad\n\n@@ sign @@ solution\n-    return 7\n+    return 8\n"
    )
    with pytest.raises(
        AuthorError, match="sign of start-here-tanh-grad: `return 7` is not in the right answer solution"
    ):
        verify.material(SOLUTIONS / "00_start_here.py", tmp_path)


NEEDY = Check("shared-gradients-bptt", "bptt", lambda student, draw: None, needs=("shared-gradients-step-backward",))
ANSWERS = {
    "def bptt(x):\n    return x": True,
    "def helper(x):\n    return x\ndef bptt(x):\n    return helper(x)": True,
    "from math import tanh as rnn_step_backward\ndef bptt(x):\n    return x": False,
    "def rnn_step_backward(x):\n    return x\ndef bptt(x):\n    return x": False,
    "torch.Tensor.sum = None\ndef bptt(x):\n    return x": False,
    "def bptt(x:\n    return x": False,
}


@pytest.mark.parametrize(("answer", "known"), ANSWERS.items())
def test_a_needed_exercise_is_known_to_be_right_where_the_answer_leaves_it_alone(answer, known):
    """It is judged anew where a cell defines it once more, or does more than to define."""
    load("shared-gradients-step-backward")
    with verify._proven(NEEDY, answer):
        assert is_proven("shared-gradients-step-backward") is known
    assert not is_proven("shared-gradients-step-backward")
