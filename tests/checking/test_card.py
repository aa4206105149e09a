"""Is a card safe to show, and does its text version say the same?"""

from autograder.checking import card
from autograder.checking.spec import Finding, Verdict

WRONG = Verdict("c-x", "wrong", "`x` is <b>.", "x(1)", Finding("s", "x is <script>", "step 2", ("A `clue`?",)))


def test_nothing_from_the_learner_becomes_markup():
    """Text from the learner is escaped."""
    assert "<script>" not in card.html(WRONG)
    assert "&lt;script&gt;" in card.html(WRONG)


def test_text_and_html_say_the_same():
    """Every line of the finding is in both."""
    for part in ("Asked", "Found", "Where", "step 2", "Clue"):
        assert part in card.text(WRONG) and part in card.html(WRONG)


def test_backticks_become_code():
    """`this` is set as code."""
    assert "A <code>clue</code>?" in card.html(WRONG)


def test_partial_credit_is_said():
    """The headline of a right answer in a lower band gives its share."""
    assert "60%" in card.headline(Verdict("c-x", "right", credit=0.6))
