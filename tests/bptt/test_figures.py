"""Can every figure be read, on a light and on a dark page?"""

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_rgb

from bptt import figures

PAGES = {"light": "#ffffff", "dark": "#111111"}


def contrast(one, other):
    """The contrast ratio of two colours; source: WCAG 2.2, relative luminance."""

    def luminance(color):
        parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    lower, higher = sorted((luminance(one), luminance(other)))
    return (higher + 0.05) / (lower + 0.05)


@pytest.mark.parametrize("page", PAGES)
def test_ink_is_read_on_both_pages(page):
    """Text and axes keep a contrast of at least 4 to 1."""
    assert contrast(figures.INK, PAGES[page]) > 4


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("color", figures.PALETTE[:4])
def test_the_first_colours_are_seen_on_both_pages(color, page):
    """The four colours that are used first keep a contrast of at least 2.9 to 1."""
    assert contrast(color, PAGES[page]) > 2.9


def test_black_would_not_be_read_on_a_dark_page():
    """The measure that finds our colours readable refuses black on dark."""
    assert contrast("black", PAGES["dark"]) < 1.5


def test_style_leaves_the_background_clear():
    """Neither figure nor axes paint over the page."""
    with plt.rc_context():
        figures.style()
        fig, ax = plt.subplots()
        faces = fig.get_facecolor()[3], ax.get_facecolor()[3]
        plt.close(fig)
    assert (0, 0) == faces


def test_outside_a_notebook_a_figure_says_what_it_shows(capsys):
    """A script prints the sentence, and keeps no figure open."""
    fig, _ = plt.subplots()
    figures.show(fig, "The line falls.")
    assert ("The line falls.\n", []) == (capsys.readouterr().out, plt.get_fignums())


def test_a_band_reaches_from_the_smallest_to_the_largest_value():
    """Over seeds, each step shows its whole range."""
    fig, ax = plt.subplots()
    figures.band(ax, [0, 1], [[1, 5], [2, 3], [3, 4]], figures.BLUE, "stored")
    heights = ax.collections[0].get_paths()[0].vertices[:, 1]
    label = ax.collections[0].get_label()
    plt.close(fig)
    assert (1, 5, "stored (3 seeds)") == (heights.min(), heights.max(), label)


def test_without_stored_runs_no_band_is_drawn():
    """A missing result leaves the figure as it is."""
    fig, ax = plt.subplots()
    figures.band(ax, [0, 1], [], figures.BLUE, "stored")
    drawn = len(ax.collections) + len(ax.lines)
    plt.close(fig)
    assert drawn == 0
