"""Checks of lesson 04, a loss at every step in PyTorch: losses, a model, and what is done with a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from autograder.beside.probes.sequence_loss import SequenceModel
from autograder.checking.compare import first_difference
from autograder.checking.draw import Draw
from autograder.checking.expect import deny, expect, on_error
from autograder.checking.predictions import prediction
from autograder.checking.spec import Wrong, check
from autograder.checking.student import Handle, Student
from autograder.lessons.sequence_loss import evidence as signs
from autograder.lessons.sequence_loss.mistakes import losses as mistakes
from autograder.lessons.sequence_loss.mistakes import model as model_mistakes
from autograder.lessons.sequence_loss.mistakes.labelling import labelling_loss as labelling
from autograder.lessons.sequence_loss.mistakes.training import train_step as step_by_hand
from autograder.lessons.sequence_loss.oracles import (
    greedy,
    loss_of_all,
    loss_of_real,
    one_step,
    run,
    token_losses,
    trained,
)

Weights = Mapping[str, Tensor]


# ------------------------------------------------------------------------------------------------ losses


@contextmanager
def narrowed(
    student: Student, alone: Callable[[Tensor, Tensor], Any], logits: Tensor, targets: Tensor
) -> Iterator[None]:
    """A wrong loss that looks like nothing known is asked for once more, for a single token: is that right at least?"""
    try:
        yield
    except Wrong as wrong:
        if wrong.finding.sign != "value" or wrong.finding.clues:
            raise
        logits, targets = logits[:1, :1], targets[:1, :1]
        with student.aside():
            got, want = alone(logits, targets), token_losses(logits, targets).sum()
        if first_difference(got, want) is None:
            sign, clue = (
                "put-together",
                (
                    "The loss of a single token is right. Of many, then: which are left out, counted twice, or paired with another's target?"
                ),
            )
        else:
            sign, clue = (
                "single-token",
                (
                    "The loss of a single token (B = T = 1) is wrong already. It is minus the logarithm of one number: of which?"
                ),
            )
        raise Wrong(replace(wrong.finding, sign=sign, clues=(clue,))) from None


@check("sequence-loss-loss", of="sequence_loss", standin=loss_of_all)
def sequence_loss(student: Student, draw: Draw) -> None:
    """`sequence_loss` is the cross-entropy of every token: the sum over all B·T of them, or the mean."""
    half = draw.to(torch.float32)
    cases = draw.cases("B T V", (3, 4, 5), (2, 1, 3), (1, 3, 4), (1, 1, 2), (3, 4, 5), (3, 13, 7))
    for number, (B, T, V) in enumerate(cases):
        numbers = half if number == 4 else draw
        logits, targets = numbers.normal(B, T, V, scale=2), telling_targets(numbers, B, T, V)
        for reduction in ("mean", "sum"):
            want = loss_of_all(logits, targets, reduction)
            got = student.sequence_loss(logits.clone().requires_grad_(), targets, reduction)
            slips = mistakes.sequence_loss.on(logits, targets, reduction, mode=reduction)
            with narrowed(student, lambda x, y: student.sequence_loss(x, y, "sum"), logits, targets):
                expect(got, want, "the loss", slips=slips, factors={"B": B, "T": T, "V": V})
            signs.keeps_its_graph(got)
    logits, targets = draw.normal(4, 3, 5).transpose(0, 1), draw.integers(0, 5, 4, 3).T  # not contiguous
    got = student.sequence_loss(logits, targets, "mean")
    expect(got, loss_of_all(logits, targets, "mean"), "the loss", factors={"B": 3, "T": 4, "V": 5})
    logits = draw.normal(2, 3, 4) * 2000  # exp(2000) is more than float64 holds
    targets = draw.integers(0, 4, 2, 3)
    got = student.sequence_loss(logits, targets, "sum")
    expect(got, loss_of_all(logits, targets, "sum"), "the loss", factors={"B": 2, "T": 3, "V": 4})


def telling_targets(draw: Draw, B: int, T: int, V: int) -> Tensor:
    """Random targets of which the first and the last are 0: a class like any other."""
    targets = draw.integers(0, V, B, T)
    targets[0, 0] = targets[-1, -1] = 0
    return targets


def one_real_token(student: Student, one: Tensor, logits: Tensor, targets: Tensor) -> Any:
    """What the learner's masked loss gives for a single token, which is real."""
    return student.masked_sequence_loss(logits, targets, one)


