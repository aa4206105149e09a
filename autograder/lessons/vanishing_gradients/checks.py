"""Checks of lesson 07, vanishing gradients, LSTM and GRU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from autograder.beside.advice import LEAF_CHANGED
from autograder.checking.anew import each_call_anew
from autograder.checking.compare import first_difference
from autograder.checking.draw import Draw
from autograder.checking.expect import deny, expect, on_error
from autograder.checking.predictions import prediction
from autograder.checking.spec import check
from autograder.checking.student import Student
from autograder.lessons.vanishing_gradients import evidence as clues
from autograder.lessons.vanishing_gradients import exact
from autograder.lessons.vanishing_gradients.mistakes import backward, measures, steps
from autograder.lessons.vanishing_gradients.oracles import (
    Params,
    State,
    influences,
    torch_gru_step,
    torch_lstm_gradients,
    torch_lstm_step,
    torch_lstm_step_backward,
)

FORBIDDEN = ("cells", "autograd", "differences")
FROZEN = "It would never be trained again. Which line switched that off, and does anything switch it on again?"
NO_GRAD = LEAF_CHANGED.but(
    "A parameter is written into while autograd watches. What does `torch.no_grad()` do for the lines inside it?"
)
PARTS = ("dx", "dh_prev", "dc_prev", "dparams")


def _params(draw: Draw, kind: str, D: int, H: int, scale: float = 0.7) -> Params:
    """Parameters of a cell of `kind` "lstm" or "gru", under the names of nn.LSTMCell and nn.GRUCell."""
    return {name.removesuffix("_l0"): value for name, value in draw.layer(kind, D, H, scale).items()}


def _state(draw: Draw, B: int, H: int, scale: float = 1.0) -> State:
    """(h, c), of which h lies between −1 and 1."""
    return draw.uniform(B, H, low=-0.9, high=0.9), draw.normal(B, H, scale=scale)


# ------------------------------------------------------------------------------------------- measuring
@check("vanishing-gradients-flow", of="gradient_flow")
def gradient_flow(student: Student, draw: Draw) -> None:
    """`gradient_flow` gives the mean over the batch of ‖∂(Σ out_T)/∂x_t‖₂ for t = 1…T, and leaves the layer as it was."""
    cases = ("rnn", 3, 7, 2, 5), ("lstm", 2, 13, 5, 3), ("gru", 3, 5, 4, 2), ("lstm", 1, 1, 3, 2)
    for kind, B, T, D, H in draw.cases("kind B T D H", *cases):
        _flow(student, draw, kind, B, T, D, H)
    _flow(student, draw.to(torch.float32), "gru", 3, 4, 2, 5)


def _flow(student: Student, draw: Draw, kind: str, B: int, T: int, D: int, H: int) -> None:
    weights, x = draw.layer(kind, D, H), draw.normal(B, T, D)
    stale = {name: torch.ones_like(value) for name, value in weights.items()}
    module = student.probe("layer", kind=kind, weights=weights, stale=stale)
    got = student.gradient_flow(module, x)
    want = influences(kind, weights, x).norm(dim=2).mean(0)
    slips = measures.gradient_flow.on(kind, weights, x)
    expect(got, want, "the flow", axes="T", slips=slips, factors={"B": B, "H": H}, rtol=1e-3 if draw.dtype == torch.float32 else None)  # fmt: skip
    left = student.probe("gradients", of=module)
    if all(grad is None or not grad.any() for grad in left.values()):
        deny(
            "grad-emptied",
            "the values are right, but after the call the gradients that were in `.grad` of the parameters are gone",
            "Measured in the middle of training, the next step would be lost. Which line empties them?"
            " Which function of torch.autograd returns the gradient of one tensor alone, so that nothing has to be emptied?",
        )
    if first_difference(left, stale) is not None:
        deny(
            "fills-grad",
            "the values are right, but after the call the parameters of the layer have other gradients in `.grad` than before",
            "Measured in the middle of training, that would be added to the next step. `backward()` fills every leaf of the graph."
            " Which function of torch.autograd returns the gradient of one tensor alone?",
        )
    if frozen := student.probe("frozen", of=module):
        deny(
            "frozen",
            f"the values are right, but after the call {frozen[0]} of the layer does not require a gradient any more",
            FROZEN,
        )


# --------------------------------------------------------------------------------------------- forward
@check("vanishing-gradients-lstm-step", of="lstm_step", forbid=FORBIDDEN[:1], standin=torch_lstm_step)
def lstm_step(student: Student, draw: Draw) -> None:
    """`lstm_step` computes (h_t, c_t) as nn.LSTMCell does, for every row of the batch."""
    for B, D, H, scale in draw.cases("B D H scale", (3, 2, 5, 0.7), (1, 2, 4, 0.7), (2, 5, 3, 4.0), (2, 3, 1, 0.7)):
        x_t, state, params = draw.normal(B, D), _state(draw, B, H, scale), _params(draw, "lstm", D, H, scale)
        _expect_lstm(student.lstm_step(x_t, state, params), x_t, state, params)
    state, params, h, c = *_unrolled(draw, 4, 3, 5), None, None
    h, c = state
    for x_t in draw.normal(13, 4, 3):
        h, c = student.lstm_step(x_t, (h, c), params)
        state = torch_lstm_step(x_t, state, params)
    expect((h, c), state, ("h_t after 13 steps", "c_t after 13 steps"), ("B H", "B H"))
    half = draw.to(torch.float32)
    x_t, state, params = half.normal(3, 2), _state(half, 3, 5), _params(half, "lstm", 2, 5)
    _expect_lstm(student.lstm_step(x_t, state, params), x_t, state, params)


def _unrolled(draw: Draw, B: int, D: int, H: int) -> tuple[State, Params]:
    return _state(draw, B, H), _params(draw, "lstm", D, H)


def _expect_lstm(got: Any, x_t: Tensor, state: State, params: Params) -> None:
    want = torch_lstm_step(x_t, state, params)
    slips = steps.lstm_step.on(x_t, state, params)
    clue = "Take one unit of one row: work out its four pre-activations, and hold each gate against yours."
    if isinstance(got, tuple | list) and len(got) == 2 and first_difference(got[1], want[1]) is None:
        clue = "c_t is right. So i, f and g are, and h_t is made from o and from c_t."
    expect(got, want, ("h_t", "c_t"), ("B H", "B H"), slips, clue=clue)


@check("vanishing-gradients-gru-step", of="gru_step", forbid=FORBIDDEN[:1], standin=torch_gru_step)
def gru_step(student: Student, draw: Draw) -> None:
    """`gru_step` computes h_t as nn.GRUCell does, for every row of the batch."""
    cases = (3, 2, 5, 0.7), (1, 2, 4, 0.7), (2, 5, 3, 4.0), (2, 3, 1, 0.7), (3, 2, 4, 0.7)
    for number, (B, D, H, scale) in enumerate(draw.cases("B D H scale", *cases)):
        numbers = draw.to(torch.float32) if number == 4 else draw
        x_t, h, params = numbers.normal(B, D), _state(numbers, B, H)[0], _params(numbers, "gru", D, H, scale)
        slips = steps.gru_step.on(x_t, h, params)
        clue = "Take one unit of one row: work out r, z and n one after the other, and hold each against yours."
        expect(student.gru_step(x_t, h, params), torch_gru_step(x_t, h, params), "h_t", "B H", slips, clue=clue)
    h, params = _state(draw, 4, 5)[0], _params(draw, "gru", 3, 5)
    want = h
    for x_t in draw.normal(13, 4, 3):
        h, want = student.gru_step(x_t, h, params), torch_gru_step(x_t, want, params)
    expect(h, want, "h_t after 13 steps", "B H")


# -------------------------------------------------------------------------------------------- backward
@check("vanishing-gradients-lstm-step-backward", of="lstm_step_backward", forbid=FORBIDDEN, exact=exact.backward,
       standin=torch_lstm_step_backward)  # fmt: skip
def lstm_step_backward(student: Student, draw: Draw) -> None:
    """`lstm_step_backward` takes dh and dc back through one step: to x_t, h_{t-1}, c_{t-1} and the parameters."""
    for B, D, H, scale in draw.cases("B D H scale", (3, 2, 5, 0.7), (1, 2, 4, 0.7), (2, 5, 3, 3.0), (2, 3, 1, 0.7)):
        params = _params(draw, "lstm", D, H, scale)
        one, other = _arguments(draw, B, D, H, scale), _arguments(draw, B, D, H, scale)
        got, want = student.lstm_step_backward(*one, params), torch_lstm_step_backward(*one, params)
        first = first_difference(got, want, PARTS)
        if first is None or first.sign == "value":
            sizes = f"B = {B}, D = {D}, H = {H}"
            each_call_anew(student, "lstm_step_backward", one, other, params, want[3], sizes)
        clue = ""
        if first is not None and first.sign == "value":
            told = clues.of_the_gates(got, want[3]), clues.of_the_paths(student, *one, params)
            clue = " ".join(filter(None, told))
        slips = backward.lstm_step_backward.on(*one, params)
        expect(got, want, PARTS, ("B D", "B H", "B H", ""), slips, {"B": B}, clue=clue)
    _swept(student, draw, T=13, B=3, D=2, H=4)
    half = draw.to(torch.float32)
    params, one = _params(half, "lstm", 2, 5), _arguments(half, 3, 2, 5)
    expect(student.lstm_step_backward(*one, params), torch_lstm_step_backward(*one, params), PARTS, rtol=1e-3)


def _arguments(draw: Draw, B: int, D: int, H: int, scale: float = 1.0) -> tuple[Tensor, Tensor, Tensor, State]:
    """dh, dc, x_t and (h_{t-1}, c_{t-1})."""
    return draw.normal(B, H), draw.normal(B, H), draw.normal(B, D), _state(draw, B, H, scale)


def _swept(student: Student, draw: Draw, T: int, B: int, D: int, H: int) -> None:
    """The learner's step takes a gradient back through T steps; everything is compared with autograd at the end."""
    params, state = _params(draw, "lstm", D, H), _state(draw, B, H)
    x, dh_T = draw.normal(B, T, D), draw.normal(B, H)
    states = [state]
    for x_t in x.unbind(1):
        states.append(torch_lstm_step(x_t, states[-1], params))
    dh, dc, dx = dh_T, torch.zeros_like(dh_T), []
    total = {name: torch.zeros_like(value) for name, value in params.items()}
    for t in range(T, 0, -1):
        dx_t, dh, dc, dparams = student.lstm_step_backward(dh, dc, x[:, t - 1], states[t - 1], params)
        dx.append(dx_t)
        total = {name: value + dparams[name] for name, value in total.items()}
    got = total | {"x": torch.stack(dx[::-1], 1)}
    clue = "Each step by itself was right. What does a call know of the calls before it?"
    expect(got, torch_lstm_gradients(x, state, params, dh_T), f"after {T} steps back, the gradients", {"x": "B T D"}, clue=clue)  # fmt: skip


