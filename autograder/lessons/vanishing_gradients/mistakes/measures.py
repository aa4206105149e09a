"""Named mistakes of measuring how a gradient fades, of setting up a layer, and of the bug to find."""

from __future__ import annotations

from collections.abc import Mapping, Set

import torch
from torch import Tensor

from autograder.checking.spec import Slip, reference
from autograder.lessons.vanishing_gradients.oracles import (
    NAMES,
    Params,
    State,
    influences,
    torch_lstm_step,
    torch_lstm_step_backward,
)

_ORDER = (
    "For each step and row: first the length of its gradient, then the mean over the rows. Which do you take first?"
)


@reference(
    Slip("summed-over-batch", "the lengths are summed over the batch", "What is done with the lengths of the rows: a sum or a mean?"),
    Slip("length-over-batch", "one length is taken over all rows together", _ORDER),
    Slip("length-of-mean", "the gradients of the rows are averaged before the length is taken", _ORDER),
    Slip("length-of-sum", "the gradients of the rows are summed before the length is taken", _ORDER),
    Slip("squared", "the lengths are squared", "What comes after the sum of squares?"),
    Slip("absolute-values", "absolute values are summed: the 1-norm", "Which norm is asked for?"),
    Slip("largest-entry", "the largest entry is taken: the ∞-norm", "Which norm is asked for?"),
    Slip("entries-averaged", "the entries of x_t are averaged and not measured together", "A length is one number for all entries of x_t. How is it made?"),
    Slip("mean-of-units", "the units of out_T are averaged, not summed", "What is done with the units of out_T?"),
    Slip("mean-of-all", "all of out_T is averaged, units and rows", "What is done with the units of out_T, and with its rows?"),
    Slip("all-steps", "the outputs of all steps are summed, and not the last alone", "Which step's output is asked about?"),
    Slip("last-row", "`out[-1]` is taken: the last row of the batch, and not the last step", "`out` is (B, T, H). Which axis does `out[-1]` pick from?"),
    Slip("steps-reversed", "the steps stand in the opposite order", "The first entry belongs to x_1. Is it the longest or the shortest lag?"),
    Slip("relative-to-last", "everything is divided by the entry of the last step", "Is a ratio asked for?"),
    Slip("logarithm", "the logarithm is taken", "Are the lengths asked for or their logarithms?"),
    Slip("first-row", "only the first row of the batch is looked at", "What is done with the other rows?"),
    Slip("largest-row", "the largest over the rows is taken", "The mean over the rows is asked for. What did you take?"),
    Slip("first-unit", "only the first unit of out_T is asked", "How many units has out_T, and what is done with them?"),
)  # fmt: skip
def gradient_flow(slips: Set[str], kind: str, weights: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """(T,): mean over the batch of ‖∂(Σ out_T)/∂x_t‖₂."""
    H, (B, T, _) = weights["weight_hh_l0"].shape[1], x.shape
    found = influences(kind, weights, x, slice(0, 1) if "first-unit" in slips else slice(None))
    if "all-steps" in slips:
        found = torch.zeros_like(x)
        for t in range(1, T + 1):
            found[:, :t] += influences(kind, weights, x[:, :t])
    if "last-row" in slips:
        for t in range(1, T + 1):
            found[-1, :t] += influences(kind, weights, x[:, :t])[-1] * (t < T)
        found[:-1] = 0
    found = found / H if slips & {"mean-of-units", "mean-of-all"} else found
    found = found / B if "mean-of-all" in slips else found
    lengths = found.norm(dim=2)  # (B, T)
    if "absolute-values" in slips:
        lengths = found.abs().sum(2)
    if "largest-entry" in slips:
        lengths = found.abs().amax(2)
    if "entries-averaged" in slips:
        lengths = found.mean(2)
    lengths = lengths**2 if "squared" in slips else lengths
    if "summed-over-batch" in slips:
        flow = lengths.sum(0)
    elif "length-over-batch" in slips:
        flow = found.norm(dim=(0, 2))
    elif slips & {"length-of-mean", "length-of-sum"}:
        flow = found.sum(0).norm(dim=1) / (B if "length-of-mean" in slips else 1)
    elif "first-row" in slips:
        flow = lengths[0]
    else:
        flow = lengths.amax(0) if "largest-row" in slips else lengths.mean(0)
    flow = flow.flip(0) if "steps-reversed" in slips else flow
    flow = flow / flow[-1] if "relative-to-last" in slips else flow
    return flow.log() if "logarithm" in slips else flow


def forget_part(bias: Tensor) -> Tensor:
    """The rows of the forget gate in a bias of an LSTM."""
    return bias[len(bias) // 4 : len(bias) // 2]


@reference(
    Slip("each-bias", "each of the two biases is given the value, so that together they are twice as much",
         "Both biases are added. What do they come to together?"),
    Slip("bias-hh-kept", "bias_ih is given the value, and bias_hh still has what it had", "Both biases are added. What do they come to together?"),
    Slip("bias-ih-kept", "bias_hh is given the value, and bias_ih still has what it had", "Both biases are added. What do they come to together?"),
    Slip("value-added", "the value is added to what was there", "Is the value where the two biases should be, or how far they should move?"),
    Slip("input-part", "the rows of the input gate are set", "From top to bottom, which gate's rows come first, and which second?"),
    Slip("cell-part", "the rows of the candidate are set", "From top to bottom, which gate's rows come first, and which second?"),
    Slip("output-part", "the rows of the output gate are set", "From top to bottom, which gate's rows come first, and which second?"),
    Slip("whole-bias", "all rows are set", "Which rows belong to the forget gate alone?"),
    Slip("other-rows-zeroed", "the forget rows are set, and the other rows are 0 now", "What should become of the other rows?"),
    Slip("bias-hh-zeroed", "all of bias_hh is 0 now", "What should become of the other rows?"),
    Slip("row-1", "row 1 alone is set, as if a gate had one number", "How many rows does each gate have, and where do those of the second begin?"),
    Slip("one-row", "a single row is set", "How many rows does the forget gate have?"),
    Slip("nothing-set", "nothing has changed", "What does the line write into: the parameter, or a copy of it?"),
)  # fmt: skip
def set_forget_bias(slips: Set[str], weights: Mapping[str, Tensor], value: float) -> Params:
    """The weights of an nn.LSTM afterwards, with all of the forget parts in bias_ih."""
    after = {name: tensor.clone() for name, tensor in weights.items()}
    one, other = after["bias_ih_l0"], after["bias_hh_l0"]
    if "nothing-set" in slips:
        return after
    H = len(one) // 4
    at = {"input-part": 0, "cell-part": 2, "output-part": 3}
    gate = next((place for id, place in at.items() if id in slips), 1)
    rows = slice(None) if "whole-bias" in slips else slice(H, H + 1) if "one-row" in slips else slice(1, 2) if "row-1" in slips else slice(gate * H, gate * H + H)  # fmt: skip
    before_one, before_other = one[rows].clone(), other[rows].clone()
    if "other-rows-zeroed" in slips:
        one.zero_(), other.zero_()
    if "bias-hh-zeroed" in slips:
        other.zero_()
    one[rows], other[rows] = value, 0
    if "each-bias" in slips:
        other[rows] = value
    if "bias-hh-kept" in slips:
        other[rows] = before_other
    if "bias-ih-kept" in slips:
        one[rows], other[rows] = before_one, value
    if "value-added" in slips:
        one[rows], other[rows] = before_one + value, before_other
    return after


@reference(
    Slip("identity-unscaled", "weight_hh is the identity, without the scale", "Where does the scale stand?"),
    Slip("scale-everywhere", "every entry of weight_hh is the scale", "Which entries of a multiple of the identity are not 0?"),
    Slip("scale-inverted", "weight_hh is the identity divided by the scale", "Is the scale multiplied or divided by?"),
    Slip("identity-added", "the scaled identity is added to what was there", "Is something added here, or put in the place of what was there?"),
    Slip("diagonal-only", "the diagonal is set, and the other entries still have what they had", "What are the other entries of a multiple of the identity?"),
    Slip("biases-kept", "the biases still have what they had", "What should become of the two biases?"),
    Slip("bias-ih-kept", "bias_ih still has what it had", "There are two biases. What should become of each?"),
    Slip("bias-hh-kept", "bias_hh still has what it had", "There are two biases. What should become of each?"),
    Slip("weight-ih-too", "weight_ih was changed too", "Which of the four tensors stays as it is?"),
    Slip("weight-ih-zeroed", "weight_ih was set to 0 too", "Which of the four tensors stays as it is?"),
    Slip("nothing-set", "nothing has changed", "What do your lines write into: the parameters, or copies of them?"),
)  # fmt: skip
def identity_init(slips: Set[str], weights: Mapping[str, Tensor], scale: float) -> Params:
    """The weights of an nn.RNN afterwards."""
    after = {name: tensor.clone() for name, tensor in weights.items()}
    if "nothing-set" in slips:
        return after
    before = weights["weight_hh_l0"]
    eye = torch.eye(len(before), dtype=before.dtype, device=before.device)
    new = eye if "identity-unscaled" in slips else eye / scale if "scale-inverted" in slips else scale * eye
    new = torch.full_like(eye, scale) if "scale-everywhere" in slips else new
    new = new + before if "identity-added" in slips else new
    after["weight_hh_l0"] = torch.where(eye == 1, new, before) if "diagonal-only" in slips else new
    for name in ("bias_ih", "bias_hh"):
        if not slips & {"biases-kept", f"{name.replace('_', '-')}-kept"}:
            after[f"{name}_l0"].zero_()
    if "weight-ih-too" in slips:
        after["weight_ih_l0"] = torch.eye(*after["weight_ih_l0"].shape).to(before)
    if "weight-ih-zeroed" in slips:
        after["weight_ih_l0"].zero_()
    return after


AS_FOUND = "as-found"  # the program as it is handed out: its card does not name the mistake


@reference(
    Slip(AS_FOUND, "the mistake with which the program was found is still in it", "For which T are the gradients right?"),
    Slip("dh-not-carried", "what goes back to h_{t-1} is not handed on", "What does step t − 1 get from step t?"),
    Slip("nothing-carried", "every step begins again with dh_T and with zeros", "What does step t − 1 get from step t?"),
    Slip("dc-begins-with-dh", "the way back begins with dh_T at c_T too", "The loss sees h_T alone. What does it say of c_T itself?"),
    Slip("c-from-h", "what goes back to h_{t-1} is handed on to c_{t-1} as well", "The step gives back two gradients of the state. Which belongs to which?"),
    Slip("exchanged", "the two gradients of the state are handed on in each other's place", "In which order does the step return them?"),
    Slip("own-state", "each step is given the state that it made, and not the one that it read", "Which state is (h_{t-1}, c_{t-1}) in the list, whose first entry is (h_0, c_0)?"),
    Slip("first-step-only", "the gradients of the parameters are those of the first step alone", "The parameters are used in every step. What happens to the other contributions?"),
    Slip("x-reversed", "the gradients of x stand in the opposite order", "In which order does the loop fill them?"),
)  # fmt: skip
def lstm_gradients(slips: Set[str], x: Tensor, state: State, params: Params, dh_T: Tensor) -> Params:
    """The gradients of params and x for a loss on h_T alone."""
    states = [state]
    for x_t in x.unbind(1):
        states.append(torch_lstm_step(x_t, states[-1], params))
    dh, dc = dh_T, dh_T if "dc-begins-with-dh" in slips else torch.zeros_like(dh_T)
    grads, dx = {name: torch.zeros_like(params[name]) for name in NAMES}, []
    T = x.shape[1]
    for t in range(T, 0, -1):
        read = states[t if "own-state" in slips else t - 1]
        back = torch_lstm_step_backward(dh, dc, x[:, t - 1], read, params)
        dx.append(back[0])
        for name in NAMES:
            grads[name] = back[3][name] if "first-step-only" in slips else grads[name] + back[3][name]
        dh, dc = back[1], back[2]
        if AS_FOUND in slips:
            dc = torch.zeros_like(dc)
        if slips & {"dh-not-carried", "nothing-carried"}:
            dh = dh_T if "nothing-carried" in slips else torch.zeros_like(dh)
        if "nothing-carried" in slips:
            dc = torch.zeros_like(dc)
        if "c-from-h" in slips:
            dc = dh
        if "exchanged" in slips:
            dh, dc = dc, dh
    ordered = dx if "x-reversed" in slips else dx[::-1]
    return grads | {"x": torch.stack(ordered, 1)}
