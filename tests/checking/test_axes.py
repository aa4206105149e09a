"""Is what is said of axes true, and is nothing said where nothing is known?"""

import pytest
import torch

from autograder.checking.axes import of_terms, signs
from autograder.checking.compare import first_difference
from autograder.checking.draw import Draw

B, T, V = 2, 5, 3
WANT = Draw(3).normal(B, T, V)
CUBE = Draw(4).normal(V, V, V)
WEIGHTS = Draw(5).normal(B, T, V).softmax(2)
LOGS = Draw(6).normal(B, T, V).log_softmax(2)
LOGITS = Draw(7).normal(T, T)


def told(got, want, axes="B T V"):
    """The signs, and what the first one says."""
    found = signs(first_difference(got, want, axes=axes))
    return [clue.sign for clue in found], found[0].says if found else ""


@pytest.mark.parametrize(
    ("got", "want", "sign", "says"),
    [
        (CUBE.transpose(0, 2), CUBE, "axes-moved", "axis 0 (B) and axis 2 (V) have changed places"),
        (CUBE.permute(1, 2, 0), CUBE, "axes-moved", "axes 0, 1, 2 have changed places"),
        (WEIGHTS.log().softmax(1), WEIGHTS, "softmax-axis", "add up to 1 along axis 1 (T); they should along axis 2 (V)"),
        (LOGS.log_softmax(0), LOGS, "softmax-axis", "The exponentials of your numbers add up to 1 along axis 0 (B)"),
        (LOGITS, LOGITS.softmax(1), "softmax-missing", "The softmax of your numbers"),
        (LOGITS, LOGITS.log_softmax(1), "softmax-missing", "The logarithm of the softmax of your numbers"),
        (LOGITS.softmax(0), LOGITS, "softmax-too-many", "the softmax of what is asked for"),
        (WANT.exp(), WANT, "log-missing", "the exponential of what is asked for"),
        (WEIGHTS.log(), WEIGHTS, "exp-missing", "the logarithm of what is asked for"),
        (WANT.cumsum(1), WANT, "added-up", "Along axis 1 (T) each entry is the sum of all that are asked for up to it"),
        (WANT.flip(1).cumsum(1).flip(1), WANT, "added-up", "from it on"),
        (WANT, WANT.cumsum(1), "not-added-up", "the sum of all shares up to it"),
        (WANT.mean(1, keepdim=True).expand_as(WANT), WANT, "all-alike", "axis 1 (T) all entries are the same: the mean"),
        (WANT.sum(2, keepdim=True).expand_as(WANT), WANT, "all-alike", "axis 2 (V) all entries are the same: the sum"),
        (WANT[:, :, :1].expand_as(WANT), WANT, "all-alike", "axis 2 (V) all entries are the same. What"),
        (WANT.flip(2), WANT, "reversed", "along axis 2 (V) they stand in the opposite order"),
        (WANT * torch.tensor([[[2.0]], [[3.0]]]), WANT, "factor-for-each", "Along axis 0 (B) each part is right but for a factor of its own: 2, 3."),
        (torch.tensor([[1, 4], [2, 5]]), torch.tensor([[1, 2], [4, 5]]), "axes-moved", "axis 0 (B) and axis 1 (T)"),
    ],
)  # fmt: skip
def test_a_tensor_is_told_by_making_it(got, want, sign, says):
    """Each way of being wrong along an axis has its own sign, and the axis is named."""
    assert ([sign], True) == (told(got, want)[0], says in told(got, want)[1]), told(got, want)


def test_letters_that_stand_twice_name_no_axis():
    """With (B, H, H) the number alone says which."""
    assert "axis 1 and axis 2" in told(CUBE.transpose(1, 2), CUBE, "B H H")[1]


def test_the_factor_of_a_single_number_is_not_named():
    """Any number is another one times some factor: that says nothing."""
    assert ([], "") == told(WANT[0, :, 0] * torch.arange(1.0, T + 1), WANT[0, :, 0], "T")


