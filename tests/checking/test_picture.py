"""Does a card show the shape of an error, in a picture and in numbers, and only where there is one to show?"""

import json
import re
from dataclasses import asdict

import pytest
import torch

from autograder.checking import card
from autograder.checking.compare import first_difference
from autograder.checking.expect import expect
from autograder.checking.picture import drawn
from autograder.checking.spec import Finding, Verdict, Wrong
from autograder.judge.store import from_plain

WANT = torch.arange(1.0, 25.0, dtype=torch.float64).reshape(2, 4, 3)  # (B, T, H)


def picture(got, want=WANT, axes="B T H"):
    return drawn(first_difference(got, want, "states", axes))


def off_at(*steps):
    got = WANT.clone()
    for step in steps:
        got[1, step - 1, 2] += 12 * step
    return got


def verdict(got, axes="B T H", want=WANT):
    with pytest.raises(Wrong) as raised:
        expect(got, want, "states", axes)
    return Verdict("c-x", "wrong", "claim", "x(1)", raised.value.finding)


def test_each_step_has_its_largest_error():
    """Relative to the largest entry expected, 24; a right step has exactly 0."""
    assert picture(off_at(2, 4)).errors == (0, 1, 0, 2)


def test_a_number_for_each_step_has_a_bar_too():
    """A tensor with no axis but time."""
    assert picture(torch.tensor([1.0, 2.0, 7.0]), torch.tensor([1.0, 2.0, 4.0]), "T").errors == (0, 0, 0.75)


def test_steps_are_counted_as_the_check_counts_them():
    """T begins at 1, T0 at 0."""
    assert [picture(off_at(2), axes=axes).first for axes in ("B T H", "B T0 H")] == [1, 0]


def test_the_card_draws_a_bar_for_each_step_and_says_the_same_in_words():
    """Four bars, one of them in the colour of what is wrong; who cannot see them hears what the text says."""
    shown = verdict(off_at(3))
    html, text = card.html(shown), card.text(shown)
    bars = re.findall(r'<rect [^>]*height="([\d.]+)" fill="(#\w+)"', html)
    assert [float(height) for height, _ in bars] == [2, 2, 40, 2]
    assert [colour for _, colour in bars].count(bars[2][1]) == 1
    said = "t=1…2 right; t=3 off by 150%; t=4 right"
    assert said in text and said in re.search(r'aria-label="([^"]*)"', html)[1]


def test_small_tensors_are_shown_whole_with_the_wrong_entries_marked():
    """Both as numbers, one marked; in a terminal with a star."""
    want = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    got = want.clone()
    got[1, 0] = -7
    shown = verdict(got, "H H", want)
    assert card.html(shown).count("background:#b84f00;color:#fff;font-weight:600") == 1
    assert re.search(r"-7\*", card.text(shown)) and card.text(shown).count("*") == 2  # the mark, and what it means


@pytest.mark.parametrize(
    "got, want, axes",
    [
        (torch.zeros(9, 9), torch.ones(9, 9), "H H"),
        (torch.full((2, 3), float("nan")), torch.ones(2, 3), "B H"),
        (torch.zeros(2, 100, 1), torch.ones(2, 100, 1), "B T H"),
        (torch.tensor(1.0), torch.tensor(2.0), ""),
        (torch.zeros(2, 3), torch.ones(3, 2), "B H"),
    ],
    ids=["large", "nan", "long", "one number", "another shape"],
)
def test_nothing_is_drawn_where_it_would_say_nothing(got, want, axes):
    """The words are enough there."""
    assert picture(got, want, axes) is None


@pytest.mark.parametrize("got, axes, want", [(off_at(2), "B T H", WANT), (torch.zeros(2, 2), "H H", torch.eye(2))])
def test_a_kept_verdict_has_its_picture_again(got, axes, want):
    """Through JSON and back."""
    before = verdict(got, axes, want)
    assert before.finding.picture is not None
    assert from_plain(json.loads(json.dumps(asdict(before)))) == before


def test_a_finding_without_one_is_read_as_before():
    """Verdicts that were kept before there were pictures."""
    plain = asdict(Verdict("c-x", "wrong", finding=Finding("s", "x")))
    del plain["finding"]["picture"]
    assert from_plain(plain).finding == Finding("s", "x")
