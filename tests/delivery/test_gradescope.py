"""A lesson on Gradescope: what is packed, what a submission becomes there, and what a learner's code can see of it.

Held against gradescope/autograder_samples, docs/specs.md (*File hierarchy*, *Output format*, *Controlling Test Case Visibility*,
*Test case status*, *Output String Formatting*), docs/submission_metadata.md and docs/troubleshooting.md, as published on
https://gradescope-autograders.readthedocs.io.
"""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import nbformat
import pytest

from autograder.cli import main
from autograder.delivery import gradescope
from autograder.house import ROOT, SOLUTIONS
from tests.levels import levels
from tests.submissions import change, lesson, write

pytestmark = pytest.mark.needs_bubblewrap

NAME = "00_start_here"
ONE = lesson(SOLUTIONS / f"{NAME}.py")
GRAD = "start-here-tanh-grad"

# The fields of results.json and of a test case, with their types, from docs/specs.md.
FIELDS = {
    "score": (int, float), "execution_time": (int, float), "output": str, "output_format": str, "test_output_format": str,
    "test_name_format": str, "visibility": str, "stdout_visibility": str, "extra_data": dict, "tests": list, "leaderboard": list,
}  # fmt: skip
OF_A_TEST = {
    "score": (int, float), "max_score": (int, float), "status": str, "name": str, "name_format": str, "number": str,
    "output": str, "output_format": str, "tags": list, "visibility": str, "extra_data": dict,
}  # fmt: skip
FORMATS = {"text", "simple_format", "html", "md", "ansi"}
VISIBLE = {"hidden", "after_due_date", "after_published", "visible"}

# From docs/submission_metadata.md; the example there is a listing with comments.
METADATA = {
    "id": 123456,
    "created_at": "2018-07-31T14:22:32.365935-07:00",
    "assignment": {
        "due_date": "2018-07-31T23:00:00.000000-07:00",
        "group_size": 4,
        "group_submission": True,
        "id": 25828,
        "course_id": 1234,
        "late_due_date": None,
        "release_date": "2018-07-02T00:00:00.000000-07:00",
        "title": "Programming Assignment 1",
        "total_points": "20.0",
    },
    "submission_method": "upload",
    "users": [{"email": "student@example.com", "id": 1234, "name": "Student User"}],
    "previous_submissions": [],
}


@pytest.fixture(scope="module")
def packed(tmp_path_factory) -> Path:
    """The zip for one lesson, with a key of its own."""
    place = tmp_path_factory.mktemp("packed")
    (place / "course.key").write_text("5e" * 32)
    assert 0 == main(["pack", "gradescope", "00", "--key", str(place / "course.key"), "-o", str(place / "made.zip")])
    return place / "made.zip"


@pytest.fixture(scope="module")
def image(packed, tmp_path_factory) -> Path:
    """What setup.sh leaves: source/ and an interpreter with the wheel in it, which finds other packages where the tests have them."""
    root = tmp_path_factory.mktemp("image")
    for name in ("submission", "results"):
        (root / name).mkdir()
    with zipfile.ZipFile(packed) as file:
        file.extractall(root / "source")
    os.chmod(root / "source", 0o700)
    venv.create(root / "venv", with_pip=False, symlinks=True)
    packages = next((root / "venv").glob("lib/python*/site-packages"))
    with zipfile.ZipFile(next((root / "source").glob("*.whl"))) as file:
        file.extractall(packages)
    (packages / "others.pth").write_text(f"{Path(nbformat.__file__).parents[1]}\n")
    return root


def hand_in(image: Path, files: dict[str, object], said: object) -> None:
    """What Gradescope's harness puts into its folders."""
    folder = image / "submission"
    subprocess.run(["rm", "-rf", str(folder)], check=True)
    folder.mkdir()
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else nbformat.writes(content).encode())
    (image / "submission_metadata.json").write_text(said if isinstance(said, str) else json.dumps(said))


def run(image: Path, files: dict[str, object], said: object = METADATA, show: str = "visible") -> dict:
    """results.json for these files, from this process and in the sandbox that this machine has."""
    hand_in(image, files, said)
    assert 0 == gradescope.main([str(image), show])
    return json.loads((image / "results" / "results.json").read_text())


