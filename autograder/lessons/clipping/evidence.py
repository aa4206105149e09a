"""How answers of lesson 06 are asked for, and what a wrong one shows besides its numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from autograder.beside.advice import EMPTY, INDEX, NONE, Raised
from autograder.checking.compare import first_difference
from autograder.checking.describe import describe
from autograder.checking.draw import Draw
from autograder.checking.expect import deny, expect, on_error
from autograder.checking.spec import Slip, Wrong
from autograder.checking.student import Student
from autograder.lessons.clipping.mistakes import clips, training
from autograder.lessons.clipping.mistakes.logs import SYMPTOMS

_ONCE = "You can loop over a generator only once. How many times does your function go through `parameters`?"
GENERATOR = (
    Raised(("object of type 'generator' has no len()", "'generator' object is not subscriptable", "'generator' object has no attribute"),
           "`parameters` may be a generator: it has no length and no indices. What makes a list of it?", "generator-as-list"),
    EMPTY.but(_ONCE, "generator-used-up"),
)  # fmt: skip
NO_GRADIENT = NONE.but(
    "A parameter that took no part in the loss has no gradient: its `.grad` is None. Where is it left out?", "none-kept"
)
NO_TENSOR = EMPTY.but("There may be no gradient at all. How long is nothing?", "nothing-measured")
READING = (
    INDEX.but("The lists may be shorter than 20, and even empty. Which entries are there to be compared?", "short-log"),
)
_COMPARED = (
    "`in`, `==` and `list.index` compare tensors entry by entry. What asks whether two names mean the same object?"
)
IN_LIST = Raised(("The size of tensor a", "Boolean value of Tensor with more than one value is ambiguous"), _COMPARED, "compared-by-entries")  # fmt: skip
_FORMS = {
    "list": "a list of parameters",
    "generator": "a generator of parameters",
    "twice": "a list [p, q, p] of p and q",
}
_NAN = "Where can a factor become nan or infinite: what is c / 0, and what is infinity times 0?"


@contextmanager
def shown(student: Student, call: str) -> Iterator[None]:
    """A message about what the learner's code does inside shows this as the call."""
    try:
        yield
    finally:
        student.show(call)


def judge_zero(got: Any, name: str) -> None:
    """Raise Wrong unless `got` is the number 0, in a tensor or not."""
    value = got.item() if isinstance(got, Tensor) and got.numel() == 1 else got
    if value is None or isinstance(value, bool) or not isinstance(value, int | float) or value != 0:
        deny("nothing-measured", f"{name} is {describe(got)}; expected 0", "How long is a vector without entries?")


def judge_not_finite(got: Any, bad: float) -> None:
    """Raise Wrong if a norm hides that there was a nan or an infinity."""
    value = got.item() if isinstance(got, Tensor) and got.numel() == 1 else got
    if not isinstance(value, int | float) or math.isfinite(value):
        deny("not-finite-hidden", f"there is {bad} in a gradient, and the norm that is returned is {describe(got)}; expected inf or nan",
             "The caller has to see that this gradient cannot be used. Which line makes a number of what is none?")  # fmt: skip


def spread(draw: Draw, shape: Sequence[int], limit: float) -> Tensor:
    """Entries on both sides of the limit, of both signs: the first four are 2, -2, ½, -½ limits, roughly."""
    grad = draw.normal(*shape, scale=limit)
    signs = torch.tensor([2.0, -2.0, 0.5, -0.5]).to(grad)
    grad.view(-1)[:4] = limit * signs * draw.uniform(4, low=0.9, high=1.3)
    return grad


