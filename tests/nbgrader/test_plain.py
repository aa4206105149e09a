"""Stock nbgrader, without any configuration of ours: it can grade the released notebooks, and what it gives to tricks and to warnings."""

from __future__ import annotations

import nbformat
import pytest
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from traitlets.config import Config

from autograder.authoring.release import as_bytes, notebooks
from autograder.house import NOTEBOOKS, SOLUTIONS
from autograder.judge.engine import judge
from tests.submissions import add, change

NAME = "00_start_here"
ANSWER = "start-here-tanh-grad"
DROP = """
import ast
class Drop(ast.NodeTransformer):
    def visit_Expr(self, node):
        return ast.Pass() if "check(" in ast.unparse(node) else node
get_ipython().ast_transformers.append(Drop())
"""


def hand_ins():
    """Who hands in what: right, blank, two tricks in a blank notebook, two things that happen to right ones."""
    solved, blank = notebooks(SOLUTIONS / f"{NAME}.py")[0], nbformat.read(NOTEBOOKS / f"{NAME}.ipynb", as_version=4)
    loud = "import warnings; warnings.warn('deprecated')\n    return"
    return {
        "right": solved,
        "blank": blank,
        "patched": add(copied(blank), 3, "check = lambda id: None"),
        "dropped": add(copied(blank), 3, DROP),
        "warns": change(copied(solved), "answer", ANSWER, "return", loud),
        "exits": add(copied(solved), len(solved.cells), "import os\nos._exit(0)"),
    }


def copied(notebook):
    """A copy that can be changed."""
    return nbformat.from_dict(notebook)


@pytest.fixture(scope="module")
def grades(tmp_path_factory):
    """The automatic points for each check from stock nbgrader, for everybody whom it graded."""
    root = tmp_path_factory.mktemp("class")
    for who, notebook in hand_ins().items():
        for folder in (f"submitted/{who}", *(["source"] if who == "right" else [])):
            (root / folder / NAME).mkdir(parents=True)
            (root / folder / NAME / f"{NAME}.ipynb").write_bytes(as_bytes(notebook))
    config = Config()
    config.CourseDirectory.root = str(root)
    database = f"sqlite:///{root / 'gradebook.db'}"
    config.CourseDirectory.db_url = database
    nbgrader = NbGraderAPI(config=config)
    assert nbgrader.generate_assignment(NAME)["success"]
    graded = [who for who in hand_ins() if nbgrader.autograde(NAME, who)["success"]]
    found = {}
    with Gradebook(database) as gradebook:
        for submission in gradebook.find_assignment(NAME).submissions:
            if submission.student.id in graded:
                checks = [grade for grade in submission.notebooks[0].grades if grade.name.endswith("-check")]
                found[submission.student.id] = {grade.name: (grade.auto_score, grade.max_score) for grade in checks}
    return found


def test_a_right_submission_gets_every_point(grades):
    """The model answers get full marks, and there are some."""
    assert ([], 4) == ([name for name, (got, most) in grades["right"].items() if got != most], len(grades["right"]))


def test_a_blank_submission_gets_none(grades):
    """The notebook as handed out earns nothing."""
    assert {0.0} == {got for got, _ in grades["blank"].values()}


# What stock nbgrader gives: everything to who shadows or removes checks, nothing for an answer that warns, no grade to who ends the
# kernel. Our judge: nothing, nothing, everything, everything.
STOCK = {"patched": 1.0, "dropped": 1.0, "warns": 0.0, "exits": None}
OURS = {"patched": 0.0, "dropped": 0.0, "warns": 1.0, "exits": 1.0}


@pytest.mark.parametrize("who", STOCK)
def test_what_stock_nbgrader_gives(grades, who):
    """Tricks get every point there, and honest ones lose theirs."""
    got, most = grades[who][f"{ANSWER}-check"] if who in grades else (None, 1.0)
    assert STOCK[who] == (None if got is None else got / most)


@pytest.mark.needs_bubblewrap
@pytest.mark.parametrize("who", OURS)
def test_what_our_judge_gives(who, sandbox):
    """The same hand-ins: tricks earn nothing, and honest ones keep all."""
    release = nbformat.read(NOTEBOOKS / f"{NAME}.ipynb", as_version=4)
    judged = judge(hand_ins()[who], release, key=b"k" * 16, learner=who, sandbox=sandbox)
    verdict = judged.verdicts[ANSWER]
    assert OURS[who] == verdict.points(1.0)
