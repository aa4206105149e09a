"""What is wrong with a pair that says how far a loss reaches."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from autograder.expect import deny


def judge_reach(have: Any, asked: Any, name: str, loss: Any, T: int, union: Any) -> None:
    """Raise Wrong unless `have` is the pair `asked`; `union` is what this loss and all before it reach together."""
    if asked is None:
        if have is not None:
            deny(
                "untouched",
                f"{name} is {have!r}; expected None",
                "This loss does not depend on the inputs. What does autograd give for it, and what should come back?",
            )
        return
    if have is None:
        tiny = loss[2] < 1e-3
        clue = ("Its gradient is small and not zero. With what is it compared?" if tiny
                else "Somewhere its gradient is not zero. Does your test add up numbers that cancel, or look at one row only?")  # fmt: skip
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
    said = {
        (asked[0] - 1, asked[1] - 1): ("from-zero", "The steps are counted from 0. On paper the first step is 1."),
        (asked[0] - 1, asked[1]): ("half-open", "The first step is counted from 0: is the pair meant like a slice? Both ends should be steps, counted from 1."),
        (asked[1], asked[0]): ("swapped", "The pair stands the wrong way round: first step, then last."),
        (asked[0], asked[1] + 1): ("end-open", "The last step is one too far. Is it meant as the end of a slice?"),
        (1, asked[1]): ("from-the-first", "It begins with the first step of all. Was the graph looked at, or only the place of the loss?"),
        (asked[1], asked[1]): ("own-step", "Only the loss's own step is found. How far does its gradient flow back?"),
        (asked[0], T): ("to-the-last", "It goes on to the last step of all, which comes after the loss."),
    }  # fmt: skip
    if pair == union and "losses[0]" not in name:
        deny(
            "gradients-added",
            summary,
            "This is what this loss and those before it reach together. Where does a gradient of an earlier loss stay behind?",
        )
    if pair in said:
        deny(said[pair][0], summary, said[pair][1])
    deny("value", summary, "Take this loss alone: at which steps is its gradient with respect to the inputs not zero?")
