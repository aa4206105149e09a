"""Named mistakes of lesson 01 in what is counted: arrows, paths, parameters."""

from __future__ import annotations

import math
from collections.abc import Set

from autograder.checking.spec import Slip, reference


@reference(
    Slip(
        "reversed", "every arrow points the wrong way", "An arrow goes from what is used to what is computed with it."
    ),
    Slip("stops-early", "the last step is missing", "Which numbers does `range(1, T)` give?"),
    Slip(
        "counts-from-zero", "the steps are counted from 0", "What are the first input and the first new state called?"
    ),
    Slip("own-theta", "every step has parameters of its own", "How many nodes for parameters does the picture have?"),
    Slip("theta-once", "theta feeds the first step only", "Which steps use the parameters?"),
    Slip(
        "theta-to-losses",
        "theta has an arrow to every loss as well",
        "Are the recurrent parameters used to compute L_t from h_t?",
    ),
    Slip(
        "no-theta",
        "the arrows from theta are missing",
        "What else is used to compute h_t, beside x_t and the state before?",
    ),
    Slip("no-h0", "the arrow from h0 is missing", "From which state does the first step start?"),
    Slip(
        "no-inputs",
        "the arrows from the inputs are missing",
        "What else is used to compute h_t, beside theta and the state before?",
    ),
    Slip("no-losses", "the arrows to the losses are missing", "Which state is L_t computed from?"),
    Slip("last-loss-only", "only the last state has a loss", "At which steps is there a loss in this graph?"),
    Slip("no-recurrence", "no state feeds the next one", "What makes this network recurrent?"),
    Slip("from-h0", "every state is fed by h0", "Which state does h_3 start from?"),
    Slip("past-the-end", "the last state feeds one more state", "Is there a state after h_T?"),
    Slip(
        "input-to-loss",
        "every input has an arrow to its loss as well",
        "Is the loss computed from the input, or from the state alone?",
    ),
    Slip(
        "states-late",
        "the arrows between states are one step late: the first is missing, and one leads beyond the last state",
        "Which state is used to compute h_t? Where does the last such arrow of your loop lead?",
    ),
    Slip(
        "first-step-only",
        "the arrows of the first step come back, and no others",
        "How often does the loop run before the function returns? Where does the `return` stand?",
    ),
    Slip(
        "inputs-from-zero",
        "the inputs are counted from 0, and the states from 1",
        "What is the input called that is used to compute h1?",
    ),
)
def unrolled_edges(slips: Set[str], T: int) -> set[tuple[str, str]]:
    """The arrows of the graph unrolled over T steps."""
    edges: set[tuple[str, str]] = set()
    if "first-step-only" in slips:
        T = 1
    steps = range(0, T) if "counts-from-zero" in slips else range(1, T if "stops-early" in slips else T + 1)
    for t in steps:
        theta = f"theta{t}" if "own-theta" in slips else "theta"
        if "no-theta" not in slips and (t == 1 or "theta-once" not in slips):
            edges.add((theta, f"h{t}"))
        if "theta-to-losses" in slips:
            edges.add((theta, f"L{t}"))
        if "no-inputs" not in slips:
            edges.add((f"x{t - 1}" if "inputs-from-zero" in slips else f"x{t}", f"h{t}"))
        if "input-to-loss" in slips:
            edges.add((f"x{t}", f"L{t}"))
        if not (("no-h0" in slips and t == 1) or "no-recurrence" in slips):
            edges.add(
                (f"h{t}", f"h{t + 1}")
                if "states-late" in slips
                else ("h0" if "from-h0" in slips else f"h{t - 1}", f"h{t}")
            )
        if "no-losses" not in slips and (t == T or "last-loss-only" not in slips):
            edges.add((f"h{t}", f"L{t}"))
    if "past-the-end" in slips:
        edges.add((f"h{T}", f"h{T + 1}"))
    return {(end, start) for start, end in edges} if "reversed" in slips else edges


