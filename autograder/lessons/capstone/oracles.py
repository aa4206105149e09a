"""The best predictor there can be for the capstone's language: it stays with the judge."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from bptt.nested import NestedAgreement


def best_log_probs(language: NestedAgreement, tokens: Tensor) -> Tensor:
    """ln p(token t+1 | tokens 1…t) for t = 1…T−1, (rows, T) → (rows, T−1), float64, on the CPU; −inf for what cannot be said.

    Each row begins with a sentence, as those of `NestedAgreement.text` do.
    """
    chances = [list(_chances(language, row)) for row in tokens.tolist()]
    return torch.tensor(chances, dtype=torch.float64)[:, 1:].log()


def _chances(language: NestedAgreement, text: list[int]) -> Iterator[float]:
    """The probability of each token, given those before it: the text is read with the grammar in hand."""
    K, q, last = language.classes, language.aside, language.groups - 1
    nouns: list[int] = []  # those that wait for their verbs
    group = -1  # of the last word; -1 before the walk
    aside = -1  # the class of an aside's noun that waits for its verb
    closed = False  # whether the last token was an aside's verb
    for token in text:
        verb = token - language.first_verb
        if group == last and nouns:
            yield float(verb == nouns.pop())
            group = group if nouns else -1
        elif group < 0 and len(nouns) < 2:
            yield (token < K) / K
            nouns.append(token)
        elif aside >= 0:
            yield float(verb == aside)
            aside, closed = -1, True
        elif token < K:
            yield 0.0 if closed else q / K
            aside = token
        else:
            now = (token - K) // language.words
            follows = now < language.starts if group < 0 else now == group + 1
            ways = language.words * (language.starts if group < 0 else 1)
            yield follows * (1.0 if closed else 1 - q) / ways
            group, closed = now, False


def filtered(tokens: Tensor, K: int, r: float) -> Tensor:
    """p(next token | tokens 1…t) for the toy language of the lesson, (T,) → (T, 2K + 1), float64, by Bayes' rule over its states.

    L. R. Rabiner, A tutorial on hidden Markov models, Proceedings of the IEEE 77(2), 1989, section III: the forward variable.
    """
    pairs = [(i, j) for i in range(K) for j in range(K)]
    states = [("begin",), *(("one", i) for i in range(K)), *(("walk", *pair) for pair in pairs), *(("last", i) for i in range(K))]  # fmt: skip
    place = {state: n for n, state in enumerate(states)}
    move = torch.zeros(2 * K + 1, len(states), len(states), dtype=torch.float64)  # p(token, state afterwards | state)
    for i in range(K):
        move[i, place["begin",], place["one", i]] = 1 / K
        move[K + 1 + i, place["last", i], place["begin",]] = 1
    for i, j in pairs:
        walk = place["walk", i, j]
        move[j, place["one", i], walk] = 1 / K
        move[K, walk, walk] = r
        move[K + 1 + j, walk, place["last", i]] = 1 - r
    belief, rows = torch.eye(len(states), dtype=torch.float64)[0], []
    for token in tokens.tolist():
        belief = belief @ move[token]
        belief = belief / belief.sum()
        rows.append((belief @ move).sum(1))  # over the states afterwards
    return torch.stack(rows)
