"""Are the learner's copies safe, and does JupyterLab open on them?"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from autograder.authoring.release import notebooks, released
from autograder.commands import lab as screen
from autograder.errors import OperatorError
from autograder.learner import copies as lab
from autograder.learner.carry import carry

LESSON = '''\
# %% [markdown]
# Some prose.

# %% given="setup"
from autograder import check

# %% answer="tiny-double"
def double(x):
    """Twice x."""
    ### BEGIN SOLUTION
    return x + x
    ### END SOLUTION


# %% check="tiny-double" points=1
check("tiny-double")

# %% experiment="print"
print(double(2))

# %% [markdown] written="tiny-why" points=1
# ### BEGIN SOLUTION
# Because.
# ### END SOLUTION
'''
NEWER = LESSON.replace("Some prose.", "Better prose.").replace("print(double(2))", "print(double(3))")


@pytest.fixture
def course(tmp_path):
    """A folder of lessons, a learner's folder, and a function that publishes a lesson's source."""
    (tmp_path / "notebooks").mkdir()

    def publish(text):
        script = tmp_path / "00_tiny.py"
        script.write_text(text)
        (tmp_path / "notebooks" / "00_tiny.ipynb").write_bytes(released(script))

    publish(LESSON)
    return tmp_path, publish


def prepare(root: Path, agree=False) -> list[str]:
    said: list[str] = []
    lab.prepare(root / "notebooks", root / "work", lambda question: agree, said.append)
    return said


def handed_out(folder: Path, text: str) -> nbformat.NotebookNode:
    script = folder / "00_tiny.py"
    script.write_text(text)
    return notebooks(script)[1]


def cell(notebook, identity):
    return next(c for c in notebook.cells if c.id == identity)


def test_the_first_start_copies_every_lesson(course):
    """A learner finds all lessons in their folder, byte for byte."""
    root, _ = course
    assert ["copied 00_tiny.ipynb"] == prepare(root)
    assert (root / "notebooks/00_tiny.ipynb").read_bytes() == (root / "work/00_tiny.ipynb").read_bytes()


def test_a_copy_is_never_overwritten(course):
    """What a learner wrote is still there after the next start."""
    root, _ = course
    prepare(root)
    mine = root / "work/00_tiny.ipynb"
    mine.write_text(mine.read_text().replace("Some prose", "My notes"))
    before = mine.read_bytes()
    assert ([], before) == (prepare(root), mine.read_bytes())


def test_a_changed_lesson_is_left_until_the_learner_agrees(course):
    """Without a yes, a newer version changes nothing, and the learner is told of it."""
    root, publish = course
    prepare(root)
    before = (root / "work/00_tiny.ipynb").read_bytes()
    publish(NEWER)
    said = prepare(root, agree=False)
    assert (True, before) == ("course lab --update" in said[0], (root / "work/00_tiny.ipynb").read_bytes())


def test_a_changed_lesson_is_taken_and_the_old_file_stays_beside_it(course):
    """With a yes, the new version is there, and the old file is kept under a name with the new version in it."""
    root, publish = course
    prepare(root)
    before = (root / "work/00_tiny.ipynb").read_bytes()
    publish(NEWER)
    prepare(root, agree=True)
    version = nbformat.read(root / "work/00_tiny.ipynb", 4).metadata.bptt.version
    assert before == (root / f"work/00_tiny.before-{version}.ipynb").read_bytes()


def test_an_older_file_kept_before_is_not_lost(course):
    """A second update to the same version keeps both old files."""
    root, publish = course
    for _ in range(2):
        publish(LESSON)
        (root / "work/00_tiny.ipynb").unlink(missing_ok=True)
        prepare(root)
        publish(NEWER)
        prepare(root, agree=True)
    assert 2 == len(list((root / "work").glob("00_tiny.before-*.ipynb")))


def test_a_copy_that_is_no_notebook_is_left_alone(course):
    """A file that cannot be read is named but not touched."""
    root, _ = course
    (root / "work").mkdir()
    (root / "work/00_tiny.ipynb").write_text("{")
    said = prepare(root, agree=True)
    assert (True, "{") == ("not a valid notebook" in said[0], (root / "work/00_tiny.ipynb").read_text())


@pytest.mark.parametrize("name", ["tiny-double", "tiny-why", "experiment-print"])
def test_what_the_learner_wrote_goes_over(tmp_path, name):
    """Answers, written answers and changed experiments are in the new version."""
    old, new = handed_out(tmp_path, LESSON), handed_out(tmp_path, NEWER)
    cell(old, name).source = "the learner's"
    assert "the learner's" == cell(carry(old, new).notebook, name).source


def test_what_nobody_touched_comes_from_the_new_version(tmp_path):
    """An experiment that the learner left alone is the newer one, and so is the prose."""
    carried = carry(handed_out(tmp_path, LESSON), handed_out(tmp_path, NEWER))
    assert (handed_out(tmp_path, NEWER), [], []) == (carried.notebook, carried.kept, carried.added)


def test_a_learners_own_cells_go_over_to_their_places(tmp_path):
    """Helpers and notes in extra cells stay after the cells that they followed."""
    old, new = handed_out(tmp_path, LESSON), handed_out(tmp_path, NEWER)
    at = [c.id for c in old.cells].index("tiny-double")
    old.cells[at:at] = [new_code_cell("def helper(): ...", id="a1"), new_markdown_cell("a note", id="b2")]
    ids = [c.id for c in carry(old, new).notebook.cells]
    assert ["given-setup", "a1", "b2", "tiny-double"] == ids[1:5]


def test_prose_that_the_learner_annotated_is_kept_as_a_cell(tmp_path):
    """Notes written into the course's text are not lost when that text is rewritten."""
    old, new = handed_out(tmp_path, LESSON), handed_out(tmp_path, NEWER)
    old.cells[0].source += "\n\nMy note."
    sources = [c.source for c in carry(old, new).notebook.cells]
    assert ["Some prose.\n\nMy note.", "Better prose."] == sources[:2]


