"""Is it said where the value of a missing key is, and which item is missing?"""

import pytest
import torch

from autograder.checking import keys
from autograder.checking.compare import first_difference
from autograder.checking.expect import expect
from autograder.checking.keys import missing, signs
from autograder.checking.spec import Wrong

A, B, C = (torch.arange(3.0) + i for i in range(3))
WANT = {"weight_ih": A, "weight_hh": B, "bias": C}


@pytest.mark.parametrize(
    ("got", "says"),
    [
        ({"weight_ih": A, "weight_hh": B, "b": C}, "'b' holds what is asked for under 'bias'."),
        ({"dweight_ih": A, "dweight_hh": B, "dbias": C}, "'dweight_ih' stands where 'weight_ih' is asked for, and so do the others."),
        ({"weight_ih_l0": A, "weight_hh_l0": B, "bias_l0": C}, "'weight_ih_l0' stands where"),
        ({"weight_ih": A, "weight_hh": B, "d_bias": 2 * C}, "'d_bias' stands where 'bias' is asked for. Which"),
        ({"weight_ih": A, "weigth_hh": 2 * B, "bias": C}, "There is 'weigth_hh'. Is that 'weight_hh' under another name?"),
        ({"weight_ih": A, "weight_hh": B, 7: 2 * C}, "In its place there is 7. What belongs to the name 'bias'?"),
    ],
)  # fmt: skip
def test_what_stands_in_the_place_of_a_key_is_said(got, says):
    """A value under another name, a name with something in front or behind, the nearest name: in this order."""
    (clue,) = signs(first_difference(got, WANT))
    assert ("keys", True) == (clue.sign, says in clue.says), clue.says


@pytest.mark.parametrize(
    ("got", "says"),
    [
        ({"weight_ih": A, "weight_hh": B}, "Only 'bias' is missing; the other keys are there."),
        ({"bias": A}, "'weight_ih' and 'weight_hh' are missing; the other keys are there."),
        ({}, "There are no keys at all."),
    ],
)
def test_a_key_that_nothing_stands_for_is_missing(got, says):
    """Nothing is offered where there is nothing."""
    difference = first_difference(got, WANT)
    assert [] == signs(difference)
    assert says in missing(difference)[0].says


@pytest.mark.parametrize(
    ("got", "want", "says"),
    [
        ([B, C], [A, B, C], "What belongs at states[0] is missing; all else is right."),
        ([A, B], [A, B, C], "What belongs at states[2] is missing"),
        ([A, B, C], [A, C], "What stands at states[1] is too much; all else is right."),
        ((A, B, C), (A, {"b": B, "c": C}), "grouped differently"),
        ([A, 2 * B], [A, B, C], ""),
        ([], [A, B, C], ""),
        ((A, B, 2 * C), (A, {"b": B, "c": C}), ""),
    ],
)
def test_an_item_that_is_missing_or_too_many_is_named(got, want, says):
    """Only where all the others are right and in their order; values in another structure are recognised too."""
    found = missing(first_difference(got, want, "states"))
    assert says in found[0].says if says else [] == found


def test_what_the_check_says_itself_comes_first():
    """A check's own clue stands before what is found out about the place, and alone where nothing stands there."""
    with pytest.raises(Wrong) as caught:
        expect({"weight_ih": A, "weight_hh": B, "b": C}, WANT, clue="Which gradients are asked for?")
    first, second = caught.value.finding.clues
    assert ("Which gradients are asked for?", True) == (first, second.startswith("'b' holds"))
    with pytest.raises(Wrong) as caught:
        expect({"weight_ih": A, "weight_hh": B}, WANT, clue="Which gradients are asked for?")
    assert ("Which gradients are asked for?",) == caught.value.finding.clues


@pytest.mark.parametrize(
    ("got", "want"),
    [
        ({f"k{i}": A for i in range(5000)}, WANT),
        ([[A]] * 5000, [B] * 5000 + [C]),
    ],
)
def test_thousands_of_keys_or_items_are_not_compared_with_one_another(monkeypatch, got, want):
    """What an answer may make the judge compare does not grow with its square; the twin: what is there once is compared."""
    asked = []
    monkeypatch.setattr(keys, "first_difference", lambda *two: asked.append(two) or first_difference(*two))
    found = first_difference(got, want)
    assert signs(found) + missing(found) is not None
    assert 0 < len(asked) <= 5001
