"""Lesson 03 over seeds: products of Jacobians against radius, loudness and coupling, and training with half a Jacobian too late."""

from experiments.notebook import solved

SEEDS = range(5)


def radius_sweep(seed: int) -> dict:
    """Sizes of the product at each lag, for each radius, without tanh and with it."""
    return solved("gradient_flow").radius_sweep(seed)


def growing_first(seed: int) -> dict:
    """Sizes of the product for three matrices of radius 0.9."""
    return solved("gradient_flow").growing_first(seed)


def louder(seed: int) -> dict:
    """Size of the product over 20 steps, and mean slope, against the loudness of the inputs."""
    return solved("gradient_flow").louder(seed)


def exponents(seed: int) -> dict:
    """The exponent against the radius."""
    return solved("gradient_flow").exponents(seed)


def couplings(seed: int) -> dict:
    """The exponent of hidden triangles of radius 0.9 against what stands above their diagonal."""
    return solved("gradient_flow").couplings(seed)


def bug(seed: int) -> dict:
    """Loss curves, and the direction of the gradient, of the program with its mistake and without."""
    lessons = {"as found": solved("gradient_flow", released=("gradient-flow-bug",)), "mended": solved("gradient_flow")}
    return {name: {"losses": one.same_sign(seed), "cosines": one.directions(seed)} for name, one in lessons.items()}
