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
from autograder.checking.draw import Draw
from autograder.checking.means import rules
from autograder.checking.spec import Check, CheckError, Finding, LearnerFailed, Noted, Verdict, Wrong, registered
from autograder.checking.student import Student, Transport

Lent = Mapping[str, str]  # name of the learner's -> id of the check whose stand-in takes its place


def run_check(check: Check, transport: Transport, draw: Draw, cells: Sequence[str] = ()) -> Verdict:
    """Judge `check` on the learner behind `transport`, with the numbers of `draw`.

    `cells` are the sources of the learner's cells in the order in which they ran: forbidden means are read from them.
    Never raises for anything the learner's code does.
    """
    if check.forbid and (seen := rules.inspect(cells, check.of, check.forbid, _judged_there(check))):
        return Verdict(check.id, seen.status, check.claim, check.of, seen.finding)
    verdict = _judged(check, transport, draw)
    if verdict.right or not check.needs or verdict.ending.ends:
        return verdict
    return _with_standins(check, transport, draw, verdict)


def _judged_there(check: Check) -> list[str]:
    """Names of needed exercises: by which means they may be written, their own checks say."""
    return [registered(id).of for id in check.needs]


def lend(check_id: str, args: tuple[Any, ...], toward: Sequence[Tensor] | None = None) -> Any:
    """What the stand-in of a check gives for these arguments: a right answer, lent to the exercises that build on it.

    `args` are plain values; tensors that required a gradient where they come from do so here (wire.flags). With `toward`, the
    gradients of those tensors come back instead, in the order of `wire.tensors(args)`: what autograd makes of `toward`, one
    gradient for each tensor of the result that has a graph.
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


def _once(
    check: Check, transport: Transport, draw: Draw, lent: Mapping[str, str] = {}, pretend: bool = False
) -> Verdict:
    """One run of the body on the draw from its beginning."""
    student = Student(transport, check.of, lent=lent, pretend=pretend)
    draw = Draw(draw.seed, draw.dtype, draw.device)
    try:
        transport.begin(check)
        with full_precision(draw.device):
            outcome = check.body(student, draw)
    except Wrong as wrong:
        finding = wrong.finding
        if student.changed:
            clue = f"The call changed its argument {student.changed[0]} in place. That alone may explain the rest."
            finding = replace(finding, clues=(clue, *finding.clues))
        return Verdict(check.id, "wrong", check.claim, student.last, finding)
    except LearnerFailed as failed:
        return Verdict(check.id, failed.status, check.claim, student.last, failed.finding)
    except CheckError:
        raise
    except Exception as error:  # our own fault: say so, and do not blame the learner
        if clues := advice.on_a_broken_gpu(error):  # it shows where the GPU is waited for, which may be here
            finding = Finding("raised", f"{check.of} ended the work on the GPU", clues=clues)
            return Verdict(check.id, "error", check.claim, student.last, finding)
        finding = Finding("broken", f"the check {check.id} itself failed: {type(error).__name__}: {error}")
        return Verdict(check.id, "broken", check.claim, student.last, finding)
    if student.changed:
        finding = Finding(
            "changed-input",
            f"the values are right, but the call changed its argument {student.changed[0]} in place",
            clues=(
                "Whoever called still needs that tensor. Which line writes into it (`+=`, `*=`, `[...] =`, a name that ends in _)?",
            ),
        )
        return Verdict(check.id, "wrong", check.claim, student.last, finding)
    credit, note = _outcome(outcome)
    noted = isinstance(outcome, Noted)
    return Verdict(check.id, "right", check.claim, "", None, (note,) if note else (), credit, noted)


def _outcome(outcome: Any) -> tuple[float, str]:
    if isinstance(outcome, tuple):
        return float(outcome[0]), str(outcome[1])
    if isinstance(outcome, str):
        return 1.0, outcome
    return (1.0 if outcome is None else float(outcome)), ""


def _judged(check: Check, transport: Transport, draw: Draw, lent: Mapping[str, str] = {}) -> Verdict:
    """The verdict on the values, and, where they are right, on whether the answer would mix devices on a GPU: seen without one."""
    first = _once(check, transport, draw, lent)
    if not first.right or not check.hygiene or draw.device.type != "cpu":
        return first
    second = _once(check, transport, draw, lent, pretend=True)
    if not second.finding or second.finding.sign != "device":
        return first
    summary = f"the values are right, but {second.finding.summary}"
    return replace(second, finding=replace(second.finding, summary=summary))


def _with_standins(check: Check, transport: Transport, draw: Draw, first: Verdict) -> Verdict:
    """Judge again with right stand-ins for those needed exercises that are wrong themselves, if that makes a difference."""
    lent = {one.of: one.id for one in map(registered, check.needs) if _wrong_itself(one, transport, draw)}
    second = judge_with(lent, check, transport, draw) if lent else first
    return first if second.finding == first.finding else second


def _wrong_itself(needed: Check, transport: Transport, draw: Draw) -> bool:
    """Whether an exercise that can be lent is wrong, also where those that it needs itself are right."""
    if needed.standin is None:
        return False
    verdict = _judged(needed, transport, draw)
    return not verdict.right and not _with_standins(needed, transport, draw, verdict).right


def judge_with(lent: Lent, check: Check, transport: Transport, draw: Draw) -> Verdict:
    """Judge with right stand-ins for some of the learner's names: name -> id of the check that lends it."""
    verdict = _judged(check, transport, draw, lent)
    names, place = " and ".join(lent), "its place" if len(lent) == 1 else "their places"
    note = f"Mend {names} first. This was judged with a correct {names} in {place}."
    return replace(verdict, notes=(*verdict.notes, note))
