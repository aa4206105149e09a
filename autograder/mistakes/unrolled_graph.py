"""Named mistakes of lesson 01, the unrolled graph."""

from __future__ import annotations

import math
from collections.abc import Set

import torch
from torch import Tensor

from autograder.spec import Slip, reference


@reference(
    Slip("left-linear", "the tanh is left out", "What is done to a_t before it becomes h_t?"),
    Slip("no-bias", "the bias is left out", "Which of the parameters does your line not use?"),
    Slip("bias-twice", "the bias is added twice", "How many biases does the formula have?"),
    Slip("no-recurrence", "h_{t-1} is left out", "Where does the previous state enter the formula?"),
    Slip("no-input", "x_t is left out", "Where does the input enter the formula?"),
    Slip("weight-hh-transposed", "weight_hh is used the other way round", "For row vectors, is it h W or h Wᵀ?"),
    Slip("sigmoid", "a sigmoid stands in the place of tanh", "Which function maps a_t to h_t here?"),
    Slip("relu", "a ReLU stands in the place of tanh", "Which function maps a_t to h_t here?"),
    Slip(
        "state-added",
        "h_{t-1} is added once more, behind the tanh",
        "Does the formula have a skip connection?",
    ),
    Slip("bias-outside", "the bias is added behind the tanh", "What stands inside the tanh?"),
)
def rnn_step(slips: Set[str], x_t: Tensor, h_prev: Tensor, params: dict[str, Tensor]) -> Tensor:
    """h_t = tanh(x_t W_ihᵀ + h_{t-1} W_hhᵀ + b); (B, D), (B, H) → (B, H)."""
    weight_hh = params["weight_hh"]
    a_t = torch.zeros_like(h_prev)
    if "no-input" not in slips:
        a_t = a_t + x_t @ params["weight_ih"].T
    if "no-recurrence" not in slips:
        a_t = a_t + h_prev @ (weight_hh if "weight-hh-transposed" in slips else weight_hh.T)
    if "no-bias" not in slips and "bias-outside" not in slips:
        a_t = a_t + params["bias"] * (2 if "bias-twice" in slips else 1)
    if "left-linear" in slips:
        h_t = a_t
    elif "sigmoid" in slips:
        h_t = torch.sigmoid(a_t)
    elif "relu" in slips:
        h_t = torch.relu(a_t)
    else:
        h_t = torch.tanh(a_t)
    if "bias-outside" in slips:
        h_t = h_t + params["bias"]
    return h_t + h_prev if "state-added" in slips else h_t


