"""Named mistakes of a training step in lesson 04: one simulation of SGD with momentum, by hand, with a switch for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set

import torch
from torch import Tensor

from autograder.checking.spec import Slip, reference
from autograder.lessons.sequence_loss.mistakes.losses import token_losses
from autograder.lessons.sequence_loss.mistakes.model import states_of

Weights = Mapping[str, Tensor]
COMMON = {"no-zero-grad", "sum-step", "loss-after-step"}


@reference(
    Slip(
        "no-zero-grad",
        "gradients of an earlier step are still in `.grad` and are added to the new ones",
        "`backward()` adds to `.grad`. What was in it before?",
    ),
    Slip("sum-loss", "the loss is the sum over all tokens", "Which loss is asked for: the sum, or the mean per token?"),
    Slip(
        "sum-step",
        "the mean is returned, but the step follows the gradient of the sum over all tokens",
        "On which of the two losses is `backward()` called?",
    ),
    Slip(
        "batch-step",
        "the mean is returned, but the step follows the gradient of the sum over time, averaged over the rows",
        "On which of the two losses is `backward()` called?",
    ),
    Slip(
        "class-0-left-out",
        "tokens whose target is 0 are left out",
        "Is 0 an ordinary class here? There is no padding in this exercise.",
    ),
    Slip(
        "mean-over-batch",
        "the loss is the sum over time, averaged over the rows",
        "Over what does the mean run: over rows, or over tokens?",
    ),
    Slip("loss-after-step", "the loss is computed once more, after the step", "The loss before the step is asked for. Which variable holds it?"),
    Slip("sum-returned", "the step is right, and the sum over all tokens is returned", "Which loss is to be returned: the sum, or the mean per token?"),
    Slip("shifted-again", "the targets are shifted once more", "Which entry of `targets` belongs to `logits[:, t]`? Who has made the shift?"),
    Slip("inputs-as-targets", "the loss compares the predictions with `tokens`, not with `targets`", "Which token is to be predicted: the one just read, or the next?"),
    Slip("last-step", "only the last step's loss is counted", "At how many steps is there a loss?"),
    Slip("softmax-first", "the logits went through a softmax before a cross-entropy that takes logits", "How many softmaxes lie between the logits and the loss?"),
    Slip("reshape-for-transpose", "`reshape` or `view` moves the classes to axis 1, where a transpose was meant", "Which operation changes the order of axes?"),
    Slip("targets-time-first", "the targets are flattened time first, the logits batch first", "Which row and step does entry 1 of each of the two lists come from?"),
    Slip("uphill", "the step goes up the gradient", "Where does a minus come in? The optimizer has its own."),
    Slip("backward-twice", "`backward()` runs twice", "`backward()` adds to `.grad`. How often may it run for one step?"),
    Slip("step-twice", "the optimizer steps twice", "How often does `optimizer.step()` run in one training step?"),
    Slip("clipped", "the gradient is clipped to norm 1 first", "Does this exercise ask for clipping? That is lesson 06."),
    Slip("normalised", "the gradient is made to have norm 1, also where it is shorter", "Does this exercise ask for clipping? That is lesson 06, and it leaves short gradients alone."),
    Slip(
        "momentum-lost",
        "the optimizer's momentum is not used: a plain gradient step with its learning rate",
        "Who takes the step, and who remembers the earlier ones? Is it the optimizer that was handed in?",
    ),
    Slip("state-carried", "the state of the call before is carried into this one", "With which state does a batch of new sequences begin?"),
    Slip("state-reused", "a state that an earlier call has left, even one with another model, is carried into this one", "With which state does a batch of new sequences begin?", once=True),
    Slip(
        "cut-each-step",
        "the state is detached at every step: the loss is right, and no gradient flows back through time",
        "How many steps back does the gradient of the last loss have to go?",
    ),
    Slip("state-lost", "every token is read without the state of the one before", "What is handed to the model together with a token, if tokens are read one by one?"),
    Slip(
        "step-each-time-step",
        "the parameters are changed after every time step",
        "One step for the whole batch is asked for. When have all losses been seen?",
    ),
    Slip("step-each-row", "the parameters are changed after every row", "One step for the whole batch is asked for. When have all losses been seen?"),
    Slip("two-rounds", "the batch is trained on twice", "How many steps does one call take?"),
    Slip("readout-only", "only the read-out is trained", "Between the states and the loss: is the graph cut somewhere?"),
    Slip("no-backward", "`backward()` is missing", "Which line computes the gradients?"),
    Slip("no-step", "`optimizer.step()` is missing", "Which line changes the parameters?"),
    Slip("zeroed-before-step", "the gradients are set to zero between `backward()` and `step()`", "What does `step()` find in `.grad`?"),
)  # fmt: skip
def train_step(
    slips: Set[str],
    weights: Weights,
    stale: Weights,
    batches: Sequence[tuple[Tensor, Tensor]],
    lr: float,
    momentum: float,
    kept: Tensor | None = None,
) -> tuple[float, dict[str, Tensor]]:
    """The loss that the last of these steps returns, and how far all of them together have moved each parameter.

    `kept` is the state that the last call before these has left behind.
    """
    if len(slips) > 1 and not slips & COMMON:
        raise ValueError(
            "two mistakes at once are looked for only where one of them is common: a simulation takes time"
        )
    now = dict(weights)
    grads: dict[str, Tensor] = dict(stale)
    speed: dict[str, Tensor] = {}
    carried, returned = kept if "state-reused" in slips else None, 0.0
    losses: list[float] = []
    for tokens, targets, first in _pieces(slips, batches):
        carried = carried if not first or slips & {"state-carried", "state-reused"} else None
        leaves = {name: value.clone().requires_grad_() for name, value in now.items()}
        loss, read, carried = _loss(slips, leaves, tokens, targets, carried)
        fresh = dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))
        fresh = {name: _bent(slips, name, value) for name, value in fresh.items()}
        if slips & {"clipped", "normalised"}:
            scale = 1 / float(torch.cat([value.flatten() for value in fresh.values()]).norm().clamp_min(1e-12))
            scale = min(1.0, scale) if "clipped" in slips else scale
            fresh = {name: value * scale for name, value in fresh.items()}
        if "no-zero-grad" in slips:
            fresh = {name: value + grads.get(name, 0) for name, value in fresh.items()}
        grads = fresh
        idle = bool(slips & {"no-step", "zeroed-before-step"})
        if "no-backward" in slips:
            idle = idle or "no-zero-grad" not in slips
        for _ in range(0 if idle else 2 if "step-twice" in slips else 1):
            speed = {
                name: value + (0 if "momentum-lost" in slips else momentum) * speed.get(name, torch.zeros_like(value))
                for name, value in grads.items()
            }
            now = {name: value - lr * speed[name] for name, value in now.items()}
        if "loss-after-step" in slips:
            read = _loss(slips, now, tokens, targets, None)[1]
        returned = read * targets.numel() if "sum-returned" in slips else read
        losses = [read] if first else [*losses, read]
    if "step-each-time-step" in slips:
        returned = sum(losses) / len(losses)
    return returned, {name: (now[name] - value).detach() for name, value in weights.items()}


def _pieces(slips: Set[str], batches: Sequence[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor, bool]]:
    """What each step of the optimizer sees, and whether a new batch begins with it."""
    for tokens, targets in batches:
        if "step-each-time-step" in slips:
            pieces = list(zip(tokens.split(1, 1), targets.split(1, 1), strict=True))
        elif "step-each-row" in slips:
            pieces = list(zip(tokens.split(1), targets.split(1), strict=True))
        else:
            pieces = [(tokens, targets)] * (2 if "two-rounds" in slips else 1)
        for number, (x, y) in enumerate(pieces):
            yield x, y, number == 0


def _loss(
    slips: Set[str], weights: Weights, tokens: Tensor, targets: Tensor, carried: Tensor | None
) -> tuple[Tensor, float, Tensor]:
    """What is differentiated, what is returned, and the last state."""
    if "inputs-as-targets" in slips:
        targets = tokens
    goes_on = slips & {"state-carried", "state-reused", "step-each-time-step"}
    states = states_of(slips, weights, tokens, carried if goes_on else None)
    logits = states @ weights["readout.weight"].T + weights["readout.bias"]
    losses = token_losses(slips, logits, targets)
    loss = losses.mean()
    if "sum-loss" in slips:
        loss = losses.sum()
    if "mean-over-batch" in slips:
        loss = losses.sum() / len(tokens)
    followed = losses.sum() if "sum-step" in slips else losses.sum() / len(tokens) if "batch-step" in slips else loss
    return followed, loss.item(), states[:, -1].detach().unsqueeze(0)


def _bent(slips: Set[str], name: str, grad: Tensor) -> Tensor:
    if "no-backward" in slips or ("readout-only" in slips and not name.startswith("readout")):
        return torch.zeros_like(grad)
    return (-grad if "uphill" in slips else grad) * (2 if "backward-twice" in slips else 1)
