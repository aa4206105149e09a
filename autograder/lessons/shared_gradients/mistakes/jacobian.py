"""Named mistakes of the immediate and the total derivative of a state by weight_hh."""

from __future__ import annotations

from collections.abc import Set

import torch
from torch import Tensor

from autograder.checking.spec import Slip, reference
from autograder.checking.sweeps.step import Params


@reference(
    Slip(
        "no-local-factor",
        "the slope of the tanh is left out",
        "weight_hh[j, k] acts on a_t[j]. What lies between a_t[j] and h_t[j]?",
    ),
    Slip(
        "sigmoid-factor",
        "the slope of a sigmoid, h (1 − h), is used",
        "Which function made h_t, and what is its slope, written in its output?",
    ),
    Slip(
        "squashed-twice",
        "tanh is applied to h_t once more: 1 − tanh(h_t)²",
        "h_t has passed the tanh already. What is left to do for its slope?",
    ),
    Slip("factor-of-previous", "the slope is taken at h_{t-1}", "Which state came out of the tanh of step t?"),
    Slip(
        "h-for-h-prev",
        "h_t is used in place of h_{t-1}",
        "Which state does weight_hh multiply in step t?",
    ),
    Slip(
        "columns-for-rows",
        "the last two axes are swapped: entry [i, j, k] belongs to weight_hh[k, j]",
        "Row j of weight_hh makes a_t[j]. Which of j and k says which entry of h_{t-1} it multiplies?",
    ),
    Slip(
        "axis-k-first",
        "the axes stand in the order k, i, j",
        "Entry [i, j, k] is ∂⁺h_t[i]/∂weight_hh[j, k]. Which axis counts the units of h_t?",
    ),
    Slip(
        "every-row-acts",
        "every row j of weight_hh acts on every unit i of h_t",
        "Does weight_hh[j, k] with j ≠ i have a part in a_t[i]?",
    ),
    Slip(
        "diagonal-only",
        "only the entries with i = j = k are filled",
        "Unit i sees all of h_{t-1} through row i of weight_hh. How many entries of that row act on it?",
    ),
    Slip(
        "slope-on-weights",
        "the slope is taken along the axis k, of h_{t-1}",
        "Does the slope belong to the unit that is made or to the one that is read?",
    ),
    Slip(
        "no-state",
        "h_{t-1} is left out: only the slope is there",
        "a_t[j] contains weight_hh[j, k] times a number. Which one?",
    ),
    Slip(
        "wrong-sign",
        "every entry has the opposite sign",
        "If weight_hh[j, k] grows and h_{t-1}[k] is positive, where does h_t[j] go?",
    ),
)
def immediate_jacobian(slips: Set[str], h_t: Tensor, h_prev: Tensor) -> Tensor:
    """∂⁺h_t[i]/∂weight_hh[j, k], (H, H, H)."""
    eye = torch.eye(len(h_t), dtype=h_t.dtype, device=h_t.device)
    at = h_prev if "factor-of-previous" in slips else torch.tanh(h_t) if "squashed-twice" in slips else h_t
    factor = 1 - at * at
    if "sigmoid-factor" in slips:
        factor = h_t * (1 - h_t)
    if "no-local-factor" in slips:
        factor = torch.ones_like(h_t)
    read = h_t if "h-for-h-prev" in slips else torch.ones_like(h_prev) if "no-state" in slips else h_prev
    which = torch.ones_like(eye) if "every-row-acts" in slips else eye
    if "slope-on-weights" in slips:
        jacobian = which[:, :, None] * (factor * read)[None, None, :]
    else:
        jacobian = which[:, :, None] * factor[:, None, None] * read[None, None, :]
    if "diagonal-only" in slips:
        jacobian = jacobian * eye[None, :, :] * eye[:, None, :]
    if "columns-for-rows" in slips:
        jacobian = jacobian.transpose(1, 2)
    if "axis-k-first" in slips:
        jacobian = jacobian.permute(2, 0, 1)
    return -jacobian if "wrong-sign" in slips else jacobian


