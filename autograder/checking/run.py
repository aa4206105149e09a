"""One check on one student: a Verdict. The notebook and the judge run exactly this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from autograder.beside import advice
from autograder.beside.hygiene import full_precision
from autograder.beside.wire import flags, tensors
from autograder.checking.confirm import Asking, asking
from autograder.checking.draw import Draw
from autograder.checking.expect import expect
from autograder.checking.means import rules
from autograder.checking.means.exact import judge_digits
from autograder.checking.reading import remarks
from autograder.checking.recall import is_proven
from autograder.checking.spec import Check, CheckError, Finding, LearnerFailed, Noted, Verdict, Wrong, registered
from autograder.checking.student import Student, Transport

Standins = Mapping[str, str]  # learner's name -> id of the check whose stand-in replaces it


def run_check(check: Check, transport: Transport, draw: Draw, cells: Sequence[str] = ()) -> Verdict:
    """Judge `check` on the learner behind `transport`, with the numbers of `draw`, as a notebook does.

    Where it is not right, it is judged again with right stand-ins for those exercises it needs that are not right themselves.
    """
    first = judge_alone(check, transport, draw, cells)
    if first.right or not check.needs or first.ending.ends or first.ending.read:
        return first
    every = first.status == "forbidden"  # perhaps by what it calls: even a right answer may use what another may not
    lent = {
        one.of: one.id
        for one in lendable(check)
        if every or not (is_proven(one.id) or judge_alone(one, transport, draw, cells, messages=False).right)
    }
    return told(first, judge_with(lent, check, transport, draw, cells)) if lent else first


def lendable(check: Check) -> list[Check]:
    """The exercises that `check` builds on and for which there is a right stand-in."""
    return [one for one in map(registered, check.needs) if one.standin is not None]


def told(alone: Verdict, with_standins: Verdict) -> Verdict:
    """Which of two verdicts on one check is shown: the one with stand-ins, unless it found the same or nothing."""
    if with_standins.right and alone.status == "forbidden":
        note = "Another exercise that it calls uses what is ruled out here. This check was run with a correct one in its place."
        return replace(with_standins, notes=(*with_standins.notes[:-1], note))
    if with_standins.right or not alone.finding or not with_standins.finding:
        return with_standins
    same = with_standins.finding.sign == alone.finding.sign
    return alone if same or with_standins.ending.ends else with_standins


def lend(check_id: str, args: tuple[Any, ...], toward: Sequence[Tensor] | None = None) -> Any:
    """What the stand-in of a check returns for these arguments: a right answer, for the exercises that build on it.

    `args` are plain values; tensors that required a gradient on the learner's side do so here (wire.flags). `toward` has an upstream
    gradient for each tensor of the result that has a graph; with it, the gradients of those arguments come back instead, in the
    order of `wire.tensors(args)`.
    """
    standin = registered(check_id).standin
    if standin is None:
        raise CheckError(f"{check_id} has no stand-in to lend")
    asked = [tensor.requires_grad_() for _, tensor in tensors(args) if flags(tensor).requires_grad]
    with torch.enable_grad():
        value = standin(*args)
    if toward is None:
        return value
    made = [tensor for _, tensor in tensors(value) if tensor.requires_grad]
    return list(torch.autograd.grad(made, asked, list(toward), allow_unused=True))


def _once(check: Check, transport: Transport, draw: Draw, student: Student, this: Asking | None = None) -> Verdict:
    """One run of the body on the draw from its beginning."""
    draw = draw.again()
    try:
        transport.begin(check)
        with (
            full_precision(draw.device),
            torch.enable_grad(),
            asking(this or Asking()),
        ):  # a cell may have turned it off
            outcome = check.body(student, draw)
    except Wrong as wrong:
        finding = wrong.finding
        if student.changed:
            clue = f"The call changed its argument {student.changed[0]}. That alone may explain the rest."
            finding = replace(finding, clues=(clue, *finding.clues))
        return Verdict(check.id, "wrong", check.claim, student.last, finding)
    except LearnerFailed as failed:
        return Verdict(check.id, failed.status, check.claim, student.last, failed.finding)
    except CheckError:
        raise
    except Exception as error:  # our own fault: say so, and do not blame the learner
        if clues := advice.on_a_broken_gpu(error):  # it surfaces wherever the GPU is waited for, perhaps here
            finding = Finding("raised", f"{check.of} caused an error on the GPU", clues=clues)
            return Verdict(check.id, "error", check.claim, student.last, finding)
        finding = Finding("broken", f"the check {check.id} itself failed: {type(error).__name__}: {error}")
        return Verdict(check.id, "broken", check.claim, student.last, finding)
    if student.changed:
        finding = Finding(
            "changed-input",
            f"the values are right, but the call changed its argument {student.changed[0]}",
            clues=(STILL_NEEDED[student.changed[0].endswith(" now")],),
        )
        return Verdict(check.id, "wrong", check.claim, student.last, finding)
    credit, note = _outcome(outcome)
    noted = isinstance(outcome, Noted)
    return Verdict(check.id, "right", check.claim, "", None, (note,) if note else (), credit, noted=noted)


STILL_NEEDED = {
    False: "The caller still needs that tensor. Which line writes into it: `+=`, `*=`, `[...] =`, or a method whose name ends in `_`?",
    True: "What is handed in belongs to the caller. Which line does this to it, and what would do it to a copy of your own?",
}


def _outcome(outcome: Any) -> tuple[float, str]:
    if isinstance(outcome, tuple):
        return float(outcome[0]), str(outcome[1])
    if isinstance(outcome, str):
        return 1.0, outcome
    return (1.0 if outcome is None else float(outcome)), ""


def judge_alone(
    check: Check,
    transport: Transport,
    draw: Draw,
    cells: Sequence[str] = (),
    lent: Mapping[str, str] = {},
    messages: bool = True,
) -> Verdict:
    """Judge `check` on what the learner has written and what is `lent`. Never raises for anything the learner's code does.

    Means that are ruled out come first, then the values; last, if all is right, whether the answer would mix devices on a GPU: none
    is needed. `cells` are the sources of the learner's cells in the order in which they ran. Without `messages` only the status
    counts, and what a message names is not confirmed.
    """
    student, this = Student(transport, check.of, lent=lent, watch=rules.watch(check.forbid)), Asking()
    verdict = _once(check, transport, draw, student, this)
    if messages:
        verdict = _confirmed(verdict, this, check, transport, draw, lent)
        if student.changed and verdict.finding is not None and " + " in verdict.finding.sign:
            # The change is one mistake already: two more are too many to be told apart.
            verdict = _once(check, transport, draw, Student(transport, check.of, lent=lent), Asking(silent=True))
        verdict = _looked_into(verdict, check, transport, draw, cells, lent)
    if check.forbid:
        text = rules.Text(cells, check.of, [registered(id).of for id in check.needs])
        if found := rules.forbidden(check.forbid, student.seen, text):
            return Verdict(check.id, "forbidden", check.claim, check.of, found)
        if verdict.right and check.exact is not None:
            verdict = _exact(check, transport, draw, lent, text) or verdict
        if verdict.right and (found := rules.unclear(student.seen, text)):
            return Verdict(check.id, "look", check.claim, check.of, found)
        if verdict.status in ("wrong", "error") and verdict.finding is not None:
            verdict = replace(verdict, finding=rules.with_a_word(verdict.finding, check.forbid, text))
    if not verdict.right or not check.hygiene or draw.device.type != "cpu":
        return verdict
    pretended = _once(check, transport, draw, Student(transport, check.of, lent=lent, pretend=True))
    if not pretended.finding or pretended.finding.sign != "device":
        return verdict
    summary = f"the values are right, but {pretended.finding.summary}"
    return replace(pretended, finding=replace(pretended.finding, summary=summary))


ROUNDS = 6  # how often a message is put together again without what it named


def _confirmed(
    verdict: Verdict, this: Asking, check: Check, transport: Transport, draw: Draw, lent: Standins
) -> Verdict:
    """A wrong verdict that names only mistakes which give the answer in every case, and on other sizes too."""
    for number in range(ROUNDS):
        if verdict.status != "wrong" or not this.named:
            break
        trial = Asking(ruled_out=set(this.ruled_out), trial=list(this.named))
        for numbers in (draw, draw.on_other_sizes()):
            _once(check, transport, numbers, Student(transport, check.of, lent=lent), trial)
        if trial.ruled_out == this.ruled_out:
            break
        this = Asking(trial.ruled_out, silent=number == ROUNDS - 2)
        again = _once(check, transport, draw, Student(transport, check.of, lent=lent), this)
        if again.status != "wrong":  # it answers otherwise when it is asked again
            break
        verdict = again
    return verdict


# Signs that say what is seen and not where it comes from.
VAGUE = ("value", "type", "shape", "length", "not-stacked", "missing-axis", "extra-axis", "one-too-few", "one-too-many",
         "extra-item", "missing-item", "none", "raised", "worse-going-on", "worse-going-back", "first-row-only")  # fmt: skip
UNSTEADY = Finding(
    "unsteady", "asked a second time with the same arguments, it answers otherwise",
    clues=("What is drawn at random, or kept from one call to the next: a list made as a default argument, a global name, an attribute?",),
)  # fmt: skip


def _looked_into(
    verdict: Verdict, check: Check, transport: Transport, draw: Draw, cells: Sequence[str], lent: Standins
) -> Verdict:
    """The same verdict; where its sign is a vague one, first what the text shows, or that another call gives another answer."""
    finding = verdict.finding
    if finding is None or verdict.status not in ("wrong", "error") or finding.sign not in VAGUE:
        return verdict
    found = remarks(cells, check.of)
    if verdict.status == "error":  # what was raised says more than where a name comes from
        found = [clue for clue in found if clue.sign != "name-of-the-notebook"]
    clues = found[:1]
    if not clues and verdict.status == "wrong":
        one, other = (
            _once(check, transport, draw, Student(transport, check.of, lent=lent), Asking(silent=True)).finding
            for _ in range(2)
        )
        if one is None or other is None or one.summary != other.summary:
            return replace(verdict, finding=UNSTEADY)
    said = tuple(clue.says for clue in clues)
    return (
        replace(verdict, finding=replace(finding, sign=clues[0].sign, clues=(*said, *finding.clues)))
        if clues
        else verdict
    )


def _exact(check: Check, transport: Transport, draw: Draw, lent: Standins, text: rules.Text) -> Verdict | None:
    """What speaks against a right answer in one more case, on numbers of its own: too few digits, or a graph where none was begun."""

    def body(student: Student, draw: Draw) -> None:
        assert check.exact is not None
        got, want = check.exact(student, draw)
        expect(got, want)
        if "differences" in check.forbid:
            judge_digits(got, want, rules.named("differences", text) is not None)

    student = Student(transport, check.of, lent=lent, watch=rules.watch(check.forbid, graph=False))
    verdict = _once(replace(check, body=body), transport, Draw(draw.seed ^ 1), student)
    found = rules.forbidden(check.forbid, student.seen, text)
    if found is None and verdict.finding is not None and verdict.finding.sign == "differences":
        found = rules.breach("differences", text, verdict.finding.summary)
    if found is not None:
        return Verdict(check.id, "forbidden", check.claim, check.of, found)
    if not verdict.right:
        return replace(verdict, claim=check.claim)
    if found := rules.unclear(student.seen, text) or rules.recorded(student.seen, check.of):
        return Verdict(check.id, "look", check.claim, check.of, found)
    return None


def judge_with(lent: Standins, check: Check, transport: Transport, draw: Draw, cells: Sequence[str] = ()) -> Verdict:
    """Judge with right stand-ins for some of the learner's names: name -> id of the check that provides it."""
    verdict = judge_alone(check, transport, draw, cells, lent)
    *others, last = lent
    names = f"{', '.join(others)} and {last}" if others else last
    right, place = ("correct", "their place") if others else ("a correct", "its place")
    note = f"Fix {names} first. This check was run with {right} {names} in {place}."
    return replace(verdict, notes=(*verdict.notes, note))
