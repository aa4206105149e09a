"""Named mistakes of lesson 04, a loss at every step: in a loss, in a model, in what is done with a model.

Those of a training step are in `training_step.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set

import torch
from torch import Tensor

from autograder.spec import Slip, reference

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
        "`reshape` keeps the numbers in their order and cuts them anew. Which operation changes the order of axes?",
    ),
)
SCORES = (
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
        "the mean over all tokens is returned although the sum is asked",
        "Where does your function look at `reduction`?",
    ),
    Slip(
        "always-sum",
        "the sum over all tokens is returned although the mean is asked",
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
    axis = 1 if "softmax-over-time" in slips else 0 if "softmax-over-batch" in slips else -1
    scores = logits if "no-softmax" in slips else logits.log_softmax(axis)
    if "no-log" in slips:
        scores = scores.exp()
    losses = -scores.gather(2, targets.unsqueeze(2)).squeeze(2)  # (B, T)
    if "class-0-left-out" in slips:
        losses = losses[targets != 0]
    return losses / math.log(2) if "bits" in slips else losses


@reference(*AMOUNT, *PAIRING, *SCORES)
def sequence_loss(slips: Set[str], logits: Tensor, targets: Tensor, reduction: str) -> Tensor:
    """The sum or the mean over all tokens of the cross-entropy; (B, T, V), (B, T) → ()."""
    losses = token_losses(slips, logits, targets)
    if "always-mean" in slips:
        reduction = "mean"
    if "always-sum" in slips:
        reduction = "sum"
    total = losses.sum()
    if "mean-over-batch" in slips:
        return total / logits.shape[0]
    if "mean-over-time" in slips:
        return total / logits.shape[1]
    if "mean-over-classes" in slips:
        return total / (losses.numel() * logits.shape[2])
    return total if reduction == "sum" else total / losses.numel()


@reference(
    Slip("no-mask", "padded steps are counted like real ones", "Which entries of `targets` does nobody want to have predicted?"),
    Slip("mean-over-padding", "the sum runs over real tokens, but it is divided by all B·T positions", "How many tokens went into the sum?"),
    Slip(
        "mean-of-means",
        "each row's mean is taken first, and then the mean of these",
        "Does a token of a short row then count as much as one of a long row?",
    ),
    Slip("sum", "the sum over the real tokens is not divided by anything", "The mean is asked: over how many tokens?"),
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
    Slip("last-real-step", "only the last real token of each row is counted", "At how many steps of a row is there a loss?"),
    Slip("padding-means-0", "tokens whose target is 0 are left out", "0 is an ordinary class here. What says which tokens are real?"),
    Slip(
        "logits-masked",
        "the padded logits are set to 0 and then counted",
        "What is the loss where all logits are equal? Is it 0?",
    ),
    Slip("targets-masked", "the padded targets are set to 0 and then counted", "Does a padded step have no loss now, or that of class 0?"),
    *SCORES[:5],
    *PAIRING[:1],
    *PAIRING[4:],
)  # fmt: skip
def masked_sequence_loss(slips: Set[str], logits: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    """The mean of the cross-entropy over real tokens; (B, T, V), (B, T), (B,) → ()."""
    (B, T), steps = targets.shape, torch.arange(targets.shape[1], device=targets.device)
    ends = (lengths[0].expand(B) if "one-length" in slips else lengths).unsqueeze(1)  # (B, 1)
    if "one-too-many" in slips:
        ends = (ends + 1).clamp(max=T)
    if "one-too-few" in slips:
        ends = (ends - 1).clamp(min=0)
    real = steps >= T - ends if "padded-in-front" in slips else steps < ends  # (B, T)
    if "last-real-step" in slips:
        real = steps == ends - 1
    if "mask-inverted" in slips:
        real = ~real
    if "padding-means-0" in slips:
        real = targets != 0
    if "logits-masked" in slips:
        logits = logits * real.unsqueeze(2)
    if "targets-masked" in slips:
        targets = targets * real
    if slips & {"no-mask", "logits-masked", "targets-masked"}:
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
    return each.sum() / real.sum()


def states_of(slips: Set[str], weights: Mapping[str, Tensor], tokens: Tensor, h: Tensor | None) -> Tensor:
    """All states of a SequenceModel with these weights; (B, T), (1, B, H) or None → (B, T, H)."""
    inputs = weights["embedding.weight"][tokens]  # (B, T, E)
    state = inputs.new_zeros(len(tokens), weights["readout.weight"].shape[1]) if h is None else h[0]
    squash = torch.relu if "relu" in slips else torch.tanh
    bias, states = weights["rnn.bias_ih_l0"] + weights["rnn.bias_hh_l0"], []
    for t in range(tokens.shape[1]):
        state = squash(inputs[:, t] @ weights["rnn.weight_ih_l0"].T + state @ weights["rnn.weight_hh_l0"].T + bias)
        states.append(state)
    return torch.stack(states, 1)


@reference(
    Slip(
        "time-first",
        "the recurrent layer takes the rows of the batch for time steps",
        "Which axis is time for `nn.RNN`, unless it is told otherwise?",
    ),
    Slip("h-ignored", "the state that was handed in is not used", "Where does your `forward` pass `h` on?"),
    Slip("kept-on-self", "the state of an earlier call is used in place of the one handed in", "Does your model keep a state on `self`? Who should keep it?"),
    Slip("all-states", "the states of all steps are returned in place of the last one", "`self.rnn` returns two things. Which one can be handed in again?"),
    Slip("old-state", "the state that was handed in is handed back unchanged", "Which of the two things that `self.rnn` returns is the new state?"),
    Slip("flat-state", "the state comes back without its first axis", "Which shape does `nn.RNN` take a state in?"),
    Slip("last-step-only", "only the last step is read out", "At how many steps is a prediction wanted?"),
    Slip("swapped", "the state comes first and the logits second", "In which order does the exercise ask for the two?"),
    Slip("classes-second", "the classes stand on axis 1", "Which shape does the exercise ask for?"),
    Slip("softmax", "the model ends in a softmax", "Does the loss take probabilities or logits?"),
    Slip("log-softmax", "the model ends in a log-softmax", "The loss does that itself. What is the last layer of the exercise?"),
    Slip("tanh-twice", "a second tanh follows the recurrent layer", "The states have been through a tanh already. What lies between them and the read-out?"),
    Slip("relu-between", "a ReLU lies between the states and the read-out", "What lies between the states and the read-out?"),
    Slip("relu", "the recurrent layer uses ReLU in place of tanh", "Which nonlinearity does `nn.RNN` use, unless it is told otherwise?"),
)  # fmt: skip
def sequence_model(
    slips: Set[str], weights: Mapping[str, Tensor], tokens: Tensor, h: Tensor | None, kept: Tensor | None
) -> tuple[Tensor, Tensor]:
    """(logits (B, T, V), h (1, B, H)); `kept` is the state after the call before."""
    if "kept-on-self" in slips and kept is not None:
        h = kept
    given, rows_last = (None if "h-ignored" in slips else h), "time-first" in slips
    states = states_of(slips, weights, tokens.T if rows_last else tokens, given)
    last = states[:, -1].unsqueeze(0)
    states = states.transpose(0, 1) if rows_last else states
    read = states.tanh() if "tanh-twice" in slips else states.relu() if "relu-between" in slips else states
    logits = read @ weights["readout.weight"].T + weights["readout.bias"]
    if "last-step-only" in slips:
        logits = logits[:, -1]
    if "classes-second" in slips:
        logits = logits.transpose(1, 2)
    if "softmax" in slips:
        logits = logits.softmax(-1)
    if "log-softmax" in slips:
        logits = logits.log_softmax(-1)
    if "all-states" in slips:
        last = states
    if "old-state" in slips and h is not None:
        last = h
    if "flat-state" in slips:
        last = last.squeeze(0)
    return (last, logits) if "swapped" in slips else (logits, last)


@reference(
    Slip("padding-moves-it", "the padded steps have moved the state", "After which step is each row's last real token read?"),
    Slip("one-too-late", "the state is taken one step too late", "With Python's count from 0, at which index stands the state after 3 tokens?"),
    Slip("one-too-early", "the state is taken one step too early", "With Python's count from 0, at which index stands the state after 3 tokens?"),
    Slip("one-length", "the length of the first row is used for all rows", "Which index does each row have of its own?"),
    Slip("set-to-zero", "a row's state is set to 0 once its tokens are used up", "Should the state vanish there, or stay as it is?"),
    Slip("first-state", "the state after the first token is taken", "After which token is the state asked?"),
    Slip("mean-state", "the mean of the states over the real steps is taken", "Which one state is asked?"),
    Slip("sorted-rows", "the rows come back sorted by length", "If rows were sorted on the way in, where is that undone?"),
)  # fmt: skip
def final_state(slips: Set[str], weights: Mapping[str, Tensor], tokens: Tensor, lengths: Tensor) -> Tensor:
    """The state of each row after its own last token; (B, T), (B,) → (1, B, H)."""
    states, rows = states_of(slips, weights, tokens, None), torch.arange(len(tokens), device=tokens.device)
    last = lengths - 1
    if "padding-moves-it" in slips:
        last = torch.full_like(last, tokens.shape[1] - 1)
    if "one-too-late" in slips:
        last = (last + 1).clamp(max=tokens.shape[1] - 1)
    if "one-too-early" in slips:
        last = last - 1
    if "one-length" in slips:
        last = last[:1].expand_as(last)
    if "first-state" in slips:
        last = torch.zeros_like(last)
    at = states[rows, last]
    if "set-to-zero" in slips:
        at = torch.where((lengths < tokens.shape[1]).unsqueeze(1), 0.0, at)
    if "mean-state" in slips:
        real = torch.arange(tokens.shape[1], device=tokens.device) < lengths.unsqueeze(1)
        at = (states * real.unsqueeze(2)).sum(1) / lengths.unsqueeze(1)
    if "sorted-rows" in slips:
        at = at[lengths.argsort(descending=True)]
    return at.unsqueeze(0)


@reference(
    Slip("state-lost", "each step begins from no state at all", "What does the model know of the prompt when it reads its own last token?"),
    Slip("prompt-forgotten", "only the last token of the prompt is read", "Which tokens does the model have to read before its first own one?"),
    Slip("lost-after-prompt", "the prompt's state is lost before the first generated token is read", "What is handed to the model together with that token?"),
    Slip("state-frozen", "every token is read with the state that the prompt left", "Which variable holds the state, and where does it change?"),
    Slip("last-read-twice", "the last token of the prompt is read twice", "Which token comes next, once the prompt has been read?"),
    Slip("first-left-out", "the first generated token is missing", "Which logits choose the first token: are any needed besides those of the prompt?"),
    Slip("prompt-too", "the prompt stands before the generated tokens", "Which tokens are asked for?"),
    Slip("one-too-many", "one token too many is generated", "How often does your loop run, and which token comes from before it?"),
    Slip("one-too-few", "one token too few is generated", "How often does your loop run, and which token comes from before it?"),
    Slip("first-logits", "the first token is chosen by the logits of the first step", "After which step has the whole prompt been read?"),
    Slip("least-likely", "the token with the smallest logit is taken", "Greedy means the most likely token."),
    Slip("same-token", "the first choice is repeated", "Where in the loop is a new token chosen?"),
    Slip("prompt-cut", "the last token of the prompt is not read", "Where does your slice of the prompt end?"),
)  # fmt: skip
def generate(slips: Set[str], weights: Mapping[str, Tensor], prompt: Tensor, n: int) -> Tensor:
    """The n most likely tokens, each read before the next; (P,) → (n,)."""

    def step(tokens: Tensor, h: Tensor | None) -> tuple[Tensor, Tensor]:
        states = states_of(slips, weights, tokens.unsqueeze(0), h)
        return states[0] @ weights["readout.weight"].T + weights["readout.bias"], states[:, -1:]

    read = prompt[-1:] if "prompt-forgotten" in slips else prompt[:-1] if "prompt-cut" in slips else prompt
    logits, h = step(read, None)
    if "state-lost" in slips:
        logits, h = step(prompt[-1:], None)
    if "last-read-twice" in slips:
        logits, h = step(prompt[-1:], h)
    scores, after_prompt, tokens = logits[0 if "first-logits" in slips else -1], h, []
    if "lost-after-prompt" in slips:
        h = None
    for _ in range(n + 1):
        token = scores.argmin() if "least-likely" in slips else scores.argmax()
        tokens.append(tokens[0] if "same-token" in slips and tokens else token)
        before = None if "state-lost" in slips else after_prompt if "state-frozen" in slips else h
        logits, h = step(token.reshape(1), before)
        scores = logits[-1]
    made = torch.stack(tokens)
    made = made[1:] if "first-left-out" in slips else made[:n]
    if "one-too-many" in slips:
        made = torch.stack(tokens)
    if "one-too-few" in slips:
        made = made[:-1]
    return torch.cat([prompt, made]) if "prompt-too" in slips else made


@reference(
    Slip(
        "class-0-left-out",
        "steps whose label is 0 are left out, real ones too",
        "What do the filled-up labels hold, and which real label looks just the same?",
    ),
    Slip("padding-counts", "the padded steps are counted, with label 0", "Which steps does nobody want to have labelled?"),
    Slip("mean-of-means", "each sequence's mean is taken first, and then the mean of these", "Does a step of a short sequence then count as much as one of a long one?"),
    Slip("sum", "the sum over the real steps is not divided by anything", "The mean is asked: over how many steps?"),
    Slip("mean-over-padding", "the sum over real steps is divided by all positions", "How many steps went into the sum?"),
    Slip("last-left-out", "the last step of each sequence is left out", "Each sequence's length is len(...): which index has its last step?"),
)  # fmt: skip
def labelling_loss(
    slips: Set[str], rows: Sequence[Tensor], labels: Sequence[Tensor], padded: Sequence[Tensor]
) -> Tensor:
    """The mean of the losses of all real steps; `rows` are the losses of each sequence, `padded` those of its padding."""
    if "last-left-out" in slips:
        rows, labels = [row[:-1] for row in rows], [row[:-1] for row in labels]
    each = torch.cat([*rows, *padded]) if "padding-counts" in slips else torch.cat(list(rows))
    if "class-0-left-out" in slips:
        each = torch.cat(list(rows))[torch.cat(list(labels)) != 0]
    if "mean-of-means" in slips:
        return torch.stack([row.mean() for row in rows]).mean()
    if "sum" in slips:
        return each.sum()
    if "mean-over-padding" in slips:
        return each.sum() / sum(len(row) + len(rest) for row, rest in zip(rows, padded, strict=True))
    return each.mean()
