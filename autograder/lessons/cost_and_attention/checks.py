"""Checks of lesson 08: what backpropagation through time costs, and recurrence against attention."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from autograder.beside.advice import FACTORS, SHAPES
from autograder.beside.probes.cost_and_attention import Model
from autograder.checking.compare import first_difference
from autograder.checking.draw import Draw
from autograder.checking.expect import deny, expect, on_error
from autograder.checking.predictions import prediction
from autograder.checking.spec import LearnerFailed, Reference, Wrong, check
from autograder.checking.student import Handle, Student
from autograder.lessons.cost_and_attention import oracles
from autograder.lessons.cost_and_attention.mistakes import attention, costs, recurrence

# --------------------------------------------------------------------------------------- counted beforehand


@check("cost-and-attention-rnn-flops", of="rnn_flops", hygiene=False)
def rnn_flops(student: Student, draw: Draw) -> None:
    """`rnn_flops` counts the multiplications and additions in the matrix products of T steps."""
    drawn = (draw.integer(6, 9), draw.integer(16, 20), draw.integer(10, 13), draw.integer(21, 25))
    for sizes in draw.cases("B T D H", (3, 13, 5, 11), drawn, (1, 1, 2, 5)):
        got = student.rnn_flops(*sizes)
        slips = costs.rnn_flops.on(*sizes)
        expect(got, oracles.counted_flops(*sizes), f"rnn_flops{sizes}", slips=slips, clue=COUNT_ONE)


COUNT_ONE = "Take B = T = 1 and D = H = 2, and count with a pencil: each entry of a product is two multiplications and two additions, the addition to 0 included."


@check("cost-and-attention-bptt-bytes", of="bptt_bytes", hygiene=False)
def bptt_bytes(student: Student, draw: Draw) -> None:
    """`bptt_bytes` is the size in bytes of the states h_1 … h_T, for any dtype."""
    drawn = draw.integer(6, 9), draw.integer(16, 20), draw.integer(21, 25), "bfloat16"
    cases = (3, 13, 5, "float64"), drawn, (1, 17, 3, "float32"), (5, 1, 2, "float16")
    for *sizes, dtype in draw.cases("B T H dtype", *cases):
        shown = f"bptt_bytes({', '.join(map(str, sizes))}, torch.{dtype})"
        got = student.probe("with_dtype", call="bptt_bytes", sizes=sizes, dtype=dtype, shown=shown)
        asked = (*sizes, getattr(torch, dtype))
        expect(got, oracles.bytes_of_states(*asked), shown, slips=costs.bptt_bytes.on(*asked))


@prediction("cost-and-attention-predict-growth", "guess_growth", between=(0, 1e6))
def predict_growth() -> None:
    """`guess_growth` is a number: by which factor the operations grow if T, D and H are doubled."""


# ------------------------------------------------------------------------------------------------ attention


def _qkv(draw: Draw, B: int, T: int, E: int, scale: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    return draw.normal(B, T, E, scale=scale), draw.normal(B, T, E, scale=scale), draw.normal(B, T, E)


TURNED = SHAPES.but(
    "The first axis does not fit, and that is the batch. `.T` turns all three axes around, (B, T, E) to (E, T, B). What swaps the last two alone?",
    where="non-singleton dimension 0",
)
ATTENDING = (
    TURNED,
    FACTORS.but(
        "Which shapes do q and k have, and over which axis do they multiply? `.T` on three axes turns all of them around."
    ),
    SHAPES.but(
        "Scores are (B, T, T): one for each pair of steps. Which shape does your mask have, and which do your scores?"
    ),
)


@check("cost-and-attention-causal-attention", of="causal_attention", standin=oracles.causal, forbid=("attention",))
def causal_attention(student: Student, draw: Draw) -> None:
    """In `causal_attention` every step mixes the values of the steps up to it, by the softmax of its scaled scores."""
    half = draw.to(torch.float32)
    cases = (3, 5, 7, 1.0), (2, 13, 5, 1.5), (1, 4, 3, 1.0), (4, 1, 3, 1.0), (2, 6, 3, 40.0), (2, 7, 5, 1.0)
    # 40: the softmax is saturated, and exp of a score would overflow
    for number, (B, T, E, scale) in enumerate(draw.cases("B T E scale", *cases)):
        q, k, v = _qkv(half if number == 5 else draw, B, T, E, scale)
        with on_error(*ATTENDING):
            got = student.causal_attention(q, k, v)
        if isinstance(got, Tensor) and got.isnan().all():  # nothing can be told from that, so nothing is compared
            deny("nan", "every entry of the result is nan", NO_NUMBER)
        with _looked_into(student, (q, k, v), got):
            expect(
                got, oracles.causal(q, k, v), "the result", axes="B T E", slips=attention.causal_attention.on(q, k, v)
            )
    q, k, v = (x.transpose(0, 1) for x in _qkv(draw, 5, 2, 3))  # not contiguous
    expect(student.causal_attention(q, k, v), oracles.causal(q, k, v), "the result", axes="B T E")
    _sent_back(student, "causal_attention", oracles.causal, _qkv(draw, 2, 5, 3), ("q", "k", "v"), draw)


@contextmanager
def _looked_into(student: Student, given: Sequence[Tensor], got: object) -> Iterator[None]:
    """Wrong values that look like nothing known: are the rows the same without the last step, as they should be?"""
    try:
        yield
    except Wrong as wrong:
        if wrong.finding.sign not in ("value", "worse-going-back", "worse-going-on") or given[0].shape[1] == 1:
            raise
        with student.aside():
            shorter = student.causal_attention(*(x[:, :-1] for x in given))
        if first_difference(shorter, got[:, :-1] if isinstance(got, Tensor) else got) is None:
            raise Wrong(replace(wrong.finding, clues=(WEIGHTS,))) from None
        raise Wrong(replace(wrong.finding, sign="not-causal", clues=(NOT_CAUSAL,))) from None


NO_NUMBER = "0 times −∞ is nan, and one nan spoils its whole row. Do you multiply a mask by −∞? `masked_fill` puts −∞ in some places and touches no other."
WEIGHTS = "Take the first wrong step: which steps does it see, do their weights add up to 1, and is anything added to the mixture?"
NOT_CAUSAL = "Without the last step, earlier ones get something else. What lets them see a later step, or change with the number of steps?"


def _sent_back(
    student: Student,
    call: str,
    oracle: Callable[..., Tensor],
    given: Sequence[Tensor],
    names: Sequence[str],
    draw: Draw,
) -> None:
    """The gradients that come back through the learner's function are those of the oracle."""
    if student.changed:  # whoever writes into an argument has to fix that first
        return
    asking = [tensor.detach().clone().requires_grad_() for tensor in given]
    made = oracle(*asking)
    toward = draw.normal(*made.shape)
    shown = f"the way back through {call}({', '.join(names)})"
    got = student.probe("sent_back", call=call, given=asking, toward=[toward], parts=["the result"], shown=shown)
    want = torch.autograd.grad(made, asking, toward)
    expect(got, list(want), tuple(f"the gradient of {name}" for name in names), clue=BACK)


