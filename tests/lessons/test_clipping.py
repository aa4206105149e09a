"""Are mistakes of lesson 06 told apart, is nobody judged twice for one, and do its claims hold in what is stored?"""

import itertools
import json
import math

import pytest
import torch

from autograder.authoring.verify import in_notebook
from autograder.checking.compare import first_difference
from autograder.checking.draw import Draw
from autograder.house import RESULTS
from autograder.lessons import load
from autograder.lessons.clipping.logs import drawn_logs
from autograder.lessons.clipping.mistakes import clips, logs, training
from tests.submissions import material_of


def stored(run):
    runs = json.loads((RESULTS / "clipping.json").read_text(encoding="utf-8"))["runs"]
    return [entry["measured"] for entry in runs[run]]


def judged(name, **answers):
    """The verdict on the solution with some of its answers replaced: name of the answer -> source."""
    replaced = {f"clipping-{one.replace('_', '-')}": source for one, source in answers.items()}
    cells = material_of("clipping").solution.cells
    return in_notebook(load(f"clipping-{name}"), [replaced.get(id, source) if role == "answer" else source for role, id, source in cells])  # fmt: skip


def right(name, variant):
    return next(one.source for one in material_of("clipping").right if (one.of, one.label) == (f"clipping-{name}", variant))  # fmt: skip


def alike(reference, *args):
    """Pairs of mistakes, and single ones ("right"), that give the same on these inputs."""
    values = {"right": reference(*args)} | {id: reference(*args, slips=(id,)) for id in reference.slips}
    return {pair for pair in itertools.combinations(values, 2) if first_difference(values[pair[0]], values[pair[1]]) is None}  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_any_two_mistakes_in_clipping_differ_on_a_long_and_a_short_gradient(seed):
    """No message names a mistake that was not made."""
    draw = Draw(seed)
    long = [draw.normal(5), draw.normal(3, 4, scale=4), draw.normal(2, 1, 7)]
    short = [0.2 * draw.normal(4, 2), 0.2 * draw.normal(3)]
    values = [draw.normal(*grad.shape) for grad in (*long, *short)]
    assert set() == alike(clips.clip_grad_norm, (long, 0.6, values[:3], values), (short, 7.5, values[3:], values))
    assert set() == alike(clips.global_norm, long)


@pytest.mark.parametrize("seed", range(5))
def test_any_two_ways_to_misread_a_log_differ_on_one_of_the_logs(seed):
    """So a mistake is named only where it explains all answers."""
    assert set() == alike(logs.symptoms, [log for _, log in drawn_logs(Draw(seed))])


def test_the_logs_show_what_they_are_said_to_show():
    """One symptom, several, none; and the wild first steps of a run count for nothing."""
    shown = {says: {name for name, seen in logs.symptoms([log])[0].items() if seen} for says, log in drawn_logs(Draw(1))}  # fmt: skip
    assert set() == shown["a quiet log"] == shown["a log that is wild in its first steps only"]
    assert {"nan loss"} == shown["a log that ends in nan"]
    assert set(logs.SYMPTOMS) == shown["a log with all four symptoms"]


EACH_ALONE = """
def clip_grad_norm(parameters, max_norm):
    for p in parameters:
        p.grad *= min(1.0, max_norm / p.grad.norm().item())
    return torch.tensor(0.0)
"""


@pytest.mark.parametrize(("name", "variant"), [("train-step", "own-clipping"), ("bug", "own-clipping")])
def test_whoever_uses_a_clip_grad_norm_of_their_own_that_is_wrong_is_judged_with_a_right_one(name, variant):
    """It costs its own points and no others."""
    answers = {name.replace("-", "_"): right(name, variant)}
    assert judged(name, **answers).right
    verdict = judged(name, norm=EACH_ALONE, **answers)
    assert verdict.right and any("correct clip_grad_norm" in note for note in verdict.notes)
    assert not judged("norm", norm=EACH_ALONE).right


EARLY = """
def clipped_train_step(model, optimizer, x, y, max_norm):
    optimizer.zero_grad(set_to_none=False)
    loss = F.cross_entropy(model(x)[0].flatten(0, 1), y.flatten())
    clip_grad_norm(model.parameters(), max_norm)
    loss.backward()
    norm = global_norm(p.grad for p in model.parameters())
    if norm.isfinite():
        optimizer.step()
    return {"loss": loss, "norm_before": norm, "norm_after": norm, "skipped": not norm.isfinite().item()}
"""


def test_a_right_clip_grad_norm_does_not_mend_a_wrong_training_step():
    """The twin: what is wrong in the step itself stays wrong, and is named."""
    assert "not-clipped" == judged("train-step", norm=EACH_ALONE, train_step=EARLY).finding.sign


