"""Named mistakes in measuring and clipping gradients."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any

import torch
from torch import Tensor

from autograder.checking.spec import Slip, reference

LENGTH = "Square all entries, add them all up, and take one root. In which order do these three happen?"
_NORMS = (
    Slip("lengths-added", "the lengths of the tensors are added up", LENGTH),
    Slip("absolute", "the absolute values of the entries are added up", LENGTH),
    Slip("largest", "the largest absolute value of all entries is taken", "How long is the vector (3, 4)?"),
    Slip("longest", "the length of the longest tensor is taken", "How long is the vector (3, 4)? What do the shorter ones add?"),
    Slip("no-root", "the squares are added up and no root is taken", LENGTH),
    Slip("root-mean", "the squares are averaged over all entries, not added up", "Does the length of a vector depend on how many entries it has?"),
    Slip("root-mean-each", "the squares of each tensor are averaged over its entries", "Does the length of a vector depend on how many entries it has?"),
    Slip("lengths-averaged", "the lengths of the tensors are averaged", LENGTH),
    Slip("entries-added", "the entries are added up before they are squared", "What is the length of (3, −3)? Which comes first, the square or the sum?"),
    Slip("columns-only", "a matrix is measured by its largest singular value", "Which norm is meant: that of a matrix as a map, or that of all its entries as one vector?"),
    Slip("first-only", "only the first of the tensors is measured", "Is `return` inside the loop, or only one tensor taken?"),
    Slip("last-only", "only the last of the tensors is measured", "What happens to the sum when the next tensor comes: is it added to, or replaced?"),
    Slip("one-missing", "the last of the tensors is left out", "Where does the loop end?"),
)  # fmt: skip


def length(slips: Set[str], tensors: Sequence[Tensor]) -> Tensor:
    """The global norm of at least one tensor."""
    if "first-only" in slips:
        tensors = tensors[:1]
    if "last-only" in slips:
        tensors = tensors[-1:]
    if "one-missing" in slips:
        tensors = tensors[:-1]
    whole = torch.cat([tensor.flatten() for tensor in tensors])
    lengths = torch.stack([tensor.norm().to(whole.dtype) for tensor in tensors])
    if "lengths-added" in slips:
        return lengths.sum()
    if "lengths-averaged" in slips:
        return lengths.mean()
    if "longest" in slips:
        return lengths.max()
    if "absolute" in slips:
        return whole.abs().sum()
    if "largest" in slips:
        return whole.abs().max()
    if "no-root" in slips:
        return (whole @ whole).clone()
    if "root-mean" in slips:
        return (whole @ whole / whole.numel()).sqrt()
    if "root-mean-each" in slips:
        return torch.stack([(tensor**2).mean() for tensor in tensors]).sum().sqrt()
    if "entries-added" in slips:
        return torch.stack([tensor.sum() for tensor in tensors]).norm()
    if "columns-only" in slips:
        return torch.stack([t.norm() if t.dim() < 2 else torch.linalg.matrix_norm(t, 2).norm() for t in tensors]).norm()
    return torch.linalg.vector_norm(whole)


@reference(*_NORMS)
def global_norm(slips: Set[str], tensors: Sequence[Tensor]) -> Tensor:
    """The length of all tensors together."""
    return length(slips, tensors)


_UNCHANGED = "Which line changes a `.grad`? `grad = grad * factor` makes a new tensor and gives it an old name."


@reference(
    *_NORMS,
    Slip("each-alone", "each parameter is clipped by itself", "How many factors are there? Does the direction of all of them together stay what it was?"),
    Slip("by-value", "each entry is bounded by itself", "What happens to the direction? By norm, all entries get the same factor."),
    Slip("always", "the gradients are scaled to max_norm even where they are shorter", "What does min(1, …) do in the formula?"),
    Slip("unchanged", "the gradients are as they were before", _UNCHANGED),
    Slip("upside-down", "the factor is the norm divided by max_norm", "Is the factor for a long gradient above or below 1?"),
    Slip("upside-down-min", "the factor is the norm divided by max_norm, and at most 1", "Is the factor for a long gradient above or below 1?"),
    Slip("unit", "the gradients are scaled to length 1, whatever max_norm is", "Where does max_norm come in?"),
    Slip("over", "the gradients are divided by the norm only, or by max_norm only", "The factor has a numerator and a denominator. Which is which?"),
    Slip("times-limit", "the gradients are multiplied by max_norm", "The factor has a numerator and a denominator. Which is which?"),
    Slip("emptied", "long gradients are set to 0", "What should be left of a long gradient: nothing, or a shorter one?"),
    Slip("subtracted", "the excess of the norm is subtracted from every entry", "What keeps the direction of a vector: subtracting from its entries, or multiplying them?"),
    Slip("values-measured", "the parameters are measured and not their gradients", "What is the difference between `p` and `p.grad`?"),
    Slip("all-values-measured", "the parameters are measured and not their gradients, those without a gradient too", "What is the difference between `p` and `p.grad`?"),
    Slip("first-clipped", "only the first gradient is scaled", "Which lines belong to the loop?"),
    Slip("last-clipped", "only the last gradient is scaled", "Which lines belong to the loop?"),
    Slip("after-returned", "the norm of the clipped gradients is returned", "The norm before is asked. Which line measures, and which one scales?"),
    Slip("factor-returned", "the factor is returned", "What is asked back: the factor, or the norm before?"),
    Slip("grown", "the shrinking factor is applied the wrong way round: what is short grows", "For which gradients is the factor 1?"),
    Slip("twice", "the factor is applied twice", "How often is each gradient multiplied?"),
    Slip("measured-on-the-way", "the norm is measured anew after each gradient has been scaled", "How many norms are there in one call? When is it measured?"),
)  # fmt: skip
def clip_grad_norm(slips: Set[str], *cases: Any) -> tuple[Tensor, ...]:
    """For each case of gradients, max_norm and perhaps the parameters with a gradient, and all of them: the norm before, and the gradients afterwards."""
    return tuple(part for case in cases for part in clipped(slips, *case))


def clipped(
    slips: Set[str], grads: Sequence[Tensor], max_norm: float, values: Sequence[Tensor] = (), every: Sequence[Tensor] = ()
) -> tuple[Tensor, ...]:  # fmt: skip
    """The same for one case; `values` are the parameters that have a gradient, `every` all of them."""
    if "each-alone" in slips:
        parts = [clipped(slips - {"each-alone"}, [grad], max_norm) for grad in grads]
        return (length(slips, grads), *(part[1] for part in parts))
    measured = values if "values-measured" in slips else every if "all-values-measured" in slips else grads
    norm = length(slips, measured)
    factor = max_norm / norm if norm > max_norm or "always" in slips else torch.ones_like(norm)
    if "grown" in slips:
        factor = torch.clamp(max_norm / norm, min=1.0)
    if "upside-down" in slips:
        factor = torch.clamp(norm / max_norm, min=1.0)
    if "upside-down-min" in slips:
        factor = torch.clamp(norm / max_norm, max=1.0)
    if "unit" in slips and norm > max_norm:
        factor = 1 / norm
    if "over" in slips and norm > max_norm:
        factor = torch.ones_like(norm) / max_norm
    if "times-limit" in slips and norm > max_norm:
        factor = torch.ones_like(norm) * max_norm
    if "emptied" in slips and norm > max_norm:
        factor = torch.zeros_like(norm)
    after = [(grad * factor).to(grad.dtype) for grad in grads]
    if "twice" in slips:
        after = [(grad * factor).to(grad.dtype) for grad in after]
    if "subtracted" in slips and norm > max_norm:
        after = [grad - (norm - max_norm) for grad in grads]
    if "by-value" in slips:
        after = [grad.clamp(-max_norm, max_norm) for grad in grads]
    if "unchanged" in slips:
        after = list(grads)
    if "first-clipped" in slips:
        after[1:] = grads[1:]
    if "last-clipped" in slips:
        after[:-1] = grads[:-1]
    if "measured-on-the-way" in slips:
        after = list(grads)
        for number in range(len(after)):
            now = length(slips, after)
            after[number] = after[number] * torch.clamp(max_norm / now, max=1.0)
    returned = length(slips, after) if "after-returned" in slips else factor if "factor-returned" in slips else norm
    return returned, *after


@reference(
    Slip("above-only", "entries below -limit are left as they are", "From how many sides is an entry bounded?"),
    Slip("below-only", "entries above limit are left as they are", "From how many sides is an entry bounded?"),
    Slip("sign-lost", "the sign is lost: the absolute value is bounded", "What becomes of an entry of −4 with the limit 1?"),
    Slip("positive-limit", "the sign is lost beyond the limit: an entry below -limit becomes +limit", "What becomes of an entry of −4 with the limit 1?"),
    Slip("set-to-zero", "entries beyond the limit are set to 0", "What becomes of an entry of 3 with the limit 1: 0, or 1?"),
    Slip("scaled", "all entries of a gradient are scaled by one factor, so that the largest reaches the limit",
         "An entry that is within the limit stays as it is. Does it here?"),
    Slip("by-norm", "the gradients are clipped by their global norm", "Each entry is bounded by itself here. Does your line look at one entry, or at all of them?"),
    Slip("each-by-norm", "each gradient is clipped by its own norm", "Each entry is bounded by itself here. Does your line look at one entry, or at all of them?"),
    Slip("signs", "every entry becomes limit or -limit", "What becomes of an entry that is within the limit?"),
    Slip("between-0-and-limit", "the entries are bounded from below by 0", "What becomes of an entry of −0.5 with the limit 1?"),
    Slip("limit-ignored", "the entries are bounded by 1, whatever the limit is", "Where does `limit` come in?"),
    Slip("unchanged", "the gradients are as they were before", _UNCHANGED + " And `clamp` returns a new tensor."),
    Slip("first-clipped", "only the first gradient is bounded", "Where does the loop end?"),
    Slip("last-clipped", "only the last gradient is bounded", "Which lines belong to the loop?"),
)  # fmt: skip
def clip_grad_value(slips: Set[str], grads: Sequence[Tensor], limit: float) -> tuple[Tensor, ...]:
    """The gradients afterwards."""
    low, high = (
        (None, limit) if "above-only" in slips
        else (-limit, None) if "below-only" in slips
        else (0.0, limit) if "between-0-and-limit" in slips
        else (-1.0, 1.0) if "limit-ignored" in slips
        else (-limit, limit)
    )  # fmt: skip
    after = [torch.clamp(grad.abs() if "sign-lost" in slips else grad, low, high) for grad in grads]
    if "set-to-zero" in slips:
        after = [torch.where(grad.abs() > limit, 0.0, grad) for grad in grads]
    if "positive-limit" in slips:
        after = [torch.where(grad.abs() > limit, limit, grad) for grad in grads]
    if "scaled" in slips:
        after = [grad * torch.clamp(limit / grad.abs().max(), max=1.0) for grad in grads]
    if "by-norm" in slips:
        after = list(clipped(frozenset(), grads, limit)[1:])
    if "each-by-norm" in slips:
        after = list(clipped(frozenset({"each-alone"}), grads, limit)[1:])
    if "signs" in slips:
        after = [limit * grad.sign() for grad in grads]
    if "unchanged" in slips:
        after = list(grads)
    if "first-clipped" in slips:
        after[1:] = grads[1:]
    if "last-clipped" in slips:
        after[:-1] = grads[:-1]
    return tuple(after)
