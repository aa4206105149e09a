"""Does a check's body say what an error means in its exercise?"""

import pytest
import torch

from autograder.beside.advice import GRAPH_FREED, Raised
from autograder.checking.expect import expect, on_error
from autograder.checking.spec import Finding, LearnerFailed, Slip, Wrong, reference

FREED = "f raised RuntimeError: Trying to backward through the graph a second time (or directly access saved tensors)."


def asked(*rows, said=FREED, status="error", **options):
    """What comes of an error that the learner's code has raised."""
    with pytest.raises((LearnerFailed, Wrong)) as caught, on_error(*rows, **options):
        raise LearnerFailed(status, Finding("raised", said, "line 2", ("The general question?",)))
    return caught.value


def test_the_question_of_the_exercise_takes_the_place_of_the_general_one():
    """The first row that fits is taken; with `also`, both questions are asked."""
    rows = GRAPH_FREED.but("Whose graph?"), Raised("RuntimeError", "Never asked?")
    assert ("Whose graph?",) == asked(*rows).finding.clues
    assert ("The general question?", "Whose graph?") == asked(*rows, also=True).finding.clues


def test_an_error_that_no_row_knows_stays_as_it_is():
    """Another error, or an end that is no error at all."""
    row = GRAPH_FREED.but("Whose graph?")
    for failed in (asked(row, said="f raised ValueError: no"), asked(row, status="timeout")):
        assert ("The general question?",) == failed.finding.clues


def test_a_row_with_a_sign_names_a_mistake():
    """The error is a wrong answer then, under that sign; a brief one leaves out what PyTorch proposes."""
    wrong = asked(GRAPH_FREED.but("Whose graph?", "graph-twice"))
    assert (Wrong, Finding("graph-twice", FREED, "line 2", ("Whose graph?",))) == (type(wrong), wrong.finding)
    brief = asked(GRAPH_FREED.but("Whose graph?", "graph-twice", brief=True))
    assert FREED[: FREED.index(" (or")] == brief.finding.summary


@reference(
    Slip("both", "a and b are negative", "Where does the minus come from?"),
    Slip("one", "a is doubled", "How often is it added?"),
)
def two_parts(slips):
    """Two parts, of which a slip spoils one or both."""
    sign = -1.0 if "both" in slips else 1.0
    return {"a": torch.tensor(sign * (2.0 if "one" in slips else 1.0)), "b": torch.tensor(sign * 3.0)}


@pytest.mark.parametrize(("a", "named"), [(2.0, True), (-1.0, False)])
def test_a_part_is_explained_alone_only_by_what_spoils_no_other(a, named):
    """b is wrong in a way of its own: a slip that would have spoilt b too is not the one, though a looks like it."""
    with pytest.raises(Wrong) as wrong:
        expect({"a": torch.tensor(a), "b": torch.tensor(7.7)}, two_parts(), "x", slips=two_parts.on())
    assert (wrong.value.finding.sign in ("one", "both")) is named
    assert any("This is said of x['a'] alone" in clue for clue in wrong.value.finding.clues) is named
