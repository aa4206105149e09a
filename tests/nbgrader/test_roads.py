"""Is the same file graded the same on every road, and does nothing that was handed in vanish without a line?"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import nbformat
import pytest

from autograder.cli import main
from autograder.house import ROOT, SOLUTIONS
from autograder.judge.entry import Entry
from autograder.nbgrader import standing
from autograder.nbgrader.classroom import Classroom, gradebook, make
from autograder.nbgrader.regrade import Settings, autograde, regrade, submissions
from tests.spoilt import SPOILT
from tests.submissions import change, hand_in, lesson, write

pytestmark = [pytest.mark.needs_bubblewrap, pytest.mark.filterwarnings("ignore")]

NAME = "00_start_here"
SCRIPT = SOLUTIONS / f"{NAME}.py"
TANH, WHY = "start-here-tanh-grad", "start-here-why-float64"
PLAIN = Settings()


LACKING = {  # what is written is in order where it was written, and cannot be judged here: what the card says
    "module": ("import jaxtyping\n\ndef tanh_grad", "the module jaxtyping is not installed where this is graded"),
    "newer": ("type Pair = tuple[int, int]\n\ndef tanh_grad", "syntax of Python"),
}


class Klass:
    """A class with one lesson."""

    def __init__(self, root: Path):
        self.root, self.one, self.classroom = root, lesson(SCRIPT), Classroom(root)

    def grade(self, settings: Settings = PLAIN) -> dict[str, Entry]:
        with ThreadPoolExecutor(2) as workers:
            found = submissions(self.classroom)
            return {one.learner: one for one in regrade(self.classroom, found, workers, settings)}

    def marks(self) -> dict[str, dict[str, tuple[float | None, float | None, bool]]]:
        """Automatic score, a person's, and whether one has to look, by student and cell."""
        with gradebook(self.classroom) as book:
            return {
                one.student_id: {
                    mark.name: (mark.auto_score, mark.manual_score, mark.needs_manual_grade)
                    for notebook in one.notebooks
                    for mark in notebook.grades
                }
                for one in book.assignment_submissions(NAME)
            }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A class with one lesson, and nothing handed in."""
    root = tmp_path_factory.mktemp("roads") / "class"
    make(root, [SCRIPT])
    return root


@pytest.fixture
def klass(made, tmp_path):
    """A copy of it for one test."""
    return Klass(shutil.copytree(made, tmp_path / "class"))


def test_what_was_spoilt_on_its_way_is_graded_the_same_in_a_class_and_in_a_folder(klass, tmp_path, capsys):
    """A right notebook has the same verdicts, seeds and all, however an editor or a service left it, on both roads."""
    for who, build in SPOILT.items():
        for folder in (klass.root / "submitted" / who / NAME, tmp_path / "in" / who):
            folder.mkdir(parents=True)
            what = build(klass.one)
            raw = what if isinstance(what, bytes) else nbformat.writes(what).encode()
            (folder / f"{NAME}.ipynb").write_bytes(raw)
    graded = klass.grade()
    key = str(klass.root / "course.key")
    assert main(["grade", str(tmp_path / "in"), "--key", key, "--json"]) == 0
    told = {one["learner"]: one for one in json.loads(capsys.readouterr().out)["submissions"]}
    full = klass.one.points("check")
    for who in SPOILT:
        checks = told[who]["checks"]
        assert full == sum(one["points"] for one in checks.values()), (who, told[who]["problems"])
        assert {id: one["seed"] for id, one in checks.items()} == {
            id: verdict.seed for id, verdict in graded[who].verdicts.items()
        }


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="the syntax is not newer than this Python")
def test_what_this_machine_lacks_is_what_the_card_says(klass):
    """A missing module or newer syntax awaits a person, with the reason: it is neither 0 nor 'not written'."""
    for who, (head, _) in LACKING.items():
        hand_in(klass.root, who, NAME, change(klass.one.right(), "answer", TANH, "def tanh_grad", head))
    graded = klass.grade()
    for who, (_, said) in LACKING.items():
        verdict = graded[who].verdicts[TANH]
        assert (verdict.status, True) == ("look", said in verdict.finding.summary), verdict
    raises = change(klass.one.right(), "answer", TANH, "def tanh_grad", "1 / 0\n\ndef tanh_grad")
    hand_in(klass.root, "raises", NAME, raises)
    verdict = klass.grade()["raises"].verdicts[TANH]  # the twin: the learner's own error is one
    assert (verdict.status, True) == ("error", "ZeroDivisionError" in verdict.finding.summary)


@pytest.mark.parametrize(
    ("code", "status"), [("while True: pass", "timeout"), ("__import__('os')._exit(3)", "crashed")]
)
def test_a_cell_that_did_not_end_is_what_the_card_says(klass, code, status):
    """An answer in a cell that loops or ends the process was written: what happened is told, and the others are judged."""
    config = klass.root / "nbgrader_config.py"
    config.write_text(config.read_text() + 'c.JudgedExecute.limits = {"cell": 3.0}\n')
    hand_in(
        klass.root, "ada", NAME, change(klass.one.right(), "answer", TANH, "def tanh_grad", f"{code}\ndef tanh_grad")
    )
    entry = klass.grade()["ada"]
    assert (status, True) == (entry.verdicts[TANH].status, "was not finished" in entry.verdicts[TANH].finding.summary)
    assert ["right"] * (len(entry.verdicts) - 1) == [one.status for id, one in entry.verdicts.items() if id != TANH]


def test_nothing_that_was_handed_in_vanishes_without_a_line(klass, tmp_path, capsys):
    """In a class and in a folder, every file and folder that a person put there is told of, with the way out."""
    right = nbformat.writes(klass.one.right()).encode()
    lost = {
        "zip/LESSON/all.zip": "Unpack it",
        "html/LESSON/LESSON.html": "Ask for the notebook itself",
        "py/LESSON/LESSON.py": "Ask for the notebook itself",
        "flat/LESSON.ipynb": "mkdir -p",
        "misspelt/lesson-zero/LESSON.ipynb": "mv ",
        "two/LESSON/a.ipynb": "Keep the one that counts",
    }
    named = {
        "browser/LESSON/LESSON (1).ipynb": right,
        "jupyter/LESSON/LESSON-Copy1.ipynb": right,
        "canvas/LESSON/LESSON-1.ipynb": right,
        "own/LESSON/homework.ipynb": right,
        "text/LESSON/LESSON.ipynb.txt": right,
        "mac/LESSON/LESSON.ipynb": right,
        "mac/LESSON/._LESSON.ipynb": b"\0\5\26\7",
        "mac/__MACOSX/LESSON/._LESSON.ipynb": b"\0\5\26\7",
        "two/LESSON/b.ipynb": nbformat.writes(klass.one.blank()).encode(),
    }
    for root in (klass.root / "submitted", tmp_path / "in"):
        for path in (*lost, *named):
            file = root / path.replace("LESSON", NAME)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(named.get(path, right if path.endswith(".ipynb") else b"PK"))
        (root / "empty").mkdir()
    graded = klass.grade()
    for path, said in lost.items():
        entry = graded[path.split("/")[0]]
        assert ("failed", True) == (entry.state, said in entry.problem), entry
    assert "the folder is empty" in graded["empty"].problem
    alone = [who for who in graded if graded[who].state == "graded"]
    assert sorted(alone) == sorted({path.split("/")[0] for path in named} - {"two"})
    assert {klass.one.points("check")} == {graded[who].score for who in alone}
    assert main(["grade", str(tmp_path / "in"), "--json"]) == 1
    told = [one["learner"] for one in json.loads(capsys.readouterr().out)["submissions"]]
    assert {"empty", *(path.split("/")[0] for path in (*lost, *named))} == set(told)


def test_nbgraders_own_autograde_takes_the_same_notebook(klass):
    """`nbgrader autograde` and formgrader grade a notebook under another name as `course grade` does."""
    file = hand_in(klass.root, "ada", NAME, klass.one.right())
    file.rename(file.with_name(f"{NAME} (1).ipynb"))
    (file.parent / "k").symlink_to("../../../course.key")
    line = [sys.executable, "-W", "ignore", "-m", "nbgrader", "autograde", NAME]
    done = subprocess.run(line, cwd=klass.root, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert klass.one.points("check") == sum(auto or 0 for auto, *_ in klass.marks()["ada"].values())
    assert "as before" == klass.grade()["ada"].state
    assert not (klass.root / "autograded" / "ada" / NAME / "k").exists()  # no link is followed, whoever was named


def test_a_second_run_judges_nothing(klass, monkeypatch):
    """What has been judged is looked up, also after `--again`; what cells raised is told again."""
    from autograder.judge import session

    hand_in(
        klass.root, "ada", NAME, change(klass.one.right(), "answer", TANH, "def tanh_grad", "1 / 0\n\ndef tanh_grad")
    )
    klass.grade(Settings(again=True))
    with monkeypatch.context() as patch:
        patch.setattr(session, "Child", None)  # whoever starts a child now fails
        patch.setattr("autograder.nbgrader.regrade.repair", None)  # and whoever reads more than the bytes
        again = klass.grade()["ada"]
    assert ("as before", True) == (again.state, any("ZeroDivisionError" in said for said in again.remarks))


def test_a_due_date_an_extension_and_a_penalty_hold_whenever_they_change(klass):
    """A plugin beside nbgrader_config.py is found, and points change with the dates, although no file was handed in again."""
    plugin = "from nbgrader.plugins import LateSubmissionPlugin\n\n\nclass Penalty(LateSubmissionPlugin):\n    def late_submission_penalty(self, student, score, late):\n        return 2.0\n"
    (klass.root / "late_by_two.py").write_text(plugin)
    config = klass.root / "nbgrader_config.py"
    config.write_text(config.read_text() + 'c.AssignLatePenalties.plugin_class = "late_by_two.Penalty"\n')
    hand_in(klass.root, "ada", NAME, klass.one.right(), "2026-03-02 10:00:00 UTC")
    full = klass.grade()["ada"].score
    assert klass.one.points("check") == full

    def due(day: int | None, extension: int = 0) -> tuple[str, float]:
        with gradebook(klass.classroom) as book:
            book.update_or_create_assignment(NAME, duedate=day and datetime(2026, 3, day))
            book.grant_extension(NAME, "ada", days=extension)
        entry = klass.grade()["ada"]
        return entry.state, entry.score

    assert ("graded", full - 2) == due(1)
    assert ("as before", full - 2) == due(1)
    assert ("graded", full) == due(1, extension=3)
    assert ("graded", full - 2) == due(1)
    assert ("graded", full) == due(9)


def test_a_decision_is_written_once_and_survives_regrading(klass, capsys):
    """Points given by hand stay, and await nobody again, while the answer stays the same; a changed answer is looked at again."""
    hand_in(klass.root, "ada", NAME, klass.one.right())
    klass.grade()
    root = str(klass.root)
    assert main(["decide", root]) == 0 and "a written answer" in capsys.readouterr().out
    assert main(["decide", root, "00", "ada", WHY, "1.5", "--because", "Well said."]) == 0
    assert main(["decide", root, "00", "ada", WHY, "99"]) == 2
    assert main(["decide", root]) == 0 and "Nothing awaits you" in capsys.readouterr().out
    assert "" == autograde(klass.classroom.config(), "ada", NAME)
    assert (None, 1.5, False) == klass.marks()["ada"][WHY]
    hand_in(klass.root, "ada", NAME, write(klass.one.right(), "written", WHY, "Another answer."))
    klass.grade()
    assert (None, 1.5, True) == klass.marks()["ada"][WHY]
    assert main(["decide", root]) == 0 and "the answer has changed" not in capsys.readouterr().out
    assert main(["decide", root, "00", "ada", TANH, "--request", "It ran at home."]) == 0
    assert main(["decide", root]) == 0 and "asked for: It ran at home." in capsys.readouterr().out


def test_who_is_missing_and_who_is_no_student_is_said(klass, tmp_path, capsys):
    """Ids that are not on the roster are named, and so are students who handed in nothing; a piped line cuts no id."""
    roster = tmp_path / "roster.csv"
    roster.write_text("id\nada\nbob\n")
    make(klass.root, [], roster=roster)
    long = "a-name-that-is-longer-than-any-column-of-a-terminal-of-eighty-characters-would-ever-let-it-be"
    for who in ("ada", long):
        hand_in(klass.root, who, NAME, klass.one.right())
    assert main(["grade", str(klass.root)]) == 0
    said = capsys.readouterr().out
    assert f"Nothing handed in for {NAME}: bob\n" in said and f"Not on the roster: {long}." in said
    assert any(line.startswith(f"{long}  ") for line in said.split("\n"))
    assert main(["report", str(klass.root)]) == 0
    page = (klass.root / "report.html").read_text()
    assert "bob" in page and "<svg" in page and "<script" not in page


def test_a_locked_gradebook_is_waited_for(klass, monkeypatch):
    """While another program writes, grading says so and waits; when it is done, everybody is graded."""
    hand_in(klass.root, "ada", NAME, klass.one.right())
    other = sqlite3.connect(klass.root / "gradebook.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    threading.Timer(2, lambda: other.execute("ROLLBACK")).start()
    said: list[str] = []
    with ThreadPoolExecutor(2) as workers:
        (entry,) = regrade(klass.classroom, submissions(klass.classroom), workers, say=said.append)
    assert ("graded", True) == (entry.state, "in use by another program" in said[0])


def test_a_gradebook_that_stays_locked_is_one_line(klass, monkeypatch, capsys):
    """The twin: when the other program does not end, the command ends with what to do, and not with a traceback."""
    hand_in(klass.root, "ada", NAME, klass.one.right())
    monkeypatch.setattr(standing, "PATIENCE", 1.0)
    other = sqlite3.connect(klass.root / "gradebook.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert main(["grade", str(klass.root)]) == 2
    other.close()
    assert "Close formgrader" in capsys.readouterr().err


def test_a_full_disk_ends_grading_with_one_line(klass, monkeypatch, capsys):
    """Nothing more is tried when nothing can be written; with room, the next run goes on."""
    from autograder.judge.store import Store

    def full(*args):
        raise OSError(28, os.strerror(28))

    hand_in(klass.root, "ada", NAME, klass.one.right())
    with monkeypatch.context() as patch:
        patch.setattr(Store, "write", full)
        assert main(["grade", str(klass.root)]) == 2
    assert "The disk is full" in capsys.readouterr().err
    assert "graded" == klass.grade()["ada"].state


def test_a_clock_that_jumps_changes_nothing(klass, monkeypatch):
    """Deadlines are held by a clock that cannot be set: a day forward and back again ends no answer."""
    ticks = iter(range(10**9))
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 86_400 * (-1) ** next(ticks))
    hand_in(klass.root, "ada", NAME, klass.one.right())
    assert klass.one.points("check") == klass.grade()["ada"].score


KILLING = """
import os, random, signal, sys
from pathlib import Path
from autograder.cli import main
from autograder.commands import grade_class
from autograder.judge.sandbox import choose

