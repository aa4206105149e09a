"""Named mistakes of lesson 01 in a batch of sequences of unequal length."""

from __future__ import annotations

from collections.abc import Set

import torch
from torch import Tensor

from autograder.checking.spec import Slip, reference
from autograder.lessons.unrolled_graph.mistakes.computed import rnn_step

CLEANED = frozenset({"input-zeroed", "choice-swapped-after-cleaning"})
SWAPPED = frozenset({"choice-swapped", "choice-swapped-after-cleaning"})


@reference(
    Slip("lengths-ignored", "the lengths are not used", "What happens to a state when its sequence has ended?"),
    Slip(
        "zero-past-end",
        "the state is set to zero past the end",
        "Should the state of a sequence that has ended vanish, or stay?",
    ),
    Slip(
        "states-zeroed",
        "the states past the end are set to zero in the result, though h_last is right",
        "What is asked for the states past the end: zeros, or the last state again?",
    ),
    Slip("back-to-h0", "the state goes back to h_0 past the end", "What was the state after the last real step?"),
    Slip(
        "input-zeroed",
        "the input is set to zero past the end, and the steps go on",
        "Is a step with a zero input no step at all? What about the recurrence and the bias?",
    ),
    Slip(
        "one-too-many",
        "every sequence runs one step too long",
        "At index t of Python stands step t + 1: for which t does a sequence of length 1 still move?",
    ),
    Slip(
        "one-too-few",
        "every sequence stops one step too early",
        "At index t of Python stands step t + 1: for which t does a sequence of length 1 still move?",
    ),
    Slip(
        "first-length",
        "the length of the first sequence is used for all",
        "Has each row of the batch a length of its own?",
    ),
    Slip(
        "last-of-unroll",
        "h_last is the state after T steps, whatever the length",
        "Where does the state of a short sequence stand at its own end?",
    ),
    Slip(
        "last-one-early",
        "h_last is the state one step before the end",
        "Which index has the state after step ℓ: ℓ or ℓ − 1?",
    ),
    Slip(
        "last-is-new",
        "h_last is what the last call of `rnn_step` gave, one step past the end where a sequence has ended",
        "Which variable holds the state after the choice, and which the one before it?",
    ),
    Slip(
        "choice-swapped",
        "the choice is the wrong way round: a state stays while its sequence goes on, and moves past its end",
        "`torch.where(condition, a, b)`: where does it take a, and where b?",
    ),
    Slip(
        "choice-swapped-after-cleaning",
        "the padding is cleaned, and then the choice is the wrong way round: a state stays while its sequence goes on",
        "`torch.where(condition, a, b)`: where does it take a, and where b?",
    ),
    Slip(
        "cleaning-swapped",
        "the cleaning is the wrong way round: the sequence is set to 0, and the padding is kept",
        "`torch.where(condition, a, b)`: where does it take a, and where b?",
    ),
    Slip(
        "row-carried-over",
        "a sequence starts from the state in which the row before it ended",
        "In a loop over the rows, which state does each of them start from?",
    ),
    Slip(
        "last-everywhere",
        "every entry of `states` is the last state",
        "If one tensor is written into again and again, and kept each time: how many tensors are there?",
    ),
)
def unroll_padded(
    slips: Set[str], x: Tensor, h0: Tensor, lengths: Tensor, params: dict[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """States that stay as they were past each length, and the states at the lengths."""
    T = x.shape[1]
    if "row-carried-over" in slips:
        return _carried_over(x, h0, lengths, params)
    until = lengths[:1].expand_as(lengths) if "first-length" in slips else lengths
    until = until + int("one-too-many" in slips) - int("one-too-few" in slips)
    states, free, h, naive = [], [], h0, h0
    for t in range(T):
        going = (t < until).unsqueeze(1)
        x_t = torch.where(going, x[:, t], 0) if slips & CLEANED else x[:, t]
        x_t = torch.where(going, 0, x[:, t]) if "cleaning-swapped" in slips else x_t
        new = rnn_step(x_t, h, params)
        naive = rnn_step(x[:, t], naive, params)
        free.append(naive)
        if slips & {"lengths-ignored", "input-zeroed"}:
            h = new
        else:
            past = torch.zeros_like(h) if "zero-past-end" in slips else h0 if "back-to-h0" in slips else h
            h = torch.where(~going if slips & SWAPPED else going, new, past)
        states.append(h)
    if "last-everywhere" in slips:
        states = [h] * T
    all_states, h_last = torch.stack(states, 1), h
    if "last-is-new" in slips:
        h_last = new
    if "last-of-unroll" in slips:
        h_last = free[-1]
    if "last-one-early" in slips:
        from_h0 = torch.cat([h0.unsqueeze(1), all_states], 1)
        h_last = from_h0[torch.arange(len(lengths)), (lengths - 1).clamp(min=0)]
    if "states-zeroed" in slips:
        ended = torch.arange(T, device=x.device) >= lengths.unsqueeze(1)
        all_states = all_states.masked_fill(ended.unsqueeze(2), 0)
    return all_states, h_last


def _carried_over(x: Tensor, h0: Tensor, lengths: Tensor, params: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    h, rows, last = h0[:1], [], []
    for b in range(len(x)):
        states = []
        for t in range(x.shape[1]):
            h = rnn_step(x[b : b + 1, t], h, params) if t < lengths[b] else h
            states.append(h)
        rows.append(torch.cat(states))
        last.append(h)
    return torch.stack(rows), torch.cat(last)
