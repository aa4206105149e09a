"""Are the stored results what the lessons' own functions measure?"""

import json

import pytest

from autograder.authoring.contract import as_released
from autograder.house import ROOT
from experiments.__main__ import lessons, main, measure, rounded, runs
from experiments.notebook import solved

LESSONS = lessons()


def stored(lesson):
    return json.loads((ROOT / "results" / f"{lesson}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("lesson", LESSONS)
def test_results_are_stored_for_every_seed_of_every_run(lesson):
    """A new run or a new seed is measured before it is committed."""
    import importlib

    module = importlib.import_module(f"experiments.{lesson}")
    want = {name: list(module.SEEDS) for name in runs(module)}
    have = {name: [entry["seed"] for entry in entries] for name, entries in stored(lesson)["runs"].items()}
    assert want == have


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_claim_rests_on_three_seeds_at_least(lesson):
    """One seed is an anecdote."""
    assert min(len(entries) for entries in stored(lesson)["runs"].values()) >= 3


def test_measuring_again_gives_what_is_stored():
    """One cheap run, measured again: the same lengths, and rounding of the same size."""
    import experiments.unrolled_graph as module

    assert stored("unrolled_graph")["runs"]["price"][0]["measured"] == rounded(module.price(0))


def test_the_price_of_time_is_the_same_for_all_seeds():
    """Lesson 01 says that depth, bytes, paths and parameters follow from the graph, not from the numbers."""
    entries = stored("unrolled_graph")["runs"]["price"]
    assert all(entry["measured"] == entries[0]["measured"] for entry in entries)


def test_the_mended_program_ends_below_the_one_with_the_cut():
    """Lesson 01: for every seed, the cut costs at least a factor of 4 in the final loss, which is still below guessing."""
    for entry in stored("unrolled_graph")["runs"]["recall"]:
        cut, mended = entry["measured"]["as_found"][-1], entry["measured"]["mended"][-1]
        assert 4 * mended < cut < 1


def test_the_wrong_slope_trains_and_stops_early():
    """Lesson 00: for every seed the loss falls to a tenth despite the mistake, and ends 20 times above that of the fixed program."""
    for entry in stored("start_here")["runs"]["it_trains"]:
        found, mended = entry["measured"]["as_found"], entry["measured"]["mended"]
        assert 20 * mended[-1] < found[-1] < found[0] / 10


def test_rounding_stays_below_the_line_that_lesson_00_draws():
    """In float64 two right gradients differ by less than 1e-14, in float32 by more than 1e-8."""
    for entry in stored("start_here")["runs"]["two_roads"]:
        assert max(entry["measured"]["float64"]) < 1e-14 and min(entry["measured"]["float32"]) > 1e-8


def test_an_answer_can_be_taken_as_it_is_handed_out():
    """The solution is taken out, the commented lines are put in, and the rest stays."""
    text = "def f(x):\n    ### BEGIN SOLUTION\n    y = x\n    ### END SOLUTION\n    ### RELEASED AS\n    # y = -x\n    #     z = 1\n    ### END RELEASED\n    return y\n"
    assert "def f(x):\n    y = -x\n        z = 1\n    return y\n" == as_released(text)


def test_solved_runs_given_and_answer_cells_only(capsys):
    """The names of a lesson are defined, and nothing is printed or drawn."""
    lesson = solved("start_here")
    assert callable(lesson.tanh_grad) and callable(lesson.fit_one_unit) and not hasattr(lesson, "repeated")
    assert capsys.readouterr().out == ""


def test_an_unknown_lesson_is_refused_before_anything_is_measured(capsys):
    """The message says which lessons there are."""
    assert main(["no_such_lesson"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("no experiments for no_such_lesson; there are ") and "start_here" in said


def test_what_is_measured_says_what_it_was_made_with(monkeypatch):
    """The result has the version of torch and the number of threads, but no date and no machine."""
    import experiments.start_here as module

    monkeypatch.setattr(module, "SEEDS", range(0))
    assert {"python", "torch", "threads"} == set(measure("start_here")["made_with"])
