"""Does one check on one student end in the right verdict, whatever the learner's code does?"""

import textwrap

import pytest
import torch

from autograder.beside.beside import Beside
from autograder.beside.cells import execute
from autograder.checking import run
from autograder.checking.draw import Draw
from autograder.checking.expect import expect
from autograder.checking.spec import CHECKS, Check, CheckError, Finding, Verdict, Wrong, check
from autograder.lessons import load

RIGHT = """
import torch
def rnn_step(x_t, h_prev, params):
    return torch.tanh(x_t @ params["weight_ih"].T + h_prev @ params["weight_hh"].T + params["bias"])
"""


def verdict(source, id="unrolled-graph-rnn-step", found=None):
    names = {}
    execute(textwrap.dedent(source).strip(), names, "cell 1")
    return run.run_check(found or load(id), Beside(names, run.lend), Draw(5))


def test_a_right_answer_is_right():
    """The verdict carries the claim, no finding, and full credit."""
    got = verdict(RIGHT)
    assert (got.status, got.finding, got.points(3)) == ("right", None, 3.0)


@pytest.mark.parametrize(
    ("body", "status", "sign"),
    [
        ("raise NotImplementedError()", "missing", "missing"),
        ("return None", "wrong", "none"),
        ("return 1 / 0", "error", "raised"),
        ("raise SystemExit", "error", "exit"),
        ("return rnn_step(x_t, h_prev, params)", "error", "raised"),
        ("import numpy; return numpy.ones((2, 4))", "wrong", "type"),
        ("loop = []; loop.append(loop); return loop", "unsendable", "unsendable"),
    ],
)
def test_every_ending_has_a_verdict(body, status, sign):
    """A stub, None, an exception, an exit, endless recursion, a foreign type: each ends in a verdict with its reason."""
    got = verdict(f"def rnn_step(x_t, h_prev, params):\n    {body}")
    assert (got.status, got.finding.sign) == (status, sign)


def test_a_name_that_is_not_there_is_missing():
    """Without the function the verdict says that it is not defined."""
    got = verdict("x = 1")
    assert got.status == "missing" and "not defined" in got.finding.summary


def test_an_error_names_the_learners_line():
    """The place is the last line of the learner's own code, not one inside torch."""
    got = verdict(RIGHT.replace('params["bias"]', 'params["bias"][:3]'))
    assert got.finding.where.startswith("line 3 of the cell: return torch.tanh(")


def test_a_changed_argument_is_reported_when_the_values_are_right():
    """Writing into an argument is wrong even if the result is right, and the argument is named."""
    got = verdict(RIGHT.replace("    return", "    h_prev.mul_(2).div_(2)\n    return"))
    assert got.status == "right"  # what was changed and changed back did no harm
    got = verdict(RIGHT.replace("    return", "    out =") + "    h_prev.zero_()\n    return out\n")
    assert got.finding.sign == "changed-input" and "h_prev" in got.finding.summary


def test_an_answer_that_would_mix_devices_is_wrong_without_a_gpu():
    """A tensor created on the CPU is noticed even on a machine without a GPU."""
    got = verdict(
        RIGHT.replace('params["bias"])', 'params["bias"] + torch.zeros(9, dtype=x_t.dtype)[:h_prev.shape[1]])')
    )
    assert got.finding.sign == "device" and "cell" in got.finding.where


@pytest.fixture
def pair():
    """Two checks, the second built on the first, registered for one test."""

    def twice(student, draw):
        """`twice` doubles."""
        x = draw.normal(3)
        expect(student.twice(x), 2 * x, "y")

    def fourfold(student, draw):
        """`fourfold` doubles twice."""
        x = draw.normal(3)
        expect(student.fourfold(x), 4 * x, "y")

    first = Check("test-twice", "twice", twice, standin=lambda x: 2 * x)
    second = Check("test-fourfold", "fourfold", fourfold, needs=("test-twice",))
    CHECKS.update({first.id: first, second.id: second})
    yield first, second
    del CHECKS[first.id], CHECKS[second.id]


def test_nobody_loses_twice_for_one_mistake(pair):
    """An exercise that builds on a wrong one is judged with a correct stand-in, and says what to fix."""
    source = "def twice(x): return 3 * x\ndef fourfold(x): return twice(twice(x))"
    first, second = (verdict(source, found=one) for one in pair)
    assert (first.status, second.status) == ("wrong", "right")
    assert "Fix twice first" in second.notes[0]


def test_a_stand_in_does_not_make_a_wrong_answer_right(pair):
    """With a stand-in, an exercise's own mistake is still wrong."""
    source = "def twice(x): return 3 * x\ndef fourfold(x): return twice(x)"
    assert verdict(source, found=pair[1]).status == "wrong"


def test_nobody_loses_twice_for_a_device(pair):
    """A tensor created on the CPU in one exercise does not cost the points of those that call it."""
    source = "import torch\ndef twice(x): return x + x * torch.ones(3, dtype=x.dtype)\ndef fourfold(x): return twice(twice(x))"
    first, second = (verdict(source, found=one) for one in pair)
    assert (first.finding.sign, second.status) == ("device", "right")
    assert "Fix twice first" in second.notes[0]


