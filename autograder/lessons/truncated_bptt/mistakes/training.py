"""Named mistakes of lesson 05 in a training pass: what the parameters are afterwards, in float64."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set

import torch
from torch import Tensor
from torch.nn import functional as F

from autograder.checking.spec import Slip, reference

Weights = dict[str, Tensor]
State = tuple[Tensor, ...]


def forward(
    kind: str, weights: Weights, tokens: Tensor, state: State | None, cut: bool = False
) -> tuple[Tensor, State]:
    """Logits (B, T, V) and the state of an embedding, a hand-written tanh or LSTM layer, and a read-out."""
    rnn = {name.removeprefix("rnn.").removesuffix("_l0"): value for name, value in weights.items()}
    H = rnn["weight_hh"].shape[1]
    if state is None:
        zero = weights["readout.weight"].new_zeros(len(tokens), H)
        state = (zero, zero) if kind == "lstm" else (zero,)
    states = []
    for x_t in weights["embedding.weight"][tokens].unbind(1):
        h = state[0]
        a = x_t @ rnn["weight_ih"].T + rnn["bias_ih"] + h @ rnn["weight_hh"].T + rnn["bias_hh"]
        if kind == "lstm":
            i, f, g, o = a.chunk(4, 1)
            c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
            state = (torch.sigmoid(o) * torch.tanh(c), c)
        else:
            state = (torch.tanh(a),)
        states.append(state[0])
        state = held(state) if cut else state
    return torch.stack(states, 1) @ weights["readout.weight"].T + weights["readout.bias"], state


def held(state: State) -> State:
    """The same values without their past."""
    return tuple(part.detach() for part in state)


def windows(slips: Set[str], x: Tensor, y: Tensor, k: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The windows in the order in which they are learned from."""
    B, N = x.shape
    ends = [*range(k, N, k), N]
    if "k-ignored" in slips:
        ends = [N]
    if "cut-late" in slips:
        ends = [end + 1 for end in range(k, N - 1, k)] + [N]
    if "rows-broken" in slips:
        for start in range(0, B * N, B * k):
            some = slice(start, min(start + B * k, B * N))
            yield x.reshape(-1)[some].reshape(B, -1), y.reshape(-1)[some].reshape(B, -1)
        return
    starts = [0, *ends[:-1]]
    if "overlap" in slips:
        starts = [max(0, start - 1) for start in starts]
    pairs = list(zip(starts, ends, strict=True))
    if "last-chunk-dropped" in slips:
        pairs = pairs[: N // k] if N % k else pairs
    if "last-step-missing" in slips:
        pairs = pairs[:-1]
    if "first-chunk-only" in slips:
        pairs = pairs[:1]
    for start, end in pairs:
        yield x[:, start:end], y[:, start:end]


def loss_of(slips: Set[str], logits: Tensor, targets: Tensor) -> Tensor:
    """The loss of one window."""
    if "softmax-twice" in slips:
        logits = torch.softmax(logits, 2)
    if "last-step-loss" in slips:
        logits, targets = logits[:, -1:], targets[:, -1:]
    if "targets-shifted" in slips:
        logits, targets = logits[:, :-1], targets[:, 1:]
    flat = targets.T.reshape(-1) if "targets-transposed" in slips else targets.reshape(-1)
    total = F.cross_entropy(logits.reshape(-1, logits.shape[2]), flat, reduction="sum")
    if "sum-loss" in slips:
        return total
    return total / (targets.shape[0] if "time-sum" in slips else targets.numel())


@reference(
    Slip("reset", "every window begins without a state", "What does `model` get as its second argument in the second window?"),
    Slip("cut-every-step", "the graph is cut after every single step", "How many steps should a window's last loss reach back?"),
    Slip("cut-late", "the windows end one step too late: the first has k + 1 steps, the others follow it",
         "After which t is the first update due? Write down t for k = 2."),
    Slip("last-chunk-dropped", "the last, shorter window is left out", "What happens to the steps after the last full window?"),
    Slip("last-step-missing", "the gradient of the last window moves nothing", "In which order come `backward()` and `step()`? What happens with the gradient of the last window?"),
    Slip("first-chunk-only", "only the first window is learned from", "What ends the loop?"),
    Slip("rows-broken", "a row of one window is not continued by the same row of the next",
         "Take row 0 of two windows, one after the other: is the second the continuation of the first?"),
    Slip("overlap", "each window begins one step before the last one ended", "Where does the second window begin if the first is steps 1…k?"),
    Slip("k-ignored", "the whole stream is one window", "Where does k come in?"),
    Slip("sum-loss", "the loss of a window is summed over its tokens and not averaged", "What is the loss of a window per token?"),
    Slip("time-sum", "the loss is averaged over the rows and summed over the steps", "What is the loss of a window per token?"),
    Slip("last-step-loss", "only the last step of each window has a loss", "Which of the logits never meet their target?"),
    Slip("softmax-twice", "a softmax is applied before the cross-entropy", "Does `cross_entropy` expect probabilities or logits?"),
    Slip("targets-shifted", "the targets are shifted once more", "y already holds the next tokens. To which target belong the logits of step t?"),
    Slip("targets-transposed", "logits and targets are flattened in different orders",
         "In what order do (B, n, V) and (B, n) come apart into rows when you reshape them?"),
    Slip("no-zero-grad", "gradients of earlier windows are still there and count again", "What is in `.grad` when the second window's `backward()` adds to it?"),
    Slip("not-trained", "the parameters never move", "Which call moves the parameters, and what is in `.grad` at that moment?"),
    Slip("step-once", "the parameters move once, at the end, by the sum of all windows' gradients", "How often is `step()` due in one pass?"),
    Slip("one-graph", "nothing is cut, and all windows' losses go back together at the end, followed by one step",
         "When does a window's loss go back, and what should it meet at the window's beginning?"),
    Slip("h-carried-alone", "h is carried on and c begins at zero again", "How many tensors does the state of an LSTM have?"),
    Slip("c-carried-alone", "c is carried on and h begins at zero again", "How many tensors does the state of an LSTM have?"),
    Slip("state-after-step", "the state that goes on was computed once more after the step, with the parameters as they are then",
         "Which run of the model gave the loss? Which state did that run end with?"),
    Slip("state-swapped", "the two parts of the state are handed on in the wrong order: (c, h)", "In which order does an LSTM take its state, and in which does it return it?"),
    Slip("first-state-kept", "every later window begins with the state at the end of the first window", "Which state does the third window begin with? Where does your variable get a new value?"),
    Slip("zeroed-each-step", "the gradients are set to 0 between the steps of a window, so that only its last loss moves the parameters",
         "A window's losses go back together, or one by one into the same `.grad`. How often is `zero_grad()` due in a window?"),
    Slip("momentum-lost", "each step is one of plain gradient descent: what the optimizer remembers from earlier steps is lost, or the step is not its own",
         "Which object takes the step, and does it live as long as the pass? An optimizer with momentum remembers earlier gradients."),
    Slip("carried-pass", "a second pass over the stream begins with the state at the end of the first",
         "Where is the state kept between two calls, and what should it be when a pass begins?", once=True),
)  # fmt: skip
def train_tbptt(
    slips: Set[str],
    kind: str,
    weights: Weights,
    x: Tensor,
    y: Tensor,
    k: int,
    lr: float,
    momentum: float = 0.0,
    before: State | None = None,
) -> tuple[list[float], Weights, State | None]:
    """One pass of truncated BPTT with gradient descent: losses, parameters afterwards, last state.

    `before` is the state in which an earlier pass has ended; only a mistake uses it.
    """
    if kind != "lstm" and slips & {"h-carried-alone", "c-carried-alone", "state-swapped"}:
        raise ValueError("this state has one part")
    weights = {name: value.detach().clone().requires_grad_() for name, value in weights.items()}
    state = before if "carried-pass" in slips else None
    losses: list[Tensor] = []
    kept: tuple[Tensor, ...] = ()
    first: State | None = None
    speed = dict.fromkeys(weights, torch.zeros(()))
    if "momentum-lost" in slips:
        momentum = 0.0
    for x_w, y_w in windows(slips, x, y, k):
        begun = None if "reset" in slips else state
        logits, state = forward(kind, weights, x_w, begun, "cut-every-step" in slips)
        losses.append(loss_of(slips, logits, y_w))
        followed = losses[-1]
        if "zeroed-each-step" in slips:
            followed = loss_of({"last-step-loss"}, logits, y_w) / y_w.shape[1]
        if "one-graph" not in slips:
            state = held(state)
        if "h-carried-alone" in slips:
            state = (state[0], torch.zeros_like(state[1]))
        if "c-carried-alone" in slips:
            state = (torch.zeros_like(state[0]), state[1])
        if "state-swapped" in slips:
            state = state[::-1]
        if "first-state-kept" in slips:
            state = first = first or state
        if slips & {"step-once", "one-graph", "not-trained"}:
            continue
        grads = torch.autograd.grad(followed, list(weights.values()))
        if "no-zero-grad" in slips and kept:
            grads = tuple(new + old for new, old in zip(grads, kept, strict=True))
        speed = {name: momentum * old + grad for (name, old), grad in zip(speed.items(), grads, strict=True)}
        weights, kept = moved(weights, list(speed.values()), lr), grads
        if "state-after-step" in slips:
            state = held(forward(kind, weights, x_w, begun, "cut-every-step" in slips)[1])
    if slips & {"step-once", "one-graph"} and "not-trained" not in slips:
        weights = moved(weights, torch.autograd.grad(torch.stack(losses).sum(), list(weights.values())), lr)
    return [loss.item() for loss in losses], {name: value.detach() for name, value in weights.items()}, state


def moved(weights: Weights, grads: Sequence[Tensor], lr: float) -> Weights:
    """The parameters after one step of plain gradient descent."""
    return {
        name: (value - lr * grad).detach().requires_grad_()
        for (name, value), grad in zip(weights.items(), grads, strict=True)
    }
