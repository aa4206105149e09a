"""Named mistakes of lesson 01 in what is computed: states and gradients."""

from __future__ import annotations

from collections.abc import Set

import torch
from torch import Tensor

from autograder.checking.spec import Slip, reference


@reference(
    Slip("left-linear", "the tanh is left out", "What is done to a_t before it becomes h_t?"),
    Slip("no-bias", "the bias is left out", "Which of the parameters does your line not use?"),
    Slip("bias-twice", "the bias is added twice", "How many biases does the formula have?"),
    Slip("no-recurrence", "h_{t-1} is left out", "Where does the previous state enter the formula?"),
    Slip("no-input", "x_t is left out", "Where does the input enter the formula?"),
    Slip("weight-hh-transposed", "weight_hh is used the other way round", "For row vectors, is it h W or h Wᵀ?"),
    Slip("sigmoid", "a sigmoid is used in place of tanh", "Which function maps a_t to h_t here?"),
    Slip("relu", "a ReLU is used in place of tanh", "Which function maps a_t to h_t here?"),
    Slip(
        "state-added",
        "h_{t-1} is added once more, behind the tanh",
        "Does the formula have a skip connection?",
    ),
    Slip("bias-outside", "the bias is added behind the tanh", "What stands inside the tanh?"),
    Slip(
        "weight-ih-reshaped",
        "weight_ih is cut up with `reshape` or `view` to make the shapes fit",
        "`reshape` keeps the order of the numbers in memory: does it swap axes?",
    ),
    Slip(
        "terms-squashed",
        "the input's term and the state's term go through a tanh each, and the bias is added behind",
        "What stands inside the tanh of the formula: one term, or the sum of all three?",
    ),
    Slip(
        "terms-squashed-with-bias",
        "the input's term (with the bias) and the state's term go through a tanh each",
        "What stands inside the tanh of the formula: one term, or the sum of all three?",
    ),
)
def rnn_step(slips: Set[str], x_t: Tensor, h_prev: Tensor, params: dict[str, Tensor]) -> Tensor:
    """h_t = tanh(x_t W_ihᵀ + h_{t-1} W_hhᵀ + b); (B, D), (B, H) → (B, H)."""
    weight_ih, weight_hh = params["weight_ih"], params["weight_hh"]
    if slips & {"terms-squashed", "terms-squashed-with-bias"}:
        bias, from_x, from_h = params["bias"], x_t @ weight_ih.T, h_prev @ weight_hh.T
        if "terms-squashed" in slips:
            return torch.tanh(from_x) + torch.tanh(from_h) + bias
        return torch.tanh(from_x + bias) + torch.tanh(from_h)
    a_t = torch.zeros_like(h_prev)
    if "no-input" not in slips:
        a_t = a_t + x_t @ (weight_ih.reshape(*weight_ih.T.shape) if "weight-ih-reshaped" in slips else weight_ih.T)
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
        "x is cut up with `reshape` or `view` to put time first",
        "`reshape` keeps the order of the numbers in memory: does it swap axes?",
    ),
    Slip(
        "reshape-out",
        "the stacked states are cut up with `reshape` or `view` to put the batch first",
        "`reshape` keeps the order of the numbers in memory: does it swap axes?",
    ),
    Slip("inputs-reversed", "the inputs are read from the last to the first", "In which order does time pass?"),
    Slip("same-input", "every step reads x_1", "Which input belongs to step t?"),
    Slip("last-input", "every step reads the last input, x_T", "Which input belongs to step t?"),
    Slip(
        "input-late",
        "step t reads x_{t-1}, and the first step the last input",
        "Python counts from 0: at which index does x_t stand?",
    ),
    Slip(
        "input-late-first-twice",
        "step t reads x_{t-1}, and the first step x_1 as well",
        "Python counts from 0: at which index does x_t stand?",
    ),
    Slip(
        "first-everywhere",
        "every entry of the result is the state of step 1",
        "What is put into the list in the second round: the state that this round has made?",
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
    Slip(
        "counts-rows",
        "the loop makes one step for each row of the batch, B in all",
        "Which entry of `x.shape` is the number of steps?",
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
    if "last-input" in slips:
        inputs = inputs[-1:] * T
    if "input-late" in slips:
        inputs = inputs[-1:] + inputs[:-1]
    if "input-late-first-twice" in slips:
        inputs = inputs[:1] + inputs[:-1]
    if "counts-rows" in slips:
        inputs = [inputs[t] for t in range(B)]
    start = torch.zeros_like(h0) if "from-zero" in slips else h0
    states: list[Tensor] = []
    h = start
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
        states = [h] * len(inputs)
    if "first-everywhere" in slips:
        states = states[:1] * len(inputs)
    if "reshape-out" in slips:
        return torch.stack(states).reshape(B, T, -1)
    return torch.stack(states, 1)


@reference(
    Slip(
        "cut-each-step",
        "each step hands on a detached state, so that every gradient goes back one step only",
        "Which variable goes from a step to the next, and has it a graph?",
    ),
    Slip(
        "cut-before-each-step",
        "the state is detached as it goes into a step, so that every gradient goes back one step only",
        "Which variable goes from a step to the next, and has it a graph?",
    ),
    Slip(
        "h0-cut",
        "h_0 is detached, so that no gradient reaches it",
        "Which line copies h_0, and does the copy keep the graph?",
    ),
    Slip(
        "params-cut",
        "the parameters are detached, so that no gradient reaches them",
        "Which line copies the parameters or takes their `.data`?",
    ),
    Slip(
        "step-cut",
        "what each step gives is detached, so that no gradient goes back through any step",
        "Which line takes the result of `rnn_step`, and has what it keeps a graph?",
    ),
    Slip(
        "new-beginning",
        "the way back ends at a detached tensor with `requires_grad_()`, so that nothing reaches h_0 or a parameter",
        "Does `requires_grad_()` give a detached tensor its past back, or does its graph start over?",
    ),
)
def sent_back(
    slips: Set[str], x: Tensor, h0: Tensor, params: dict[str, Tensor], toward: list[Tensor], lengths: list[int]
) -> list[Tensor]:
    """Gradients of Σ toward · states (and of toward · h_last) by h_0 and each parameter; states stay past their length."""
    with torch.enable_grad():
        if "step-cut" in slips and min(lengths) == x.shape[1]:
            raise ValueError("where no state stays as it was, no graph is left at all")
        if "new-beginning" in slips:
            return [torch.zeros_like(h0), *(torch.zeros_like(tensor) for tensor in params.values())]
        leaves = [h0.clone().requires_grad_(), *(tensor.clone().requires_grad_() for tensor in params.values())]
        used = dict(zip(params, (leaf.detach() if "params-cut" in slips else leaf for leaf in leaves[1:]), strict=True))
        h = leaves[0].detach() if "h0-cut" in slips else leaves[0]
        until = torch.tensor(lengths, device=x.device).unsqueeze(1)
        states = []
        for t in range(x.shape[1]):
            before = h.detach() if "cut-before-each-step" in slips else h
            new = rnn_step(torch.where(t < until, x[:, t], 0), before, used)
            h = torch.where(t < until, new.detach() if "step-cut" in slips else new, before)
            states.append(h)
            h = h.detach() if "cut-each-step" in slips else h
        made = [torch.stack(states, 1), states[-1]]
        total = torch.stack([(one * weight).sum() for one, weight in zip(made, toward, strict=False)]).sum()
        return list(torch.autograd.grad(total, leaves, allow_unused=True, materialize_grads=True))


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