class Bounding:
    """Parameters with gradients beside the learner's code, to be bounded by value."""

    of = "clip_grad_value"

    def __init__(self, student: Student, draw: Draw, grads: Sequence[Tensor | None], limit: float, form: str = "list"):
        self.student, self.now, self.limit, self.form = student, list(grads), limit, form
        self.values = [draw.normal(2) if grad is None else draw.normal(*grad.shape).to(grad.dtype) for grad in grads]
        self.made = student.probe("leaves", values=self.values, grads=self.now, form=form)

    def ask(self) -> tuple[Any, list[Any]]:
        """What the call returns, and the gradients that are there afterwards."""
        shapes = ", ".join("None" if grad is None else str(tuple(grad.shape)) for grad in self.now)
        call = f"{self.of}({_FORMS[self.form]} with gradients of shapes {shapes}; {self.limit:g})"
        rows = (*(GENERATOR if self.form == "generator" else ()), NO_GRADIENT, IN_LIST)
        with shown(self.student, call), on_error(*rows):
            returned = getattr(self.student, self.of)(self.made["given"], self.limit)
        values, after = (self.student.probe(name, of=self.made["all"]) for name in ("parameters", "gradients"))
        if first_difference(values, self.values) is not None:
            deny("values-changed", "the parameters themselves have changed; only their gradients should",
                 "What is the difference between `p` and `p.grad`?")  # fmt: skip
        for i, (grad, before) in enumerate(zip(after, self.now, strict=True)):
            if before is None and grad is not None:
                deny("none-filled", f"parameter {i} had no gradient and has one now; expected None",
                     "What should happen to a parameter whose `.grad` is None?")  # fmt: skip
            if before is not None and grad is None:
                deny(
                    "gradient-lost",
                    f"parameter {i} had a gradient and has none now",
                    "Which line sets a `.grad` to None?",
                )
        return returned, [grad for grad in after if grad is not None]

    @property
    def there(self) -> list[Tensor]:
        """The gradients before the call."""
        return [grad for grad in self.now if grad is not None]

    @property
    def measured(self) -> list[Tensor]:
        """The parameters that have a gradient."""
        return [value for value, grad in zip(self.values, self.now, strict=True) if grad is not None]

    def names(self, prefix: str) -> tuple[str, ...]:
        return tuple(f"{prefix}the gradient of parameter {i}" for i, grad in enumerate(self.now) if grad is not None)

    def judge(self, prefix: str = "") -> None:
        """Raise Wrong unless each entry is bounded."""
        _, after = self.ask()
        want = clips.clip_grad_value(self.there, self.limit)
        if self.form == "generator" and first_difference(after, self.there) is None:
            deny(
                "generator-used-up",
                "with a list the gradients are bounded; with a generator they stay as they were",
                _ONCE,
            )
        expect(tuple(after), want, self.names(prefix), slips=clips.clip_grad_value.on(self.there, self.limit))


class Clipping(Bounding):
    """The same, to be clipped by global norm."""

    of = "clip_grad_norm"

    def judge(self, prefix: str = "", rtol: float | None = None) -> None:
        """Raise Wrong unless the norm before comes back and the gradients are clipped; the next call finds them so."""
        judge_together((self, prefix), rtol=rtol)

    def judge_generator(self) -> None:
        """The same for a generator, once a list is right."""
        returned, after = self.ask()
        want = clips.clip_grad_norm((self.there, self.limit))
        measured = any(first_difference(returned, norm) is None for norm in (want[0], torch.zeros_like(want[0])))
        if measured and first_difference(after, self.there) is None:
            deny(
                "generator-used-up",
                "with a list the gradients are clipped; with a generator they stay as they were",
                _ONCE,
            )
        expect(
            (returned, *after), want, ("with a generator, the norm that is returned", *self.names("with a generator, "))
        )

    def judge_twice(self) -> None:
        """A parameter that occurs twice counts once and is shortened once."""
        returned, after = self.ask()
        want = clips.clip_grad_norm((self.there, self.limit))
        double = clips.length(frozenset(), [*self.there, self.there[0]])
        if first_difference(returned, double) is None:
            deny("counted-twice", f"the norm is {describe(returned)}; expected {describe(want[0])}: a parameter that occurs twice counts once",
                 "Which parts of g are there, if two parts of a model share a parameter? How are repetitions left out?")  # fmt: skip
        factor = want[1] / self.there[0]
        if first_difference(returned, want[0]) is None and first_difference(after[0], want[1] * factor) is None:
            deny("shortened-twice", "the norm is right, and the gradient of the parameter that occurs twice is shortened twice",
                 "How often does your loop meet it?")  # fmt: skip
        expect((returned, *after), want, ("with a parameter that occurs twice, the norm that is returned", *self.names("with a parameter that occurs twice, ")))  # fmt: skip


