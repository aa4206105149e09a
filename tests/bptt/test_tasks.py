"""The data of the lessons, and what is known about them."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from bptt.tasks import Adding, AgreementLanguage, DistantAgreement, NoisyReadings

SMALL = AgreementLanguage(classes=3, modifiers=2, go_on=0.6)


def chain(language: AgreementLanguage) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The language as a Markov chain over (token, class of the sentence): transitions, its tokens, and how often each is visited."""
    K, W, r = language.classes, language.modifiers, language.go_on
    nodes = [(token, f) for f in range(K) for token in (f, *range(K, K + W), K + W + f)]
    move = torch.zeros(len(nodes), len(nodes), dtype=torch.float64)
    for (i, (now, f)), (j, (after, g)) in itertools.product(enumerate(nodes), repeat=2):
        if now >= K + W:
            move[i, j] = 1 / K if after < K else 0
        elif f == g and K <= after < K + W:
            move[i, j] = r / W
        elif f == g and after >= K + W:
            move[i, j] = 1 - r
    equations = torch.cat([move.T - torch.eye(len(nodes)), torch.ones(1, len(nodes), dtype=torch.float64)])
    right = torch.zeros(len(nodes) + 1, dtype=torch.float64)
    right[-1] = 1
    visited = torch.linalg.lstsq(equations, right.unsqueeze(1)).solution[:, 0]
    return move, torch.tensor([token for token, _ in nodes]), visited


@pytest.mark.parametrize("language", [SMALL, AgreementLanguage()])
def test_the_entropy_rate_is_that_of_the_markov_chain(language):
    """The closed form of the floor is the entropy of the next step, averaged over the chain's own long run."""
    move, _, visited = chain(language)
    expected = (visited * -torch.xlogy(move, move).sum(1)).sum().item()
    assert expected == pytest.approx(language.entropy_rate, rel=1e-12)


@pytest.mark.parametrize("language", [SMALL, AgreementLanguage()])
def test_the_bigram_floor_is_the_entropy_of_a_token_given_the_one_before(language):
    """The closed form of the bigram floor is H(next token | token), from the joint distribution of two tokens."""
    move, tokens, visited = chain(language)
    pairs = torch.zeros(language.vocab, language.vocab, dtype=torch.float64)
    pairs.index_put_(
        (tokens[:, None].expand_as(move), tokens.expand_as(move)), visited[:, None] * move, accumulate=True
    )
    given = pairs / pairs.sum(1, keepdim=True)
    expected = -torch.xlogy(pairs, given).sum().item()
    assert expected == pytest.approx(language.bigram_floor, rel=1e-12)


def test_the_floors_of_the_lesson_are_those_that_its_prose_shows():
    """The default language has 18 tokens, a floor of 1.3230 nats and a bigram floor of 1.6589."""
    language = AgreementLanguage()
    shown = (language.vocab, round(language.entropy_rate, 4), round(language.bigram_floor, 4))
    assert (18, 1.323, 1.6589) == shown


def test_the_surprise_is_the_logarithm_of_every_texts_probability():
    """Over all texts of four tokens the probabilities that the exact predictor gives add up to 1."""
    texts = torch.tensor(list(itertools.product(range(SMALL.vocab), repeat=4)))
    texts = texts[texts[:, 0] < SMALL.classes]
    total = (-SMALL.surprise(texts).sum(1)).exp().sum() / SMALL.classes
    assert total.item() == pytest.approx(1, rel=1e-12)


def test_the_bigram_predictor_is_a_distribution_over_the_next_token():
    """After every token the probabilities of the bigram predictor add up to 1."""
    pairs = torch.cartesian_prod(torch.arange(SMALL.vocab), torch.arange(SMALL.vocab))
    total = (-SMALL.bigram_surprise(pairs)).exp().reshape(SMALL.vocab, SMALL.vocab).sum(1)
    torch.testing.assert_close(total, torch.ones_like(total))


def test_a_sampled_text_costs_what_the_floors_say():
    """On a long sample the mean surprise is within four standard errors of the rate, for both predictors."""
    language = AgreementLanguage()
    tokens = language.sample(64, 2001, seed=0)
    for surprise, floor in (
        (language.surprise, language.entropy_rate),
        (language.bigram_surprise, language.bigram_floor),
    ):
        rows = surprise(tokens).mean(1)
        assert abs(rows.mean().item() - floor) < 4 * rows.std().item() / math.sqrt(len(rows))


def test_the_language_never_says_what_its_predictor_rules_out():
    """Every sampled token has a probability above 0 under the exact predictor."""
    assert bool(torch.isfinite(SMALL.surprise(SMALL.sample(16, 200, seed=1))).all())


def test_a_verb_of_another_class_is_impossible():
    """The exact predictor gives probability 0 to a verb that does not agree (the twin of the test above)."""
    noun, modifier, wrong_verb = 0, SMALL.classes, SMALL.first_verb + 1
    assert math.inf == SMALL.surprise(torch.tensor([[noun, modifier, wrong_verb]]))[0, 1].item()


