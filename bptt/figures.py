"""One look for all figures: readable on a light and on a dark page, and by colour-blind readers."""

import io
import sys
from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler

# Okabe and Ito (2008), Color Universal Design, without black and yellow: neither is seen on both pages.
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
# One colour for each kind of cell, in every lesson that compares them; setups of one kind differ by marker and line.
CELLS = {"RNN": VERMILION, "LSTM": BLUE, "GRU": GREEN, "attention": PURPLE}
# As far from white as from JupyterLab's dark page (#111111): contrast 4.3 and 4.4 to 1.
INK = "#7a7a7a"
MARKERS = ("o", "s", "^", "D", "v", "P")


def style() -> None:
    """Set matplotlib's defaults for this course: no background, mid-grey ink, colours that everyone can tell apart."""
    plt.rcParams.update(
        {
            "figure.facecolor": "none",
            "figure.figsize": (7.0, 3.6),
            "figure.dpi": 100,
            "figure.constrained_layout.use": True,
            "savefig.facecolor": "none",
            "axes.facecolor": "none",
            "axes.edgecolor": INK,
            "axes.labelcolor": INK,
            "axes.titlecolor": INK,
            "axes.titlesize": 11,
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": cycler(color=PALETTE),
            "axes.grid": False,
            "grid.color": INK,
            "grid.alpha": 0.25,
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "legend.frameon": False,
            "lines.linewidth": 2.0,
            "lines.markersize": 5,
            "font.size": 11,
        }
    )


def show(fig: Figure, says: str) -> None:
    """Show a finished figure; ``says`` is the sentence that it shows, read out where the picture cannot be seen.

    In a notebook the picture keeps its clear background (matplotlib's own display would put it on white as soon as the
    page is dark). Elsewhere nothing is drawn on a screen: the sentence is printed.
    """
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None and "image/png" in shell.display_formatter.active_types:
        from IPython.display import display

        data, metadata = rendered(fig, says)
        display(data, metadata=metadata, raw=True)
    else:
        print(says)
    plt.close(fig)


def band(ax: Axes, x: Sequence[float], rows: Sequence[Sequence[float]], color: str, label: str) -> None:
    """Shade from the smallest to the largest value over seeds; ``rows`` holds one list of values for each seed."""
    if not rows:
        return
    low = [min(column) for column in zip(*rows, strict=True)]
    high = [max(column) for column in zip(*rows, strict=True)]
    ax.fill_between(x, low, high, color=color, alpha=0.35, linewidth=0, label=f"{label} ({len(rows)} seeds)")
    for edge in (low, high):
        ax.plot(x, edge, color=color, lw=0.8, alpha=0.8)


def rendered(fig: Figure, says: str) -> tuple[dict, dict]:
    """A finished figure as a notebook's display data, with its metadata: the picture, and the sentence in its place."""
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=2 * fig.dpi)
    plt.close(fig)
    width, height = (round(side * fig.dpi) for side in fig.get_size_inches())
    size = {"width": width, "height": height, "alt": says}
    return {"image/png": buffer.getvalue(), "text/plain": says}, {"image/png": size}


def level(ax: Axes, y: float, label: str) -> None:
    """A dotted line across the axes at height ``y``, named under its right end."""
    ax.axhline(y, color=INK, ls=":", lw=1.5)
    place = ("axes fraction", "data")
    ax.annotate(label, (1, y), (0, -3), xycoords=place, textcoords="offset points", ha="right", va="top")