def test_an_answer_pasted_into_a_new_cell_still_goes_to_its_place(tmp_path):
    """Cutting and pasting gives a cell another id; its role finds it."""
    old, new = handed_out(tmp_path, LESSON), handed_out(tmp_path, NEWER)
    cell(old, "tiny-double").update(source="mine", id="f00d")
    assert "mine" == cell(carry(old, new).notebook, "tiny-double").source


def test_an_answer_to_an_exercise_that_is_gone_is_kept(tmp_path):
    """Work on an exercise that the new version dropped becomes an ordinary cell."""
    old = handed_out(tmp_path, LESSON)
    new = handed_out(tmp_path, LESSON.replace("tiny-double", "tiny-twice"))
    cell(old, "tiny-double").source = "mine"
    carried = carry(old, new)
    assert ["mine"] == [c.source for c in carried.notebook.cells if not c.metadata and c.cell_type == "code"]


def test_what_was_carried_is_a_valid_notebook(tmp_path):
    """JupyterLab opens the result without complaint."""
    old, new = handed_out(tmp_path, LESSON), handed_out(tmp_path, NEWER)
    old.cells.insert(1, new_code_cell("1 + 1", id="x"))
    nbformat.validate(carry(old, new).notebook)


@pytest.mark.parametrize("name", ["a file", "below a file"])
def test_a_folder_that_cannot_be_is_refused_in_one_line(course, name):
    """The error names the folder and the option."""
    root, _ = course
    (root / "file").write_text("")
    folder = root / "file" if name == "a file" else root / "file" / "work"
    with pytest.raises(OperatorError, match="Choose another one with --dir"):
        lab.prepare(root / "notebooks", folder, lambda question: True, print)


def test_without_lessons_nothing_is_started(tmp_path):
    """A folder without lessons is an error that says what to do."""
    with pytest.raises(OperatorError, match="make release"):
        lab.prepare(tmp_path, tmp_path / "work", lambda question: True, print)


@pytest.mark.parametrize(
    ("environ", "platform", "expected"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({}, "darwin", True),
        ({"SSH_CONNECTION": "1 2 3 4"}, "darwin", False),
        ({}, "win32", True),
    ],
)
def test_a_browser_is_opened_only_where_there_is_a_screen(environ, platform, expected):
    """On a server the address is printed instead."""
    assert expected == screen.has_screen(environ, platform)


def test_options_after_the_dashes_go_to_jupyterlab(tmp_path):
    """Options that `course lab` does not know can be passed to JupyterLab."""
    line = screen.command(tmp_path, browser=False, port=9000, more=["--ServerApp.ip=0.0.0.0"])
    assert {"--no-browser", "--port=9000", "--ServerApp.ip=0.0.0.0"} <= set(line)


@pytest.mark.skipif(os.name != "posix", reason="stops JupyterLab with a signal: run it on Linux or macOS")
def test_jupyterlab_serves_the_learners_copies(tmp_path):
    """`course lab` prints the address at which the copies are served, and ends when told to."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environ = {**os.environ, "DISPLAY": "", "WAYLAND_DISPLAY": "", "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime")}
    line = [sys.executable, "-m", "autograder.cli", "lab", "--dir", str(tmp_path / "mine"), "--port", str(port)]
    with open(tmp_path / "log", "w+") as log:
        process = subprocess.Popen(line, stdout=log, stderr=log, env=environ, start_new_session=True)
        try:
            address = _printed_address(process, tmp_path / "log")
            token = address.partition("token=")[2]
            listing = f"http://127.0.0.1:{port}/api/contents/?token={token}"
            with urllib.request.urlopen(listing, timeout=30) as answer:
                names = {entry["name"] for entry in json.load(answer)["content"]}
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=30)
    assert ("/lab/tree/00_start_here.ipynb", True) == (
        re.sub(r"^http://[^/]+|\?.*", "", address),
        "00_start_here.ipynb" in names,
    )


def _printed_address(process: subprocess.Popen, log: Path) -> str:
    for _ in range(600):
        if found := re.search(r"http://\S+token=\w+", log.read_text()):
            return found[0]
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(log.read_text())
