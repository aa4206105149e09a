"""Named mistakes of one step of a simple recurrent network, read backwards."""

from __future__ import annotations

from collections.abc import Set

from torch import Tensor

from autograder.checking.spec import Slip, reference
from autograder.checking.sweeps.step import LOCAL, Params, passed_back, shares, slope


@reference(
    *LOCAL,
    Slip(
        "dx-mean",
        "dL/dx is averaged over the batch",
        "Every row has an input of its own. Is there anything to sum or to average?",
    ),
    Slip(
        "skips-past",
        "dL/dh is added to dL/dh_{t-1} once more, beside the way through the step",
        "By how many ways does h_{t-1} reach h_t in the formula?",
    ),
    Slip(
        "input-for-state",
        "dL/dweight_hh is built with dL/da_t in place of h_{t-1}",
        "Which state does weight_hh multiply?",
    ),
)
def rnn_step_backward(
    slips: Set[str], dh: Tensor, x_t: Tensor, h_prev: Tensor, h: Tensor, params: Params
) -> tuple[Tensor, Tensor, Params]:
    """(dx, dh_prev, dparams) of one step, for an upstream gradient dh."""
    a_t = x_t @ params["weight_ih"].T + h_prev @ params["weight_hh"].T + params["bias"]
    factor = slope(slips, a_t, h_prev, h)
    dparams, dh_prev = (
        shares(slips, dh, factor, x_t, h_prev, h, params),
        passed_back(slips, dh, factor, params["weight_hh"]),
    )
    dx = dparams.pop("x")
    if "dx-mean" in slips:
        dx = dx.mean(0, keepdim=True).expand_as(dx)
    if "skips-past" in slips:
        dh_prev = dh_prev + dh
    if "input-for-state" in slips:
        dz = dh * (1 - h * h)
        dparams["weight_hh"] = dz.T @ dz
    return dx, dh_prev, dparams
