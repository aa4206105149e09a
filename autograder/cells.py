"""Runs a learner's cell as IPython would: magics and top-level names, with the source kept for error messages."""

from __future__ import annotations

import linecache
from typing import Any


def execute(source: str, names: dict[str, Any], label: str) -> None:
    """Run the source of one cell in `names`. `label` names the cell, e.g. "cell 12"; whatever it raises comes out.

    Line magics need a `get_ipython` among the names; a cell magic or top-level `await` is refused as a SyntaxError.
    """
    from IPython.core.inputtransformer2 import TransformerManager

    code = TransformerManager().transform_cell(source)
    filename = f"<{label}>"
    linecache.cache[filename] = (len(code), None, code.splitlines(keepends=True), filename)
    exec(compile(code, filename, "exec", dont_inherit=True), names)
