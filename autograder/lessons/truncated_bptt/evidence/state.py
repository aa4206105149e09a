"""What is wrong with a detached state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from torch import Tensor

from autograder.beside.advice import Raised
from autograder.beside.wire import Yielded, flags
from autograder.checking.expect import deny, expect
from autograder.checking.spec import Wrong


def judge_detached(got: Any, want: Any, name: str) -> None:
    """Raise Wrong unless `got` has the structure and values of `want` and asks for no gradient."""
    if isinstance(want, tuple | list):
        if isinstance(got, tuple | list) and type(got) is not type(want):
            made = "generator" if isinstance(got, Yielded) else type(got).__name__
            deny("other-container", f"{name} is a {made}; expected a {type(want).__name__} like the one given",
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
    try:
        expect(got, want, name)
    except Wrong as wrong:
        if wrong.finding.sign != "zero":
            raise
        clue = "The values go on, only the graph is left behind. From what is your new tensor made?"
        raise Wrong(replace(wrong.finding, clues=(clue,))) from None
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


def other_kinds(state: Any) -> tuple[Raised, ...]:
    """What an error means for this kind of state: None, a pair, a list or something nested."""
    if state is None:
        kind, asks = "none", "Before the first window there is no state. What should come back for None?"
    elif not isinstance(state, tuple | list):
        return ()
    elif any(not isinstance(part, Tensor) for part in state):
        kind, asks = "nesting", "A part can be a tuple, a list or None itself. Which function knows already what to do with such a part?"  # fmt: skip
    elif isinstance(state, list):
        kind, asks = "list", "A state can be a list as well as a tuple. What should happen to each of its parts?"
    else:
        kind, asks = "tuple", "The state of an LSTM is a pair (h, c). What should happen to each of its parts?"
    return (Raised(("NoneType", "tuple", "list", "Tensor"), asks, f"{kind}-not-handled"),)


def form(state: Any) -> str:
    """The structure of a state in words: "(tensor, [tensor, None])"."""
    if isinstance(state, Tensor):
        return "tensor"
    if isinstance(state, tuple):
        return "(" + ", ".join(map(form, state)) + ("," if len(state) == 1 else "") + ")"
    return "[" + ", ".join(map(form, state)) + "]" if isinstance(state, list) else repr(state)
