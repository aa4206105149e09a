"""Checks of lesson 05, truncated backpropagation through time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autograder.beside.advice import COUNT
from autograder.beside.wire import flags, mapped
from autograder.checking.compare import first_difference
from autograder.checking.draw import Draw
from autograder.checking.expect import deny, expect, on_error
from autograder.checking.predictions import prediction
from autograder.checking.spec import LearnerFailed, Wrong, check
from autograder.checking.student import Student
from autograder.lessons.truncated_bptt.evidence.coins import judge_draws, named_at_one
from autograder.lessons.truncated_bptt.evidence.pieces import checkpoint_failed, judge_bytes, judge_pieces, late_bound
from autograder.lessons.truncated_bptt.evidence.reach import judge_number, judge_reach, reach_failed
from autograder.lessons.truncated_bptt.evidence.seen import (
    ADDING_UP,
    OVER_WINDOWS,
    explained,
    named_error,
    named_training,
    still_as_found,
)
from autograder.lessons.truncated_bptt.evidence.state import form, graphs_in, judge_detached, other_kinds
from autograder.lessons.truncated_bptt.evidence.windows import judge_losses, judge_rows, judge_windows
from autograder.lessons.truncated_bptt.mistakes import gradients, training
from autograder.lessons.truncated_bptt.mistakes import streams as mistakes


def batchify_standin(stream: Tensor, B: int) -> Tensor:
    """A right batchify, to lend."""
    return torch.stack(stream[: len(stream) // B * B].chunk(B))


@check("truncated-bptt-batchify", of="batchify", standin=batchify_standin)
def batchify(student: Student, draw: Draw) -> None:
    """`batchify` lays a stream out as B contiguous rows, as long as can be, and drops the rest."""
    for N, B in draw.cases(
        "N B", (14, 3), (12, 4), (5, 1), (7, 5), (67, 5), others=((17, 3), (20, 5), (7, 1), (95, 7))
    ):
        stream = draw.integers(0, 90, N)
        left = COUNT.but(f"{N} tokens do not fill {B} equal rows. Which of them have to go first?", "rest-kept")
        with on_error(*(left,) if N % B else ()):
            got = student.batchify(stream, B)
        want = torch.stack(stream[: N // B * B].chunk(B))
        judge_rows(got, want, stream, B)


def chunks_standin(x: Tensor, y: Tensor, k: int) -> list[tuple[Tensor, Tensor]]:
    """Right windows, to lend."""
    return list(zip(x.split(k, 1), y.split(k, 1), strict=True))


@check("truncated-bptt-chunks", of="chunks", standin=chunks_standin)
def chunks(student: Student, draw: Draw) -> None:
    """`chunks` yields consecutive windows of k steps of x and y, the last one shorter if need be."""
    others = ((7, 14, 4), (2, 8, 4), (1, 4, 6), (2, 5, 1))
    for B, N, k in draw.cases("B T k", (5, 11, 3), (2, 6, 3), (1, 3, 5), (2, 4, 1), (3, 16, 5), others=others):
        # first B > k: rows may be taken for steps
        x, y = draw.integers(0, 90, B, N), draw.integers(0, 90, B, N)
        judge_windows(student.chunks(x, y, k), chunks_standin(x, y, k), x, y, k)
    x, y = draw.normal(2, 5, 3), draw.integers(0, 90, 2, 5)
    judge_windows(student.chunks(x, y, 2), chunks_standin(x, y, 2), x, y, 2)


def detach_standin(state: Any) -> Any:
    """A right detach_state, to lend."""
    if isinstance(state, Tensor):
        return state.detach()
    return type(state)(map(detach_standin, state)) if isinstance(state, tuple | list) else state


@check("truncated-bptt-detach-state", of="detach_state", standin=detach_standin, hygiene=False)
def detach_state(student: Student, draw: Draw) -> None:
    """`detach_state` returns the same structure with the same values and no graph: tensors, tuples, lists, None."""
    h, c = draw.normal(1, 2, 3), draw.normal(1, 2, 3)
    nested = (draw.normal(2, 3), (draw.normal(3), [draw.normal(2), None]))
    for state in (h, (h, c), None, [h, c], nested, (None, (c,))):
        own = mapped(state, lambda part: draw.normal(*part.shape) if isinstance(part, Tensor) else part)
        with on_error(*other_kinds(state)):
            shown = f"detach_state({form(state)})"
            found = student.probe("with_a_past", call="detach_state", state=state, own=own, shown=shown)
        got = found["value"]
        judge_detached(got, state, "state")
        parts = list(graphs_in(got))
        if any(parts):
            if all(parts) and not isinstance(state, Tensor):
                deny("parts-kept", f"the values are right, and every part of the {type(state).__name__} still has its graph",
                     "For a tensor by itself it works. What is done with each part of a container?")  # fmt: skip
            some = "it" if isinstance(state, Tensor) else f"part {parts.index(True) + 1} of {len(parts)}"
            deny("graph-kept" if all(parts) else "graph-kept-in-part", f"the values are right, and {some} still has its graph",
                 "`detach()` returns a new tensor and leaves the old one as it is. What happens to what it returns?" if all(parts)
                 else "Other parts have lost theirs. What does your function do with this one?")  # fmt: skip
        if not found["whole"]:
            deny("detached-in-place", "the values are right, and the state that was handed in has lost its graph",
                 "The caller may still go back through the state that it gave you. A method whose name ends in `_`, or an assignment to an entry, changes what is there. What makes something new?")  # fmt: skip
        if first_difference(found["left"], own) is not None:  # whatever the parts say of themselves
            deny("graph-kept", "the values are right, and a gradient still goes back through the result", "Is the result cut off from what it was computed from?")  # fmt: skip
    half = draw.to(torch.float32).normal(2, 2)
    found = student.probe("with_a_past", call="detach_state", state=half, own=half, shown="detach_state(state)")
    judge_detached(found["value"], half, "the state")


LR = 0.5


@check("truncated-bptt-train-tbptt", of="train_tbptt", needs=("truncated-bptt-chunks", "truncated-bptt-detach-state"))
def train_tbptt(student: Student, draw: Draw) -> None:
    """After one pass of `train_tbptt` every parameter is where truncated BPTT leads, and the losses are those of the windows."""
    cases = (("rnn", 3, 11, 4), ("lstm", 2, 8, 3), ("rnn", 2, 6, 3), ("rnn", 2, 3, 5), ("rnn", 3, 4, 1), ("lstm", 1, 5, 2),
             ("rnn", 3, 17, 5), ("rnn", 2, 7, 3))  # fmt: skip
    others = (("rnn", 4, 14, 5), ("lstm", 3, 11, 4), ("rnn", 3, 8, 4),
        ("rnn", 2, 4, 6), ("lstm", 1, 7, 2), ("rnn", 4, 16, 7))  # fmt: skip
    for number, (kind, B, N, k) in enumerate(draw.cases("kind B T k", *cases, others=others)):
        stream = draw.to(torch.float32) if (B, N, k) == (2, 7, 3) else draw
        _trained(student, stream, kind, B, N, k, passes=2 if number == 2 else 1, momentum=0.8 if N > 15 else 0.0)


def _trained(
    student: Student, draw: Draw, kind: str, B: int, N: int, k: int, passes: int = 1, momentum: float = 0.0
) -> None:
    weights, before = draw.next_token(kind, V=5, D=3, H=4), None
    made = student.probe("watched", kind=kind, weights=weights, lr=LR, momentum=momentum)
    model = made["model"]
    for number in range(passes):
        x, y = draw.integers(0, 5, B, N), draw.integers(0, 5, B, N)
        seen = len(student.probe("events", of=model))
        try:
            losses = student.train_tbptt(model, made["optimizer"], x, y, k)
        except LearnerFailed as failed:
            raise named_error(failed, student.probe("events", of=model)[seen:], kind) from None
        after = student.probe("parameters", of=model)
        want_losses, want, ended = training.train_tbptt(kind, weights, x, y, k, LR, momentum)
        slips = training.train_tbptt.on(
            kind, weights, x, y, k, LR, momentum, before, mode="again" if number else "", pick=lambda value: value[1]
        )
        name = f"after {'the second' if number else 'the'} pass, parameters"
        try:
            expect(after, want, name, slips=slips, rtol=None if draw.dtype == torch.float64 else 1e-3)
        except Wrong as wrong:
            raise named_training(wrong, student.probe("events", of=model)[seen:], x, k, training.train_tbptt) from None
        judge_losses(losses, want_losses)
        weights, before = want, ended


def _case(draw: Draw, B: int, T: int, H: int = 5) -> gradients.Case:
    params = draw.params(D=3, H=H, V=4)
    return gradients.Case(draw.normal(B, T, 3), draw.normal(B, H), params, draw.integers(0, 4, B, T))


def _asked(case: gradients.Case) -> tuple[Tensor, Tensor, dict[str, Tensor], Tensor]:
    return case.x, case.h0, case.params, case.targets


@check("truncated-bptt-truncated-gradient", of="truncated_gradient", needs=("truncated-bptt-detach-state",))
def truncated_gradient(student: Student, draw: Draw) -> None:
    """`truncated_gradient` lets the losses of every k1 steps flow back k2 steps, and older states be constants."""
    # First k1 = 3: one loss too few is not the last one alone. A wide state tells 12 steps apart.
    cases = ((2, 12, 3, 5), (2, 8, 2, 4), (2, 6, 1, 3), (3, 6, 3, 3),
        (2, 4, 2, 9), (1, 6, 2, 4), (2, 1, 1, 1), (2, 3, 1, 1))  # fmt: skip
    others = ((3, 12, 4, 7), (2, 9, 3, 5), (2, 7, 1, 4), (3, 8, 4, 4),
        (2, 6, 2, 9), (1, 8, 2, 5), (2, 1, 1, 1), (2, 4, 1, 1))  # fmt: skip
    for B, T, k1, k2 in draw.cases("B T k1 k2", *cases, (2, 4, 2, 3), others=others):
        half = (B, T, k1, k2) == (2, 4, 2, 3)
        case = _case(draw.to(torch.float32) if half else draw, B, T, H=9 if T > 12 else 8 if T > 8 else 5)
        with on_error(OVER_WINDOWS, *ADDING_UP):
            got = student.truncated_gradient(*_asked(case), k1, k2)
        want = {name: value.to(case.x.dtype) for name, value in gradients.truncated_gradient(case, k1, k2).items()}
        slips = gradients.truncated_gradient.on(case, k1, k2)
        factors = {"B": B, "T": T, "number of windows": T // k1, "k1": k1, "k2": k2}
        try:
            expect(got, want, "grads", slips=slips, factors=factors)
        except Wrong as wrong:
            raise explained(wrong, case, got, want, gradients.truncated_gradient) from None


@check("truncated-bptt-reach", of="reach", hygiene=False)
def reach(student: Student, draw: Draw) -> None:
    """`reach` names, for each loss, the first and the last step of the inputs that its gradient touches."""
    ((B, T),) = draw.cases("B T", (2, 13), others=((2, 14),))
    D = 3
    cuts = [draw.integer(2, 4), draw.integer(5, 8)]
    one, two = draw.normal(B, D), draw.normal(1, D)
    rows, first, last = list(range(B)), draw.integer(1, T), T
    tiny = 1e-30 if draw.dtype == torch.float64 else 1e-12  # its square is a number, too
    # Alone and first: a step at which every entry of the gradient is below 0.
    _reached(student, draw.normal(B, 5, D), [2], [([3], rows, [1.0], -draw.normal(B, D).abs() - 0.1)])
    losses = [([cuts[1]], rows, [1.0], one), ([last], rows, [1.0], one), ([cuts[0]], rows, [1.0], one), ([cuts[0] + 1, cuts[1]], rows, [1.0, 1.0], one),
              ([first], [1], [1.0], two), "constant", ([cuts[1]], rows, [tiny], one), ([cuts[1] + 1], rows, [1.0], one)]  # fmt: skip
    _reached(student, draw.normal(B, T, D), cuts, losses)
    # Gradients that cancel: over the rows where these are equal, over the entries where those are.
    signs = torch.tensor([1.0, -1.0, 0.0]).to(one)
    _reached(student, draw.normal(1, T, D).expand(B, T, D).clone(), [], [([4], rows, [1.0], torch.stack([signs, -signs])), ([T, 2], rows, [1.0, 1.0], one)])  # fmt: skip
    _reached(student, draw.normal(1, 1, 1).expand(1, 1, D).clone(), [], [([1], [0], [1.0], signs)])
    _reached(
        student,
        draw.normal(B, 4, D),
        [1, 2, 3],
        [([2, 4], rows, [1.0, 1.0], one), "constant"],
    )
    # One entry of the input alone, and rows that are touched at other steps than one another.
    only = torch.tensor([0.0, 1.0, 0.0]).to(one)
    _reached(student, draw.normal(B, 5, D), [2], [([3], rows, [1.0], torch.stack([only, -only]))])
    _reached(student, draw.normal(B, 6, D), [3], [([2, 5], [[1], [0]], [1.0, 1.0], two)])
    _reached(student, draw.normal(B, 5, D), [2], [([4], rows, [1.0], one), "zero", ([1], rows, [1.0], one)])
    _reached(
        student, draw.normal(B, 7, D), [3], [([5, 7], rows, [1.0, tiny], one), "elsewhere", ([3], rows, [1.0], one)]
    )


def _reached(student: Student, x: Tensor, cuts: list[int], losses: list[Any]) -> None:
    T, want = x.shape[1], []
    # How the state is carried decides how much arrives, not where: a fixed matrix will do.
    weight = torch.tensor([[0.5, 0.3, -0.4], [-0.2, 0.6, 0.3], [0.4, -0.3, 0.5]]).to(x)
    for one in losses:
        steps = [] if isinstance(one, str) else sorted(one[0])
        begin = max([cut for cut in cuts if cut < steps[0]], default=0) + 1 if steps else 0
        want.append((begin, steps[-1]) if steps else None)

    shown = f"reach(losses, inputs) with {len(losses)} loss{'es' * (len(losses) > 1)} on {T} step{'s' * (T > 1)}"

    def ask(losses: list[Any]) -> Any:
        # Built by one request and handed over by another: no frame of the call knows where the graph is cut.
        made = student.probe("losses_on", x=x, weight=weight, cuts=cuts, losses=losses)
        try:
            return student.reach(made["losses"], made["inputs"])
        finally:
            student.show(shown)

    try:
        got = ask(losses)
    except LearnerFailed as failed:
        raise reach_failed(failed, losses, ask) from None
    if not isinstance(got, list | tuple) or len(got) != len(want):
        judge_number(got, want)
    together = (min(w[0] for w in want if w), max(w[1] for w in want if w))
    for i, (have, asked) in enumerate(zip(got, want, strict=True)):
        union = (min(w[0] for w in want[: i + 1] if w), max(w[1] for w in want[: i + 1] if w)) if asked else None
        judge_reach(have, asked, f"the reach of losses[{i}]", losses[i], T, union, together)


@check(
    "truncated-bptt-randomized-truncation-gradient",
    of="randomized_truncation_gradient",
    needs=("truncated-bptt-detach-state",),
    deadline=40.0,
)
def randomized_truncation_gradient(student: Student, draw: Draw) -> str | None:
    """Each draw of `randomized_truncation_gradient` is a possible pattern of cuts, rightly weighted, and as frequent as p says."""
    case = _case(draw, 2, 5)
    want = gradients.gradient_of(case)
    with on_error(*ADDING_UP):
        got = student.randomized_truncation_gradient(*_asked(case), 1.0, draw.integer(0, 1000))
    factors = {"B": 2, "T": 5}
    try:
        expect(got, want, "with p = 1, where nothing is cut, grads", factors=factors)
    except Wrong as wrong:
        named_at_one(wrong, case, got)
        raise explained(wrong, case, got, want, gradients.randomized) from None
    p, first = 0.8, draw.integer(0, 10_000)
    count = 4 if student.pretend else 150
    draws = [student.randomized_truncation_gradient(*_asked(case), p, first + i) for i in range(count)]
    note = judge_draws(case, p, draws, student.pretend)
    # A pattern may come up twice by chance, in one case of five: eight seeds leave no chance.
    again = [student.randomized_truncation_gradient(*_asked(case), p, first + i) for i in range(min(8, count))]
    if any(first_difference(one, other) for one, other in zip(again, draws, strict=False)):
        deny("seed-not-used", "two calls with the same seed gave two different gradients; expected the same one",
             "Where do your random numbers come from, and does the seed get there?")  # fmt: skip
    for B, T, p in ((1, 3, 0.3), (2, 1, 0.5)):
        case = _case(draw, B, T)
        judge_draws(case, p, [student.randomized_truncation_gradient(*_asked(case), p, i) for i in range(4)], True)
    case = _case(draw.to(torch.float32), 2, 3)
    judge_draws(case, 0.5, [student.randomized_truncation_gradient(*_asked(case), 0.5, 7)], True)
    return note


@check("truncated-bptt-checkpointed-loss", of="checkpointed_loss", needs=("truncated-bptt-chunks",), hygiene=False)
def checkpointed_loss(student: Student, draw: Draw) -> None:
    """`checkpointed_loss` gives the exact gradient of the whole sequence while it keeps one segment and the boundaries."""
    # No factor by which a mistake is off is that of another: 1/T, 1/S, B, B/T; and pieces of several lengths come first.
    cases = (("rnn", 3, 11, 4, 5, 7), ("lstm", 3, 10, 2, 5, 4), ("rnn", 2, 9, 4, 5, 4), ("rnn", 1, 3, 1, 5, 4),
             ("rnn", 3, 48, 8, 96, 8))  # fmt: skip
    others = (("rnn", 3, 13, 5, 6, 7), ("lstm", 2, 11, 3, 6, 5), ("rnn", 3, 10, 4, 6, 5), ("rnn", 1, 4, 1, 6, 5))
    for kind, B, T, S, V, H in draw.cases("kind B T S V H", *cases, others=others):
        weights = draw.next_token(kind, V=V, D=3, H=H)
        x, y = draw.integers(0, V, B, T), draw.integers(0, V, B, T)
        made = student.probe("watched", kind=kind, weights=weights, lr=LR)
        shown = f"checkpointed_loss(model, x, y, {S}) on {T} steps"
        try:
            seen = student.probe(
                "backward_of", call="checkpointed_loss", model=made["model"], x=x, y=y, segments=S, shown=shown
            )
        except LearnerFailed as failed:
            raise checkpoint_failed(failed, student.probe("events", of=made["model"]), T) from None
        loss, grads = seen["loss"], seen["grads"]
        want = mistakes.checkpointed(kind, weights, x, y, S)
        if isinstance(loss, Tensor) and loss.dim() == 0 and not flags(loss).requires_grad:
            deny("no-graph", "the loss has no graph, so `loss.backward()` cannot start from it",
                 "Was it turned into a number, or computed under `no_grad`? Or is `use_reentrant=False` missing, so that `checkpoint` wants a gradient among its arguments?")  # fmt: skip
        slips = mistakes.checkpointed.on(kind, weights, x, y, S)
        factors = {"B": B, "T": T, "S": S}
        events = student.probe("events", of=made["model"])
        try:
            expect((loss, grads), want, ("the loss", "grads"), slips=slips, factors=factors, rtol=1e-5)
        except Wrong as wrong:
            raise late_bound(wrong, events, T) from None
        judge_pieces(events, T, S)
    judge_bytes(seen["peak"], B * T * V * weights["readout.weight"].element_size(), T)
    _computed_again(student, draw)


def _computed_again(student: Student, draw: Draw) -> None:
    """Between the passes the weights move: the gradient tells what was computed again, whatever was seen of it."""
    B, T, S = 2, 8, 4
    weights, moved = (draw.next_token("rnn", V=5, D=3, H=4) for _ in range(2))
    x, y = draw.integers(0, 5, B, T), draw.integers(0, 5, B, T)
    model = student.probe("watched", kind="rnn", weights=weights, lr=LR)["model"]
    shown = f"checkpointed_loss(model, x, y, {S}) on {T} steps, other weights on the way back"
    asked = {"call": "checkpointed_loss", "model": model, "x": x, "y": y, "segments": S, "moved": moved}
    got = student.probe("backward_of", **asked, shown=shown)["grads"]
    want = [mistakes.computed_again("rnn", weights, moved, x, y, S, last) for last in (True, False)]
    if all(first_difference(got, one) is not None for one in want):
        deny("not-computed-again", "with weights that change between the two passes, the gradient is not that of pieces which are computed again",
             "What does each piece keep until the way back, besides the state that it begins with?")  # fmt: skip


@check(
    "truncated-bptt-bug",
    of="train_on_text",
    needs=("truncated-bptt-batchify", "truncated-bptt-chunks", "truncated-bptt-detach-state"),
)
def train_on_text(student: Student, draw: Draw) -> None:
    """After one pass of `train_on_text` every parameter is where one pass over this text leads."""
    for kind, B, n, k in draw.cases(
        "kind B n k", ("rnn", 3, 4, 2), ("lstm", 2, 3, 4), ("rnn", 1, 2, 4), ("rnn", 2, 3, 5)
    ):
        weights, stream = draw.next_token(kind, V=5, D=3, H=4), draw.integers(0, 5, B * n * k + 1)
        made = student.probe("watched", kind=kind, weights=weights, lr=LR)
        try:
            losses = student.train_on_text(made["model"], made["optimizer"], stream, B, k)
        except LearnerFailed as failed:
            raise named_error(failed, student.probe("events", of=made["model"]), kind) from None
        after = student.probe("parameters", of=made["model"])
        x, y = batchify_standin(stream[:-1], B), batchify_standin(stream[1:], B)
        slips = training.train_tbptt.on(kind, weights, x, y, k, LR, pick=lambda value: value[1])
        want_losses, want, _ = training.train_tbptt(kind, weights, x, y, k, LR)
        try:
            expect(after, want, "after the pass, parameters", slips=slips)
        except Wrong as wrong:
            events = student.probe("events", of=made["model"])
            found = [part.reshape(n, B, k).transpose(0, 1).flatten(1) for part in (stream[:-1], stream[1:])]
            same = [
                first_difference(after, training.train_tbptt(kind, weights, *pair, k, LR)[1]) is None
                for pair in (found, (x, found[1]), (found[0], y))
            ]
            named = still_as_found(wrong, same, training.train_tbptt)
            raise named or named_training(wrong, events, x, k, training.train_tbptt) from None
        judge_losses(losses, want_losses)


@prediction("truncated-bptt-predict-credit", "guess_credit", between=(1, 15), whole=True)
def predict_credit() -> None:
    """`guess_credit` is a whole number: how many steps the loss of step 8 reaches in windows of 5."""


@prediction("truncated-bptt-predict-echo", "guess_echo", options=("near chance", "half way", "nearly perfect"))
def predict_echo() -> None:
    """`guess_echo` is one of "near chance", "half way" and "nearly perfect"."""


@prediction("truncated-bptt-predict-segments", "guess_segments", between=(1, 100), whole=True)
def predict_segments() -> None:
    """`guess_segments` is a whole number: the number of segments for which 100 steps need the least memory."""
