"""Named mistakes in training with clipping: one step after the other, and with gradients collected over windows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from typing import Any

import torch
from torch import Tensor

from autograder.beside.probes.clipping import TRAPPED
from autograder.checking.spec import Slip, reference
from autograder.lessons.clipping.mistakes import clips

Weights = Mapping[str, Tensor]
Batch = tuple[Tensor, Tensor]
BAD = frozenset({"not-skipped", "nan-only", "inf-only", "zero-step", "cleaned", "loss-looked-at"})


def logits_of(weights: Weights, x: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Logits (B, T, V) and the last state (B, H) of an embedding, a tanh layer and a read-out, written out."""
    h = (
        x.new_zeros(len(x), weights["rnn.weight_hh_l0"].shape[1], dtype=weights["readout.bias"].dtype)
        if h is None
        else h
    )
    states = []
    for token in x.unbind(1):
        a = weights["embedding.weight"][token] @ weights["rnn.weight_ih_l0"].T + weights["rnn.bias_ih_l0"]
        h = torch.tanh(a + h @ weights["rnn.weight_hh_l0"].T + weights["rnn.bias_hh_l0"])
        states.append(h)
    return torch.stack(states, 1) @ weights["readout.weight"].T + weights["readout.bias"], h


def loss_of(logits: Tensor, y: Tensor) -> Tensor:
    """The mean loss per token."""
    return -logits.log_softmax(2).gather(2, y.unsqueeze(2)).mean()


class Stepper:
    """Leaves with an optimizer of PyTorch's, whose gradients are put in by hand."""

    def __init__(self, weights: Weights, kind: str, options: Mapping[str, float]):
        self.first = dict(weights)
        self.leaves = {name: value.clone().requires_grad_() for name, value in weights.items()}
        self.optimizer = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[kind](self.leaves.values(), **options)

    def gradient(self, loss: Tensor) -> list[Tensor]:
        """Of the loss, with respect to all leaves."""
        return list(torch.autograd.grad(loss, list(self.leaves.values())))

    def step(self, grads: Sequence[Tensor]) -> None:
        for leaf, grad in zip(self.leaves.values(), grads, strict=True):
            leaf.grad = grad.clone()
        self.optimizer.step()

    def moved(self) -> tuple[Tensor, ...]:
        """How far each parameter is from where it began."""
        return tuple(leaf.detach() - self.first[name] for name, leaf in self.leaves.items())


def norm_of(grads: Sequence[Tensor]) -> float:
    """The global norm as a number."""
    return float(clips.length(frozenset(), grads))


def clipped(slips: Set[str], grads: Sequence[Tensor], max_norm: float) -> list[Tensor]:
    """What clipping makes of a finite gradient."""
    if "not-clipped" in slips:
        return list(grads)
    if "layer-only" in slips:  # embedding, then the four of the layer, then the two of the read-out
        return [grads[0], *clips.clipped(frozenset(), grads[1:5], max_norm)[1:], *grads[5:]]
    max_norm = 1.0 if "limit-is-1" in slips else max_norm
    return list(clips.clipped(slips & {"each-alone", "by-value", "always"}, grads, max_norm)[1:])


CLIPPED = (
    Slip("each-alone", "each parameter is clipped by itself", "How many factors are there in one step?"),
    Slip("by-value", "the gradient is clipped by value", "Which of the two ways of clipping is asked for: by norm, or by value?"),
    Slip("always", "the gradient is scaled to max_norm even where it is shorter", "What should happen to a gradient that is short enough?"),
)  # fmt: skip