def test_a_stub_that_is_called_is_named():
    """If `unroll` is written and `rnn_step` is not, the message says so; if neither is, it names the one that was called."""
    stub = "def rnn_step(x_t, h_prev, params):\n    raise NotImplementedError()\n"
    calls = WRONG_STEP.partition("def unroll")[2]
    got = verdict(stub + "import torch\ndef unroll" + calls, "unrolled-graph-unroll-padded")
    assert got.status == "missing" and got.finding.summary == "unroll_padded is not defined"
    got = verdict("import torch\n" + stub + "def unroll" + calls, "unrolled-graph-unroll")
    assert got.right and "Fix rnn_step first" in got.notes[0]
    names = {}
    execute("import torch\n" + stub + "def unroll" + calls, names, "cell 1")
    request = {"do": "call", "target": "unroll", "args": [torch.ones(1, 2, 3), torch.ones(1, 2), {}]}
    request |= {"method": None, "kwargs": {}, "pretend": False, "lend": {}}
    assert Beside(names).ask(request)["summary"] == "unroll calls rnn_step, which is not written yet"


def test_a_stub_is_not_judged_with_a_stand_in(pair):
    """The verdict on an exercise that is not written yet does not mention those that it builds on."""
    got = verdict("def twice(x): return 3 * x\ndef fourfold(x): raise NotImplementedError()", found=pair[1])
    assert (got.status, got.notes) == ("missing", ())


WRONG_STEP = """
import torch
def rnn_step(x_t, h_prev, params):
    return torch.sigmoid(x_t @ params["weight_ih"].T + h_prev @ params["weight_hh"].T + params["bias"])
def unroll(x, h0, params):
    states, h = [], h0
    for x_t in x.unbind(1):
        h = rnn_step(x_t, h_prev=h, params=params)
        states.append(h)
    return torch.stack(states, 1)
"""


def test_gradients_go_back_through_a_stand_in():
    """An exercise that differentiates through a stand-in is judged by its gradients, too."""
    got = verdict(WRONG_STEP, "unrolled-graph-unroll")
    assert got.right and "Fix rnn_step first" in got.notes[0]


def test_a_cut_graph_is_seen_behind_a_stand_in():
    """An answer that cuts the graph is wrong, even if a stand-in computed the step."""
    got = verdict(WRONG_STEP.replace("append(h)", "append(h)\n        h = h.detach()"), "unrolled-graph-unroll")
    assert (got.status, got.finding.sign) == ("wrong", "cut-each-step")


WRONG_LOSS = """
import torch
import torch.nn.functional as F
def sequence_loss(logits, targets, reduction):
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")
def train_step(model, optimizer, tokens, targets):
    optimizer.zero_grad()
    loss = sequence_loss(model(tokens)[0], targets, "mean")
    loss.backward()
    optimizer.step()
    return loss.item()
"""


def test_a_training_step_is_not_charged_for_a_wrong_loss():
    """A step that calls the learner's own wrong loss is judged with a right one, gradients included."""
    assert verdict(WRONG_LOSS, "sequence-loss-loss").status == "wrong"
    assert verdict(WRONG_LOSS, "sequence-loss-train-step").right
    reset = WRONG_LOSS.replace("    optimizer.zero_grad()\n", "")
    assert verdict(reset, "sequence-loss-train-step").finding.sign == "no-zero-grad"


def test_what_is_lent_has_no_more_graph_than_the_right_answer():
    """A stand-in for `detach_state` cuts the graph, although gradients could go back through it."""
    found = load("truncated-bptt-detach-state")
    beside = Beside({"past": torch.ones(2, requires_grad=True) * 2}, run.lend)
    beside._lend({"detach_state": found.id})
    assert not beside.names["detach_state"](beside.names["past"]).requires_grad


def test_a_fault_of_the_check_is_not_blamed_on_the_learner():
    """When a check's body fails, the verdict says so."""

    def body(student, draw):
        """Anything."""
        raise KeyError("ours")

    got = verdict("x = 1", found=Check("test-broken", "x", body))
    assert got.status == "broken" and "check test-broken itself failed" in got.finding.summary


def test_an_unknown_id_says_which_was_meant():
    """A misspelt id is answered with the nearest one."""
    with pytest.raises(CheckError, match="Did you mean 'unrolled-graph-rnn-step'"):
        load("unrolled-graph-rnn-stepp")


def test_a_check_lives_where_its_id_says():
    """An id that does not begin with its module's stem is refused at once."""
    with pytest.raises(CheckError, match="must begin with"):
        check("elsewhere-x", of="x")(test_a_right_answer_is_right)


def test_expect_names_two_mistakes_at_once():
    """Slips are recognised in pairs."""
    from autograder.lessons.unrolled_graph.checks import step_by_cell
    from autograder.lessons.unrolled_graph.mistakes.computed import rnn_step

    draw = Draw(0)
    args = draw.normal(2, 3), draw.normal(2, 4), draw.params(3, 4)
    with pytest.raises(Wrong) as caught:
        expect(rnn_step(*args, slips=("no-bias", "sigmoid")), step_by_cell(*args), slips=rnn_step.on(*args))
    assert caught.value.finding.sign == "no-bias + sigmoid"
    assert "two mistakes at once" in caught.value.finding.clues[0]


@pytest.mark.parametrize("status, sign, shown", [("wrong", "zero", 0), ("timeout", "timeout", 0), ("wrong", "sign", 1)])
def test_the_verdict_with_stand_ins_is_shown_if_it_tells_more(status, sign, shown):
    """Not if it found the same, or only that no answer came in time."""
    alone = Verdict("a-b", "wrong", finding=Finding("zero", "alone"))
    other = Verdict("a-b", status, finding=Finding(sign, "with stand-ins"))
    assert (alone, other)[shown] is run.told(alone, other)