@check("vanishing-gradients-bug", of="lstm_gradients", forbid=FORBIDDEN, exact=exact.gradients,
       needs=("vanishing-gradients-lstm-step", "vanishing-gradients-lstm-step-backward"))  # fmt: skip
def lstm_gradients(student: Student, draw: Draw) -> None:
    """`lstm_gradients` gives the gradients of the parameters and of x for a loss on h_T alone."""
    for B, T, D, H in draw.cases("B T D H", (3, 7, 2, 5), (2, 13, 5, 3), (1, 1, 2, 4)):
        params, state = _params(draw, "lstm", D, H), _state(draw, B, H)
        x, dh_T = draw.normal(B, T, D), draw.normal(B, H)
        got, want = student.lstm_gradients(x, state, params, dh_T), torch_lstm_gradients(x, state, params, dh_T)
        slips = measures.lstm_gradients.on(x, state, params, dh_T)
        first = first_difference(got, want, "grads")
        if T > 1 and first and first_difference(got, slips.value((measures.AS_FOUND,))) is None:
            deny(
                measures.AS_FOUND,
                first.summary,
                "This is the program as it was found. The gradient of x is right at the last step and at no step before it.",
                "Compare with autograd for T = 1, 2 and 3. What does a step hand to the one before it?",
                where=first.where,
            )
        clue = "Compare with autograd for T = 1, 2 and 3. At which T does it begin to be wrong, and what happens there for the first time?"
        expect(got, want, "grads", {"x": "B T D"}, slips, {"B": B, "T": T}, clue=clue)


