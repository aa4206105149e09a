"""Lesson 00 over seeds: how far two right gradients lie apart, and what a mistake in one costs."""

import torch

from experiments.notebook import solved

SEEDS = range(5)


def two_roads(seed: int) -> dict:
    """Relative difference between the hand-made and the recorded gradient, in both precisions."""
    lesson = solved("start_here")
    kinds = {"float32": torch.float32, "float64": torch.float64}
    return {name: lesson.gap_between_roads(seed, kind) for name, kind in kinds.items()}


def it_trains(seed: int) -> dict:
    """Loss curves of the program with its mistake and without."""
    as_found = solved("start_here", released=("start-here-bug",))
    return {"as_found": as_found.fit_one_unit(seed), "mended": solved("start_here").fit_one_unit(seed)}
