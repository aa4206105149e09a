"""Are general signs read from the numbers alone?"""

import pytest
import torch

from autograder.checking.compare import first_difference
from autograder.checking.diagnose import signs
from autograder.checking.draw import Draw

B, T, H = 2, 5, 3
WANT = Draw(3).normal(B, T, H)
SQUARE = Draw(4).normal(4, 4)


def shifted(by):
    return torch.roll(WANT, by, dims=1)


def with_step(t, value):
    got = WANT.clone()
    got[:, t] = value
    return got


@pytest.mark.parametrize(
    ("got", "sign"),
    [
        ((WANT,), "trailing-comma"),
        (list(WANT.unbind(1)), "not-stacked"),
        (WANT.transpose(0, 1), "swapped-axes"),
        (WANT.reshape(T, B, H), "swapped-axes"),
        (WANT[:, -1], "missing-axis"),
        (WANT[:, :-1], "one-too-few"),
        (WANT[None], "extra-axis"),
        (WANT.float(), "dtype"),
        (WANT * float("inf"), "nonfinite"),
        (WANT * 0, "zero"),
        (torch.cat([WANT[:, :2] * 0, WANT[:, 2:].flip(2)], 1), "empty-steps"),
        (-WANT, "sign"),
        (WANT * B, "factor"),
        (WANT + 0.25, "offset"),
        (shifted(1), "shifted-late"),
        (shifted(-1), "shifted-early"),
        (WANT.flip(1), "reversed-time"),
        (with_step(2, 0.0), "one-step"),
        (torch.cat([WANT[:, :3] * 2, WANT[:, 3:]], 1), "worse-going-back"),
        (torch.cat([WANT[:, :3], WANT[:, 3:] * 2], 1), "worse-going-on"),
        (WANT[:1].expand(B, T, H).clone(), "first-row-only"),
        (WANT.flip(0), "rows-mixed"),
    ],
)
def test_signs_of_a_sequence(got, sign):
    """Each way of being wrong over a batch of sequences is told by its own sign."""
    difference = first_difference(got, WANT, axes="B T H")
    assert [clue.sign for clue in signs(difference, "B T H")][:1] == [sign]


def test_one_step_for_all_of_them_asks_for_the_return():
    """(B, H) where (B, T, H) was asked looks like a `return` in the loop."""
    (clue,) = signs(first_difference(WANT[:, -1], WANT, axes="B T H"), "B T H")
    assert "`return` inside the loop" in clue.says


def test_a_batch_that_was_not_summed_is_seen():
    """One axis too many in front looks like the batch."""
    (clue,) = signs(first_difference(SQUARE[:3], SQUARE[0]))
    assert (clue.sign, "the batch" in clue.says) == ("extra-axis", True)


@pytest.mark.parametrize(
    ("got", "sign"),
    [(SQUARE.mT, "transposed"), (SQUARE.flatten().roll(1).reshape(4, 4), "rearranged")],
)
def test_signs_of_a_matrix(got, sign):
    """A transpose and a reshape are told apart."""
    difference = first_difference(got, SQUARE)
    assert [clue.sign for clue in signs(difference)][:1] == [sign]


@pytest.mark.parametrize(("factor", "name"), [(3.0, "B = 3"), (0.2, "1/T"), (15.0, "B·T"), (2.0, "2"), (0.7, "0.7")])
def test_a_constant_factor_is_named(factor, name):
    """The factor is given in terms of the sizes if it is one of them."""
    difference = first_difference(SQUARE * factor, SQUARE)
    (clue,) = signs(difference, factors={"B": 3, "T": 5})
    assert name in clue.says


def test_what_looks_like_nothing_gets_no_guess():
    """Numbers that fit no sign get none."""
    assert signs(first_difference(Draw(9).normal(B, T, H), WANT, axes="B T H"), "B T H") == []
