"""Does a message name only what gives the answer in every case, and on other sizes too?"""

import pytest

from autograder.authoring.verify import misnamed
from autograder.beside.beside import Beside
from autograder.checking import confirm
from autograder.checking.confirm import Asking, Guess, asking
from autograder.checking.draw import Draw
from autograder.checking.expect import expect
from autograder.checking.run import judge_alone
from autograder.checking.spec import Check, Slip, Wrong, reference


@reference(
    Slip("added", "the sizes are added", "Is a sum asked for?"),
    Slip("doubled", "B is counted twice", "How often is B counted?"),
)
def product(slips, B, T):
    return B + T if "added" in slips else 2 * B if "doubled" in slips else B * T


def told(answer, *cases):
    """The verdict on `answer(B, T)` where B · T is asked for."""

    def body(student, draw):
        """Claims that it is the product."""
        for B, T in draw.cases("B T", *cases):
            expect(student.answer(B, T), B * T, "the product", slips=product.on(B, T))

    return judge_alone(Check("x-y", "answer", body, hygiene=False), Beside({"answer": answer}), Draw(7))


def test_a_mistake_that_fits_every_case_is_named():
    """The sum of the sizes, in both cases and on other sizes."""
    assert told(lambda B, T: B + T, (3, 5), (4, 7)).finding.sign == "added"


def test_one_that_fits_by_chance_is_not():
    """3 + 3 is 2 · 3: in the other case, or on other sizes, it is only one of the two."""
    assert told(lambda B, T: B + T, (3, 3), (4, 7)).finding.sign == "added"
    assert told(lambda B, T: 2 * B, (3, 3), (4, 7)).finding.sign == "doubled"
    assert told(lambda B, T: 8, (3, 5)).finding.sign not in ("added", "doubled")


def test_two_that_cannot_be_told_apart_are_both_offered():
    """With B = T in every case nothing tells the two."""
    assert told(lambda B, T: 2 * B, (3, 3), (4, 4)).finding.sign == "added | doubled"


def test_the_points_do_not_depend_on_it():
    """A right answer is asked once; what is asked of a wrong one afterwards may only change its finding."""
    asked = []
    assert told(lambda B, T: asked.append(B) or B * T, (3, 5)).right and asked == [3]
    again = iter([8, 15, 15, 15, 15, 15])
    assert told(lambda B, T: next(again), (3, 5)).status == "wrong"


def test_what_was_ruled_out_is_not_named():
    """And while a guess is on trial nothing is raised."""
    with asking(Asking(ruled_out={Guess("product", frozenset({"added"}))})), pytest.raises(Wrong) as wrong:
        expect(8, 15, slips=product.on(3, 5))
    assert wrong.value.finding.sign != "added"
    guess = Guess("product", frozenset({"added"}))
    with asking(Asking(trial=[guess])) as trial:
        expect(8, 15, slips=product.on(3, 5))
        assert not trial.ruled_out
        expect(9, 15, slips=product.on(3, 5))
    assert trial.ruled_out == {guess}
    assert confirm.now().trial is None


def test_without_its_name_a_mistake_gets_no_other():
    """2 B is no sum of sizes; the twin: where B is T in every case, it is taken for one, and `course verify` would say so."""
    judge = lambda *cases: lambda check, sources: told(lambda B, T: 2 * B, *cases)  # noqa: E731
    check = Check("x-y", "answer", lambda student, draw: None)
    assert misnamed(check, [], "doubled", judge((3, 5), (4, 7))) is None
    other = misnamed(check, [], "doubled", judge((3, 3), (4, 4)))
    assert other is not None and other.finding.sign == "added"


def test_a_general_sign_is_no_name():
    """Only what a reference can name may be asserted wrongly."""
    check = Check("x-y", "answer", lambda student, draw: None)
    assert misnamed(check, [], "value", lambda check, sources: told(lambda B, T: 8, (3, 5))) is None
