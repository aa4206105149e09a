"""What to ask in lesson 02 where no named mistake fits: about errors, and about which parts of an answer are right."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from autograder.beside.advice import (
    AXES,
    AXES_OF_FACTORS,
    FACTORS,
    GRAPH_FREED,
    INDICES,
    NOT_SCALAR,
    UNPACKED,
    VIEW,
    Raised,
)
from autograder.checking.compare import first_difference

Params = dict[str, Tensor]

_ANY_SHAPE = (
    "theta may have any number of axes: none, one, two or more. How many entries has it, and how are they reached "
    "one by one without knowing its axes?"
)
_ANY_LAYOUT = (
    "theta may lie in memory in another order than its axes say, and `zeros_like` and `clone` keep that order. "
    "Which comes first: filling a flat step, or giving it the shape of theta?"
)

UNTIED = (
    GRAPH_FREED.but(
        "All steps hang on one graph, and autograd is called several times. Ask for the "
        "leaves of all steps in one call, or keep the graph between the calls: `retain_graph=True`."
    ),
    NOT_SCALAR.but(
        "h_T holds many numbers, and autograd asks how the loss depends on each of them. Which "
        "argument of the exercise says so, and by which name does autograd take it?"
    ),
)
SHAPE_OF_F = "f was called with a tensor of shape"  # said by the f of the check (beside/probes/shared_gradients.py)
DIFFERENCES = (
    Raised(
        SHAPE_OF_F,
        "f takes a tensor of the shape of theta. Which line makes theta flat, and where does it get its shape back?",
        "flat-theta",
    ),
    VIEW.but(_ANY_LAYOUT),
    AXES.but(_ANY_SHAPE),
    INDICES.but(_ANY_SHAPE),
    UNPACKED.but(_ANY_SHAPE),
)
_ROW = (
    "Write the shape of each factor behind the line. `forward` works on a batch, so each of its states is (1, H), "
    "a batch of one. If yours come from there: which axis has to go before the step is made without a batch?"
)
TOTAL = (AXES_OF_FACTORS.but(_ROW), FACTORS.but(_ROW))


def of_one_step(dparams: Any, want: Params) -> str:
    """What the gradient of the bias tells: it is the sum of da over the batch and nothing else."""
    if not isinstance(dparams, dict) or not set(want) <= set(dparams):
        return ""
    wrong = [name for name in want if _wrong(dparams[name], want[name])]
    if "bias" not in wrong:
        return "The gradient of the bias is right, so da is. What is da multiplied by, and over what is it summed?"
    if len(wrong) == len(want):
        return (
            "The gradients of all three parameters are wrong, and all are made from da. Look at da first: what comes from above, "
            "times which local factor? Work one unit out on paper."
        )
    return ""


def of_the_sweep(grads: Any, want: Params) -> str:
    """What the gradient of x tells about the place of an unknown mistake: dL/dx_t is made from da_t and nothing else."""
    if not isinstance(grads, dict) or "x" not in grads:
        return ""
    if missing := [key for key in want if key not in grads]:
        return "When the loop is over one tensor is left. Whose gradient is it?" if missing == ["h0"] else ""
    have, right = grads["x"], want["x"]
    if not _wrong(have, right):
        return (
            "The gradient of x is right, so the sweep is. How are the other gradients made, and how are they added up?"
        )
    if isinstance(have, Tensor) and have.shape == right.shape and have.dtype == right.dtype:
        if _wrong(have[:, -1], right[:, -1]):
            return (
                "The gradient of x is wrong at the last step already, where nothing has been passed back yet. "
                "With what does the sweep begin, and what happens to the gradient within one step?"
            )
    return ""


def of_every_step(got: Any, want: tuple[Tensor, Params]) -> str:
    """Where to begin when there is a loss at every step: the loss, then the read-out, then the sweep."""
    if not isinstance(got, tuple | list) or len(got) != 2:
        return ""
    (loss, grads), (right_loss, right) = got, want
    if _wrong(loss, right_loss):
        return "The loss comes first. How is it made from the scores, and does each step get its own target?"
    readout = ("weight_out", "bias_out")
    if isinstance(grads, dict) and all(name in grads and _wrong(grads[name], right[name]) for name in readout):
        return (
            "The loss is right, and the gradients of the read-out are not. They come first in the sweep: look at the gradient of the "
            "scores. For one row, hold it against softmax minus one-hot, divided by B."
        )
    said = of_the_sweep(grads, right)
    if "With what does the sweep begin" in said:
        said += " What is δ_{T+1}?"
    return said


def of_the_blocks(got: Any, H: int) -> str:
    """Whether entries of the immediate derivative are filled that have to be 0."""
    if not isinstance(got, Tensor) or got.shape != (H, H, H):
        return ""
    off = got.clone()
    off[range(H), range(H)] = 0
    if bool(off.any()):
        return "There are entries with i ≠ j that are not 0. Does row j of weight_hh have a part in unit i of h_t?"
    return "The right entries are filled. What stands in them: which slope, times which entry of which state?"


def of_the_first_state(got: Any, want: Tensor) -> str:
    """Whether the total derivative is wrong at t = 1 already, where nothing is carried along yet."""
    if isinstance(got, Tensor) and got.shape == want.shape and got.dtype == want.dtype and _wrong(got[0], want[0]):
        return "S_0 = 0, so S_1 is the immediate part alone. Hold yours against immediate_jacobian(h_1, h_0)."
    return ""


def _wrong(got: Any, want: Tensor) -> bool:
    return first_difference(got, want) is not None