def run_there(image: Path, files: dict[str, object]) -> dict:
    """The same by the line in run_autograder, by the packed wheel, as root, with namespaces denied as Docker denies them."""
    hand_in(image, files, METADATA)
    line = (image / "source" / "run_autograder").read_text().strip().split("\n")[-1]
    program, *arguments = line.replace("/opt/bptt", f"{image}/venv").replace(" /autograder ", f" {image} ").split()[1:]
    deny = "import os; from autograder.beside import walls; walls.deny_calls(network=True); "
    start = f"{deny}os.execv({program!r}, {[program, *arguments]!r})"
    ended = subprocess.run([sys.executable, "-c", start], capture_output=True, text=True, timeout=300, cwd=image)
    assert "" == ended.stderr
    results = image / "results" / "results.json"
    return json.loads(results.read_text()) if results.exists() else {"exit": ended.returncode, "stdout": ended.stdout}


def wrong(made: dict) -> list[str]:
    """What in results.json is not as docs/specs.md has it."""
    found = [key for key, value in made.items() if not isinstance(value, FIELDS.get(key, ()))]
    found += [key for key in made if key.endswith("format") and made[key] not in FORMATS]
    found += [key for key in made if key.endswith("visibility") and made[key] not in VISIBLE]
    for test in made["tests"]:
        found += [key for key, value in test.items() if not isinstance(value, OF_A_TEST.get(key, ()))]
        found += [test["name"]] * (test.get("status", "passed") not in ("passed", "failed"))
        found += [test["name"]] * (test["visibility"] not in VISIBLE)
    return found


# ------------------------------------------------------------------------------------------------ what is packed


def test_the_zip_has_what_gradescope_asks_for_at_its_root(packed):
    """setup.sh and run_autograder, which can be run; the wheel, its pins, the lesson and the key, which only its owner reads."""
    with zipfile.ZipFile(packed) as file:
        modes = {one.filename: stat.S_IMODE(one.external_attr >> 16) for one in file.infolist()}
    wheel = next(name for name in modes if name.endswith(".whl"))
    rest = {wheel: 0o644, "constraints.txt": 0o644, f"releases/0_{NAME}.ipynb": 0o644, "course.key": 0o600}
    assert {"setup.sh": 0o755, "run_autograder": 0o755, **rest} == modes
    assert 0o600 == stat.S_IMODE(packed.stat().st_mode)


def test_no_answer_is_packed(packed, image):
    """Nothing of solutions/ or tests/ is in the zip or its wheel; the twin: the check, which judging needs, is."""
    with zipfile.ZipFile(packed) as file, zipfile.ZipFile(next((image / "source").glob("*.whl"))) as wheel:
        names = [*file.namelist(), *wheel.namelist()]
        texts = [wheel.read(name).decode() for name in wheel.namelist()]
    assert [] == [name for name in names if {"solutions", "tests", "answers"} & {*Path(name).parts}]
    assert (False, True) == tuple(any(mark in text for text in texts) for mark in (f"== {GRAD}", f'@check("{GRAD}"'))


def test_a_wheel_carries_what_the_course_needs_at_run_time(image, tmp_path):
    """Installed without its repository, the course finds its notebooks and stored results, and keeps copies where one is."""
    program = (
        "from autograder import house; from bptt.experiment import stored; "
        "print(len(house.lessons(house.NOTEBOOKS, '.ipynb')), bool(stored('unrolled_graph', 'price')), house.WORK)"
    )
    python = str(image / "venv" / "bin" / "python")
    said = subprocess.run([python, "-I", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert f"{len(list((ROOT / 'notebooks').glob('*.ipynb')))} True {tmp_path}/work" == said.stdout.strip()


def test_setup_pins_what_it_installs():
    """The scripts are shell that parses, and setup.sh takes every version from constraints.txt, but for uv's own."""
    for name in ("setup.sh", "run_autograder"):
        script = ROOT / "autograder" / "delivery" / "templates" / "gradescope" / name
        assert 0 == subprocess.run(["bash", "-n", str(script)]).returncode
    text = (ROOT / "autograder/delivery/templates/gradescope/setup.sh").read_text()
    assert (True, True) == ('-c "$source/constraints.txt"' in text, "download.pytorch.org/whl/cpu torch" in text)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["77"], "There is no lesson 77"),
        (["00", "--releases", "nowhere"], "There is no nowhere/00_start_here.ipynb"),
    ],
)
def test_a_wrong_word_is_one_line(arguments, said, tmp_path, capsys):
    """What cannot be packed is said before anything is built."""
    (tmp_path / "key").write_text("5e" * 32)
    assert 2 == main(["pack", "gradescope", *arguments, "--key", str(tmp_path / "key")])
    assert said in capsys.readouterr().err


def test_a_key_that_is_too_short_is_refused(tmp_path, capsys):
    """As everywhere: a course key has at least 32 bytes."""
    (tmp_path / "key").write_text("secret")
    assert 2 == main(["pack", "gradescope", "00", "--key", str(tmp_path / "key")])
    assert "a course key has at least 32" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------ what comes back


