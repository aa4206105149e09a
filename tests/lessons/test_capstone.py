"""Do references land in their bands, do attacks get nothing, and does lesson 09 say what its stored runs show?"""

from __future__ import annotations

import json
import math
import os
import shutil

import nbformat
import pytest
import torch
from safetensors.torch import save_file

from autograder import cli
from autograder.authoring.verify import in_notebook
from autograder.checking.draw import Draw, hidden_seed
from autograder.house import ROOT, SOLUTIONS
from autograder.judge.engine import judge
from autograder.judge.limits import Limits
from autograder.judge.plan import Run
from autograder.judge.sandbox import Inside
from autograder.judge.session import Session
from autograder.lessons import load
from autograder.lessons.capstone.oracles import best_log_probs, filtered
from autograder.lessons.capstone.streaming import BANDS, LANGUAGE, MAX_WEIGHTS, WEIGHTS
from bptt.experiment import stored
from experiments.notebook import solved
from tests.submissions import HandOut, lesson, material_of

TESTS = ROOT / "tests" / "answers" / "capstone"
SOURCE = SOLUTIONS / "09_capstone.py"
ID = "capstone-predictor"


@pytest.fixture(scope="module")
def ours():
    return solved("capstone")


@pytest.fixture
def judged(sandbox):
    """`judged(answer, weights)`: the verdict on a Predictor in the real judge; `weights` is the file handed in, None for no file."""

    def run(answer, weights=TESTS / "beside" / WEIGHTS, key=b"another hidden key"):
        files = ((WEIGHTS, weights),) if weights else ()
        draw = Draw(hidden_seed(key, "ada", ID, "content", 0))
        with Session(sandbox, Inside(Limits(), files)) as session:
            for number, source in enumerate(material_of("capstone").solution.sources(ID, answer)):
                session.run(Run(source, f"cell {number}"))
            return session.ask(load(ID), lambda: draw)

    return run


def solution():
    return next(source for role, id, source in material_of("capstone").solution.cells if (role, id) == ("answer", ID))


TANH = """
class Predictor:
    def __init__(self):
        self.network = Baseline()
        self.network.load_state_dict(load_file(WEIGHTS))

    def start(self, B):
        self.now = torch.zeros(1, B, 96)

    def step(self, token):
        with torch.no_grad():
            logits, self.now = self.network(token[:, None], self.now)
        return logits[:, 0].log_softmax(1)

    def state(self):
        return self.now.numpy().tobytes()

    def resume(self, data):
        self.now = torch.frombuffer(bytearray(data), dtype=torch.float32).reshape(1, -1, 96)
"""


# ----------------------------------------------------------------------------------------- the floor


def test_the_exact_predictor_loses_the_entropy_rate():
    """On many tokens its mean loss is the closed form, and the text never does what it holds impossible."""
    tokens = LANGUAGE.sample(64, 3001, seed=3)
    loss = -best_log_probs(LANGUAGE, tokens)
    assert loss.mean().item() == pytest.approx(LANGUAGE.entropy_rate, abs=0.004)
    assert LANGUAGE.entropy_rate == pytest.approx(1.0483, abs=5e-5)


def test_the_exact_predictor_gives_each_token_its_frequency():
    """Of the tokens to which it gives a probability, that share comes; over all V tokens they add up to 1."""
    tokens = LANGUAGE.sample(32, 400, seed=4)
    begun = torch.cat([tokens[:4, :100].repeat_interleave(32, 0), torch.arange(32).repeat(4)[:, None]], 1)
    last = best_log_probs(LANGUAGE, begun)[:, -1].exp().reshape(4, 32)
    assert torch.allclose(last.sum(1), torch.ones(4, dtype=torch.float64))


def test_forgetting_both_nouns_costs_what_the_text_says():
    """2 ln 4 a sentence; a sentence has 16.35 tokens on average, and as many are found."""
    tokens = LANGUAGE.sample(64, 3000, seed=5)
    sentences = (LANGUAGE.kinds(tokens) == 3).sum().item() / 2
    assert tokens.numel() / sentences == pytest.approx(LANGUAGE.mean_length, rel=0.01)
    assert 2 * math.log(4) / LANGUAGE.mean_length == pytest.approx(0.1696, abs=5e-5)


def test_what_learners_have_of_the_best_predictor_is_what_it_says(ours):
    """The stored log-probabilities are those of the open texts."""
    for seed in range(3):
        want = best_log_probs(LANGUAGE, ours.open_text(seed))
        assert torch.allclose(ours.best_of(seed), want, atol=1e-5)


