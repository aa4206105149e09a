"""What a wrong answer of lesson 04 shows besides its value: errors, graphs, steps not taken, tokens read again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from autograder.beside.advice import BATCH_SIZE, INDICES, MASK, NUMBER, SLICE, Raised
from autograder.beside.wire import flags
from autograder.checking.compare import first_difference
from autograder.checking.expect import deny
from autograder.checking.spec import Reference, Wrong
from autograder.checking.student import Handle

_MASK = "A mask in square brackets has to have the shape of what it picks from. Which shape does your mask have, and which do the losses have?"
VALUES = (
    "A token is a place in the row of logits, not the logit at that place. Of `max` and `argmax`, which gives which?"
)

# What an error means in one exercise; some are said by the model of the checks (beside/probes/sequence_loss.py).
MASKING = (MASK.but(_MASK), INDICES.but(_MASK))
TRAINING = (
    NUMBER.but(
        "A plain number has no graph, so there is nothing for `backward()` to go back through. In which order do `backward()` and the call that takes the number out come?",
        where="'backward'",
    ),
)
PACKING = (
    SLICE.but(
        "The lengths do not fit the axis that is taken for time. Which axis is time for `pack_padded_sequence`, unless it is told otherwise?",
    ),
)
GENERATING = (
    Raised(
        "was called with the token",
        "Where does this number come from? If it is an index: over which logits does it count, those of the last step, or those of all steps at once?",
    ),
    Raised("expected whole numbers", VALUES),
)
LABELLING = (
    Raised(
        "was called with the token",
        "The model looks up every token in a table, those that fill a row up as well. With what may the readings be filled up, and does the loss ever see it?",
    ),
    BATCH_SIZE.but(
        "Of logits and targets one is flattened and the other is not, or their numbers of steps differ. Which shapes meet in the loss?"
    ),
)
GENERATION = "Follow it by hand for two tokens: what is read before the first is chosen, what before the second, and from which state?"
BACK = "The values are right, and a gradient is not. Which line of `forward` takes something out of the graph, or which argument of a layer keeps it from learning?"


def keeps_its_graph(loss: Any) -> None:
    """Deny a loss that `backward()` cannot start from."""
    if isinstance(loss, Tensor) and not flags(loss).has_graph:
        deny(
            "graph-lost",
            "the value is right, but the loss has no graph behind it: backward() cannot start from it",
            "Which line takes the numbers out of the graph: `.item()`, `.detach()`, `torch.tensor(...)`, `no_grad`?",
        )


@contextmanager
def steady(model: Handle, ask: tuple[Any, ...], got: Any) -> Iterator[None]:
    """Wrong logits that look like nothing known are asked for once more: do the same numbers come back?"""
    try:
        yield
    except Wrong as wrong:
        if wrong.finding.sign == "value" and first_difference(model(*ask), got) is not None:
            deny("unsteady", "two calls with the same tokens and the same state gave different logits",
                 "What is drawn at random in your model, or kept from one call to the next?")  # fmt: skip
        raise


def vet_loss(loss: Any) -> None:
    """Deny a loss that is a tensor: with its graph it would keep every step's memory."""
    if isinstance(loss, Tensor) and loss.numel() == 1:
        asks = "What turns a tensor of one entry into a number?"
        if not flags(loss).has_graph:
            deny(
                "tensor-returned",
                "the loss came back as a tensor without its graph; expected a plain number (float)",
                asks,
            )
        deny("tensor-returned", "the loss came back as a tensor with its graph; expected a plain number (float)",
             f"A list of such losses keeps the graph of every step alive. {asks}")  # fmt: skip


def did_nothing(grads: Mapping[str, Tensor | None]) -> None:
    """Deny a step after which no parameter has moved; the gradients that are left over say why."""
    summary = "no parameter has moved; expected one step of the optimizer"
    if any(grad is not None and bool(grad.any()) for grad in grads.values()):
        deny(
            "no-step",
            summary,
            "There are gradients, but nothing was done with them. Which line changes the parameters, and does it come after `backward()`?",
        )
    deny("no-gradient-left", summary,
         "When the optimizer looked, there was no gradient: it was never computed, was cut off on its way to the parameters (`detach`), or was set to zero too early. "
         "In which order are zero_grad, backward and step called?")  # fmt: skip


WHO_STEPS = "The returned loss is right, and the parameters have moved otherwise than the optimizer that was handed in moves them. "


@contextmanager
def another_step(
    loss: Any, moved: Mapping[str, Tensor], want: tuple[float, Mapping[str, Tensor]], sizes: Mapping[str, int]
) -> Iterator[None]:
    """A right loss and a wrong step that looks like nothing known: say what may have taken it."""
    try:
        yield
    except Wrong as wrong:
        known = wrong.finding.sign not in ("value", "factor")
        if known or first_difference(loss, want[0]) is not None:
            raise
        flat, right = (torch.cat([step[name].flatten() for name in want[1]]) for step in (moved, want[1]))
        factor = float(flat @ right / (right @ right))
        along = first_difference(flat, factor * right) is None
        if along and any(math.isclose(max(factor, 1 / factor), size, rel_tol=1e-4) for size in (2, *sizes.values())):
            raise
        how = (f"Every entry has moved {factor:.4g} times as far as it should. Does that optimizer take the step, or one of your own with "
               "another rate? Or was the loss multiplied by something before `backward()`?" if along else
               "Does it take the step, or one of your own? And which gradients does it find in `.grad`?")  # fmt: skip
        raise Wrong(replace(wrong.finding, sign="another-step", clues=(WHO_STEPS + how,))) from None


def telling(reference: Reference, inputs: Callable[[], tuple[Any, ...]], tries: int = 40) -> tuple[Any, ...]:
    """Inputs for which no two of the named mistakes give the same answer, nor the right one; the best of some draws."""
    best, most = inputs(), 0
    for _ in range(tries):
        tried = inputs()
        values = [reference(*tried, slips=slips) for slips in ((), *((id,) for id in reference.slips))]
        different = len({tuple(value.flatten().tolist()) for value in values})
        if different > most:
            best, most = tried, different
        if different == len(values):
            break
    return best


def frugal(fed: Sequence[tuple[int, int, bool]], P: int, n: int) -> None:
    """Deny a generation that reads tokens again; the last generated one may be read or not."""
    read = sum(rows * steps for rows, steps, _ in fed)
    if read > P + n:
        deny("read-again", f"the tokens are right, but the model has read {read} tokens; {P + n - 1} are enough "
             f"for a prompt of {P} and {n} new ones",
             "The state already holds what was read. What has to be handed to the model for the next token, besides the state?")  # fmt: skip


AS_FOUND = (
    "This is the program as it was found, or one that computes the same. Run the experiment below. Look at its loss against the floor, "
    "then at which states are named."
)


@contextmanager
def as_found() -> Iterator[None]:
    """The mistake that the reader is to look for is not named."""
    try:
        yield
    except Wrong as wrong:
        if wrong.finding.sign != "class-0-left-out":
            raise
        raise Wrong(replace(wrong.finding, sign="as-found", clues=(AS_FOUND,))) from None
