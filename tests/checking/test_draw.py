"""Are draws the same everywhere, and hidden ones out of reach?"""

import torch

from autograder.checking.draw import Draw, derived_seed, open_seed


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


def test_hidden_seed_depends_on_key_learner_and_check():
    """Another key, learner or check gives another hidden draw; the same three give the same one."""
    seeds = [
        derived_seed(*one) for one in ((b"k", "ada", "c"), (b"l", "ada", "c"), (b"k", "bob", "c"), (b"k", "ada", "d"))
    ]
    assert len(set(seeds)) == 4
    assert derived_seed(b"k", "ada", "c") == seeds[0]
    assert open_seed("c") not in seeds


def test_a_draw_in_another_dtype_goes_on_with_the_stream():
    """`draw.to(dtype)` takes the next numbers, not the same again."""
    draw = Draw(1)
    first, second = draw.normal(4), draw.to(torch.float32).normal(4)
    assert second.dtype == torch.float32
    assert not torch.equal(first.float(), second)
