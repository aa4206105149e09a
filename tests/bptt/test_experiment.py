"""Does an experiment say in words what it lacks?"""

import json

import pytest
import torch

from bptt import experiment
from bptt.experiment import needs, reply, stored


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


REPLIES = {40: "So it is.", 20: "Twice as many.", 0: "There are some."}


@pytest.mark.parametrize(
    ("guess", "said"),
    [
        (40, "You said 40; the experiment says 40. So it is."),
        (torch.tensor([36.0]), "You said 36; the experiment says 40. So it is."),  # within the share `near`
        (20.2, "You said 20.2; the experiment says 40. Twice as many."),
        (21, "You said 21; the experiment says 40. Count again."),  # what is foreseen is matched within 2 %
        (0, "You said 0; the experiment says 40. There are some."),
        (50, "You said 50; the experiment says 40. Not so many."),
    ],
)
def test_a_number_gets_the_reply_to_that_number(capsys, guess, said):
    """What was measured beside it; then what was foreseen for it, or what holds for a number too low or too high."""
    reply(guess, 40.0, REPLIES, "Count again.", high="Not so many.", near=0.1)
    assert said + "\n" == capsys.readouterr().out


def test_of_two_foreseen_numbers_the_nearer_one_is_meant(capsys):
    """A wide share around what was measured does not swallow a mistake that has a reply of its own."""
    reply(0.01, 0.02, {0.02: "About so much.", 0.01: "Half of it."}, near=0.6)
    assert capsys.readouterr().out.endswith("Half of it.\n")


def test_without_high_a_number_too_high_gets_what_any_other_gets(capsys):
    """One sentence may do for both."""
    reply(50, 40, REPLIES, "Count again.")
    assert "You said 50; the experiment says 40. Count again.\n" == capsys.readouterr().out


def test_a_choice_gets_the_reply_to_that_choice(capsys):
    """However it is written."""
    reply(" The  SAME", "larger", {"larger": "It grows.", "the same": "You expected no change."})
    assert 'You said "the same"; the experiment says "larger". You expected no change.\n' == capsys.readouterr().out


@pytest.mark.parametrize(
    ("guess", "measured"), [(None, 40), ("40", 40), ([40], 40), (None, "larger"), (1, "larger"), ("huge", "larger")]
)
def test_who_has_not_committed_is_asked_to(capsys, guess, measured):
    """None, or what the check sends back, is no error; and what is true is not told."""
    reply(guess, measured, {40: "So it is.", "larger": "It grows."})
    assert "Commit to an answer above, and run this cell again.\n" == capsys.readouterr().out
