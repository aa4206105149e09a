"""Is nothing asked after it could have been learned?

Each attack was worth points once: what a question told was kept in memory or in a file, and served as the answer to the next.
"""

from __future__ import annotations

import hashlib
import json

import pytest

from autograder.checking.draw import hidden_seed
from autograder.house import SOLUTIONS
from autograder.judge.engine import judge
from tests.submissions import add, change, lesson, place, write

KEY = b"k" * 16
pytestmark = pytest.mark.needs_bubblewrap

# A blank `rnn_step` notes what it is given; `unroll`, judged with a right `rnn_step` lent to it, asks that for the noted inputs.
LENT_SOLVES_ITSELF = {
    "unrolled-graph-rnn-step": """
ASKED, KNOWN = [], {}
def rnn_step(x_t, h_prev, params):
    key = (tuple(x_t.shape), x_t.sum().item())
    if key in KNOWN:
        return KNOWN[key]
    ASKED.append((x_t.clone(), h_prev.clone(), {k: v.clone() for k, v in params.items()}))
    raise ValueError("not yet")
""",
    "unrolled-graph-unroll": """
def unroll(x, h0, params):
    for x_t, h_prev, own in ASKED:
        try:
            KNOWN[tuple(x_t.shape), x_t.sum().item()] = rnn_step(x_t, h_prev, own)
        except ValueError:
            pass
    raise ValueError("not yet")
""",
}

# What autograd gave at the first asking is remembered, and handed out at the next as if made by hand.
MEMO = {
    "unrolled-graph-rnn-step": """
SEEN = []
def rnn_step(x_t, h_prev, params):
    SEEN.append(x_t.clone())
    for one in SEEN[:-1]:
        if one.shape == x_t.shape and torch.equal(one, x_t):
            return torch.tanh(x_t @ params["weight_ih"].T + h_prev @ params["weight_hh"].T + params["bias"])
    return torch.zeros_like(h_prev)
"""
}


@pytest.fixture(scope="module")
def one():
    return lesson(SOLUTIONS / "01_unrolled_graph.py")


@pytest.fixture(scope="module")
def graded(one, sandbox):
    """Grade a notebook of lesson 01: the points by check."""

    def grade(notebook, learner="eve"):
        judged = judge(notebook, one.handed_out, key=KEY, learner=learner, sandbox=sandbox)
        return {id: verdict.points(judged.points[id]) for id, verdict in judged.verdicts.items()}, judged

    return grade


def attacked(one, answers, repeated=0):
    """A blank notebook with these answers, and `repeated` more calls of every check at its end."""
    notebook = one.blank()
    for id, source in answers.items():
        write(notebook, "answer", id, source)
    for _ in range(repeated):
        for id in answers:
            add(notebook, len(notebook.cells), f'check("{id}")')
    return notebook


def test_a_lent_stand_in_solves_nothing_but_the_exercise_it_is_lent_to(one, graded):
    """Who asks a borrowed function for the answers to the exercise that it stands for earns nothing, however often they ask."""
    points, _ = graded(attacked(one, LENT_SOLVES_ITSELF, repeated=3))
    assert {} == {id: got for id, got in points.items() if got}


def test_what_was_remembered_is_not_asked_again(one, graded):
    """Numbers that were seen are not met a second time: neither within a check, nor at a second asking, nor in further cells.

    Within one asking the check runs a right answer once more on a pretended GPU, with the same numbers: only if it was right.
    """
    points, _ = graded(attacked(one, MEMO, repeated=4))
    assert points["unrolled-graph-rnn-step"] == 0


def test_another_hand_in_meets_other_numbers(one, graded):
    """A stub that raises with its inputs prints them on its card; the next hand-in of the same learner is asked about others."""
    telling = {"unrolled-graph-rnn-step": "def rnn_step(x_t, h_prev, params):\n    raise ValueError(x_t.tolist())"}
    first, again = attacked(one, telling), attacked(one, telling)
    add(again, len(again.cells), "# handed in once more")
    said = [graded(notebook)[1].verdicts["unrolled-graph-rnn-step"] for notebook in (first, again)]
    assert said[0].finding.summary != said[1].finding.summary and said[0].seed != said[1].seed


def test_a_check_is_asked_twice_at_most(one, graded):
    """However often the notebook names a check, it is asked at its cell and once more behind the last: two seeds, no third."""
    id = "unrolled-graph-count-paths"
    _, judged = graded(attacked(one, {id: "def count_paths(T):\n    return -1"}, repeated=20))
    about = {name: judged.provenance[name] for name in ("notebook", "files")}
    content = hashlib.sha256(json.dumps(about).encode()).hexdigest()
    seeds = [f"{hidden_seed(KEY, 'eve', id, content, asking):064x}" for asking in range(3)]
    assert judged.verdicts[id].seed in seeds[:2]


def test_who_builds_on_a_wrong_exercise_keeps_their_points(one, graded):
    """The twin: an honest `unroll` earns its points although the `rnn_step` it calls is wrong, and says so."""
    notebook = change(one.right(), "answer", "unrolled-graph-rnn-step", "torch.tanh(", "torch.sin(")
    points, judged = graded(notebook)
    assert (points["unrolled-graph-rnn-step"], points["unrolled-graph-unroll"] > 0) == (0, True)
    assert "rnn_step" in judged.verdicts["unrolled-graph-unroll"].notes[0]


def test_crashes_cost_an_honest_solution_nothing(one, graded):
    """Thirteen cells that end the process are left out one by one; every answer beside them is judged."""
    notebook = one.right()
    at = place(notebook, "check", "unrolled-graph-rnn-step")
    for _ in range(13):
        add(notebook, at, "import os; os._exit(1)")
    points, judged = graded(notebook)
    assert judged.score == sum(judged.points.values())
