"""Named mistakes of lesson 03, gradient flow: the sizes of a matrix, and a matrix of a given size."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

import torch
from torch import Tensor

from autograder.checking.spec import Slip, reference

_SIZES = {
    "singular-value": Slip(
        "singular-value",
        "the largest singular value is taken, how far W can stretch a vector in one step",
        "Which number describes W, W², W³, … in the long run?",
    ),
    "radius": Slip(
        "radius",
        "the spectral radius is taken",
        "The radius is about the long run. How far can W stretch a vector in a single step?",
    ),
    "real-part": Slip(
        "real-part",
        "the largest real part of the eigenvalues is taken",
        "An eigenvalue may be negative or complex, and W turns what it acts on. How large is such a number?",
    ),
    "abs-real-part": Slip(
        "abs-real-part",
        "the largest absolute real part of the eigenvalues is taken",
        "A complex eigenvalue has an imaginary part too. How far from 0 is it?",
    ),
    "symmetric": Slip(
        "symmetric",
        "W is treated as symmetric: `eigvalsh` and `eigh` read one triangle only",
        "Is W equal to its transpose?",
    ),
    "frobenius": Slip(
        "frobenius",
        "the Frobenius norm is taken, the root of the sum of all squares",
        "What is the Frobenius norm of the identity, and what does the identity do to a vector?",
    ),
    "smallest": Slip("smallest", "the smallest value is taken", "In which order do the values come back?"),
    "squared": Slip("squared", "the square of the value is returned", "Is a square root missing?"),
    "largest-entry": Slip(
        "largest-entry", "the largest absolute entry of W is taken", "Is that a property of W as a map?"
    ),
    "column-sums": Slip(
        "column-sums",
        "a norm of sums is taken: the largest sum of absolute values over a column",
        "Which `ord` of a matrix norm belongs to the Euclidean length of vectors?",
    ),
    "row-sums": Slip(
        "row-sums",
        "a norm of sums is taken: the largest sum of absolute values over a row",
        "Which `ord` of a matrix norm belongs to the Euclidean length of vectors?",
    ),
    "first-eigenvalue": Slip(
        "first-eigenvalue",
        "the first eigenvalue is taken",
        "In which order do eigenvalues come? Nothing promises that the largest is the first.",
    ),
    "last-eigenvalue": Slip(
        "last-eigenvalue",
        "the last eigenvalue is taken",
        "In which order do eigenvalues come? Nothing promises that the largest is the last.",
    ),
    "sum-of-parts": Slip(
        "sum-of-parts",
        "the absolute real and imaginary parts of an eigenvalue are added",
        "How far from 0 is 3 + 4i in the plane?",
    ),
    "largest-part": Slip(
        "largest-part",
        "the larger of the two parts of an eigenvalue, real and imaginary, is taken for its size",
        "How far from 0 is 3 + 4i in the plane?",
    ),
    "imaginary-part": Slip(
        "imaginary-part",
        "the largest imaginary part of the eigenvalues is taken",
        "A real eigenvalue has a size too. How far from 0 is 3 + 4i in the plane?",
    ),
    "mean-size": Slip("mean-size", "the mean over all values is taken", "Is the mean asked for, or the largest?"),
    "nuclear": Slip("nuclear", "all singular values are added", "Is the sum asked for, or the largest?"),
}


def _show_in_a_triangle(W: Tensor) -> None:
    """Some mistakes show in a triangular matrix for certain; in others they are right or wrong by chance."""
    if bool(W.tril(-1).any()):
        raise ValueError("this mistake has shown in the triangular matrix before")


def _size_of(kind: str, W: Tensor, values: Tensor) -> float:
    """A size of W under the name of the slip that takes it; `values` are those whose largest is right."""
    if kind in ("first-eigenvalue", "last-eigenvalue", "imaginary-part"):
        _show_in_a_triangle(W)
    sizes = {
        "singular-value": lambda: torch.linalg.matrix_norm(W, 2),
        "radius": lambda: torch.linalg.eigvals(W).abs().max(),
        "real-part": lambda: torch.linalg.eigvals(W).real.max(),
        "abs-real-part": lambda: torch.linalg.eigvals(W).real.abs().max(),
        "symmetric": lambda: torch.linalg.eigvalsh(W).abs().max(),
        "frobenius": lambda: W.norm(),
        "smallest": lambda: values.min(),
        "squared": lambda: values.max() ** 2,
        "largest-entry": lambda: W.abs().max(),
        "column-sums": lambda: torch.linalg.matrix_norm(W, 1),
        "row-sums": lambda: torch.linalg.matrix_norm(W, torch.inf),
        "first-eigenvalue": lambda: torch.linalg.eigvals(W).abs()[0],
        "last-eigenvalue": lambda: torch.linalg.eigvals(W).abs()[-1],
        "sum-of-parts": lambda: torch.view_as_real(torch.linalg.eigvals(W)).abs().sum(1).max(),
        "largest-part": lambda: torch.view_as_real(torch.linalg.eigvals(W)).abs().max(),
        "imaginary-part": lambda: torch.linalg.eigvals(W).imag.max(),
        "mean-size": lambda: values.mean(),
        "nuclear": lambda: values.sum(),
    }
    return sizes[kind]().item()


_OF_RADIUS = ("singular-value", "real-part", "abs-real-part", "symmetric", "frobenius", "smallest", "squared",
              "largest-entry", "column-sums", "row-sums", "mean-size", "first-eigenvalue", "last-eigenvalue", "sum-of-parts",
              "largest-part", "imaginary-part")  # fmt: skip
_OF_SINGULAR = ("radius", "real-part", "symmetric", "frobenius", "smallest", "squared", "largest-entry",
                "column-sums", "row-sums", "nuclear", "mean-size")  # fmt: skip


_NORMS = ("column-sums", "row-sums")  # of the radius another question is asked about them


@reference(
    *(
        replace(_SIZES[kind], asks="Is a norm of W the size of an eigenvalue?") if kind in _NORMS else _SIZES[kind]
        for kind in _OF_RADIUS
    )
)
def spectral_radius(slips: Set[str], W: Tensor) -> float:
    """The largest modulus of an eigenvalue of W (H, H)."""
    values = torch.linalg.eigvals(W).abs()
    return _size_of(min(slips), W, values) if slips else values.max().item()


@reference(*(_SIZES[kind] for kind in _OF_SINGULAR))
def largest_singular_value(slips: Set[str], W: Tensor) -> float:
    """The largest singular value of W (H, H)."""
    values = torch.linalg.svdvals(W)
    return _size_of(min(slips), W, values) if slips else values.max().item()


@reference(
    Slip(
        "by-singular-value",
        "W is divided by its largest singular value",
        "Which size of W is to be rho in the end, and which one did you divide by?",
    ),
    Slip(
        "by-frobenius",
        "W is divided by its Frobenius norm",
        "Which size of W is to be rho in the end, and which one did you divide by?",
    ),
    Slip(
        "by-real-part",
        "W is divided by the largest real part of its eigenvalues",
        "What is the size of a complex or negative eigenvalue?",
    ),
    Slip(
        "by-first-eigenvalue",
        "W is divided by the size of its first eigenvalue",
        "In which order do eigenvalues come? Nothing promises that the largest is the first.",
    ),
    Slip("not-divided", "W is multiplied by rho and not divided by the radius that it has", "Which radius has rho W?"),
    Slip("without-rho", "W is divided by its radius and not multiplied by rho", "Which radius has your result?"),
    Slip("upside-down", "W is multiplied by its radius and divided by rho", "What must happen to W if rho is larger than its radius?"),
    Slip("diagonal-added", "the difference of the radii is added on the diagonal", "How does a multiple of W change its eigenvalues?"),
    Slip("root", "the square root of the factor is used", "If W is multiplied by c, by what are its eigenvalues multiplied?"),
    Slip("unchanged", "W comes back as it was", "Is the new matrix returned, or the old one?"),
)  # fmt: skip
def with_spectral_radius(slips: Set[str], W: Tensor, rho: float) -> Tensor:
    """W times a number, so that its spectral radius is rho; (H, H) → (H, H)."""
    eigenvalues = torch.linalg.eigvals(W)
    radius = eigenvalues.abs().max()
    if "by-singular-value" in slips:
        radius = torch.linalg.matrix_norm(W, 2)
    elif "by-frobenius" in slips:
        radius = W.norm()
    elif "by-first-eigenvalue" in slips:
        _show_in_a_triangle(W)
        radius = eigenvalues.abs()[0]
    elif "by-real-part" in slips:
        radius = eigenvalues.real.max()
    if "diagonal-added" in slips:
        return W + (rho - radius) * torch.eye(W.shape[0], dtype=W.dtype, device=W.device)
    if "unchanged" in slips:
        return W
    above, below = (1.0 if "without-rho" in slips else rho), (1.0 if "not-divided" in slips else radius)
    factor = below / above if "upside-down" in slips else above / below
    return W * (factor**0.5 if "root" in slips else factor)
