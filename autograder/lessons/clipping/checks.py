"""Checks of lesson 06, exploding gradients and clipping."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from autograder.checking.compare import first_difference
from autograder.checking.draw import Draw
from autograder.checking.expect import expect, on_error
from autograder.checking.predictions import prediction
from autograder.checking.spec import LearnerFailed, Wrong, check
from autograder.checking.student import Student
from autograder.lessons.clipping import evidence
from autograder.lessons.clipping.logs import drawn_logs
from autograder.lessons.clipping.mistakes import clips, logs, training


def norm_standin(tensors: Sequence[Tensor | None]) -> Tensor:
    """A right global_norm, to lend."""
    there = [tensor for tensor in tensors if tensor is not None]
    return torch.linalg.vector_norm(torch.cat([one.flatten() for one in there])) if there else torch.tensor(0.0)


@check("clipping-global-norm", of="global_norm", standin=norm_standin)
def global_norm(student: Student, draw: Draw) -> None:
    """`global_norm` is the length of all tensors together, a 0-d tensor; None is skipped."""
    ((first, second, third),) = draw.cases("first second third", ((5,), (3, 4), (2, 1, 7)))
    # neither the first nor the last is longest
    tensors = [draw.normal(*first), draw.normal(*second, scale=4), draw.normal(*third)]
    half = draw.to(torch.float32)
    for given in (
        tensors,
        [tensors[0], None, draw.normal(6, scale=1e6), None],
        [draw.normal()],
        [torch.zeros_like(tensors[1]), torch.zeros_like(tensors[0])],
        [half.normal(2, 3), half.normal(4)],
    ):
        there = [tensor for tensor in given if tensor is not None]
        with on_error(evidence.NO_GRADIENT):
            got = student.global_norm(given)
        want = norm_standin(given)
        sizes = {"number of tensors": len(there), "number of entries": sum(tensor.numel() for tensor in there)}
        expect(got, want, "the norm", slips=clips.global_norm.on(there), factors=sizes)
    for nothing in ([], [None, None]):
        with on_error(evidence.NO_TENSOR, evidence.NO_GRADIENT):
            evidence.judge_zero(student.global_norm(nothing), "the norm without any tensor")


@check("clipping-norm", of="clip_grad_norm", needs=("clipping-global-norm",), forbid=("clip",), hygiene=False)
def clip_grad_norm(student: Student, draw: Draw) -> None:
    """`clip_grad_norm` scales all gradients together to at most max_norm, in place, and returns the norm before."""
    ((first, second, third),) = draw.cases("first second third", ((5,), (3, 4), (2, 1, 7)))
    grads = [draw.normal(*first), None, draw.normal(*second, scale=4), draw.normal(*third)]
    limit = 0.3 + draw.integer(1, 9) / 17
    long = evidence.Clipping(student, draw, grads, limit)
    short = evidence.Clipping(student, draw, [0.2 * draw.normal(4, 2), 0.2 * draw.normal(3)], 7.5)
    evidence.judge_together((long, ""), (short, "with short gradients, "))  # neither tells all mistakes from each other
    long.judge("the second call: ")
    evidence.Clipping(student, draw, [torch.zeros_like(one) for one in short.there], 0.7).judge(
        "with gradients of zeros, "
    )
    evidence.Clipping(student, draw, [draw.normal(3), draw.normal(2, 5)], float("inf")).judge("with max_norm = inf, ")
    evidence.Clipping(student, draw, [draw.normal(6, scale=1e6), draw.normal(2, 3)], 0.01).judge(
        "with very long gradients, "
    )
    generated = evidence.Clipping(student, draw, [draw.normal(4), draw.normal(2, 3), None], limit, "generator")
    generated.judge_generator()
    evidence.Clipping(student, draw, [draw.normal(2, 4), draw.normal(3)], limit, "twice").judge_twice()
    mixed = [draw.normal(2, 3), draw.to(torch.float32).normal(5)]
    evidence.Clipping(student, draw, mixed, limit).judge("with gradients of two dtypes, ", rtol=1e-4)
    for given in ([None, None], []):
        with on_error(evidence.NO_TENSOR, evidence.NO_GRADIENT):
            evidence.judge_zero(
                evidence.Clipping(student, draw, given, limit).ask()[0], "the norm without any gradient"
            )
    for bad in (float("inf"), float("nan"), -float("inf")):
        odd = draw.normal(4, 3)
        odd[2, 1] = bad
        evidence.judge_not_finite(evidence.Clipping(student, draw, [draw.normal(2), odd], limit).ask()[0], bad)


@check("clipping-value", of="clip_grad_value", forbid=("clip",), hygiene=False)
def clip_grad_value(student: Student, draw: Draw) -> None:
    """`clip_grad_value` bounds each entry of each gradient to [-limit, limit], in place."""
    for shapes, limit, form in draw.cases(
        "shapes limit form",
        (((3, 4), None, (5,), (2, 1, 7)), 0.6, "list"),
        (((2, 5), (4,)), 1.3, "generator"),
        (((6,),), 0.25, "list"),
    ):
        grads = [None if shape is None else evidence.spread(draw, shape, limit) for shape in shapes]
        evidence.Bounding(student, draw, grads, limit, form).judge()
    small = [draw.uniform(3, 2, low=-0.9, high=0.9), torch.zeros_like(draw.normal(4))]
    evidence.Bounding(student, draw, small, 1.0).judge("with entries within the limit, ")
    evidence.Bounding(student, draw, [draw.to(torch.float32).normal(4, 3, scale=1e4)], 0.5).judge(
        "with very large entries, "
    )
    evidence.Bounding(student, draw, [None], 0.5).ask()


# ---------------------------------------------------------------------------------------- training


@contextmanager
def _right_clipping(student: Student) -> Iterator[None]:
    """Meanwhile the learner's `clip_grad_norm` is PyTorch's: nobody loses twice for one mistake."""
    own = student.probe("lend_clipping")
    try:
        yield
    finally:
        student.probe("give_back_clipping", own=own)


def _with_right_clipping(student: Student, draw: Draw, judge: Callable[[Student, Draw], None]) -> str | None:
    """Judge, and once more with a right `clip_grad_norm` if that fails; a note if it helps, and else what is wrong then."""
    try:
        judge(student, draw)
        return None
    except (Wrong, LearnerFailed) as failed:
        alone, call = failed, student.last
    try:
        with _right_clipping(student):
            judge(student, draw)
    except (Wrong, LearnerFailed) as failed:
        if failed.finding.sign != alone.finding.sign:
            raise
        student.show(call)
        raise alone from None
    return "Your clip_grad_norm is not right yet. This check was run with a correct clip_grad_norm."


CLIPPED = (  # B, T, number of steps, optimizer, and its options
    (3, 13, 3, "sgd", {"lr": 0.37, "momentum": 0.9}),
    (2, 1, 4, "adam", {"lr": 0.07}),
    (1, 5, 2, "sgd", {"lr": 0.13}),
)


@check("clipping-train-step", of="clipped_train_step", needs=("clipping-global-norm",), hygiene=False)
def clipped_train_step(student: Student, draw: Draw) -> str | None:
    """`clipped_train_step` takes one step with the clipped gradient, or none with a gradient that is not finite."""
    return _with_right_clipping(student, draw, _clipped_steps)


def _clipped_steps(student: Student, draw: Draw) -> None:
    for number, (B, T, count, kind, options) in enumerate(draw.cases("B T count kind options", *CLIPPED)):
        case = evidence.Training(student, draw, B, T, kind, options)
        case.judge([case.batch() for _ in range(count)], share=1e3 if number == 2 else 0.1)
    half = evidence.Training(student, draw.to(torch.float32), 2, 3, "sgd", {"lr": 0.3, "momentum": 0.5})
    half.judge([half.batch()], share=0.2, rtol=1e-3)
    for kind, options, order in (
        ("sgd", {"lr": 0.37, "momentum": 0.9}, (1, 0, 2)),
        ("adam", {"lr": 0.07}, (0, 1, 2)),
        ("adam", {"lr": 0.05}, (2, 0)),
    ):
        case = evidence.Training(student, draw, 3, 4, kind, options)
        batches = [case.batch()]
        for trap in order:
            batches += [case.batch(trap), case.batch()]
        case.judge(batches, share=0.15)


@check("clipping-bug", of="train_in_parts", hygiene=False)
def train_in_parts(student: Student, draw: Draw) -> str | None:
    """`train_in_parts` takes each step with the mean gradient of its windows, clipped once."""
    return _with_right_clipping(student, draw, _parts)


def _parts(student: Student, draw: Draw) -> None:
    for B, k, every, count, share, kind, options in draw.cases(
        "B k every count share kind options",  # share: how long the limit is, of the first step's gradient
        (2, 3, 4, 2, 0.12, "sgd", {"lr": 0.31, "momentum": 0.9}),
        (3, 2, 5, 2, 20.0, "sgd", {"lr": 0.23, "momentum": 0.5}),
        (2, 5, 2, 3, 0.12, "adam", {"lr": 0.06}),
        (1, 4, 1, 3, 0.12, "sgd", {"lr": 0.2, "momentum": 0.5}),
    ):
        weights = draw.next_token("rnn", V=7, D=3, H=5)
        x, y = (draw.integers(0, 7, B, k * every * count) for _ in range(2))
        model = student.probe("trapped", weights=weights, stale={}, traps=torch.zeros(0))
        optimizer = student.probe("optimizer", model=model, kind=kind, **options)
        first = training.parts(
            weights, x[:, : k * every], y[:, : k * every], k, every, float("inf"), "sgd", {"lr": 1.0}
        )
        limit = share * float(torch.cat([part.flatten() for part in first[: len(weights)]]).norm())
        losses = student.train_in_parts(model, optimizer, x, y, k, every, limit)
        after = student.probe("parameters", of=model)
        moved = [after[name] - value for name, value in weights.items()]
        want = training.parts(weights, x, y, k, every, limit, kind, options)
        evidence.vet_losses(losses, every * count)
        names = [*(f"the change of {name}" for name in weights), *(f"losses[{i}]" for i in range(every * count))]
        got = (*moved, *(training.number(float(loss)) for loss in losses))
        slips = training.parts.on(weights, x, y, k, every, limit, kind, options)
        with evidence.as_found():
            expect(got, want, tuple(names), slips=slips)


# ---------------------------------------------------------------------------------------- logs, predictions


@check("clipping-symptoms", of="symptoms", hygiene=False)
def symptoms(student: Student, draw: Draw) -> None:
    """`symptoms` is the set of those symptoms of exploding gradients that occur in a log."""
    named, answers = drawn_logs(draw), []
    for _, log in named:
        with evidence.shown(student, f"symptoms(a log of {len(log['loss'])} steps)"), on_error(*evidence.READING):
            got = student.symptoms(log)
        answers.append(evidence.as_flags(got))
    every = [log for _, log in named]
    want = logs.symptoms(every)
    slips = logs.symptoms.on(every)
    same = [id for id in slips.reference.slips if first_difference(answers, slips.value((id,))) is None]
    for (says, log), got, right in zip(named, answers, want, strict=True):
        if got != right:
            student.show(f"symptoms(a log of {len(log['loss'])} steps)")
            evidence.deny_symptoms(says, got, right, [slips.reference.slips[id] for id in same])


@prediction("clipping-predict-first", "guess_first", between=(0, 100))
def predict_first() -> None:
    """`guess_first` is a number: how long a gradient of length 3 is, clipped together with one of length 4."""


@prediction("clipping-predict-nan", "guess_nan", between=(1, 400), whole=True)
def predict_nan() -> None:
    """`guess_nan` is a whole number: the step at which the loss overflows without clipping."""


@prediction("clipping-predict-folklore", "guess_folklore", options=("helps", "no help"))
def predict_folklore() -> None:
    """`guess_folklore` is one of "helps" and "no help"."""
