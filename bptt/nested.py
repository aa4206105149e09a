"""The language of the capstone: an endless text in which two nouns wait for their verbs behind a long walk."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class NestedAgreement:
    """An endless text of sentences: two nouns, a walk through groups of words, two verbs, the last noun's verb first.

    The nouns are of one of ``classes`` classes each, all equally likely. The walk begins in any of the first ``starts`` groups,
    equally likely, and goes on group by group to the last; each group gives one of its ``words`` words. Before each word, with
    probability ``aside``, comes a pair of its own: a noun of any class, and at once its verb. Tokens: nouns 0…classes−1, then
    the words group by group, then the verbs.
    """

    classes: int = 4
    groups: int = 12
    words: int = 2
    starts: int = 6
    aside: float = 0.15

    @property
    def vocab(self) -> int:
        """The number of different tokens."""
        return 2 * self.classes + self.groups * self.words

    @property
    def first_verb(self) -> int:
        """The token of the verb of class 0."""
        return self.vocab - self.classes

    @property
    def mean_length(self) -> float:
        """Tokens in a sentence, on average."""
        return 4 + (self.groups - (self.starts - 1) / 2) * (1 + 2 * self.aside)

    @property
    def shortest(self) -> int:
        """Tokens in the shortest sentence there is."""
        return 4 + self.groups - self.starts + 1

    def numbers(self, rows: int, length: int) -> tuple[int, int, int]:
        """The shape (rows, sentences, choices) of the uniform numbers that ``text`` needs."""
        return rows, -(-length // self.shortest), 3 + 3 * self.groups

    def text(self, uniform: Tensor, length: int) -> Tensor:
        """The texts (rows, length), int64, that these uniform numbers in [0, 1) choose; each begins with a sentence."""
        nouns = (uniform[:, :, :2] * self.classes).long()
        first = (uniform[:, :, 2:3] * self.starts).long()
        aside, noun, word = uniform[:, :, 3:].chunk(3, 2)  # each (rows, sentences, groups)
        group = torch.arange(self.groups, device=uniform.device)
        attractor = (noun * self.classes).long()
        walk = torch.stack([attractor, self.first_verb + attractor, self.classes + group * self.words + (word * self.words).long()], 3)  # fmt: skip
        visited = group >= first
        with_aside = visited & (aside < self.aside)
        said = torch.stack([with_aside, with_aside, visited], 3)
        sentences = torch.cat([nouns, walk.flatten(2), self.first_verb + nouns.flip(2)], 2)
        always = torch.ones_like(nouns, dtype=torch.bool)
        keep = torch.cat([always, said.flatten(2), always], 2).flatten(1)
        order = (~keep).int().argsort(dim=1, stable=True)[:, :length]  # what is said, in its order, comes first
        return sentences.flatten(1).gather(1, order)

    def sample(self, rows: int, length: int, seed: int) -> Tensor:
        """Texts (rows, length), int64 on the CPU; each row begins with a sentence and ends wherever it ends."""
        generator = torch.Generator().manual_seed(seed)
        return self.text(torch.rand(self.numbers(rows, length), generator=generator), length)

    @property
    def entropy_rate(self) -> float:
        """Nats a token below which no predictor can stay in the long run.

        A sentence has n = groups − (starts − 1)/2 words on average. Its nouns cost 2 ln K, the beginning of its walk ln(starts);
        each word costs the decision for or against an aside, H(q), its noun q ln K, and ln W. The verbs cost nothing.
        """
        q, n = self.aside, self.groups - (self.starts - 1) / 2
        decision = -q * math.log(q) - (1 - q) * math.log(1 - q)
        walk = n * (decision + q * math.log(self.classes) + math.log(self.words))
        return (2 * math.log(self.classes) + math.log(self.starts) + walk) / self.mean_length

    def kinds(self, tokens: Tensor) -> Tensor:
        """0 for a noun, 1 for a word, 2 for an aside's verb, 3 for a sentence's verb; the rows begin with a sentence."""
        verb = tokens >= self.first_verb
        last_word = (tokens >= self.first_verb - self.words) & ~verb
        after = torch.cat([torch.zeros_like(verb[:, :1]), last_word[:, :-1]], 1)  # right behind the last group
        ending = verb & (after | torch.cat([torch.zeros_like(verb[:, :1]), (verb & after)[:, :-1]], 1))
        return verb.long() * 2 + ending.long() + ((tokens >= self.classes) & ~verb).long()

    def spell(self, tokens: Tensor) -> str:
        """A text in letters: noun ``n2``, word ``w7b`` (group 7, its second word), verb ``v2``; a full stop ends a sentence."""
        kinds, words, closing = self.kinds(tokens[None])[0].tolist(), [], 0
        for token, kind in zip(tokens.tolist(), kinds, strict=True):
            if kind == 0:
                words.append(f"n{token}")
            elif kind == 1:
                group, which = divmod(token - self.classes, self.words)
                words.append(f"w{group}{'abcdefghij'[which]}")
            else:
                closing = closing + 1 if kind == 3 else 0
                words.append(f"v{token - self.first_verb}" + ("." if closing == 2 else ""))
                closing %= 2
        return " ".join(words)