@check("sequence-loss-masked-loss", of="masked_sequence_loss", standin=loss_of_real)
def masked_sequence_loss(student: Student, draw: Draw) -> None:
    """`masked_sequence_loss` is the mean of the cross-entropy over the real tokens: every one of them counts the same."""
    half = draw.to(torch.float32)
    cases = draw.cases(
        "lengths T V",
        ((3, 5, 2), 5, 4),
        ((2, 4, 3, 1), 6, 3),  # no row fills T
        ((0, 3), 4, 5),  # a row without a token
        ((4, 4), 4, 3),  # no padding at all
        ((3,), 5, 4),
        ((1, 4, 2), 4, 5),
        ((4, 7, 13, 5), 13, 1003),  # many classes: none of them marks padding
    )
    for number, (ends, T, V) in enumerate(cases):
        numbers = half if number == 5 else draw
        B, lengths = len(ends), torch.tensor(ends, device=numbers.device)
        padded = torch.arange(T, device=numbers.device) >= lengths.unsqueeze(1)
        logits = numbers.normal(B, T, V, scale=2)
        logits = torch.where(padded.unsqueeze(2), 10 * logits, logits)  # past the end anything may stand
        targets = telling_targets(numbers, B, T, V)
        if V > 999:
            targets[0, 1:4] = targets.new_tensor([99, 100, 999])  # as good as any other class
        want = loss_of_real(logits, targets, lengths)
        with on_error(*signs.MASKING):
            got = student.masked_sequence_loss(logits.clone().requires_grad_(), targets, lengths)
        slips = mistakes.masked_sequence_loss.on(logits, targets, lengths)
        one = torch.ones_like(lengths[:1])
        with narrowed(student, partial(one_real_token, student, one), logits, targets):
            expect(got, want, "the loss", slips=slips, factors={"B": B, "T": T, "V": V})
        signs.keeps_its_graph(got)


# ------------------------------------------------------------------------------------------------- model


@check("sequence-loss-model", of="SequenceModel")
def sequence_model(student: Student, draw: Draw) -> None:
    """A `SequenceModel` turns tokens into logits at every step and hands back its state, from which it can go on."""
    V, E, H = 7, 3, 5
    weights = draw.next_token("rnn", V, E, H)
    model = student.make("SequenceModel", V, E, H, shown="model")
    student.probe("load", into=model, weights=weights, shown="SequenceModel(vocab=7, embed=3, hidden=5)")
    kept = None
    cases = ((2, 4, False), (2, 3, True), (2, 4, False), (1, 1, True), (3, 1, False), (3, 13, True))
    for B, T, with_state in draw.cases("B T state", *cases):
        tokens, h = draw.integers(0, V, B, T), draw.normal(1, B, H) if with_state else None
        got, want = model(tokens, h) if with_state else model(tokens), run(weights, tokens, h)
        if isinstance(got, tuple) and len(got) == 2 and got[1] is None:
            deny("old-state", "h comes back as None; expected the state after the last step, (1, B, H)",
                 "`self.rnn` returns two things. Which of them is the new state?")  # fmt: skip
        ask = (tokens, h) if with_state else (tokens,)
        suits = kept is not None and kept.shape[1] == B
        slips = model_mistakes.sequence_model.on(weights, tokens, h, kept if suits else None)
        with signs.steady(model, ask, got):
            expect(got, want, ("logits", "h"), axes=("B T V", ""), slips=slips)
        kept = want[1]
    tokens = draw.integers(0, V, 2, 6)
    first, half_way = model(tokens[:, :2]), run(weights, tokens[:, :2])
    expect(first, half_way, ("logits", "h"), axes=("B T V", ""))
    second, want = model(tokens[:, 2:], first[1]), run(weights, tokens[:, 2:], half_way[1])
    expect(second, want, ("logits of the second of two calls", "h"), axes=("B T V", ""))
    its_gradients(student, draw, model, weights)
    weights = draw.to(torch.float32).next_token("rnn", V, E, H)
    model = student.make("SequenceModel", V, E, H, shown="model")
    student.probe("load", into=model, weights=weights)
    tokens = draw.integers(0, V, 2, 3)
    expect(model(tokens), run(weights, tokens), ("logits", "h"), axes=("B T V", ""))


