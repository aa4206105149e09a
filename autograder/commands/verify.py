"""`course verify`: tries every check on the solution, the stub, wrong and right answers, in a notebook and in the sandbox."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from autograder import house
from autograder.authoring.release import scripts_of
from autograder.authoring.twice import Judge, Sandboxed, Twice
from autograder.authoring.verify import Material, Proof, Share, as_generated, in_notebook, material, prove, shares
from autograder.checking import card
from autograder.checking.recall import remembered
from autograder.checking.spec import Check, Verdict
from autograder.house import NOTEBOOKS, ROOT
from autograder.judge.sandbox import NoSandbox, choose
from autograder.lessons import load, load_lesson


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `course verify`."""
    parser.epilog = (
        "examples:\n"
        "  course verify                         every check: solution, stub, wrong and right answers\n"
        "  course verify 01 --show               one lesson, with the message that each wrong answer gets\n"
        "  course verify --json > matrix.json    for machines\n\n"
        "Wrong answers are in tests/answers/LESSON/wrong.diff, as edits of right ones, under the sign that each must get;\n"
        "right ones are in right.py beside it. And notebooks/ must be, byte for byte, what `course release` makes."
    )
    parser.add_argument("lessons", nargs="*", metavar="LESSON", help="a lesson's number or name; all if none is given")
    parser.add_argument("--json", action="store_true", help="print the matrix as JSON")
    parser.add_argument("--notebook-only", action="store_true", help="do not judge the answers in the sandbox as well")
    parser.add_argument("--show", action="store_true", help="print each wrong answer's message")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (one per core)")


AT_ONCE = 16  # answers of one task: with so few, workers that share the tasks finish together


@dataclass(frozen=True)
class Task:
    """One check to try on a share of its answers, in any process."""

    script: Path
    check: str
    share: Share
    sandboxed: bool


@dataclass(frozen=True)
class Tried:
    """The outcome of a Task: the proof, how many answers were judged twice, and the message for each wrong answer."""

    proof: Proof
    judged: int
    messages: tuple[str, ...]


def run(args: argparse.Namespace) -> int:
    """Try the checks and print a line for each; 0 if all is as it should be, else 1."""
    scripts = scripts_of(args.lessons)
    level = "" if args.notebook_only else _level()
    tasks = [
        Task(script, check.id, share, bool(level))
        for script in scripts
        for check in load_lesson(house.stem(script.stem))
        for share in shares(_material(script), check, AT_ONCE)
    ]
    proofs: dict[str, Proof] = {}
    judged = 0
    for task, tried in _progress(tasks, max(1, args.jobs)):
        proof = proofs[task.check] = proofs[task.check] + tried.proof if task.check in proofs else tried.proof
        judged += tried.judged
        if not args.json:
            ends = [_line(task.check, proof)] if task.share.last else []
            _print("\n".join([*(tried.messages if args.show else ()), *ends]))
    stale = [script.stem for script in scripts if not as_generated(script, NOTEBOOKS)]
    if args.json:
        print(json.dumps({"checks": {id: _entry(proof) for id, proof in proofs.items()}, "stale": stale}))
    green = sum(proof.green for proof in proofs.values())
    if not args.json:
        if level:
            print(f"{judged} answers were judged both in a notebook and in the sandbox ({level}).")
        print(f"{green} of {len(proofs)} checks are green.")
    for stem in stale:
        print(f"notebooks/{stem}.ipynb is not what solutions/{stem}.py makes. Run `make release`.", file=sys.stderr)
    return 0 if green == len(proofs) and not stale else 1


def _level() -> str:
    try:
        return choose().level
    except NoSandbox as error:
        print(f"course verify: judging in the notebook only. {error}", file=sys.stderr)
        return ""


def _progress(tasks: list[Task], jobs: int) -> Iterator[tuple[Task, Tried]]:
    from tqdm import tqdm

    results = zip(tasks, _tried(tasks, jobs), strict=True)
    yield from tqdm(results, total=len(tasks), unit="share", leave=False, disable=not sys.stderr.isatty())


def _tried(tasks: list[Task], jobs: int) -> Iterator[Tried]:
    """The outcomes in the order of the tasks."""
    if jobs == 1:
        try:
            yield from map(_try, tasks)
        finally:
            _close()
        return
    context = multiprocessing.get_context("spawn")  # torch has started threads here
    with ProcessPoolExecutor(jobs, context) as pool:
        yield from pool.map(_try, tasks)


def _try(task: Task) -> Tried:
    messages = []

    def report(check: Check, kind: str, label: str, verdict: Verdict) -> None:
        if kind == "mistake":
            messages.append(f"\n{check.id}  <- {label}\n{card.text(verdict)}")

    given = _material(task.script)
    here: Judge = partial(in_notebook, files=given.files)
    judge: Judge = Twice(here, _sandboxed(given.files)) if task.sandboxed else here
    with remembered():
        proof = prove(load(task.check), given, judge, report, task.share)
    return Tried(proof, judge.judged if isinstance(judge, Twice) else 0, tuple(messages))


@cache
def _material(script: Path) -> Material:
    return material(script, ROOT / "tests" / "answers" / house.stem(script.stem))


_CHILDREN: list[Sandboxed] = []


@cache
def _sandboxed(files: tuple[tuple[str, Path], ...]) -> Sandboxed:
    """This process's child with these files, for all the answers that it judges; ends with the process."""
    _CHILDREN.append(Sandboxed(choose(), files=files))
    return _CHILDREN[-1]


def _close() -> None:
    _sandboxed.cache_clear()
    while _CHILDREN:
        _CHILDREN.pop().close()


def _print(text: str) -> None:
    from tqdm import tqdm

    if not text:
        return
    tqdm.write(text)
    sys.stdout.flush()


def _entry(proof: Proof) -> dict[str, Any]:
    return {
        "lesson": proof.lesson,
        "solution": proof.solution,
        "stub_fails": proof.stub_fails,
        "mistakes": proof.mistakes,
        "variants": proof.variants,
    }


def _line(id: str, proof: Proof) -> str:
    m, v = proof.mistakes, proof.variants
    solution, stub = ("passes" if proof.solution else "FAILS"), ("fails" if proof.stub_fails else "PASSES")
    line = (
        f"{'ok ' if proof.green else 'NO '} {id:<44} solution {solution}, stub {stub}, "
        f"wrong answers {m['caught']}/{m['total']} caught {m['named']}/{m['total']} named, variants {v['accepted']}/{v['total']}"
    )
    return "\n".join([line, *("      " + fault.replace("\n", "\n      ") for fault in proof.faults)])