def test_what_is_alike_where_all_is_alike_is_not_said():
    """Entries that ought to be the same are no sign."""
    same = WANT[:, :1].expand_as(WANT)
    assert ([], "") == told(same + Draw(9).normal(1, 1, V), same)


@pytest.mark.parametrize("seed", range(40))
def test_what_looks_like_nothing_gets_no_guess(seed):
    """The twin: random numbers of random shapes and kinds are nothing, and never an error in the check."""
    draw = Draw(seed)
    shape = [draw.integer(1, 4) for _ in range(draw.integer(0, 5))]
    for make in (draw.normal, draw.to(torch.float32).normal, lambda *s: draw.integers(0, 1000, *s)):
        difference = first_difference(make(*shape), make(*shape), axes="B T H V"[: 2 * len(shape)])
        assert [] == signs(difference) and [] == of_terms(difference, (draw.normal(2, 3, *shape), "B T"))


@pytest.mark.parametrize("value", [torch.nan, torch.inf, 0.0])
@pytest.mark.parametrize("place", ["got", "want"])
def test_strange_numbers_are_no_error_of_the_check(value, place):
    """A nan, an infinity or a row of zeros is looked at like anything else."""
    got, want = Draw(1).normal(B, T, V), WANT.clone()
    (got if place == "got" else want)[0] = value
    assert isinstance(signs(first_difference(got, want, axes="B T V")), list)


LOSSES = Draw(8).normal(B, T)
GRADS = Draw(9).normal(B, T, V, V)


@pytest.mark.parametrize(
    ("got", "want", "says"),
    [
        (LOSSES.sum(), LOSSES.mean(), "summed over B and T."),
        (LOSSES.mean(), LOSSES.sum(), "averaged over B and T."),
        (LOSSES.sum(1).mean(), LOSSES.mean(), "summed over T, averaged over B."),
        (LOSSES.mean(0), LOSSES.mean(), "averaged over B, one for each entry of T."),
        (LOSSES, LOSSES.mean(), "one for each entry of B and T."),
        (LOSSES[:, -1].mean(), LOSSES.mean(), "averaged over B, of step t = 5 alone."),
        (LOSSES.sum(0)[:B], LOSSES.sum(1), ""),  # another shape than any sum
        (LOSSES.sum(0), LOSSES.sum(1), "summed over B."),
        (GRADS.sum((0, 1)), GRADS.mean((0, 1)), "summed over B and T."),
        (GRADS.sum(1)[0], GRADS.sum((0, 1)), ""),  # a single row: no sum, and no step
    ],
)
def test_a_sum_or_mean_over_other_axes_is_told(got, want, says):
    """Given the terms, whatever was made of them is named, also where the shape is another."""
    terms = (LOSSES, "B T") if got.dim() < 2 or got is LOSSES else (GRADS, "B T")
    found = of_terms(first_difference(got, want, axes=""), terms)
    assert says in found[0].says if says else [] == found


def test_a_plain_number_is_a_sum_too():
    """A loss that was taken out of its tensor is told like the tensor."""
    (clue,) = of_terms(first_difference(LOSSES.sum().item(), LOSSES.mean().item()), (LOSSES, "B T"))
    assert "summed over B and T." in clue.says


def test_one_step_of_a_sum_over_time_is_told_by_its_number():
    """The share of one step where the sum of all was asked."""
    (clue,) = of_terms(first_difference(GRADS[0, 1], GRADS[0].sum(0)), (GRADS[0], "T"))
    assert ("one-step-only", True) == (clue.sign, "step t = 2 alone" in clue.says)


def test_a_batch_of_one_is_neither_summed_nor_averaged():
    """Where an axis has one entry, its sum is its mean: nothing is said of it."""
    row = LOSSES[:1]
    (clue,) = of_terms(first_difference(row.sum(), row.mean()), (row, "B T"))
    assert "summed over T." in clue.says and "B" not in clue.says