def its_gradients(student: Student, draw: Draw, model: Handle, weights: Weights) -> None:
    """What goes back through two calls, the state handed on, has to reach every parameter and the first state."""
    V, _ = weights["embedding.weight"].shape
    H = weights["rnn.weight_hh_l0"].shape[1]
    pieces = [draw.integers(0, V, 2, 3), draw.integers(0, V, 2, 4)]
    pieces[0][0, 1] = pieces[1][1, 0] = 0  # token 0 is read in both
    h, toward = draw.normal(1, 2, H), [draw.normal(2, 3, V), draw.normal(2, 4, V), draw.normal(1, 2, H)]
    twin = student.probe("sequence_model", weights=weights)
    got = twin.sent_back(model, pieces, h, toward)
    student.show("two calls of the model, its state handed on, and a backward() through both")
    if isinstance(got, dict) and all(value is None for value in got.values()):
        deny("graph-lost", "the values are right, but no graph is behind them: backward() cannot reach the parameters",
             "Which line of `forward` takes the numbers out of the graph: `.detach()`, `.data`, `no_grad`?")  # fmt: skip
    want = SequenceModel.sent_back(SequenceModel(weights), pieces, h, toward)
    names = tuple("the gradient of " + ("the first state" if name == "h" else name) for name in want)
    if not isinstance(got, dict) or got.keys() != want.keys():
        deny("keys", "the parameters of the model are not those that it had when it was made",
             "The parts are made once, in `__init__`. Which line of `forward` makes or replaces one?")  # fmt: skip
    slips = model_mistakes.gradients.on({name: weights[name] for name in want if name != "h"}, pieces, h, toward)
    expect(tuple(got[name] for name in want), tuple(want.values()), names, slips=slips, clue=signs.BACK)


# ---------------------------------------------------------------------------------------- training step


@check("sequence-loss-train-step", of="train_step", needs=("sequence-loss-loss",), hygiene=False)
def train_step(student: Student, draw: Draw) -> None:
    """`train_step` takes one step down the gradient of the mean loss per token, and returns that loss, before the step."""
    kept: Tensor | None = None
    cases = draw.cases(
        "B T count options",  # no rate is a size of the batch, or one over it, times what one writes by habit
        (3, 4, 1, {"lr": 0.37, "momentum": 0.9}),
        (3, 4, 3, {"lr": 0.37, "momentum": 0.9}),
        (1, 5, 2, {"lr": 0.13, "momentum": 0.0}),
        (4, 1, 1, {"lr": 0.23, "momentum": 0.5}),
        (3, 13, 1, {"lr": 0.37, "momentum": 0.9}),
    )
    for B, T, count, options in cases:
        weights = draw.next_token("rnn", 6, 2, 5)
        stale = {name: draw.normal(*value.shape, scale=0.3) for name, value in weights.items()}
        batches = [(draw.integers(0, 6, B, T), telling_targets(draw, B, T, 6)) for _ in range(count)]
        model = student.probe("sequence_model", weights=weights, stale=stale)
        optimizer = student.probe("optimizer", model=model, **options)
        loss: Any = None
        for tokens, targets in batches:
            with on_error(*signs.TRAINING):
                loss = student.train_step(model, optimizer, tokens, targets)
        signs.vet_loss(loss)
        after = student.probe("parameters", of=model)
        moved = {name: after[name] - value for name, value in weights.items()}
        want = trained(weights, batches, options)
        if all(not bool(value.any()) for value in moved.values()):
            signs.did_nothing(student.probe("gradients", of=model))
        kept = kept if kept is not None and kept.shape[1] == B else None
        slips = step_by_hand.on(weights, stale, batches, options["lr"], options["momentum"], kept, pick=one_by_one)
        names = ("the returned loss", *(f"the change of {name}" for name in weights))
        with signs.another_step(loss, moved, want, {"B": B, "T": T}):
            expect(one_by_one((loss, moved)), one_by_one(want), names, slips=slips, factors={"B": B, "T": T})
        kept = run(weights, batches[0][0])[1] if count == 1 else None
    adam_too(student, draw)


