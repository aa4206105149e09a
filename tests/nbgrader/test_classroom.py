"""Does `course class` make a stock nbgrader course folder, add to it, and never damage it?"""

from __future__ import annotations

import re
import shutil
import stat
from types import SimpleNamespace

import nbformat
import pytest

from autograder.authoring.release import as_bytes, notebooks, released
from autograder.cli import main
from autograder.errors import OperatorError
from autograder.house import ROOT, SOLUTIONS
from autograder.judge.reader import HandedIn
from autograder.nbgrader import Repair
from autograder.nbgrader.classroom import Classroom, UpdateRefused, gradebook, graded_cells, make
from tests.submissions import cell, hand_in, lesson

pytestmark = pytest.mark.filterwarnings("ignore")

NAME = "00_start_here"
SCRIPT = SOLUTIONS / f"{NAME}.py"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A class with one lesson, made once."""
    root = tmp_path_factory.mktemp("made") / "class"
    make(root, [SCRIPT])
    return root


@pytest.fixture
def root(made, tmp_path):
    """A copy of the class that a test may change."""
    return shutil.copytree(made, tmp_path / "class")


def updated(tmp_path, old: str, new: str):
    """The lesson's script with something changed in it (`old` is a pattern), as a course update would."""
    script = tmp_path / "update" / SCRIPT.name
    script.parent.mkdir()
    text, count = re.subn(old, new, SCRIPT.read_text(), count=1)
    assert count
    script.write_text(text)
    return script


def dearer(tmp_path):
    """The lesson, with 100 points for one of its checks."""
    return updated(tmp_path, r'(# %% check="start-here-tanh-grad") points=\d+', r"\1 points=100")


def contents(root):
    """The bytes of every file of the class except the database."""
    files = (path for path in root.rglob("*") if path.is_file() and path.name != "gradebook.db")
    return {path.relative_to(root): path.read_bytes() for path in files}


def test_release_is_exactly_what_the_repository_hands_out(root):
    """release/ has the bytes that `course release` puts into notebooks/."""
    assert (root / "release" / NAME / f"{NAME}.ipynb").read_bytes() == released(SCRIPT)


def test_source_has_the_answers(root):
    """source/ has the instructor's version, as nbgrader's source notebook."""
    assert (root / "source" / NAME / f"{NAME}.ipynb").read_bytes() == as_bytes(lesson(SCRIPT).solved)


def test_the_gradebook_knows_the_points(root):
    """The gradebook has the lesson's points before anyone has handed anything in."""
    with gradebook(Classroom(root)) as book:
        assert book.find_assignment(NAME).max_score == lesson(SCRIPT).points()


def test_the_key_is_for_its_owner_only(root):
    """The course key, from which hidden numbers are drawn, has mode 600."""
    assert stat.S_IMODE((root / "course.key").stat().st_mode) == 0o600


def test_a_key_that_others_can_read_is_refused(root):
    """The twin: a key that others can read is not used, and the line says how to close it."""
    (root / "course.key").chmod(0o644)
    with pytest.raises(OperatorError, match="chmod 600"):
        Classroom(root).key()


def test_running_again_changes_nothing(root):
    """No file differs after a second run, the key least of all."""
    before = contents(root)
    make(root, [SCRIPT])
    assert contents(root) == before


def test_running_again_leaves_what_the_instructor_changed(root):
    """Once written, the settings belong to the instructor."""
    (root / "nbgrader_config.py").write_text("c = get_config()\n")
    make(root, [SCRIPT])
    assert (root / "nbgrader_config.py").read_text() == "c = get_config()\n"


def test_an_older_submission_is_repaired_to_the_version_it_was_made_from(root, tmp_path):
    """Given cells and text of a notebook from before an update stay those of its own version."""
    old = lesson(SCRIPT).blank()
    make(root, [updated(tmp_path, r'print\(f"Tensors live', 'print(f"All tensors live')])
    repaired, _ = step(Repair, root).preprocess(None, about(HandedIn(old)))
    assert cell(repaired, "given", "setup").source == cell(old, "given", "setup").source


def test_a_newer_submission_is_repaired_to_the_new_version(root, tmp_path):
    """The twin: a notebook made from the update gets the update's cells."""
    script = updated(tmp_path, r'print\(f"Tensors live', 'print(f"All tensors live')
    make(root, [script])
    new = notebooks(script)[1]
    repaired, _ = step(Repair, root).preprocess(None, about(HandedIn(new)))
    assert "All tensors live" in cell(repaired, "given", "setup").source


