"""Does what lesson 03 says in words hold in the runs that are stored for it, and in its own solution?"""

from __future__ import annotations

import ast
import math
import re

import pytest
import torch

from autograder.house import ROOT
from tests.claims import runs_of

runs = runs_of("gradient_flow")


def test_the_tiny_examples_are_right(lesson):
    """The numbers that the prose works out by hand come out of the solution."""
    params = {"weight_hh": torch.tensor([[1.0, 2.0], [3.0, 4.0]])}
    states = torch.tensor([[[0.0, 0.5], [0.5, 0.0]]])
    assert lesson.step_jacobian(states[:, 0], params)[0].tolist() == [[1, 2], [2.25, 3]]
    assert lesson.jacobian_product(states, params, 0, 2)[0].tolist() == [[4.125, 6], [12, 18]]
    row = torch.tensor([[1.0, 0.0]]) @ lesson.jacobian_product(states, params, 0, 2)[0]
    assert row.norm().item() == pytest.approx(7.281, abs=5e-4)
    assert math.hypot(0.75, 1.5) == pytest.approx(1.677, abs=5e-4)
    for entries, radius, sigma in (([[0.5, 0], [0, -2]], 2, 2), ([[0, -2], [2, 0]], 2, 2), ([[0, 3], [0, 0]], 0, 3)):
        W = torch.tensor(entries, dtype=torch.float64)
        assert lesson.spectral_radius(W) == pytest.approx(radius)
        assert lesson.largest_singular_value(W) == pytest.approx(sigma)
    assert (math.log(1.5) + math.log(0.72)) / 2 == pytest.approx(0.0385, abs=5e-5)
    assert math.log(0.72) == pytest.approx(-0.3285, abs=5e-5)


def test_slopes_give_a_matrix_of_radius_0_the_radius_1_8(lesson):
    """diag(1, 0.1) W has radius 1.8 for the W of the third prediction."""
    W = torch.tensor([[2.0, -2.0], [2.0, -2.0]], dtype=torch.float64)
    assert bool((W @ W == 0).all())
    assert lesson.spectral_radius(torch.diag(torch.tensor([1, 0.1], dtype=W.dtype)) @ W) == pytest.approx(1.8)


def test_with_tanh_the_product_shrinks_at_radius_1_2_and_1_5(lesson):
    """Over 50 steps, in every seed, though both radii are above 1."""
    for run in runs("radius_sweep"):
        rows = dict(zip(lesson.RADII, run["network"], strict=True))
        assert rows[1.2][-1] < 0.01 and rows[1.5][-1] < 1 < rows[2.0][-1] < rows[3.0][-1]


def test_at_radius_1_5_the_product_is_largest_after_5_or_10_steps(lesson, prose):
    """In every seed, and as large as the text says; at radius 1.2 too it is above 1 at first."""
    rows = [dict(zip(lesson.RADII, run["network"], strict=True)) for run in runs("radius_sweep")]
    peaks = [max(row[1.5]) for row in rows]
    assert all(lesson.LAGS[row[1.5].index(max(row[1.5]))] in (5, 10) and row[1.2][0] > 1 for row in rows)
    assert f"largest at 5 or 10, between {min(peaks):.1f} and {max(peaks):.1f} in five seeds" in prose


def test_the_coupling_gives_the_standard_deviation_above_the_diagonal(lesson):
    """Coupling 2 means 0.35, the coupling divided by the root of 32."""
    drawn = [lesson.rotation(seed).T @ lesson.hidden_triangle(seed, 2.0) @ lesson.rotation(seed) for seed in range(5)]
    above = torch.cat([R[torch.triu(torch.ones_like(R), diagonal=1).bool()] for R in drawn])
    assert above.std().item() == pytest.approx(0.35, abs=0.01)


def test_the_sliders_keep_their_curves_in_the_picture(lesson):
    """At both ends of both sliders every curve lies inside the axes."""
    for radius in (0.3, 3.0):
        for loudness in (0.0, 3.0):
            fig, _ = lesson.decay(radius, loudness)
            low, high = fig.axes[0].get_ylim()
            assert all(low < float(y) < high for line in fig.axes[0].lines for y in line.get_ydata())


# What PyTorch says itself, what autograder/run.py says of another exercise, and what is put together from parts.
SAID_ELSEWHERE = ("The size of tensor a must match…", "not implemented for 'ComplexDouble'", "Fix step_jacobian first",
                  "Fix spectral_radius first", "the device", "changed its argument W in place", "for a W of radius 0",
                  "-inf")  # fmt: skip


