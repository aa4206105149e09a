"""Named mistakes of lesson 08 in causal attention, in its cache, and in a model that is read a token at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from dataclasses import replace

import torch
from torch import Tensor

from autograder.checking.spec import Slip, reference
from bptt.causal import CausalModel

Step = tuple[int, tuple[Tensor, ...]]  # which cache, and (k, v) to append or (q,) to attend

_COMPARED = "What is compared with the queries, and what is handed on?"
_MIX = (
    Slip("not-scaled", "the scores are not divided by √E", "What happens to a score between the product of q and k and the softmax?"),
    Slip("scaled-by-width", "the scores are divided by E and not by its root",
         "A sum of E products of random signs: how large is it, typically? By what should it be divided?"),
    Slip("scaled-up", "the scores are multiplied by √E and not divided by it", "Should the scores become larger or smaller?"),
    Slip("scaled-by-time", "the scores are divided by the root of the number of keys and not of the width E",
         "Over which axis does the product of q and k add up? Its length is what counts."),
    Slip("scaled-after", "the division by √E comes after the softmax", "What do the weights of a softmax add up to, and what do yours?"),
    Slip("no-softmax", "the scores themselves are taken for weights", "What makes weights above 0 that add up to 1 out of scores?"),
    Slip("all-alike", "all the steps that may be seen get the same weight", "Where do the scores come into your weights?"),
    Slip("hardest", "only the step with the largest score counts", "Which function gives every step a share, and the largest score the most?"),
    Slip("keys-mixed", "the keys are mixed, and the values never used", _COMPARED),
    Slip("values-compared", "the values are compared with the queries, and the keys never used", _COMPARED),
    Slip("softmax-over-batch", "the softmax runs over the rows of the batch",
         "For one row and one query, over what do the weights add up to 1? Which axis is that?"),
    Slip("softmax-over-queries", "the softmax runs over the queries and not over the keys",
         "For one query, over what do the weights add up to 1? Which axis is that?"),
)  # fmt: skip


def mixed(slips: Set[str], q: Tensor, k: Tensor, v: Tensor, allowed: Tensor) -> Tensor:
    """What the queries (B, t, E) get from keys and values (B, s, E); `allowed` (t, s) says which keys a query may see."""
    root = math.sqrt(q.shape[-1])
    scores = q @ (v if "values-compared" in slips else k).mT  # (B, t, s)
    if "scaled-up" in slips:
        scores = scores * root
    elif "scaled-by-width" in slips:
        scores = scores / root**2
    elif "scaled-by-time" in slips:
        scores = scores / math.sqrt(k.shape[1])
    elif not slips & {"not-scaled", "scaled-after"}:
        scores = scores / root
    weights = _weights(slips, scores, allowed)
    if "scaled-after" in slips:
        weights = weights / root
    if "weights-transposed" in slips:
        weights = weights.mT
    return weights if "weights" in slips else weights @ (k if "keys-mixed" in slips else v)


def _weights(slips: Set[str], scores: Tensor, allowed: Tensor) -> Tensor:
    axis = (
        0
        if slips & {"softmax-over-batch", "softmax-over-batch-filled"}
        else 1
        if "softmax-over-queries" in slips
        else 2
    )
    filled = slips & {"self-left-out-filled", "softmax-over-batch-filled"}
    hidden = scores.masked_fill(~allowed, -1e9 if filled else -math.inf)
    if "all-alike" in slips:
        return (allowed / allowed.sum(1, keepdim=True)).to(scores).expand_as(scores)
    if "hardest" in slips:
        return torch.zeros_like(scores).scatter(2, hidden.argmax(2, keepdim=True), 1.0)
    if "no-softmax" in slips:
        return scores * allowed
    if "mask-after-softmax" in slips:
        return scores.softmax(axis) * allowed
    return (scores * allowed if "masked-by-0" in slips else hidden).softmax(axis)


_MASKED = "Which keys should have weight 0? Exp(0) is 1: which score makes the exponential 0?"


@reference(
    *_MIX,
    Slip("no-mask", "every step sees all the others, later ones too", "Which steps may step t look at, and where does your function say so?"),
    Slip("sees-next", "every step also sees the one after it", "Row t of your mask: which is the last entry that is allowed? Write the mask for T = 3."),
    Slip("self-left-out", "a step does not see itself, so that the first one sees nothing at all",
         "Row t of your mask: which is the last entry that is allowed? Write the mask for T = 3."),
    Slip("self-left-out-filled", "a step does not see itself, and the first one, which is left with nothing, sees everything",
         "Row t of your mask: which is the last entry that is allowed? Write the mask for T = 3."),
    Slip("looks-ahead", "a step sees itself and those after it", "Is the past below the diagonal of your mask, or above it? Which half do you hide?"),
    Slip("masked-by-0", "the scores that are to be hidden are set to 0", _MASKED),
    Slip("mask-after-softmax", "the mask comes after the softmax, and the weights that are left do not add up to 1",
         "Do the weights of a step still add up to 1 once the mask has been applied?"),
    Slip("q-k-swapped", "queries and keys have changed places", "Row t of the scores belongs to one query. Which of the two factors has its rows there?"),
    Slip("weights-transposed", "the weights are transposed before they mix the values", "Which index of the weights is the step that looks, and which the step that is seen?"),
    Slip("weights", "the weights are returned and not the mixed values", "What is done with the weights, once they are there?"),
    replace(_MIX[-2], id="softmax-over-batch-filled"),  # hidden scores are large and negative, not infinite
    Slip("with-weights", "the weights are returned too", "One tensor is asked for. Which of yours is it?"),
    Slip("rows-joined", "the rows of the batch are joined to one long sequence", "May a row look at another row? Which product keeps them apart?"),
)  # fmt: skip
def causal_attention(slips: Set[str], q: Tensor, k: Tensor, v: Tensor) -> Tensor | tuple[Tensor, Tensor]:
    """Every step's mixture of the values of the steps up to it; (B, T, E) each."""
    if "rows-joined" in slips:
        one, two, three = (x.reshape(1, -1, x.shape[-1]) for x in (q, k, v))
        joined = mixed(slips, one, two, three, _allowed(slips, one.shape[1], q))
        return joined.reshape(q.shape)
    if "q-k-swapped" in slips:
        q, k = k, q
    allowed = _allowed(slips, q.shape[1], q)
    if "with-weights" in slips:
        return mixed(slips, q, k, v, allowed), mixed(slips | {"weights"}, q, k, v, allowed)
    return mixed(slips, q, k, v, allowed)


