"""Does an instructor see a class, its cards and its written answers in formgrader, in a real browser?"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from autograder.house import SOLUTIONS
from autograder.nbgrader import regrade
from autograder.nbgrader.classroom import Classroom, gradebook, make
from autograder.nbgrader.handed_in import find
from tests.submissions import add, hand_in, lesson, write

pytestmark = [
    pytest.mark.needs_bubblewrap,
    pytest.mark.needs_chromium,
    pytest.mark.filterwarnings("ignore"),
]

NAME = "00_start_here"
TANH, WHY = "start-here-tanh-grad", "start-here-why-float64"
WRONG = "def tanh_grad(h):\n    return 1 - torch.tanh(h) ** 2"
ACTIVE = "<script>alert('me')</script><img src=x onerror=alert(2)>"


def wait(what, seconds: float = 120):
    """What `what()` returns, as soon as that is true."""
    until = time.monotonic() + seconds
    while True:
        try:
            if found := what():
                return found
        except OSError:
            pass
        assert time.monotonic() < until, f"nothing after {seconds} s"
        time.sleep(0.3)


@pytest.fixture(scope="module")
def classroom(tmp_path_factory):
    """A class: grace is right and ada has a mistake, both graded; alan has handed in and is not yet graded."""
    root, one = tmp_path_factory.mktemp("bptt") / "class", lesson(SOLUTIONS / f"{NAME}.py")
    make(root, [SOLUTIONS / f"{NAME}.py"])
    ada = add(write(one.right(), "answer", TANH, WRONG), 3, f"a note {ACTIVE}", "markdown")
    for student, notebook in (("ada", ada), ("alan", one.right()), ("grace", one.right())):
        hand_in(root, student, NAME, notebook)
    made = Classroom(root)
    with ThreadPoolExecutor(2) as workers:
        rows = list(regrade.regrade(made, [find(made, "ada", NAME), find(made, "grace", NAME)], workers))
    assert [row.state for row in rows] == ["graded", "graded"], rows
    return made


@pytest.fixture(scope="module")
def address(classroom, tmp_path_factory):
    """JupyterLab, started in the class folder as the README says; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--port={port}", "--ServerApp.ip=127.0.0.1"]
    command += ["--IdentityProvider.token=secret"]
    command += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with (tmp_path_factory.mktemp("log") / "jupyter.log").open("w") as log:
        server = subprocess.Popen(command, cwd=classroom.root, stdout=log, stderr=log)
        try:
            wait(lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/api?token=secret").status == 200)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(30)


@pytest.fixture
def page(browser, address):
    """A logged-in page that records what tried to run in it."""
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.route(
        "**/*", lambda route: route.continue_() if route.request.url.startswith((address, "file:")) else route.abort()
    )
    page.tried = []
    page.on("dialog", lambda dialog: (page.tried.append(dialog.message), dialog.dismiss()))
    page.set_default_timeout(120_000)
    page.goto(f"{address}/formgrader/manage_assignments?token=secret", wait_until="domcontentloaded")
    return page


def row(page, address, student):
    """A student's line in the class's table."""
    page.goto(f"{address}/formgrader/manage_submissions/{NAME}", wait_until="domcontentloaded")
    found = page.locator("tr", has=page.locator("td.student-id", has_text=student))
    found.wait_for()
    return found


def submission(page, address, classroom, student):
    """The page on which a person grades this student's notebook."""
    with gradebook(classroom) as book:
        id = book.find_submission_notebook(NAME, NAME, student).id
    page.goto(f"{address}/formgrader/submissions/{id}", wait_until="domcontentloaded")
    page.locator(".bptt-card").first.wait_for()
    page.locator("input.score[placeholder]").first.wait_for(state="attached")  # marks are fetched: a change is sent now
    return page


def marks(classroom, student):
    """The gradebook's entries for a student's submission, by graded cell."""
    with gradebook(classroom) as book:
        grades = book.find_submission(NAME, student).notebooks[0].grades
        return {mark.name: (mark.auto_score, mark.manual_score) for mark in grades}


def test_the_lesson_stands_in_the_table_of_assignments(page, tmp_path):
    """Formgrader's first page shows the lesson that `course class` added."""
    page.get_by_role("link", name=NAME).first.wait_for()
    page.screenshot(path=tmp_path / "assignments.png")


def test_the_table_of_the_class_shows_the_judged_scores(page, address, classroom, tmp_path):
    """A graded student has points in the table, and their written answer awaits manual grading."""
    checks, all_of_it = (lesson(SOLUTIONS / f"{NAME}.py").points(*roles) for roles in (("check",), ()))
    grace = row(page, address, "grace")
    page.screenshot(path=tmp_path / "class.png")
    assert grace.locator(".score").inner_text() == f"{checks:g} / {all_of_it:g}"
    assert grace.locator(".status").inner_text() == "needs manual grading"


def test_the_autograde_button_judges(page, address, classroom):
    """The button does what `course grade` does: the same answers get the same scores."""
    row(page, address, "alan").locator(".autograde a").click()
    wait(lambda: (classroom.root / "autograded" / "alan" / NAME / f"{NAME}.ipynb").exists())
    wait(lambda: marks(classroom, "alan")[f"{TANH}-check"][0] is not None)
    assert marks(classroom, "alan") == marks(classroom, "grace")


def test_a_submission_shows_its_cards(page, address, classroom, tmp_path):
    """The grader sees each check's card: which one is right, and which mistake the other looks like."""
    submission(page, address, classroom, "ada")
    card = page.locator(f'.bptt-card[data-check="{TANH}"]')
    card.scroll_into_view_if_needed()
    page.screenshot(path=tmp_path / "submission.png")
    assert card.get_attribute("data-status") == "wrong"
    assert page.locator('.bptt-card[data-status="right"]').count() >= 2


def test_nothing_of_the_learners_runs_on_the_page(page, address, classroom):
    """A script in a learner's text is shown as text."""
    submission(page, address, classroom, "ada")
    assert page.get_by_text("<script>alert('me')").count() == 1
    assert page.tried == []


def test_a_grade_given_by_hand_is_kept(page, address, classroom, tmp_path):
    """Points typed into the field of the written answer are in the gradebook."""
    submission(page, address, classroom, "grace")
    field = page.locator(f"input.score#{WHY}")
    field.scroll_into_view_if_needed()
    field.fill("1.5")
    field.blur()
    wait(lambda: marks(classroom, "grace")[WHY][1] == 1.5)
    page.screenshot(path=tmp_path / "by_hand.png")


def test_feedback_is_generated_with_the_card(page, address, classroom, tmp_path):
    """The button writes the learner's page, and the card is on it."""
    row(page, address, "ada").locator(".generate-feedback a").click()
    file = classroom.root / "feedback" / "ada" / NAME / f"{NAME}.html"
    wait(file.exists)
    page.goto(file.as_uri(), wait_until="domcontentloaded")
    card = page.locator(f'.bptt-card[data-check="{TANH}"][data-status="wrong"]')
    card.scroll_into_view_if_needed()
    page.screenshot(path=tmp_path / "feedback.png")
    assert page.tried == []
