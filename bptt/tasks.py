"""Data with known answers: how well the best possible predictor does is computed, so that a loss can be judged."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class AgreementLanguage:
    """An endless text of sentences: a noun, any number of modifiers, and a verb that agrees with the noun.

    The noun is of one of ``classes`` classes, all equally likely. Then, again and again: with probability ``go_on`` one of
    ``modifiers`` modifiers follows, else the verb of the noun's class, which ends the sentence. Tokens: nouns
    0…classes−1, then the modifiers, then the verbs. All information about the class is in the noun, so whoever
    looks at the last token alone cannot foresee a verb that stands behind a modifier.
    """

    classes: int = 8
    modifiers: int = 2
    go_on: float = 0.7

    @property
    def vocab(self) -> int:
        """The number of different tokens."""
        return 2 * self.classes + self.modifiers

    @property
    def first_verb(self) -> int:
        """The token of the verb of class 0."""
        return self.classes + self.modifiers

    def sample(self, rows: int, length: int, seed: int) -> Tensor:
        """Texts (rows, length), int64 on the CPU; each row begins with a sentence and ends wherever it ends."""
        generator = torch.Generator().manual_seed(seed)
        tokens = torch.empty(rows, length, dtype=torch.int64)
        noun = torch.full((rows,), -1)  # the class that the sentence is about; -1 between two sentences
        for t in range(length):
            fresh = torch.randint(self.classes, (rows,), generator=generator)
            modifier = self.classes + torch.randint(self.modifiers, (rows,), generator=generator)
            goes_on = torch.rand(rows, generator=generator) < self.go_on
            inside = torch.where(goes_on, modifier, self.first_verb + noun)
            tokens[:, t] = torch.where(noun < 0, fresh, inside)
            noun = torch.where(noun < 0, fresh, torch.where(goes_on, noun, -1))
        return tokens

    def surprise(self, tokens: Tensor) -> Tensor:
        """−ln p(token t+1 | tokens 1…t), in nats, by the best predictor there can be; (rows, length) → (rows, length − 1).

        Float64; inf for what the language cannot say. Each row has to begin with a sentence, as those of ``sample`` do.
        """
        place = torch.arange(tokens.shape[1], device=tokens.device).expand_as(tokens)
        last = torch.where(self.is_noun(tokens), place, 0).cummax(1).values  # where the sentence's noun stands
        return self._surprise(tokens, tokens.gather(1, last)[:, :-1], known=1.0)

    def bigram_surprise(self, tokens: Tensor) -> Tensor:
        """−ln p(token t+1 | token t), in nats, by the best predictor that looks at the last token alone."""
        now, after = tokens[:, :-1], tokens[:, 1:]
        named = self.is_noun(now)
        noun = torch.where(named, now, after - self.first_verb)  # behind a modifier every verb is as likely
        certain = torch.ones_like(now, dtype=torch.float64)
        return self._surprise(tokens, noun, torch.where(named, certain, certain / self.classes))

    def _surprise(self, tokens: Tensor, noun: Tensor, known: float | Tensor) -> Tensor:
        """``known`` is the probability that is given to the class ``noun``."""
        now, after = tokens[:, :-1], tokens[:, 1:]
        between = now >= self.first_verb
        modifier = ~self.is_noun(after) & (after < self.first_verb)
        agrees = (after >= self.first_verb) & (after == self.first_verb + noun)
        inside = modifier.double() * self.go_on / self.modifiers + agrees.double() * (1 - self.go_on) * known
        outside = self.is_noun(after).double() / self.classes
        return -torch.where(between, outside, inside).log()

    def is_noun(self, tokens: Tensor) -> Tensor:
        """Where a noun stands."""
        return tokens < self.classes

    @property
    def entropy_rate(self) -> float:
        """Nats a token below which no predictor can stay in the long run.

        A sentence has n = r/(1−r) modifiers on average (r is ``go_on``). Its noun costs ln K; each of the n + 1 decisions
        to go on or to end costs H(r), which makes H(r)/(1−r); each modifier costs ln W. It has n + 2 tokens.
        """
        r = self.go_on
        n = r / (1 - r)
        decision = -r * math.log(r) - (1 - r) * math.log(1 - r)
        return (math.log(self.classes) + decision / (1 - r) + n * math.log(self.modifiers)) / (n + 2)

    @property
    def bigram_floor(self) -> float:
        """Nats a token below which no predictor that looks at the last token alone can stay in the long run.

        The only loss against the best predictor is ln K for each verb that stands behind a modifier: r of them a sentence.
        """
        return self.entropy_rate + self.go_on * math.log(self.classes) / (self.go_on / (1 - self.go_on) + 2)

    def spell(self, tokens: Tensor) -> str:
        """A text in letters: ``n3 m0 m1 v3`` is noun 3, two modifiers and the verb that agrees; a verb ends a line's sentence."""
        words = []
        for token in tokens.tolist():
            kind, base = ("n", 0) if token < self.classes else ("m", self.classes)
            kind, base = ("v", self.first_verb) if token >= self.first_verb else (kind, base)
            words.append(f"{kind}{token - base}" + ("." if kind == "v" else ""))
        return " ".join(words)


