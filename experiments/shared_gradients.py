"""Lesson 02 over seeds: shares of the steps, the exactness of gradients and of tests, and what a missing path costs."""

import torch

from experiments.notebook import solved

SEEDS = range(5)
KINDS = {"float32": torch.float32, "float64": torch.float64}


def shares(seed: int) -> dict:
    """Size of each step's share of dL/dweight_hh, relative to the last step's, for three gains."""
    lesson = solved("shared_gradients")
    return {str(gain): lesson.share_sizes(seed, gain) for gain in lesson.GAINS}


def long(seed: int) -> dict:
    """Difference between the hand-written sweep and autograd for growing T, in both precisions."""
    lesson = solved("shared_gradients")
    return {name: [max(gap, 1e-18) for gap in lesson.gap_to_autograd(seed, kind)] for name, kind in KINDS.items()}


def echo(seed: int) -> dict:
    """Loss curves of the echo task with all paths, with each step's own loss only, and with the read-out trained alone."""
    lesson = solved("shared_gradients")
    return {
        "all_paths": lesson.learn_echo(seed),
        "own_step": lesson.learn_echo(seed, all_paths=False),
        "readout_alone": lesson.learn_echo(seed, frozen=True),
    }


def differences(seed: int) -> dict:
    """Error of central differences against the step, in both precisions."""
    lesson = solved("shared_gradients")
    return {name: lesson.difference_errors(seed, kind) for name, kind in KINDS.items()}


def roads(seed: int) -> dict:
    """Relative differences between forward mode, real-time recurrent learning and the backward sweep."""
    return solved("shared_gradients").gaps_between_roads(seed)


def leaky(seed: int) -> dict:
    """Loss curves of leaky units with the program as found and fixed."""
    as_found = solved("shared_gradients", released=("shared-gradients-bug",))
    return {"as_found": as_found.fit_leaky(seed), "mended": solved("shared_gradients").fit_leaky(seed)}
