"""Named mistakes of lesson 03, gradient flow: one Jacobian, and products of them."""

from __future__ import annotations

from collections.abc import Set

import torch
from torch import Tensor

from autograder.checking.spec import Slip, reference

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
    "the slopes scale the columns of weight_hh: W·diag in place of diag·W",
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


def slope_of_tanh(slips: Set[str], h: Tensor) -> Tensor:
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
    slope = slope_of_tanh(slips, h)
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
    slope = slope_of_tanh(slips, h)
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
        "starts-at-1",
        "the product begins at step 1 whatever k is, so that it leads from h_0 to h_t",
        "Where does k enter your loop?",
    ),
    Slip(
        "counts-steps",
        "the number of factors is right, but they are those of the first steps, 1…t - k",
        "For k = 2 and t = 5, which steps lie between the two states, and which does your loop take?",
    ),
    Slip(
        "stops-at-T",
        "the product goes on to step T whatever t is, so that it leads from h_k to h_T",
        "Where does t enter your loop?",
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
        "the slope of each step is taken at the old state h_{s-1} instead of the new one h_s, or the loop runs over the steps k…t - 1 (for h_0 the index -1 wraps round to the last state)",
        "Is the slope of tanh written with what goes into the step, or with what comes out? And which is the first step on the way from h_k to h_t?",
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
    Slip(
        "identity-unbatched",
        "for k = t a single identity (H, H) comes back, without the axis of the batch",
        "With a factor, the batch axis comes in by itself. What brings it in when there is none?",
    ),
)
def jacobian_product(slips: Set[str], states: Tensor, params: dict[str, Tensor], k: int, t: int) -> Tensor:
    """∂h_t/∂h_k = J_t … J_{k+1}, newest on the left; (B, T, H) → (B, H, H)."""
    W, (B, T, H) = params["weight_hh"], states.shape
    if k == t and slips - {"starts-with-factor", "starts-with-newest", "identity-unbatched"}:
        raise ValueError("every other mistake has shown where k < t")
    shift = int("index-one-late" in slips) - int("index-one-early" in slips)

    def at(s: int) -> Tensor:
        s = t if "same-factor" in slips else s
        return factor(slips, states[:, s - 1 + shift], W)  # index -1 wraps round, as it does for a learner

    first = k + 1 + int("starts-late" in slips) - int("starts-early" in slips)
    last = t - int("stops-early" in slips) + int("stops-late" in slips)
    if slips & {"starts-at-1", "counts-steps"}:
        first, last = 1, last - (k if "counts-steps" in slips else 0)
    last = T if "stops-at-T" in slips else last
    product = torch.eye(H, dtype=W.dtype, device=W.device).expand(B, H, H)
    if k == t and "identity-unbatched" in slips:
        return product[0]
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