def judge_together(*asked: tuple[Clipping, str], rtol: float | None = None) -> None:
    """Raise Wrong unless all of these are clipped; a mistake is named if it explains all of them."""
    got: list[Any] = []
    calls: dict[str, str] = {}  # the call behind each part of the answer
    cases = [(case.there, case.limit, case.measured, case.values) for case, _ in asked]
    for case, prefix in asked:
        returned, after = case.ask()
        if rtol is not None and isinstance(returned, Tensor):  # of two dtypes either will do
            returned = returned.to(torch.float64)
        got += [returned, *after]
        calls |= dict.fromkeys((f"{prefix}the norm that is returned", *case.names(prefix)), case.student.last)
        left = iter(after)
        case.now = [None if grad is None else next(left) for grad in case.now]
    want, names = clips.clip_grad_norm(*cases), tuple(calls)
    zeros = not any(bool(grad.any()) for grads, *_ in cases for grad in grads)
    try:
        expect(tuple(got), want, names, slips=None if zeros else clips.clip_grad_norm.on(*cases), rtol=rtol)
    except Wrong as wrong:
        if first := first_difference(tuple(got), want, names, rtol=rtol):
            asked[0][0].student.show(calls[first.name])
        if wrong.finding.sign == "nonfinite":
            raise Wrong(replace(wrong.finding, clues=(_NAN,))) from None
        raise


class Training:
    """A model with traps and an optimizer beside the learner's code, and batches for them."""

    keys = ("loss", "norm_before", "norm_after", "skipped")
    V = 8

    def __init__(self, student: Student, draw: Draw, B: int, T: int, kind: str, options: Mapping[str, float]):
        self.student, self.draw, self.size, self.kind, self.options = student, draw, (B, T), kind, options
        self.weights = draw.next_token("rnn", V=self.V, D=3, H=5)
        self.stale = {name: draw.normal(*value.shape, scale=0.3) for name, value in self.weights.items()}
        self.traps = torch.tensor([math.nan, math.inf, -math.inf], dtype=torch.float64)

    def batch(self, trap: int | None = None) -> training.Batch:
        """Tokens and targets; with a trap among the tokens, if one is given."""
        first = self.V - len(self.traps)
        x, y = self.draw.integers(0, first, *self.size), self.draw.integers(0, self.V, *self.size)
        if trap is not None:
            x[-1, 0] = first + trap
        return x, y

    def judge(self, batches: Sequence[training.Batch], share: float, rtol: float | None = None) -> None:
        """Raise Wrong unless each step is right; the limit is this share of the norm of the first gradient."""
        first = training.Stepper(self.weights, "sgd", {"lr": 1.0})
        loss = training.loss_of(training.logits_of(first.leaves, batches[0][0])[0], batches[0][1])
        limit = share * training.norm_of(first.gradient(loss))
        model = self.student.probe("trapped", weights=self.weights, stale=self.stale, traps=self.traps)
        optimizer = self.student.probe("optimizer", model=model, kind=self.kind, **self.options)
        got: list[Any] = []
        names: list[str] = []
        for i, (x, y) in enumerate(batches, 1):
            row = self._vetted(self.student.clipped_train_step(model, optimizer, x, y, limit))
            trapped = bool(x.max() >= self.V - len(self.traps))
            if i == 1 and not trapped:
                self._deny_early(float(row["norm_before"]), limit / share)
            said = f"step {i}: " if len(batches) > 1 else ""
            got += [row["skipped"], *([] if trapped else [training.number(row[key]) for key in self.keys[:3]])]
            names += [f"{said}{key}" for key in (("skipped",) if trapped else ("skipped", *self.keys[:3]))]
        after = self.student.probe("parameters", of=model)
        moved = [after[name] - value for name, value in self.weights.items()]
        norms = [float(value) for name, value in zip(names, got, strict=True) if "norm" in name]
        pairs = zip(norms[::2], norms[1::2], strict=True)
        by_formula = all(math.isclose(after, min(before, limit), rel_tol=1e-5) for before, after in pairs)
        asked = (self.weights, self.stale, self.traps, batches, limit, self.kind, self.options, by_formula)
        names += [f"the change of {name} in {len(batches)} step{'s' * (len(batches) > 1)}" for name in self.weights]
        want, slips = training.steps(*asked), training.steps.on(*asked)
        factors = {"B": self.size[0], "T": self.size[1]}
        try:
            clue = "All that comes before it is right. Which line of the step decides it?" if got[0] == want[0] else ""
            expect((*got, *moved), want, tuple(names), slips=slips, factors=factors, rtol=rtol, clue=clue)
        except Wrong as wrong:
            if wrong.finding.sign in slips.reference.slips:
                raise
            flags = training.steps.on(*asked, pick=_flags)  # once a parameter is nan, only these tell
            expect(_flags(got), _flags(want), tuple(name for name in names if name.endswith("skipped")), slips=flags)
            raise

    def _deny_early(self, got: float, want: float) -> None:
        """Raise Wrong if the first norm before is that of what was in `.grad` before `backward()`."""
        said = f"step 1: norm_before is {got:.6g}; expected {want:.6g}"
        early = "Clipping comes before `backward()`, and with it the measuring"
        asks = "Which call puts the gradient of this batch into `.grad`?"
        if got == 0:
            deny("measured-empty", said, f"{early}: the norm was measured when `.grad` was still empty.", asks)
        if math.isclose(got, training.norm_of(list(self.stale.values())), rel_tol=1e-4):
            deny("measured-before", said, f"{early}: the norm is that of gradients that something else had left.", asks)

    def _vetted(self, row: Any) -> dict[str, Any]:
        """What a step returns, as a bool and three numbers."""
        if not isinstance(row, dict):
            deny("type" if row is not None else "none", f"clipped_train_step returned {describe(row)}; expected a dict with {', '.join(self.keys)}",
                 "What is to be returned under which key?")  # fmt: skip
        if lacks := [key for key in self.keys if key not in row]:
            deny(
                "keys",
                f"the dict that clipped_train_step returned has no key {lacks[0]!r}; it has {', '.join(map(repr, row))}",
                "Compare with the table above.",
            )
        for key in self.keys:
            value = row[key].item() if isinstance(row[key], Tensor) and row[key].numel() == 1 else row[key]
            if not isinstance(value, bool if key == "skipped" else int | float) or isinstance(value, bool) != (
                key == "skipped"
            ):
                kind = "True or False" if key == "skipped" else "a number"
                deny(
                    "type",
                    f"{key!r} is {describe(row[key])}; expected {kind}",
                    "What kind of value belongs under this key?",
                )
            row[key] = value
        return row


