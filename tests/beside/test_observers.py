"""Do the observers beside a call see what it runs, and only that?"""

import contextlib
import os
import subprocess

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from autograder.beside.observers import observer
from autograder.beside.probes.models import NextToken
from autograder.checking.draw import Draw
from autograder.checking.means.rules import RULES, watch

OBSERVER = observer()
NOTHING = {"canary": True, "runs": 0, "nodes": 0, "away": [], "outside": []}


def seen(call, rule="autograd"):
    """What was seen of a call that may raise, where a rule applies."""

    def safe():
        try:
            return call()
        except Exception as error:
            return error

    return OBSERVER.watch(safe, watch((rule,)))[1]


def backward():
    x = torch.ones(3, requires_grad=True)
    (x * x).sum().backward()


def test_a_call_that_runs_nothing_shows_nothing():
    """Arithmetic is nothing to be seen, and the canary is."""
    assert seen(lambda: torch.tanh(torch.ones(3)) @ torch.ones(3)) == NOTHING


def test_backward_passes_and_graphs_are_counted():
    """Each backward pass of the process counts, and each node that this thread recorded."""
    assert {**NOTHING, "runs": 1, "nodes": 2} == seen(backward)
    assert seen(lambda: [backward() for _ in range(3)])["runs"] == 3


def test_what_runs_outside_of_a_call_is_not_counted():
    """Nothing of one call is seen in the next, and outside of one all operators are there."""
    backward()
    assert seen(lambda: None) == NOTHING
    torch.func.jvp(torch.sin, (torch.ones(3),), (torch.ones(3),))
    nn.LSTM(2, 3)(torch.ones(1, 1, 2))


def test_what_is_lent_is_left_out():
    """What runs aside counts neither as a pass nor as an operator, and what runs after it does."""
    lent = OBSERVER.aside(backward)
    tangents = OBSERVER.aside(lambda: torch.func.jvp(torch.sin, (torch.ones(3),), (torch.ones(3),)))
    assert seen(lambda: (lent(), tangents(), lent())) == NOTHING
    assert seen(lambda: (lent(), backward(), lent()))["runs"] == 1
    assert seen(torch.inference_mode()(lambda: (OBSERVER.aside(int)(), OBSERVER.aside(int)()))) == NOTHING
    assert seen(lambda: (torch.inference_mode()(OBSERVER.aside(int))(), backward()))["runs"] == 1
    assert seen(lambda: (tangents(), torch._make_dual(torch.ones(1), torch.ones(1), level=0)))["away"]


def test_an_error_in_the_call_leaves_nothing_behind():
    """Whatever the call raises, the operators come back."""
    with pytest.raises(KeyboardInterrupt):
        OBSERVER.watch(lambda: (_ for _ in ()).throw(KeyboardInterrupt), watch(("cells",)))
    nn.LSTM(2, 3)(torch.ones(1, 1, 2))
    assert seen(lambda: None) == NOTHING


def test_processes_are_heard_of():
    """A process that is started counts as something outside."""
    assert seen(lambda: os.system("true"))["outside"] == ["os.system"]
    assert "subprocess.Popen" in seen(lambda: subprocess.run(["true"]))["outside"]


x, h, c = torch.ones(2, 5, 3), torch.zeros(2, 4), torch.zeros(2, 4)
CELLS = {
    "nn.RNN": lambda: nn.RNN(3, 4)(x),
    "nn.RNN with relu": lambda: nn.RNN(3, 4, nonlinearity="relu")(x),
    "nn.LSTM": lambda: nn.LSTM(3, 4)(x),
    "nn.GRU": lambda: nn.GRU(3, 4)(x),
    "a packed batch": lambda: nn.LSTM(3, 4)(nn.utils.rnn.pack_padded_sequence(x, torch.tensor([5, 2]), batch_first=True)),
    "nn.RNNCell": lambda: nn.RNNCell(3, 4)(x[:, 0], h),
    "nn.RNNCell with relu": lambda: nn.RNNCell(3, 4, nonlinearity="relu")(x[:, 0], h),
    "nn.LSTMCell": lambda: nn.LSTMCell(3, 4)(x[:, 0], (h, c)),
    "nn.GRUCell": lambda: nn.GRUCell(3, 4)(x[:, 0], h),
    "without a graph": lambda: torch.no_grad()(nn.LSTM(3, 4))(x),
    "for inference": lambda: torch.inference_mode()(nn.LSTM(3, 4))(x),
    "by another road": lambda: torch._VF.rnn_tanh_cell(x[:, 0], h, torch.ones(4, 3), torch.ones(4, 4), None, None),
    "by its operator": lambda: torch.ops.aten.gru_cell(x[:, 0], h, torch.ones(12, 3), torch.ones(12, 4)),
}  # fmt: skip


