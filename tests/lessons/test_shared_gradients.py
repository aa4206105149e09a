"""Lesson 02: no mistake hides on any draw, no two look the same, and what is not on the list still gets a clue."""

import ast
import itertools
import json
import re
from collections import Counter

import pytest
import torch

from autograder.authoring.verify import in_notebook
from autograder.checking.compare import first_difference
from autograder.checking.draw import Draw
from autograder.checking.expect import on_error
from autograder.checking.spec import Finding, LearnerFailed, Wrong
from autograder.house import RESULTS, ROOT, SOLUTIONS
from autograder.lessons import load
from autograder.lessons.shared_gradients import checks
from autograder.lessons.shared_gradients import evidence as clues
from autograder.lessons.shared_gradients.mistakes import every_step, jacobian, step, sweep, untied
from tests.submissions import material_of

LESSON = SOLUTIONS / "02_shared_gradients.py"
# Quoted in a drop-down, and said by PyTorch.
BY_TORCH = {
    "Trying to backward through the graph a second time",
    "grad can be implicitly created only for scalar outputs",
}


def cases(seed: int):
    """(reference, inputs, right value) for each hand-written gradient, with the sizes of its first case."""
    draw = Draw(seed)
    params = draw.params(2, 4)
    x, h0, dh_T = draw.normal(3, 5, 2), draw.normal(3, 4, scale=0.5), draw.normal(3, 4)
    yield untied.untied_gradients, (x, h0, params, dh_T), checks.untied_by_autograd(x, h0, params, dh_T)
    yield sweep.bptt_last, (x, h0, params, dh_T), checks.last_by_autograd(x, h0, params, dh_T)
    one = checks._step_inputs(draw, 3, 2, 4, params)
    yield step.rnn_step_backward, (*one, params), checks.step_by_autograd(*one, params)
    yield jacobian.total_jacobian, (x[0], h0[0], params), checks.total_by_func(x[0], h0[0], params)
    h_t, h_prev = draw.uniform(4, low=-0.9, high=0.9), draw.uniform(4, low=-0.9, high=0.9)
    right = checks.immediate_by_func(h_t, h_prev, draw.normal(4, 4))
    yield jacobian.immediate_jacobian, (h_t, h_prev), right
    params, targets = draw.params(2, 4, 7), draw.integers(0, 7, 3, 5)
    right = checks.every_by_autograd(x, h0, params, targets)
    yield every_step.bptt_every_step, (x, h0, params, targets), right


@pytest.mark.parametrize("seed", range(3))
def test_no_named_mistake_hides(seed):
    """On every draw each named mistake changes the result, and no two of them give the same one."""
    for reference, inputs, right in cases(seed):
        assert first_difference(reference(*inputs), right) is None, reference.name
        values = {id: reference(*inputs, slips=(id,)) for id in reference.slips}
        hidden = [id for id, value in values.items() if first_difference(value, right) is None]
        assert hidden == [], reference.name
        same = [(a, b) for a, b in itertools.combinations(values, 2) if first_difference(values[a], values[b]) is None]
        assert same == [], reference.name


def test_every_named_mistake_has_words_of_its_own():
    """No two mistakes of one exercise are described in the same words."""
    for reference, _, _ in cases(0):
        said = Counter(slip.says for slip in reference.slips.values())
        assert [words for words, times in said.items() if times > 1] == []


def test_there_are_wrong_answers_enough():
    """At least 25 mistakes of bptt_every_step are tried, and at least 10 of each other hand-written gradient."""
    tried = Counter(of for of, _ in {(s.of, s.label) for s in material_of("shared_gradients").wrong})
    assert tried["shared-gradients-bptt"] >= 25
    least = min(
        tried[f"shared-gradients-{name}"] for name in ("untied", "step-backward", "bptt-last", "immediate", "total")
    )
    assert least >= 10
    assert tried["shared-gradients-finite-difference"] >= 6


def found(spoil) -> Wrong:
    """What the check of bptt_every_step says of right gradients that `spoil(grads)` has changed."""
    draw = Draw(1)
    params, targets = draw.params(2, 4, 7), draw.integers(0, 7, 3, 5)
    x, h0 = draw.normal(3, 5, 2), draw.normal(3, 4)
    loss, grads = checks.every_by_autograd(x, h0, params, targets)
    spoil(grads)
    with pytest.raises(Wrong) as caught:
        checks._expect_every((loss, grads), x, h0, params, targets)
    return caught.value.finding


def test_an_unknown_mistake_is_narrowed_down_to_the_tensors_that_are_wrong():
    """Where no mistake is recognised, the card says which gradients are right and which are wrong."""
    finding = found(lambda grads: grads.update(weight_hh=torch.sin(grads["weight_hh"])))
    assert "All other parts are right; only grads['weight_hh'] is wrong." in finding.clues