@reference(
    Slip(
        "immediate-only",
        "each step gives the immediate derivative ∂⁺h_t/∂weight_hh, with h_{t-1} held fixed, and not the total one",
        "h_{t-1} depends on weight_hh too. Where does that enter?",
    ),
    Slip(
        "no-jacobian",
        "S_{t-1} is added as it is, without J_t: the immediate derivatives are summed up",
        "S_{t-1} says how h_{t-1} moves. What turns that into how h_t moves?",
    ),
    Slip(
        "jacobian-only",
        "the immediate derivative enters at step 1 only, and is then passed on",
        "weight_hh is used in step t too. Which term says so?",
    ),
    Slip(
        "jacobian-transposed",
        "J_t is used the wrong way round",
        "J_t[i, l] is ∂h_t[i]/∂h_{t-1}[l]. Which of its indices is summed over?",
    ),
    Slip(
        "jacobian-without-slope",
        "J_t is weight_hh alone, without the slope of the tanh",
        "Between h_{t-1} and h_t lie a matrix and a tanh. Which of them is missing?",
    ),
    Slip(
        "jacobian-columns-scaled",
        "the slope multiplies the columns of weight_hh and not its rows",
        "The slope belongs to unit i of h_t. Is that the row or the column of J_t[i, l]?",
    ),
    Slip(
        "jacobian-one-late",
        "J_t is built with the slope at h_{t-1}",
        "Which state came out of the tanh of step t?",
    ),
    Slip(
        "wrong-axis",
        "J_t is multiplied into an axis of weight_hh and not into the axis of h_{t-1}",
        "S_{t-1}[l, j, k] has three axes. Which of them counts the units of h_{t-1}?",
    ),
    Slip(
        "h-for-h-prev",
        "the immediate derivative is built with h_t in place of h_{t-1}",
        "Which state does weight_hh multiply in step t?",
    ),
    Slip(
        "no-local-factor",
        "the immediate derivative lacks the slope of the tanh",
        "weight_hh[j, k] acts on a_t[j]. What lies between a_t[j] and h_t[j]?",
    ),
    Slip("zero-state", "the states start from zeros and not from h0", "What is the state before the first step?"),
    Slip(
        "starts-from-identity",
        "S_0 is not zero",
        "h_0 is given. How does it move when weight_hh moves?",
    ),
    Slip(
        "starts-from-ones",
        "S_0 is full of ones and not of zeros",
        "h_0 is given. How does it move when weight_hh moves?",
    ),
    Slip(
        "arguments-swapped",
        "the immediate derivative is built with h_t and h_{t-1} in each other's place",
        "Which of the two states came out of the tanh of step t, and which one does weight_hh multiply?",
    ),
    Slip(
        "jacobian-over-sum",
        "J_t is multiplied into the immediate part too, and not into S_{t-1} alone",
        "S_0 = 0, so S_1 is the immediate part alone. Is yours? Through which state does the immediate part of step t go?",
    ),
    Slip(
        "one-tensor",
        "all T entries are one tensor, overwritten in every step, so that each of them holds S_T",
        "`S[:] = …` and `S += …` write into a tensor that is in the list already. What makes a new one in each step?",
    ),
    Slip(
        "stored-early",
        "S is stored before it is updated: entry t − 1 holds S_{t-1}",
        "Which comes first in your loop: updating S or storing it?",
    ),
    Slip(
        "summed-over-time",
        "each entry adds up the derivatives of all steps so far",
        "Is dh_t/dweight_hh asked for, or that of h_1 + … + h_t?",
    ),
    Slip(
        "left-linear",
        "the states are computed without the tanh",
        "What is done to a_t before it becomes h_t?",
    ),
)
def total_jacobian(slips: Set[str], x: Tensor, h0: Tensor, params: Params) -> Tensor:
    """dh_t[i]/dweight_hh[j, k] for t = 1…T, (T, H, H, H), for one sequence x (T, D), h0 (H)."""
    weight_hh = params["weight_hh"]
    H = len(h0)
    S = x.new_zeros(H, H, H)
    if "starts-from-identity" in slips:
        S = torch.eye(H, dtype=x.dtype, device=x.device)[:, :, None].expand(H, H, H).clone()
    if "starts-from-ones" in slips:
        S = torch.ones_like(S)
    h = torch.zeros_like(h0) if "zero-state" in slips else h0
    stored = []
    for t, x_t in enumerate(x):
        h_prev = h
        a_t = params["weight_ih"] @ x_t + weight_hh @ h_prev + params["bias"]
        h = a_t if "left-linear" in slips else torch.tanh(a_t)
        if "stored-early" in slips:
            stored.append(S)
        pair = (h_prev, h) if "arguments-swapped" in slips else (h, h_prev)
        direct = immediate_jacobian(*pair, slips=slips & {"h-for-h-prev", "no-local-factor"})
        at = h_prev if "jacobian-one-late" in slips else h
        J = (1 - at * at)[:, None] * weight_hh
        if "jacobian-without-slope" in slips:
            J = weight_hh
        if "jacobian-columns-scaled" in slips:
            J = weight_hh * (1 - at * at)
        if "jacobian-transposed" in slips:
            J = J.T
        if "no-jacobian" in slips:
            J = torch.eye(H, dtype=x.dtype, device=x.device)
        if "jacobian-over-sum" in slips:
            S, direct = S + direct, torch.zeros_like(direct)
        carried = torch.einsum("jl,ilk->ijk" if "wrong-axis" in slips else "il,ljk->ijk", J, S)
        if "immediate-only" in slips:
            carried = torch.zeros_like(carried)
        S = carried if "jacobian-only" in slips and t > 0 else carried + direct
        if "stored-early" not in slips:
            stored.append(S)
    total = torch.stack([S for _ in stored] if "one-tensor" in slips else stored)
    return total.cumsum(0) if "summed-over-time" in slips else total
