"""Does one statement make a prediction: any commitment right, and nothing told?"""

import ast

import pytest
import torch

from autograder import house
from autograder.authoring import source
from autograder.authoring.contract import Cell
from autograder.beside.beside import Beside
from autograder.checking import run
from autograder.checking.draw import Draw
from autograder.checking.predictions import prediction
from autograder.checking.spec import CHECKS


@pytest.fixture
def verdict(monkeypatch):
    """The verdict on a guess, for a prediction of these keys."""
    monkeypatch.setattr("autograder.checking.spec.CHECKS", dict(CHECKS))

    def judged(guess, **keys):
        def claim():
            """`guess` is a number: how many there are."""

        claim.__module__ = "autograder.lessons.counting.checks"
        check = prediction("counting-predict", "guess", **keys)(claim)
        return run.run_check(check, Beside({"guess": guess}, run.lend), Draw(1))

    return judged


@pytest.mark.parametrize(
    ("guess", "keys"),
    [
        (8, {"between": (0, 100)}),
        (0.5, {"between": (0, 100)}),
        (torch.tensor(8), {"between": (0, 100), "whole": True}),
        ("the same", {"options": ("larger", "the same")}),
        (" The  SAME", {"options": ("larger", "the same")}),
    ],
)
def test_any_commitment_is_noted_and_the_card_does_not_tell(verdict, guess, keys):
    """Any number in the range and any option is right, and it is left to the experiment to say what is true."""
    got = verdict(guess, **keys)
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


def left_alone(cells):
    """The guesses of a lesson's predictions to which no experiment behind them replies."""
    guesses = set()
    for cell in cells:
        if cell.role == "answer" and "-predict-" in cell.id:
            guesses |= {node.targets[0].id for node in ast.parse(cell.source).body if isinstance(node, ast.Assign)}
        elif cell.role == "experiment":
            calls = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Call)]
            guesses -= {ast.unparse(call.args[0]) for call in calls if ast.unparse(call.func) == "reply"}
    return guesses


@pytest.mark.parametrize("path", house.lessons(house.SOLUTIONS), ids=lambda path: path.stem)
def test_an_experiment_replies_to_each_guess(path):
    """In every lesson, behind the prediction: the card promises it."""
    assert not left_alone(source.read(path).cells)


def test_a_guess_that_gets_no_reply_is_found():
    """The twin: a prediction behind its experiment, or one whose experiment replies to another."""
    guess = Cell("code", "guess = 8", 1, 1, "answer", "counting-predict-all")
    experiment = Cell("code", "with needs('f'):\n    reply(guess, 8, {})", 2, 2, "experiment", "count")
    other = Cell("code", "reply(guess_other, 8, {})", 2, 2, "experiment", "count")
    assert not left_alone([guess, experiment])
    assert {"guess"} == left_alone([experiment, guess]) == left_alone([guess, other])
