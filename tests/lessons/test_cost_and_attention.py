"""Does what lesson 08 says in words hold in the runs that are stored for it, and can its mistakes be told apart?"""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from autograder.checking.compare import first_difference
from autograder.checking.draw import Draw
from autograder.lessons.cost_and_attention import oracles
from autograder.lessons.cost_and_attention.mistakes import attention, costs, recurrence
from bptt.meters import bytes_held
from tests.claims import runs_of

runs = runs_of("cost_and_attention")


def test_the_tiny_examples_are_right(lesson):
    """The numbers that the prose works out by hand come out of the solution."""
    assert (12, 120) == (lesson.rnn_flops(1, 1, 1, 2), lesson.bptt_bytes(2, 3, 5, torch.float32))
    zeros, values = torch.zeros(1, 3, 1), torch.tensor([[[2.0], [4.0], [9.0]]])
    assert [2, 3, 5] == lesson.causal_attention(zeros, zeros, values).flatten().tolist()
    cache = lesson.KVCache()
    for value in values.split(1, 1):
        cache.append(zeros[:, :1], value)
    assert 5 == cache.attend(zeros[:, :1]).item()
    a, b = torch.tensor([[[2.0], [0.0], [3.0]]]), torch.ones(1, 3, 1)
    for states in (lesson.linear_recurrence, lesson.linear_recurrence_scan):
        assert [11, 1, 4] == states(a, b, torch.tensor([[5.0]])).flatten().tolist()


def qkv(draw, B, T, E):
    return [draw.normal(B, T, E, scale=1.5) for _ in range(3)]


def told_apart(reference, *args):
    """The pairs of slips of a reference that give the same answer, or the right one."""
    values = {"right": reference(*args)}
    for id in reference.slips:
        try:
            values[id] = reference(*args, slips=(id,))
        except (RuntimeError, ValueError):
            continue
    return [
        pair for pair in itertools.combinations(values, 2) if first_difference(*(values[id] for id in pair)) is None
    ]


def test_no_two_mistakes_give_the_same_answer():
    """On the first case of each check every named mistake gives an answer of its own."""
    draw = Draw(7)
    assert [] == told_apart(costs.rnn_flops, 3, 13, 5, 11)
    assert [("right", "always-8")] == told_apart(costs.bptt_bytes, 3, 13, 5, torch.float64)
    assert [("always-4", "doubled")] == told_apart(
        costs.bptt_bytes, 7, 17, 23, torch.bfloat16
    )  # the first is caught before
    assert [] == told_apart(attention.causal_attention, *qkv(draw, 3, 5, 7))
    a, b, h0 = draw.uniform(2, 5, 3, low=-1, high=1), draw.normal(2, 5, 3), draw.normal(2, 3)
    a[:, 2, 0] = 0
    assert [] == told_apart(recurrence.linear_recurrence, a, b, h0)
    alike = told_apart(recurrence.linear_recurrence_scan, a, b, h0)
    assert [("level-missing", "rounded-down")] == alike
    a, b, h0 = draw.uniform(1, 16, 2, low=-1, high=1), draw.normal(1, 16, 2), draw.normal(1, 2)
    assert alike[0] not in told_apart(recurrence.linear_recurrence_scan, a, b, h0)  # a case of the check, too


def test_mistakes_that_coincide_would_be_found():
    """The twin: with sizes that are alike, two counts are the same."""
    assert ("one-each", "hidden-once") in told_apart(costs.rnn_flops, 3, 13, 5, 7)


@pytest.mark.parametrize("T", [1, 2, 13])
def test_the_oracle_of_a_recurrence_is_the_loop(lesson, T):
    """A bidiagonal system has the states for its solution."""
    draw = Draw(3)
    given = draw.normal(2, T, 3), draw.normal(2, T, 3), draw.normal(2, 3)
    torch.testing.assert_close(lesson.linear_recurrence(*given), oracles.recurrence(*given))


def test_what_an_object_holds_is_weighed_once():
    """Storages count once, wherever they are; a view holds what it is a view of."""

    class Holder:
        def __init__(self):
            one = torch.zeros(10)
            self.parts = [one, one[:2], {"more": (torch.zeros(3, dtype=torch.float64),)}]
            self.me = self

    assert 40 + 24 == bytes_held(Holder())
    assert 0 == bytes_held(["nothing", 1, None])


