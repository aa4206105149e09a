"""Does lesson 05 see what was cut, and do its claims hold in what is stored?"""

import itertools
import json

import pytest
import torch
from torch import nn

from autograder.authoring.verify import in_notebook
from autograder.checking.compare import first_difference
from autograder.checking.draw import Draw
from autograder.checking.spec import Wrong
from autograder.house import RESULTS
from autograder.lessons import load
from autograder.lessons.truncated_bptt.evidence.coins import judge_draws
from autograder.lessons.truncated_bptt.evidence.seen import told_apart, weights_in
from autograder.lessons.truncated_bptt.mistakes import gradients
from bptt.meters import peak_bytes
from bptt.tasks import Echo, InfluenceBalancing
from tests.submissions import material_of


def case(T=5):
    draw = Draw(3)
    params = draw.params(D=3, H=5, V=4)
    return gradients.Case(draw.normal(2, T, 3), draw.normal(2, 5), params, draw.integers(0, 4, 2, T))


def stored(run):
    runs = json.loads((RESULTS / "truncated_bptt.json").read_text(encoding="utf-8"))["runs"]
    return [entry["measured"] for entry in runs[run]]


def test_which_loss_reached_which_step_is_read_back_from_a_gradient():
    """Any weights, negative and fractional ones too."""
    one, weights = case(6), torch.randn(6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64).tril()
    torch.testing.assert_close(weights_in(one, one.weighted(weights)), weights, rtol=1e-5, atol=1e-7)


def test_a_gradient_at_other_states_is_not_explained_by_cuts():
    """The twin: no weights are invented for what is not made of the steps' contributions."""
    one = case(6)
    assert weights_in(one, gradients.gradient_of(one, [0.5] * 5)) is None


def test_a_short_reach_is_told_with_the_loss_and_both_steps():
    """The message names the first loss that differs, where it ends and where it should."""
    weights = torch.ones(4, 4, dtype=torch.float64).tril()
    cut = weights.clone()
    cut[2, 0] = 0
    told = told_apart(cut, weights)
    assert told.sign == "reach-short" and "step t = 3 goes back to step 2; expected back to step 1" in told.summary


@pytest.mark.parametrize("p", [0.3, 0.8])
def test_the_mean_over_all_patterns_of_cuts_is_the_full_gradient(p):
    """Randomised truncation is unbiased, exactly."""
    one, full = case(), gradients.gradient_of(case())
    total = {name: torch.zeros_like(value) for name, value in full.items()}
    for keep in itertools.product((False, True), repeat=4):
        chance = torch.tensor([p if kept else 1 - p for kept in keep]).double().prod()
        for name, value in gradients.randomized(one, p, keep).items():
            total[name] += chance * value
    for name, value in full.items():
        torch.testing.assert_close(total[name], value)


def draws(one, p, count, seed, rate=None):
    coins = torch.Generator().manual_seed(seed)
    table = {}
    for _ in range(count):
        keep = tuple((torch.rand(4, generator=coins) < (rate or p)).tolist())
        table.setdefault(keep, gradients.randomized(one, p, keep))
        yield table[keep]


def test_right_coins_are_accepted_for_many_seeds():
    """A right answer is refused less than once in a hundred thousand draws of the check's numbers."""
    one = case()
    for seed in range(30):
        judge_draws(one, 0.8, list(draws(one, 0.8, 150, seed)))


def test_coins_that_keep_too_seldom_are_refused():
    """The twin: p² in place of p is seen for each of these seeds."""
    one = case()
    for seed in range(10):
        with pytest.raises(Wrong, match="kept in"):
            judge_draws(one, 0.8, list(draws(one, 0.8, 150, seed, rate=0.64 - 0.04)))


def test_bytes_alive_are_those_of_the_storages_that_live_at_once():
    """Freed tensors, views and what existed before do not count."""
    before = torch.ones(1000, dtype=torch.float64)

    def run():
        one = before + 1  # 8000
        two = (one * 2).view(10, 100)  # 16000
        del one
        three = two + 1  # 16000 again
        before.add_(1)
        return three

    assert 16000 == peak_bytes(run)


def test_a_graph_that_is_kept_shows_in_the_bytes_alive():
    """The twin: what autograd holds for the way back counts."""
    layer, x = nn.Linear(50, 50).double(), torch.ones(10, 50, dtype=torch.float64)

    def run(cut):
        h = x
        for _ in range(6):
            h = torch.tanh(layer(h))
            h = h.detach() if cut else h
        return h

    assert peak_bytes(lambda: run(cut=False)) >= peak_bytes(lambda: run(cut=True)) + 3 * x.nbytes


def test_the_echo_is_what_was_heard_before():
    """y at step t is x at step t − delay, wherever that is inside the row."""
    x, y = Echo(3).sample(2, 10, seed=0)
    assert (2, 10) == tuple(y.shape) and torch.equal(y[:, 3:], x[:, :-3])


