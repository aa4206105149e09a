"""Every lesson through real nbgrader: the solution gets all points, the blank none, mixed submissions exactly their share."""

from __future__ import annotations

import ast
import itertools
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from autograder.classroom import Classroom, gradebook, make
from autograder.house import SOLUTIONS
from autograder.nbgrader import regrade
from autograder.spec import load
from autograder.verify import samples
from tests.submissions import hand_in, lesson, write

pytestmark = [pytest.mark.needs_bubblewrap, pytest.mark.filterwarnings("ignore")]

LESSONS = [path.stem for path in sorted(SOLUTIONS.glob("[0-9][0-9]_*.py"))]
MIXED = [f"mixed-{number}" for number in range(10)]
WRONG, VARIANT = 0.35, 0.65  # below the first, a wrong answer is handed in; below the second, a right variant


def names(source):
    """The names that a cell defines at its top level, and all names that it uses."""
    tree = ast.parse(source)
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assigned = {
        node.id
        for one in tree.body
        if isinstance(one, ast.Assign)
        for node in one.targets
        if isinstance(node, ast.Name)
    }
    return defined | assigned, {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def keeps_to_itself(source, id, others):
    """Whether an answer defines nothing besides its own name that another answer uses or defines."""
    helpers = names(source)[0] - {load(id).of}
    return not any(helpers & set.union(*names(other)) for other in others)


def mixed(one, who):
    """A notebook with wrong answers, right variants and solutions drawn by `who`, and the points that it should get."""
    for attempt in itertools.count():
        notebook, expected = drawn(one, f"{who} {attempt}")
        if len({points > 0 for points in expected.values()}) == 2:
            return notebook, expected


def drawn(one, who):
    """One draw of a notebook; it may happen to be right throughout."""
    answers = {
        cell.metadata["bptt"]["id"]: cell.source
        for cell in one.right().cells
        if cell.metadata.get("bptt", {}).get("role") == "answer"
    }
    draw = random.Random(f"{one.name} {who}")
    tests, stem = SOLUTIONS.parent / "tests", one.name[3:]
    wrong, right = (
        samples(tests / "mistakes" / f"{stem}.py", "gets"),
        samples(tests / "variants" / f"{stem}.py", "variant"),
    )
    notebook, expected = one.right(), {}
    for cell in one.handed_out.cells:
        ours = cell.metadata.get("bptt", {})
        if ours.get("role") != "check":
            continue
        id, chance = ours["id"], draw.random()
        kind = wrong if chance < WRONG else right if chance < VARIANT else []
        others = [source for other, source in answers.items() if other != id]
        choice = [sample.source for sample in kind if sample.of == id and keeps_to_itself(sample.source, id, others)]
        if choice:
            write(notebook, "answer", id, draw.choice(choice))
        missed = kind is wrong and choice
        expected[cell.metadata["nbgrader"]["grade_id"]] = 0.0 if missed else cell.metadata["nbgrader"]["points"]
    return notebook, expected


@pytest.fixture(scope="module", params=LESSONS)
def graded(request, tmp_path_factory):
    """A class that handed in one lesson: (what each should get, what each got), by student and graded cell."""
    root, one = tmp_path_factory.mktemp("bptt") / "class", lesson(SOLUTIONS / f"{request.param}.py")
    make(root, [SOLUTIONS / f"{request.param}.py"])
    full = {
        cell.metadata["nbgrader"]["grade_id"]: cell.metadata["nbgrader"]["points"]
        for cell in one.handed_out.cells
        if cell.metadata.get("bptt", {}).get("role") == "check"
    }
    hands = {"right": (one.right(), full), "blank": (one.blank(), dict.fromkeys(full, 0.0))}
    hands |= {who: mixed(one, who) for who in MIXED}
    for student, (notebook, _) in hands.items():
        hand_in(root, student, one.name, notebook)
    classroom = Classroom(root)
    with ThreadPoolExecutor(2) as workers:
        list(regrade.graded(classroom, [(student, one.name) for student in hands], workers))
    got = {}
    with gradebook(classroom) as book:
        for student in hands:
            marks = book.find_submission(one.name, student).notebooks[0].grades
            got[student] = {
                mark.name: mark.auto_score or 0.0 for mark in marks if mark.name in full
            }  # None: a person decides
    return {student: expected for student, (_, expected) in hands.items()}, got


@pytest.mark.parametrize("student", ["right", "blank", *MIXED])
def test_everybody_gets_exactly_their_points(graded, student):
    """Check by check, the gradebook has the points of what is right, and none for what is not."""
    expected, got = graded
    assert got[student] == expected[student]


def test_mixed_submissions_are_mixed(graded):
    """The twin: every mixed submission has right and wrong answers, so that neither all nor none is the right score."""
    expected, _ = graded
    assert all(len({points > 0 for points in expected[who].values()}) == 2 for who in MIXED)
