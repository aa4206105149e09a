"""What an experiment cell needs: a clear word while an exercise is unsolved, stored runs, and a reply to a guess."""

import json
import math
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import SupportsFloat

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


def reply(
    guess: object,
    measured: float | str,
    replies: Mapping[float | str, str],
    otherwise: str = "",
    *,
    high: str = "",
    near: float = 0.02,
) -> None:
    """Print what an experiment has found beside the learner's guess, and the sentence for that guess.

    ``reply(guess_T, T, {T: "So it is.", T / 2: "Twice as many."}, "Count again.", high="Not so many.", near=0.1)``.
    `replies` has a sentence for each guess that is foreseen, the right one included. Numbers are matched within 2 % of
    the larger, `measured` itself within the share `near`; any other number gets `otherwise`, or, where it is above
    `measured`, `high`. For a choice, `replies` names all options in small letters; capitals and blanks of the guess do
    not matter. Where there is no guess yet, or nothing of the kind that was asked for, the line asks for one.
    """
    sentence = None
    if isinstance(measured, str):
        said = " ".join(guess.lower().split()) if isinstance(guess, str) else ""
        sentence, beside = replies.get(said), f'You said "{said}"; the experiment says "{measured}".'
    elif isinstance(guess, SupportsFloat):
        number = float(guess)
        reach = {known: near if known == measured else 0.02 for known in replies if not isinstance(known, str)}
        found = [known for known, share in reach.items() if math.isclose(number, known, rel_tol=share)]
        nearest = min(found, key=lambda known: abs(number - known), default=None)
        other = high if high and number > measured else otherwise
        sentence = other if nearest is None else replies[nearest]
        beside = f"You said {number:g}; the experiment says {measured:.4g}."
    print("Commit to an answer above, and run this cell again." if sentence is None else f"{beside} {sentence}".strip())
