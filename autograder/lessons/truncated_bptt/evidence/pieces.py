"""How a loss was cut into checkpointed pieces: seen from the calls of the model, and from the bytes alive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from autograder.beside.advice import BATCH_SIZE, GRAPH_FREED, RECOMPUTED
from autograder.checking.expect import deny, known
from autograder.checking.spec import Finding, LearnerFailed, Wrong

LATE = "On the way back a piece is run again, when the loop has moved on. Does it read a loop variable from outside? Hand in as arguments what it reads, x and y of the piece too."  # fmt: skip


def checkpoint_failed(failed: LearnerFailed, events: Sequence[dict[str, Any]], T: int) -> LearnerFailed | Wrong:
    """What an error means here; `events` are those of the watched model."""
    text = failed.finding.summary
    if GRAPH_FREED.fits(text):
        return known(failed, GRAPH_FREED.but("The loss goes back once. Was `backward()` called inside the function already?", "graph-twice"))  # fmt: skip
    unlike = RECOMPUTED.fits(text) or (computed_again(events, T) and BATCH_SIZE.fits(text))
    if failed.status == "error" and (unlike or other_tokens(events, T)):
        return Wrong(Finding("late-bound", _first_sentence(text), failed.finding.where, (LATE,)))
    return failed


def late_bound(wrong: Wrong, events: Sequence[dict[str, Any]], T: int) -> Wrong:
    """The same finding, or, where steps were computed again from other tokens, one that says so."""
    return Wrong(replace(wrong.finding, sign="late-bound", clues=(LATE,))) if other_tokens(events, T) else wrong


def other_tokens(events: Sequence[dict[str, Any]], T: int) -> bool:
    """Whether the model, run again on the way back, was given other windows than at first."""
    calls = [one["x"].tolist() for one in events if one["what"] == "forward"]
    again = computed_again(events, T)
    first = calls[: len(calls) - len(again)]
    for x in again:
        if x not in first:
            return True
        first.remove(x)
    return False


def computed_again(events: Sequence[dict[str, Any]], T: int) -> list[list[list[int]]]:
    """What the model was given after it had been run over all T steps once."""
    calls, steps = [one["x"] for one in events if one["what"] == "forward"], 0
    while steps < T and calls:
        steps += calls.pop(0).shape[1]
    return [x.tolist() for x in calls] if steps == T else []


def _first_sentence(text: str) -> str:
    return text.splitlines()[0].split(". ")[0].removesuffix(".")


def judge_pieces(events: Sequence[dict[str, Any]], T: int, segments: int) -> None:
    """Raise Wrong where the way back shows no piece, more pieces than `segments`, or a longer one than T / segments rounded up.

    `events` are those of a watched model over one forward and one backward pass. Where they do not come apart, nothing is said.
    """
    found = recomputed(events, T)
    if found is None:
        return
    pieces, stored = found
    most = -(-T // segments)
    asked = f"expected at most {segments} pieces, none longer than {most} steps"
    if not pieces and segments > 1:
        deny("not-checkpointed", "the gradient is right, but on the way back no step was computed again: all of them were stored",
             "Which call forgets what a function computed inside, and runs it again? Does every piece go through it?")  # fmt: skip
    if sum(pieces) + stored != T:
        deny("partly-checkpointed", f"the gradient is right, but on the way back only {sum(pieces)} of {T} steps were computed again",
             "Which piece does not go through `checkpoint`?")  # fmt: skip
    pieces += [stored] if stored else []  # the last piece goes back at once: it may be kept until then
    summary = f"the gradient is right, but the sequence of {T} steps went back in {_shown(pieces)}; {asked}"
    if pieces == [T] and segments > 1:
        deny("one-piece", summary, "Everything is computed again at once, so everything is in memory at once. Where does `segments` come in?")  # fmt: skip
    if max(pieces) == segments != most and len(pieces) == -(-T // segments):
        deny("length-for-number", summary, "`segments` is how many pieces there are. How long is each of them?")
    if len(pieces) > segments:
        deny("too-many-pieces", summary, "What happens to the steps that are left when T is divided by `segments`?"
             if len(pieces) == segments + 1 or T // segments in pieces else "Where does `segments` come in?")  # fmt: skip
    if max(pieces) > most:
        deny("piece-too-long", summary, "The longest piece decides how much memory is needed. Is it as short as it can be?")  # fmt: skip


def recomputed(events: Sequence[dict[str, Any]], T: int) -> tuple[list[int], int] | None:
    """The lengths of the pieces that were computed again, and how many steps went back before that; None if unclear.

    A piece is a run of forward calls with nothing going back in between.
    """
    calls = [one for one in events if one["what"] in ("forward", "backward")]
    lengths: list[int] = []
    while sum(lengths) < T and calls and calls[0]["what"] == "forward":
        lengths.append(calls.pop(0)["x"].shape[1])
    if sum(lengths) != T:
        return None
    stored = 0
    while calls and calls[0]["what"] == "backward":
        stored += lengths[calls.pop(0)["call"]]
    pieces: list[int] = []
    before = "backward"
    for one in calls:
        if one["what"] == "forward":
            length = one["x"].shape[1]
            pieces = [*pieces, length] if before == "backward" else [*pieces[:-1], pieces[-1] + length]
        before = one["what"]
    return (pieces[::-1], stored) if sum(pieces) + stored <= T else None


def judge_bytes(peak: int, logits: int, steps: int) -> None:
    """Raise Wrong where more is alive at once than the logits of all steps take together, `logits` bytes."""
    if peak > logits:
        deny("loss-outside", f"the gradient is right, but {peak} bytes were alive at once, more than the logits of all {steps} steps take together ({logits})",
             "Besides the states at the boundaries, only one piece should be in memory at a time. What leaves a piece: a state and one number, or something larger?")  # fmt: skip


def _shown(pieces: Sequence[int]) -> str:
    some = ", ".join(map(str, pieces[:6])) + (", …" if len(pieces) > 6 else "")
    return f"{len(pieces)} piece{'s' if len(pieces) > 1 else ''} of {some} steps"