def test_the_drop_downs_quote_what_cards_print(prose):
    """Every quotation under "My check fails with…" stands in a mistake, a check or a general sign."""
    sources = [
        *(ROOT / "autograder" / "lessons" / "gradient_flow").rglob("*.py"),
    ]
    sources += [ROOT / "autograder" / name for name in ("checking/diagnose.py", "beside/advice.py")]
    said = " ".join(
        node.value
        for path in sources
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ).lower()
    lists = re.findall(r"My check fails with…</summary>(.*?)</details>", prose)
    items = [item for one in lists for item in one.split(" - ") if item.strip().startswith("*")]
    quotes = [quote for item in items for quote in re.findall(r"\*([^*]+)\*", item.split("*: ")[0] + "*")]
    assert len(quotes) > 30
    assert [] == [quote for quote in quotes if quote not in SAID_ELSEWHERE and quote.lower().rstrip(" …") not in said]


def test_the_growth_at_radius_2_is_the_one_that_the_prose_gives(prose):
    """The factor over 50 steps lies where the text says, and the text says it."""
    growth = [run["network"][4][-1] for run in runs("radius_sweep")]
    assert f"a factor between {min(growth):.0f} and {round(max(growth), -2):.0f} in five seeds" in prose


def test_a_hidden_triangle_grows_first_as_the_prose_says(lesson, prose):
    """Height and place of the peak, and that it is still large after 40 steps, in all seeds."""
    sizes = [run["hidden triangle"] for run in runs("growing_first")]
    peaks = [max(row) for row in sizes]
    places = [lesson.WAIT[row.index(max(row))] for row in sizes]
    assert (
        f"{min(peaks):.0f}-fold to {max(peaks):.0f}-fold in five seeds, for {min(places)} to {max(places)} steps"
        in prose
    )
    for row in sizes:
        by_wait = dict(zip(lesson.WAIT, row, strict=True))
        assert all(size > 1 for wait, size in by_wait.items() if 0 < wait <= 40)
        assert by_wait[20] > 10 and by_wait[120] < 0.01


def test_quiet_inputs_leave_the_tanh_straight(lesson):
    """The product of 120 steps is the power of the matrix, for the hidden triangles, in every seed."""
    for seed, run in enumerate(runs("growing_first")):
        W = lesson.with_spectral_radius(lesson.hidden_triangle(seed, 2.0), 0.9)
        assert run["hidden triangle"][-1] == pytest.approx(lesson.size(torch.linalg.matrix_power(W, 120)), rel=1e-3)


def test_a_rotation_decays_by_its_radius(lesson):
    """For a normal matrix the size of the product is the power of the radius."""
    for run in runs("growing_first"):
        assert run["rotation"] == pytest.approx([0.9**wait for wait in lesson.WAIT], rel=1e-3)


def test_louder_inputs_make_the_product_smaller(lesson):
    """From loudness 1 to 10 by more than six powers of ten, at every radius and in every seed."""
    one, ten = lesson.LOUDNESS.index(1.0), lesson.LOUDNESS.index(10.0)
    for run in runs("louder"):
        assert all(row[ten] < 1e-6 * row[one] for row in run["sizes"])
        assert run["sizes"][0][one] < 1e-3 * run["sizes"][0][lesson.LOUDNESS.index(0.1)]


def test_louder_inputs_flatten_the_tanh(lesson):
    """At radius 0.9 from the start, at 2 and 3 from loudness 1 on, in every seed."""
    for run in runs("louder"):
        for row, first in zip(run["slopes"], (0, 2, 2), strict=True):
            assert row[first:] == sorted(row[first:], reverse=True)


def test_gains_2_and_3_grow_as_the_prose_says(lesson):
    """About a thousandfold and a millionfold over 60 steps, and the matrix has the radius that the text gives."""
    assert lesson.spectral_radius(lesson.gaussian(0)) == pytest.approx(1.09, abs=0.005)
    for gain, growth in ((2.0, 1e3), (3.0, 1e6)):
        x, h0, params = lesson.driven(0, gain * lesson.gaussian(0), 0.5, 60)
        norms = lesson.gradient_norms(x, h0, params, lesson.normal(torch.Generator().manual_seed(9), 8, 32))
        assert growth / 2 < norms[0] / norms[60] < 2 * growth


