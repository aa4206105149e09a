"""Can stock nbgrader grade the released notebooks, without any configuration of ours?"""

from __future__ import annotations

import pytest
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from traitlets.config import Config

from autograder.authoring.release import as_bytes, notebooks
from autograder.house import NOTEBOOKS, SOLUTIONS

NAME = "00_start_here"


@pytest.fixture(scope="module")
def grades(tmp_path_factory):
    """The automatic points for each check, for a learner who is right and one who handed in a blank notebook."""
    root = tmp_path_factory.mktemp("class")
    solved = as_bytes(notebooks(SOLUTIONS / f"{NAME}.py")[0])
    blank = (NOTEBOOKS / f"{NAME}.ipynb").read_bytes()
    for folder, data in (("source", solved), ("submitted/right", solved), ("submitted/blank", blank)):
        (root / folder / NAME).mkdir(parents=True)
        (root / folder / NAME / f"{NAME}.ipynb").write_bytes(data)
    config = Config()
    config.CourseDirectory.root = str(root)
    database = f"sqlite:///{root / 'gradebook.db'}"
    config.CourseDirectory.db_url = database
    nbgrader = NbGraderAPI(config=config)
    assert nbgrader.generate_assignment(NAME)["success"]
    for student in ("right", "blank"):
        done = nbgrader.autograde(NAME, student)
        assert done["success"], done["log"]
    found = {}
    with Gradebook(database) as gradebook:
        for submission in gradebook.find_assignment(NAME).submissions:
            checks = [grade for grade in submission.notebooks[0].grades if grade.name.endswith("-check")]
            found[submission.student.id] = {grade.name: (grade.auto_score, grade.max_score) for grade in checks}
    return found


def test_a_right_submission_gets_every_point(grades):
    """The model answers get full marks, and there are some."""
    assert ([], 4) == ([name for name, (got, most) in grades["right"].items() if got != most], len(grades["right"]))


def test_a_blank_submission_gets_none(grades):
    """The notebook as handed out earns nothing."""
    assert {0.0} == {got for got, _ in grades["blank"].values()}