@pytest.mark.parametrize("call", CELLS.values(), ids=CELLS)
def test_fused_cells_are_seen(call):
    """PyTorch's recurrent layers and cells are seen by whatever road they are called, and are no derivative."""
    assert call() is not None
    assert seen(call, "cells")["away"]
    assert not seen(call, "autograd")["away"]


def lstm_layer():
    """One step of an LSTM by the operator that runs a whole layer."""
    x, h = torch.ones(1, 2, 3) * 1, torch.ones(1, 2, 4) * 1
    weights = torch.ones(16, 3), torch.ones(16, 4), torch.ones(16), torch.ones(16)
    return torch.mkldnn_rnn_layer(x, *weights, h, h, False, [], 2, 4, 1, True, False, False, False)


def lstm_way_back():
    """The way back through one step of an LSTM, by the operator that autograd uses."""
    gates, state = torch.ones(2, 16), torch.ones(2, 4)
    return torch.ops.aten._thnn_differentiable_lstm_cell_backward(state, state, gates, gates, None, None, state, state)


QKV = [torch.ones(1, 2, 5, 4)] * 3
INSIDE = {
    "a layer": (lstm_layer, "cells"),
    "the way back": (lstm_way_back, "cells"),
    "attention in full": (lambda: torch.ops.aten._scaled_dot_product_attention_math(*QKV), "attention"),
    "attention in blocks": (lambda: torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(*QKV), "attention"),
    "attention's fast path": (
        lambda: nn.MultiheadAttention(4, 2, batch_first=True).eval()(*[QKV[0][0]] * 3, need_weights=False),
        "attention",
    ),
    "a part of a complex number": (lambda: (torch.ones(2) * 1j).imag, "differences"),
}


@pytest.mark.parametrize("mode", [contextlib.nullcontext, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("call, rule", INSIDE.values(), ids=INSIDE)
def test_what_they_are_made_of_is_seen_in_any_mode(call, rule, mode):
    """The operators inside PyTorch's cells are turned away too, also where tensors know nothing of autograd."""

    def within():
        with mode():
            return call()

    assert seen(within, rule)["away"]
    within()  # and only during the call


@pytest.mark.parametrize("fast", [False, True])
def test_fused_attention_is_seen(fast):
    """So is its attention, with and without its fast path."""
    q = torch.ones(2, 5, 8)
    layer = nn.MultiheadAttention(8, 2, batch_first=True).train(not fast)
    assert seen(lambda: F.scaled_dot_product_attention(q, q, q), "attention")["away"]
    assert seen(lambda: torch.no_grad()(layer)(q, q, q, need_weights=False), "attention")["away"]
    assert seen(lambda: (q @ q.mT).softmax(-1) @ q, "attention") == NOTHING


def test_a_model_of_ours_may_use_what_the_learner_may_not():
    """The cells of a model that was built beside the learner's code pass; its layers in the learner's hands do not."""
    model = NextToken("lstm", Draw(0).next_token("lstm", 5, 3, 4))
    tokens, inputs = torch.zeros(2, 3, dtype=torch.int64), torch.zeros(2, 3, 3, dtype=torch.float64)
    assert seen(lambda: model(tokens), "cells")["away"] == []
    assert seen(lambda: (model(tokens), model.rnn(inputs)), "cells")["away"] == ["lstm.input"]


def test_every_operator_of_a_rule_is_there():
    """A rule that names an operator which PyTorch lacks is noticed here: nothing would be turned away."""
    for key, rule in RULES.items():
        if rule.operators:
            assert seen(lambda: None, key)["canary"], key