@reference(
    Slip("restart", "every step starts from h_0", "From which state does the second step start?"),
    Slip("from-zero", "the first step starts from zeros", "What is `h0` for?"),
    Slip(
        "h0-stored",
        "the state is stored before the step, so that h_0 comes first and h_T is lost",
        "Is h_0 one of the states that are asked for?",
    ),
    Slip(
        "reshape-in",
        "x is cut anew with `reshape` or `view` to put time first",
        "`reshape` keeps the order of the numbers in memory: does it swap axes?",
    ),
    Slip(
        "reshape-out",
        "the stacked states are cut anew with `reshape` or `view` to put the batch first",
        "`reshape` keeps the order of the numbers in memory: does it swap axes?",
    ),
    Slip("inputs-reversed", "the inputs are read from the last to the first", "In which order does time pass?"),
    Slip("same-input", "every step reads x_1", "Which input belongs to step t?"),
    Slip(
        "input-late",
        "step t reads x_{t-1}, and the first step the last input",
        "Python counts from 0: at which index does x_t stand?",
    ),
    Slip(
        "last-everywhere",
        "every entry of the result is the last state",
        "If one tensor is written into again and again, and kept each time: how many tensors are there?",
    ),
    Slip(
        "two-steps",
        "the step is taken twice for each input",
        "How often is `rnn_step` called in one round of the loop?",
    ),
    Slip(
        "stuck", "the result of the first step is never fed on", "Which variable does the next round of the loop read?"
    ),
)
def unroll(slips: Set[str], x: Tensor, h0: Tensor, params: dict[str, Tensor]) -> Tensor:
    """h_1 … h_T; (B, T, D), (B, H) → (B, T, H)."""
    B, T, _ = x.shape
    inputs = list(x.reshape(T, B, -1) if "reshape-in" in slips else x.transpose(0, 1))
    if "inputs-reversed" in slips:
        inputs = inputs[::-1]
    if "same-input" in slips:
        inputs = inputs[:1] * T
    if "input-late" in slips:
        inputs = inputs[-1:] + inputs[:-1]
    start = torch.zeros_like(h0) if "from-zero" in slips else h0
    states, h = [], start
    for t, x_t in enumerate(inputs):
        before = h
        if "restart" in slips or ("stuck" in slips and t):
            before = start if "restart" in slips else states[0]
        h = rnn_step(x_t, before, params)
        if "two-steps" in slips:
            h = rnn_step(x_t, h, params)
        states.append(h)
    if "h0-stored" in slips:
        states = [start, *states[:-1]]
    if "last-everywhere" in slips:
        states = [h] * T
    if "reshape-out" in slips:
        return torch.stack(states).reshape(B, T, -1)
    return torch.stack(states, 1)


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
)
def unrolled_edges(slips: Set[str], T: int) -> set[tuple[str, str]]:
    """The arrows of the graph unrolled over T steps."""
    edges: set[tuple[str, str]] = set()
    steps = range(0, T) if "counts-from-zero" in slips else range(1, T if "stops-early" in slips else T + 1)
    for t in steps:
        theta = f"theta{t}" if "own-theta" in slips else "theta"
        if "no-theta" not in slips and (t == 1 or "theta-once" not in slips):
            edges.add((theta, f"h{t}"))
        if "theta-to-losses" in slips:
            edges.add((theta, f"L{t}"))
        if "no-inputs" not in slips:
            edges.add((f"x{t}", f"h{t}"))
        if "input-to-loss" in slips:
            edges.add((f"x{t}", f"L{t}"))
        if not (("no-h0" in slips and t == 1) or "no-recurrence" in slips):
            edges.add(("h0" if "from-h0" in slips else f"h{t - 1}", f"h{t}"))
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
    Slip("one-path", "only one path is counted", "Can a path enter the row of states at an earlier step than t?"),
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
        "How many ways on does a path have, once it is in the row of states?",
    ),
)
def count_paths(slips: Set[str], t: int) -> int:
    """Paths from theta to L_t: one for each step at which a path can enter."""
    if "all-losses" in slips:
        return t * (t + 1) // 2
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
        "two-biases", "a second recurrent bias is counted, as in `torch.nn.RNN`", "How many biases does the table list?"
    ),
    Slip("no-bias", "the recurrent bias is left out", "Which of the five parameters is missing?"),
    Slip("no-bias-out", "the bias of the read-out is left out", "Which of the five parameters is missing?"),
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
        "no-recurrent-weights": H if "h-once" in slips else H * H,
        "no-bias": H * (2 if "two-biases" in slips else 1),
        "no-readout": V * (D if "readout-of-input" in slips else H),
        "no-bias-out": V,
    }
    left_out = slips | ({"no-bias-out"} if "no-readout" in slips else set())
    return sum(count for name, count in counts.items() if name not in left_out)


