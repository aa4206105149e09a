"""Reading, planning, keeping and printing: what the judge does around the sandbox."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from autograder import cli
from autograder.beside import frames
from autograder.beside.wire import WireError
from autograder.checking.spec import Finding, Verdict
from autograder.errors import OperatorError
from autograder.house import NOTEBOOKS, SOLUTIONS
from autograder.judge import batch, engine, folders, transport
from autograder.judge.engine import files_beside, judge
from autograder.judge.limits import Limits
from autograder.judge.plan import Ask, Run, plan
from autograder.judge.releases import Releases
from autograder.judge.sandbox import (
    Bubblewrap,
    Container,
    Inside,
    NoSandbox,
    Unsafe,
    bubblewrap,
    choose,
    machine,
    server,
)
from autograder.judge.session import PATIENCE, Session
from autograder.judge.store import Store
from autograder.judge.submissions import Unreadable, collect
from autograder.lessons import load
from tests import kinds
from tests.submissions import add, cell, delete, lesson, place, write

START = SOLUTIONS / "00_start_here.py"


@pytest.fixture
def one():
    """The lesson of kinds."""
    with kinds.registered():
        yield lesson(kinds.SCRIPT)


# ---------------------------------------------------------------------------------------------------- plan


def labels(steps):
    return [step.check if isinstance(step, Ask) else step.label for step in steps]


def test_checks_are_asked_at_their_cells(one):
    """In an untouched notebook every answer runs and each check is asked behind its answer."""
    steps = plan(one.blank(), one.handed_out)
    asked = [step.check for step in steps if isinstance(step, Ask)]
    assert list(engine.checks_of(one.handed_out)) == asked
    assert isinstance(steps[0], Run)


def test_an_untouched_experiment_is_skipped(one):
    """An experiment as it was handed out is not run."""
    source = cell(one.handed_out, "experiment", "play").source
    assert source not in [step.source for step in plan(one.blank(), one.handed_out) if isinstance(step, Run)]


def test_a_changed_experiment_runs(one):
    """An experiment into which the learner has written is run."""
    notebook = write(one.blank(), "experiment", "play", "helper = 1")
    assert "helper = 1" in [step.source for step in plan(notebook, one.handed_out) if isinstance(step, Run)]


def test_a_deleted_check_is_asked_behind_its_answer(one):
    """Without its cell, a check is asked right behind its answer."""
    steps = plan(delete(one.blank(), "check", "kinds-cache"), one.handed_out)
    at = labels(steps).index("kinds-cache")
    assert cell(one.handed_out, "answer", "kinds-cache").source == steps[at - 1].source


def test_a_deleted_given_cell_runs_first(one):
    """A locked cell that was deleted runs as it was handed out, where it stood."""
    steps = plan(delete(one.blank(), "given", "setup"), one.handed_out)
    assert cell(one.handed_out, "given", "setup").source == steps[0].source


def test_a_changed_given_cell_runs_as_handed_out_and_as_it_is(one):
    """A locked cell that was changed runs twice: the course's way, then the learner's."""
    notebook = write(one.blank(), "given", "setup", "import math")
    first, second, *_ = plan(notebook, one.handed_out)
    assert [cell(one.handed_out, "given", "setup").source, "import math"] == [first.source, second.source]


def test_a_check_typed_anew_is_asked(one):
    """A check cell that lost its metadata is recognised by its call."""
    notebook = delete(one.blank(), "check", "kinds-cache")
    add(notebook, len(notebook.cells), 'check("kinds-cache")')
    assert "kinds-cache" == labels(plan(notebook, one.handed_out))[-1]


def test_a_check_of_another_lesson_is_not_asked(one):
    """What the release does not have is not asked."""
    notebook = add(one.blank(), place(one.blank(), "check", "kinds-cache"), 'check("other-thing")')
    assert "other-thing" not in labels(plan(notebook, one.handed_out))


def test_planning_takes_no_longer_for_each_cell_and_each_call(one):
    """Calls of checks without end in one cell are not counted again at each of a thousand cells behind it."""
    notebook = add(one.blank(), 0, 'check("kinds-cache")\n' * 100_000)
    notebook.cells += [new_code_cell("") for _ in range(1500)]
    began = time.process_time()
    plan(notebook, one.handed_out)
    assert time.process_time() - began < 3  # counted at each cell: ten seconds


# ------------------------------------------------------------------------------------------------ bad input


def test_learners_are_told_by_file_or_folder(tmp_path):
    """`bob.ipynb` is bob's; `ann/00_start_here.ipynb` is ann's, with the files beside it."""
    (tmp_path / "ann").mkdir()
    for name in ("bob.ipynb", "carl.ipynb", "ann/00_start_here.ipynb"):
        (tmp_path / name).write_text("{}")
    found = {one.learner: one.files for one in collect([tmp_path], ["00_start_here"])}
    assert {"ann": tmp_path / "ann", "bob": None, "carl": None} == found


@pytest.mark.parametrize("named", [".", "ada.ipynb", "00_start_here.ipynb"])
def test_what_lies_in_a_shared_folder_is_not_shown_to_the_learners_code(tmp_path, named):
    """A key and a list of grades beside notebooks stay out of reach; for one's own work, what lies beside it counts."""
    for name in ("ada.ipynb", "00_start_here.ipynb", "course.key", "grades.csv"):
        (tmp_path / name).write_text("{}")
    assert {None} == {one.files for one in collect([tmp_path / named], ["00_start_here"])}
    mine = {one.files for one in collect([tmp_path / "00_start_here.ipynb"], ["00_start_here"], own=True)}
    assert {tmp_path} == mine


