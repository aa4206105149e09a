"""Are figures with sliders live where a kernel runs, and still pictures where none does?"""

from __future__ import annotations

import nbclient
import nbformat
import pytest
from matplotlib import pyplot as plt

from bptt.interactive import WIDGET, explore

SETUP = """\
import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt
from bptt.interactive import explore

def picture(height):
    if height > 3:
        raise ValueError("too high")
    fig, ax = plt.subplots()
    ax.plot([0, height])
    return fig, f"A line of height {height:.1f}."
"""
MOVE = """\
import gc
import ipywidgets
[slider] = [thing for thing in gc.get_objects() if isinstance(thing, ipywidgets.FloatSlider)]
slider.value = {to}
"""
SAID = "print([thing.value for thing in gc.get_objects() if isinstance(thing, ipywidgets.Label)])"


def run(*cells):
    """The cells' outputs, after all of them have run in a kernel."""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in (SETUP, *cells)])
    nbclient.NotebookClient(book, timeout=120, kernel_name="python3").execute()
    return [cell.outputs for cell in book.cells[1:]]


def pictures(outputs):
    return [output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", {})]


@pytest.fixture(scope="module")
def still():
    """The outputs of a cell with one slider that nobody has moved."""
    return run("explore(picture, height=(0.0, 5.0, 0.5, 1.0))")[0]


def test_the_cell_leaves_a_picture_that_needs_no_kernel(still):
    """Where the notebook is only read, the picture at the start stands in the output of the cell."""
    assert len(pictures(still)) == 1


def test_the_sliders_stand_above_the_picture(still):
    """The first output is the widget, with words in its place where there are no widgets."""
    assert WIDGET in still[0]["data"]
    assert still[0]["data"]["text/plain"] == "Sliders for height: they work where this notebook is run."


def test_moving_a_slider_replaces_the_picture(still):
    """After a move there is still one picture, and it is another."""
    moved = run("explore(picture, height=(0.0, 5.0, 0.5, 1.0))", MOVE.format(to=2.0))[0]
    assert len(pictures(moved)) == 1
    assert pictures(still) != pictures(moved)


def test_an_error_while_moving_is_said_beside_the_sliders():
    """A callback has no cell of its own, so what the learner's function raises is shown beside the sliders."""
    said = run("explore(picture, height=(0.0, 5.0, 0.5, 1.0))", MOVE.format(to=4.0), SAID)[-1]
    assert "ValueError: too high" in said[0]["text"]


def test_outside_of_notebooks_the_sentence_is_printed(capsys):
    """A script has no place for a slider: it gets the words."""
    explore(lambda height: (plt.figure(), f"A line of height {height:.1f}."), height=(0.0, 5.0, 0.5, 1.0))
    assert capsys.readouterr().out == "A line of height 1.0.\n"