def test_the_exact_predictor_is_out_of_reach_in_grading(judged):
    """Neither bptt nor anything else in the sandbox has it; a predictor that looks for it has nothing to say."""
    assert not any("log_prob" in name or "surprise" in name for name in dir(LANGUAGE))
    thief = solution().replace(
        "        with torch.no_grad():",
        "        from autograder.lessons.capstone import oracles\n        with torch.no_grad():",
    )
    verdict = judged(thief)
    assert ("error", True) == (verdict.status, "No module named" in verdict.finding.summary)


# ------------------------------------------------------------------------------------ reference submissions


@pytest.mark.parametrize("run", ["reference", "tanh", "short_windows"])
def test_references_end_in_their_bands_in_every_seed(run):
    """The LSTM gets all points, tanh and windows of 6 those for everything but the nouns."""
    found = stored("capstone", run)
    assert len(found) >= 3
    low, high = (0, BANDS[0].most) if run == "reference" else (BANDS[2].most, BANDS[3].most)
    assert all(low < one["above"][-1] <= high for one in found)


@pytest.mark.needs_bubblewrap
@pytest.mark.parametrize(
    ("answer", "weights", "credit"),
    [
        (None, f"beside/{WEIGHTS}", 1.0),
        (None, "short_windows.safetensors", 0.25),
        (TANH, "tanh.safetensors", 0.25),
    ],
    ids=["lstm", "windows of 6", "tanh"],
)
def test_the_judge_puts_references_in_their_bands(judged, answer, weights, credit):
    """On hidden texts, in two sandboxed processes, with the weights of one stored run."""
    verdict = judged(answer or solution(), TESTS / weights)
    assert (verdict.status, verdict.credit) == ("right", credit), verdict
    assert "nats a token above the best possible predictor" in verdict.notes[0]


# ----------------------------------------------------------------------------------------------- attacks

PAST = """
        {keep}
        with torch.no_grad():
            state = None
            for one in {past}:
                logits, state = self.network(one[:, None], state)
        return logits[:, 0].log_softmax(1)
"""


def keeping(keep, past, state, resume, before=""):
    """A predictor that keeps the whole past and reads it again at every step."""
    return f"""{before}
{solution().partition("class Predictor")[0]}
class Predictor:
    def __init__(self):
        self.network = Network()
        self.network.load_state_dict(load_file(WEIGHTS))

    def start(self, B):
        self.past = []

    def step(self, token):{PAST.format(keep=keep, past=past)}
    def state(self):
        return {state}

    def resume(self, data):
        self.past = []
        {resume}
"""


ATTACKS = {
    "the past in a variable": (keeping("PAST.append(token)", "PAST", "bytes(8)", "pass", "PAST = []"), "state-lost"),
    "the past in the state": (
        keeping(
            "self.past.append(token)",
            "self.past",
            "torch.stack(self.past).numpy().tobytes()",
            "self.past = list(torch.frombuffer(bytearray(data), dtype=torch.int64).reshape(-1, 96))",
        ),
        "state-grows",
    ),
    "the past in a file": (
        keeping(
            "self.past.append(token); torch.save(self.past, PLACE)",
            "self.past",
            "bytes(8)",
            "self.past = torch.load(PLACE)",
            'PLACE = "past.pt"',
        ),
        "raised",
    ),
    "losses that look good": (
        """
class Predictor:
    loss, excess = 0.0, 0.0
    def __init__(self): print("loss 1.0483, excess 0.0000")
    def start(self, B): pass
    def step(self, token): return torch.full((len(token), V), -math.log(V))
    def state(self): return b"0.0000"
    def resume(self, data): pass
""",
        "not-trained",
    ),
    "a loss in place of a prediction": (
        solution().replace("return logits[:, 0].log_softmax(1)", "return torch.tensor(0.01)"),
        "shape",
    ),
    "more than certain": (
        solution().replace("return logits[:, 0].log_softmax(1)", "return torch.zeros(len(token), V)"),
        "not-normalised",
    ),
    "a look ahead": (
        """
import sys


class Predictor:
    def __init__(self): self.read = 0
    def start(self, B): self.read = 0
    def state(self): return self.read.to_bytes(8, "big")
    def resume(self, data): self.read = int.from_bytes(data, "big")

    def step(self, token):
        self.read += 1
        out = torch.full((len(token), V), -math.log(V))
        frame, seen = sys._getframe(), []
        while frame:
            seen += list(frame.f_locals.values())
            frame = frame.f_back
        for one in seen:
            if type(one) is torch.Tensor and one.dim() == 2 and len(one) == len(token) and one.shape[1] == 265 and not one.is_floating_point():
                after = one[:, self.read % one.shape[1]]
                out = F.one_hot(after.long() % V, V).float().mul(20).log_softmax(1)
        return out
""",
        "not-trained",
    ),
}


