"""Named mistakes of lesson 03, gradient flow: one Jacobian, products of them, and gradients that pass through them."""

from __future__ import annotations

from collections.abc import Set

import torch
from torch import Tensor

from autograder.spec import Slip, reference

# ------------------------------------------------------------------------------------------ one factor
# What can go wrong inside one factor, diag(1 - h_t²) W_hh; shared by everything that multiplies such factors.
NO_SLOPE = Slip("no-slope", "the slope of tanh is left out", "What does the tanh of this step do to a small change?")
SLOPE_NOT_SQUARED = Slip(
    "slope-not-squared",
    "the slope is taken as 1 - h instead of 1 - h²",
    "What is the slope of tanh at h = -0.5? Can it be larger than 1?",
)
SIGMOID_SLOPE = Slip(
    "sigmoid-slope",
    "the slope is that of the sigmoid, h (1 - h)",
    "At h = 0 tanh is steepest. What does your slope give there?",
)
SLOPE_TWICE_TANH = Slip(
    "slope-of-tanh-h",
    "tanh is applied to h once more before the slope is taken: 1 - tanh(h)²",
    "h is already the output of the tanh. What is left to do?",
)
SLOPE_COLUMNS = Slip(
    "slope-on-columns",
    "the slopes scale the columns of weight_hh: W·diag in the place of diag·W",
    "A change of the old state meets W first and the tanh second. So which index, i or j, does the slope carry?",
)
WEIGHTS_TRANSPOSED = Slip(
    "weights-transposed",
    "weight_hh is transposed in each factor, with the slopes on the rows",
    "Which entry of weight_hh leads from the old unit j to the new unit i?",
)
SLOPE_MEAN = Slip(
    "slope-averaged",
    "the slopes are averaged over the batch before they are used",
    "Do two sequences of the batch have the same state? May they share a Jacobian?",
)
FIRST_ROW = Slip(
    "first-row-for-all",
    "the states of the first sequence are used for every row of the batch",
    "Where does the index b of the sequence enter your line?",
)


def _slope(slips: Set[str], h: Tensor) -> Tensor:
    """The slope of tanh at states h (B, H), as these slips have it."""
    if "no-slope" in slips:
        return torch.ones_like(h)
    if "slope-not-squared" in slips:
        slope = 1 - h
    elif "sigmoid-slope" in slips:
        slope = h * (1 - h)
    elif "slope-of-tanh-h" in slips:
        slope = 1 - torch.tanh(h) ** 2
    elif "slope-plus" in slips:
        slope = 1 + h * h
    elif "slope-of-abs" in slips:
        slope = 1 - h.abs()
    else:
        slope = 1 - h * h
    if "slope-averaged" in slips:
        slope = slope.mean(0).expand_as(slope)
    return slope[:1].expand_as(slope) if "first-row-for-all" in slips else slope


def factor(slips: Set[str], h: Tensor, weight_hh: Tensor) -> Tensor:
    """One factor, ∂h_t/∂h_{t-1}, from h_t (B, H): (B, H, H)."""
    W = weight_hh.mT if "weights-transposed" in slips else weight_hh
    slope = _slope(slips, h)
    return slope[:, None, :] * W if "slope-on-columns" in slips else slope[:, :, None] * W


def run(x: Tensor, h0: Tensor, params: dict[str, Tensor]) -> list[Tensor]:
    """The states h_0, …, h_T of a batch, each (B, H)."""
    states = [h0]
    for t in range(x.shape[1]):
        a_t = x[:, t] @ params["weight_ih"].T + states[-1] @ params["weight_hh"].T + params["bias"]
        states.append(torch.tanh(a_t))
    return states