BACK = "The values are right, and a gradient is not. Which line takes something out of the graph (`.detach()`, `.data`, `.item()`)?"


@check(
    "cost-and-attention-kv-cache", of="KVCache", needs=("cost-and-attention-causal-attention",), forbid=("attention",)
)
def kv_cache(student: Student, draw: Draw) -> None:
    """A `KVCache` that gets one token after another answers each as the full pass does, and forgets nothing."""
    for number, (B, E, scale) in enumerate(draw.cases("B E scale", (5, 7, 1.0), (6, 5, 1.0), (1, 5, 40.0))):
        numbers = draw.to(torch.float32) if number == 1 else draw
        plan: list[attention.Step] = []
        for which in (0, 1, 0, -1, 1, 0, 1, 0, -1, -2, -2):  # two caches in turn: append to one, or, below 0, ask it
            one, other = (numbers.normal(B, 1, E, scale=scale) for _ in range(2))
            plan.append((which, (one, other)) if which >= 0 else (-1 - which, (one,)))
        _streamed(student, plan)
    ((B, T, E),) = draw.cases("B T E", (3, 13, 5))
    q, k, v = _qkv(draw, B, T, E, 1.5)
    asked, plan = [t for t in range(T) if t not in (0, 2)], []
    for t in range(T):
        plan.append((0, (k[:, t : t + 1], v[:, t : t + 1])))
        plan += [(0, (q[:, t : t + 1],))] if t in asked else []
    _streamed(student, plan, [oracles.causal(q, k, v)[:, t : t + 1] for t in asked])


