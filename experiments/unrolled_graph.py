"""Lesson 01 over seeds: the price of time, and training with a cut that no number shows."""

from experiments.notebook import solved

SEEDS = range(5)


def price(seed: int) -> dict:
    """Parameters, depth, bytes and paths for growing T: equal for all seeds, since they follow from the graph."""
    return solved("unrolled_graph").price_of_time(seed)


def recall(seed: int) -> dict:
    """Loss curves of the program with its cut and without."""
    lesson, as_found = solved("unrolled_graph"), solved("unrolled_graph", released=("unrolled-graph-bug",))
    return {
        "as_found": as_found.smooth(as_found.recall_first(seed)),
        "mended": lesson.smooth(lesson.recall_first(seed)),
    }