def test_influence_balancing_rests_at_1_for_the_best_parameter():
    """The optimum is that of the system, found by letting it run."""
    task = InfluenceBalancing()
    h = torch.zeros(23, dtype=torch.float64)
    for _ in range(400):
        h = task.matrix() @ h + task.optimum * task.push()
    assert pytest.approx(1, abs=1e-9) == h[0].item()


def test_the_echo_is_learned_from_one_step_more_than_the_delay():
    """Lesson 05: for every seed below 0.8 up to k = d, above 0.95 from k = d + 1 on."""
    for run in stored("echo"):
        for delay, windows in ((2, [1, 2, 3, 4]), (5, [1, 3, 5, 6, 8])):
            for k, right in zip(windows, run[f"lstm {delay}"], strict=True):
                assert right > 0.95 if k > delay else right < 0.8, (delay, k)


def reservoir(name, way):
    return [run[name][way] for run in stored("reservoir")]


def test_a_frozen_recurrence_holds_traces_of_the_past():
    """Lesson 05: read-out only, k = 1: tanh all right at a delay of 2, 0.64 to 0.85 at 5; the LSTM 0.66 to 0.71 and about 0.65."""
    assert min(reservoir("tanh 2", "frozen")) > 0.9999
    for name, ends in (("tanh 5", (0.64, 0.85)), ("lstm 2", (0.66, 0.71)), ("lstm 5", (0.64, 0.65))):
        found = reservoir(name, "frozen")
        assert ends == (round(min(found), 2), round(max(found), 2)), name


def test_training_the_recurrence_without_credit_never_helps_and_can_destroy_the_traces():
    """Lesson 05: no better than frozen in any run, one tanh run of five at chance for a delay of 2; the weights move far."""
    names = [f"{kind} {delay}" for kind in ("tanh", "lstm") for delay in (2, 5)]
    for name in names:
        assert all(a <= b for a, b in zip(reservoir(name, "trained"), reservoir(name, "frozen"), strict=True)), name
    assert [0.50, 1.00, 1.00, 1.00, 1.00] == sorted(round(value, 2) for value in reservoir("tanh 2", "trained"))
    moved = [value for name in names for value in reservoir(name, "moved")]
    assert (2, 6) == (round(min(moved)), round(max(moved)))


def test_the_echo_at_a_delay_of_five_is_what_the_prediction_says():
    """Lesson 05: "near chance" is 0.5 to 0.65, and the stored runs lie between 0.51 and 0.61; up to k = d all runs lie between 0.50 and 0.68."""
    five = [run["lstm 5"][2] for run in stored("echo")]
    assert (0.51, 0.61) == (round(min(five), 2), round(max(five), 2))
    short = [value for run in stored("echo") for value in (*run["lstm 2"][:2], *run["lstm 5"][:3])]
    assert (0.50, 0.68) == (round(min(short), 2), round(max(short), 2))
    assert min(min(*run["lstm 2"][2:], *run["lstm 5"][3:]) for run in stored("echo")) > 0.99


def test_the_spread_of_random_cuts_comes_from_near_boundaries_and_from_cuts():
    """Lesson 05: 85 to 99 % across at most five boundaries, 72 to 81 % from what cut paths lack."""
    near, cut = ([run[key] for run in stored("spread")] for key in ("near", "cut"))
    assert (0.85, 0.99) == (round(min(one[2] for one in near), 2), round(max(one[2] for one in near), 2))
    assert (0.72, 0.81) == (round(min(cut), 2), round(max(cut), 2))


def test_truncation_is_nearly_right_where_the_past_fades_only():
    """Lesson 05: labelled by the measured exponent; 20 steps of credit."""
    for run in stored("bias"):
        assert run["0.9"]["exponent"] < -0.2 and run["0.9"]["error"][4] < 0.01
        assert run["3.0"]["exponent"] > 0 and run["3.0"]["error"][4] > 0.9


def test_influence_balancing_goes_the_wrong_way_with_little_credit():
    """Lesson 05: K = 1 and 10 end above where they began (½), K = 50 at the best value."""
    for run in stored("balance"):
        assert 1.33 <= round(run["1"], 2) <= 1.37 and run["10"] > 1000 and run["50"] == pytest.approx(-1 / 6, abs=1e-3)


def test_a_fixed_cut_beats_one_random_draw_in_a_contracting_network():
    """Lesson 05: and the mean of a hundred draws is closer than one."""
    for run in stored("randomized"):
        assert run["fixed"] < run["random"][0] and run["random"][-1] < run["random"][0] / 3


def test_the_program_with_the_mistake_trains_and_stays_above_the_floor():
    """Lesson 05: as found the loss falls below guessing by a tenth and ends a quarter above the fixed one."""
    for run in stored("bug"):
        assert run["as_found"][-1] < 0.9 * run["as_found"][0] and run["as_found"][-1] > 1.25 * run["mended"][-1]


@pytest.mark.parametrize("run", ["window_bytes", "segments"])
def test_bytes_are_the_same_for_all_seeds(run):
    """Lesson 05 says that they follow from the graph."""
    first, *others = stored(run)
    assert all(other == first for other in others)


