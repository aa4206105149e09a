"""Feeds a predictor a hidden stream, token by token, in two processes, and measures it against the best predictor there can be."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from autograder.beside.advice import FACTORS, LAYER_STATE, NAME, SHAPES, Raised
from autograder.checking.describe import describe
from autograder.checking.draw import Draw
from autograder.checking.expect import deny, on_error
from autograder.checking.spec import LearnerFailed
from autograder.checking.student import Handle, Student
from autograder.lessons.capstone.oracles import best_log_probs
from bptt.nested import NestedAgreement

LANGUAGE = NestedAgreement()
WEIGHTS, MAX_WEIGHTS = "09_weights.safetensors", 2**20  # the file, and how many bytes it may have
ROWS, EARLY, HANDOVER, TOGETHER, STEPS = (
    96,
    16,
    136,
    8,
    264,
)  # after how many tokens what happens; TOGETHER: in both processes
WARM = 32  # tokens of each stream that do not count: training on an endless text has seen no beginning
ROW_BYTES = 2**16  # of the state, for one row
GROWTH = 1.1  # by which factor the state may be longer later: numbers written as text vary
ALIKE = 0.01  # probabilities of one prediction, made twice
SUMS = 2e-3  # how far from 1 probabilities may add up


class Band(NamedTuple):
    """Up to how many nats above the best predictor, which share of the points, and what that takes."""

    most: float
    credit: float
    takes: str


BANDS = (
    Band(0.03, 1.0, "both nouns of a sentence are kept"),
    Band(0.06, 0.75, "most nouns are kept until their verb"),
    Band(0.12, 0.5, "some nouns are kept until their verb"),
    Band(0.20, 0.25, "everything but the far-away nouns is learned"),
)

CHOICES = ("below 0.03", "0.03 to 0.12", "0.12 to 0.20", "above 0.20")


def judge(student: Student, draw: Draw) -> tuple[float, str]:
    """The credit and a note; raises Wrong, or LearnerFailed, for what is no predictor or no trained one."""
    uniform = draw.to(torch.float64).uniform(*LANGUAGE.numbers(ROWS, STEPS + 1))
    stream = LANGUAGE.text(uniform, STEPS + 1)  # (ROWS, STEPS + 1)
    first = _made(student)
    outside = [HELD.format(name) for name in student.probe("held_outside", of=first)[:1]]
    first.start(ROWS)
    said = [_said(first, stream, t) for t in range(EARLY)]
    early = _state(first)
    said += [_said(first, stream, t) for t in range(EARLY, HANDOVER)]
    _band(torch.stack(said, 1), stream[:, : HANDOVER + 1])  # what is not trained has nothing to hand over
    state = _state(first)
    _constant(early, state)
    on = [_said(first, stream, t) for t in range(HANDOVER, HANDOVER + TOGETHER)]
    with student.apart() as other:  # what is not in the state is not there
        second = _made(other)
        second.resume(state)
        for t in range(HANDOVER, STEPS):
            said.append(_said(second, stream, t))
            if t < HANDOVER + TOGETHER:
                _same(said[t], on[t - HANDOVER], t, stream)
        second.start(1)
        for t in range(3):
            with on_error(*NOT_BEGUN):
                said_anew = _said(second, stream[:1], t)
            _anew(said_anew, said[t][:1], t)
    credit, note = _band(torch.stack(said, 1), stream)
    return credit, " ".join((note, *outside))


AT_HOME = "Grading does not run the training cell. What a predictor needs comes from the other cells and from the file of weights."
HELD = "The predictor holds `{0}`, which was made outside of it. Grading does not run the training cell: another cell has to make `{0}`."
START = "`start` has to forget what came before: after it there may be another number of streams, and no state. Where is the old state dropped?"
NOT_BEGUN = tuple(row.but(START, "start-keeps") for row in (LAYER_STATE, SHAPES, FACTORS))
MAKING = (
    NAME.but(AT_HOME),
    Raised(("size mismatch for", "Missing key(s) in state_dict", "Unexpected key(s) in state_dict"),
           "The weights in the file are those of another `Network`: train this one, or put back the one that they belong to."),
)  # fmt: skip


def _made(student: Student) -> Handle:
    """A Predictor; what is wrong with the file of weights is said first."""
    try:
        with on_error(*MAKING):
            made = student.make("Predictor", shown="predictor")
    except LearnerFailed as failed:
        if failed.status == "error":
            _weights(student)
        raise
    _weights(student)
    return made


def _weights(student: Student) -> None:
    with student.aside():
        try:
            student.probe("written_file", path=WEIGHTS, at_most=MAX_WEIGHTS)
        except LearnerFailed as failed:
            if failed.finding.sign != "missing":
                raise
            clue = "Run the training cell first: it writes the file. Hand the file in together with the notebook."
            raise LearnerFailed(failed.status, replace(failed.finding, clues=(clue,))) from None


def _said(predictor: Handle, stream: Tensor, t: int) -> Tensor:
    """What the predictor expects after token t + 1: log-probabilities (rows, V), float64."""
    rows, V = len(stream), LANGUAGE.vocab
    got, place = predictor.step(stream[:, t]), f"after {t + 1} token{'s' * (t > 0)}"
    if not isinstance(got, Tensor):
        clue = "Is it the log-probabilities alone that `step` returns, as one tensor? The state stays in the predictor."
        deny("type", f"step returned {describe(got)}; expected a tensor ({rows}, {V})", clue)
    if tuple(got.shape) != (rows, V):
        clues = {
            (rows, 1, V): "The axis of time has one entry here. Where should it be dropped?",
            (V, rows): "Which axis is the batch?",
        }
        deny("shape", f"step returned a tensor of shape {tuple(got.shape)}; expected ({rows}, {V})",
             clues.get(tuple(got.shape), f"One row for each stream, and one entry for each of the {V} tokens."))  # fmt: skip
    if not got.is_floating_point():
        deny("dtype", f"step returned a tensor of dtype {got.dtype}; expected floating point", "A log-probability is no whole number.")  # fmt: skip
    got = got.cpu().double()
    if bool(got.isnan().any()) or bool((got == math.inf).any()):
        deny("nan", f"{place}, {int((~(got < math.inf)).sum())} of {got.numel()} log-probabilities are nan or inf", "From which step on, and what grows there?")  # fmt: skip
    _normalised(got, place)
    return got.log_softmax(1)


def _normalised(got: Tensor, place: str) -> None:
    sums = got.exp().sum(1)
    if bool(((sums - 1).abs() <= SUMS).all()):
        return
    summary = f"{place}, the probabilities of row 1 add up to {sums[0].item():.4g}; expected 1"
    if bool((got >= 0).all()) and bool(((got.sum(1) - 1).abs() <= SUMS).all()):
        deny(
            "probabilities", summary, "The entries themselves add up to 1: these are probabilities. What is asked for?"
        )
    if bool(((got.exp().sum(0) - 1).abs() <= SUMS).all()):
        deny(
            "over-rows",
            summary,
            "The probabilities of one token add up to 1 over the rows. Along which axis are the tokens?",
        )
    deny("not-normalised", summary, "What turns logits into log-probabilities, and along which axis?")


def _state(predictor: Handle) -> bytes:
    got: Any = predictor.state()
    if not isinstance(got, bytes):
        deny("state-type", f"state returned {describe(got)}; expected bytes", "`state` hands over everything that the future needs, as bytes.")  # fmt: skip
    if len(got) > ROW_BYTES * ROWS:
        deny("state-too-large", f"the state of {ROWS} rows has {len(got):,} bytes; at most {ROW_BYTES:,} for a row are allowed",
             "What in it is not needed to go on? The weights are in their file.")  # fmt: skip
    return got


def _constant(early: bytes, late: bytes) -> None:
    if len(late) > GROWTH * len(early):
        deny("state-grows", f"the state has {len(early):,} bytes after {EARLY} tokens and {len(late):,} after {HANDOVER}",
             "A stream has no end. Which part of the state has an entry for every token?")  # fmt: skip


def _same(got: Tensor, want: Tensor, t: int, stream: Tensor) -> None:
    apart = (got.exp() - want.exp()).abs()
    if apart.max() <= ALIKE:
        return
    row, token = divmod(int(apart.argmax()), LANGUAGE.vocab)
    summary = (
        f"resumed in another process, the predictor gives token {token} the probability {got[row, token].exp().item():.3g}; "
        f"without the break, {want[row, token].exp().item():.3g}"
    )
    where = f"{t + 1 - HANDOVER} token{'s' * (t > HANDOVER)} after the handover, row {row + 1} of {len(got)}"
    fresh = "What does the predictor know at that moment that is not in the bytes, or is put back in another place?"
    deny("state-lost", summary, fresh, where=where)


def _anew(got: Tensor, want: Tensor, t: int) -> None:
    if (got.exp() - want.exp()).abs().max() > ALIKE:
        deny("start-keeps", f"after `start(1)` and {t + 1} token{'s' * (t > 0)}, the first stream is predicted otherwise than at the first time",
             "Does `start` begin anew, whatever came before? Does a row know nothing of the others?")  # fmt: skip


def _band(log_probs: Tensor, stream: Tensor) -> tuple[float, str]:
    """The band of log-probabilities (rows, n, V) for what came, stream (rows, n + 1); Wrong above the last one."""
    best, kinds = best_log_probs(LANGUAGE, stream)[:, WARM:], LANGUAGE.kinds(stream)[:, WARM + 1 :]
    log_probs, stream = log_probs[:, WARM:], stream[:, WARM:]
    after = stream[:, 1:]
    chosen = log_probs.gather(2, after.unsqueeze(2)).squeeze(2)
    above = (best - chosen).mean().item()
    counted = f"{above:.4f} nats a token above the best possible predictor, on the same {after.numel():,} tokens"
    told = (
        f"A verb at a sentence's end costs {-chosen[kinds == 3].mean().item():.2f} nats; "
        f"without its noun it is ln {LANGUAGE.classes} = {math.log(LANGUAGE.classes):.2f}."
    )
    for band in BANDS:
        if above <= band.most:
            return band.credit, f"{counted}. Within {band.most:.2f}: {band.takes}. {told}"
    if math.isinf(above):
        row, t = (int(one) for one in chosen.isinf().nonzero()[0])
        summary = f"token {int(after[row, t])} came and had the probability 0"
        clue = "One such token costs infinitely much. What can be ruled out for certain?"
        deny("ruled-out", summary, clue, where=f"row {row + 1}, after {WARM + t + 1} tokens")
    late = (best - log_probs.gather(2, stream[:, :-1].unsqueeze(2)).squeeze(2)).mean().item()
    equal = (best + math.log(LANGUAGE.vocab)).mean().item()
    sign, clue = "not-trained", f"{told} Where else is it lost? The experiment with the kinds of tokens shows it."
    if late <= BANDS[-1].most:
        sign = "one-behind"
        clue = "For the token that was handed in, it would be a good prediction. To which token does the answer of `step` belong?"
    elif abs(above - equal) < 0.1 * equal:
        clue = (
            f"Equal chances for all {LANGUAGE.vocab} tokens would be {equal:.2f} above. "
            "Do the trained weights arrive in the predictor?"
        )
    deny(sign, f"{counted}; the last band ends at {BANDS[-1].most:.2f}", clue)
