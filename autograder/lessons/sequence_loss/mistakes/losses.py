"""Named mistakes of lesson 04 in a loss at every step; those in a model, a training step and a labeller are in modules of their own."""

from __future__ import annotations

import math
from collections.abc import Set

import torch
from torch import Tensor

from autograder.checking.spec import Slip, reference

PAIRING = (
    Slip(
        "shifted-again",
        "each prediction is compared with the target one step later",
        "Is the shift by one made in your function, or was it made when the targets were cut out?",
    ),
    Slip(
        "shifted-back",
        "each prediction is compared with the target one step earlier",
        "Which entry of `targets` belongs to `logits[:, t]`?",
    ),
    Slip("last-step", "only the last step's loss is counted", "At how many steps is there a loss?"),
    Slip("first-step", "only the first step's loss is counted", "At how many steps is there a loss?"),
    Slip("first-row", "only the first row of the batch is counted", "How many rows are there?"),
    Slip(
        "targets-time-first",
        "the targets are flattened time first, the logits batch first",
        "After the reshape, which row and step does entry 1 of each of the two lists come from?",
    ),
    Slip(
        "logits-time-first",
        "the logits are flattened time first, the targets batch first",
        "After the reshape, which row and step does entry 1 of each of the two lists come from?",
    ),
    Slip(
        "reshape-for-transpose",
        "`reshape` or `view` moves the classes to axis 1, where a transpose was meant",
        "`reshape` keeps the numbers in their order and cuts them up differently. Which operation changes the order of axes?",
    ),
)
OF_LOGITS = (
    Slip(
        "softmax-first",
        "the logits went through a softmax before a cross-entropy that takes logits",
        "How many softmaxes lie between the logits and the loss, counting the one inside the cross-entropy?",
    ),
    Slip(
        "softmax-over-time",
        "the softmax runs over the time steps",
        "Between which entries is the choice: between steps, or between classes? Which axis is that?",
    ),
    Slip(
        "softmax-over-batch",
        "the softmax runs over the batch",
        "Between which entries is the choice: between rows, or between classes? Which axis is that?",
    ),
    Slip(
        "no-softmax",
        "the logit of the target is taken as if it were a log-probability",
        "Do exp(logits) add up to 1 over the classes? What has to come off each logit so that they do?",
    ),
    Slip("no-log", "the probability itself stands where its logarithm belongs", "What is the loss of a prediction that gives the target probability 1?"),
    Slip(
        "binary",
        "each class is asked about by itself, yes or no",
        "Of the V classes exactly one is right. Does your loss know that?",
    ),
    Slip("squared", "the squared distance between probabilities and one-hot targets is taken", "Which loss is the cross-entropy: does it look at all probabilities, or at one?"),
    Slip("bits", "the logarithm is the one to base 2", "The course counts in nats: which logarithm is that?"),
    Slip(
        "class-0-left-out",
        "tokens whose target is 0 are left out, as if 0 meant padding",
        "Is 0 an ordinary class here?",
    ),
)  # fmt: skip
AMOUNT = (
    Slip(
        "always-mean",
        "the mean over all tokens is returned although the sum is asked for",
        "Where does your function look at `reduction`?",
    ),
    Slip(
        "always-sum",
        "the sum over all tokens is returned although the mean is asked for",
        "Where does your function look at `reduction`?",
    ),
    Slip(
        "mean-over-batch",
        "the sum over all tokens is divided by the number of rows B",
        "That is the convention of lesson 02. How many tokens are there in B rows of T steps?",
    ),
    Slip(
        "mean-over-time",
        "the sum over all tokens is divided by the number of steps T",
        "How many tokens are there in B rows of T steps?",
    ),
    Slip(
        "mean-over-classes",
        "the mean also runs over the classes",
        "How many losses are there: one for each token, or one for each token and class?",
    ),
)