@reference(
    NO_SLOPE,
    SLOPE_NOT_SQUARED,
    SIGMOID_SLOPE,
    SLOPE_TWICE_TANH,
    SLOPE_COLUMNS,
    WEIGHTS_TRANSPOSED,
    Slip(
        "transposed",
        "the two unit indices have changed places: entry [b, i, j] holds ∂h_t[j]/∂h_{t-1}[i]",
        "Which index belongs to what moves, and which to what is moved?",
    ),
    SLOPE_MEAN,
    FIRST_ROW,
    Slip(
        "slope-twice",
        "the slope is multiplied in twice",
        "Through how many tanhs does a change pass in one step?",
    ),
    Slip(
        "slope-inverted",
        "weight_hh is divided by the slope instead of multiplied",
        "Does a saturated unit pass a change on more strongly, or more weakly?",
    ),
    Slip("slope-plus", "the slope is taken as 1 + h²", "Can the slope of tanh be larger than 1?"),
    Slip("slope-of-abs", "the slope is taken as 1 - |h|", "Which power of h stands in the slope of tanh?"),
    Slip(
        "identity-added",
        "the identity is added, as if the old state were also carried over",
        "Does h_t = tanh(…) contain h_{t-1} outside the tanh?",
    ),
    Slip("slope-alone", "only diag(1 - h²) is there and weight_hh is not", "Where does the old state meet weights?"),
    Slip(
        "matrix-product",
        "the slopes are multiplied with weight_hh as a row with a matrix, which sums over the units",
        "The result has an entry for each pair (i, j). Which of its indices did your product sum away?",
    ),
)
def step_jacobian(slips: Set[str], h: Tensor, params: dict[str, Tensor]) -> Tensor:
    """∂h_t/∂h_{t-1} = diag(1 - h_t²) W_hh from h = h_t; (B, H) → (B, H, H)."""
    slope = _slope(slips, h)
    if "matrix-product" in slips:
        return slope @ params["weight_hh"]
    if "slope-alone" in slips:
        return torch.diag_embed(slope)
    J = factor(slips, h, params["weight_hh"])
    if "slope-twice" in slips:
        J = slope[:, :, None] * J
    if "slope-inverted" in slips:
        J = params["weight_hh"] / slope[:, :, None]
    if "identity-added" in slips:
        J = J + torch.eye(h.shape[1], dtype=h.dtype, device=h.device)
    return J.mT if "transposed" in slips else J


@reference(
    Slip(
        "oldest-left",
        "the factors stand in the opposite order, the oldest on the left",
        "A change of h_k meets step k + 1 first. On which side of the product does the factor that acts first stand?",
    ),
    Slip(
        "starts-late",
        "the first factor, that of step k + 1, is missing",
        "Which step turns h_k into h_{k+1}, and is its factor in your product?",
    ),
    Slip(
        "starts-early",
        "there is one factor too many at the old end, that of step k",
        "Step k leads from h_{k-1} to h_k. Is that on the way from h_k to h_t?",
    ),
    Slip(
        "stops-early",
        "the last factor, that of step t, is missing",
        "Where does the range of your loop end, and is the last step in it?",
    ),
    Slip(
        "stops-late",
        "there is one factor too many at the new end, that of step t + 1",
        "Which is the last step on the way to h_t?",
    ),
    Slip(
        "index-one-late",
        "the factor of each step is taken at the state one step later: states[:, s] is read as h_s",
        "`states` has no h_0. At which index does h_s stand?",
    ),
    Slip(
        "index-one-early",
        "the slope of each step is taken at the old state h_{s-1} instead of the new one h_s (at s = 1 the index -1 wraps round to the last state)",
        "Is the slope of tanh written with what goes into the step, or with what comes out?",
    ),
    Slip(
        "product-transposed",
        "the whole product is transposed",
        "Entry [b, i, j] moves i by a change of j. Which of them belongs to h_t?",
    ),
    NO_SLOPE,
    SLOPE_NOT_SQUARED,
    SIGMOID_SLOPE,
    SLOPE_TWICE_TANH,
    SLOPE_COLUMNS,
    WEIGHTS_TRANSPOSED,
    Slip(
        "entry-by-entry",
        "the factors are multiplied entry by entry",
        "`*` and `@` are two products. Which one does the chain rule ask for?",
    ),
    Slip("summed", "the factors are added", "Does the chain rule add the factors along one path?"),
    Slip(
        "same-factor",
        "the factor of step t is used for every step",
        "Do all steps have the same slope? Where does the loop's index enter the factor?",
    ),
    Slip("only-newest", "only the factor of step t is there", "What happens to the product of the steps before?"),
    Slip("only-oldest", "only the factor of step k + 1 is there", "What happens to the product of the steps before?"),
    SLOPE_MEAN,
    FIRST_ROW,
    Slip(
        "product-averaged",
        "the products are averaged over the batch",
        "Each sequence has a product of its own. Where do you take a mean?",
    ),
    Slip(
        "starts-with-factor",
        "the product begins with the factor of step k + 1, even where k = t and there is no step",
        "What is ∂h_t/∂h_t? What should the product be before the first factor comes in?",
    ),
    Slip(
        "starts-with-newest",
        "the product begins with the factor of step t, even where k = t and there is no step",
        "What is ∂h_t/∂h_t? What should the product be before the first factor comes in?",
    ),
)
def jacobian_product(slips: Set[str], states: Tensor, params: dict[str, Tensor], k: int, t: int) -> Tensor:
    """∂h_t/∂h_k = J_t … J_{k+1}, newest on the left; (B, T, H) → (B, H, H)."""
    W, (B, _, H) = params["weight_hh"], states.shape
    if k == t and slips - {"starts-with-factor", "starts-with-newest"}:
        raise ValueError("every other mistake has shown where k < t")
    shift = int("index-one-late" in slips) - int("index-one-early" in slips)

    def at(s: int) -> Tensor:
        s = t if "same-factor" in slips else s
        return factor(slips, states[:, s - 1 + shift], W)  # index -1 wraps round, as it does for a learner

    first = k + 1 + int("starts-late" in slips) - int("starts-early" in slips)
    last = t - int("stops-early" in slips) + int("stops-late" in slips)
    product = torch.eye(H, dtype=W.dtype, device=W.device).expand(B, H, H)
    if k == t and "starts-with-factor" in slips:
        product = at(k + 1)
    elif k == t and "starts-with-newest" in slips:
        product = at(t)
    elif "only-newest" in slips:
        product = at(last)
    elif "only-oldest" in slips:
        product = at(first)
    elif "summed" in slips:
        product = torch.stack([at(s) for s in range(first, last + 1)]).sum(0)
    elif "entry-by-entry" in slips:
        product = torch.stack([at(s) for s in range(first, last + 1)]).prod(0)
    else:
        for s in range(first, last + 1):
            product = product @ at(s) if "oldest-left" in slips else at(s) @ product
    if "product-averaged" in slips:
        product = product.mean(0).expand_as(product)
    return product.mT if "product-transposed" in slips else product