def test_a_text_is_spelt_by_kind_and_number():
    """Nouns, modifiers and verbs are spelt n, m and v with their numbers, and a verb ends a sentence."""
    assert "n2 m0 m1 v2. n0" == SMALL.spell(torch.tensor([2, 3, 4, 7, 0]))


def test_the_seed_alone_decides_a_sample():
    """Two samples of one seed are equal, those of two seeds are not."""
    same = torch.equal(SMALL.sample(2, 30, seed=3), SMALL.sample(2, 30, seed=3))
    assert same and not torch.equal(SMALL.sample(2, 30, seed=3), SMALL.sample(2, 30, seed=4))


def by_enumeration(task: NoisyReadings, readings: torch.Tensor, upto: int) -> torch.Tensor:
    """p(state t | readings 1…upto) for one row, by adding up all sequences of states."""
    K = task.states

    def p(same: bool, often: float) -> float:
        return often if same else (1 - often) / (K - 1)

    total = torch.zeros(upto, K, dtype=torch.float64)
    for states in itertools.product(range(K), repeat=upto):
        weight = math.prod(
            p(state == reading, task.right) for state, reading in zip(states, readings.tolist(), strict=False)
        )
        weight *= math.prod(p(a == b, task.stay) for a, b in itertools.pairwise(states))
        for t, state in enumerate(states):
            total[t, state] += weight
    return total / total.sum(1, keepdim=True)


def test_the_belief_from_the_past_is_bayes_rule():
    """The filter's belief at each step equals the sum over all sequences of states up to that step."""
    task = NoisyReadings()
    readings, _ = task.sample(2, 5, seed=0)
    for row in range(2):
        expected = torch.stack([by_enumeration(task, readings[row], t + 1)[t] for t in range(5)])
        torch.testing.assert_close(task.from_the_past(readings)[row], expected)


def test_the_belief_from_all_readings_stops_at_a_rows_length():
    """The smoother's belief equals the sum over all sequences of states of the row's own length."""
    task = NoisyReadings()
    readings, _ = task.sample(2, 6, seed=1)
    lengths = torch.tensor([6, 4])
    for row, length in enumerate(lengths.tolist()):
        expected = by_enumeration(task, readings[row], length)
        torch.testing.assert_close(task.from_all(readings, lengths)[row, :length], expected)


def test_readings_and_states_are_as_often_right_as_the_task_says():
    """The shares of right readings and of states that stay are those of the task, within a percent."""
    task = NoisyReadings()
    readings, states = task.sample(200, 200, seed=2)
    assert (readings == states).double().mean().item() == pytest.approx(task.right, abs=0.01)
    assert (states[:, 1:] == states[:, :-1]).double().mean().item() == pytest.approx(task.stay, abs=0.01)


def test_the_sum_is_that_of_one_number_from_each_half():
    """Two numbers are marked, one in each half, and always saying 1 costs the baseline."""
    x, y = Adding(31).sample(20_000, seed=0)
    numbers, marks = x.unbind(2)
    assert bool((marks[:, :15].sum(1) == 1).all()) and bool((marks[:, 15:].sum(1) == 1).all())
    torch.testing.assert_close(y, (numbers * marks).sum(1))
    assert ((y - 1) ** 2).mean().item() == pytest.approx(Adding(31).baseline, abs=0.005)


@pytest.mark.parametrize(("distance", "attractors"), [(4, 0), (4, 1), (13, 2), (20, 5)])
def test_a_sentence_has_its_distance_and_its_attractors(distance, attractors):
    """Words between are as many as asked; so are nouns; each clause stands together, and its verb agrees with its noun."""
    task = DistantAgreement(distance, attractors)
    sentences, verbs = task.sample(200, seed=0)
    assert sentences.shape == (200, distance + 1)
    for sentence, verb in zip(sentences, verbs, strict=True):
        words = task.spell(sentence).split()
        assert words[0][:2] == f"n{verb}" and sum(word[0] == "n" for word in words) == attractors + 1
        for place, word in enumerate(words):
            if word == "that":
                noun, filler, said = words[place + 1 : place + 4]
                assert (noun[0], filler[0], said) == ("n", "f", f"v{noun[1]}")
            if word[0] == "p":
                assert words[place + 1][0] == "n"


def test_misled_sentences_tell_the_subject_from_the_nearest_noun():
    """The first noun is always right, the nearest never if misled, and by chance if not."""
    task = DistantAgreement(12, 2)
    for misled, share in ((True, 0.0), (False, task.chance)):
        sentences, verbs = task.sample(4000, seed=1, misled=misled)
        assert bool((task.by_the_subject(sentences) == verbs).all())
        found = (task.by_the_nearest_noun(sentences) == verbs).double().mean().item()
        assert found == pytest.approx(share, abs=0.02)


def test_too_many_attractors_are_an_error():
    """An attractor can take four words."""
    with pytest.raises(ValueError, match="2 attractors need up to 8 words"):
        DistantAgreement(7, 2)