def _streamed(student: Student, plan: Sequence[attention.Step], full: Sequence[Tensor] | None = None) -> None:
    """Follow a plan on fresh caches; `full` are the rows of the full pass, where there is one."""
    caches: dict[int, Handle] = {}
    kept: dict[int, list[tuple[Tensor, ...]]] = {}
    got: list[object] = []
    want: list[Tensor] = []
    names: list[str] = []

    def compare() -> None:
        slips = attention.kv_cache.on(plan, pick=lambda answers: answers[: len(got)])
        expect(tuple(got), tuple(want[: len(got)]), tuple(names[: len(got)]), slips=slips, clue=FOLLOW)

    for which, given in plan:
        if which not in caches:
            caches[which], kept[which] = student.make("KVCache", shown="cache"), []
        if len(given) == 2:
            caches[which].append(*given)
            kept[which].append(given)
            continue
        keys, values = (torch.cat(parts, 1) for parts in zip(*kept[which], strict=True))
        want.append(full[len(want)] if full else oracles.over_all(given[0], keys, values))
        cache = "" if full else f" of cache {'AB'[which]}"
        names.append(f"answer {len(want)}{cache} (after {len(kept[which])} tokens)")
        try:
            with on_error(TURNED):
                got.append(caches[which].attend(*given))
        except LearnerFailed:
            compare()  # what came back before may say more
            raise
    compare()


FOLLOW = "Follow it by hand for two tokens: what is kept after each `append`, and what does the second query see?"


@prediction("cost-and-attention-predict-cache", "guess_cache", between=(0, 1e9))
def predict_cache() -> None:
    """`guess_cache` is a number: how many times more numbers a cache holds after 500 tokens than the state of an RNN."""


@prediction("cost-and-attention-predict-slower", "guess_slower", options=("everywhere", "from some T on", "nowhere"))
def predict_slower() -> None:
    """`guess_slower` is a choice: where attention takes more time than the recurrence, for T from 16 to 2048 on a CPU."""


# ------------------------------------------------------------------------------------------------ recurrences


