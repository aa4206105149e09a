"""Do points come from values alone, whatever a process says of itself?"""

import pytest

from autograder.authoring.twice import Sandboxed
from autograder.lessons import load

pytestmark = pytest.mark.needs_bubblewrap

IDENTITY = """
import torch
class Forged(torch.Tensor):
    requires_grad, grad_fn = property(lambda self: False), property(lambda self: None)
def detach_state(state):
    if isinstance(state, torch.Tensor):
        return state.as_subclass(Forged)
    return type(state)(map(detach_state, state)) if isinstance(state, (tuple, list)) else state
"""
FROM_THE_FRAME = """
import sys
def reach(losses, inputs):
    frame = sys._getframe()
    while frame is not None and "cuts" not in frame.f_locals:
        frame = frame.f_back
    cuts, asked, found = frame.f_locals["cuts"], frame.f_locals["losses"], []
    for one in asked:
        steps = [] if isinstance(one, str) else sorted(one[0])
        begin = max([cut for cut in cuts if cut < steps[0]], default=0) + 1 if steps else 0
        found.append((begin, steps[-1]) if steps else None)
    return found
"""
ALL_IS_STORED = """
import torch, bptt.meters
from torch.nn import functional as F
bptt.meters.peak_bytes = lambda run: (run(), 0)[1]
class Silent(list):
    def append(self, event):
        pass
def checkpointed_loss(model, x, y, segments):
    model.events = Silent()
    logits, _ = model(x)
    return F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="sum") / len(x)
"""
WRITTEN_BEHIND = """
import torch
def rnn_step(x_t, h_prev, params):
    h = torch.tanh(x_t @ params["weight_ih"].T + h_prev @ params["weight_hh"].T + params["bias"])
    h_prev.data.zero_()
    return h
"""
FORGED = {
    "a state that says it is cut": ("truncated-bptt-detach-state", IDENTITY, "graph-kept"),
    "a reach that is read from our frames": ("truncated-bptt-reach", FROM_THE_FRAME, "raised"),
    "pieces that are not computed again": ("truncated-bptt-checkpointed-loss", ALL_IS_STORED, "not-computed-again"),
    "a change that no counter counts": ("unrolled-graph-rnn-step", WRITTEN_BEHIND, "changed-input"),
}


@pytest.mark.parametrize("id, answer, sign", FORGED.values(), ids=FORGED)
def test_what_an_answer_says_of_itself_earns_nothing(sandbox, id, answer, sign):
    """Flags, frames and records that are forged do not make an answer right."""
    with Sandboxed(sandbox) as judge:
        verdict = judge(load(id), [answer])
    assert not verdict.right and verdict.finding.sign == sign, verdict