@dataclass(frozen=True)
class NoisyReadings:
    """Something is in one of ``states`` states and seldom changes; each step gives a reading that is often wrong.

    The state stays with probability ``stay``, else it becomes any of the others. The reading is the state with probability
    ``right``, else any of the others. To be told: the state at every step (a hidden Markov model; sequence labelling).
    """

    states: int = 3
    stay: float = 0.95
    right: float = 0.7

    def sample(self, rows: int, length: int, seed: int) -> tuple[Tensor, Tensor]:
        """Readings and true states, each (rows, length), int64 on the CPU; the first state is any, equally likely."""
        generator = torch.Generator().manual_seed(seed)

        def another(one: Tensor, same: float) -> Tensor:
            step = torch.randint(1, self.states, (rows,), generator=generator)
            kept = torch.rand(rows, generator=generator) < same
            return torch.where(kept, one, (one + step) % self.states)

        state = torch.randint(self.states, (rows,), generator=generator)
        states, readings = [], []
        for _ in range(length):
            states.append(state)
            readings.append(another(state, self.right))
            state = another(state, self.stay)
        return torch.stack(readings, 1), torch.stack(states, 1)

    def _tables(self, readings: Tensor) -> tuple[Tensor, Tensor]:
        """p(next state | state) as (K, K), and p(reading | state) for these readings as (rows, length, K)."""
        eye = torch.eye(self.states, dtype=torch.float64, device=readings.device)

        def table(same: float) -> Tensor:
            return same * eye + (1 - same) / (self.states - 1) * (1 - eye)

        return table(self.stay), table(self.right)[readings]

    def from_the_reading(self, readings: Tensor) -> Tensor:
        """p(state t | reading t): all that can be known without a memory; (rows, length) → (rows, length, states)."""
        return self._tables(readings)[1]

    def from_the_past(self, readings: Tensor) -> Tensor:
        """p(state t | readings 1…t), by Bayes' rule step by step: no model that reads from left to right knows more.

        L. R. Rabiner, A tutorial on hidden Markov models, Proceedings of the IEEE 77(2), 1989, section III.
        """
        move, seen = self._tables(readings)
        belief, beliefs = torch.full_like(seen[:, 0], 1 / self.states), []
        for t in range(readings.shape[1]):
            belief = (belief if t == 0 else belief @ move) * seen[:, t]
            belief = belief / belief.sum(1, keepdim=True)
            beliefs.append(belief)
        return torch.stack(beliefs, 1)

    def from_all(self, readings: Tensor, lengths: Tensor) -> Tensor:
        """p(state t | all readings of the row, up to its length); past the end the entries mean nothing."""
        move, seen = self._tables(readings)
        forward = self.from_the_past(readings)
        message, out = torch.ones_like(seen[:, 0]), []
        for t in reversed(range(readings.shape[1])):
            here = forward[:, t] * message
            out.append(here / here.sum(1, keepdim=True))
            before = (seen[:, t] * message) @ move.T
            before = before / before.sum(1, keepdim=True)
            message = torch.where((t < lengths).unsqueeze(1), before, message)
        return torch.stack(out[::-1], 1)


