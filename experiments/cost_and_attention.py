"""Lesson 08 over seeds: how times and bytes grow, how far gradients reach, what streaming costs, and how a run breaks."""

from experiments.notebook import solved

SEEDS = range(5)


def growth(seed: int) -> dict:
    """Exponents of T and H in time and in bytes, with their errors, and the times."""
    return solved("cost_and_attention").growth(seed)


def gradient(seed: int) -> dict:
    """Gradient of the last output by lag, relative to lag 0: equal in all runs with one seed."""
    return solved("cost_and_attention").gradient_by_lag(seed)


def training(seed: int) -> dict:
    """Seconds and bytes of a training step by T, of both layers."""
    return solved("cost_and_attention").training_costs(seed)


def streaming(seed: int) -> dict:
    """Bytes held and seconds of the next token by the tokens read, in three ways."""
    return solved("cost_and_attention").streaming_costs(seed)


def symptoms(seed: int) -> dict:
    """The symptoms of exploding gradients in a learning-rate range test, of both models."""
    return solved("cost_and_attention").symptoms(seed)


def bug(seed: int) -> dict:
    """Share of right answers of the streamed model: the program as found, and fixed."""
    as_found = solved("cost_and_attention", released=("cost-and-attention-bug",))
    return {
        "as_found": as_found.read_and_streamed(seed),
        "fixed": solved("cost_and_attention").read_and_streamed(seed),
    }
