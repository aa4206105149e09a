"""Whatever was handed in, does the repaired notebook have the shape of the release?"""

from __future__ import annotations

import json

import nbformat
import pytest
from nbformat.v4 import new_output

from autograder.house import SOLUTIONS
from autograder.judge.reader import HandedIn, parse
from autograder.nbgrader.repair import repair
from tests.submissions import add, cell, copy_of, delete, lesson, place, write

NAME = "00_start_here"
TANH, WHY, SETUP = "start-here-tanh-grad", "start-here-why-float64", "setup"


@pytest.fixture(scope="module")
def one():
    """The first lesson, as its author and its learners have it."""
    return lesson(SOLUTIONS / f"{NAME}.py")


def received(notebook):
    """The notebook as it is read from a file."""
    return HandedIn(parse(nbformat.writes(notebook).encode()), digest="0")


def repaired(one, notebook):
    """What becomes of a notebook that was handed in."""
    return repair(received(notebook), one.handed_out)


def sources(notebook):
    """The sources of all cells."""
    return [each.source for each in notebook.cells]


def grade_ids(notebook):
    """The graded cells, in order."""
    marks = [each.metadata.get("nbgrader", {}) for each in notebook.cells]
    return [mark["grade_id"] for mark in marks if mark.get("grade")]


def test_an_untouched_notebook_stays_as_it_is(one):
    """Where there is nothing to repair, the cells are those that were handed out, byte for byte."""
    assert repaired(one, one.blank()).cells == one.handed_out.cells


def test_the_result_is_a_valid_notebook(one):
    """Whatever metadata the learner's editor left, nbformat accepts what comes out."""
    notebook = one.right()
    for each in notebook.cells:
        each.metadata["collapsed"] = {"odd": [1, None]}
    nbformat.validate(repaired(one, notebook))


def test_answers_stay(one):
    """The learner's code and text come through unchanged."""
    assert sources(repaired(one, one.right())) == sources(one.right())


def test_a_copied_check_stands_once(one):
    """A copy with the same grade_id becomes a cell of the learner's own."""
    result = repaired(one, copy_of(one.right(), "check", TANH))
    assert grade_ids(result) == grade_ids(one.handed_out)
    assert [dict(each.metadata) for each in result.cells if each.source == f'check("{TANH}")'].count({}) == 1


def test_of_two_written_answers_the_one_with_text_counts(one):
    """A learner who copies the cell and writes into the copy is graded on that text, not on the empty original."""
    notebook = copy_of(one.blank(), "written", WHY)
    notebook.cells[place(notebook, "written", WHY) + 1].source = "Compare in float64."
    result = repaired(one, notebook)
    assert cell(result, "written", WHY).source == "Compare in float64."


def test_a_deleted_check_is_put_back_behind_its_answer(one):
    """Deleting a check deletes neither its points nor its failure."""
    result = repaired(one, delete(one.right(), "check", TANH))
    assert place(result, "check", TANH) == place(result, "answer", TANH) + 1


def test_a_deleted_answer_is_not_put_back(one):
    """Its stub would hide an answer that may be in another cell."""
    result = repaired(one, delete(one.right(), "answer", TANH))
    with pytest.raises(KeyError):
        cell(result, "answer", TANH)


def test_a_moved_cell_stays_where_the_learner_put_it(one):
    """Order is the learner's business, as long as everything is there."""
    notebook = one.right()
    notebook.cells.append(notebook.cells.pop(place(notebook, "answer", TANH)))
    assert place(repaired(one, notebook), "answer", TANH) == len(notebook.cells) - 1


def test_a_retyped_answer_is_code_again(one):
    """An answer turned into markdown by a wrong key is code in the graded notebook."""
    notebook = one.right()
    at = place(notebook, "answer", TANH)
    retyped = nbformat.v4.new_markdown_cell(notebook.cells[at].source, metadata=notebook.cells[at].metadata)
    retyped["id"] = notebook.cells[at]["id"]
    notebook.cells[at] = retyped
    assert cell(repaired(one, notebook), "answer", TANH).cell_type == "code"


def test_changed_points_are_reset(one):
    """A check that says it is worth 1000 points is worth what was handed out."""
    notebook = one.right()
    cell(notebook, "check", TANH).metadata["nbgrader"]["points"] = 1000
    assert cell(repaired(one, notebook), "check", TANH).metadata == cell(one.handed_out, "check", TANH).metadata


