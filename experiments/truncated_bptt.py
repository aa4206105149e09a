"""Lesson 05 over seeds: what a window costs, what it cannot learn, how biased it is, and what coins and checkpoints give."""

from experiments.notebook import solved

SEEDS = range(5)


def window_bytes(seed: int) -> dict:
    """Bytes that one window keeps, by its length: equal for all seeds, since they follow from the graph."""
    return {"bytes": solved("truncated_bptt").bytes_of_window(seed)}


def echo(seed: int) -> dict:
    """Share of right answers of the LSTM by delay and window."""
    lesson = solved("truncated_bptt")
    return {
        f"lstm {delay}": [lesson.echo_accuracy(lesson.train_tbptt, "lstm", delay, k, seed) for k in windows]
        for delay, windows in lesson.SEEN.items()
    }


def reservoir(seed: int) -> dict:
    """With windows of one step, by network and delay: share right, and how far weight_hh moved; all trained, or the read-out only."""
    lesson = solved("truncated_bptt")
    found = {}
    for kind in ("tanh", "lstm"):
        for delay in lesson.SEEN:
            trained, moved = lesson.echo_run(lesson.train_tbptt, kind, delay, 1, seed)
            frozen, _ = lesson.echo_run(lesson.train_tbptt, kind, delay, 1, seed, frozen=True)
            found[f"{kind} {delay}"] = {"trained": trained, "moved": moved, "frozen": frozen}
    return found


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
