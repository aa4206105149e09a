"""What an experiment cell needs: a clear word while an exercise is unsolved, and the stored runs over many seeds."""

import json
import sys
import traceback
from pathlib import Path
from types import TracebackType

PACKAGE = Path(__file__).resolve().parent
# A wheel carries results/ inside the package, a checkout beside it.
RESULTS = (PACKAGE / "results", PACKAGE.parent / "results")


class needs:
    """Run an experiment that uses the named functions of the learner, and say so where they are not ready.

    ``with needs("rnn_step"): ...`` prints one or two lines instead of a traceback where a function is missing, still a
    stub, or returns something that the experiment cannot use. Ctrl-C and the like pass through.
    """

    def __init__(self, *functions: str):
        self.functions = functions

    def __enter__(self) -> "needs":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None or not isinstance(error, Exception):
            return False
        names = " and ".join(f"`{name}`" for name in self.functions)
        if "matplotlib.pyplot" in sys.modules:  # a figure that was begun would be shown empty
            sys.modules["matplotlib.pyplot"].close("all")
        if isinstance(error, NotImplementedError):
            print(
                f"This experiment uses your {names}. Solve {'them' if len(self.functions) > 1 else 'it'} above, then run this cell again."
            )
        elif isinstance(error, NameError):
            print(f"{error}. Run the cells above first (Run > Run All Above Selected Cell), then this one again.")
        else:
            frame = traceback.extract_tb(trace)[0]
            line = next(iter(str(error).splitlines()), "")
            print(f"The experiment stopped at line {frame.lineno} of this cell: {type(error).__name__}: {line}")
            print(f"It relies on your {names}: does the check above pass? If it does, the error is in this cell.")
        return True


def stored(lesson: str, run: str) -> list[dict]:
    """What `make experiments` measured for one run of one lesson: a dict for each seed, in the order of the seeds.

    ``stored("unrolled_graph", "cost_of_time")``. An empty list where nothing is stored, so that a figure can be drawn
    without its band.
    """
    for folder in RESULTS:
        path = folder / f"{lesson}.json"
        if path.is_file():
            runs = json.loads(path.read_text(encoding="utf-8"))["runs"]
            return [entry["measured"] for entry in runs.get(run, [])]
    return []