def token_losses(slips: Set[str], logits: Tensor, targets: Tensor) -> Tensor:
    """The loss of each token, (B, T), or fewer of them for some slips."""
    B, T, V = logits.shape
    if "shifted-again" in slips:
        logits, targets = logits[:, :-1], targets[:, 1:]
    if "shifted-back" in slips:
        logits, targets = logits[:, 1:], targets[:, :-1]
    if "targets-time-first" in slips:
        targets = targets.T.reshape(targets.shape)
    if "logits-time-first" in slips:
        logits = logits.transpose(0, 1).reshape(logits.shape)
    if "reshape-for-transpose" in slips:
        logits = logits.reshape(logits.shape[0], V, -1).transpose(1, 2)
    if "softmax-first" in slips:
        logits = logits.softmax(-1)
    if "last-step" in slips:
        logits, targets = logits[:, -1:], targets[:, -1:]
    if "first-step" in slips:
        logits, targets = logits[:, :1], targets[:, :1]
    if "first-row" in slips:
        logits, targets = logits[:1], targets[:1]
    axis = 1 if "softmax-over-time" in slips else 0 if "softmax-over-batch" in slips else -1
    if slips & {"binary", "squared"}:
        return _other_loss(slips, logits, targets)
    scores = logits if "no-softmax" in slips else logits.log_softmax(axis)
    if "no-log" in slips:
        scores = scores.exp()
    losses = -scores.gather(2, targets.unsqueeze(2)).squeeze(2)  # (B, T)
    if "class-0-left-out" in slips:
        losses = losses[targets != 0]
    return losses / math.log(2) if "bits" in slips else losses


def _other_loss(slips: Set[str], logits: Tensor, targets: Tensor) -> Tensor:
    """(B, T, V): losses that are no cross-entropy over classes."""
    wanted = torch.nn.functional.one_hot(targets, logits.shape[2]).to(logits.dtype)
    if "binary" in slips:
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    return (logits.softmax(-1) - wanted) ** 2


@reference(
    *AMOUNT,
    *PAIRING,
    *OF_LOGITS,
    Slip(
        "perplexity",
        "the exponential of the loss is returned",
        "That is the perplexity. Which of the two is asked for?",
    ),
)
def sequence_loss(slips: Set[str], logits: Tensor, targets: Tensor, reduction: str) -> Tensor:
    """The sum or the mean over all tokens of the cross-entropy; (B, T, V), (B, T) → ()."""
    losses = token_losses(slips, logits, targets)
    if "always-mean" in slips:
        reduction = "mean"
    if "always-sum" in slips:
        reduction = "sum"
    total = losses.sum()
    if "mean-over-batch" in slips:
        total = total / logits.shape[0]
    elif "mean-over-time" in slips:
        total = total / logits.shape[1]
    elif "mean-over-classes" in slips:
        total = total / (losses.numel() * logits.shape[2])
    elif reduction == "mean":
        total = total / losses.numel()
    return total.exp() if "perplexity" in slips else total


