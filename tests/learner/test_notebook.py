"""Does `check` in a real kernel show a card, and fail in one line?"""

from __future__ import annotations

import nbformat
import pytest
from nbclient import NotebookClient

CELLS = {
    "setup": "import torch\nfrom autograder import check, progress",
    "stub": "def rnn_step(x_t, h_prev, params):\n    raise NotImplementedError()",
    "check stub": 'check("unrolled-graph-rnn-step")',
    "right": (
        "import warnings\n"
        "def rnn_step(x_t, h_prev, params):\n"
        "    print('here'); warnings.warn('loud')\n"
        "    return torch.tanh(x_t @ params['weight_ih'].T + h_prev @ params['weight_hh'].T + params['bias'])"
    ),
    "check right": 'check("unrolled-graph-rnn-step")',
    "other numbers": 'check("unrolled-graph-rnn-step", seed=5)',
    "unknown": 'check("unrolled-graph-rnnstep")',
    "progress": "progress()",
}


@pytest.fixture(scope="module")
def cells():
    """The cells of one notebook after it ran in its own kernel, by name."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS.values()])
    NotebookClient(notebook, kernel_name="python3", allow_errors=True, timeout=120).execute()
    return dict(zip(CELLS, notebook.cells, strict=True))


def kinds(cell):
    return [output.output_type for output in cell.outputs]


def test_a_failing_check_shows_a_card_and_one_line(cells):
    """The card has a text version; the error that follows is one line without a stack trace."""
    card, error = cells["check stub"].outputs
    assert set(card.data) == {"text/html", "text/plain"}
    assert error.traceback == ["CheckFailed: unrolled-graph-rnn-step: not written yet. rnn_step is not written yet."]


def test_a_right_answer_leaves_a_card_and_no_error(cells):
    """What the learner's code prints or warns of appears beside the card and does no harm."""
    assert "error" not in kinds(cells["check right"])
    assert [o.data["text/plain"][:3] for o in cells["check right"].outputs if "data" in o] == ["[x]"]
    assert "error" not in kinds(cells["other numbers"])


def test_an_unknown_check_is_one_line_that_helps(cells):
    """A misspelt id names the one that was probably meant."""
    (error,) = cells["unknown"].outputs
    assert error.traceback == [
        "UnknownCheck: there is no check called 'unrolled-graph-rnnstep'. Did you mean 'unrolled-graph-rnn-step'?"
    ]


def test_progress_tells_where_one_stands(cells):
    """`progress()` lists each check once, with its latest result."""
    (output,) = cells["progress"].outputs
    assert output.text == "unrolled-graph-rnn-step: right\nRight so far: 1 of 1 checked.\n"


def test_progress_counts_predictions_apart(monkeypatch, capsys):
    """A prediction is noted, whether it holds or not, and not counted among the right answers."""
    from autograder import notebook
    from autograder.checking.spec import Verdict

    verdicts = (Verdict("a-guess", "right", noted=True), Verdict("a-step", "right"), Verdict("a-loop", "wrong"))
    monkeypatch.setattr(notebook, "VERDICTS", {one.check: one for one in verdicts})
    notebook.progress()
    assert capsys.readouterr().out.splitlines()[-1] == "Right so far: 1 of 2 checked, and 1 prediction noted."
