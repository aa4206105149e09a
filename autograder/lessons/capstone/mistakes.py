"""Named mistakes of lesson 09: one reference with switches for each exercise."""

from __future__ import annotations

from collections.abc import Set

import torch
from torch import Tensor
from torch.nn import functional as F

from autograder.beside.probes.models import NextToken
from autograder.checking.spec import Slip, reference

Weights = dict[str, Tensor]
State = tuple[Tensor, ...]


@reference(
    Slip("first-noun-first", "the verb of the first noun is expected first", "Two nouns wait. Which of them is served first, and what is such a pile called?"),
    Slip("one-behind", "row t says what is expected before token t is read", "Has token t been read when row t is written down?"),
    Slip("swapped", "r is taken for the probability that the filler words end", "With which probability does one more filler come?"),
    Slip("noun-forgotten", "all verbs are equally likely where a verb comes", "What says which verb it has to be?"),
    Slip("verb-of-class", "the verb of a class gets the place of the noun of that class", "At which token do the verbs begin?"),
    Slip("last-verb-of-class", "the verb at the end of a sentence gets the place of the noun of its class", "At which token do the verbs begin, for both verbs?"),
    Slip("verb-too-early", "the verb of class i is put at K + i, which for class 0 is the filler", "The filler is K. At which token do the verbs begin?"),
    Slip("filler-always", "a filler word counts as certain, and the verb comes only behind one", "Can the first verb follow the second noun at once?"),
    Slip("no-end", "the sentence goes on behind its last verb", "What comes behind the verb of the first noun?"),
    Slip("verb-certain", "between the nouns and the first verb, the verb counts as certain", "What else may come at that place, and with which probability?"),
)  # fmt: skip
def best_probs(slips: Set[str], tokens: Tensor, K: int, r: float) -> Tensor:
    """p(next token | tokens 1…t), (T, 2K + 1), by reading the text with its nouns in a pile."""
    rows: list[Tensor] = []
    waiting, verbs = list[int](), 0  # verbs of this sentence that have come

    def verb(probability: float) -> Tensor:
        row = torch.zeros(2 * K + 1, dtype=torch.float64)
        if "noun-forgotten" in slips:
            row[K + 1 :] = probability / K
        else:
            due = waiting[0] if "first-noun-first" in slips else waiting[-1]
            as_noun = "verb-of-class" in slips or ("last-verb-of-class" in slips and verbs == 1)
            row[due if as_noun else K + due if "verb-too-early" in slips else K + 1 + due] = probability
        return row

    def expected() -> Tensor:
        if verbs == 0 and len(waiting) < 2:
            row = torch.zeros(2 * K + 1, dtype=torch.float64)
            row[:K] = 1 / K
            return row
        if verbs == 1:
            return verb(1.0)
        go_on = 1 - r if "swapped" in slips else 0.0 if "verb-certain" in slips else r
        if "filler-always" in slips and rows and int(tokens[len(rows)]) != K:
            go_on = 1.0
        row = verb(1 - go_on)
        row[K] = row[K] or go_on  # a verb that is put too early may stand here
        return row

    before = expected()
    for token in tokens.tolist():
        if token < K and len(waiting) < 2:
            waiting.append(token)
        elif token > K:
            waiting.pop(0 if "first-noun-first" in slips else -1) if waiting else None
            verbs += 1
        if verbs == 2:
            verbs = 0
            waiting = [0, 0] if "no-end" in slips else []
        now = expected()
        rows.append(before if "one-behind" in slips else now)
        before = now
    return torch.stack(rows)


