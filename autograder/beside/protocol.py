"""What is asked of the learner's process and what it answers: the requests, the replies, and the frames around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, Protocol, TypedDict

from torch import Tensor

from autograder.beside.wire import Ref


class Watch(TypedDict):
    """What is to be seen of a call (observers.py)."""

    turn_away: list[str]  # aten operators that are turned away meanwhile
    graph: bool  # whether autograd records, as it does by default


class Seen(TypedDict):
    """What ran during a call that was watched, beside what was lent."""

    canary: bool  # whether the observers saw what they ran themselves
    runs: int  # backward passes
    nodes: int  # of graphs that were recorded
    away: list[str]  # operators that were turned away
    outside: list[str]  # audit events of processes that were started


class Call(TypedDict):
    """Call one of the learner's names, a kept object, or a method of one."""

    do: Literal["call"]
    target: str | Ref
    method: str | None
    args: list[Any]
    kwargs: dict[str, Any]
    pretend: bool  # whether tensor arguments pose as GPU tensors
    lend: dict[str, str]  # name -> id of the check whose stand-in replaces it meanwhile
    watch: NotRequired[Watch]


class Value(TypedDict):
    """Return the value of a learner's variable."""

    do: Literal["value"]
    name: str
    lend: dict[str, str]
    watch: NotRequired[Watch]


class Probe(TypedDict):
    """Run a probe."""

    do: Literal["probe"]
    name: str
    kwargs: dict[str, Any]
    shown: str | None  # what a message calls it
    lend: dict[str, str]
    watch: NotRequired[Watch]


class Forget(TypedDict):
    """Drop all kept objects."""

    do: Literal["forget"]


class RunCell(TypedDict):
    """Run a cell; the value of the reply is what the cell raised, in one line, or ""."""

    do: Literal["run"]
    source: str


class Reset(TypedDict):
    """Start over with fresh names: for answers that we trust."""

    do: Literal["reset"]


Question = Call | Value | Probe | Forget  # what a notebook answers, too
Request = Question | RunCell | Reset

ReplyStatus = Literal["missing", "error", "wrong", "unsendable"]  # how a process may report that there is no answer


class Answered(TypedDict):
    """An answer: plain values, and the arguments that the call modified."""

    ok: Literal[True]
    value: Any
    changed: list[str]
    seen: NotRequired[Seen]


class Failed(TypedDict):
    """No answer, and why."""

    ok: Literal[False]
    status: ReplyStatus
    sign: str
    summary: str
    where: str
    clues: tuple[str, ...]
    seen: NotRequired[Seen]


Reply = Answered | Failed


class Asked(TypedDict):
    """A frame from the judge: a request under a number that nobody can predict."""

    id: int
    request: Request


class Replied(TypedDict):
    """A frame from the child: the reply to the request with that number."""

    id: int
    reply: Reply


class Wanted(TypedDict):
    """A frame from the child while it answers: what does a check's stand-in return, or which gradients go back?"""

    id: int
    ask: str
    args: tuple[Any, ...]
    toward: Sequence[Tensor] | None


class Loan(TypedDict):
    """A frame from the judge: what the stand-in returned, or what it raised."""

    id: int
    value: NotRequired[Any]
    error: NotRequired[str]
    said: NotRequired[str]


Frame = Asked | Replied | Wanted | Loan


class Lend(Protocol):
    """Answers a call of a stand-in: with what it returns, or, with `toward`, the gradients that go back through it."""

    def __call__(self, check: str, args: tuple[Any, ...], toward: Sequence[Tensor] | None = None, /) -> Any: ...


def answered(value: Any = None, changed: list[str] | None = None) -> Answered:
    """The reply with an answer."""
    return {"ok": True, "value": value, "changed": changed or []}


def failed(status: ReplyStatus, sign: str, summary: str, where: str = "", clues: tuple[str, ...] = ()) -> Failed:
    """The reply without one, and why."""
    return {"ok": False, "status": status, "sign": sign, "summary": summary, "where": where, "clues": tuple(clues)}


def seen_in(reply: Mapping[str, Any]) -> Seen | None:
    """What a reply says was seen during the call; None if it says nothing of the right form."""
    seen = reply.get("seen")
    if not isinstance(seen, dict):
        return None
    canary, runs, nodes, away, outside = (seen.get(key) for key in Seen.__annotations__)
    if not (type(canary) is bool and type(runs) is int and type(nodes) is int):
        return None
    if not (isinstance(away, list) and isinstance(outside, list)):
        return None
    names = ([str(name)[:60] for name in one[:20]] for one in (away, outside))
    return Seen(canary=canary, runs=runs, nodes=nodes, away=next(names), outside=next(names))
