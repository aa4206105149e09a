"""Are draws the same everywhere, and hidden ones out of reach?"""

import pytest
import torch

from autograder.checking.draw import Draw, hidden_seed


def test_same_seed_same_numbers():
    """The same seed gives the same numbers, in float64 and in float32."""
    double, single = Draw(7).normal(3, 2), Draw(7, torch.float32).normal(3, 2)
    assert torch.equal(double.float(), single)
    assert not torch.equal(double, Draw(8).normal(3, 2))


def test_params_have_the_courses_names_and_shapes():
    """Parameters carry PyTorch's names; every size is visible in a shape."""
    shapes = {name: tuple(value.shape) for name, value in Draw(0).params(D=3, H=4, V=5).items()}
    assert shapes == {
        "weight_ih": (4, 3),
        "weight_hh": (4, 4),
        "bias": (4,),
        "weight_out": (5, 4),
        "bias_out": (5,),
    }


ASKED = {"key": b"k", "learner": "ada", "check": "c", "content": "sum", "asking": 0}


@pytest.mark.parametrize(
    "other", [{"key": b"l"}, {"learner": "bob"}, {"check": "d"}, {"content": "another"}, {"asking": 1}]
)
def test_a_hidden_seed_is_met_once(other):
    """Another key, learner, check, submission or asking gives other numbers; the same five give the same."""
    assert hidden_seed(**ASKED) == hidden_seed(**ASKED) != hidden_seed(**{**ASKED, **other})


def test_names_that_run_together_are_told_apart():
    """Learner `a` asked `bc` and learner `ab` asked `c` do not meet the same numbers."""
    assert hidden_seed(b"k", "a", "bc", "", 0) != hidden_seed(b"k", "ab", "c", "", 0)


@pytest.mark.parametrize("bit", [0, 31, 32, 63, 64, 255])
def test_every_bit_of_a_seed_counts(bit):
    """Seeds that differ in one bit give other numbers, whichever bit it is; the twin: the same seed, the same ones."""
    seed = 1 << 200
    assert torch.equal(Draw(seed).normal(9), Draw(seed).normal(9))
    assert not torch.equal(Draw(seed).normal(9), Draw(seed ^ (1 << bit)).normal(9))


def test_wide_seeds_draw_standard_normal_numbers():
    """The state that is filled from a hash gives numbers of mean 0 and deviation 1, and all of them finite."""
    numbers = Draw(1 << 200).normal(20000)
    assert abs(numbers.mean()) < 0.03 and abs(numbers.std() - 1) < 0.03


def test_a_draw_in_another_dtype_goes_on_with_the_stream():
    """`draw.to(dtype)` takes the next numbers, not the same again."""
    draw = Draw(1)
    first, second = draw.normal(4), draw.to(torch.float32).normal(4)
    assert second.dtype == torch.float32
    assert not torch.equal(first.float(), second)