@reference(
    Slip("not-shifted", "each prediction is held against the token that it was made from", "Row t is the prediction after token t. Which token does it predict?"),
    Slip("summed", "the difference is summed over the tokens and not averaged", "Is it nats a token?"),
    Slip("rows-only", "it is averaged over the rows and summed over the steps", "Is it nats a token?"),
    Slip("own-alone", "the best predictor has no part in it", "Above what is it measured?"),
    Slip("sign", "it is negative where the predictor is worse", "On average the best predictor's log-probability is the larger one. Which is subtracted from which?"),
    Slip("all-tokens", "all V tokens are counted, and not those alone that came", "Which of the V log-probabilities is the one that counts?"),
    Slip("all-with-all", "each prediction is held against the tokens of all rows and all steps", "`x[:, :, i]` takes all that `i` holds for every row and step. How is one entry chosen for each of them?"),
    Slip("probabilities", "the probabilities are compared, not their logarithms", "What is a nat?"),
)  # fmt: skip
def nats_above(slips: Set[str], log_probs: Tensor, tokens: Tensor, best: Tensor) -> Tensor:
    """Mean of best − own, in nats a token."""
    after = tokens[:, :-1] if "not-shifted" in slips else tokens[:, 1:]
    own = log_probs.gather(2, after.unsqueeze(2)).squeeze(2)
    own = log_probs.mean(2) if "all-tokens" in slips else own
    own = log_probs[:, :, after].mean((2, 3)) if "all-with-all" in slips else own
    best = torch.zeros_like(best) if "own-alone" in slips else best
    if "probabilities" in slips:
        own, best = own.exp(), best.exp()
    above = own - best if "sign" in slips else best - own
    return above.sum() if "summed" in slips else above.sum(1).mean() if "rows-only" in slips else above.mean()


@reference(
    Slip("as-found", "the last target of each window is the window's first token", "Which token follows the last one of a window? Print x and y for rows 0, 1, 2, …"),
    Slip("not-shifted", "the targets are the inputs themselves", "Which token is to be predicted at step t?"),
    Slip("gap", "a token between two windows is never read", "Windows are k + 1 tokens apart. How far should they be?"),
    Slip("rest-dropped", "the last, shorter window is left out", "How many steps are left behind the last full window?"),
    Slip("last-target-missing", "each window is one step shorter, because its last target is left out", "How many steps does a window have?"),
    Slip("k-tokens", "a window is cut from k tokens, so that its last token is a target and never an input", "How many tokens do k inputs and their k targets take together?"),
    Slip("last-input", "the last window reads one input too many: the last token is only a target", "How many inputs do N + 1 tokens have, if each input has a next token? Where does the last window end?"),
    Slip("last-input-rolled", "the last window reads one input too many, the last token, and its target is the first token of the text", "Which token follows the last one? Is the last one an input, too?"),
    Slip("two-ahead", "the targets are two tokens ahead", "Which token is to be predicted at step t?"),
    Slip("overlap", "each window begins with the last step of the one before it", "Where does the second window begin, if the first is steps 1…k?"),
)  # fmt: skip
def windows(slips: Set[str], rows: Tensor, k: int) -> list[tuple[Tensor, Tensor]]:
    """Consecutive windows of inputs and next tokens."""
    N = rows.shape[1] - 1
    starts = list(range(0, N, k + 1 if "gap" in slips else max(k - 1, 1) if "overlap" in slips else k))
    if "rest-dropped" in slips:
        starts = [start for start in starts if start + k <= N]
    pairs, steps = [], k - ("k-tokens" in slips)
    for start in starts:
        x = rows[:, start : min(start + steps, N)]
        n = x.shape[1]
        y = rows[:, start + 1 : start + 1 + n]
        if slips & {"last-input", "last-input-rolled"}:
            x = rows[:, start : start + steps]
            y = (rows.roll(-1, 1) if "last-input-rolled" in slips else rows[:, 1:])[:, start : start + steps]
        if "as-found" in slips:
            y = x.roll(-1, 1)
        if "not-shifted" in slips:
            y = x
        if "two-ahead" in slips:
            y = rows.roll(-2, 1)[:, start : start + n]
        if "last-target-missing" in slips:
            x, y = x[:, :-1], y[:, :-1]
        pairs.append((x, y))
    return pairs