@dataclass(frozen=True)
class Echo:
    """Say again what was heard ``delay`` steps ago: symbols without any pattern, so nothing else helps."""

    delay: int
    symbols: int = 2

    def sample(self, rows: int, length: int, seed: int) -> tuple[Tensor, Tensor]:
        """Heard and to be said, each (rows, length), int64 on the CPU; what is to be said first was heard before step 1."""
        generator = torch.Generator().manual_seed(seed)
        stream = torch.randint(self.symbols, (rows, length + self.delay), generator=generator)
        return stream[:, self.delay :], stream[:, :length]

    @property
    def chance(self) -> float:
        """The share that is right by guessing, and the best without the symbol of ``delay`` steps ago."""
        return 1 / self.symbols


@dataclass(frozen=True)
class InfluenceBalancing:
    """A linear system that a parameter θ pushes one way at once and the other way in the long run.

    h_t = A h_{t-1} + (θ, …, θ, −θ, …, −θ), with A = ½ on the diagonal and ½ above it; ``plus`` entries get θ, ``minus``
    get −θ. Asked of its first unit: to be 1. What unit i gets arrives at unit 1 after i − 1 steps or later.
    C. Tallec and Y. Ollivier, Unbiasing truncated backpropagation through time, arXiv:1705.08209, in its experiments.
    """

    plus: int = 10
    minus: int = 13

    def matrix(self) -> Tensor:
        """A, (n, n), float64."""
        n = self.plus + self.minus
        return 0.5 * torch.eye(n, dtype=torch.float64) + 0.5 * torch.diag(torch.ones(n - 1, dtype=torch.float64), 1)

    def push(self) -> Tensor:
        """What θ is multiplied by, (n,): ones, then minus ones."""
        return torch.cat([torch.ones(self.plus, dtype=torch.float64), -torch.ones(self.minus, dtype=torch.float64)])

    @property
    def optimum(self) -> float:
        """The θ for which unit 1 comes to rest at 1: there h_i = h_{i+1} + 2 u_i, so h_1 = 2 θ (plus − minus)."""
        return 1 / (2 * (self.plus - self.minus))


@dataclass(frozen=True)
class Adding:
    """Two of ``length`` numbers are marked, one in each half: what is their sum?

    S. Hochreiter and J. Schmidhuber, Long short-term memory, Neural Computation 9(8), 1997, experiment 4; here as in Q. V. Le et al.,
    arXiv:1504.00941.
    """

    length: int

    def sample(self, rows: int, seed: int) -> tuple[Tensor, Tensor]:
        """Inputs (rows, length, 2), a number in [0, 1) and its mark (0 or 1), and sums (rows,); float32 on the CPU."""
        generator = torch.Generator().manual_seed(seed)
        numbers, row, half = torch.rand(rows, self.length, generator=generator), torch.arange(rows), self.length // 2
        marks = torch.zeros_like(numbers)
        for low, high in ((0, half), (half, self.length)):
            marks[row, torch.randint(low, high, (rows,), generator=generator)] = 1
        return torch.stack([numbers, marks], 2), (numbers * marks).sum(1)

    @property
    def baseline(self) -> float:
        """The squared error of always saying 1, the best without reading: the variance of a sum of two such numbers."""
        return 2 / 12


