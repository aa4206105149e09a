"""Does an experiment say in words what it lacks?"""

import json

import pytest

from bptt import experiment
from bptt.experiment import needs, stored


def test_an_unsolved_exercise_is_named_instead_of_a_traceback(capsys):
    """The stub's NotImplementedError becomes a sentence that names the function."""
    with needs("rnn_step"):
        raise NotImplementedError
    assert "uses your `rnn_step`. Solve it above" in capsys.readouterr().out


def test_a_cell_that_was_not_run_is_asked_for(capsys):
    """A missing name leads to the cells above."""
    with needs("rnn_step"):
        nobody_defined_this  # noqa: B018, F821
    assert "'nobody_defined_this' is not defined. Run the cells above first" in capsys.readouterr().out


def test_any_other_error_is_told_with_its_line(capsys):
    """The line in the cell, the error, and where to look first."""
    with needs("unroll", "rnn_step"):
        len(None)
    said = capsys.readouterr().out
    assert "TypeError" in said and "your `unroll` and `rnn_step`: does the check above pass?" in said


def test_an_interrupt_passes_through():
    """Ctrl-C ends an experiment."""
    with pytest.raises(KeyboardInterrupt), needs("unroll"):
        raise KeyboardInterrupt


def test_stored_gives_one_dict_for_each_seed(tmp_path, monkeypatch):
    """In the order of the seeds, without the seeds themselves."""
    runs = {"runs": {"flow": [{"seed": 0, "measured": {"norm": 1}}, {"seed": 1, "measured": {"norm": 2}}]}}
    (tmp_path / "some_lesson.json").write_text(json.dumps(runs))
    monkeypatch.setattr(experiment, "RESULTS", (tmp_path,))
    assert [{"norm": 1}, {"norm": 2}] == stored("some_lesson", "flow")


@pytest.mark.parametrize(("lesson", "run"), [("some_lesson", "no_such_run"), ("no_such_lesson", "flow")])
def test_nothing_stored_is_an_empty_list(lesson, run, tmp_path, monkeypatch):
    """A figure is drawn without its band."""
    (tmp_path / "some_lesson.json").write_text('{"runs": {}}')
    monkeypatch.setattr(experiment, "RESULTS", (tmp_path,))
    assert [] == stored(lesson, run)