def _flags(values: Sequence[Any]) -> tuple[bool, ...]:
    return tuple(one for one in values if isinstance(one, bool))


def vet_losses(losses: Any, count: int) -> None:
    """Raise Wrong unless there is a number for each window."""
    if not isinstance(losses, list | tuple) or len(losses) != count:
        deny(
            "losses",
            f"train_in_parts returned {describe(losses)}; expected a list of {count} losses",
            "One loss for each window: which line collects them?",
        )
    if odd := [
        one
        for one in losses
        if isinstance(one, bool)
        or not isinstance(one, int | float | Tensor)
        or isinstance(one, Tensor)
        and one.numel() != 1
    ]:
        deny("losses", f"a loss is {describe(odd[0])}; expected a number", "What is the loss of a window?")


@contextmanager
def as_found() -> Iterator[None]:
    """Says so where a bug is still there."""
    try:
        yield
    except Wrong as wrong:
        if wrong.finding.sign != "each-window":
            raise
        clue = f"This is the program as it was found: {wrong.finding.clues[0].partition(' when ')[2]}"
        raise Wrong(replace(wrong.finding, sign="as-found", clues=(clue, *wrong.finding.clues[1:]))) from None


def as_flags(got: Any) -> dict[str, bool]:
    """Which symptoms are in an answer; Wrong for what is no set of symptoms."""
    if got is None:
        deny("none", "symptoms returned None; expected a set", "Does every way through the function end in a `return`?")
    if not isinstance(got, set | frozenset | list | tuple):
        deny(
            "type",
            f"symptoms returned {describe(got)}; expected a set of words",
            "A set holds each symptom once: `set()` is an empty one.",
        )
    if odd := [one for one in got if one not in SYMPTOMS]:
        deny(
            "unknown-symptom",
            f"symptoms returned {describe(odd[0])}; the symptoms are {', '.join(map(repr, SYMPTOMS))}",
            "Is it spelt as in the table?",
        )
    return {name: name in got for name in SYMPTOMS}


def deny_symptoms(says: str, got: Mapping[str, bool], want: Mapping[str, bool], same: Sequence[Slip]) -> None:
    """Raise Wrong for this log, with the mistakes that give this very answer for all logs."""
    lacks, extra = (
        [name for name in SYMPTOMS if one[name] and not other[name]] for one, other in ((want, got), (got, want))
    )
    summary = (
        f"for {says} the set lacks {lacks[0]!r}"
        if lacks
        else f"for {says} the set has {extra[0]!r}, which the log does not show"
    )
    if not same:
        clue = f"Take one entry of the list that {(lacks or extra)[0]!r} is about. What is it compared with, and what is the bound?"
        deny("missing-symptom" if lacks else "extra-symptom", summary, clue)
    told = "; or when ".join(slip.says for slip in same)
    deny(
        " | ".join(slip.id for slip in same),
        summary,
        f"This is what comes out when {told}. It fits your answers for all logs.",
        *dict.fromkeys(slip.asks for slip in same),
    )