@dataclass(frozen=True)
class DistantAgreement:
    """A noun, ``distance`` words, and a verb that agrees with the noun, in spite of ``attractors`` other nouns on the way.

    "The keys to the cabinet near the door … are". A noun is of one of 8 classes, with 3 nouns and one verb each. The words between are
    fillers and attractors in any order; an attractor is ``preposition noun`` or ``that noun filler verb``, whose verb agrees with its own
    noun. T. Linzen, E. Dupoux and Y. Goldberg, Assessing the ability of LSTMs to learn syntax-sensitive dependencies, TACL 4, 2016.

    Tokens: "that" 0, prepositions 1…3, fillers 4…11, nouns 12…35, verbs 36…43.
    """

    distance: int
    attractors: int = 0

    classes = 8
    vocab = 44
    first_noun = 12
    first_verb = 36

    def __post_init__(self) -> None:
        if self.distance < 4 * self.attractors:
            raise ValueError(
                f"{self.attractors} attractors need up to {4 * self.attractors} words between noun and verb"
            )

    def sample(self, rows: int, seed: int, misled: bool = False) -> tuple[Tensor, Tensor]:
        """Beginnings of sentences (rows, 1 + distance) and the classes of their verbs (rows,), int64 on the CPU.

        The attractors are of any class; if ``misled``, never of the subject's.
        """
        generator = torch.Generator().manual_seed(seed)

        def draw(n: int, *shape: int) -> Tensor:
            return torch.randint(n, (rows, *shape), generator=generator)

        subject = draw(self.classes)
        words = 4 + draw(8, self.distance)  # fillers
        place = torch.rand(
            rows, self.distance, generator=generator
        )  # words are sorted by it: those of a group share one
        groups = (rows, self.attractors, 4)
        kind = (subject[:, None] + 1 + draw(7, groups[1])) % 8 if misled else draw(8, groups[1])
        clause = draw(2, groups[1]) == 1  # "that noun filler verb"; else "preposition noun", and two fillers elsewhere
        word, spot = (values[:, : 4 * groups[1]].view(groups) for values in (words, place))
        word[..., 0] = torch.where(clause, 0, 1 + draw(3, groups[1]))
        word[..., 1] = self.noun(kind, draw(3, groups[1]))
        word[..., 3] = torch.where(clause, self.first_verb + kind, word[..., 3])
        spot[..., 1] = spot[..., 0]
        spot[..., 2:] = torch.where(clause[..., None], spot[..., :1], spot[..., 2:])
        between = words.gather(1, place.argsort(dim=1, stable=True))
        return torch.cat([self.noun(subject, draw(3))[:, None], between], 1), subject

    def noun(self, kind: Tensor, which: Tensor) -> Tensor:
        """The token of one of a class's three nouns."""
        return self.first_noun + 3 * kind + which

    def by_the_subject(self, tokens: Tensor) -> Tensor:
        """The verb's class (rows,) by the best predictor there can be: that of the first noun."""
        return (tokens[:, 0] - self.first_noun) // 3

    def by_the_nearest_noun(self, tokens: Tensor) -> Tensor:
        """The verb's class (rows,) by a predictor that takes the last noun for the subject."""
        nouns = (tokens >= self.first_noun) & (tokens < self.first_verb)
        place = torch.arange(tokens.shape[1], device=tokens.device)
        last = torch.where(nouns, place, 0).amax(1, keepdim=True)
        return self.by_the_subject(tokens.gather(1, last))

    @property
    def chance(self) -> float:
        """The share of right verbs by guessing among the classes."""
        return 1 / self.classes

    def spell(self, tokens: Tensor) -> str:
        """A sentence in letters: ``n3b p1 n5a f2 that n2c f0 v2 …``; the digit of a noun or verb is its class."""
        words = []
        for token in tokens.tolist():
            kind, which = divmod(token - self.first_noun, 3)
            words.append(
                "that" if token == 0
                else f"p{token}" if token < 4
                else f"f{token - 4}" if token < self.first_noun
                else f"n{kind}{'abc'[which]}" if token < self.first_verb
                else f"v{token - self.first_verb}"
            )  # fmt: skip
        return " ".join(words)