def test_the_exponent_lies_below_the_radius_and_crosses_0_between_1_5_and_2(lesson):
    """In every seed."""
    for run in runs("exponents"):
        by_radius = dict(zip(lesson.MORE_RADII, run["exponent"], strict=True))
        assert all(value < math.log(radius) for radius, value in by_radius.items())
        assert by_radius[1.5] < 0 < by_radius[2.0]
        gaps = [math.log(radius) - value for radius, value in by_radius.items()]
        assert gaps == sorted(gaps)


def test_at_radius_0_9_the_exponent_is_positive_from_coupling_4_on(lesson):
    """And negative up to 3, in every seed."""
    for run in runs("couplings"):
        by_coupling = dict(zip(lesson.COUPLINGS, run["exponent"], strict=True))
        assert all((value > 0) == (coupling >= 4) for coupling, value in by_coupling.items())


def test_all_couplings_have_the_same_radius(lesson):
    """What stands above the diagonal does not change the eigenvalues."""
    for coupling in lesson.COUPLINGS:
        W = lesson.with_spectral_radius(lesson.hidden_triangle(1, coupling), 0.9)
        assert lesson.spectral_radius(W) == pytest.approx(0.9)


def test_the_bug_trains_but_its_gradient_is_right_at_the_last_step_only():
    """As found, the loss falls below 1 and stays far above the fixed program's; the direction is right 0 steps back."""
    for run in runs("bug"):
        found, mended = run["as found"], run["mended"]
        assert min(found["losses"]) < 1 and found["losses"][-1] > 2 * mended["losses"][-1]
        assert found["cosines"][0] == pytest.approx(1) and max(found["cosines"][1:]) < 0.95
        assert sum(cosine > 0 for cosine in found["cosines"][1:]) > len(found["cosines"][1:]) / 2
        assert min(mended["cosines"]) == pytest.approx(1)


def test_the_numbers_about_the_bug_are_those_of_the_stored_runs(prose):
    """Cosines, the lowest loss, and the losses at the end, over the seeds."""
    found, mended = ([run[name] for run in runs("bug")] for name in ("as found", "mended"))
    cosines = [cosine for run in found for cosine in run["cosines"][1:]]
    assert f"between −{-min(cosines):.2f} and {max(cosines):.2f}" in prose
    best = min(found, key=lambda run: min(run["losses"]))
    assert f"one seed comes down to {min(best['losses']):.2f}; then the loss rises" in prose
    assert best["losses"][-1] > 1.5 * min(best["losses"])
    ends = [[run["losses"][-1] for run in kind] for kind in (found, mended)]
    stands = [f"between {min(end):.2f} and {max(end):.2f}" for end in ends]
    assert f"it stands {stands[0]} in five seeds, fixed {stands[1]}" in prose


def test_the_circle_stays_round_until_a_unit_saturates(lesson):
    """Up to step 8 the short axis is more than two thirds of the long one; at step 9 unit 2 has a slope of 0.1."""
    params, h_prev, _ = lesson.two_units(0.0)
    states = lesson.unroll(0.7 * lesson.normal(torch.Generator().manual_seed(2), 1, 16, 1), h_prev, params)
    axes = [torch.linalg.svdvals(lesson.jacobian_product(states, params, 0, t)[0]).tolist() for t in range(1, 17)]
    assert all(short > 2 / 3 * long for long, short in axes[:8])
    assert 1 - states[0, 8, 1].item() ** 2 == pytest.approx(0.1, abs=0.02)
    assert axes[8][1] < axes[8][0] / 5


def test_the_circle_becomes_nearly_a_line(lesson):
    """After 16 steps the short axis is below a thirtieth of the long one, in five seeds."""
    params, h_prev, _ = lesson.two_units(0.0)
    for seed in range(5):
        x = 0.7 * lesson.normal(torch.Generator().manual_seed(seed), 1, 16, 1)
        long, short = torch.linalg.svdvals(lesson.jacobian_product(lesson.unroll(x, h_prev, params), params, 0, 16)[0])
        assert short < long / 30


def test_matrices_come_in_row_order(lesson):
    """On a GPU, torch 2.11's eigvals overwrites a matrix in column order, so the lesson makes none."""
    for W in (lesson.rotation(0), lesson.hidden_triangle(0, 2.0), lesson.gaussian(0)):
        assert W.is_contiguous()
