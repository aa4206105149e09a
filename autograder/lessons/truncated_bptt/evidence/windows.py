"""What is wrong with rows and windows of a stream, and with the losses that come back for them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from autograder.beside.wire import Yielded, flags
from autograder.checking.confirm import Guess, now, try_on
from autograder.checking.expect import deny, expect
from autograder.checking.spec import Wrong
from autograder.lessons.truncated_bptt.mistakes import streams as mistakes


def judge_rows(got: Any, want: Tensor, stream: Tensor, B: int) -> None:
    """Raise Wrong unless `got` is the stream laid out as B contiguous rows."""
    try:
        expect(got, want, "the result", axes="B N", slips=mistakes.batchify.on(stream, B))
    except Wrong as wrong:
        if wrong.finding.sign not in ("one-too-few", "one-too-many"):
            raise
        clue = f"{len(stream)} tokens, {B} rows of equal length: how many tokens does a row get, and how many are left over?"
        raise Wrong(replace(wrong.finding, clues=(clue,))) from None


def judge_windows(got: Any, want: list[tuple[Tensor, Tensor]], x: Tensor, y: Tensor, k: int) -> None:
    """Raise Wrong unless `got` are the windows `want`, yielded one by one."""
    if isinstance(got, tuple | list) and not isinstance(got, Yielded) and got:
        deny("no-generator", f"chunks returned a {type(got).__name__}; expected a generator",
             "A generator makes one window at a time, when it is asked for. Which word is used in place of `return`?")  # fmt: skip
    if isinstance(got, Yielded) and got and not all(isinstance(one, tuple | list) and len(one) == 2 for one in got):
        odd = next(i for i, one in enumerate(got) if not (isinstance(one, tuple | list) and len(one) == 2))
        deny(
            "no-pair",
            f"item {odd} that chunks yields is no pair; expected a pair (window of x, window of y)",
            "What does one round of the loop give out?",
        )
    slips = mistakes.chunks.on(x, y, k)
    table = slips.reference.slips
    if isinstance(got, Yielded) and len(got) != len(want):
        summary = f"chunks yields {len(got)} windows; expected {len(want)} for {x.shape[1]} steps and k = {k}"
        if (asking := now()).trial is not None:
            return try_on(got, "windows", "", slips)
        for ids in (*((id,) for id in table), *itertools.combinations(table, 2)):
            guess = Guess(slips.name, frozenset(ids))
            if asking.may_name(guess) and _equal(got, slips.value(ids)):
                asking.named = [guess]
                says = ", and ".join(table[id].says for id in ids)
                deny(" + ".join(ids), summary, f"This is what comes out when {says}.", *(table[id].asks for id in ids))
        deny("count", summary, "With which step does the first window begin, and the last?")
    try:
        expect(got, want, "windows", slips=slips)
    except Wrong as wrong:
        named = wrong.finding.sign.split(" | ")
        if set(named) <= set(table) and not any(_equal(got, slips.value((id,))) for id in named):
            # One window looks like these mistakes, and the others do not: none of them is it.
            clue = f"Write down for {x.shape[1]} steps and k = {k}: with which step does each of your windows begin, and with which does it end?"
            raise Wrong(replace(wrong.finding, sign="other-windows", clues=(clue,))) from None
        raise


def _equal(got: Any, value: Any) -> bool:
    return len(got) == len(value) and all(
        isinstance(a, Tensor) and a.shape == b.shape and torch.equal(a, b)
        for one, other in zip(got, value, strict=True)
        for a, b in zip(one, other, strict=True)
    )


def judge_losses(got: Any, want: list[float]) -> None:
    """Raise Wrong unless `got` is a list of the windows' losses, as numbers; guesses about the parameters are tried without them."""
    if now().trial is not None:
        return
    if isinstance(got, list | tuple) and any(isinstance(one, Tensor) and flags(one).has_graph for one in got):
        deny("losses-keep-graph", "the losses are tensors that keep their graphs; expected numbers",
             "Each of them holds the whole graph of its window in memory. What turns a loss into a plain number?")  # fmt: skip
    if isinstance(got, int | float) or (isinstance(got, Tensor) and got.dim() == 0):
        deny("one-loss", f"one number came back; expected a list of {len(want)}, one for each window",
             "The parameters are right. What is to come back for each window?")  # fmt: skip
    if isinstance(got, list | tuple) and len(got) != len(want):
        deny(
            "losses-count",
            f"{len(got)} losses came back; expected {len(want)}, one for each window",
            "When is a loss noted down?",
        )
    expect(got, want, "the losses", rtol=1e-4,
           clue="The parameters are right, so the loss that was learned from is right too. Which number was noted down, and when?")  # fmt: skip
    if not isinstance(got, list):
        deny("type", "the losses are a tuple; expected a list")
