"""Does one statement make a prediction: any commitment right, and the card telling how it turned out?"""

import pytest

from autograder.beside.beside import Beside
from autograder.checking import run
from autograder.checking.draw import Draw
from autograder.checking.predictions import prediction
from autograder.checking.spec import CHECKS


@pytest.fixture
def verdict(monkeypatch):
    """The verdict on a guess, for a prediction of these keys."""
    monkeypatch.setattr("autograder.checking.spec.CHECKS", dict(CHECKS))

    def judged(guess, true=8, **keys):
        def outcome(guess):
            """`guess` is a number: how many there are."""
            return None if true is None else (true, "there are as many as that.")

        outcome.__module__ = "autograder.lessons.counting.checks"
        check = prediction("counting-predict", "guess", **keys)(outcome)
        return run.run_check(check, Beside({"guess": guess}, run.lend), Draw(1))

    return judged


@pytest.mark.parametrize(
    ("guess", "keys", "begins"),
    [
        (8, {}, "It holds: there are"),
        (9, {}, "It turns out otherwise: there are"),
        (9, {"close": 1}, "Close: there are"),
        (10, {"close": 1}, "It turns out otherwise"),
        (8.5, {"within": 0.5}, "It holds"),
        (8.6, {"within": 0.5}, "It turns out otherwise"),
        (15, {"times": 2}, "It holds"),
        (4, {"times": 2}, "It turns out otherwise"),
        (4.1, {"times": 2}, "It holds"),
    ],
)
def test_a_number_holds_if_it_is_near_enough(verdict, guess, keys, begins):
    """Any number within the range is right; how near it is decides what the card says."""
    got = verdict(guess, between=(0, 100), **keys)
    assert (True, True, begins) == (got.right, got.noted, got.notes[0][: len(begins)])


def test_an_option_may_be_written_in_capitals(verdict):
    """What is chosen is one of the options, however it is written."""
    got = verdict(" The  SAME", "the same", options=("larger", "the same"))
    assert (True, "It holds: there are as many as that.") == (got.right, *got.notes)
    assert verdict("larger", "the same", options=("larger", "the same")).notes[0].startswith("It turns out otherwise")


def test_a_card_may_leave_it_to_the_experiment(verdict):
    """Where the outcome tells nothing, the guess is noted, and the card says neither what is true nor whether it holds."""
    got = verdict(3, None, between=(0, 9))
    assert (True, True, ("Your guess is noted. The experiment below shows how it turns out.",)) == (
        got.right,
        got.noted,
        got.notes,
    )


@pytest.mark.parametrize(
    ("guess", "keys", "sign"),
    [
        (None, {"between": (0, 9)}, "missing"),
        ("8", {"between": (0, 9)}, "no-number"),
        (True, {"between": (0, 9)}, "no-number"),
        (10, {"between": (0, 9)}, "out-of-range"),
        (float("nan"), {"between": (0, 9)}, "out-of-range"),
        (8.5, {"between": (0, 9), "whole": True}, "not-whole"),
        (None, {"options": ("up", "down")}, "missing"),
        ("sideways", {"options": ("up", "down")}, "no-option"),
    ],
)
def test_what_is_no_commitment_is_sent_back(verdict, guess, keys, sign):
    """None, another kind of value, or one that is not among those that can be."""
    got = verdict(guess, **keys)
    assert (False, sign) == (got.right, got.finding.sign)


def test_the_docstring_is_the_claim(verdict):
    """As with any other check; and it runs once, for a guess lives on no device."""
    assert "`guess` is a number: how many there are." == verdict(8, between=(0, 9)).claim