@reference(
    Slip(
        "slope-behind-weights",
        "each step multiplies by weight_hh first and by the slope afterwards",
        "Going back, which does the gradient meet first: the tanh of step t, or its weights?",
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
        "mean-of-gradients",
        "the gradients are averaged over the batch before the norm is taken",
        "Two gradients that point in opposite directions: what is the norm of their mean, and what the mean of their norms?",
    ),
    Slip(
        "norm-over-batch",
        "one norm is taken over the batch and the units together",
        "Over which axis is the norm of a single sequence's gradient?",
    ),
    Slip("summed-over-batch", "the norms are summed over the batch", "Is a sum or a mean over the batch asked for?"),
    Slip("squared", "the squared norms are averaged", "Where is the square root?"),
    Slip("root-mean-square", "the square root is taken of the mean of squares over the units", "What is ‖(3, 4)‖₂?"),
    Slip("one-norm", "the absolute values are summed", "What is ‖(3, 4)‖₂?"),
    Slip("largest-entry", "the largest absolute entry is taken for the norm", "What is ‖(3, 4)‖₂?"),
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
        "dh_T is multiplied by ∂h_t/∂h_0 in the place of ∂h_T/∂h_t",
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
        return _slope(slips, states[t - 1 if "slope-of-old-state" in slips else t])

    def back(dh: Tensor, t: int) -> Tensor:
        if "stacked-gradient" in slips:
            return torch.zeros_like(dh)
        M = W.mT if "weights-transposed" in slips else W
        dh = (dh @ M) * slope(t) if "slope-behind-weights" in slips else (dh * slope(t)) @ M
        return dh + dh_T if "loss-at-every-step" in slips else dh

    grads = [dh_T]  # of h_T, h_{T-1}, …, h_0
    for t in range(1, T + 1) if "forward-order" in slips else range(T, 0, -1):
        grads.append(back(dh_T if "not-carried" in slips else grads[-1], t))
    norms = torch.stack([_size(slips, grad) for grad in reversed(grads)])
    norms = norms[1:] if "without-h0" in slips else norms
    return norms[:-1] if "without-hT" in slips else norms


def _size(slips: Set[str], grad: Tensor) -> Tensor:
    """One number for a gradient (B, H)."""
    if "mean-of-gradients" in slips:
        grad = grad.mean(0, keepdim=True)
    if "norm-over-batch" in slips:
        return grad.norm()
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
