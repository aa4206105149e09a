"""Does a comparison report the first thing that is wrong, and nothing that is right?"""

import pytest
import torch

from autograder.checking.compare import first_difference

WANT = torch.arange(6, dtype=torch.float64).reshape(2, 3)


@pytest.mark.parametrize(
    ("got", "sign"),
    [
        (None, "none"),
        (WANT.tolist(), "type"),
        (WANT.T, "shape"),
        (WANT[0], "shape"),
        (WANT.float(), "dtype"),
        (WANT + torch.tensor([0, 0, float("nan")]), "nonfinite"),
        (WANT + 0.001, "value"),
    ],
)
def test_the_first_thing_wrong_comes_first(got, sign):
    """None, type, shape, dtype, nan and values are told apart, in this order."""
    assert first_difference(got, WANT).sign == sign


def test_nothing_is_broadcast():
    """A row that would broadcast to the right values is still a wrong shape."""
    want = torch.ones(2, 3, dtype=torch.float64)
    assert first_difference(want[:1], want).sign == "shape"


@pytest.mark.parametrize("got", [WANT, WANT.T.contiguous().T, WANT + 1e-9, WANT.float().double()])
def test_layout_and_rounding_do_not_count(got):
    """Another memory layout, rounding, or float32 inside does not make an answer wrong."""
    assert first_difference(got, WANT) is None


def test_a_single_wrong_entry_is_found_and_placed():
    """The message names the entry, and the time step counted from 1."""
    got = WANT.clone()
    got[1, 2] = 9.0
    found = first_difference(got, WANT, "states", axes="B T")
    assert found.summary == "states[1, 2] is 9; expected 5 (1 of 6 entries differ)"
    assert found.where == "row 1 of the batch, time step t = 3"


def test_structures_are_compared_part_by_part():
    """In a dict or tuple the wrong part is named; extra keys do no harm, missing ones do."""
    want = {"x": WANT, "h0": WANT + 1}
    assert first_difference({**want, "extra": 1}, want, "grads") is None
    assert first_difference({"x": WANT}, want, "grads").sign == "keys"
    assert first_difference({"x": WANT, "h0": WANT}, want, "grads").name == "grads['h0']"
    assert first_difference([WANT, None], (WANT, WANT), ("dx", "dh")).name == "dh"
    assert first_difference((WANT,), (WANT, WANT)).sign == "length"


@pytest.mark.parametrize(
    ("got", "right"), [(6, True), (6.0, True), (torch.tensor(6), True), (7, False), (True, False), ("6", False)]
)
def test_counts_may_come_as_any_number(got, right):
    """A count may be an int, a whole float or a 0-d tensor, and nothing else."""
    assert (first_difference(got, 6) is None) == right


def test_sets_name_what_is_missing_or_too_much():
    """A list of edges is compared as a set; the first missing or extra one is named."""
    want = {("a", "b"), ("b", "c")}
    assert first_difference([("b", "c"), ("a", "b")], want) is None
    assert "('b', 'c')" in first_difference([("a", "b")], want).summary
    assert first_difference([*want, ("x", "y")], want).sign == "extra-item"
    assert first_difference([["a", "b"]], want).sign == "type"