def test_a_name_that_is_no_text_costs_its_file_only(tmp_path):
    """A file with a Latin-1 name is left out with a remark, and the others are handed in."""
    (tmp_path / "data.txt").write_text("1")
    (Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9.txt"))).write_text("2")
    found, problems = files_beside(tmp_path, Limits())
    assert (["data.txt"], 1) == ([name for name, _ in found], len(problems)) and "UTF-8" in problems[0]


def within_each_other(folder, count, name="d"):
    """`count` folders, one in the other, also where their path is longer than the kernel takes; the last one's descriptor."""
    fd = os.open(folder, os.O_RDONLY)
    for _ in range(count):
        os.mkdir(name, dir_fd=fd)
        deeper = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = deeper
    return fd


@pytest.mark.parametrize("count, name", [(1200, "d"), (40, "d" * 200)])
def test_folders_within_folders_cost_nobody_anything(request, tmp_path, count, name):
    """Folders deeper than Python or the kernel follow: the class's notebooks are found, and what lies too deep is left out."""
    (tmp_path / "eve").mkdir()
    for who in ("ann", "eve/mine"):
        (tmp_path / who).mkdir()
        (tmp_path / who / "00_start_here.ipynb").write_text("{}")
    (tmp_path / "eve" / "mine" / "data.txt").write_text("1")
    os.close(within_each_other(tmp_path / "eve" / "mine", count, name))
    request.addfinalizer(lambda: folders.remove(tmp_path / "eve"))  # pytest cannot, if this test fails
    assert ["ann", "eve"] == [one.learner for one in collect([tmp_path], ["00_start_here"])]
    found, problems = files_beside(tmp_path / "eve" / "mine", Limits())
    assert (["data.txt"], 1) == ([name for name, _ in found], len(problems)) and "too deep" in problems[0]
    folders.remove(tmp_path / "eve")
    assert ["ann"] == os.listdir(tmp_path)


def test_what_was_handed_in_is_copied_for_anybody_to_read(tmp_path):
    """Whatever the umask of whoever grades: the sandbox's uid can read every copy. A link is refused, not followed."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "data.txt").write_text("1")
    (tmp_path / "link").symlink_to(tmp_path / "mine" / "data.txt")
    before = os.umask(0o077)
    try:
        (there := tmp_path / "there").mkdir()
        server.copied([("a/b/data.txt", tmp_path / "mine" / "data.txt")], there)
    finally:
        os.umask(before)
    assert {0o755, 0o644} == {path.stat().st_mode & 0o777 for path in (there, *there.rglob("*"))}
    with pytest.raises(OSError):
        server.copied([("link", tmp_path / "link")], there)


def test_an_unknown_lesson_version_or_course_is_named(one, tmp_path):
    """A notebook of another course, lesson or version says which; a version with the same checks is judged with a remark."""
    (tmp_path / "90_kinds.ipynb").write_text(nbformat.writes(one.handed_out))
    releases = Releases([tmp_path])
    notebook = one.blank()
    notebook.metadata["bptt"] = {"lesson": "90_kinds", "version": "older"}
    assert "older" in releases.of(notebook).remark
    cell(notebook, "check", "kinds-cache").metadata["bptt"]["id"] = "kinds-gone"
    with pytest.raises(Unreadable, match="older"):
        releases.of(notebook)
    notebook.metadata["bptt"] = {"lesson": "91_other", "version": "older"}
    assert "says that it is '91_other'; by its cells it is 90_kinds" in releases.of(notebook).remark
    notebook.cells = [nbformat.v4.new_code_cell("x = 1")]
    with pytest.raises(Unreadable, match="91_other"):
        releases.of(notebook)
    del notebook.metadata["bptt"]
    with pytest.raises(Unreadable, match="not a notebook of this course"):
        releases.of(notebook)


@pytest.mark.needs_bubblewrap
def test_a_class_with_bad_files_is_graded(tmp_path, capsys):
    """In a folder with a blank notebook and two bad files all three are in the JSON, and the exit code says that something was not judged."""
    blank = nbformat.read(NOTEBOOKS / "00_start_here.ipynb", as_version=4)
    nbformat.write(blank, tmp_path / "ann.ipynb")
    (tmp_path / "ben").mkdir()
    (tmp_path / "ben" / "00_start_here.ipynb").write_text("{")
    (tmp_path / "cy.ipynb").write_text("")
    code = cli.main(["grade", str(tmp_path), "--json", "--again", "--jobs", "1"])
    ann, ben, cy = json.loads(capsys.readouterr().out)["submissions"]
    assert (1, "", 0) == (code, ann["problem"], ann["score"])
    assert {"unsendable"} == {check["status"] for check in ben["checks"].values()}
    assert "The file is empty." == cy["problem"]
    provenance = ann["provenance"]
    assert {"versions", "seeds", "limits", "sandbox", "seconds", "device"} <= set(provenance)


@pytest.mark.parametrize("name, said", [("nothing", "no notebook"), ("missing", "no file or folder")])
def test_a_path_without_notebooks_is_misuse(tmp_path, capsys, name, said):
    """A folder without notebooks, or a path that is not there, is one line and exit code 2."""
    (tmp_path / "nothing").mkdir()
    assert 2 == cli.main(["grade", str(tmp_path / name)])
    assert said in capsys.readouterr().err


def test_endless_loops_get_less_and_less_time():
    """However many checks run out of time, all of them together take little more than two; a session like it goes on counting."""
    session = Session(Unsafe(), Inside(Limits()))
    check = load("unrolled-graph-unroll")
    first = session._seconds(check)
    session._endless += ["one", "another"]
    later = Session(Unsafe(), Inside(Limits()), like=session)
    second = later._seconds(check)
    later._endless += ["x"] * 10
    assert (check.deadline, max(PATIENCE, check.deadline / 4), PATIENCE) == (first, second, session._seconds(check))


# -------------------------------------------------------------------------------------------------- sandbox


@pytest.fixture
def ordinary(monkeypatch):
    """An ordinary user grades; what a machine allows is found out anew."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for level in (Bubblewrap, Container):
        level.refusal.cache_clear()
    yield
    for level in (Bubblewrap, Container):
        level.refusal.cache_clear()


def test_without_bubblewrap_grading_refuses(ordinary, monkeypatch, tmp_path, capsys):
    """Without bubblewrap `course grade` says how to get it, and ends with 2."""
    monkeypatch.setattr(bubblewrap.shutil, "which", lambda name: None)
    (tmp_path / "a.ipynb").write_text("{}")
    assert 2 == cli.main(["grade", str(tmp_path)])
    assert "apt install bubblewrap" in capsys.readouterr().err


def test_where_namespaces_are_denied_grading_refuses(ordinary, monkeypatch):
    """A bubblewrap that is there but may not make namespaces is found out by trying, with the remedies."""
    monkeypatch.setattr(bubblewrap.shutil, "which", lambda name: "/usr/bin/bwrap")
    denied = subprocess.CompletedProcess([], 1, "", "bwrap: setting up uid map: Permission denied\n")
    monkeypatch.setattr(bubblewrap.subprocess, "run", lambda *a, **k: denied)
    with pytest.raises(NoSandbox, match="apparmor_restrict_unprivileged_userns.*seccomp.*as root"):
        choose()


def test_without_a_sandbox_only_on_request():
    """`--unsafe-no-sandbox` gives the level "none"."""
    assert "none" == choose(unsafe=True).level


def test_the_child_is_given_no_check(monkeypatch):
    """Of autograder the sandbox holds what runs beside the learner's code, and nothing that knows an answer."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)  # root shows the same folders under other names first
    line = bubblewrap._room(Inside(Limits()))
    bound = {line[at + 2]: Path(line[at + 1]) for at, word in enumerate(line) if word == "--ro-bind"}
    ours = {there: here for there, here in bound.items() if there.startswith("/course/autograder")}
    assert ours == {
        "/course/autograder/beside": machine.BESIDE,
        "/course/autograder/__init__.py": machine.BESIDE / "dummy.py",
    }


def test_one_judges_own_work_without_a_sandbox(one):
    """The same notebook gets the same points in a plain process."""
    notebook = write(one.blank(), "answer", "kinds-double", "def double(x):\n    return 2 * x")
    judged = judge(notebook, one.handed_out, key=b"k", learner="me", sandbox=Unsafe())
    assert ("none", 1.0) == (judged.provenance["sandbox"], judged.score)


# ---------------------------------------------------------------------------------------------------- store


class Forbidden:
    """A sandbox that must not be started."""

    level, lacks = "bubblewrap", ()

    def start(self, *args):
        raise AssertionError("a child was started")


@pytest.mark.needs_bubblewrap
def test_judging_again_starts_nothing(one, tmp_path, sandbox):
    """The same notebook is not judged twice; one with another answer is."""
    store, given = Store(tmp_path), {"key": b"k", "learner": "me", "store": Store(tmp_path)}
    first = judge(one.blank(), one.handed_out, sandbox=sandbox, **given)
    again = judge(one.blank(), one.handed_out, sandbox=Forbidden(), **given)
    assert first.verdicts == again.verdicts
    assert list(first.verdicts) == sorted(again.provenance["from the store"], key=list(first.verdicts).index)
    with pytest.raises(AssertionError, match="a child was started"):
        judge(write(one.blank(), "answer", "kinds-guess", "guess = 4"), one.handed_out, sandbox=Forbidden(), **given)
    with pytest.raises(AssertionError, match="a child was started"):
        judge(one.blank(), one.handed_out, sandbox=Forbidden(), **{**given, "learner": "you"})
    assert store.folder == tmp_path


def test_a_verdict_survives_the_store(tmp_path):
    """What is kept comes back equal."""
    verdict = Verdict("a-b", "wrong", "claim", "f(x)", Finding("sign", "summary", "where", ("clue",)), ("note",))
    Store(tmp_path).put("0" * 64, verdict)
    assert verdict == Store(tmp_path).get("0" * 64)


@pytest.mark.parametrize("status, kept", [("timeout", True), ("broken", False)])
def test_a_fault_of_ours_is_not_kept(tmp_path, status, kept):
    """It is judged anew next time; a timeout stands under the limits that it ran into."""
    Store(tmp_path).put("0" * 64, Verdict("a-b", status))
    assert kept == (Store(tmp_path).get("0" * 64) is not None)


def test_what_is_judged_anew_takes_the_place_of_what_was_kept(tmp_path):
    """A store that is refreshed looks nothing up; who asks afterwards finds the new verdict."""
    Store(tmp_path).put("0" * 64, Verdict("a-b", "timeout"))
    again = Store(tmp_path, refresh=True)
    assert again.get("0" * 64) is None
    again.put("0" * 64, Verdict("a-b", "right"))
    assert Store(tmp_path).get("0" * 64) == Verdict("a-b", "right")


def test_a_torn_file_is_no_verdict(tmp_path):
    """A file that is not whole counts as none."""
    (tmp_path / "00").mkdir()
    (tmp_path / "00" / ("0" * 62 + ".json")).write_text('{"check": ')
    assert Store(tmp_path).get("0" * 64) is None


# ------------------------------------------------------------------------------------------------ the wire


@pytest.mark.parametrize(
    "reply",
    [
        None,
        {},
        {"ok": True},
        {"ok": True, "value": 1, "changed": [1]},
        {"ok": 1, "value": 1, "changed": []},
        {"ok": False, "status": "right", "sign": "", "summary": "", "where": "", "clues": ()},
        {"ok": False, "status": "error", "sign": "", "summary": 1, "where": "", "clues": ()},
        {"ok": False, "status": "error", "sign": "", "summary": "", "where": ""},
    ],
)
def test_a_reply_of_another_form_ends_the_child(reply):
    """Only the fields that a Student reads, of their types, are a reply."""
    with pytest.raises(transport.Ended, match="no reply"):
        transport._checked(reply, transport.Ended)


def test_a_long_text_is_cut():
    """A message of the learner's side cannot fill the gradebook."""
    reply = {
        "ok": False,
        "status": "error",
        "sign": "s",
        "summary": "x" * 10**6,
        "where": "",
        "clues": ["y" * 10**6] * 99,
    }
    checked = transport._checked(reply, transport.Ended)
    assert (transport.TEXT, 8) == (len(checked["summary"]), len(checked["clues"]))


def test_a_frame_that_says_it_is_endless_is_refused():
    """The length of a frame is bounded before anything of it is read."""
    with pytest.raises(WireError):
        frames.length(b"\xff" * 8)


@pytest.mark.parametrize(
    "frame", [b"", b"\0" * 8, b"\0" * 7 + b"\2{}", b"\0" * 7 + b"\4null", b"\0" * 7 + b"\x0d" + b'{"dict": [[]]']
)
def test_bytes_that_are_no_frame_are_refused(frame):
    """Noise is refused with one kind of error."""
    with pytest.raises(WireError):
        frames.unpack(frame)


def test_a_lent_function_is_not_given_huge_work():
    """Arguments of the learner's side to a stand-in are bounded, an axis of length 0 counted as one."""
    import torch

    assert transport._weight((torch.empty(100_000, 0),)) > transport.LENT_ITEMS
    assert transport._weight((torch.zeros(1), torch.tensor(10**7))) > transport.LENT_ITEMS  # a whole number in disguise
    assert transport._weight((torch.zeros(1500), torch.zeros(1500))) > transport.LENT_ITEMS  # by a matrix: 27 GB
    assert transport._weight((torch.zeros(2, 3), torch.tensor(7))) < transport.LENT_ITEMS


def test_a_key_that_is_too_short_is_refused(tmp_path):
    """A course key of a few bytes is no key."""
    (tmp_path / "key").write_text("abc")
    with pytest.raises(OperatorError, match="at least 32"):
        batch.read_key(tmp_path / "key")


def test_a_byte_that_is_no_bool_is_true():
    """A bool tensor holds 0 and 1 only, whatever the bytes were."""
    import torch

    from autograder.beside import wire

    message = wire.dumps(torch.tensor([True, False])).replace(b"\x01\x00", b"\x02\x00")
    assert [1, 0] == wire.loads(message).view(torch.uint8).tolist()


def test_an_integer_of_a_thousand_digits_is_refused_everywhere():
    """What the pipe could not carry is refused in a notebook, too."""
    from autograder.beside import wire

    with pytest.raises(WireError, match="300 digits"):
        wire.pack(10**1000, lambda value: value)


def test_a_stand_in_is_taken_away_again(one):
    """A function that the learner has not written is lent for one call, by keyword too, and is missing afterwards."""
    from autograder.beside.beside import Beside
    from autograder.checking import run

    names = {}
    exec("def quadruple(x):\n    return double(x=double(x))", names)
    beside = Beside(names, lend=run.lend)
    import torch

    request = {"do": "call", "target": "quadruple", "args": [torch.ones(2)], "lend": {"double": "kinds-double"}}
    request |= {"method": None, "kwargs": {}, "pretend": False}
    assert [4.0, 4.0] == beside.ask(request)["value"].tolist()
    assert "double" not in names
