"""What a wrong backward step of an LSTM tells where no named mistake fits: which gates are right, and which path."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from autograder.checking.compare import first_difference
from autograder.checking.spec import LearnerFailed
from autograder.checking.student import Student
from autograder.lessons.vanishing_gradients.mistakes.backward import GATES
from autograder.lessons.vanishing_gradients.oracles import Params, State, torch_lstm_step_backward


def of_the_gates(got: Any, want: Params) -> str:
    """Which gates' rows of dparams are right, told by bias_ih: the sum of da over the batch and nothing else."""
    if not isinstance(got, tuple | list) or len(got) != 4 or not isinstance(got[3], dict):
        return ""
    bias = got[3].get("bias_ih")
    first = first_difference(bias, want["bias_ih"])
    if first is None:
        return "The gradient of bias_ih is right, so the gradients at the pre-activations of all four gates are. What is made of them?"
    if first.sign != "value" or not isinstance(bias, Tensor):
        return ""
    rows = zip(GATES.values(), bias.chunk(4), want["bias_ih"].chunk(4), strict=True)
    wrong = [name for name, have, right in rows if first_difference(have, right) is not None]
    right = [name for name in GATES.values() if name not in wrong]
    if not right:
        return "The rows of all four gates are wrong. What do they have in common?"
    return f"The rows of {_listed(wrong)} are wrong; those of {_listed(right)} are right. Work out one unit of a wrong one on paper."


def _listed(names: list[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def of_the_paths(student: Student, dh: Tensor, dc: Tensor, x_t: Tensor, state: State, params: Params) -> str:
    """Asked again with one of dh and dc at a time: through which of the two does the mistake come?"""
    wrong = []
    try:
        for name, pair in (("dh", (dh, 0 * dc)), ("dc", (0 * dh, dc))):
            with student.aside():
                got = student.lstm_step_backward(*pair, x_t, state, params)
            if first_difference(got, torch_lstm_step_backward(*pair, x_t, state, params)) is not None:
                wrong.append(name)
    except LearnerFailed:
        return ""
    if len(wrong) == 1:
        other = "dc" if wrong == ["dh"] else "dh"
        place = "through h_t" if wrong == ["dh"] else "through c_t alone"
        return f"With {wrong[0]} = 0 it is right, with {other} = 0 it is not: the mistake lies on the path {place}."
    if not wrong:
        return "With dh = 0 it is right, and with dc = 0 too. What joins what comes from both?"
    return ""