@reference(
    Slip(
        "all-losses",
        "the paths to all losses L_1 … L_t are counted together",
        "To how many losses does the question ask for paths?",
    ),
    Slip(
        "doubles",
        "the number of paths doubles with every step",
        "At which node could a path choose between two arrows that both lead on to L_t?",
    ),
    Slip("one-too-few", "one path is forgotten", "For t = 1: is there a path from theta to L_1?"),
    Slip(
        "one-too-many",
        "one path too many is counted",
        "For t = 1: which paths lead from theta to L_1? (h_0 is not computed with theta.)",
    ),
    Slip(
        "each-parameter",
        "every path is counted once for each of W_ih, W_hh and b",
        "In this graph W_ih, W_hh and b are one node, theta. How many nodes does a path start from?",
    ),
    Slip(
        "two-for-all",
        "2 comes back, the number of the tiny example with t = 2",
        "How many paths are there for t = 3? Lay a finger on the first picture.",
    ),
    Slip("one-path", "only one path is counted", "Can a path enter the chain of states at an earlier step than t?"),
    Slip(
        "squared",
        "every step is paired with every step",
        "A path that has entered at one step: how many ways on to L_t does it have?",
    ),
    Slip(
        "arrows",
        "the arrows of the graph are counted",
        "A path is a chain of arrows. How many such chains lead from theta to L_t?",
    ),
    Slip(
        "factorial",
        "every step multiplies the number of paths by t",
        "How many ways on does a path have, once it is in the chain of states?",
    ),
)
def count_paths(slips: Set[str], t: int) -> int:
    """Paths from theta to L_t: one for each step at which a path can enter."""
    if len(slips) > 1:
        raise ValueError("two of these mistakes make no other number that means something")
    if "all-losses" in slips:
        return t * (t + 1) // 2
    if "each-parameter" in slips:
        return 3 * t
    if "two-for-all" in slips:
        return 2
    if "doubles" in slips:
        return 2 ** (t - 1)
    if "squared" in slips:
        return t * t
    if "arrows" in slips:
        return 4 * t
    if "factorial" in slips:
        return math.factorial(t)
    paths = 1 if "one-path" in slips else t
    return paths + ("one-too-many" in slips) - ("one-too-few" in slips)


@reference(
    Slip(
        "weight-hh-double",
        "weight_hh is counted as 2·H numbers",
        "weight_hh maps H numbers to H numbers: how many entries does it have?",
    ),
    Slip(
        "two-biases", "a second recurrent bias is counted, as in `torch.nn.RNN`", "How many biases does the table list?"
    ),
    Slip("with-h0", "h_0 is counted, as if it were a parameter", "Does the table list h_0 among the parameters?"),
    Slip("no-bias", "the recurrent bias is left out", "Which of the five parameters is missing?"),
    Slip("no-bias-out", "the bias of the read-out is left out", "Which of the five parameters is missing?"),
    Slip(
        "bias-out-of-state",
        "the bias of the read-out is taken to have H entries",
        "The bias is added to z_t. How many numbers has z_t?",
    ),
    Slip("no-recurrent-weights", "weight_hh is left out", "Which parameter carries the state from a step to the next?"),
    Slip("no-input-weights", "weight_ih is left out", "Which parameter brings the input in?"),
    Slip("no-readout", "the whole read-out is left out", "Which two parameters turn a state into an output?"),
    Slip(
        "readout-of-input",
        "the read-out is taken to have D columns",
        "Does the read-out look at the input or at the state?",
    ),
    Slip(
        "h-once",
        "weight_hh is counted as H numbers",
        "weight_hh maps H numbers to H numbers: how many entries does it have?",
    ),
    Slip(
        "sizes-added",
        "sizes are added where they should be multiplied",
        "How many entries does a tensor of shape (H, D) have?",
    ),
)
def parameter_count(slips: Set[str], D: int, H: int, V: int) -> int:
    """Entries of the five parameters."""
    if "sizes-added" in slips:
        return (H + D) + (H + H) + H + (V + H) + V
    counts = {
        "no-input-weights": H * D,
        "no-recurrent-weights": H if "h-once" in slips else 2 * H if "weight-hh-double" in slips else H * H,
        "no-bias": H * (2 if "two-biases" in slips else 1),
        "no-readout": V * (D if "readout-of-input" in slips else H),
        "no-bias-out": H if "bias-out-of-state" in slips else V,
    }
    left_out = slips | ({"no-bias-out"} if "no-readout" in slips else set())
    return sum(count for name, count in counts.items() if name not in left_out) + H * ("with-h0" in slips)