def test_cells_without_metadata_are_found_by_their_ids(one):
    """Some editors drop metadata; the cells' ids still identify them."""
    notebook = one.right()
    for each in notebook.cells:
        each.metadata = nbformat.NotebookNode()
    assert sources(repaired(one, notebook)) == sources(one.right())


def test_what_was_written_into_a_locked_cell_is_kept_in_a_cell_of_its_own(one):
    """A helper in a check's cell is still defined, and the check is the one that was handed out."""
    notebook = write(one.right(), "check", TANH, f'def helper(): ...\n\ncheck("{TANH}")')
    result = repaired(one, notebook)
    at = place(result, "check", TANH)
    assert (result.cells[at].source, "def helper" in result.cells[at - 1].source) == (f'check("{TANH}")', True)


def test_own_cells_cannot_pass_for_the_courses(one):
    """A cell with invented metadata loses it."""
    notebook = add(one.blank(), 0, "1 + 1")
    forged = {"grade": True, "grade_id": "extra", "points": 9, "solution": False, "locked": False, "schema_version": 3}
    notebook.cells[0].metadata["nbgrader"] = forged
    assert repaired(one, notebook).cells[0].metadata == {}


def test_course_text_keeps_its_drop_downs(one):
    """Hints stay HTML where nobody changed them."""
    result = repaired(one, one.right())
    assert any(each.source.startswith("<details>") for each in result.cells)


def test_a_changed_hint_that_could_run_is_shown_as_text(one):
    """The twin: the same cell with a script in it is shown as a block of code."""
    notebook = one.right()
    at = next(i for i, each in enumerate(notebook.cells) if each.source.startswith("<details>"))
    notebook.cells[at].source += "<script>alert(1)</script>"
    assert repaired(one, notebook).cells[at].source.startswith("```")


def test_outputs_are_kept_as_text_and_pictures_only(one):
    """None of the learner's HTML, scripts or widgets is left in the notebook."""
    notebook = add(one.blank(), 0, "draw()")
    data = {"text/html": "<b onclick='x'>", "text/plain": "twin", "application/vnd.jupyter.widget-view+json": {}}
    notebook.cells[0].outputs = [new_output("display_data", data=data)]
    assert repaired(one, notebook).cells[0].outputs == [new_output("display_data", data={"text/plain": "twin"})]


def test_a_raw_cell_is_shown_as_text(one):
    """nbconvert passes raw cells through unchanged, so none is left."""
    notebook = one.blank()
    notebook.cells.insert(0, nbformat.v4.new_raw_cell("<script>alert(1)</script>"))
    assert repaired(one, notebook).cells[0].source == "```\n<script>alert(1)</script>\n```"


def test_neither_argument_is_changed(one):
    """Repairing changes neither what was handed in nor the release."""
    given, release = received(copy_of(one.right(), "check", TANH)), one.blank()
    before = nbformat.writes(given.notebook), nbformat.writes(release)
    repair(given, release)
    assert (nbformat.writes(given.notebook), nbformat.writes(release)) == before


def test_a_broken_file_becomes_a_notebook_that_says_so(one):
    """Every graded cell of the release is there, and the first cell says why they are empty."""
    given = HandedIn(nbformat.v4.new_notebook(), "The file is empty.", "0")
    result = repair(given, one.handed_out)
    assert grade_ids(result) == grade_ids(one.handed_out)
    assert "The file is empty." in result.cells[0].source


@pytest.mark.parametrize(
    "cells",
    [
        [{"cell_type": "code"}],
        [{"cell_type": "code", "source": ["a\n", "b"], "outputs": "none", "metadata": []}],
        [{"cell_type": 7, "source": {"a": 1}}, 3, None],
        [{"cell_type": "code", "source": "\ud800", "outputs": [3, {"output_type": "stream", "text": 4}]}],
        [{"cell_type": "markdown", "source": "![x](attachment:y)", "attachments": {"y": {"image/png": "!!"}}}],
        [{"cell_type": "code", "source": "x", "id": "no id"}, {"cell_type": "code", "source": "x", "id": "no id"}],
    ],
)
def test_odd_cells_are_read_as_far_as_they_go(one, cells):
    """A notebook with odd cells is repaired into a valid one that can be written."""
    given = HandedIn(parse(json.dumps({"cells": cells, "nbformat": 4, "nbformat_minor": 5}).encode()), digest="0")
    result = repair(given, one.handed_out)
    nbformat.validate(result)
    assert nbformat.writes(result).encode() and grade_ids(result) == grade_ids(one.handed_out)
