"""Lesson 01: no mistake hides on any draw, and no two look the same unless the card says both."""

import itertools
import re
from collections import Counter

import pytest
import torch

from autograder import house
from autograder.authoring.source import read
from autograder.authoring.verify import in_notebook
from autograder.checking import card
from autograder.checking.compare import first_difference
from autograder.checking.draw import Draw
from autograder.lessons import load_lesson
from autograder.lessons.unrolled_graph.checks import PADDINGS, _filled
from autograder.lessons.unrolled_graph.mistakes import computed as mistakes
from autograder.lessons.unrolled_graph.mistakes import counts as miscounts
from autograder.lessons.unrolled_graph.mistakes.padded import unroll_padded
from autograder.lessons.unrolled_graph.oracles import arrows, entries, one_by_one, standin_unroll, step_by_cell
from tests.submissions import material_of

# Mistakes that no number tells apart: the card names both.
BOTH = {("two-biases", "with-h0")}


def cases(seed: int):
    """(reference, inputs, right value) for what is judged by numbers, with the sizes of its first case."""
    draw = Draw(seed)
    params, x_t, h_prev = draw.params(3, 4), draw.normal(2, 3), draw.normal(2, 4)
    yield mistakes.rnn_step, (x_t, h_prev, params), step_by_cell(x_t, h_prev, params)
    params, x, h0 = draw.params(3, 4), draw.normal(2, 5, 3), draw.normal(2, 4)
    yield mistakes.unroll, (x, h0, params), standin_unroll(x, h0, params)
    params, x, h0, sizes = draw.params(2, 4), draw.normal(3, 5, 2), draw.normal(3, 4), [3, 5, 2]
    yield unroll_padded, (x, h0, torch.tensor(sizes), params), one_by_one(x, h0, sizes, params)
    yield miscounts.unrolled_edges, (3,), arrows(3)
    yield miscounts.count_paths, (6,), len(entries(6))
    yield miscounts.parameter_count, (6, 11, 3), 11 * 6 + 11 * 11 + 11 + 3 * 11 + 3


@pytest.mark.parametrize("seed", range(5))
def test_no_named_mistake_hides(seed):
    """On every draw each named mistake changes the result, and no two of them give the same one but those in BOTH."""
    for reference, inputs, right in cases(seed):
        assert first_difference(reference(*inputs), right) is None, reference.name
        values = {id: reference(*inputs, slips=(id,)) for id in reference.slips}
        hidden = [id for id, value in values.items() if first_difference(value, right) is None]
        assert hidden == [], reference.name
        same = {(a, b) for a, b in itertools.combinations(values, 2) if first_difference(values[a], values[b]) is None}
        assert same <= BOTH, reference.name


def test_every_named_mistake_has_words_of_its_own():
    """No two mistakes of one exercise are described in the same words."""
    for reference, _, _ in cases(0):
        said = Counter(slip.says for slip in reference.slips.values())
        assert [words for words, times in said.items() if times > 1] == []


def test_padding_is_filled_behind_the_ends_and_nowhere_else():
    """What stands within a sequence stays as it was."""
    x, lengths = torch.ones(2, 3, 2), torch.tensor([1, 3])
    for numbers in PADDINGS.values():
        filled = _filled(x, lengths, numbers)
        assert bool((filled[0, :1] == 1).all()) and bool((filled[1] == 1).all())
        assert not bool(torch.isfinite(filled[0, 1:]).any())


def quoted(hint: str) -> list[str]:
    """What "My check fails with…" quotes of a card: the words in italics before the colon, split where they leave something out."""
    heads = [
        line.split("*: ")[0] + "*" for line in hint.split("My check fails with")[1].split("\n") if line[:2] == "- "
    ]
    quotes = [quote for head in heads for quote in re.findall(r"\*([^*]+)\*", head[2:])]
    return [piece.strip(" ;") for quote in quotes for piece in quote.split("…") if piece.strip(" ;")]


# What no wrong answer of tests/answers shows: the stub, a cell that was not run, another exercise that is wrong.
ELSEWHERE = re.compile("is not written yet|is not defined|nothing changes|^Fix .* first")


@pytest.mark.parametrize("stem", ["start_here", "unrolled_graph"])
def test_the_drop_downs_quote_what_cards_say(stem):
    """Each symptom by which a learner looks for help stands, word for word, on the card of some wrong answer."""
    tried, checks = material_of(stem), {check.id: check for check in load_lesson(stem)}
    script = house.script(stem)
    hints = {cell.id: cell.source for cell in read(script).cells if cell.role == "hint"}
    said = dict.fromkeys(hints, "")
    for sample in tried.wrong:
        if sample.of in hints:
            verdict = in_notebook(checks[sample.of], tried.solution.sources(sample.of, sample.source))
            said[sample.of] += card.text(verdict) + "\n"
    unsaid = [(of, quote) for of, hint in hints.items() for quote in quoted(hint) if quote not in said[of]]
    assert [one for one in unsaid if not ELSEWHERE.search(one[1])] == []


def test_a_symptom_that_no_card_shows_would_be_found():
    """The twin: quotes are found before the colon, two in a line, and cut where something is left out."""
    hint = "My check fails with…\n- *one … two*, or *three*: and *this* is none\n  *nor this*\n"
    assert quoted(hint) == ["one", "two", "three"]