def test_the_output_is_the_card(image):
    """A mistake is named as in the notebook, and costs the points of its check alone."""
    made = run(image, {f"{NAME}.ipynb": change(ONE.right(), "answer", GRAD, "1 - h * h", "1 - h")})
    (failed,) = [test for test in made["tests"] if test["status"] == "failed"]
    assert ([], "tanh-grad", 0, 3.0) == (wrong(made), failed["name"], failed["score"], failed["max_score"])
    assert failed["output"].startswith(f"[ ] {GRAD}: not yet\n    Asked: ")
    assert ONE.points("check") - 3 == made["score"]


@pytest.mark.parametrize(
    ("show", "due", "shown"),
    [
        ("after_due_date", METADATA["assignment"]["due_date"], "after_due_date"),
        ("after_due_date", None, "after_published"),  # else the cards would never be shown
        ("hidden", None, "hidden"),
        ("visible", None, "visible"),
    ],
)
def test_nothing_of_the_hidden_draw_shows_before_it_should(image, show, due, shown):
    """Every card has the visibility that was asked for; what shows at once is the same for a right and a wrong notebook."""
    said = {**METADATA, "assignment": {**METADATA["assignment"], "due_date": due}}
    right, blank = (run(image, {f"{NAME}.ipynb": one}, said, show) for one in (ONE.right(), ONE.blank()))
    assert {shown} == {test["visibility"] for test in [*right["tests"], *blank["tests"]]}
    assert (right["output"], "hidden") == (blank["output"], right["stdout_visibility"])


def test_late_and_repeated_hand_ins_are_told_so(image):
    """`created_at` is held against the due date, also across time zones; the number of the hand-in counts the earlier ones."""
    earlier = {"submission_time": "2017-04-06T14:24:48.087023-07:00", "score": 0.0, "results": {}}
    said = {**METADATA, "created_at": "2018-08-02T06:30:00.000000+00:00", "previous_submissions": [earlier] * 2}
    said["assignment"] = {**METADATA["assignment"], "late_due_date": "2018-08-03T23:00:00.000000-07:00"}
    late, early = (run(image, {f"{NAME}.ipynb": ONE.right()}, one) for one in (said, METADATA))
    assert (True, True) == ("This is hand-in 3." in late["output"], "1 d 0 h after the due date" in late["output"])
    assert (True, False) == ("This is hand-in 1." in early["output"], "after the due date" in early["output"])
    assert late["score"] == early["score"]


def test_the_hidden_numbers_belong_to_those_who_handed_in(image):
    """The members of a group have the same draw, in whatever order they are listed; another learner has another."""
    ada, alan = (
        {"id": 7, "email": "a@example.com", "name": "Ada"},
        {"id": 12, "email": "b@example.com", "name": "Alan"},
    )
    seeds = []
    for users in ([ada, alan], [alan, ada], [ada]):
        made = run(image, {f"{NAME}.ipynb": ONE.right()}, {**METADATA, "users": users})
        seeds.append([test["extra_data"]["seed"] for test in made["tests"]])
    assert (True, False) == (seeds[0] == seeds[1], seeds[0] == seeds[2])


@pytest.mark.parametrize(
    "said", ["", "[]", "{", '{"users": 3, "assignment": [], "created_at": "soon"}', '{"users": [1]}']
)
def test_metadata_that_says_nothing_costs_nothing(image, said):
    """The page reserves the right to change it: what is missing or malformed counts as not said."""
    assert ONE.points("check") == run(image, {f"{NAME}.ipynb": ONE.right()}, said)["score"]


