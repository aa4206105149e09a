"""Runs a learner's cells as Jupyter would: magics, `!`, `display` and top-level `await` included."""

from __future__ import annotations

import linecache
import random
import sys
from functools import lru_cache
from types import CodeType
from typing import Any


def execute(source: str, names: dict[str, Any], label: str) -> None:
    """Run the source of one cell in `names`. `label` names the cell, e.g. "cell 12"; whatever it raises propagates.

    For our own lessons, in this process. Line magics need a `get_ipython` among the names; a cell magic or top-level
    `await` is a SyntaxError.
    """
    filename = f"<{label}>"
    text, code = _compiled(source, filename)
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    exec(code, names)


@lru_cache(256)  # `course verify` runs a lesson's cells once for each answer
def _compiled(source: str, filename: str) -> tuple[str, CodeType]:
    from IPython.core.inputtransformer2 import TransformerManager

    text: str = TransformerManager().transform_cell(source)
    return text, compile(text, filename, "exec", dont_inherit=True)


def _device_that_is_here() -> None:
    """Tensors are made on the CPU again if a cell has chosen a default device that this machine lacks."""
    import torch

    try:
        torch.empty(0)
    except (AssertionError, RuntimeError):
        torch.set_default_device("cpu")


class Shell:
    """An IPython shell without history and without a display, for the sandbox; `names` are the learner's."""

    def __init__(self) -> None:
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config

        class Quiet(InteractiveShell):
            def enable_gui(self, gui: str | None = None) -> None:
                """No window, no event loop: `%matplotlib` in any form goes on with the Agg backend."""

            def show_usage(self) -> None:
                """Nobody reads it."""

        quiet = Config()
        quiet.HistoryManager.enabled = False
        quiet.InteractiveShell.colors = "nocolor"
        self.shell = Quiet.instance(config=quiet)
        assert self.shell.display_formatter is not None
        self.shell.display_formatter.active_types = ["text/plain"]  # draw no figure that nobody sees
        self.names: dict[str, Any] = self.shell.user_ns
        self._fresh = dict(self.names)

    def run(self, source: str) -> str:
        """Run one cell; returns what it raised, in one line, or "". Never raises."""
        result = self.shell.run_cell(source, store_history=True)
        error = result.error_before_exec or result.error_in_exec
        if "matplotlib.pyplot" in sys.modules:
            sys.modules["matplotlib.pyplot"].close("all")
        _device_that_is_here()
        return f"{type(error).__name__}: {str(error)[:200]}" if error is not None else ""

    def reset(self) -> None:
        """Fresh names and default settings of torch and random: one shell for many answers that we trust."""
        import torch

        self.names.clear()  # shell.reset() collects garbage each time: half a second
        self.names.update(self._fresh)
        assert self.shell.history_manager is not None
        for inputs in (self.names["In"], self.shell.history_manager.input_hist_raw):
            del inputs[1:]
        self.names["Out"].clear()
        self.shell.execution_count = 1
        torch.set_default_dtype(torch.float32)
        torch.set_grad_enabled(True)
        torch.manual_seed(0)
        random.seed(0)