@reference(
    Slip("lengths-ignored", "the lengths are not used", "What happens to a state when its sequence has ended?"),
    Slip(
        "zero-past-end",
        "the state is set to zero past the end",
        "Should the state of a sequence that has ended vanish, or stay?",
    ),
    Slip(
        "states-zeroed",
        "the states past the end are set to zero in the result, though h_last is right",
        "What is asked for the states past the end: zeros, or the last state again?",
    ),
    Slip("back-to-h0", "the state goes back to h_0 past the end", "What was the state after the last real step?"),
    Slip(
        "input-zeroed",
        "the input is set to zero past the end, and the steps go on",
        "Is a step with a zero input no step at all? What about the recurrence and the bias?",
    ),
    Slip(
        "one-too-many",
        "every sequence runs one step too long",
        "At index t of Python stands step t + 1: for which t does a sequence of length 1 still move?",
    ),
    Slip(
        "one-too-few",
        "every sequence stops one step too early",
        "At index t of Python stands step t + 1: for which t does a sequence of length 1 still move?",
    ),
    Slip(
        "first-length",
        "the length of the first sequence is used for all",
        "Has each row of the batch a length of its own?",
    ),
    Slip(
        "last-of-unroll",
        "h_last is the state after T steps, whatever the length",
        "Where does the state of a short sequence stand at its own end?",
    ),
    Slip(
        "last-one-early",
        "h_last is the state one step before the end",
        "Which index has the state after step ℓ: ℓ or ℓ − 1?",
    ),
)
def unroll_padded(
    slips: Set[str], x: Tensor, h0: Tensor, lengths: Tensor, params: dict[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """States that stay as they were past each length, and the states at the lengths."""
    T = x.shape[1]
    until = lengths[:1].expand_as(lengths) if "first-length" in slips else lengths
    until = until + int("one-too-many" in slips) - int("one-too-few" in slips)
    states, free, h, naive = [], [], h0, h0
    for t in range(T):
        going = (t < until).unsqueeze(1)
        x_t = torch.where(going, x[:, t], 0) if "input-zeroed" in slips else x[:, t]
        new = rnn_step(x_t, h, params)
        naive = rnn_step(x[:, t], naive, params)
        free.append(naive)
        if slips & {"lengths-ignored", "input-zeroed"}:
            h = new
        else:
            past = torch.zeros_like(h) if "zero-past-end" in slips else h0 if "back-to-h0" in slips else h
            h = torch.where(going, new, past)
        states.append(h)
    all_states, h_last = torch.stack(states, 1), h
    if "last-of-unroll" in slips:
        h_last = free[-1]
    if "last-one-early" in slips:
        h_last = all_states[torch.arange(len(lengths)), (lengths - 2).clamp(min=0)]
    if "states-zeroed" in slips:
        ended = torch.arange(T, device=x.device) >= lengths.unsqueeze(1)
        all_states = all_states.masked_fill(ended.unsqueeze(2), 0)
    return all_states, h_last


@reference(
    Slip(
        "cut-each-step",
        "each step starts from a detached state, so that the gradients reach one step only",
        "Through which variable does the state go from a step to the next, and has it a graph? `graph.depth(loss)` tells.",
    ),
    Slip(
        "cut-before-last",
        "the state is detached once, before the read-out",
        "Where in your program is the graph behind the last state lost?",
    ),
    Slip("restart", "every step starts from h_0", "From which state does the second step start?"),
    Slip(
        "sum-not-mean", "the loss is summed over the batch", "The loss was right as you found it. What did you change?"
    ),
)
def loss_and_gradients(
    slips: Set[str], x: Tensor, h0: Tensor, params: dict[str, Tensor], target: Tensor
) -> tuple[Tensor, dict[str, Tensor], list[Tensor]]:
    """Squared error of the read-out at the last step, its gradients, and all states."""
    with torch.enable_grad():
        leaves = {name: tensor.clone().requires_grad_() for name, tensor in params.items()}
        h, log = h0, [h0]
        for t in range(x.shape[1]):
            before = h0 if "restart" in slips else h.detach() if "cut-each-step" in slips else h
            h = rnn_step(x[:, t], before, leaves)
            log.append(h.detach())
        h = h.detach() if "cut-before-last" in slips else h
        guess = h @ leaves["weight_out"].T + leaves["bias_out"]
        errors = (guess[:, 0] - target) ** 2
        loss = errors.sum() if "sum-not-mean" in slips else errors.mean()
        found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True, materialize_grads=True)
    return loss.detach(), dict(zip(leaves, found, strict=True)), log
