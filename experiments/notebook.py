"""The functions of a lesson, as its solution or as its learner finds them, without running checks or drawing figures."""

import contextlib
import io
import re
from pathlib import Path
from types import SimpleNamespace

import jupytext

ROOT = Path(__file__).resolve().parent.parent
SOLUTION = re.compile(r"^[ \t]*### BEGIN SOLUTION\n.*?^[ \t]*### END SOLUTION\n?", re.M | re.S)
RELEASED = re.compile(r"^[ \t]*### RELEASED AS\n(.*?)^[ \t]*### END RELEASED\n?", re.M | re.S)


def solved(lesson: str, released: tuple[str, ...] = ()) -> SimpleNamespace:
    """Run the `given` and `answer` cells of ``solutions/NN_<lesson>.py``; the names that they define, as attributes.

    The answers named in ``released`` are taken as they are handed out (a bug to find stays in).
    """
    (path,) = sorted((ROOT / "solutions").glob(f"[0-9][0-9]_{lesson}.py"))
    names: dict = {"__name__": f"solutions.{lesson}"}
    for number, cell in enumerate(jupytext.read(path).cells, 1):
        if cell.cell_type == "code" and ("given" in cell.metadata or "answer" in cell.metadata):
            text = cell.source + "\n"
            text = as_released(text) if cell.metadata.get("answer") in released else text
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(text, f"{path.name}, cell {number}", "exec"), names)
    return SimpleNamespace(**names)


def as_released(text: str) -> str:
    """An answer cell as handed out: the solution taken out, the RELEASED AS block put in."""
    return RELEASED.sub(lambda found: re.sub(r"^([ \t]*)# ?", r"\1", found[1], flags=re.M), SOLUTION.sub("", text))
