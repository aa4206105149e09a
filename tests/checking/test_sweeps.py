"""Do the backward sweeps that are written by hand agree with autograd, in full and truncated?"""

import pytest
import torch
from torch.nn import functional as F

from autograder.checking.draw import Draw
from autograder.checking.sweeps.readout import read_out
from autograder.checking.sweeps.sweep import RECURRENT, forward, gradients, sweep
from autograder.checking.sweeps.truncated import Case, Window

RIGHT = frozenset()
T = 6


def case(scale=()):
    draw = Draw(3)
    params = draw.params(D=3, H=5, V=4)
    return Case(draw.normal(2, T, 3), draw.normal(2, 5), params, draw.integers(0, 4, 2, T), scale)


def losses(one, params):
    """The loss of each step; `params[s]` are those that step s + 1 uses."""
    h, found = one.h0, []
    for s, p in enumerate(params):
        h = h * one.scale[s - 1] if one.scale and s else h
        h = torch.tanh(F.linear(one.x[:, s], p["weight_ih"], p["bias"]) + F.linear(h, p["weight_hh"]))
        found.append(F.cross_entropy(F.linear(h, p["weight_out"], p["bias_out"]), one.targets[:, s]))
    return found


def copies(params):
    return {name: value.clone().requires_grad_() for name, value in params.items()}


def agree(found, right):
    for name, value in right.items():
        torch.testing.assert_close(found[name], value)


def test_a_full_sweep_gives_what_autograd_gives():
    """Parameters, x and h0, for a loss at every step."""
    one = case()
    run = forward(RIGHT, one.x, one.h0, one.params)
    at_steps = read_out(RIGHT, run.states, one.params, one.targets)
    found = gradients(RIGHT, sweep(RIGHT, run, at_steps.own[None], one.params), one.x)
    given = copies(one.params | {"x": one.x, "h0": one.h0})
    total = torch.stack(losses(Case(given["x"], given["h0"], {}, one.targets), [given] * T)).sum()
    right = dict(zip(given, torch.autograd.grad(total, list(given.values())), strict=True))
    agree(found, {name: right[name] for name in (*RECURRENT, "x", "h0")})
    torch.testing.assert_close(at_steps.values[:T].sum(), total.detach())


@pytest.mark.parametrize("scale", [(), [0.5, 2.0, 0.0, 1.0, -1.0]])
def test_any_weights_between_losses_and_steps_are_those_of_untied_copies(scale):
    """Each step has copies of its own, and autograd says what each loss gives to each of them."""
    one = case(scale)
    weights = torch.randn(T, T, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    untied = [copies(one.params) for _ in range(T)]
    right = {name: torch.zeros_like(value) for name, value in one.params.items()}
    for t, loss in enumerate(losses(one, untied)):
        for s in range(t + 1):
            got = torch.autograd.grad(loss, list(untied[s].values()), retain_graph=True, materialize_grads=True)
            for name, value in zip(right, got, strict=True):
                right[name] += value * (weights[t, s] if name in RECURRENT else weights[t, t])
    agree(one.weighted(weights, weights.diagonal()), right)


def test_windows_cut_where_a_detached_state_cuts():
    """Losses of the last two steps go back through three: overlapping windows, begun from constant states."""
    one, k1, k2 = case(), 2, 3
    found = one.truncated(RIGHT, [Window(range(t - k1, t), range(max(0, t - k2), t)) for t in range(k1, T + 1, k1)])
    right = {name: torch.zeros_like(value) for name, value in one.params.items()}
    states = forward(RIGHT, one.x, one.h0, one.params).states
    for t in range(k1, T + 1, k1):
        begin, given = max(0, t - k2), copies(one.params)
        window = Case(one.x[:, begin:t], states[begin], {}, one.targets[:, begin:t])
        loss = torch.stack(losses(window, [given] * (t - begin))[-k1:]).sum()
        for name, value in zip(right, torch.autograd.grad(loss, list(given.values())), strict=True):
            right[name] += value
    agree(found, right)


def test_one_window_over_all_steps_is_the_full_sweep():
    """A truncated sweep and a full one are made of the same steps, right or mistaken."""
    one = case()
    run = forward(RIGHT, one.x, one.h0, one.params)
    own = read_out(RIGHT, run.states, one.params, one.targets).own[None]
    for slip in ("", "no-local-factor", "first-step-wraps", "own-loss-late", "weight-hh-overwritten", "forward-order"):
        slips = frozenset({slip})
        full = gradients(slips, sweep(slips, run, own, one.params), one.x)
        agree(one.truncated(slips, [Window(range(T), range(T))]), {name: full[name] for name in RECURRENT})
