"""Does what lesson 04 says in words hold in the runs that are stored for it, and in its own solution?"""

from __future__ import annotations

import math

import pytest
import torch

from autograder.house import ROOT
from tests.claims import runs_of

SOURCE = ROOT / "solutions" / "04_sequence_loss.py"


runs = runs_of("sequence_loss")


def test_the_tiny_examples_are_right(lesson):
    """The numbers that the prose works out by hand come out of the solution."""
    logits, targets = torch.tensor([[[0, 0], [math.log(3), 0]]]), torch.tensor([[0, 0]])
    assert lesson.sequence_loss(logits, targets, "sum").item() == pytest.approx(0.9808, abs=5e-5)
    assert lesson.sequence_loss(logits, targets, "mean").item() == pytest.approx(0.4904, abs=5e-5)
    assert sum(p.numel() for p in lesson.SequenceModel(18, 16, 32).parameters()) == 2482


def test_the_simple_labeller_loses_what_the_text_says(lesson):
    """By the formula in section 2, and on many readings."""
    readings, states = lesson.task.sample(2000, 20, seed=0)
    chances = lesson.task.from_the_reading(readings)
    assert -chances.gather(2, states.unsqueeze(2)).log().mean().item() == pytest.approx(0.819, abs=0.01)
    assert -0.7 * math.log(0.7) - 0.3 * math.log(0.15) == pytest.approx(0.819, abs=5e-4)


def test_the_floors_are_those_of_the_formulas(lesson):
    """k modifiers a sentence, k + 2 tokens; the verb costs ln 8 more where the noun is forgotten."""
    k, d = 0.7 / 0.3, -0.7 * math.log(0.7) - 0.3 * math.log(0.3)
    floor = (math.log(8) + (k + 1) * d + k * math.log(2)) / (k + 2)
    assert lesson.language.entropy_rate == pytest.approx(floor)
    assert lesson.language.bigram_floor == pytest.approx(floor + 0.7 * math.log(8) / (k + 2))


def test_only_with_memory_does_a_model_pass_the_bigram_floor(lesson):
    """Within a hundred steps, in every seed; at the end within a hundredth of a nat of the best predictor."""
    best = lesson.language.surprise(lesson.held_out).mean().item()
    bigram = lesson.language.bigram_surprise(lesson.held_out).mean().item()
    for run in runs("language"):
        assert min(run["without"]) > bigram
        assert run["with"][4] < bigram and best < run["with"][-1] < best + 0.01


def test_the_bug_reports_a_loss_far_below_the_floor_and_never_names_one_condition(lesson):
    """As found worse than an untrained model on new sequences; once fixed, it comes down to the floor; in every seed."""
    for run in runs("labelling"):
        found, mended = run["as_found"], run["mended"]
        assert found["reported"][-1] < 0.7 * lesson.known["the past"]
        assert found["right_by_state"][0] == 0 and found["loss"] > math.log(3)
        assert abs(mended["reported"][-1] - lesson.known["the past"]) < 0.05
        assert max(mended["right_by_state"]) - min(mended["right_by_state"]) < 0.1


def test_the_reader_is_not_told_the_bug_before_looking_for_it(prose):
    """Between the program as found and the words behind its figure, nothing says which steps the loss does not see."""
    search = prose.partition("## 6. Find the bug")[2].partition("**What to see.**")[0]
    before_hints, _, behind = search.partition("<details>")
    figure = behind.rpartition("</details>")[2]
    for text in (before_hints, figure):
        assert "never named" not in text and "left out" not in text


def test_from_its_own_end_a_row_knows_its_noun():
    """Behind the padding it mostly does not, in every seed."""
    for run in runs("padded_state"):
        assert run["right"] > 0.95 and run["moved"] < 0.5


def test_greedy_text_hardly_ever_ends_a_sentence():
    """Sampled from the same model, nearly all verbs agree."""
    for run in runs("speech"):
        assert run["greedy_verbs"] <= 2 and run["agreement"] > 0.95


def test_bytes_are_as_the_text_counts_them(lesson, prose):
    """Equal in all seeds; linear in T; and so many gigabytes for a million steps as the text says."""
    kept = runs("memory")[0]
    assert all(run == kept for run in runs("memory"))
    gigabytes = {}
    for name, values in kept.items():
        slopes = {
            (b - a) / (t - s) for a, b, s, t in zip(values, values[1:], lesson.STEPS, lesson.STEPS[1:], strict=False)
        }
        assert len(slopes) == 1
        gigabytes[name] = slopes.pop() / 16 * 1e6 / 1e9
    said = [f"{gigabytes[name]:.2g} GB" for name in ("recurrence", "V = 18", "V = 1000")]
    assert said == ["0.16 GB", "0.38 GB", "4.3 GB"] and all(one in prose for one in said)
    assert f"sixteen such rows would keep {16 * gigabytes['V = 1000']:.0f} GB" in prose
