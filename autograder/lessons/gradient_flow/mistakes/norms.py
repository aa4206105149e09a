"""Named mistakes of lesson 03, gradient flow: gradients that pass through a product, and how long they are."""

from __future__ import annotations

from collections.abc import Set

import torch
from torch import Tensor

from autograder.checking.spec import Slip, reference
from autograder.lessons.gradient_flow.mistakes.jacobians import (
    NO_SLOPE,
    SIGMOID_SLOPE,
    SLOPE_NOT_SQUARED,
    SLOPE_TWICE_TANH,
    factor,
    run,
    slope_of_tanh,
)


@reference(
    Slip(
        "slope-behind-weights",
        "each step multiplies by weight_hh first and by the slope afterwards",
        "Going back, which does the gradient meet first: the tanh of step t, or its weights?",
    ),
    Slip(
        "other-side",
        "the gradient is multiplied from the other side: J_t times a column, in place of a row times J_t",
        "A gradient is a row. On which side of J_t does it stand, and which does it meet first: the slopes or the weights?",
    ),
    Slip(
        "weights-transposed",
        "the gradient is multiplied by weight_hhᵀ at each step",
        "The forward pass multiplied the rows by weight_hhᵀ. What does the way back multiply by?",
    ),
    NO_SLOPE,
    SLOPE_NOT_SQUARED,
    SIGMOID_SLOPE,
    SLOPE_TWICE_TANH,
    Slip(
        "slope-of-preactivation",
        "the slope is taken as 1 - a², with a the pre-activation instead of the state",
        "Is 1 - h² written with what goes into the tanh or with what comes out?",
    ),
    Slip(
        "slope-of-old-state",
        "the slope of step t is taken at h_{t-1} instead of h_t",
        "The step from h_{t-1} to h_t: the output of which tanh is its slope written with?",
    ),
    Slip(
        "index-one-early",
        "the slope of step t is taken one state too early: states[:, t-2] is read as h_t (at t = 1 the index -1 wraps round to the last state)",
        "`states` has no h_0. At which index does h_t stand?",
    ),
    Slip(
        "not-averaged",
        "there is a norm for each sequence, (B, T+1), and no mean over the batch",
        "One number for each state is asked for. What is to become of the B numbers that you have?",
    ),
    Slip(
        "not-averaged-steps-first",
        "there is a norm for each sequence, (T+1, B), and no mean over the batch",
        "One number for each state is asked for. What is to become of the B numbers that you have?",
    ),
    Slip(
        "mean-of-gradients",
        "the gradients are averaged over the batch before the norm is taken",
        "Two gradients that point in opposite directions: what is the norm of their mean, and what the mean of their norms?",
    ),
    Slip(
        "norm-over-batch",
        "one norm is taken over the batch and the units together",
        "Over which axis is the norm of a single sequence's gradient?",
    ),
    Slip(
        "norm-over-batch-by-B",
        "one norm is taken over the batch and the units together and divided by B",
        "Over which axis is the norm of a single sequence's gradient? The mean of two norms is not the norm of the two together, halved.",
    ),
    Slip(
        "mean-before-root",
        "the squared norms are averaged over the batch and the root is taken of their mean",
        "First a norm for each sequence, then the mean of these numbers. Where does the root stand in yours?",
    ),
    Slip(
        "norm-of-columns",
        "the norm is taken along the batch, one for each unit, and then the mean over the units",
        "Which axis is the batch and which are the units? Along which of them does the gradient of one sequence lie?",
    ),
    Slip("summed-over-batch", "the norms are summed over the batch", "Is a sum or a mean over the batch asked for?"),
    Slip("squared", "the squared norms are averaged", "Where is the square root?"),
    Slip("root-mean-square", "the square root is taken of the mean of squares over the units", "What is ‖(3, 4)‖₂?"),
    Slip("one-norm", "the absolute values are summed", "What is ‖(3, 4)‖₂?"),
    Slip("largest-entry", "the largest absolute entry is taken for the norm", "What is ‖(3, 4)‖₂?"),
    Slip(
        "norm-of-da",
        "the norm is taken of the gradient by a_t, before it has passed the weights, and not of the one by h_{t-1}",
        "On which side of the weights is h_{t-1}? After which line of a round is its gradient there?",
    ),
    Slip(
        "newest-step-skipped",
        "dh_T is handed on as if it were the gradient of h_{T-1}: the way back leaves out step T",
        "Which step does the loop go back through first? Write down the values of its counter.",
    ),
    Slip(
        "without-h0",
        "the norm at h_0 is missing",
        "T + 1 states have a gradient, h_0 among them. Does your sweep take the step from h_1 to h_0?",
    ),
    Slip(
        "without-hT",
        "the norm at h_T is missing",
        "dh_T itself is a gradient, the one at t = T. Is its norm in your list?",
    ),
    Slip(
        "not-carried",
        "every step begins again from dh_T instead of from what the step after it handed back",
        "Which gradient arrives at h_{t-1}: that of the last state, or that of h_t?",
    ),
    Slip(
        "loss-at-every-step",
        "dh_T is added at every step, as if each state had a loss of its own",
        "Where does the loss touch the states here?",
    ),
    Slip(
        "forward-order",
        "the sweep runs from step 1 to step T",
        "The gradient comes in at h_T. With which step does its way back begin?",
    ),
    Slip(
        "norm-of-the-product",
        "the norm of the matrix ∂h_T/∂h_t is returned, without dh_T (the largest singular value)",
        "The gradient is a vector: dh_T times that matrix. Where does dh_T enter?",
    ),
    Slip(
        "norm-times-norm",
        "the norm of dh_T is multiplied by the norm of the matrix ∂h_T/∂h_t, which is only an upper bound",
        "Is the norm of a product the product of the norms?",
    ),
    Slip(
        "times-a-column",
        "dh_T is multiplied as a column from the right: (∂h_T/∂h_t) dh_T",
        "A gradient is a row. On which side of ∂h_T/∂h_t does dL/dh_T stand in the chain rule?",
    ),
    Slip(
        "from-the-start",
        "dh_T is multiplied by ∂h_t/∂h_0 in place of ∂h_T/∂h_t",
        "Which states lie between the loss and h_t?",
    ),
    Slip(
        "state-norms", "the norms of the states are returned", "The gradient of L by h_t is asked for. Where is dh_T?"
    ),
    Slip(
        "stacked-gradient",
        "only h_T has a gradient and all others are 0",
        "If you asked autograd: is a slice of the stacked tensor the same node in the graph as the state that the next step used?",
    ),
    Slip(
        "stacked-gradient-but-h0",
        "h_0 and h_T have a gradient and all between are 0",
        "If you asked autograd: is a slice of the stacked tensor the same node in the graph as the state that the next step used?",
    ),
)
def gradient_norms(slips: Set[str], x: Tensor, h0: Tensor, params: dict[str, Tensor], dh_T: Tensor) -> Tensor:
    """The mean over the batch of ‖∂L/∂h_t‖₂ for t = 0…T, given dh_T = ∂L/∂h_T; (T+1,)."""
    W, states = params["weight_hh"], run(x, h0, params)
    T = len(states) - 1
    if slips & {"norm-of-the-product", "norm-times-norm"}:
        product = torch.eye(W.shape[0], dtype=W.dtype, device=W.device).expand(len(x), *W.shape)
        scale = dh_T.norm(dim=1) if "norm-times-norm" in slips else 1.0
        norms = [(torch.linalg.matrix_norm(product, 2) * scale).mean()]
        for t in range(T, 0, -1):
            product = product @ factor(slips, states[t], W)
            norms.append((torch.linalg.matrix_norm(product, 2) * scale).mean())
        return torch.stack(norms[::-1])
    if "state-norms" in slips:
        return torch.stack([_size(slips, h) for h in states])
    if slips & {"times-a-column", "from-the-start"}:
        grads = []
        for t in range(T + 1):
            columns = dh_T[:, :, None]
            for s in range(t + 1, T + 1) if "times-a-column" in slips else range(t, 0, -1):
                J = factor(slips, states[s], W)
                columns = J @ columns if "times-a-column" in slips else J.mT @ columns
            grads.append(columns[:, :, 0])
        return torch.stack([_size(slips, grad) for grad in grads])

    def slope(t: int) -> Tensor:
        if "slope-of-preactivation" in slips:
            return 1 - torch.atanh(states[t]) ** 2
        if "index-one-early" in slips:
            return slope_of_tanh(slips, states[t - 1 if t > 1 else T])
        return slope_of_tanh(slips, states[t - 1 if "slope-of-old-state" in slips else t])

    def back(dh: Tensor, t: int) -> Tensor:
        if "stacked-gradient" in slips:
            return torch.zeros_like(dh)
        if "other-side" in slips:
            return (dh @ W.mT) * slope(t)
        M = W.mT if "weights-transposed" in slips else W
        dh = (dh @ M) * slope(t) if "slope-behind-weights" in slips else (dh * slope(t)) @ M
        return dh + dh_T if "loss-at-every-step" in slips else dh

    grads = [dh_T]  # of h_T, h_{T-1}, …, h_0
    steps = range(1, T + 1) if "forward-order" in slips else range(T - ("newest-step-skipped" in slips), 0, -1)
    for t in steps:
        grads.append(back(dh_T if "not-carried" in slips else grads[-1], t))
    if "norm-of-da" in slips:
        grads = [dh_T, *(grad * slope(t) for grad, t in zip(grads, steps, strict=False))]
    if slips & {"not-averaged", "not-averaged-steps-first"}:
        sizes = torch.stack([grad.norm(dim=1) for grad in reversed(grads)])  # (T+1, B)
        return sizes.mT if "not-averaged" in slips else sizes
    means = torch.stack([_size(slips, grad) for grad in reversed(grads)])
    if "stacked-gradient-but-h0" in slips:
        means[1:-1] = 0
    means = means[1:] if "without-h0" in slips else means
    return means[:-1] if "without-hT" in slips else means


def _size(slips: Set[str], grad: Tensor) -> Tensor:
    """One number for a gradient (B, H)."""
    if "mean-of-gradients" in slips:
        grad = grad.mean(0, keepdim=True)
    if slips & {"norm-over-batch", "norm-over-batch-by-B"}:
        return grad.norm() / (len(grad) if "norm-over-batch-by-B" in slips else 1)
    if "mean-before-root" in slips:
        return (grad**2).sum(1).mean().sqrt()
    if "norm-of-columns" in slips:
        return grad.norm(dim=0).mean()
    if "squared" in slips:
        sizes = (grad**2).sum(1)
    elif "root-mean-square" in slips:
        sizes = (grad**2).mean(1).sqrt()
    elif "one-norm" in slips:
        sizes = grad.abs().sum(1)
    elif "largest-entry" in slips:
        sizes = grad.abs().amax(1)
    else:
        sizes = grad.norm(dim=1)
    return sizes.sum() if "summed-over-batch" in slips else sizes.mean()
