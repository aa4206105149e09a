"""Truncation seen from outside: from a gradient, or from what a model was given, back to what was cut and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from autograder.beside.advice import GRAPH_FREED, IN_PLACE, LEAF_CHANGED, NO_GRAPH, PAIR
from autograder.checking.expect import known
from autograder.checking.spec import Finding, LearnerFailed, Reference, Wrong
from autograder.lessons.truncated_bptt.mistakes.gradients import RECURRENT, Case


def weights_in(case: Case, got: dict[str, Tensor]) -> Tensor | None:
    """The weight of each pair (loss t, step s ≤ t) in a gradient, (T, T); None if the gradient is not made of them."""
    T = case.T
    pairs = [(t, s) for t in range(T) for s in range(t + 1)]
    columns = torch.stack(
        [torch.cat([case.parts[name][t, s].flatten() for name in RECURRENT]) for t, s in pairs], 1
    ).to("cpu", torch.float64)  # CUDA has no least squares that can do without full rank
    right = torch.cat([got[name].flatten() for name in RECURRENT]).to("cpu", torch.float64)
    if not bool(torch.isfinite(right).all()) or len(pairs) > len(right):
        return None
    scale = columns.norm(dim=0).clamp_min(1e-300)
    found = torch.linalg.lstsq(columns / scale, right, driver="gelsd").solution
    if float((columns / scale @ found - right).norm()) > 1e-8 * float(right.norm() + 1):
        return None
    weights = torch.zeros(T, T, dtype=torch.float64)
    for (t, s), value in zip(pairs, found / scale.squeeze(), strict=True):
        weights[t, s] = value
    return weights


def told_apart(found: Tensor, want: Tensor, tolerance: float = 1e-3) -> Finding | None:
    """The first loss that reaches another step than asked, or counts otherwise; None if there is none."""
    for t in range(len(want)):
        if not bool(((found[t] - want[t]).abs() > tolerance).any()):
            continue
        have, asked = _steps(found[t], tolerance), _steps(want[t], tolerance)
        where = f"the loss of step t = {t + 1}"
        if not asked:
            return Finding("loss-too-many", f"{where} counts, and it should not", where)
        if not have:
            return Finding("loss-missing", f"{where} does not reach the recurrent parameters at all", where,
                           ("Is this loss part of what goes back? On which line would it join the others?",))  # fmt: skip
        if have[0] != asked[0]:
            sign = "reach-short" if have[0] > asked[0] else "reach-far"
            summary = f"{where} goes back to step {have[0]}; expected back to step {asked[0]}"
            return Finding(sign, summary, where, ("Where is the state made a constant, and where should it be?",))
        s = int(((found[t] - want[t]).abs() > tolerance).nonzero()[0])
        summary = f"{where}, on its way through step {s + 1}, counts {found[t, s]:.4g} times; expected {want[t, s]:.4g}"
        return Finding(
            "reach-weight", summary, where, ("How often is this loss on the way back, and with what factor?",)
        )
    return None


def _steps(row: Tensor, tolerance: float) -> list[int]:
    return [s + 1 for s in range(len(row)) if abs(float(row[s])) > tolerance]


# Signs by which a gradient is known well enough: nothing more is looked for.
KNOWN = ("none", "type", "keys", "length", "shape", "dtype", "device", "nonfinite", "zero", "sign", "factor", "swapped-axes",
         "missing-axis", "extra-axis", "one-of-several", "one-too-few", "one-too-many")  # fmt: skip


def explained(wrong: Wrong, case: Case, got: Any, want: dict[str, Tensor], reference: Reference) -> Wrong:
    """The same finding, or, where no mistake was named, which loss goes back to which step in this gradient."""
    named = set(wrong.finding.sign.replace(" + ", " | ").split(" | "))
    if named & (set(reference.slips) | set(KNOWN)) or got is None:
        return wrong
    found, asked = weights_in(case, got), weights_in(case, want)
    if found is None or asked is None:
        clue = "The gradient is not made of the steps' contributions at these states. Are the states right, whatever is cut, and does each loss meet its own target?"
        return Wrong(replace(wrong.finding, sign="other-states", clues=(clue, *wrong.finding.clues)))
    told = told_apart(found, asked)
    if told is None:
        return wrong
    return Wrong(
        replace(told, clues=(f"Seen from outside: {told.summary}.", *told.clues), summary=wrong.finding.summary)
    )


# ------------------------------------------------------------------------------------------------ training


NO_DETACH = PAIR.but(
    "The state of an LSTM is a pair (h, c), and a pair has no `detach`. Which of your functions knows what to do with it?",
    "tuple-not-handled",
    where="'detach'",
)


def named_error(failed: LearnerFailed, events: Sequence[dict[str, Any]], kind: str) -> LearnerFailed | Wrong:
    """What an error of autograd means here, told by what the model was given as its state."""
    text = failed.finding.summary
    later = [one["state"] for one in events if one["what"] == "forward"][1:]
    carried = [parts for parts in later if parts]
    in_place = IN_PLACE.fits(text)
    where = failed.finding.where

    def named(sign: str, *clues: str) -> Wrong:
        return Wrong(Finding(sign, text, where, clues))

    calls = [one for one in events if one["what"] == "forward"]
    if failed.status == "error" and calls and calls[0]["state"]:
        return named("carried-pass", "The first window of this pass was given a state, and it should be None. Was a state made here? "
                     "Or was it kept from another pass, perhaps over another stream with another model?")  # fmt: skip
    if failed.status == "error" and kind == "lstm" and calls and len(calls[-1]["state"]) == 1:
        return named("part-of-state", "The model is an LSTM here, its state is a pair (h, c), and it was given one tensor. What is to become of each of the two?")  # fmt: skip
    if NO_GRAPH.fits(text):
        if any(one["what"] == "forward" and not one["recorded"] for one in events):
            return named(
                "no-grad",
                "The model ran under `no_grad`, so there is no graph to go back through. What should be cut, and what not?",
            )
        return named(
            "loss-without-graph",
            "The loss has no graph behind it. Was something between the model and the loss detached or turned into a number?",
        )
    if kind == "lstm" and NO_DETACH.fits(text):
        return known(failed, NO_DETACH)
    if not (GRAPH_FREED.fits(text) or in_place):
        return failed
    calls = sum(one["what"] == "forward" for one in events)
    if calls == 1 and in_place and any(one["what"] == "backward" for one in events):
        return named("one-forward", "The model was called once, and several losses went back through this one graph, while `step()` changed the weights. "
                     "With which parameters should the second window run?")  # fmt: skip
    after = [one["what"] for one in events if one["what"] in ("forward", "backward", "step")]
    if in_place and after[-1:] == ["step"]:
        return named("step-before-backward", "`step()` has changed the weights between the model's forward pass and `backward()`, which needs them as they were. "
                     "Which of the two comes first?")  # fmt: skip
    whole = (
        "so the way back does not stop at the window's beginning. The state's value has to go on, its past has to go."
    )
    if kind == "lstm" and any(any(parts) and not all(parts) for parts in carried):
        part = "c" if carried[-1][1] else "h"
        other = "h" if part == "c" else "c"
        how = (
            " It was kept alive by `retain_graph=True`, and the step has changed the weights meanwhile."
            if in_place
            else ""
        )
        return named(f"only-{other}" + ("-retained" if in_place else ""),
                     f"Only {other} of the state (h, c) has lost its past; {part} still has its graph.{how} Which parts does this state have?")  # fmt: skip
    if any(map(any, carried)) and not all(map(all, carried)):
        return named("cut-misplaced" + ("-retained" if in_place else ""),
                     "Some calls of the model got a state without a past, others one with it: the cut does not lie where a window begins. "
                     "Which call is the first of a window?")  # fmt: skip
    if any(map(any, carried)):
        if in_place:
            return named("retain-graph", "`retain_graph=True` keeps the graph of the earlier window, and `step()` has changed the weights that it needs. "
                         "It treats the symptom: should the way back enter the earlier window at all?")  # fmt: skip
        return named(
            "not-cut",
            f"The state still carries its graph from the window before, {whole} (Is what `detach` returns used?)",
        )
    if calls == 1:
        return named(
            "one-forward",
            "The model was called once, and several losses went back through this one graph. With which parameters should the second window run?",
        )
    return named(
        "loss-carried",
        "The state is cut, but the loss itself still contains the loss of an earlier window. Where does a window's loss begin?",
    )


def still_as_found(wrong: Wrong, same: Sequence[bool], reference: Reference) -> Wrong | None:
    """A finding that leaves the bug for the learner to find, where what was found is still there; else None.

    `same`: whether the parameters are those of the program as it was found, of its targets alone, of its inputs alone.
    """
    finding = wrong.finding
    whole, targets, inputs = same
    if whole:
        return Wrong(replace(finding, sign="as-found", clues=(
            "This is the program as it was found, or one that learns the same. The targets, the number of windows and of updates, and the loss are right, and the state is carried and cut. "
            "The parameters that it ends with are wrong.",
            "Give it a stream in which you know every number, and a model that prints what it is given, call after call.")))  # fmt: skip
    if targets or inputs:
        kept, new = ("targets", "inputs") if targets else ("inputs", "targets")
        clue = f"The {new} have changed, and the {kept} are as they were found. Does each input still meet the token that follows it?"
        return Wrong(replace(finding, sign=f"{kept}-as-found", clues=(clue,)))
    both = finding.sign.split(" + ")
    if len(both) == 2 and "rows-broken" in both:
        other = reference.slips[next(id for id in both if id != "rows-broken")]
        says = f"This is what comes out when {other.says}, and what was wrong in the program as it was found is still there."
        return Wrong(replace(finding, sign=f"as-found + {other.id}", clues=(says, other.asks)))
    return None


# What an error of autograd means where parameters are made leaves and gradients are added up, over windows perhaps.
ADDING_UP = (
    LEAF_CHANGED.but(
        "A tensor that requires a gradient is changed in place. Is it the running total? Does a total have to require a gradient?",
        "leaf-changed",
    ),
    NO_GRAPH.but(
        "The tensors in `params` do not require a gradient as they are given. Have you made leaves of your own from them, and are those what the loss is "
        "computed with and differentiated by? Or was the loss cut off from them?",
        "no-leaves",
    ),
)
OVER_WINDOWS = GRAPH_FREED.but(
    "A graph that has gone back once was reached again. Was a state kept with its graph, and a later window begins from it? "
    "Or do the losses of one window go back one by one, where they could go back together?",
    "graph-twice",
    brief=True,  # what follows recommends `retain_graph`
)


def named_training(wrong: Wrong, events: Sequence[dict[str, Any]], x: Tensor, k: int, reference: Reference) -> Wrong:
    """The same finding with what was seen: calls of the model, of `zero_grad` and of `step`."""
    signs = set(wrong.finding.sign.replace(" + ", " | ").split(" | "))
    if signs & set(reference.slips) and "not-trained" not in signs:
        return wrong
    seen = _seen(events, x, k)
    if seen is None:
        return wrong
    return Wrong(replace(wrong.finding, sign=seen[0], clues=seen[1:]))


def _seen(events: Sequence[dict[str, Any]], x: Tensor, k: int) -> tuple[str, ...] | None:
    calls = [one for one in events if one["what"] == "forward"]
    steps = [one for one in events if one["what"] == "step"]
    if not calls:
        return "model-not-called", "The model was never called. Is it `model(...)` that computes the logits?"
    if not steps:
        return (
            "never-stepped",
            "`step()` of the optimizer that you were given was never called. Which call moves the parameters?",
        )
    if not any(one["gradient"] for one in steps):
        return (
            "empty-step",
            "Each `step()` came when all gradients were empty or 0. Where is `zero_grad()`, and where is `backward()`?",
        )
    given, asked = [one["x"] for one in calls], list(x.split(k, 1))
    lengths = [one.shape[1] if one.dim() > 1 else 1 for one in given]
    expected = [one.shape[1] for one in asked]
    if lengths != expected and sum(lengths) != 0 and set(lengths) != {1}:
        return (
            "other-windows",
            f"The model was given {_windows(given)}; expected {_windows(asked)}.",
        )
    if lengths == expected and not all(
        a.shape == b.shape and torch.equal(a, b) for a, b in zip(given, asked, strict=True)
    ):
        order = "in another order" if _same_set(given, asked) else "with other tokens"
        return (
            "other-tokens",
            f"The model was given windows {order} than those of the stream. Does each row go on where it stopped?",
        )
    without = [i + 1 for i, one in enumerate(calls) if i and not one["state"]]
    if without and lengths == expected:
        return (
            "state-missing",
            f"In window {without[0]} the model got no state, or none that it can use. What should it get there?",
        )
    zeroed = sum(one["what"] == "zero_grad" for one in events)
    if len(steps) != len(asked):
        return "steps-count", f"`step()` was called {len(steps)} times for {len(asked)} windows. How often is it due?"
    due = [one["what"] for one in events if one["what"] in ("zero_grad", "step")]
    if zeroed < len(asked) - 1 or any(a == b == "step" for a, b in zip(due, due[1:], strict=False)):
        return (
            "zeroing",
            f"`zero_grad()` was called {zeroed} times for {len(asked)} windows. What is in `.grad` when a window begins?",
        )
    return "other-update", ("The windows are as they should be, and the optimizer was called as often as it should be. What was not looked at: the values of the states that are handed on, "
                            "the loss (which logits meet which targets, over what is the mean taken?), and what is done to the gradients before `step()`.")  # fmt: skip


def _same_set(given: list[Tensor], asked: list[Tensor]) -> bool:
    return sorted(map(str, (one.tolist() for one in given))) == sorted(map(str, (one.tolist() for one in asked)))


def _windows(given: list[Tensor]) -> str:
    """How many windows, of how many rows and steps: rows are named where all windows have the same shape."""
    if given and {one.dim() for one in given} == {2} and len({one.shape for one in given}) == 1:
        rows, steps = given[0].shape
        return f"{len(given)} window{'s' * (len(given) > 1)} of {rows} rows and {steps} steps"
    return f"windows of {_listed([one.shape[1] if one.dim() > 1 else 1 for one in given])} steps"


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:6])) + (", …" if len(numbers) > 6 else "")