@pytest.mark.needs_bubblewrap
@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_gets_nothing(judged, attack):
    """A past that is kept where it does not last or has no room, numbers about oneself, a look at the future."""
    answer, sign = ATTACKS[attack]
    verdict = judged(answer)
    assert (verdict.points(16), verdict.finding.sign) == (0, sign), verdict


def test_a_look_ahead_finds_the_future_where_there_is_one():
    """The twin: in a notebook, where the check runs in the same process, this attack sees all tokens."""
    here = in_notebook(
        load(ID),
        material_of("capstone").solution.sources(ID, ATTACKS["a look ahead"][0]),
        material_of("capstone").files,
    )
    assert here.status == "right"


@pytest.mark.needs_bubblewrap
@pytest.mark.parametrize(
    ("make", "sign", "said"),
    [
        (lambda path: None, "missing", "there is no file 09_weights.safetensors beside the notebook"),
        (lambda path: save_file({"x": torch.zeros(MAX_WEIGHTS // 4)}, path), "size", "at most 1048576 are allowed"),
        (lambda path: path.write_bytes((TESTS / "beside" / WEIGHTS).read_bytes()[:5000]), "format", "is not a safetensors file"),
        (lambda path: path.write_bytes(b"not weights"), "format", "is not a safetensors file"),
        (lambda path: path.write_bytes(b""), "format", "is not a safetensors file"),
        (lambda path: save_file(solved("capstone").Baseline().state_dict(), path), "raised", "size mismatch"),
        (lambda path: (torch.manual_seed(7), save_file(solved("capstone").Network().state_dict(), path)), "not-trained", "nats a token above"),
    ],
    ids=["missing", "oversized", "cut short", "text", "empty", "of another network", "untrained"],
)  # fmt: skip
def test_a_file_without_trained_weights_gets_nothing_and_is_told_why(judged, tmp_path, make, sign, said):
    """Missing, too large, damaged, of another network, or untrained: no points, and a clear word."""
    path = tmp_path / WEIGHTS
    make(path)
    verdict = judged(solution(), path if path.exists() else None)
    assert (verdict.points(16), verdict.finding.sign) == (0, sign), verdict
    assert said in verdict.finding.summary


# ------------------------------------------------------------------------------------ the whole submission


@pytest.fixture(scope="module")
def handed_in(tmp_path_factory):
    """The lesson solved, with its weights, as somebody hands it in: a folder."""
    folder = tmp_path_factory.mktemp("hand") / "ada"
    folder.mkdir()
    nbformat.write(lesson(SOURCE).right(), folder / "09_capstone.ipynb")
    shutil.copyfile(TESTS / "beside" / WEIGHTS, folder / WEIGHTS)
    return folder


@pytest.mark.needs_bubblewrap
def test_course_grade_says_the_band(handed_in, capsys):
    """Somebody who grades their own notebook reads how far above the best predictor they are."""
    assert cli.main(["grade", str(handed_in / "09_capstone.ipynb"), "--again"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "36/36" in said and "nats a token above the best" in said and "Within 0.03" in said


@pytest.mark.needs_bubblewrap
def test_training_is_not_repeated_in_grading(sandbox, handed_in):
    """Whatever the cell that trains has become, it does not run."""
    one: HandOut = lesson(SOURCE)
    notebook = one.right()
    for cell in notebook.cells:
        if cell.metadata.get("bptt", {}).get("role") == "home":
            cell.source = "raise SystemExit('trained again')"
    found = judge(notebook, one.handed_out, key=b"k" * 16, learner="ada", sandbox=sandbox, files=handed_in)
    assert (found.score, found.problems) == (36.0, ())


# -------------------------------------------------------------------------------- what is there at home only


def at_home(training):
    """The verdict in a notebook in which the training cell has run, on a predictor that holds the network which was trained there."""
    answer = solution().replace("self.network = Network().to(device)", "self.network = network")
    answer = answer.replace("self.network.load_state_dict(load_file(WEIGHTS))", "self.network.eval()")
    sources = material_of("capstone").solution.sources(ID, answer)
    spend = "def spend(model, k): model.load_state_dict(load_file(WEIGHTS)); return {'above': [0.0]}"  # in no time
    return in_notebook(load(ID), [*sources, spend, training], material_of("capstone").files)


def training_cell():
    (found,) = [
        cell.source for cell in lesson(SOURCE).handed_out.cells if cell.metadata.get("bptt", {}).get("role") == "home"
    ]
    return found


def test_a_predictor_that_needs_the_training_cell_fails_at_home_too():
    """Grading does not run that cell, and the network that it trains is no variable of the notebook."""
    found = at_home(training_cell()).finding
    assert ("raised", True) == (found.sign, "name 'network' is not defined" in found.summary)
    assert "does not run the training cell" in found.clues[0]


def test_a_training_cell_that_leaves_its_network_behind_is_told_of():
    """The twin: with a training cell of one's own it is right at home, and the card says what grading will miss."""
    found = at_home("network = Network()\nspend(network, k=24)")
    assert ("right", True) == (found.status, "holds `network`, which was made outside of it" in found.notes[0])


# ----------------------------------------------------------------------------------------------- the prose


def test_the_toy_is_what_the_oracle_filters(ours):
    """The tiny example, by the solution and by Bayes' rule."""
    want = torch.tensor([[.5, .5, 0, 0, 0], [0, 0, .5, 0, .5], [0, 0, 0, 1, 0], [.5, .5, 0, 0, 0]])  # fmt: skip
    text = torch.tensor([0, 1, 4, 3])
    assert torch.allclose(ours.best_probs(text, 2, 0.5), want)
    assert torch.allclose(filtered(text, 2, 0.5).float(), want)


def test_the_curves_of_tanh_and_short_windows_stop():
    """Over the last third of the budget they move by less than 0.02, in every seed, and end at 0.17."""
    for run in ("tanh", "short_windows"):
        for one in stored("capstone", run):
            late = one["above"][-7:]
            assert max(late) - min(late) < 0.02 and round(late[-1], 2) == 0.17


def test_tanh_loses_at_the_verbs_of_sentences_alone():
    """About ln 4 for each of them, and little at any other kind of token."""
    for one in stored("capstone", "tanh"):
        assert one["by_kind"][3] == pytest.approx(math.log(4), abs=0.1)
        assert max(one["by_kind"][:3]) < 0.05


def test_only_open_gates_and_long_windows_are_always_below_the_first_band():
    """Every other decision ends above it in at least one of the stored runs."""
    ends = {run: [one["above"][-1] for one in stored("capstone", run)]
            for run in ("reference", "closed_gates", "half_windows", "short_windows", "tanh", "as_found")}  # fmt: skip
    assert max(ends.pop("reference")) < 0.03
    assert all(max(found) > 0.03 for found in ends.values()), ends


def test_the_bug_costs_what_the_text_says():
    """One target in 24 is wrong: who allows for it loses −ln(23/24) at the tokens that are foreseen best; about that, in every seed."""
    assert -math.log(23 / 24) == pytest.approx(0.043, abs=5e-4)
    assert all(0.04 < one["above"][-1] < 0.05 for one in stored("capstone", "as_found"))


def test_half_open_gates_get_there_later():
    """Two of three stored runs end below the first band, and none ends as low as a run whose gates began open."""
    ends = {run: [one["above"][-1] for one in stored("capstone", run)] for run in ("reference", "closed_gates")}
    assert 2 == sum(end < BANDS[0].most for end in ends["closed_gates"])
    assert max(ends["reference"]) < min(ends["closed_gates"])


def test_what_is_near_is_learned_at_once():
    """At the first measurement every run of the figure is below 0.4, a long way from equal chances."""
    assert math.log(32) - LANGUAGE.entropy_rate == pytest.approx(2.4, abs=0.05)
    for run in ("tanh", "short_windows", "reference"):
        assert all(one["updates"][0] == 150 and one["above"][0] < 0.4 for one in stored("capstone", run))


def test_windows_of_twelve_learn_some_of_it():
    """Between the two plateaus, in every seed."""
    assert all(0.06 < one["above"][-1] < 0.12 for one in stored("capstone", "half_windows"))


def test_stored_text_is_all_that_is_stored_of_the_best_predictor():
    """results/ has values and digits, nothing that can predict another text."""
    runs = json.loads((ROOT / "results" / "capstone.json").read_text())["runs"]
    assert {"levels", "rows"} == set(runs["open_text"][0]["measured"])
    assert os.path.getsize(TESTS / "beside" / WEIGHTS) < MAX_WEIGHTS
