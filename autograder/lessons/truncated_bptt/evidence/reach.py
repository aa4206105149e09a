"""What is wrong with a pair that says how far a loss reaches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from autograder.beside.advice import GRAPH_FREED
from autograder.checking.expect import deny, expect, known
from autograder.checking.spec import Finding, LearnerFailed, Wrong

SHARED = GRAPH_FREED.but(
    "These losses share a graph, and the way back from one of them has thrown it away. What keeps it for the next?",
    "graph-freed",
)


def reach_failed(failed: LearnerFailed, losses: list[Any], ask: Callable[[list[Any]], Any]) -> LearnerFailed | Wrong:
    """What an error means here: told by asking once more, without the losses that touch no step.

    `losses` are as for the probe `losses_on`, and `ask` calls the learner's function on some of them.
    """
    text, where = failed.finding.summary, failed.finding.where
    if failed.status != "error" or SHARED.fits(text):
        return known(failed, SHARED)
    said = {
        ("zero",): "One of the losses has the inputs in its graph, and its gradient is 0 at every step. How many steps does your search find then, and what should come back?",
        ("constant",): "A constant has no graph, so autograd cannot go back from it. Which steps does it touch, and how can you tell before you ask?",
        ("elsewhere",): "One of the losses has a graph in which the inputs do not occur. What does autograd give for it, and what should come back?",
        ("constant", "elsewhere"): "Some of the losses do not depend on the inputs. What does autograd give for them, and what should come back?",
    }  # fmt: skip
    for kinds, clue in said.items():
        others = [one for one in losses if not isinstance(one, str) or one not in kinds]
        if others and len(others) < len(losses) and _answered(ask, others):
            summary = f"{text.removesuffix('.')}; without the loss that touches no step it runs"
            return Wrong(Finding("-or-".join(kinds), summary, where, (clue,)))
    return failed


def _answered(ask: Callable[[list[Any]], Any], losses: list[Any]) -> bool:
    try:
        ask(losses)
    except LearnerFailed:
        return False
    return True


def judge_number(got: Any, want: list[Any]) -> None:
    """Raise Wrong where there is not one entry for each loss."""
    none = want.count(None)
    if isinstance(got, list | tuple) and none and len(got) == len(want) - none:
        deny("nones-left-out", f"{len(got)} entries came back for {len(want)} losses; expected one for each",
             "Some of the losses touch no step. What should stand in their places?")  # fmt: skip
    expect(got, want, "the reach")


def judge_reach(have: Any, asked: Any, name: str, loss: Any, T: int, union: Any, together: Any) -> None:
    """Raise Wrong unless `have` is the pair `asked`.

    `union` is what this loss and all before it reach together, `together` what all losses reach.
    """
    if asked is None:
        if have is not None and loss == "zero":
            deny(
                "zero-gradient",
                f"{name} is {have!r}; expected None",
                "The inputs are in this loss's graph, and its gradient is 0 at every step. What does your search for the first and the last step give where there is none?",
            )
        if have is not None:
            deny(
                "untouched",
                f"{name} is {have!r}; expected None",
                "This loss does not depend on the inputs. What does autograd give for it, and what should come back?",
            )
        return
    tiny, negative = any(factor < 1e-3 for factor in loss[2]), len(loss[1]) > 1 and bool((loss[3] < 0).all())
    small = "Some of its gradient is very small and not zero. What does your test make of a small number?"
    if have is None and negative:
        deny("positive-only", f"{name} is None; expected {asked}",
             "At this step every entry of the gradient is below 0. Is a number below 0 zero?")  # fmt: skip
    if have is None:
        clue = (small if tiny
                else "Somewhere its gradient is not zero. Does your test add up numbers that cancel, or look at one row or one entry only?")  # fmt: skip
        deny("threshold" if tiny else "not-found", f"{name} is None; expected {asked}", clue)
    if (
        not isinstance(have, tuple | list)
        or len(have) != 2
        or any(isinstance(v, bool | str) or v is None for v in have)
    ):
        deny(
            "no-pair",
            f"{name} is {have!r}; expected a pair (first step, last step)",
            "What are the two numbers that are asked for?",
        )
    pair = tuple(v.item() if isinstance(v, Tensor) and v.numel() == 1 else v for v in have)
    if pair == asked:
        return
    summary = f"{name} is {pair}; expected {asked}"
    if tiny and all(isinstance(v, int) and asked[0] <= v <= asked[1] for v in pair):
        deny("threshold", summary, small)
    said = {
        (asked[0] - 1, asked[1] - 1): ("from-zero", "The steps are counted from 0. On paper the first step is 1."),
        (asked[0] - 1, asked[1]): ("half-open", "The first step is counted from 0: is the pair meant like a slice? Both ends should be steps, counted from 1."),
        (asked[1], asked[0]): ("swapped", "The pair stands the wrong way round: first step, then last."),
        (asked[0], asked[1] + 1): ("end-open", "The last step is one too far. Is it meant as the end of a slice?"),
        (1, asked[1]): ("from-the-first", "It begins with the first step of all. Was the graph looked at, or only the place of the loss?"),
        (asked[1], asked[1]): ("own-step", "Only the loss's own step is found. How far does its gradient flow back?"),
        (asked[0], T): ("to-the-last", "It goes on to the last step of all, which comes after the loss."),
    }  # fmt: skip
    if pair == together and pair != (1, asked[1]):
        deny(
            "all-together",
            summary,
            "This is what all the losses reach together. Which of them does your gradient belong to?",
        )
    if pair == union and "losses[0]" not in name:
        deny(
            "gradients-added",
            summary,
            "This is what this loss and those before it reach together. Where does a gradient of an earlier loss stay behind?",
        )
    if pair in said:
        deny(said[pair][0], summary, said[pair][1])
    if pair[0] > pair[1]:
        deny("row-order", summary, "The first step comes after the last. In which order does your search list what it finds: step by step, or row by row?")  # fmt: skip
    deny("value", summary, "Take this loss alone: at which steps is its gradient with respect to the inputs not zero?")
