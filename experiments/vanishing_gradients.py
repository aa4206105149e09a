"""Lesson 07 over seeds: how gradients fade in fresh layers and in layers set up, and what that means for two tasks."""

from experiments.notebook import solved

SEEDS = range(5)


def flow_fresh(seed: int) -> dict:
    """The flow by lag of tanh, LSTM and GRU as PyTorch initialises them."""
    return solved("vanishing_gradients").flow_of_fresh(seed)


def two_ways(seed: int) -> dict:
    """Lengths of dx by lag through c, through h and both, for two forget biases."""
    lesson = solved("vanishing_gradients")
    return {str(forget): lesson.two_ways(seed, forget) for forget in (0.0, 3.0)}


def update_bias(seed: int) -> dict:
    """The flow by lag of a GRU for three biases of its update gate."""
    lesson = solved("vanishing_gradients")
    return {str(bias): lesson.flow_of_gru_step(seed, bias) for bias in (0.0, 1.0, 3.0)}


def flow_set_up(seed: int) -> dict:
    """The flow by lag for three forget biases, and for ReLU with the identity."""
    return solved("vanishing_gradients").flow_when_set_up(seed)


def adding(seed: int) -> dict:
    """The error on new sequences of the adding problem, of every network."""
    lesson = solved("vanishing_gradients")
    return {name: lesson.add(name, seed) for name in lesson.RATES}


def adding_longer(seed: int) -> dict:
    """The same over 60 numbers."""
    lesson = solved("vanishing_gradients")
    return {name: lesson.add(name, seed, length=60) for name in lesson.RATES}


def agreement(seed: int) -> dict:
    """Shares of right verbs by distance, without attractors and with one for every five words."""
    lesson = solved("vanishing_gradients")
    return {
        name: [[lesson.agree(name, d, max(1, d // 5) * some, seed) for d in lesson.DISTANCES] for some in (0, 1)]
        for name in lesson.UNITS
    }


def attractors(seed: int) -> dict:
    """Shares of right verbs over twenty words with one and two attractors; `agreement` has none and four."""
    lesson = solved("vanishing_gradients")
    return {name: [lesson.agree(name, 20, count, seed) for count in (1, 2)] for name in lesson.UNITS}


def bug(seed: int) -> dict:
    """Losses and right verbs of an LSTM trained by hand at two distances, as found and fixed."""
    as_found = solved("vanishing_gradients", released=("vanishing-gradients-bug",))
    programs = {"as_found": as_found, "fixed": solved("vanishing_gradients")}
    return {
        name: {str(d): lesson.learn_by_hand(seed, d, a) for d, a in ((4, 1), (12, 2))}
        for name, lesson in programs.items()
    }