choose()  # everything is imported before the first fork, and the sandbox tried
root, kills, decision = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "sqlite3.connect")

def grade(at):
    # Grade in a fork that is ended a moment after its at-th change of a file or its at-th look into the gradebook.
    reads, writes = os.pipe()
    if pid := os.fork():
        os.close(writes)
        count = int(os.read(reads, 99) or 0)
        os.close(reads)
        os.waitpid(pid, 0)
        return count
    seen = 0
    def hook(event, args):
        nonlocal seen
        if event in CHANGES or event == "open" and str(args[1])[:1] in "wax":
            seen += 1
            if seen == at:
                signal.setitimer(signal.ITIMER_REAL, 1e-6 + 0.03 * random.random())
    sys.addaudithook(hook)
    sys.stdout = sys.stderr = open(os.devnull, "w")
    main(["grade", root, "--jobs", "1"])
    os.write(writes, str(seen).encode())
    os._exit(0)

random.seed(1)
ended = sum(grade(random.randint(1, 30)) == 0 for _ in range(kills // 5))
every = grade(0)
main(["decide", root, *decision])
for number in range(kills - kills // 5):
    for folder in Path(root, "submitted").glob("*/*"):
        (folder / "timestamp.txt").write_text(f"2026-03-02 10:00:{number:02} UTC")
    ended += grade(random.randint(1, every)) == 0
print(ended)
"""


def test_grading_killed_at_any_moment_goes_on_where_it_stopped(klass, tmp_path):
    """Killed fifty times in one class, `course grade` ends with the gradebook of a class that was left in peace."""
    wrong = change(klass.one.right(), "answer", TANH, "def tanh_grad", "1 / 0\n\ndef tanh_grad")
    for who, notebook in (("ada", klass.one.right()), ("bob", klass.one.blank()), ("cleo", wrong)):
        hand_in(klass.root, who, NAME, notebook)
    calm = Klass(shutil.copytree(klass.root, tmp_path / "calm"))
    decision = ("00", "ada", WHY, "1.5")
    calm.grade()
    assert main(["decide", str(calm.root), *decision]) == 0
    kills = int(os.environ.get("BPTT_KILLS", "50"))
    line = [sys.executable, "-W", "ignore", "-c", KILLING, str(klass.root), str(kills), *decision]
    done = subprocess.run(line, capture_output=True, text=True, check=True, cwd=ROOT)
    assert kills * 0.8 < int(done.stdout.split()[-1]) <= kills  # few ended before they were killed
    assert {1.5} == {manual for marks in klass.marks().values() for _, manual, _ in marks.values() if manual}
    klass.grade()
    assert calm.marks() == klass.marks()
    assert {"as before"} == {entry.state for entry in klass.grade().values()}