def judged(id, **answers):
    """The verdict on the solution with some of its answers replaced: name of the answer -> source."""
    cells = material_of("truncated_bptt").solution.cells
    replaced = {f"truncated-bptt-{name.replace('_', '-')}": source for name, source in answers.items()}
    return in_notebook(
        load(id), [replaced.get(id, source) if role == "answer" else source for role, id, source in cells]
    )


def solution(name):
    return next(source for role, id, source in material_of("truncated_bptt").solution.cells
                if role == "answer" and id == f"truncated-bptt-{name}")  # fmt: skip


SLIPS = [
    ("dz = dh * (1 - states[s] ** 2)", "dz = dh", "no-local-factor"),
    ("dz = dh * (1 - states[s] ** 2)", "dz = dh * (1 - torch.tanh(states[s]) ** 2)", "squashed-twice"),
    ("dh = dz @ U", "dh = dh @ U", "carry-without-factor"),
    ("dh = dz @ U", "dh = dz @ U.T", "carry-transposed"),
    ("dz.T @ states[s - 1]", "dz.T @ states[s]", "h-for-h-prev"),
    ('grads["bias"] += dz.sum(0)', 'grads["bias"] += dz.mean(0)', "bias-mean"),
    ('grads["weight_hh"] += dz.T', 'grads["weight_hh"] = dz.T', "weight-hh-overwritten"),
    ('grads["bias_out"] += p', 'grads["bias_out"] = p', "bias-out-overwritten"),
    ("range(t, max(0, t - k2), -1)", "range(t, max(0, t - k2) + 1, -1)", "loss-missing"),
    ("range(t, max(0, t - k2), -1)", "range(t - 1, max(0, t - k2), -1)", "starts-before-last"),
    ("range(t, max(0, t - k2), -1)", "range(t, max(0, t - k2) - 1, -1)", "goes-past-first"),
    ("range(t, max(0, t - k2), -1)", "range(max(0, t - k2) + 1, t + 1)", "forward-order"),
    ("targets[:, s - 1]", "targets[:, s % x.shape[1]]", "targets-one-late"),
    (".softmax(1)", ".softmax(0)", "softmax-over-batch"),
    ("p.T @ states[s]", "p.T @ states[s - 1]", "readout-grad-of-previous"),
    ("states = [h0]", "states = [torch.zeros_like(h0)]", "h0-ignored"),
    ("states.append(torch.tanh(x[:, s] @ W.T + states[-1] @ U.T + b))", "states.append(x[:, s] @ W.T + states[-1] @ U.T + b)", "left-linear"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "mistake", "sign"), SLIPS)
def test_mistakes_of_a_sweep_that_is_written_by_hand_are_named(line, mistake, sign):
    """The same as in lesson 02: in a step, between steps, in the loop and in the read-out."""
    check = "truncated-bptt-truncated-gradient"
    (right,) = [s.source for s in material_of("truncated_bptt").right if (s.of, s.label) == (check, "by-hand")]
    assert 1 == right.count(line)
    assert sign == judged(check, truncated_gradient=right.replace(line, mistake)).finding.sign


@pytest.mark.parametrize(("T", "k1", "k2"), [(12, 3, 5), (8, 2, 4)])
def test_no_named_mistake_of_a_truncated_gradient_hides(T, k1, k2):
    """In the first cases each changes the result, and no two of them give the same one."""
    one, reference = case(T), gradients.truncated_gradient
    right = reference(one, k1, k2)
    values = {id: reference(one, k1, k2, slips=(id,)) for id in reference.slips}
    assert [] == [id for id, value in values.items() if first_difference(value, right) is None]
    same = {(a, b) for a, b in itertools.combinations(values, 2) if first_difference(values[a], values[b]) is None}
    assert same <= {("targets-shifted", "targets-one-late")}  # alike where a row's first target is also its last


NOT_CUT = "def detach_state(state):\n    return state\n"


@pytest.mark.parametrize("name", ["train-tbptt", "truncated-gradient", "randomized-truncation-gradient", "bug"])
def test_whoever_uses_a_detach_state_that_does_not_cut_is_judged_with_one_that_does(name):
    """Also where the solution itself says `.detach()`: a learner may well use what they have just written."""
    own = solution(name).replace("h0.detach()", "detach_state(h0)").replace("h.detach()", "detach_state(h)")
    assert "detach_state(" in own
    verdict = judged(f"truncated-bptt-{name}", **{"detach_state": NOT_CUT, name.replace("-", "_"): own})
    assert verdict.right and any("correct detach_state" in note for note in verdict.notes)


def test_the_program_on_text_may_be_mended_with_batchify_and_chunks_that_are_wrong_themselves():
    """They are lent, like detach_state."""
    own = """
def train_on_text(model, optimizer, stream, B, k):
    return train_tbptt(model, optimizer, batchify(stream[:-1], B), batchify(stream[1:], B), k)
"""
    dealt = "def batchify(stream, B):\n    return stream.reshape(-1, B).T\n"
    assert judged("truncated-bptt-bug", batchify=dealt, chunks="def chunks(x, y, k):\n    yield x, y\n", bug=own).right