def test_a_step_that_is_skipped_leaves_the_memory_of_the_optimizer_alone():
    """A zero gradient moves parameters, so it is not the same as no step."""
    draw = Draw(0)
    weights = draw.next_token("rnn", V=8, D=3, H=5)
    traps = torch.tensor([math.nan, math.inf, -math.inf], dtype=torch.float64)
    batches = [(draw.integers(0, 5, 2, 3), draw.integers(0, 8, 2, 3)) for _ in range(3)]
    batches[1][0][0, 0] = 6
    asked = (weights, {}, traps, batches, 0.2, "sgd", {"lr": 0.3, "momentum": 0.9})
    assert first_difference(training.steps(*asked), training.steps(*asked, slips=("zero-step",))) is not None


def test_training_fails_without_clipping_and_succeeds_with_it():
    """For every seed; and by norm is never behind the best limit by value."""
    for run in stored("training"):
        assert run["failed_at"] <= 10 and run["norm_excess"] < 0.05 < 0.5 < run["slow_excess"]
        assert run["norm_excess"] < run["value_excess"] and run["clipped"] < 0.25
        low, middle, best, high = run["value_by_limit"]
        assert best == run["value_excess"] < middle < min(low, high) and 0.23 < min(low, high) < max(low, high) < 0.73
    assert any(run["fails_at_0.03"] for run in stored("training"))


def test_on_the_cliff_a_threshold_of_1_brings_every_start_to_the_valley():
    """Too low is too slow, and without clipping some starts are thrown off."""
    for run in stored("cliff"):
        assert 1 == run["clipped"][2] > run["clipped"][4] > run["plain"] > 0.8 and run["clipped"][0] < 0.5


def test_clipping_by_value_turns_the_gradient_the_more_the_lower_the_limit():
    for run in stored("directions"):
        assert sorted(run["cosine"]) == run["cosine"] and run["cosine"][0] < 0.7


def test_clipping_helps_no_run_on_temporal_order_and_changes_nothing_where_the_gradient_vanishes():
    """At 60 steps the clipped run is the other one, bit for bit, and little of the gradient reaches the marks."""
    runs = stored("order")
    for run in runs:
        plain, clipped = run["not clipped, T = 20"], run["clipped to 1, T = 20"]
        assert plain["right"] == clipped["right"] == 1 and plain["longest"] > 1
        far = run["not clipped, T = 60"]
        assert far == run["clipped to 1, T = 60"] and far["longest"] < 1 and far["right"] < 0.35
        assert max(far["flow"][6:12]) < 1e-3 and max(far["flow"][30:36]) < 0.02
    later = [run["clipped to 1, T = 20"]["solved"] > run["not clipped, T = 20"]["solved"] for run in runs]
    assert (3, 5) == (sum(later), len(later))


def test_logs_show_growth_and_nan_without_clipping_and_jumps_where_it_is_too_weak():
    seen = stored("logs")
    assert all({"nan loss", "weight growth"} == set(run["not clipped, rate 0.3"]) for run in seen)
    assert all("gradient spike" in run["clipped to 3, rate 1"] for run in seen)
    assert 3 <= sum("loss jump" in run["clipped to 3, rate 1"] for run in seen)
    assert all(set(run["clipped to 1, rate 0.3"]) <= {"gradient spike"} for run in seen)
    assert all(not run["not clipped, rate 0.01"] for run in seen)


def test_as_found_a_step_follows_its_last_window_where_the_limit_acts():
    """In the first step by either limit; after 100 steps by the low one alone. The losses do not tell."""
    runs = stored("parts")
    for run in runs:
        last = {limit: [row[-1] for row in one["shares"]] for limit, one in run["as_found"].items()}
        assert min(last["0.1"]) > 0.9 and last["0.5"][0] > 0.9 and 0.25 < last["0.5"][-1] < 0.4
        fixed = [share for one in run["fixed"].values() for row in one["shares"] for share in row]
        assert all(abs(share - 0.25) < 1e-5 for share in fixed)
    for limit in ("0.5", "0.1"):
        ahead = [run["as_found"][limit]["end"] < run["fixed"][limit]["end"] for run in runs]
        assert 0 < sum(ahead) < len(ahead)
        assert all(run[name][limit]["end"] < run[name][limit]["begin"] for run in runs for name in run)


def test_no_model_goes_below_the_floor_on_average(lesson):
    """Two of 30 targets can only be guessed, the others repeat with 0.8."""
    assert abs(lesson.floor() - (2 * math.log(4) + 28 * 0.58754) / 30) < 1e-4
