"""Checks of lesson 09, the capstone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from autograder.beside.advice import GRAPH_FREED, NAME
from autograder.beside.wire import Yielded
from autograder.checking.compare import differences
from autograder.checking.describe import describe
from autograder.checking.draw import Draw
from autograder.checking.expect import deny, expect, on_error
from autograder.checking.predictions import prediction
from autograder.checking.spec import Wrong, check
from autograder.checking.student import Student
from autograder.lessons.capstone import mistakes, streaming
from autograder.lessons.capstone.oracles import filtered


def toy_text(draw: Draw, K: int, r: float, T: int) -> Tensor:
    """A text (T,) of the toy language, which begins with a sentence."""
    said: list[int] = []
    while len(said) < T:
        nouns = draw.integers(0, K, 2).tolist()
        said += nouns
        while float(draw.uniform(1)) < r:
            said.append(K)
        said += [K + 1 + noun for noun in reversed(nouns)]
    return torch.tensor(said[:T], device=draw.device)


@check("capstone-best-probs", of="best_probs", hygiene=False)
def best_probs(student: Student, draw: Draw) -> None:
    """`best_probs` gives, after each token of a toy text, the exact probabilities of the next one."""
    for K, r, T in draw.cases("K r T", (3, 0.6, 40), (2, 0.35, 15), (4, 0.5, 23), (2, 0.5, 1)):
        tokens = toy_text(draw, K, r, T)
        got = student.best_probs(tokens, K, r)
        want, slips = filtered(tokens, K, r), mistakes.best_probs.on(tokens, K, r)
        if (
            isinstance(got, Tensor) and got.is_floating_point()
        ):  # they are made from whole numbers, so any dtype and device will do
            got, want = got.cpu(), want.to(got.dtype)
            slips = mistakes.best_probs.on(tokens, K, r, pick=lambda value, like=got: value.to(like.dtype))
        with _beside_the_text(tokens):
            expect(got, want, "the probabilities", axes="T V", slips=slips, rtol=1e-5)


@contextmanager
def _beside_the_text(tokens: Tensor) -> Iterator[None]:
    """A wrong probability is told with the tokens that were read before it; one that no mistake explains, with the places of the tokens."""
    try:
        yield
    except Wrong as wrong:
        found = wrong.finding
        if not found.where:
            raise
        found = replace(found, where=f"{found.where}; the text begins {' '.join(map(str, tokens[:12].tolist()))}")
        if re.split(r" [|+] ", found.sign)[0] not in mistakes.best_probs.slips:
            found = replace(found, sign="value", clues=(READ,))
        raise Wrong(found) from None


READ = "Which tokens can come there, and with which probabilities? Nouns are at 0 … K − 1, the filler is K, the verb of class i is at K + 1 + i."


@check("capstone-nats-above", of="nats_above")
def nats_above(student: Student, draw: Draw) -> None:
    """`nats_above` is the mean over all predicted tokens of the best predictor's log-probability minus the predictor's own."""
    for B, T, V in draw.cases("B T V", (3, 7, 5), (2, 13, 4), (1, 2, 3)):
        log_probs, tokens = draw.normal(B, T - 1, V).log_softmax(2), draw.integers(0, V, B, T)
        best = -draw.normal(B, T - 1).abs()
        got = student.nats_above(log_probs, tokens, best)
        slips = mistakes.nats_above.on(log_probs, tokens, best)
        factors = {"B": B, "T − 1": T - 1, "number of predictions": B * (T - 1)}
        expect(got, mistakes.nats_above(log_probs, tokens, best), "the excess", slips=slips, factors=factors)


@check("capstone-bug", of="windows")
def windows(student: Student, draw: Draw) -> None:
    """`windows` yields consecutive windows of k steps, each with the next tokens as its targets; the last one may be shorter."""
    for B, N, k in draw.cases("B N k", (3, 12, 5), (2, 8, 4), (4, 3, 6), (2, 14, 3)):
        rows = draw.integers(0, 90, B, N + 1)
        got = student.windows(rows, k)
        want = list(zip(rows[:, :-1].split(k, 1), rows[:, 1:].split(k, 1), strict=True))
        got = list(got) if isinstance(got, Yielded) else got
        if isinstance(got, list) and len(got) != len(want):
            _number_of_windows(got, rows, k)
        expect(got, want, "the windows", slips=mistakes.windows.on(rows, k))


def _number_of_windows(got: list[Any], rows: Tensor, k: int) -> None:
    """Too many or too few windows: the mistake that gives exactly these."""
    same = [slip for slip in mistakes.windows.slips.values()
            if not list(differences(got, mistakes.windows(rows, k, slips=(slip.id,))))]  # fmt: skip
    for slip in same[:1]:
        summary = f"{len(got)} windows came; expected {len(rows[0, 1:].split(k))}"
        deny(slip.id, summary, f"This is what comes out when {slip.says}.", slip.asks)


LR = 0.05
CUT = GRAPH_FREED.but("The state that goes on still has its graph. What does `detach()` do, and to which parts?", "graph-kept")  # fmt: skip


@check("capstone-train-window", of="train_window", hygiene=False)
def train_window(student: Student, draw: Draw) -> None:
    """After a few windows, `train_window` has led every parameter to where clipped, truncated BPTT leads."""
    cases = ("lstm", 3, 13, 4, 0.05), ("rnn", 2, 9, 3, 0.2), ("lstm", 1, 6, 2, 50.0)
    for kind, B, T, k, max_norm in draw.cases("kind B T k max_norm", *cases):
        weights = draw.next_token(kind, V=5, D=3, H=4)
        x, y = draw.integers(0, 5, B, T), draw.integers(0, 5, B, T)
        model = student.probe("model", kind=kind, weights=weights)
        optimizer = student.probe("optimizer", model=model, kind="adam", lr=LR)
        shown = f"train_window(model, optimizer, x, y, state, {max_norm}) on windows of {k} steps"
        with on_error(CUT):
            got = student.probe("in_windows", call="train_window", model=model, optimizer=optimizer, x=x, y=y, k=k,
                                max_norm=max_norm, shown=shown)  # fmt: skip
        if "odd" in got:
            deny("type", f"train_window returned {describe(got['odd'])}; expected a pair: the loss and the state", "Two values, separated by a comma.")  # fmt: skip
        after = student.probe("parameters", of=model, shown=shown)
        case = (kind, weights, x, y, k, max_norm, LR)
        want, losses = mistakes.train_windows(*case)
        alone = [isinstance(one, float) for one in got["losses"]]
        if all(alone):
            expect((after, got["losses"]), (want, losses), ("after the windows, parameters", "the losses"),
                   slips=mistakes.train_windows.on(*case), rtol=1e-5)  # fmt: skip
        slips = mistakes.train_windows.on(*case, pick=lambda value: value[0])
        expect(after, want, "after the windows, parameters", slips=slips, rtol=1e-5)
        if odd := [one for one in got["losses"] if not isinstance(one, float)]:
            deny("no-float", f"the loss is {describe(odd[0])}; expected a float", "A tensor keeps its graph, and with it the window's memory. What makes a number of it?")  # fmt: skip


@check("capstone-state", of="pack_state", hygiene=False, deadline=60.0)
def state(student: Student, draw: Draw) -> str | None:
    """What `pack_state` writes, `unpack_state` reads in another process: the same state of an LSTM."""
    sizes = ((3, 5), (2, 7), (1, 4))
    given = [(draw.normal(1, B, H).float(), draw.normal(1, B, H).float()) for B, H in sizes]
    packed: list[Any] = []
    for (B, H), pair in zip(sizes, given, strict=True):
        packed.append(student.pack_state(pair))
        if not isinstance(packed[-1], bytes):
            deny("state-type", f"pack_state returned {describe(packed[-1])}; expected bytes", "`numpy().tobytes()`, `struct` and `safetensors.torch.save` give bytes.")  # fmt: skip
        if len(packed[-1]) > 8 * B * H + 4096:
            deny("state-too-large", f"the state of {B} rows of {H} units has {len(packed[-1]):,} bytes; its numbers need {8 * B * H}",
                 "What else is in there? A slice of a tensor may be saved with the whole tensor behind it.")  # fmt: skip
    with student.apart() as other:
        for pair, data in zip(given, packed, strict=True):
            with on_error(GONE):
                got = other.unpack_state(data)
            if isinstance(got, dict):
                deny("type", "unpack_state returned a dict; expected the pair (h, c)", "A dict is how they travelled. Which of its items is h, and which is c?")  # fmt: skip
            expect(got, pair, ("h", "c"), axes="1 B H", slips=mistakes.handed_over.on(*pair))
    return UNSAFE if any(_pickled(data) for data in packed) else None


GONE = NAME.but(
    "That name exists only in the process that packed. What `unpack_state` needs, the sizes included, has to be in the bytes."
)
UNSAFE = "These bytes are a pickle. That is accepted here, and it is unsafe: reading a pickle from elsewhere can run any code."


def _pickled(data: bytes) -> bool:
    """Whether bytes begin and end as those of `pickle.dumps`: protocol 2 to 5, and STOP."""
    return data[:1] == b"\x80" and data[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05") and data[-1:] == b"."


@check("capstone-predictor", of="Predictor", hygiene=False, deadline=120.0)
def predictor(student: Student, draw: Draw) -> tuple[float, str]:
    """`Predictor` predicts hidden streams token by token, in constant memory, and goes on in another process from its state."""
    return streaming.judge(student, draw)


@prediction("capstone-predict-forgotten", "guess_forgotten", between=(0, 10))
def predict_forgotten() -> None:
    """`guess_forgotten` is a number: the nats a token that a predictor loses if it knows everything but the two nouns."""


@prediction("capstone-predict-window", "guess_window", options=tuple(streaming.CHOICES))
def predict_window() -> None:
    """`guess_window` is a choice: how far above the best predictor an LSTM ends that was trained in windows of 6 steps."""