def _abh(draw: Draw, B: int, T: int, H: int, low: float = -1.2) -> tuple[Tensor, Tensor, Tensor]:
    """Factors of both signs, some of them exactly 0; terms; a first state."""
    a = draw.uniform(B, T, H, low=low, high=1.2)
    a[:, T // 2, 0] = 0
    return a, draw.normal(B, T, H), draw.normal(B, H)


def _recurs(student: Student, draw: Draw, call: str, reference: Reference, shapes: str) -> None:
    """`call` gives the states of the recurrence, and their gradients."""
    ask = getattr(student, call)
    half = draw.to(torch.float32)
    cases = (2, 5, 3), (3, 13, 5), (1, 16, 2), (2, 1, 3), (5, 2, 4), (3, 7, 2)
    for number, (B, T, H) in enumerate(draw.cases("B T H", *cases)):
        a, b, h0 = _abh(half if number == 5 else draw, B, T, H)
        with on_error(SHAPES.but(shapes)):
            got = ask(a, b, h0)
        expect(got, oracles.recurrence(a, b, h0), "states", axes="B T H", slips=reference.on(a, b, h0))
    a, b, h0 = draw.uniform(2, 300, 3, low=0.98, high=1.0), draw.normal(2, 300, 3), draw.normal(2, 3)  # a long memory
    a[:, :, 0] *= 0.1  # and products that vanish
    expect(ask(a, b, h0), oracles.recurrence(a, b, h0), "states", axes="B T H", slips=reference.on(a, b, h0))
    _sent_back(student, call, oracles.recurrence, _abh(draw, 2, 6, 3), ("a", "b", "h0"), draw)


@check("cost-and-attention-linear-recurrence", of="linear_recurrence")
def linear_recurrence(student: Student, draw: Draw) -> None:
    """`linear_recurrence` gives the states h_t = a_t ⊙ h_{t-1} + b_t, from h0 on."""
    shapes = "a_t and b_t are (B, H). Which axis of a is time?"
    _recurs(student, draw, "linear_recurrence", recurrence.linear_recurrence, shapes)


SHORT, LONG = 16, 256


@check("cost-and-attention-scan", of="linear_recurrence_scan")
def linear_recurrence_scan(student: Student, draw: Draw) -> None:
    """`linear_recurrence_scan` gives the same states, in a number of dependent operations that grows with log T."""
    shapes = "How many steps does each slice have: those that have a partner, their partners, and those that have none?"
    _recurs(student, draw, "linear_recurrence_scan", recurrence.linear_recurrence_scan, shapes)
    if student.pretend:
        return
    chains = []
    for T in (SHORT, LONG):
        a, b, h0 = _abh(draw, 1, T, 2, low=-0.9)
        shown = f"linear_recurrence_scan(a, b, h0) with T = {T}"
        chains.append(student.probe("chain", call="linear_recurrence_scan", a=a, b=b, h0=h0, shown=shown))
    short, long = chains
    if long > 3 * short:  # of a logarithm, twice: log 256 = 2 log 16
        deny("sequential", f"the values are right, and {long} operations lie one behind the other for T = {LONG}, {short} for T = {SHORT}; expected at most {2 * short}",
             "With 16 times the steps, log T doubles. Which line is run once for each step, and waits for the one before?")  # fmt: skip


# ------------------------------------------------------------------------------------------------- the bug


TOKEN = "Take the first wrong token: what do `model.read`, the cache and `model.say` get for it, and what in `model(tokens)`?"
AS_FOUND = "This is the program as it was found, or one that computes the same. For the third token, what do `model.read` in training and `model.read` here get?"


@check("cost-and-attention-bug", of="stream")
def stream(student: Student, draw: Draw) -> None:
    """`stream` reads one token at a time, and gives the logits that the model gives for the whole text."""
    for B, T, V, E in draw.cases("B T V E", (3, 13, 7, 5), (2, 4, 3, 6), (1, 1, 4, 3)):
        sizes = {"embedding.weight": (V, E), "position.weight": (T + 2, E), "projection.weight": (3 * E, E), "projection.bias": (3 * E,),
                 "readout.weight": (V, E), "readout.bias": (V,)}  # fmt: skip
        weights = {name: draw.normal(*size, scale=0.7) for name, size in sizes.items()}
        tokens, twin = draw.integers(0, V, B, T), Model(weights)
        made = student.probe("causal_model", weights=weights)
        got = student.stream(made["model"], made["cache"], tokens)
        try:
            expect(
                got, twin(tokens).detach(), "logits", axes="B T V", slips=attention.stream.on(twin, tokens), clue=TOKEN
            )
        except Wrong as wrong:
            if wrong.finding.sign != "as-found":
                raise
            deny("as-found", wrong.finding.summary, AS_FOUND, where=wrong.finding.where)
        most = max(student.probe("read_at_once", of=made["model"]))
        if most > 1:
            deny("read-at-once", f"the logits are right, and the model has read {most} tokens at once; expected one at a time",
                 "A stream has no end, and what comes next is not known. What does the cache keep, so that nothing is read twice?")  # fmt: skip