# ------------------------------------------------------------------------------------------ setting up
@check("vanishing-gradients-forget-bias", of="set_forget_bias", hygiene=False)
def set_forget_bias(student: Student, draw: Draw) -> None:
    """After `set_forget_bias(lstm, value)` the forget parts of the two biases together are value, and nothing else has changed."""
    for number, (D, H, value) in enumerate(draw.cases("D H value", (2, 5, 1.5), (3, 1, -0.25), (4, 3, 3.0))):
        numbers = draw.to(torch.float32) if number == 2 else draw
        weights = numbers.layer("lstm", D, H)
        after = _set_up(student, "set_forget_bias", "lstm", weights, value)
        slips = measures.set_forget_bias.on(weights, value, pick=_together)
        expect(_together(after), _together(measures.set_forget_bias(weights, value)), "afterwards", slips=slips)


def _together(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of an LSTM with the forget parts of the two biases added up: how they share it does not matter."""
    one, other = weights["bias_ih_l0"].clone(), weights["bias_hh_l0"].clone()
    forget = measures.forget_part(one) + measures.forget_part(other)
    measures.forget_part(one).zero_(), measures.forget_part(other).zero_()
    name = "forget part of bias_ih_l0 + forget part of bias_hh_l0"
    return {name: forget, **weights, "bias_ih_l0": one, "bias_hh_l0": other}


@check("vanishing-gradients-identity", of="identity_init", hygiene=False)
def identity_init(student: Student, draw: Draw) -> None:
    """After `identity_init(rnn, scale)` weight_hh is scale times the identity, both biases are 0, and weight_ih has not changed."""
    for number, (D, H, scale) in enumerate(draw.cases("D H scale", (2, 5, 0.8), (3, 4, 1.0), (4, 3, 1.25))):
        numbers = draw.to(torch.float32) if number == 2 else draw
        weights = numbers.layer("rnn", D, H)
        after = _set_up(student, "identity_init", "rnn", weights, scale)
        slips = measures.identity_init.on(weights, scale)
        expect(after, measures.identity_init(weights, scale), "afterwards", slips=slips)


def _set_up(student: Student, of: str, kind: str, weights: Params, value: float) -> dict[str, Tensor]:
    """The weights of a layer after the learner's function has set it up; Wrong if an optimizer would no longer train it."""
    sizes = f"nn.{kind.upper()}({weights['weight_ih_l0'].shape[1]}, {weights['weight_hh_l0'].shape[1]})"
    with on_error(NO_GRAD):
        seen = student.probe(
            "set_up", of=of, kind=kind, weights=weights, value=value, shown=f"{of}({sizes}, {value:g})"
        )
    for name, same, trained in seen["parameters"]:
        if not same:
            deny("new-parameter", f"{name} is another object than before",
                 "An optimizer that was made before holds the old one, and would go on training that. What writes numbers into a parameter that is there?")  # fmt: skip
        if not trained:
            deny("frozen", f"{name} does not require a gradient any more", FROZEN)
    return seen["weights"]


# ----------------------------------------------------------------------------------------- predictions
@prediction("vanishing-gradients-predict-fresh", "guess_fresh", options=("hardly smaller", "about a hundredth", "below a millionth"))  # fmt: skip
def predict_fresh() -> None:
    """`guess_fresh` is one of "hardly smaller", "about a hundredth" and "below a millionth"."""


@prediction("vanishing-gradients-predict-adding", "guess_adding", options=("clearly better", "no clear difference", "clearly worse"))  # fmt: skip
def predict_adding() -> None:
    """`guess_adding` is one of "clearly better", "no clear difference" and "clearly worse"."""


@prediction("vanishing-gradients-predict-agreement", "guess_agreement", between=(0, 1))
def predict_agreement() -> None:
    """`guess_agreement` is a share between 0 and 1: right verbs of an LSTM with default biases, 20 words after the noun."""
