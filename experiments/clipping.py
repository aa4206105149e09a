"""Lesson 06 over seeds: the cliff, training with and without clipping, directions, symptoms, temporal order, collected windows."""

from torch import nn

from experiments.notebook import solved

SEEDS = range(5)


def by_norm(max_norm: float):
    """Clipping by global norm, as a function of the parameters."""
    return lambda parameters: nn.utils.clip_grad_norm_(parameters, max_norm)


def cliff(seed: int) -> dict:
    """The share of random starts that arrive on the cliff of one unit, by threshold, and without clipping."""
    lesson = solved("clipping")
    clipped = [lesson.arrivals(by_norm(c), seed) for c in lesson.THRESHOLDS]
    return {"clipped": clipped, "plain": lesson.arrivals(lambda parameters: None, seed)}


def directions(seed: int) -> dict:
    """Median cosine between a gradient longer than 1 and itself clipped by value, by limit."""
    return {"cosine": solved("clipping").directions(seed)}


def training(seed: int) -> dict:
    """On the copied text: losses by norm and at a low rate, excess over the floor of these and of the best limit by value, and what fails."""
    lesson = solved("clipping")
    failed = lesson.training_log(lambda parameters: None, seed)
    norm = lesson.training_log(by_norm(lesson.LIMIT), seed)
    slow = lesson.training_log(lambda parameters: None, seed, lr=0.01)
    middle = lesson.training_log(lambda parameters: None, seed, lr=0.03)
    clips = [lambda parameters, limit=limit: nn.utils.clip_grad_value_(parameters, limit) for limit in lesson.VALUES]
    value = [lesson.excess(lesson.training_log(clip, seed)) for clip in clips]
    return {
        "failed_at": len(failed["loss"]),
        "norm": lesson.smooth(norm["loss"]),
        "norm_excess": lesson.excess(norm),
        "clipped": sum(one > lesson.LIMIT for one in norm["grad_norm"]) / len(norm["grad_norm"]),
        "value_excess": min(one for one in value if one is not None),
        "value_by_limit": value,
        "slow": lesson.smooth(slow["loss"]),
        "slow_excess": lesson.excess(slow),
        "fails_at_0.03": lesson.excess(middle) is None,
    }


def logs(seed: int) -> dict:
    """The symptoms in logs of the copied text, by what was done."""
    lesson = solved("clipping")
    return {name: sorted(lesson.symptoms(log)) for name, log in lesson.logs(seed).items()}


def order(seed: int) -> dict:
    """Temporal order with Adam: share right, longest gradient, steps until solved and flow, by clipping and length."""
    lesson = solved("clipping")
    clips = {"not clipped": lambda parameters: None, "clipped to 1": by_norm(lesson.LIMIT)}
    return {f"{name}, T = {T}": lesson.order_run(clip, seed, T) for T in lesson.LENGTHS for name, clip in clips.items()}


def parts(seed: int) -> dict:
    """The share of each window in the gradient of a step, along training with two limits, by the program as found and as fixed."""
    as_found = solved("clipping", released=("clipping-bug",))
    programs = {"as_found": as_found, "fixed": solved("clipping")}
    return {
        name: {str(max_norm): lesson.trained_in_parts(seed, max_norm) for max_norm in (0.5, 0.1)}
        for name, lesson in programs.items()
    }
