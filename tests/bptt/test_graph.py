"""Does the walk over a recorded graph see what was recorded?"""

import matplotlib.pyplot as plt
import pytest
import torch

from bptt import graph


def chain(T, cut_at=None, from_buffer=False):
    """h_t = tanh(h_{t-1} w + x), recorded; detached before step `cut_at`."""
    w = torch.full((2, 2), 0.3, requires_grad=True)
    h0 = torch.zeros(1, 2, requires_grad=True)
    h, states = h0, torch.zeros(T, 1, 2)
    for t in range(1, T + 1):
        h = torch.tanh((h.detach() if t == cut_at else h) @ w + 1)
        if from_buffer:
            states = states.index_copy(0, torch.tensor([t - 1]), h.unsqueeze(0))
    return (states if from_buffer else h), w, h0


@pytest.mark.parametrize("T", [1, 2, 7])
def test_depth_is_the_number_of_steps(T):
    """A chain of T steps has T tanh operations in a row."""
    assert graph.depth(chain(T)[0]) == T


def test_a_cut_makes_the_graph_shallower():
    """Behind a detach nothing is recorded: of 7 steps with a cut before the fifth, 3 are left."""
    assert graph.depth(chain(7, cut_at=5)[0]) == 3


def test_depth_takes_the_longest_way_round():
    """Where one operand is deeper than the other, the deeper one counts."""
    deep, w, _ = chain(4)
    assert graph.depth(deep + torch.tanh(w).sum()) == 4


def test_without_a_graph_the_depth_is_0():
    """A plain tensor was not computed from anything that is recorded."""
    assert graph.depth(torch.ones(2)) == 0


def test_a_long_graph_is_walked_without_recursion():
    """2000 steps are deeper than Python's stack."""
    assert graph.depth(chain(2000)[0]) == 2000


def test_recorded_edges_name_states_and_leaves():
    """Three steps with one weight: one leaf with three arrows, and a chain from h0."""
    last, w, h0 = chain(3)
    want = {("w", "h1"), ("w", "h2"), ("w", "h3"), ("h0", "h1"), ("h1", "h2"), ("h2", "h3")}
    assert want == graph.recorded_edges(last, {"w": w, "h0": h0})


def test_states_in_a_buffer_are_numbered_in_the_order_of_the_forward_pass():
    """However the states are collected, h1 is the first tanh that ran."""
    states, w, h0 = chain(3, from_buffer=True)
    assert ("h0", "h1") in graph.recorded_edges(states, {"w": w, "h0": h0})


def test_a_leaf_without_a_name_is_left_out():
    """Only the leaves that one asks for are in the picture."""
    last, w, _ = chain(2)
    assert {("w", "h1"), ("w", "h2"), ("h1", "h2")} == graph.recorded_edges(last, {"w": w})


def test_a_path_is_drawn_in_another_colour():
    """Every edge is drawn once; those of the path differ from the others."""
    edges = [("theta", "h1"), ("x1", "h1"), ("h0", "h1"), ("h1", "L1")]
    fig, ax = plt.subplots()
    graph.draw(ax, edges, path=[("theta", "h1")])
    arrows = [text.arrow_patch.get_edgecolor() for text in ax.texts if getattr(text, "arrow_patch", None)]
    plt.close(fig)
    assert (len(edges), 2) == (len(arrows), len(set(arrows)))


def test_no_input_is_drawn_on_a_line_from_the_parameters():
    """The lines that fan out from theta pass between the inputs."""
    T = 5
    start = graph.place_of("theta", ["theta"], T)
    distances = []
    for t in range(1, T + 1):
        right, up = graph.place_of(f"x{t}", ["theta"], T)
        share = (up - start[1]) / (0 - start[1])
        distances += [abs(right - (start[0] + share * (step - start[0]))) for step in range(1, T + 1)]
    assert min(distances) > 0.3


def test_arrows_may_be_written_as_lists():
    """Arrows that a learner wrote as lists of two are drawn like pairs, on the path too."""
    figure, ax = plt.subplots()
    graph.draw(ax, [["theta", "h1"], ["h0", "h1"]], path=[["h0", "h1"]])
    widths = sorted(arrow.arrow_patch.get_linewidth() for arrow in ax.texts if getattr(arrow, "arrow_patch", None))
    plt.close(figure)
    assert widths == [1.2, 3]