def one_by_one(step: tuple[Any, Mapping[str, Tensor]]) -> tuple[Any, ...]:
    """The loss and the change of each parameter, in one row."""
    return step[0], *step[1].values()


def adam_too(student: Student, draw: Draw) -> None:
    """The same with another optimizer: whoever has written SGD out by hand ends elsewhere."""
    weights = draw.next_token("rnn", 4, 3, 2)
    batches = [(draw.integers(0, 4, 2, 3), draw.integers(0, 4, 2, 3)) for _ in range(2)]
    model = student.probe("sequence_model", weights=weights)
    optimizer = student.probe("optimizer", model=model, kind="adam", lr=0.05)
    losses = [student.train_step(model, optimizer, *batch) for batch in batches]
    twin = SequenceModel(weights)
    stepper = torch.optim.Adam(twin.parameters(), lr=0.05)
    want = [one_step(twin, stepper, *batch) for batch in batches]
    got = student.probe("parameters", of=model)
    after = {name: value.detach() for name, value in twin.named_parameters()}
    clue = "With Adam the step is another one than with SGD. Who takes the step in your function: the optimizer?"
    names = ("the returned losses", *(f"{name} after two steps" for name in after))
    expect(one_by_one((losses, got)), one_by_one((want, after)), names, clue=clue)


# -------------------------------------------------------------------------------- states and generation


@check("sequence-loss-final-state", of="final_state")
def final_state(student: Student, draw: Draw) -> None:
    """`final_state` is the state of each row after its own last token, whatever stands behind it."""
    V, E, H = 7, 3, 5
    half = draw.to(torch.float32)
    cases = draw.cases(
        "lengths T", ((4, 6, 3), 6), ((2, 4, 1), 6), ((1,), 3), ((2, 2), 2), ((4, 3), 4), ((4, 7, 14, 5), 14)
    )
    for number, (ends, T) in enumerate(cases):  # T is even: no length counts alike from both ends
        numbers = half if number == 4 else draw
        weights = numbers.next_token("rnn", V, E, H)
        tokens, lengths = numbers.integers(0, V, len(ends), T), torch.tensor(ends, device=numbers.device)
        tokens[lengths.argmax(), 0] = 0  # a real 0, in a row that may have no padding
        model = student.probe("sequence_model", weights=weights)
        with on_error(*signs.PACKING):
            got = student.final_state(model, tokens, lengths)
        want = torch.cat([run(weights, row[:end].unsqueeze(0))[1] for row, end in zip(tokens, ends, strict=True)], 1)
        if isinstance(got, Tensor) and len(ends) > 1 and (len(ends), len(ends), H) in (got.shape, got.shape[1:]):
            deny("every-row-every-length", f"h has shape {tuple(got.shape)}; expected {tuple(want.shape)}",
                 "Each row was asked for the step of every row: `states[:, steps]` does that. Which index of rows belongs to each step?")  # fmt: skip
        slips = model_mistakes.final_state.on(weights, tokens, lengths)
        expect(got, want, "h", axes="1 B H", slips=slips)