@reference(
    *CLIPPED,
    Slip("not-clipped", "the step is taken with the gradient as it was before clipping: clipping before `backward()`, after `step()`, or not at all",
         "Write the five calls of a training step in a row. Between which two is the gradient complete and not yet used?"),
    Slip("no-zero-grad", "gradients of an earlier step are added to the new ones", "`backward()` adds to `.grad`. What was in it before?"),
    Slip("limit-is-1", "the gradient is clipped to 1, whatever max_norm is", "Where does max_norm come in?"),
    Slip("layer-only", "only the gradients of the recurrent layer are clipped", "Whose gradients are clipped: those of the whole model?"),
    Slip("norms-swapped", "the norm before and the norm after have changed places", "Which of the two is measured first?"),
    Slip("after-as-before", "the norm of the clipped gradient is given as both", "When is the norm before to be measured?"),
    Slip("before-as-after", "the norm before clipping is given as both", "What is in `.grad` once it is clipped?"),
    Slip("limit-as-after", "the limit is given as the norm after, even where the gradient is shorter", "How long is a short gradient after clipping?"),
    Slip("squared-norms", "the norms are given squared", "Where does the root come in?"),
    Slip("measured-emptied", "the norm after is measured when `.grad` has been emptied again, after `step()`", "Up to which line is the gradient that the step was taken with in `.grad`?"),
    Slip("order-differs", "logits and targets stand in a different order: one row after row, the other step after step",
         "Before both are flattened: is axis 0 the row and axis 1 the step in each of them?"),
    Slip("axes-mixed", "the axes of the logits are exchanged before they are flattened, so that scores of different tokens share a row",
         "`flatten` and `reshape` read the numbers in the order of the axes. Which axis of the logits has to come last?"),
    Slip("sum-loss", "the loss is the sum over all tokens", "Which loss is asked: the sum, or the mean per token?"),
    Slip("last-step", "only the losses of the last time step are counted", "At how many steps is there a loss?"),
    Slip("sum-over-time", "the loss is summed over time and averaged over the rows", "Over what does the mean run: over rows, or over tokens?"),
    Slip("loss-after", "the loss is computed once more, after the step", "The loss before the step is asked. Which variable holds it?"),
    Slip("scaled-by-batch", "the loss is divided by the number of rows once more", "`cross_entropy` averages already. Over what?"),
    Slip("no-step", "the parameters never move: `step()` is not reached, or finds no gradient", "Which line changes the parameters, and what does it find in `.grad`?"),
    Slip("zeroed", "the gradients are emptied between `backward()` and `step()`", "What does `step()` find in `.grad`?"),
    Slip("step-twice", "the optimizer steps twice", "How often may `step()` run in one training step?"),
    Slip("memory-lost", "the optimizer's memory is not used: a plain step down the gradient with its learning rate",
         "Who takes the step, and who remembers the earlier ones? Is it the optimizer that was handed in?"),
    Slip("not-skipped", "a step with a gradient that is not finite is taken", "Does your test look at the gradient, or only at the loss? And does it come before `step()`?"),
    Slip("loss-looked-at", "a step is skipped where the loss is not finite, and not where only the gradient is not", "Can a loss be finite while its gradient is not? Which of the two is your test about?"),
    Slip("nan-only", "a step with an infinite gradient is taken; one with a nan is skipped", "Which function is true for both, nan and infinity?"),
    Slip("inf-only", "a step with a nan in its gradient is taken; an infinite one is skipped", "What is `nan == inf`, and what is `nan > 0`? Which function is true for both, nan and infinity?"),
    Slip("zero-step", "a step with a gradient of zeros is taken instead of none", "What does an optimizer with memory do with a gradient of 0?"),
    Slip("cleaned", "what is not finite is replaced by a number, and the step is taken", "What does the exercise ask for where a gradient is not finite: a repaired step, or none?"),
    Slip("skipped-inverted", "True and False have changed places under \"skipped\"", "Does your variable say that the gradient is finite, or that the step was left out?"),
    Slip("skips-long", "the step is left out where the gradient is longer than max_norm", "What is clipping for? When only is a step left out?"),
)  # fmt: skip
def steps(
    slips: Set[str], weights: Weights, stale: Weights, traps: Tensor, batches: Sequence[Batch], max_norm: float, kind: str, options: Mapping[str, float], by_formula: bool = False
) -> tuple[Any, ...]:  # fmt: skip
    """For each step whether it is skipped, and loss, norm before, norm after where no trap strikes; then how far each parameter has moved.

    `by_formula`: the norm after is not measured, but said to be min(norm before, max_norm).
    """
    made, kept, rows = Stepper(weights, kind, options), list(stale.values()), []
    for x, y in batches:
        last = -1 if "last-step" in slips else 0
        logits = logits_of(made.leaves, x)[0]
        if "order-differs" in slips:
            logits = logits.transpose(0, 1).reshape(logits.shape)
        if "axes-mixed" in slips:
            logits = logits.transpose(1, 2).reshape(logits.shape)
        loss = loss_of(logits[:, last:], y[:, last:])
        loss = loss * (y.numel() if "sum-loss" in slips else y.shape[1] if "sum-over-time" in slips else 1)
        grads = trap(made.gradient(loss / len(y) if "scaled-by-batch" in slips else loss), x, traps, weights)
        if "no-zero-grad" in slips:
            grads = [new + old for new, old in zip(grads, kept, strict=True)]
        finite, before = all(bool(grad.isfinite().all()) for grad in grads), norm_of(grads)
        kept = clipped(slips, grads, max_norm) if finite else grads
        skipped = "skips-long" in slips and before > max_norm if finite else True
        took = None if skipped else kept
        if not finite and slips & BAD:
            skipped, took = _badly(slips, grads, before, max_norm, bool(loss.isfinite()))
        skipped = skipped != ("skipped-inverted" in slips)
        if took is not None:
            _step(slips, made, took)
        if "loss-after" in slips:
            loss = loss_of(logits_of(made.leaves, x)[0], y)
        after = min(before, max_norm) if by_formula else norm_of(kept)
        row = (loss.item(), before, after) if x.max() < struck_from(weights, traps) else ()
        rows += [skipped, *map(number, _row(slips, *row, max_norm) if row else ())]
    return (*rows, *made.moved())


def number(value: float) -> Tensor:
    """As a tensor, of which nan equals nan."""
    return torch.tensor(value, dtype=torch.float64)


def struck_from(weights: Weights, traps: Tensor) -> int:
    """The first token that is a trap of a Trapped model."""
    return weights["embedding.weight"].shape[0] - len(traps)


