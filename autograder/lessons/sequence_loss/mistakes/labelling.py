"""Named mistakes of lesson 04 in labelling sequences of unequal lengths: what is padded, with what, and what the loss leaves out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

import torch
from torch import Tensor

from autograder.checking.spec import Slip, reference
from autograder.lessons.sequence_loss.mistakes.model import states_of

MARKS = (0, 1, 2, 3, 4, 99, 100, 101, 255, 999)  # labels that may be taken for a mark of padding


def _class_left_out(k: int) -> Slip:
    """The slip of whoever marks padding by the label k."""
    return Slip(
        f"class-{k}-left-out",
        f"steps whose label is {k} are left out, real ones too",
        f"How many classes there are, the function is not told. Is {k} a label for some model?",
    )


@reference(
    *[_class_left_out(k) for k in MARKS],
    Slip(
        "lengths-from-labels",
        "the number of labels that are not 0 is taken for a sequence's length",
        "A label may be 0. What knows a sequence's length, before it is filled up?",
    ),
    Slip(
        "reading-0-left-out",
        "steps whose reading is 0 are left out, real ones too",
        "A reading may be 0. What knows which steps are real, before they are filled up?",
    ),
    Slip("lengths-from-readings", "the number of readings that are not 0 is taken for a sequence's length", "A reading may be 0. What knows a sequence's length, before it is filled up?"),
    Slip("padding-counts", "the padded steps are counted, with label 0", "Which steps does nobody want to have labelled?"),
    Slip("one-too-many", "one padded step of each sequence is counted, with label 0", "With Python's count from 0, which index has the last real step of a sequence of length 3?"),
    Slip("last-left-out", "the last step of each sequence is left out", "Each sequence's length is len(...): which index has its last step?"),
    Slip("padded-in-front", "the sequences are filled up in front, so that the model reads padding before it reads them", "In which state is the model to be when it reads the first real step?"),
    Slip("both-time-first", "both padded tensors stand time first, so that the model takes the sequences for time steps", "Which axis is time for `pad_sequence`, unless it is told otherwise? And for the model?"),
    Slip("tokens-time-first", "the padded readings stand time first and the targets do not", "Which axis is time in each of the two padded tensors?"),
    Slip("targets-time-first", "the padded targets stand time first and the readings do not", "Which axis is time in each of the two padded tensors?"),
    Slip("shifted-again", "each step is compared with the label of the next step", "Which label belongs to `logits[:, t]`: that of the same step, or of the next?"),
    Slip("softmax-first", "the logits went through a softmax before a cross-entropy that takes logits", "How many softmaxes lie between the logits and the loss, counting the one inside the cross-entropy?"),
    Slip("mean-of-means", "each sequence's mean is taken first, and then the mean of these", "Does a step of a short sequence then count as much as one of a long one?"),
    Slip("sum", "the sum over the real steps is not divided by anything", "The mean is asked for: over how many steps?"),
    Slip("mean-over-padding", "the sum over real steps is divided by all positions", "How many steps went into the sum?"),
    Slip("divided-by-rows", "the sum over the real steps is divided by the number of sequences", "How many steps went into the sum?"),
)  # fmt: skip
def labelling_loss(
    slips: Set[str], weights: Mapping[str, Tensor], readings: Sequence[Tensor], labels: Sequence[Tensor]
) -> Tensor:
    """The mean loss of all real steps; lists of B tensors (length,) → ()."""
    lengths = readings[0].new_tensor([len(row) for row in readings])
    T = int(lengths.max())
    place = torch.arange(T, device=lengths.device)
    if "padded-in-front" in slips:
        real = place >= T - lengths.unsqueeze(1)
    else:
        real = place < lengths.unsqueeze(1)  # (B, T)
    tokens, targets = (
        torch.zeros_like(real, dtype=row[0].dtype).masked_scatter(real, torch.cat(list(row)))
        for row in (readings, labels)
    )
    counted = _counted(slips, real, tokens, targets, lengths)
    rows_last = "both-time-first" in slips or "tokens-time-first" in slips
    states = states_of(slips, weights, tokens.T if rows_last else tokens, None)
    logits = states @ weights["readout.weight"].T + weights["readout.bias"]  # (B, T, V), or (T, B, V)
    if "softmax-first" in slips:
        logits = logits.softmax(-1)
    if "both-time-first" in slips:
        logits = logits.transpose(0, 1)
    if "tokens-time-first" in slips:
        logits = logits.reshape(*targets.shape, -1)
    if "targets-time-first" in slips:
        targets, counted = targets.T.reshape(targets.shape), counted.T.reshape(counted.shape)
    if "shifted-again" in slips:
        logits, targets, counted = logits[:, :-1], targets[:, 1:], counted[:, 1:]
    losses = -logits.log_softmax(-1).gather(2, targets.unsqueeze(2)).squeeze(2)  # (B, T)
    if not bool(counted.any()) or ("mean-of-means" in slips and not bool(counted.any(1).all())):
        raise ValueError("a mean over nothing is no number to be recognised by")
    each = torch.where(counted, losses, 0.0)
    if "mean-of-means" in slips:
        return (each.sum(1) / counted.sum(1)).mean()
    if "sum" in slips:
        return each.sum()
    if "mean-over-padding" in slips:
        return each.mean()
    if "divided-by-rows" in slips:
        return each.sum() / len(readings)
    return each.sum() / counted.sum()


def _counted(slips: Set[str], real: Tensor, tokens: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    """Which steps go into the mean, (B, T)."""
    place = torch.arange(real.shape[1], device=real.device)
    for k in MARKS:
        if f"class-{k}-left-out" in slips:
            real = real & (targets != k)
    if "reading-0-left-out" in slips:
        real = real & (tokens != 0)
    if "lengths-from-labels" in slips:
        real = place < (targets != 0).sum(1, keepdim=True)
    if "lengths-from-readings" in slips:
        real = place < (tokens != 0).sum(1, keepdim=True)
    if "padding-counts" in slips:
        real = torch.ones_like(real)
    if "one-too-many" in slips:
        real = place <= lengths.unsqueeze(1)
    if "last-left-out" in slips:
        real = place < lengths.unsqueeze(1) - 1
    return real