@reference(
    Slip("unclipped", "the gradients are as long as they were: nothing is clipped before the step", "Between which two lines does the clipping come?"),
    Slip("by-value", "each entry is clipped by itself", "Does the gradient keep its direction?"),
    Slip("per-parameter", "each parameter's gradient is clipped by its own norm", "Over what is the norm taken?"),
    Slip("always", "the gradient is also lengthened where it is short", "What happens to a gradient whose norm is below the limit?"),
    Slip("clip-stale", "the gradients of earlier windows are still there and count again", "What is in `.grad` when `backward()` adds to it?"),
    Slip("reset", "every window begins without a state", "What does the model get as its second argument?"),
    Slip("h-alone", "h is handed on, and c begins at zero again", "How many tensors does the state of an LSTM have?"),
    Slip("sum-loss", "the loss is summed over the tokens", "Is it a mean per token?"),
    Slip("time-sum", "the loss is averaged over the rows and summed over the steps", "Is it a mean per token?"),
    Slip("not-trained", "the parameters never move", "Which call moves them, and what is in `.grad` at that moment?"),
)  # fmt: skip
def train_windows(
    slips: Set[str], kind: str, weights: Weights, x: Tensor, y: Tensor, k: int, max_norm: float, lr: float
) -> tuple[Weights, list[float]]:
    """The parameters after windows of k steps, each with one clipped step of Adam, and their losses."""
    model = NextToken(kind, weights)
    parameters = list(model.parameters())
    optimizer = torch.optim.Adam(parameters, lr=lr)
    state: State | Tensor | None = None
    losses: list[float] = []
    for start in range(0, x.shape[1], k):
        logits, state = model(x[:, start : start + k], None if "reset" in slips else state)
        targets = y[:, start : start + k]
        loss = F.cross_entropy(logits.transpose(1, 2), targets, reduction="sum")
        if "sum-loss" not in slips:
            loss = loss / (len(targets) if "time-sum" in slips else targets.numel())
        grads = list(torch.autograd.grad(loss, parameters))
        if "clip-stale" in slips and start:
            grads = [new + one.grad for new, one in zip(grads, parameters, strict=True) if one.grad is not None]
        for one, grad in zip(parameters, _clipped(slips, grads, max_norm), strict=True):
            one.grad = grad
        if "not-trained" not in slips:
            optimizer.step()
        losses.append(loss.item())
        state = (
            state.detach() if isinstance(state, Tensor) else tuple(part.detach() for part in state) if state else None
        )
        if "h-alone" in slips and isinstance(state, tuple):
            state = (state[0], torch.zeros_like(state[1]))
    return {name: value.detach().clone() for name, value in model.named_parameters()}, losses


def _clipped(slips: Set[str], grads: list[Tensor], max_norm: float) -> list[Tensor]:
    if "unclipped" in slips:
        return grads
    if "by-value" in slips:
        return [grad.clamp(-max_norm, max_norm) for grad in grads]
    norms = [grad.norm() for grad in grads]
    if "per-parameter" in slips:
        return [grad * (max_norm / norm).clamp(max=1) for grad, norm in zip(grads, norms, strict=True)]
    factor = max_norm / torch.stack(norms).norm()
    return [grad * (factor if "always" in slips else factor.clamp(max=1)) for grad in grads]


@reference(
    Slip("swapped", "h and c have changed places", "In which order do they go into the bytes, and in which do they come out?"),
    Slip("rows-mixed", "the numbers of one row come out in several", "In which order do the axes stand when the numbers are read back, and in which when they were written?"),
    Slip("h-twice", "h comes back in the place of c", "Which numbers are in the bytes?"),
    Slip("c-lost", "c comes back as zeros", "Which numbers are in the bytes?"),
    Slip("units-reversed", "the numbers of a row come back in the opposite order", "In which order are they written?"),
)  # fmt: skip
def handed_over(slips: Set[str], h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """What comes out of the bytes of a state (h, c), each (1, B, H)."""
    if "rows-mixed" in slips:
        h, c = (one.reshape(1, one.shape[2], one.shape[1]).transpose(1, 2) for one in (h, c))
    if "units-reversed" in slips:
        h, c = h.flip(2), c.flip(2)
    if "h-twice" in slips:
        c = h
    if "c-lost" in slips:
        c = torch.zeros_like(c)
    return (c, h) if "swapped" in slips else (h, c)