def trap(grads: list[Tensor], x: Tensor, traps: Tensor, weights: Weights) -> list[Tensor]:
    """The gradients after the traps of a Trapped model have struck."""
    names, first = list(weights), struck_from(weights, traps)
    for i, strikes in enumerate(traps.tolist()):
        if bool((x == first + i).any()):
            grads[names.index(TRAPPED[i])].view(-1)[-1] += strikes
    return grads


def _badly(
    slips: Set[str], grads: list[Tensor], before: float, max_norm: float, finite_loss: bool
) -> tuple[bool, list[Tensor] | None]:
    """What a mistake says of a gradient that is not finite, and with which gradient it takes a step, if any."""
    if "zero-step" in slips:
        return True, [torch.zeros_like(grad) for grad in grads]
    if "cleaned" in slips:
        return False, clipped(slips, [grad.nan_to_num(0.0, 0.0, 0.0) for grad in grads], max_norm)
    is_nan = math.isnan(before)
    skips = {"nan-only": is_nan, "inf-only": not is_nan, "loss-looked-at": not finite_loss}
    if any(skips[id] for id in slips & set(skips)):
        return True, None
    return False, [grad * (max_norm / before) for grad in grads]  # 0 or nan, as torch.nn.utils.clip_grad_norm_ has it


def _step(slips: Set[str], made: Stepper, grads: Sequence[Tensor]) -> None:
    if "memory-lost" in slips:
        with torch.no_grad():
            for leaf, grad in zip(made.leaves.values(), grads, strict=True):
                leaf -= made.optimizer.param_groups[0]["lr"] * grad
        return
    for _ in range(2 if "step-twice" in slips else 0 if slips & {"zeroed", "no-step"} else 1):
        made.step(grads)


def _row(slips: Set[str], loss: float, before: float, after: float, max_norm: float) -> tuple[float, float, float]:
    if "after-as-before" in slips:
        before = after
    if "before-as-after" in slips:
        after = before
    if "limit-as-after" in slips:
        after = max_norm
    if slips & {"zeroed", "measured-emptied"}:
        after = 0.0
    if "norms-swapped" in slips:
        before, after = after, before
    return (loss, before**2, after**2) if "squared-norms" in slips else (loss, before, after)


@reference(
    *CLIPPED,
    Slip("each-window", "what is collected so far is clipped after each window", "After the second window, what is in `.grad`? How often is the part of the first window shortened?"),
    Slip("each-share", "the gradient of each window is clipped by itself, before it is added", "What is to be clipped: the share of a window, or the mean of all of them?"),
    Slip("not-clipped", "nothing is clipped: the step is taken with the gradient as it was collected", "Where does `max_norm` come in, and is the gradient complete there and not yet used?"),
    Slip("step-each-window", "a step is taken after each window", "When is the gradient of a step complete?"),
    Slip("last-window", "only the last of the windows counts in a step", "Where are the gradients emptied: for each window, or for each step?"),
    Slip("never-emptied", "gradients of earlier steps are added to those of a step", "Where are the gradients emptied, once a step has used them?"),
    Slip("summed", "the gradients of the windows are summed and not averaged", "By what is a window's loss divided?"),
    Slip("limit-times-every", "the limit is multiplied by the number of windows", "How long may the mean gradient be?"),
    Slip("limit-over-every", "the limit is divided by the number of windows", "How long may the mean gradient be?"),
    Slip("reset", "every window begins without a state", "What does `model` get as its second argument in the second window?"),
    Slip("first-step-late", "the steps come one window too early or too late", "After which windows is a step due? Count for every = 2."),
)  # fmt: skip
def parts(
    slips: Set[str], weights: Weights, x: Tensor, y: Tensor, k: int, every: int, max_norm: float, kind: str, options: Mapping[str, float]
) -> tuple[Tensor, ...]:  # fmt: skip
    """How far each parameter moves in one pass in windows of k steps with a step after each `every` windows; then the windows' losses."""
    made, h, losses = Stepper(weights, kind, options), None, []
    kept: list[Tensor] = [torch.zeros_like(value) for value in weights.values()]
    limit = max_norm * (every if "limit-times-every" in slips else 1 / every if "limit-over-every" in slips else 1)
    for window, (x_w, y_w) in enumerate(zip(x.split(k, 1), y.split(k, 1), strict=True)):
        logits, h = logits_of(made.leaves, x_w, None if "reset" in slips else h)
        h = h.detach()
        losses.append(loss_of(logits, y_w))
        share = made.gradient(losses[-1] / (1 if "summed" in slips else every))
        if "each-share" in slips:
            share = clipped(slips, share, limit)
        kept = share if "last-window" in slips else [old + new for old, new in zip(kept, share, strict=True)]
        if "each-window" in slips:
            kept = clipped(slips, kept, limit)
        if "step-each-window" in slips or (window + (0 if "first-step-late" in slips else 1)) % every == 0:
            kept = kept if slips & {"each-share", "each-window"} else clipped(slips, kept, limit)
            made.step(kept)
            kept = kept if "never-emptied" in slips else [torch.zeros_like(grad) for grad in kept]
    return (*made.moved(), *(loss.detach() for loss in losses))