def step(kind, root):
    """A step, as nbgrader's converter would hold it."""
    made = kind()
    made.coursedir = SimpleNamespace(root=str(root))
    return made


def about(handed_in):
    """What nbgrader tells a step about the submission."""
    return {"nbgrader": {"assignment": NAME, "student": "ada", "notebook": NAME}, "handed_in": handed_in}


def test_an_update_keeps_the_version_that_was_handed_out(root, tmp_path):
    """After an update in mid-semester both versions are there, and a submission finds its own."""
    before = Classroom(root).current(NAME)
    make(root, [updated(tmp_path, "This course is about", "This is about")])
    classroom = Classroom(root)
    assert classroom.current(NAME) != before
    assert classroom.release(NAME, before) == lesson(SCRIPT).handed_out


def test_an_update_that_changes_points_is_refused_once_there_are_submissions(root, tmp_path):
    """Nobody's points change after the fact: the lesson stays as it was handed out, and the line says so."""
    hand_in(root, "ada", NAME, lesson(SCRIPT).blank())
    before = contents(root)
    with pytest.raises(ExceptionGroup) as refused:
        make(root, [dearer(tmp_path)])
    assert isinstance(refused.value.exceptions[0], UpdateRefused) and "stays at version" in str(
        refused.value.exceptions[0]
    )
    assert contents(root) == before


def test_an_update_that_changes_points_is_taken_while_nobody_has_handed_in(root, tmp_path):
    """The twin: before the first submission, the gradebook takes the new points."""
    make(root, [dearer(tmp_path)])
    with gradebook(Classroom(root)) as book:
        assert book.find_assignment(NAME).max_score > lesson(SCRIPT).points() + 90


def test_a_version_that_nobody_knows_is_graded_as_the_current_one(root):
    """A version written into the notebook by hand cannot lead to a file outside the class."""
    assert graded_cells(Classroom(root).release(NAME, "../../../course")) == graded_cells(lesson(SCRIPT).handed_out)


def test_a_class_inside_the_repository_is_refused(capsys):
    """Answers and grades do not belong in the course's repository; nothing is made."""
    inside = ROOT / "build" / "class"
    assert main(["class", str(inside)]) == 2
    assert "inside the repository" in capsys.readouterr().err and not inside.exists()


def test_a_folder_with_other_things_in_it_is_refused(tmp_path):
    """A folder with other content is not turned into a class."""
    (tmp_path / "thesis.tex").write_text("...")
    with pytest.raises(OperatorError, match="is not empty and is not a class"):
        make(tmp_path, [SCRIPT])
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_refused(tmp_path):
    """A class is a folder."""
    (tmp_path / "class").write_text("")
    with pytest.raises(OperatorError, match="is a file"):
        make(tmp_path / "class", [SCRIPT])


def test_the_roster_goes_into_the_gradebook(tmp_path):
    """The names and addresses in the CSV go into the gradebook."""
    roster = tmp_path / "roster.csv"
    roster.write_text("id,first,last,email\nada, Ada, Lovelace, ada@example.org\nalan,Alan,,\n")
    make(tmp_path / "class", [], roster=roster)
    with gradebook(Classroom(tmp_path / "class")) as book:
        known = {student.id: (student.first_name, student.last_name, student.email) for student in book.students}
    assert known == {"ada": ("Ada", "Lovelace", "ada@example.org"), "alan": ("Alan", None, None)}


@pytest.mark.parametrize(
    ("text", "said"),
    [("name\nada\n", "no column `id`"), ("id\n../ada\n", "line 2: '../ada'"), ("", "no column `id`")],
)
def test_a_roster_that_is_none_is_refused_before_anything_is_made(tmp_path, text, said):
    """A wrong CSV is one line that says what is wrong with it."""
    roster = tmp_path / "roster.csv"
    roster.write_text(text)
    with pytest.raises(OperatorError, match=said):
        make(tmp_path / "class", [], roster=roster)
    assert not (tmp_path / "class" / "gradebook.db").exists()


def test_no_hints_leaves_the_drop_downs_out(tmp_path):
    """With `--no-hints` no hint is handed out."""
    make(tmp_path / "class", [SCRIPT], hints=False)
    notebook = nbformat.read(tmp_path / "class" / "release" / NAME / f"{NAME}.ipynb", as_version=4)
    assert not any(cell.metadata.get("bptt", {}).get("role") == "hint" for cell in notebook.cells)
