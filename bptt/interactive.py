"""Sliders over a figure: live where a kernel runs, a still picture where the notebook is only read."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from bptt import figures

WIDGET = "application/vnd.jupyter.widget-view+json"


def explore(picture: Callable[..., tuple[Figure, str]], **ranges: tuple[float, float, float, float]) -> None:
    """Show ``picture(**values)`` with a slider for each of its arguments.

    ``ranges`` gives for each argument (lowest, highest, step, start); a slider moves over whole numbers if all four are. ``picture`` returns a finished figure and the
    sentence that it shows. The picture is an ordinary output of the cell, which the sliders replace; so it is there, as
    it was at the start, where no kernel runs (on a web page, in an export, in a notebook that is only read). Outside
    of notebooks the sentence is printed.
    """
    fig, says = picture(**{name: start for name, (_, _, _, start) in ranges.items()})
    if "IPython" not in sys.modules or sys.modules["IPython"].get_ipython() is None:
        figures.show(fig, says)
        return
    from IPython.display import display

    sliders = _sliders(ranges)
    if sliders is not None:
        box, said = _box(sliders)
        words = "Sliders for " + ", ".join(ranges) + ": they work where this notebook is run."
        display({**box._repr_mimebundle_(), "text/plain": words}, raw=True)
    data, metadata = figures.rendered(fig, says)
    handle = display(data, metadata=metadata, raw=True, display_id=True)
    if sliders is None:
        return

    def redraw(_: Any) -> None:
        try:
            fig, says = picture(**{name: slider.value for name, slider in sliders.items()})
        except Exception as error:  # of the learner's functions: say it beside the sliders, a callback has no cell
            plt.close("all")
            said.value = f"{type(error).__name__}: {error}"
            return
        data, metadata = figures.rendered(fig, says)
        handle.update(data, metadata=metadata, raw=True)
        said.value = says

    for slider in sliders.values():
        slider.observe(redraw, names="value")


def _sliders(ranges: dict[str, tuple[float, float, float, float]]) -> dict[str, Any] | None:
    """A slider for each range; None where ipywidgets is not installed."""
    try:
        import ipywidgets
    except ImportError:
        return None
    wide = {"description_width": "90px"}

    def slider(name: str, low: float, high: float, step: float, start: float) -> Any:
        whole = all(isinstance(number, int) for number in (low, high, step, start))
        kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
        return kind(start, min=low, max=high, step=step, description=name, style=wide)

    return {name: slider(name, *given) for name, given in ranges.items()}


def _box(sliders: dict[str, Any]) -> tuple[Any, Any]:
    """The sliders in a column, and the line below them in which the picture's sentence stands."""
    import ipywidgets

    said = ipywidgets.Label()
    return ipywidgets.VBox([*sliders.values(), said]), said
