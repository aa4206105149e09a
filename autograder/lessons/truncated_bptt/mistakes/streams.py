"""Named mistakes of lesson 05 in streams, windows and checkpointed losses; gradients and training have modules of their own."""

from __future__ import annotations

from collections.abc import Set

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from autograder.checking.spec import Slip, reference
from autograder.lessons.truncated_bptt.mistakes.training import State, Weights, forward, held, loss_of


@reference(
    Slip("interleaved", "the stream is dealt out to the rows like cards", "Which token follows the first of row 0 in the stream? Where is it in your result?"),
    Slip("front-dropped", "the beginning of the stream is dropped and not its end", "With which token of the stream does row 0 begin?"),
    Slip("rows-shuffled", "the rows stand in the opposite order", "Which part of the stream is row 0?"),
    Slip("row-repeated", "all rows are the beginning of the stream", "Where does row 1 begin in the stream?"),
    Slip("rows-overlap", "each row begins one token after the row before it", "Where does row 1 begin in the stream, and where does row 0 end?"),
    Slip("tokens-sorted", "the tokens have lost their order", "Is the order of the stream kept within a row?"),
)  # fmt: skip
def batchify(slips: Set[str], stream: Tensor, B: int) -> Tensor:
    """A stream as B contiguous rows (B, N // B); the rest is dropped."""
    n = len(stream) // B
    used = stream[len(stream) - B * n :] if "front-dropped" in slips else stream[: B * n]
    used = used.sort().values if "tokens-sorted" in slips else used
    if "rows-overlap" in slips:
        return torch.stack([stream[b : b + n] for b in range(B)])
    rows = used.reshape(n, B).T if "interleaved" in slips else used.reshape(B, n)
    rows = rows.flip(0) if "rows-shuffled" in slips else rows
    return rows[:1].expand(B, n) if "row-repeated" in slips else rows


