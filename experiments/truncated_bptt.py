"""Lesson 05 over seeds: what a window costs, what it cannot learn, how biased it is, and what coins and checkpoints give."""

from experiments.notebook import solved

SEEDS = range(5)


def window_bytes(seed: int) -> dict:
    """Bytes that one window keeps, by its length: equal for all seeds, since they follow from the graph."""
    return {"bytes": solved("truncated_bptt").bytes_of_window(seed)}


def echo(seed: int) -> dict:
    """Share of right answers by delay and window for the LSTM, and with windows of one step for the tanh network."""
    lesson = solved("truncated_bptt")

    def accuracy(kind: str, delay: int, windows: list[int]) -> list[float]:
        return [lesson.echo_accuracy(lesson.train_tbptt, kind, delay, k, seed) for k in windows]

    found = {f"lstm {delay}": accuracy("lstm", delay, windows) for delay, windows in lesson.SEEN.items()}
    return found | {f"tanh {delay}": accuracy("tanh", delay, [1]) for delay in lesson.SEEN}


def bias(seed: int) -> dict:
    """Measured exponent and error of the truncated gradient by steps of credit, for each spectral radius."""
    lesson = solved("truncated_bptt")
    return {str(radius): lesson.bias_by_window(seed, radius) for radius in lesson.RADII}


def balance(seed: int) -> dict:
    """Where θ ends in influence balancing, by steps of credit."""
    lesson = solved("truncated_bptt")
    return {str(K): lesson.learn_balance(K, seed)[-1] for K in (1, 10, 50)}


def randomized(seed: int) -> dict:
    """Error of the mean of n random truncations, and of a fixed one."""
    return solved("truncated_bptt").error_of_means(seed)


def spread(seed: int) -> dict:
    """From which paths the error of one random truncation comes, by the boundaries that they cross."""
    return solved("truncated_bptt").share_of_spread(seed)


def segments(seed: int) -> dict:
    """Most bytes alive by number of segments: equal for all seeds, since they follow from the graph."""
    return solved("truncated_bptt").bytes_by_segments(seed)


def bug(seed: int) -> dict:
    """Losses of the program with rows that do not go on, and with rows that do."""
    as_found = solved("truncated_bptt", released=("truncated-bptt-bug",))
    return {"as_found": as_found.text_losses(seed), "mended": solved("truncated_bptt").text_losses(seed)}
