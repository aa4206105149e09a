"""Lesson 02: no mistake hides on any draw, no two look the same, and what is not on the list still gets a clue."""

import itertools
from collections import Counter
from pathlib import Path

import pytest
import torch

from autograder.checks import shared_gradients as checks
from autograder.compare import first_difference
from autograder.draw import Draw
from autograder.mistakes import shared_gradients as mistakes
from autograder.spec import Wrong
from autograder.verify import samples

HERE = Path(__file__).parent


def cases(seed: int):
    """(reference, inputs, right value) for each hand-written gradient, with the sizes of its first case."""
    draw = Draw(seed)
    params = draw.params(2, 4)
    x, h0, dh_T = draw.normal(3, 5, 2), draw.normal(3, 4, scale=0.5), draw.normal(3, 4)
    yield mistakes.untied_gradients, (x, h0, params, dh_T), checks.untied_by_autograd(x, h0, params, dh_T)
    yield mistakes.bptt_last, (x, h0, params, dh_T), checks.last_by_autograd(x, h0, params, dh_T)
    one = checks._step_inputs(draw, 3, 2, 4, params)
    yield mistakes.rnn_step_backward, (*one, params), checks.step_by_autograd(*one, params)
    yield mistakes.total_jacobian, (x[0], h0[0], params), checks.total_by_func(x[0], h0[0], params)
    h_t, h_prev = draw.uniform(4, low=-0.9, high=0.9), draw.uniform(4, low=-0.9, high=0.9)
    right = checks.immediate_by_func(h_t, h_prev, draw.normal(4, 4))
    yield mistakes.immediate_jacobian, (h_t, h_prev), right
    params, targets = draw.params(2, 4, 7), draw.integers(0, 7, 3, 5)
    right = checks.every_by_autograd(x, h0, params, targets)
    yield mistakes.bptt_every_step, (x, h0, params, targets), right


@pytest.mark.parametrize("seed", range(3))
def test_no_named_mistake_hides(seed):
    """On every draw each named mistake changes the result, and no two of them give the same one."""
    for reference, inputs, right in cases(seed):
        assert first_difference(reference(*inputs), right) is None, reference.name
        values = {id: reference(*inputs, slips=(id,)) for id in reference.slips}
        hidden = [id for id, value in values.items() if first_difference(value, right) is None]
        assert hidden == [], reference.name
        same = [(a, b) for a, b in itertools.combinations(values, 2) if first_difference(values[a], values[b]) is None]
        assert same == [], reference.name


def test_every_named_mistake_has_words_of_its_own():
    """No two mistakes of one exercise are described in the same words."""
    for reference, _, _ in cases(0):
        said = Counter(slip.says for slip in reference.slips.values())
        assert [words for words, times in said.items() if times > 1] == []


def test_there_are_wrong_answers_enough():
    """At least 25 mistakes of bptt_every_step are tried, and at least 10 of each other hand-written gradient."""
    tried = Counter(
        of for of, _ in {(s.of, s.label) for s in samples(HERE / "mistakes" / "shared_gradients.py", "gets")}
    )
    assert tried["shared-gradients-bptt"] >= 25
    least = min(
        tried[f"shared-gradients-{name}"] for name in ("untied", "step-backward", "bptt-last", "immediate", "total")
    )
    assert least >= 10
    assert tried["shared-gradients-finite-difference"] >= 6


def found(spoil) -> Wrong:
    """What the check of bptt_every_step says of right gradients that `spoil(grads)` has changed."""
    draw = Draw(1)
    params, targets = draw.params(2, 4, 7), draw.integers(0, 7, 3, 5)
    x, h0 = draw.normal(3, 5, 2), draw.normal(3, 4)
    loss, grads = checks.every_by_autograd(x, h0, params, targets)
    spoil(grads)
    with pytest.raises(Wrong) as caught:
        checks._expect_every((loss, grads), x, h0, params, targets)
    return caught.value.finding


def test_an_unknown_mistake_is_narrowed_down_to_the_tensors_that_are_wrong():
    """Where no mistake is recognised, the card says which gradients are right and which are wrong."""
    finding = found(lambda grads: grads.update(weight_hh=torch.sin(grads["weight_hh"])))
    assert "All other parts are right; only grads['weight_hh'] is wrong." in finding.clues


def test_an_unknown_mistake_in_the_sweep_is_placed_in_time():
    """Where the gradient of x shows from which step on it is wrong, the card says so."""

    def spoil(grads):
        grads["x"][:, :3] *= 1.7
        grads["weight_hh"] = torch.sin(grads["weight_hh"])

    assert any("t = 3" in clue for clue in found(spoil).clues)


def test_a_wrong_factor_is_named():
    """A gradient that is off by a factor of its own is called right in direction."""
    finding = found(lambda grads: grads.update(weight_ih=grads["weight_ih"] * 2))
    assert finding.sign == "factor" and "same factor, 2" in finding.clues[0]
