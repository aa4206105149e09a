"""Named mistakes of hand-written backpropagation through time, with a loss on the last state."""

from __future__ import annotations

from collections.abc import Set

from torch import Tensor

from autograder.checking.spec import Slip, reference
from autograder.checking.sweeps.step import LOCAL, Params
from autograder.checking.sweeps.sweep import STATES, forward, gradients, overwritten, sweep

_COUNTER = "Which values does the loop's counter take? Write down the first and the last one."
STOPS = (
    Slip("stops-before-first", "the way back stops before step t = 1", _COUNTER),
    Slip("starts-before-last", "the way back leaves out step t = T", _COUNTER),
    Slip("goes-past-first", "the way back does not stop behind step t = 1: it goes on to t = 0, where the index t − 1 is −1 and counts from the end",
         _COUNTER),
)  # fmt: skip
# The sweep over time.
SWEEP = (
    *STOPS,
    *overwritten("step t = 1"),
    *STATES,
    Slip("dh1-as-dh0", "dL/dh_1 is returned in place of dL/dh_0", "Between h_0 and h_1 lies one more step. Has the gradient passed it?"),
    Slip("dx-reversed", "the gradients of x stand in the order in which they were found, last step first",
         "Going backwards, which step's gradient is found first, and where does it belong?"),
    Slip("dx-reshaped", "the gradients of x were stacked with time first and then reshaped, which mixes the rows of the batch",
         "`reshape` does not swap axes, it cuts the same numbers into other rows. Which axis does `stack` make?"),
)  # fmt: skip
LAST = (
    Slip("no-carry", "nothing is passed from step T to the steps before it, so that only step T contributes",
         "h_{T-1} has no loss of its own here. How does the loss at the end reach it?"),
    Slip("fed-every-step", "dh_T is added at every step", "At how many steps does the loss look at the state in this exercise?"),
    Slip("same-upstream", "every step is given dh_T itself, unchanged", "dh_T is dL/dh_T. What is dL/dh_{T-1}, and which line makes it?"),
    Slip("never-handed-on", "every step is given dh_T itself, unchanged, and dh_T is returned for h0 too",
         "Each step's dL/dh_{t-1} is the upstream gradient of the step before it. Where does your loop put it?"),
    Slip("divided-by-time", "the gradients of the parameters are divided by T",
         "Is the gradient of a shared parameter the sum over its uses, or the mean?"),
)  # fmt: skip


def listed(*slips: Slip) -> tuple[Slip, ...]:
    """The same mistakes where the dx are collected in a list, so that the gradient of x has too few or too many steps."""
    says = "{}. So the list of dx does not have T entries"
    return tuple(Slip(f"{slip.id}-listed", says.format(slip.says), slip.asks) for slip in slips)


def plain(slips: Set[str]) -> Set[str]:
    """The slips without the difference that a list of dx makes."""
    return frozenset(id.removesuffix("-listed") for id in slips)


@reference(*LAST, *LOCAL, *SWEEP, *listed(*STOPS))
def bptt_last(slips: Set[str], x: Tensor, h0: Tensor, params: Params, dh_T: Tensor) -> Params:
    """Gradients of a loss that looks at the last state alone."""
    given, slips = slips, plain(slips)
    run = forward(slips, x, h0, params)
    own = x.new_zeros(1, *run.states.shape)
    if "fed-every-step" in slips:
        own[0, : x.shape[1] - 1] = dh_T
    grads = gradients(slips, sweep(slips, run, own, params, dh_T), x, in_list=slips != given)
    over = x.shape[1] if "divided-by-time" in slips else 1
    return {name: value / over if name in params else value for name, value in grads.items()}