def test_an_unknown_mistake_in_the_sweep_is_placed_in_time():
    """Where the gradient of x shows from which step on it is wrong, the card says so."""

    def spoil(grads):
        grads["x"][:, :3] *= 1.7
        grads["weight_hh"] = torch.sin(grads["weight_hh"])

    assert any("t = 3" in clue for clue in found(spoil).clues)


def test_a_wrong_factor_is_named():
    """A gradient that is off by a factor of its own is called right in direction."""
    finding = found(lambda grads: grads.update(weight_ih=grads["weight_ih"] * 2))
    assert finding.sign == "factor" and "same factor, 2" in finding.clues[0]


def test_where_the_read_out_is_wrong_the_card_begins_there():
    """The gradients of the read-out come before the sweep, so an unknown mistake is looked for in the scores first."""

    def spoil(grads):
        for name, value in grads.items():
            grads[name] = torch.sin(value)

    assert any("gradients of the read-out are not" in clue for clue in found(spoil).clues)


def said() -> list[str]:
    """All that cards can say: the strings of the autograder, each hole in them as {}."""
    texts = []
    for path in (ROOT / "autograder").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
                texts.append("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return [text.replace("`", "") for text in texts]


def quotes() -> list[str]:
    """What the drop-downs "My check fails with…" quote from cards, in italics before the colon."""
    source = re.sub(r"\n# +", " ", LESSON.read_text().replace("\n# - ", "\n- "))
    lines = [
        line for part in source.split("My check fails with…")[1:] for line in part.split("</details>")[0].split("\n- ")
    ]
    return [
        quote.replace("`", "")
        for line in lines[1:]
        for quote in re.findall(r"\*([^*]+)\*(?=[^*]*:|,? or \*)", line[:160])
    ]


def test_the_drop_downs_quote_what_cards_say():
    """A learner who looks for the words of a card finds them."""
    texts, missing = said(), []
    for quote in quotes():
        words = quote.split()
        holes = {" ".join(words[i : i + n]) for i in range(len(words)) for n in range(1, 5)}
        filled = [text.replace("{}", hole) for hole in holes for text in texts if "{}" in text]
        if not any(all(part.strip() in text for part in quote.split("…")) for text in [*texts, *filled]):
            missing.append(quote)
    assert set(missing) <= BY_TORCH and len(quotes()) > 40


def test_an_error_is_asked_about_in_the_words_of_the_exercise():
    """A graph that was freed is no state that carries its history here; any other error keeps the clue that it has."""
    texts = {"Trying to backward through the graph a second time": "retain_graph=True", "something else": "as it was"}
    for text, clue in texts.items():
        with pytest.raises(LearnerFailed) as caught, on_error(*clues.UNTIED):
            raise LearnerFailed("error", Finding("raised", text, clues=("as it was",)))
        assert clue in caught.value.finding.clues[0]


def test_the_bug_as_it_was_found_is_not_given_away():
    """The untouched program's card says which gradients are wrong, and nothing of the line that makes them so."""
    (source,) = [s.source for s in material_of("shared_gradients").wrong if s.label == "as-found"]
    finding = in_notebook(load("shared-gradients-bug"), ["import torch", source]).finding
    assert finding.sign == "as-found" and finding.clues[0].startswith("This is the program as it was found.")
    assert not re.search(r"ways|h_\{t-1\}|back|past", " ".join(finding.clues))


def test_training_the_recurrence_for_the_present_alone_spoils_it():
    """For every seed the read-out alone goes on falling, and ends below training by the own step, which falls and rises."""
    for entry in json.loads((RESULTS / "shared_gradients.json").read_text())["runs"]["echo"]:
        own, alone = entry["measured"]["own_step"], entry["measured"]["readout_alone"]
        assert 0.32 <= round(alone[-1], 2) <= 0.44 and alone == sorted(alone, reverse=True)
        assert 0.70 <= round(own[-1], 2) <= 1.00 and own[-1] > min(own) + 0.1


def test_gradients_under_other_names_are_not_called_wrong():
    """What was not compared is not judged: a clue about values wants them under their names. The twin: wrong ones are."""
    want = {"weight_ih": torch.ones(2, 3), "weight_hh": torch.ones(2, 2), "bias": torch.ones(2)}
    assert "" == clues.of_one_step({f"d_{name}": value for name, value in want.items()}, want)
    assert "" == clues.of_one_step({}, want)
    assert "all three parameters are wrong" in clues.of_one_step(
        {name: 2 * value for name, value in want.items()}, want
    )
    every = want | {"weight_out": torch.ones(3, 2), "bias_out": torch.ones(3), "x": torch.ones(1, 2, 3)}
    renamed = {name: every[name] for name in ("weight_ih", "weight_hh", "bias")}
    assert "gradients of the read-out are not" not in clues.of_every_step(
        (torch.tensor(1.0), renamed), (torch.tensor(1.0), every)
    )
