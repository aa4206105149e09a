"""Is a reference computed once for the same inputs, and anew for any others?"""

from __future__ import annotations

import pytest
import torch

from autograder.checking.recall import remembered
from autograder.checking.spec import Slip, reference


@pytest.fixture
def counted():
    """A reference with the calls that it had."""
    calls = []

    @reference(Slip("twice", "it is doubled", "By what?"))
    def doubled(slips, *args):
        calls.append(args)
        return 2.0 if "twice" in slips else 1.0

    return doubled, calls


EQUAL = [
    (torch.ones(2), torch.ones(2)),
    ({"a": [1, float("nan")]}, {"a": [1, float("nan")]}),
    ((3, "x", None), (3, "x", None)),
]
DIFFERENT = [
    (torch.ones(2), torch.ones(2, dtype=torch.float64)),
    (torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)),
    (torch.ones(4), torch.ones(2, 2)),
    ([1], [1.0]),
    ([1], [True]),
    ((1, 2), [1, 2]),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    (object(), object()),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_equal_inputs_are_computed_once(counted, one, other):
    """By content: each answer that is judged draws its inputs anew. Other slips are another value."""
    doubled, calls = counted
    with remembered():
        assert (doubled.on(one).value(()), doubled.on(other).value(())) == (1.0, 1.0)
        assert len(calls) == 1
        assert doubled.on(one).value(("twice",)) == 2.0
        assert len(calls) == 2


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_other_inputs_are_computed_anew(counted, one, other):
    """Also where they only look alike, and always where their content does not tell all."""
    doubled, calls = counted
    with remembered():
        doubled.on(one).value(())
        doubled.on(other).value(())
    assert len(calls) == 2


def test_outside_nothing_is_kept(counted):
    """In a notebook, and in grading."""
    doubled, calls = counted
    for _ in range(2):
        doubled.on(1).value(())
    assert len(calls) == 2


def test_what_has_a_graph_is_not_kept():
    """A backward pass through it may have freed the graph."""

    @reference()
    def grown(slips):
        return {"loss": torch.ones(1, requires_grad=True).sum()}

    with remembered():
        for _ in range(2):
            grown()["loss"].backward()