def _allowed(slips: Set[str], T: int, like: Tensor) -> Tensor:
    square = torch.ones(T, T, dtype=torch.bool, device=like.device)
    if "no-mask" in slips:
        return square
    if "looks-ahead" in slips:
        return square.triu()
    return square.tril(1 if "sees-next" in slips else -1 if slips & {"self-left-out", "self-left-out-filled"} else 0)


@reference(
    *_MIX,
    Slip("newest-only", "only the newest key and value are there", "What happens to the earlier keys and values when a new one comes?"),
    Slip("oldest-only", "only the oldest key and value are seen",
         "Which of the kept steps may the newest query see? Is there anything to hide from it?"),
    Slip("newest-left-out", "the newest key and value are left out", "May a token see itself?"),
    Slip("shared", "all caches keep their keys and values in one place",
         "Where is the list made: once for the class, or once for each cache, in `__init__`?"),
    Slip("emptied", "the cache is empty again after it was asked", "Does asking change what is kept?"),
    Slip("frozen", "what comes after the first question is left out", "What does a second question see of the keys that came after the first?"),
    Slip("flat", "the answer has no axis for time", "Which shape has q, and which shape should the answer have?"),
)  # fmt: skip
def kv_cache(slips: Set[str], plan: Sequence[Step]) -> tuple[Tensor, ...]:
    """The answers to all queries of a plan, in order."""
    caches: dict[int, list[tuple[Tensor, Tensor]]] = {}
    first: dict[int, int] = {}
    answers = []
    for which, given in plan:
        number = 0 if "shared" in slips else which
        kept = caches.setdefault(number, [])
        if len(given) == 2:
            kept.append((given[0], given[1]))
            continue
        seen = kept[-1:] if "newest-only" in slips else kept[:1] if "oldest-only" in slips else kept
        seen = seen[:-1] if "newest-left-out" in slips else seen
        seen = seen[: first.setdefault(number, len(kept))] if "frozen" in slips else seen
        if not seen:  # here the mistake ends in an error
            answers.append(torch.full_like(given[0], math.nan))
            continue
        keys, values = (torch.cat(parts, 1) for parts in zip(*seen, strict=True))
        answer = mixed(
            slips, given[0], keys, values, torch.ones(1, keys.shape[1], dtype=torch.bool, device=keys.device)
        )
        answers.append(answer.squeeze(1) if "flat" in slips else answer)
        if "emptied" in slips:
            caches[number] = []
    return tuple(answers)


@reference(
    Slip("as-found", "every token is read at the first position", ""),
    Slip("one-late", "every token is read one position too late", "At which position does training read the first token?"),
    Slip("one-early", "every token is read one position too early", "At which position does training read the second token?"),
    Slip("last-position", "every token is read at the last position", "Does the position move on with the tokens?"),
    Slip("newest-only", "every token sees itself alone", "What does the cache hold when a token is read, and since when?"),
)  # fmt: skip
def stream(slips: Set[str], model: CausalModel, tokens: Tensor) -> Tensor:
    """The logits of a model that has read the tokens in one pass; (B, T) → (B, T, V)."""
    places = torch.arange(tokens.shape[1], device=tokens.device)
    if slips & {"as-found", "last-position"}:
        places = torch.full_like(places, 0 if "as-found" in slips else len(places) - 1)
    places = places + ("one-late" in slips) - (("one-early" in slips) & (places > 0)).to(places)
    x = model.read(tokens, places)
    q, k, v = model.project(x)
    return model.say(x, v if "newest-only" in slips else model.attention(q, k, v)).detach()
