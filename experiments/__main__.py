"""Run the experiments of the named lessons (all of them, if none is named) over their seeds and store what they measure."""

import importlib
import inspect
import json
import platform
import sys
from pathlib import Path

import torch
from tqdm import tqdm

from autograder.house import ROOT


def lessons() -> list[str]:
    """The lessons that measure something over seeds: one module each."""
    here = Path(__file__).parent
    return sorted(path.stem for path in here.glob("*.py") if path.stem not in ("__init__", "__main__", "notebook"))


def runs(module) -> dict:
    """The runs of a lesson's module: its public functions that take one seed, by name."""
    own = inspect.getmembers(module, lambda f: inspect.isfunction(f) and f.__module__ == module.__name__)
    return {name: run for name, run in own if list(inspect.signature(run).parameters) == ["seed"]}


def rounded(value):
    """Six significant digits: what a figure shows, and no more than another machine repeats."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: rounded(entry) for key, entry in value.items()}
    return [rounded(entry) for entry in value] if isinstance(value, list | tuple) else value


def measure(lesson: str) -> dict:
    """All runs of one lesson over all its seeds, with what they were made with."""
    module = importlib.import_module(f"experiments.{lesson}")
    torch.set_num_threads(1)
    found = runs(module)
    measured: dict = {name: [] for name in found}
    todo = [(name, seed) for name in found for seed in module.SEEDS]
    with tqdm(todo, unit="run", leave=False, disable=not sys.stderr.isatty()) as bar:
        for name, seed in bar:
            bar.set_description(f"{lesson}: {name}, seed {seed}")
            measured[name].append({"seed": seed, "measured": rounded(found[name](seed))})
    made_with = {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "torch": torch.__version__,
        "threads": 1,
    }
    return {"lesson": lesson, "made_with": made_with, "runs": measured}


def main(names: list[str]) -> int:
    unknown = sorted(set(names) - set(lessons()))
    if unknown:
        print(f"no experiments for {', '.join(unknown)}; there are {', '.join(lessons())}", file=sys.stderr)
        return 2
    for lesson in names or lessons():
        path = ROOT / "results" / f"{lesson}.json"
        path.write_text(json.dumps(measure(lesson), indent=1) + "\n", encoding="utf-8")
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