def test_bytes_grow_with_the_exponents_that_the_text_says(lesson):
    """Bytes by 1 in H, and nearly 1 in T; times grow, in every stored run, in proportion to T and faster with H."""
    for run in runs("growth"):
        assert run["T"]["bytes"][0] == pytest.approx(1, abs=0.005) and run["H"]["bytes"][0] == pytest.approx(1)
        assert 0.8 < run["T"]["time"][0] < 1.2 and 1.2 < run["H"]["time"][0] < 2.6


def test_the_gradient_fades_through_states_and_not_through_attention():
    """At lag 50 less than 1e-12 against about a quarter, of which the same is left at lag 1."""
    for run in runs("gradient"):
        assert run["recurrence"][50] < 1e-12
        assert 0.15 < run["attention"][50] < 0.35 and run["attention"][1] == pytest.approx(
            run["attention"][50], rel=0.3
        )


def test_attention_is_quicker_for_short_sequences_only(lesson):
    """In every stored run, and at T = 64 more than twice as quick; it does more operations throughout, and pays for T² in memory."""
    for run in runs("training"):
        ratios = dict(zip(lesson.LENGTHS, map(lambda a, b: a / b, *(run[kind]["seconds"] for kind in ("recurrence", "attention"))), strict=True))  # fmt: skip
        assert min(ratios[T] for T in (16, 32, 64, 128)) > 1 and ratios[64] > 2
        assert 256 < lesson.first_slower(run) <= 1024 and ratios[2048] < 0.5
        more = [run["attention"]["bytes"][i] / run["recurrence"]["bytes"][i] for i in (0, -1)]
        assert more[1] > 8 * more[0]


def test_the_slider_counts_the_bytes_that_were_measured(lesson):
    """States, inputs and h_0; inputs, queries, keys, values, weights and a mask: what autograd kept in each stored run, to the byte."""
    B, H = 4, 64
    for run in runs("training"):
        for i, T in enumerate(lesson.LENGTHS):
            states = lesson.bptt_bytes(B, T, H, torch.float32)
            assert states + 4 * B * (T * H + H) == run["recurrence"]["bytes"][i]
            assert 4 * B * (T * H + 3 * T * H + T**2) + T**2 == run["attention"]["bytes"][i]


def test_a_cache_grows_and_a_state_does_not():
    """256 bytes throughout against 512 a token; without a cache the last token takes at least ten times as long as with one.

    Of what a cache of lists takes for it, attention itself is less than half.
    """
    for run in runs("streaming"):
        assert {256} == set(run["recurrence"]["bytes"])
        assert [512 * n for n in (1, 4, 16, 64, 256, 1024)] == run["with a cache"]["bytes"]
        assert run["without a cache"]["seconds"][-1] > 10 * run["with a cache"]["seconds"][-1]
        assert run["attention alone"]["seconds"][-1] < 0.5 * run["with a cache"]["seconds"][-1]


def test_chains_grow_as_the_text_says(lesson):
    """With T for both loops, with log T for the scan, not at all for attention."""
    found = lesson.chains()
    for name in ("tanh recurrence", "linear, loop"):
        assert found[name][-1] > 1.8 * found[name][-2]
    rounds = [late - early for early, late in itertools.pairwise(found["linear, scan"])]
    assert len(set(rounds)) == 1 and len(set(found["attention"])) == 1


def test_all_four_symptoms_show_in_the_recurrence_and_none_with_attention():
    """In every stored run; the spike comes first, and nan last."""
    for run in runs("symptoms"):
        first = run["recurrence"]["first"]
        assert (
            None not in first.values() and first["spike"] == min(first.values()) and first["nan"] == max(first.values())
        )
        assert {None} == set(run["attention"]["first"].values())


def test_the_bug_shows_in_the_stream_alone():
    """Read at once the model is right; streamed as found it is below 0.45, fixed it is right again."""
    for run in runs("bug"):
        assert run["as_found"]["at_once"] > 0.99 and 0.2 < run["as_found"]["streamed"] < 0.45
        assert run["fixed"]["streamed"] == run["fixed"]["at_once"]


def test_the_device_of_the_written_question_is_full_when_the_model_answer_says(lesson):
    """64 kB hold 128 frames of a key and a value of 64 numbers; the state has 256 bytes."""
    cache = lesson.KVCache()
    for _ in range(128):
        cache.append(torch.zeros(1, 1, 64), torch.zeros(1, 1, 64))
    assert (64 * 1024, 256) == (bytes_held(cache), bytes_held(nn.RNNCell(64, 64)(torch.zeros(1, 64)).detach()))