BAD = {
    "nothing": ({}, "There is no notebook in what you handed in. Hand in the file 00_start_here.ipynb."),
    "no notebook": ({"answers.pdf": b"%PDF"}, "There is no notebook in what you handed in."),
    "two": ({"a.ipynb": ONE.right(), "b.ipynb": ONE.blank()}, "You handed in 2 notebooks (a.ipynb, b.ipynb)."),
    "another lesson": (
        {"01_unrolled_graph.ipynb": (ROOT / "notebooks" / "01_unrolled_graph.ipynb").read_bytes()},
        "You handed in the lesson 01_unrolled_graph. Hand in 00_start_here.ipynb here.",
    ),
    "cut off": ({f"{NAME}.ipynb": nbformat.writes(ONE.right()).encode()[:5000]}, "it was cut off on its way"),
    "empty": ({f"{NAME}.ipynb": b""}, "The file is empty."),
    "no text": ({f"{NAME}.ipynb": b"\xff\xfe\x00"}, "The file is not a notebook"),
    "a folder": ({f"{NAME}.ipynb/x.txt": b"x"}, "What was handed in is not a plain file."),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_told_plainly(image, kind):
    """No crash: 0 points for each check, a sentence that says what to do, and it shows at once."""
    files, said = BAD[kind]
    made = run(image, files, show="after_due_date")
    assert ([], 0, ONE.points("check")) == (
        wrong(made),
        made["score"],
        sum(test["max_score"] for test in made["tests"]),
    )
    assert said in made["output"]


@pytest.mark.parametrize("name", ["Ada Lovelace lab (1).ipynb", f"work/{NAME}-Copy1.ipynb", f"{NAME}.ipynb.txt"])
def test_a_notebook_may_have_any_name(image, name):
    """What browsers, zips and people make of a name costs no points."""
    assert ONE.points("check") == run(image, {name: ONE.right()})["score"]


LOOK = """
import glob, os, sys
IMAGE = {image!r}
kept = []
for name in ("source/course.key", "source/releases", "results/results.json", "results", "submission_metadata.json", "submission",
             "source/*.whl", "venv/lib/python*/site-packages/autograder/lessons/start_here/checks.py"):
    for path in glob.glob(os.path.join(IMAGE, name)) or [os.path.join(IMAGE, name)]:
        try:
            kept.append((name, os.listdir(path) if os.path.isdir(path) else open(path, 'rb').read()[:20]))
        except OSError:
            pass
for name in ("results/results.json", "results/stdout", "source/course.key", "submission/more.ipynb"):
    try:
        open(os.path.join(IMAGE, name), "a").write("mine")
        kept.append(("wrote", name))
    except OSError:
        pass
try:
    import autograder.lessons
    kept.append(("imported", "autograder.lessons"))
except ImportError:
    pass
kept.append(("beside", open("notes.txt").read()))
def tanh_grad(h):
    raise RuntimeError("seen " + repr(kept))
"""

if len(levels()) == 2:  # root runs the tests

    def test_a_right_notebook_gets_all_points_twice_in_a_row(image):
        """Root, no namespaces: results.json has documented fields only, the sandbox is `container`, and a second run says the same."""
        made = [run_there(image, {f"{NAME}.ipynb": ONE.right()}) for _ in range(2)]
        assert made[0] == made[1]
        assert ([], "container") == (wrong(made[0]), made[0]["extra_data"]["sandbox"])
        tests = made[0]["tests"]
        assert ONE.points("check") == made[0]["score"] == sum(test["max_score"] for test in tests)
        assert {"passed"} == {test["status"] for test in tests}

    def test_a_learners_code_sees_neither_key_nor_checks_nor_results(image):
        """It reads and writes nothing of Gradescope's folders or of the course; the twin: it reads what was handed in beside it."""
        notebook = write(ONE.right(), "answer", GRAD, LOOK.format(image=str(image)))
        made = run_there(image, {f"{NAME}.ipynb": notebook, "notes.txt": b"hers"})
        told = next(test["output"] for test in made["tests"] if test["name"] == "tanh-grad")
        assert "seen [('beside', 'hers')]" in told

    def test_without_walls_it_would_see_and_write_all_of_it(image, tmp_path):
        """The twin: the same code in a plain process of root's, on a copy, reaches every one of these places."""
        hand_in(image, {"notes.txt": b"hers"}, METADATA)
        subprocess.run(["cp", "-a", str(image), str(tmp_path / "image")], check=True)
        source = LOOK.format(image=str(tmp_path / "image")) + "print(*{name for name, _ in kept})"
        python = str(tmp_path / "image" / "venv" / "bin" / "python")
        line = [python, "-I", "-c", source]
        said = subprocess.run(line, cwd=tmp_path / "image" / "submission", capture_output=True, text=True, check=True)
        places = re.search(r"for name in \((.*?)\):", LOOK, re.DOTALL)[1].replace('"', "").replace("\n", "").split(",")
        wanted = {*(place.strip() for place in places), "wrote", "imported", "beside"}
        assert set() == wanted - {*said.stdout.split()} - {"results/results.json"}  # which may not be there yet

    def test_our_own_fault_gives_no_score(image):
        """Without a readable key nothing is graded: no results.json, not even an old one, and the reason on stdout, for staff."""
        (image / "results" / "results.json").write_text("{}")
        key = image / "source" / "course.key"
        kept = key.read_bytes()
        key.write_bytes(b"short")
        made = run_there(image, {f"{NAME}.ipynb": ONE.right()})
        key.write_bytes(kept)
        assert (1, True) == (
            made["exit"],
            "not graded" in made["stdout"] and "a course key has at least 32" in made["stdout"],
        )
