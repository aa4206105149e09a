"""What is wrong with a detached state, and with a pair that says how far a loss reaches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from autograder.expect import deny, expect
from autograder.spec import Finding, LearnerFailed, Wrong
from autograder.wire import flags


def judge_detached(got: Any, want: Any, name: str) -> None:
    """Raise Wrong unless `got` has the structure and values of `want` and asks for no gradient."""
    if isinstance(want, tuple | list):
        if isinstance(got, tuple | list) and type(got) is not type(want):
            deny("other-container", f"{name} is a {type(got).__name__}; expected a {type(want).__name__} like the one given",
                 "Which type does your function build, and which did it get?")  # fmt: skip
        if isinstance(got, tuple | list) and len(got) == len(want):
            for i, (one, other) in enumerate(zip(got, want, strict=True)):
                judge_detached(one, other, f"{name}[{i}]")
            return
    if want is None and got is not None:
        deny(
            "none-lost",
            f"{name} is not None; expected None",
            "Before the first window there is no state. What should come back then?",
        )
    expect(got, want, name)
    if isinstance(want, Tensor):
        was = flags(got)
        if was.requires_grad and not was.has_graph:
            deny(
                "requires-grad",
                f"{name} has no graph but asks for a gradient",
                "A carried state is a constant for the next window.",
            )


def graphs_in(got: Any) -> Iterator[bool]:
    """For each tensor of a state, whether it still has a graph."""
    if isinstance(got, Tensor):
        yield flags(got).has_graph
    elif isinstance(got, tuple | list):
        for part in got:
            yield from graphs_in(part)


def kind_missed(failed: LearnerFailed, state: Any) -> LearnerFailed | Wrong:
    """The kind of state (None, a pair, something nested) on which the learner's function raised."""
    text, where = failed.finding.summary, failed.finding.where
    if failed.status != "error" or not any(word in text for word in ("NoneType", "tuple", "list", "Tensor")):
        return failed
    if state is None:
        return Wrong(
            Finding(
                "none-not-handled",
                text,
                where,
                ("Before the first window there is no state. What should come back for None?",),
            )
        )
    nested = isinstance(state, tuple | list) and any(not isinstance(part, Tensor) for part in state)
    if nested:
        return Wrong(Finding("nesting-not-handled", text, where,
                             ("A part can be a tuple, a list or None itself. Which function knows already what to do with such a part?",)))  # fmt: skip
    if isinstance(state, tuple | list):
        return Wrong(
            Finding(
                "tuple-not-handled",
                text,
                where,
                ("The state of an LSTM is a pair (h, c). What should happen to each of its parts?",),
            )
        )
    return failed


def form(state: Any) -> str:
    """The structure of a state in words: "(tensor, [tensor, None])"."""
    if isinstance(state, Tensor):
        return "tensor"
    if isinstance(state, tuple):
        return "(" + ", ".join(map(form, state)) + ("," if len(state) == 1 else "") + ")"
    return "[" + ", ".join(map(form, state)) + "]" if isinstance(state, list) else repr(state)


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
