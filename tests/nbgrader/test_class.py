"""A class of real submissions through real nbgrader: who gets which points, and what they are told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from nbgrader.converters import GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from nbgrader.utils import capture_log

from autograder.checking.spec import Finding, Verdict
from autograder.cli import main
from autograder.house import SOLUTIONS
from autograder.judge.entry import Entry
from autograder.lessons import load
from autograder.nbgrader import regrade
from autograder.nbgrader.classroom import Classroom, gradebook, make
from autograder.nbgrader.handed_in import find
from tests.submissions import HandOut, add, cell, change, copy_of, delete, hand_in, lesson, place, write

pytestmark = [pytest.mark.needs_bubblewrap, pytest.mark.filterwarnings("ignore")]

NAME = "01_unrolled_graph"
STEP, UNROLL, EDGES = "unrolled-graph-rnn-step", "unrolled-graph-unroll", "unrolled-graph-unrolled-edges"
PATHS, COUNT, PADDED = "unrolled-graph-count-paths", "unrolled-graph-parameter-count", "unrolled-graph-unroll-padded"
WHY = "unrolled-graph-why"

# One mistake each, in a notebook that is right otherwise: the exercise, the lines, and what the learner is told.
MISTAKES = {
    "no-tanh": (STEP, "return torch.tanh(a_t)", "return a_t", "the tanh is left out"),
    "restart": (UNROLL, "rnn_step(x[:, t], h, params)", "rnn_step(x[:, t], h0, params)", "every step starts from h_0"),
    "one-path-less": (PATHS, "return t", "return t - 1", "one path is forgotten"),
    "two-biases": (COUNT, "(D + H + 1)", "(D + H + 2)", "a second recurrent bias is counted"),
    "no-lengths": (PADDED, "(t < lengths)", "(lengths < 99)", "the lengths are not used"),
}


def mistaken(one: HandOut, who: str):
    exercise, old, new, _ = MISTAKES[who]
    return change(one.right(), "answer", exercise, old, new)


def noisy(one: HandOut):
    loud = "import sys, warnings; warnings.warn('deprecated'); print('careful', file=sys.stderr)\n    return t"
    return change(one.right(), "answer", PATHS, "return t", loud)


def helper_in_a_cell_of_its_own(one: HandOut):
    notebook = change(one.right(), "answer", STEP, "return torch.tanh(a_t)", "return squash(a_t)")
    return add(notebook, len(notebook.cells), "def squash(a):\n    return torch.tanh(a)")


def answer_in_another_cell(one: HandOut):
    notebook = one.right()
    answer = cell(notebook, "answer", PATHS)
    answer.source, source = cell(one.handed_out, "answer", PATHS).source, answer.source
    return add(notebook, place(notebook, "check", PATHS), source)


def helper_in_an_experiment(one: HandOut):
    notebook = change(one.right(), "answer", STEP, "return torch.tanh(a_t)", "return squash(a_t)")
    cell(notebook, "experiment", "one-click").source += "\n\ndef squash(a):\n    return torch.tanh(a)"
    return notebook


def odd_characters(one: HandOut) -> bytes:
    """Right, but cells and a written answer hold characters that no UTF-8 file may, written as JSON escapes."""
    notebook = add(add(one.right(), 2, "s = '\ud800'"), 3, "x = 1\0")
    write(notebook, "written", WHY, "My answer \ud800 is this.\0")
    return json.dumps(notebook).encode()


def cheating(one: HandOut, source: str):
    """A blank notebook with a cell that tries to make the checks pass."""
    return add(one.blank(), 2, source)


def one_answer(one: HandOut, exercise: str, body: str):
    """Right except for one function, which does this."""
    head = cell(one.handed_out, "answer", exercise).source.split("\n")[0]
    return write(one.right(), "answer", exercise, f"{head}\n    {body}")


PATCHED = (
    "import torch, builtins\ntorch.allclose = torch.equal = lambda *a, **k: True\ntorch.testing.assert_close = print"
)
TRANSFORMER = """
import ast
class NoAsserts(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.Pass()
    def visit_Raise(self, node):
        return ast.Pass()
get_ipython().ast_transformers.append(NoAsserts())
"""
PROBE = """
import autograder.beside.beside, autograder.beside.probes
for module in (autograder.beside.beside, autograder.beside.probes):
    for name, value in list(vars(module).items()):
        if callable(value) and not isinstance(value, type) and not name.startswith("__"):
            setattr(module, name, lambda *a, **k: {"ok": True, "value": "1", "changed": []})
"""
SHADOW = "class CheckFailed(Exception): ...\ndef check(id, seed=None): return 1\ndef progress(): ...\n"
ACTIVE = "<script>alert('me')</script> [press](javascript:alert(1)) <img src=x onerror=alert(2)>"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="


def active(one: HandOut):
    """Right, with content that a grader's browser must not run and a picture that it must show."""
    notebook = write(one.right(), "written", WHY, f"My answer is this. {ACTIVE}")
    add(notebook, 3, "draw()")
    html = {"text/html": ACTIVE, "application/javascript": "alert(3)", "image/svg+xml": "<svg onload='alert(4)'/>"}
    notebook.cells[3].outputs = [
        nbformat.v4.new_output("display_data", data={**html, "text/plain": "a twin in text"}),
        nbformat.v4.new_output("display_data", data={"image/png": PIXEL}),
        nbformat.v4.new_output("stream", name="stderr", text="a warning"),
    ]
    return add(notebook, 4, f"a note {ACTIVE}", "markdown")


AUTO = 24.0  # points of all checks
HONEST = {  # who: (what they hand in, automatic points)
    "right": (HandOut.right, AUTO),
    "blank": (HandOut.blank, 0),
    "noisy": (noisy, AUTO),
    "helper": (helper_in_a_cell_of_its_own, AUTO),
    "elsewhere": (answer_in_another_cell, AUTO),
    "check-deleted": (lambda one: delete(delete(one.right(), "check", STEP), "written", WHY), AUTO),
    "copied": (lambda one: copy_of(copy_of(copy_of(one.right(), "check", STEP), "answer", STEP), "written", WHY), AUTO),
    "in-experiment": (helper_in_an_experiment, AUTO),
    "no-tanh": (lambda one: mistaken(one, "no-tanh"), AUTO - 3),
    "restart": (lambda one: mistaken(one, "restart"), AUTO - 4),
    "one-path-less": (lambda one: mistaken(one, "one-path-less"), AUTO - 2),
    "two-biases": (lambda one: mistaken(one, "two-biases"), AUTO - 2),
    "no-lengths": (lambda one: mistaken(one, "no-lengths"), AUTO - 4),
    "exits": (lambda one: one_answer(one, PATHS, "import os; os._exit(0)"), AUTO - 2),
    "loops": (lambda one: one_answer(one, PATHS, "while True: pass"), AUTO - 2),
    "segfault": (lambda one: one_answer(one, COUNT, "import ctypes; return ctypes.string_at(0)"), AUTO - 2),
    "active": (active, AUTO),
    "deep": (lambda one: add(one.right(), 3, "x = 0" + " + 0" * 20_000), AUTO),
    "odd-characters": (odd_characters, AUTO),
}
OTHERS = {
    "patched": (lambda one: cheating(one, PATCHED), 0),
    "transformer": (lambda one: cheating(one, TRANSFORMER), 0),
    "shadow": (HandOut.blank, 0),  # with autograder.py beside it
    "probe": (lambda one: cheating(one, PROBE), 0),
    "broken": (lambda one: b'{"cells": [{"cell_type": "code"', 0),
    "empty": (lambda one: b"", 0),
    "other-lesson": (lambda one: lesson(SOLUTIONS / "00_start_here.py").blank(), 0),
    "stamped": (HandOut.right, AUTO),
    "unstamped": (HandOut.right, AUTO),
    "regraded": (HandOut.right, AUTO),
}


class Klass:
    """A class folder and what is in its gradebook."""

    def __init__(self, root: Path, one: HandOut):
        self.root, self.one, self.classroom = root, one, Classroom(root)

    def grade(self, *students: str) -> dict[str, Entry]:
        items = [find(self.classroom, student, NAME) for student in students]
        with ThreadPoolExecutor(2) as workers:
            return {one.learner: one for one in regrade.regrade(self.classroom, items, workers)}

    def marks(self, student: str) -> dict[str, tuple[float | None, bool]]:
        """Automatic score and whether a person has to look, by graded cell."""
        with gradebook(self.classroom) as book:
            grades = book.find_submission(NAME, student).notebooks[0].grades
            return {mark.name: (mark.auto_score, mark.needs_manual_grade) for mark in grades}

    def points(self, student: str) -> float:
        return sum(score or 0 for score, _ in self.marks(student).values())

    def autograded(self, student: str) -> nbformat.NotebookNode:
        return nbformat.read(self.root / "autograded" / student / NAME / f"{NAME}.ipynb", as_version=4)

    def feedback(self, student: str) -> str:
        path = self.root / "feedback" / student / NAME / f"{NAME}.html"
        if not path.exists():
            config = self.classroom.config()
            course = CourseDirectory(config=config, assignment_id=NAME, student_id=student)
            done = capture_log(GenerateFeedback(coursedir=course, config=config))
            assert done["success"], done
        return path.read_text()

    def card(self, student: str, check: str) -> str:
        """The check's card, as it is on the feedback page."""
        page = self.feedback(student)
        begin = page.index(f'<div class="bptt-card" data-check="{check}"')
        return page[begin : page.index('<div class="output_area">', begin)]


@pytest.fixture(scope="module")
def klass(tmp_path_factory) -> Klass:
    """Everybody's first submission, graded once."""
    root, one = tmp_path_factory.mktemp("bptt") / "class", lesson(SOLUTIONS / f"{NAME}.py")
    make(root, [SOLUTIONS / f"{NAME}.py"])
    for student, (build, _) in (HONEST | OTHERS).items():
        stamp = "2026-03-01 10:00:00 UTC" if student == "stamped" else ""
        hand_in(root, student, NAME, build(one), stamp)
    shadow = root / "submitted" / "shadow" / NAME
    (shadow / "autograder.py").write_text(SHADOW)
    (shadow / "notes.txt").write_text("mine")
    (shadow / "k").symlink_to("../../../course.key")
    paths = load(PATHS)
    object.__setattr__(paths, "deadline", 3.0)  # so that the endless loop does not take long here
    made = Klass(root, one)
    made.rows = made.grade(*HONEST, *OTHERS)
    return made


@pytest.mark.parametrize("student", HONEST)
def test_the_honest_get_exactly_their_points(klass, student):
    """Whatever happened to the notebook, what is right in it earns its points, and nothing else does."""
    assert klass.points(student) == HONEST[student][1], klass.rows[student].reasons


@pytest.mark.parametrize("student", OTHERS)
def test_tricks_and_broken_files_earn_nothing(klass, student):
    """Patching, shadowing and overwriting earn no points; neither does a file that is not a notebook."""
    assert klass.points(student) == OTHERS[student][1]


def test_a_link_in_a_submission_leads_nowhere(klass):
    """nbgrader copies what was handed in, and neither follows nor keeps a link to the course key; the twin: a file is copied."""
    there = {path.name for path in (klass.root / "autograded" / "shadow" / NAME).iterdir()}
    assert ("k" in there, "notes.txt" in there) == (False, True)


@pytest.mark.parametrize("student", MISTAKES)
def test_feedback_names_the_mistake(klass, student):
    """The feedback page has the card, and the card says which mistake it looks like."""
    exercise, *_, said = MISTAKES[student]
    assert said in klass.card(student, exercise)


def test_feedback_of_a_right_answer_does_not_name_that_mistake(klass):
    """The twin: the message for a mistake is not on every card."""
    assert not any(said in klass.card("right", exercise) for exercise, *_, said in MISTAKES.values())


@pytest.mark.parametrize(
    ("student", "said"),
    [
        ("broken", "its JSON is broken"),
        ("empty", "The file is empty"),
        ("other-lesson", "the notebook of another lesson (00_start_here)"),
    ],
)
def test_feedback_says_what_was_wrong_with_the_file(klass, student, said):
    """A broken or empty file, or one of another lesson, is reported on the page and in the table."""
    assert said in klass.feedback(student) and said in klass.rows[student].reasons[0]


@pytest.mark.parametrize(("student", "status"), [("exits", "crashed"), ("segfault", "crashed"), ("loops", "timeout")])
def test_an_ending_has_its_reason(klass, student, status):
    """A process that died and one that never ends each get their own verdict."""
    assert status in {verdict.status for verdict in klass.rows[student].verdicts.values()}


@pytest.mark.parametrize("student", ["right", "copied", "check-deleted", "broken", "active"])
def test_the_graded_cells_are_those_of_the_release(klass, student):
    """The autograded notebook has exactly the release's graded cells, once each."""

    def graded(notebook):
        marks = [one.metadata.get("nbgrader", {}) for one in notebook.cells]
        return sorted(mark["grade_id"] for mark in marks if mark.get("grade"))

    assert graded(klass.autograded(student)) == graded(klass.one.handed_out)


def test_written_answers_await_a_person(klass):
    """A written answer gets no automatic score, and its text is there to be read."""
    assert klass.marks("right")[WHY] == (None, True)
    assert cell(klass.one.right(), "written", WHY).source[:60] in cell(klass.autograded("right"), "written", WHY).source


def test_a_written_question_left_blank_is_no_work_for_a_person(klass):
    """nbgrader's own rule: the unchanged released text is not a response, and gets 0."""
    assert klass.marks("blank")[WHY] == (0, False)


def test_a_deleted_written_cell_awaits_a_person(klass):
    """The answer may be in another cell, so 0 would be a guess."""
    assert klass.marks("check-deleted")[WHY] == (None, True)


def test_nothing_of_the_learners_runs_in_a_graders_browser(klass):
    """Scripts, handlers and harmful links are shown as text, if at all."""
    page = klass.feedback("active")
    assert not any(
        live in page for live in ("<script>alert", "<img src=x", 'href="javascript:', "<svg onload", "alert(3)")
    )


def test_what_the_learner_shows_stays_visible(klass):
    """Text, warnings and pictures stay for whoever grades by hand."""
    page = klass.feedback("active")
    assert all(
        shown in page for shown in ("a twin in text", "a warning", "data:image/png;base64,", "My answer is this.")
    )


@pytest.mark.parametrize("student", ["stamped", "unstamped"])
def test_a_worse_resubmission_replaces_the_better_one(klass, student):
    """`course grade` compares contents: with or without a newer timestamp.txt, the old score does not stay."""
    assert klass.points(student) == AUTO
    stamp = "2026-03-02 10:00:00 UTC" if student == "stamped" else ""
    hand_in(klass.root, student, NAME, mistaken(klass.one, "restart"), stamp)
    assert klass.grade(student)[student].state == "graded"
    assert klass.points(student) == AUTO - 4


def test_what_has_not_changed_is_not_graded_again(klass):
    """Grading again does not touch what has not changed, manual grades included."""
    file = klass.root / "autograded" / "right" / NAME / f"{NAME}.ipynb"
    before = file.stat().st_mtime_ns
    assert (klass.grade("right")["right"].state, file.stat().st_mtime_ns) == ("as before", before)


def test_a_failed_regrade_leaves_no_old_score(klass, monkeypatch):
    """If the judge fails, the result says so, and the old score is gone."""

    def fails(*args, **more):
        raise RuntimeError("the judge is ill")

    hand_in(klass.root, "regraded", NAME, mistaken(klass.one, "no-tanh"))
    with monkeypatch.context() as patch:
        patch.setattr("autograder.judge.engine.judge", fails)
        row = klass.grade("regraded")["regraded"]
    assert (row.state, row.reasons) == ("failed", ["RuntimeError: the judge is ill"])
    assert set(klass.marks("regraded").values()) == {(None, True)}


def test_a_failed_nbgrader_autograde_leaves_no_old_score(klass, monkeypatch):
    """The same holds for nbgrader's own autograde: the old score is deleted before anything can fail."""

    def fails(*args, **more):
        raise RuntimeError("the judge is ill")

    klass.grade("helper")
    assert klass.points("helper") == AUTO
    with monkeypatch.context() as patch:
        patch.setattr("autograder.judge.engine.judge", fails)
        said = regrade.autograde(klass.classroom.config(), "helper", NAME)
    assert said == "RuntimeError: the judge is ill"
    assert set(klass.marks("helper").values()) == {(None, True)}
    assert klass.grade("helper")["helper"].score == AUTO  # and comes back when the judge is well


def test_a_check_that_a_person_must_decide_has_no_score(klass, monkeypatch):
    """`look` is neither 0 nor full marks: that cell awaits manual grading, the others have their points."""
    from autograder.judge import engine

    real = engine.judge

    def unsure(*args, **more):
        judged = real(*args, **more)
        judged.verdicts[STEP] = Verdict(STEP, "look", finding=Finding("hidden", "the code hides what it does"))
        return judged

    hand_in(klass.root, "regraded", NAME, noisy(klass.one))
    with monkeypatch.context() as patch:
        patch.setattr(engine, "judge", unsure)
        klass.grade("regraded")
    assert klass.marks("regraded")[f"{STEP}-check"] == (None, True)
    assert klass.points("regraded") == AUTO - 3


def test_course_grade_tells_of_everybody(klass, capsys):
    """The command names each submission with its score, and its exit code says that some could not be read."""
    assert main(["grade", str(klass.root), "01", "--json"]) == 1
    told = {one["learner"]: one for one in json.loads(capsys.readouterr().out)["submissions"]}
    assert set(HONEST) | set(OTHERS) <= set(told)
    assert (told["no-tanh"]["score"], told["no-tanh"]["of"]) == (AUTO - 3, klass.one.points())
    assert {one["state"] for name, one in told.items() if name in HONEST} <= {"as before", "graded"}
    assert {"seeds", "sandbox", "limits", "versions"} <= set(told["no-tanh"]["provenance"])


def test_course_grade_of_a_lesson_that_is_not_there_is_misuse(klass, capsys):
    """A lesson that the class does not have is answered with one line that lists those it has."""
    assert main(["grade", str(klass.root), "42"]) == 2
    assert f"no lesson 42. It has: {NAME}" in capsys.readouterr().err


def nbgrader(klass: Klass, *command: str) -> str:
    """What an nbgrader command prints, run in the class folder as an instructor would."""
    line = [sys.executable, "-W", "ignore", "-m", "nbgrader", *command]
    done = subprocess.run(line, cwd=klass.root, capture_output=True, text=True, timeout=300, env={**os.environ})
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_nbgrader_autograde_gives_the_same_scores(klass):
    """`nbgrader autograde` judges in the same way: with no stored verdicts, the scores are the same."""
    before = klass.marks("no-lengths")
    kept = klass.classroom.verdicts
    kept.rename(kept.with_name("aside"))
    nbgrader(klass, "autograde", NAME, "--student", "no-lengths", "--force")
    assert klass.marks("no-lengths") == before
    assert any(kept.rglob("*.json"))  # judged, and kept


def test_nbgrader_export_writes_the_scores(klass):
    """`nbgrader export` writes everybody's points to the CSV."""
    nbgrader(klass, "export")
    lines = (klass.root / "grades.csv").read_text().splitlines()
    columns = lines[0].split(",")
    rows = [dict(zip(columns, line.split(","), strict=True)) for line in lines[1:]]
    assert {row["student_id"]: float(row["score"]) for row in rows}["no-tanh"] == AUTO - 3