@reference(
    Slip("rest-dropped", "the last, shorter window is left out", "How many steps are left after the last full window?"),
    Slip("swapped", "x and y have changed places", "Which of the two does the model read?"),
    Slip("sliding", "each window begins one step after the one before it", "Where does the second window begin, if the first is steps 1…k?"),
    Slip("overlap", "each window begins with the last step of the one before it", "Where does the second window begin, if the first is steps 1…k?"),
    Slip("first-missing", "the first window is left out", "With which step does the first window begin?"),
    Slip("first-only", "only the first window comes", "What ends the loop: a `return`?"),
    Slip("rows-cut", "the batch is cut into windows and not the time", "Which axis of x is time?"),
    Slip("y-shifted", "y is shifted by one more step", "y is given. Is it already the next token?"),
    Slip("y-whole", "y comes whole with every window of x", "How long should the window of y be?"),
    Slip("long", "each window has k + 1 steps", "How many steps does `x[:, 0 : n]` have?"),
    Slip("short", "each window has k − 1 steps", "How many steps does `x[:, 0 : n]` have?"),
    Slip("end-short", "the beginnings stop one step too soon, so that a last window of one step is left out",
         "Take 5 steps and k = 2: which of your windows holds step 5?"),
    Slip("batch-counted", "the loop goes over as many steps as there are rows", "Which axis does `len(x)` measure?"),
    Slip("from-one", "the first window begins one step late", "Which index does the first step have in Python?"),
    Slip("end-is-k", "every window ends with step k, wherever it begins", "With which step does the second window end?"),
    Slip("times-k", "the windows begin k·k steps apart", "How far apart are the numbers that the loop goes through, and what is done with them?"),
    Slip("padded", "the last, shorter window is filled up to k steps", "How long may the last window be?"),
    Slip("k-windows", "k is taken for the number of windows", "Is k a number of windows, or of steps in a window?"),
)  # fmt: skip
def chunks(slips: Set[str], x: Tensor, y: Tensor, k: int) -> list[tuple[Tensor, Tensor]]:
    """Consecutive windows of k steps of x and y, the last one shorter."""
    N = x.shape[0] if "rows-cut" in slips else x.shape[1]
    size = -(-N // k) if "k-windows" in slips else k
    first, stop = int("from-one" in slips), len(x) if "batch-counted" in slips else N + ("from-one" in slips)
    starts = list(range(first, stop - ("end-short" in slips), 1 if "sliding" in slips else size))
    starts = [start * k for start in starts] if "times-k" in slips else starts
    if "overlap" in slips:
        starts = [max(0, start - 1) for start in starts]
    if "rest-dropped" in slips:
        starts = [start for start in starts if start + size <= N]
    starts = starts[1:] if "first-missing" in slips else starts[:1] if "first-only" in slips else starts
    size += ("long" in slips) - ("short" in slips)
    pairs = []
    for start in starts:
        some = slice(start, k if "end-is-k" in slips else start + size)
        one, other = (x[some], y[some]) if "rows-cut" in slips else (x[:, some], y[:, some])
        if "y-shifted" in slips:
            other = y[:, start + 1 : start + size + 1]
        if "y-whole" in slips:
            other = y
        if "padded" in slips:
            one, other = (
                torch.cat([z, z.new_zeros(len(z), max(0, k - z.shape[1]), *z.shape[2:])], 1) for z in (one, other)
            )
        pairs.append((other, one) if "swapped" in slips else (one, other))
    return pairs


@reference(
    Slip("cut", "the graph is cut between the segments", "Is the result exact if nothing flows back from a segment to the one before it?"),
    Slip("reset", "every segment begins without a state", "What does the model get as its second argument in the second segment?"),
    Slip("mean-loss", "the loss is averaged over the time steps", "Is a sum or a mean over time asked for?"),
    Slip("mean-in-segment", "each segment's loss is averaged over its own steps", "Is a sum or a mean over time asked for?"),
    Slip("sum-loss", "the loss is summed over the batch too", "Over what is the loss averaged here?"),
    Slip("last-segment-loss", "only the last segment's loss counts", "What happens to the losses of the other segments: `=` or `+=`?", once=True),  # where a text is cut is free
    Slip("rest-dropped", "the steps that do not fill a segment are left out", "Do the segments together have T steps?"),
    Slip("mean-of-segments", "the segments' losses are averaged", "Is a sum or a mean over time asked for?"),
    Slip("last-step-loss", "only the last step of each segment has a loss", "Which of the logits never meet their target?"),
)  # fmt: skip
def checkpointed(
    slips: Set[str], kind: str, weights: Weights, x: Tensor, y: Tensor, segments: int
) -> tuple[Tensor, Weights]:
    """The loss, summed over time and averaged over the batch, and its gradient."""
    leaves = {name: value.detach().clone().requires_grad_() for name, value in weights.items()}
    T = x.shape[1]
    size = T // segments if "rest-dropped" in slips else -(-T // segments)
    ends = [min(size * (i + 1), T) for i in range(segments) if size * i < T]
    state, total, start = None, x.new_zeros((), dtype=weights["readout.weight"].dtype), 0
    for end in ends:
        logits, state = forward(kind, leaves, x[:, start:end], state)
        state = None if "reset" in slips else held(state) if "cut" in slips else state
        own = loss_of({"time-sum"} | (slips & {"last-step-loss"}), logits, y[:, start:end])
        if "mean-in-segment" in slips:
            own = own / (end - start)
        total = own if "last-segment-loss" in slips else total + own
        start = end
    if "mean-loss" in slips:
        total = total / T
    if "mean-of-segments" in slips:
        total = total / segments
    if "sum-loss" in slips:
        total = total * len(x)
    grads = torch.autograd.grad(total, list(leaves.values()))
    return total.detach(), dict(zip(leaves, grads, strict=True))


def computed_again(
    kind: str, weights: Weights, moved: Weights, x: Tensor, y: Tensor, segments: int, last: bool
) -> Weights:
    """The gradient of a checkpointed loss whose weights are `moved` between the passes; `last`: the last piece is computed again, too."""
    leaves = {name: value.detach().clone().requires_grad_() for name, value in weights.items()}

    def piece(x_s: Tensor, y_s: Tensor, state: State | None) -> tuple[Tensor, State]:
        logits, state = forward(kind, leaves, x_s, state)
        return loss_of({"time-sum"}, logits, y_s), state

    state, total = None, x.new_zeros((), dtype=weights["readout.weight"].dtype)
    for i, part in enumerate(zip(x.chunk(segments, 1), y.chunk(segments, 1), strict=True), 1):
        again = last or i < segments
        loss, state = checkpoint(piece, *part, state, use_reentrant=False) if again else piece(*part, state)
        total = total + loss
    for name, value in leaves.items():
        value.data.copy_(moved[name])
    grads = torch.autograd.grad(total, list(leaves.values()))
    return dict(zip(leaves, grads, strict=True))