@reference(
    Slip("no-mask", "padded steps are counted like real ones", "Which entries of `targets` does nobody want to have predicted?"),
    Slip("mean-over-padding", "the sum runs over real tokens, but it is divided by all B·T positions", "How many tokens went into the sum?"),
    Slip(
        "mean-of-means",
        "each row's mean is taken first, and then the mean of these",
        "Does a token of a short row then count as much as one of a long row?",
    ),
    Slip("sum", "the sum over the real tokens is not divided by anything", "The mean is asked for: over how many tokens?"),
    Slip("divided-by-rows", "the sum over the real tokens is divided by the number of rows", "How many tokens went into the sum?"),
    Slip("divided-by-steps", "the sum over the real tokens is divided by T", "How many tokens went into the sum?"),
    Slip(
        "one-too-many",
        "one padded step of each row is counted",
        "With Python's count from 0, which index has the last real token of a row of length 3?",
    ),
    Slip(
        "one-too-few",
        "the last real step of each row is left out",
        "With Python's count from 0, which index has the last real token of a row of length 3?",
    ),
    Slip("mask-inverted", "the padded steps are counted and the real ones left out", "Is your mask True where a token is real, or where it is not?"),
    Slip("padded-in-front", "the last steps of each row are taken for the real ones", "On which side of the rows is the padding?"),
    Slip("one-length", "the length of the first row is used for all rows", "Does your comparison give (B, T), or one row for all?"),
    Slip("shortest", "all rows are cut to the length of the shortest", "Where do the real tokens of the longer rows go?"),
    Slip("longest", "all rows are cut to the length of the longest", "Which entries of the shorter rows are no tokens?"),
    Slip("last-real-step", "only the last real token of each row is counted", "At how many steps of a row is there a loss?"),
    Slip("padding-means-0", "tokens whose target is 0 are left out", "0 is an ordinary class here. What says which tokens are real?"),
    Slip(
        "logits-masked",
        "the padded logits are set to 0 and then counted",
        "What is the loss where all logits are equal? Is it 0?",
    ),
    Slip("logits-masked-sum", "the padded logits are set to 0, and their losses stay in the sum over the real tokens", "What is the loss where all logits are equal? Is it 0?"),
    Slip(
        "padding-marked-0",
        "padding is marked by 0 in the targets, so real tokens whose target is 0 are left out too",
        "Can you tell a padded target from a real 0 then? Can the loss?",
    ),
    Slip("targets-masked", "the padded targets are set to 0 and then counted", "Does a padded step have no loss now, or that of class 0?"),
    *OF_LOGITS[:5],
    PAIRING[0],
    *PAIRING[5:],
)  # fmt: skip
def masked_sequence_loss(slips: Set[str], logits: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    """The mean of the cross-entropy over real tokens; (B, T, V), (B, T), (B,) → ()."""
    (B, T), steps = targets.shape, torch.arange(targets.shape[1], device=targets.device)
    ends = lengths[0].expand(B) if "one-length" in slips else lengths
    ends = lengths.min().expand(B) if "shortest" in slips else lengths.max().expand(B) if "longest" in slips else ends
    ends = ends.unsqueeze(1)  # (B, 1)
    if "one-too-many" in slips:
        ends = (ends + 1).clamp(max=T)
    if "one-too-few" in slips:
        ends = (ends - 1).clamp(min=0)
    real = steps >= T - ends if "padded-in-front" in slips else steps < ends  # (B, T)
    if "last-real-step" in slips:
        real = steps == (ends - 1) % T  # of a row without a token, the index −1 takes the last of all
    if "mask-inverted" in slips:
        real = ~real
    if "padding-means-0" in slips:
        real = targets != 0
    if "padding-marked-0" in slips:
        real = real & (targets != 0)
    count = real.sum()
    if slips & {"logits-masked", "logits-masked-sum"}:
        logits = logits * real.unsqueeze(2)
    if "targets-masked" in slips:
        targets = targets * real
    if slips & {"no-mask", "logits-masked", "logits-masked-sum", "targets-masked"}:
        real = torch.ones_like(real)
    losses = token_losses(slips, logits, targets)
    real = real[:, -losses.shape[1] :]
    each = torch.where(real, losses, 0.0)
    if "mean-over-padding" in slips:
        return each.mean()
    if not bool(real.any()) or ("mean-of-means" in slips and not bool(real.any(1).all())):
        raise ValueError("a mean over nothing is no number to be recognised by")
    if "mean-of-means" in slips:
        return (each.sum(1) / real.sum(1)).mean()
    if "sum" in slips:
        return each.sum()
    if "divided-by-rows" in slips:
        return each.sum() / B
    if "divided-by-steps" in slips:
        return each.sum() / T
    return each.sum() / (count if "logits-masked-sum" in slips else real.sum())