@check("sequence-loss-generate", of="generate", hygiene=False)
def generate(student: Student, draw: Draw) -> None:
    """`generate` reads the prompt once, and then each token that it has chosen: always the most likely one."""
    V, E, H = 17, 3, 7
    for P, n in draw.cases("P T", (5, 8), (3, 6), (1, 5), (4, 1), (2, 13)):

        def inputs(P: int = P, n: int = n) -> tuple[Any, ...]:
            weights = draw.next_token("rnn", V, E, H)
            weights["rnn.weight_hh_l0"] *= 2  # a lively state: no short cycle of tokens
            return weights, draw.integers(0, V, P), n

        weights, prompt, n = signs.telling(model_mistakes.generate, inputs) if P == 5 else inputs()
        model = student.probe("sequence_model", weights=weights)
        with on_error(*signs.GENERATING):
            got = student.generate(model, prompt, n)
        if isinstance(got, Tensor) and got.is_floating_point():
            deny(
                "values-for-indices",
                f"tokens has dtype {got.dtype}; expected {prompt.dtype}: whole numbers",
                signs.VALUES,
            )
        want = greedy(weights, prompt, n)
        if isinstance(got, Tensor) and got.shape == want.shape and not torch.equal(got, want):
            again = student.generate(student.probe("sequence_model", weights=weights), prompt, n)
            if isinstance(again, Tensor) and not torch.equal(got, again):
                deny("sampled", "two calls with the same model and the same prompt gave different tokens",
                     "Greedy leaves nothing to chance: the most likely token is taken. Which line draws at random, or keeps something from one call to the next?")  # fmt: skip
        if isinstance(got, list) and len(got) == n:
            deny("not-stacked", f"a list of {n} came back; expected a tensor of shape ({n},)",
                 "The tokens are to be one tensor of whole numbers. Which call makes a tensor of a list?")  # fmt: skip
        slips = model_mistakes.generate.on(weights, prompt, n)
        expect(got, want, "tokens", axes="n", slips=slips, clue=signs.GENERATION)
        signs.frugal(student.probe("fed", model=model), P, n)


# ----------------------------------------------------------------------------------------- bug to find


CASES = (  # V, and labels: every class is one, rows end on different ones, and 0 stands before the end wherever it can
    (4, ((0, 2, 0, 3), (1, 2), (3, 0, 1))),
    (5, ((0,), (4, 1, 0, 2, 3))),
    (3, ((2, 0, 1),)),
    (1003, ((99, 2, 100, 5, 255, 0, 3, 98, 999, 1002, 1, 7, 4), (1001, 101, 6, 0))),  # no class marks padding
)


@check("sequence-loss-bug", of="labelling_loss", needs=("sequence-loss-masked-loss",))
def labelling_loss(student: Student, draw: Draw) -> None:
    """`labelling_loss` is the mean loss per real step of sequences of unequal lengths, for any number of classes."""
    for V, rows in CASES:
        weights = draw.next_token("rnn", V, 3, 5)
        labels = [torch.tensor(row, device=draw.device) for row in rows]
        readings = [draw.integers(1, V, len(row)) for row in rows]
        for reading in readings:
            reading[: len(reading) // 2] = 0
        model = student.probe("sequence_model", weights=weights)
        with on_error(*signs.LABELLING):
            got = student.labelling_loss(model, readings, labels)
        losses = [token_losses(run(weights, x.unsqueeze(0))[0][0], y) for x, y in zip(readings, labels, strict=True)]
        slips = labelling.on(weights, readings, labels)
        with signs.as_found():
            expect(got, torch.cat(losses).mean(), "the loss", slips=slips, factors={"B": len(rows)})
        signs.keeps_its_graph(got)


# ----------------------------------------------------------------------------------------- predictions


@prediction("sequence-loss-predict-untrained", "guess_untrained", between=(0, 1000))
def predict_untrained() -> None:
    """`guess_untrained` is a number: the loss per token of a model that finds all 18 tokens equally likely."""


@prediction("sequence-loss-predict-factor", "guess_factor", between=(0, 1e6))
def predict_factor() -> None:
    """`guess_factor` is a number: how many times longer the gradient of the sum is than that of the mean, for B = 8 and T = 25."""


@prediction("sequence-loss-predict-memory", "guess_larger", options=("states", "logits"))
def predict_memory() -> None:
    """`guess_larger` is a choice: what takes more memory in training, the states or what belongs to the logits."""
