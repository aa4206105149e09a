"""Lesson 04 over seeds: losses against their floors, a bug that beats one, greedy speech, and bytes against time."""

import torch

from experiments.notebook import solved

SEEDS = range(5)


def language(seed: int) -> dict:
    """Loss on held-out text every 20 steps, with and without memory."""
    lesson = solved("sequence_loss")
    return {key: lesson.train_language(seed, memory=key == "with")[1] for key in ("with", "without")}


def labelling(seed: int) -> dict:
    """What training reports and what new sequences say, with the program as it is handed out and fixed."""
    as_found = solved("sequence_loss", released=("sequence-loss-bug",))
    return {"as_found": as_found.train_labeller(seed), "mended": solved("sequence_loss").train_labeller(seed)}


def speech(seed: int) -> dict:
    """Verbs in a greedy text, and the share of sampled verbs that agree."""
    lesson = solved("sequence_loss")
    model, _ = lesson.train_language(seed)
    greedy = lesson.generate(model, torch.tensor([3]), 200)
    sampled = lesson.sample_text(model, 50, 200, seed)
    return {
        "greedy_verbs": int((greedy >= lesson.language.first_verb).sum()),
        "agreement": lesson.agreement(sampled),
    }


def padded_state(seed: int) -> dict:
    """How often the noun is still known at a row's own end, and behind its padding; rows with padding only."""
    lesson = solved("sequence_loss")
    model, _ = lesson.train_language(seed)
    nouns, tokens, lengths = lesson.beginnings(400, seed)
    with torch.no_grad():
        states = {"right": lesson.final_state(model, tokens, lengths), "moved": model(tokens)[1]}
    return {key: lesson.remembered(model, h, nouns)[lengths < 9].mean().item() for key, h in states.items()}


def memory(seed: int) -> dict:
    """Bytes kept for the backward pass: equal for all seeds, since they follow from the graph."""
    return solved("sequence_loss").bytes_by_steps(seed)
