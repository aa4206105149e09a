"""Judges the notebook in a repository on a GitHub runner: `python -I -m autograder.delivery.github LESSON FOLDER`.

What is right goes into the job's summary, as cards; what is not becomes an annotation, too. Both are described on
https://docs.github.com under *Workflow commands for GitHub Actions*. Where Classroom 50 has started it, it also writes the
result.json that is described in that project's wiki, under *Advanced Autograding*, and in its schemas/result-v1.schema.json.

There is no key: whoever can push to the repository could read it. So anybody can foresee the numbers, and change the workflow.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from autograder import house
from autograder.checking import card
from autograder.checking.spec import Verdict
from autograder.delivery.single import judged
from autograder.errors import OperatorError
from autograder.house import NOTEBOOKS
from autograder.judge.entry import Entry
from autograder.judge.releases import Releases

LARGEST = 1_000_000  # bytes of a summary; GitHub takes 1024 KiB
SCHEMA = "classroom50/result/v1"


def summary(entry: Entry) -> str:
    """The job's summary in Markdown: the points, what is to be said of the whole, and a card for each check."""
    lines = [f"## {entry.lesson}: {entry.score:g} of {entry.of:g} points"]
    lines += [_block(entry.problem)] if entry.problem else []
    lines.append(
        "The numbers here are not secret, and whoever pushes can change what runs: this is feedback, not a grade."
    )
    lines += [_block("\n".join(entry.remarks))] if entry.remarks else []
    lines += [] if entry.problem else [_block(card.text(verdict)) for verdict in entry.verdicts.values()]
    text = "\n\n".join(lines) + "\n"
    return (
        text
        if len(text.encode()) <= LARGEST
        else f"{lines[0]}\n\nThere is too much to show here; see the annotations.\n"
    )


def _block(text: str) -> str:
    """Text as it is, also what a learner has put into it: in a fence longer than any inside."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}text\n{text}\n{fence}"


def commands(entry: Entry, file: str) -> list[str]:
    """Workflow commands, one a line: an error for what is wrong, a warning for what a person decides, a notice for what is not written."""
    if entry.problem:
        return [_command("error", file, entry.lesson, entry.problem)]
    levels = {"missing": "notice", **dict.fromkeys(("look", "broken"), "warning")}
    return [
        _command(levels.get(one.status, "error"), file, _short(one, entry), card.text(one))
        for one in entry.verdicts.values()
        if not one.right
    ]


def _command(level: str, file: str, title: str, message: str) -> str:
    """One command. What is in it cannot end it: GitHub's own escapes stand for what would."""
    data = {ord("%"): "%25", ord("\r"): "%0D", ord("\n"): "%0A"}
    value = {**data, ord(":"): "%3A", ord(","): "%2C"}
    return f"::{level} file={file.translate(value)},title={title.translate(value)}::{message.translate(data)}"


def _short(verdict: Verdict, entry: Entry) -> str:
    return verdict.check.removeprefix(house.prefix(house.stem(entry.lesson)))


def result(entry: Entry, given: Mapping[str, str]) -> dict[str, Any]:
    """Classroom 50's result.json, with the identity that its runner has `given`. Its points are whole: a part of one is left out."""
    tests = [
        {
            "test-name": _short(one, entry),
            "passed": one.right and one.credit == 1,
            "score": int(one.points(entry.points[one.check])),
            "max-score": int(entry.points[one.check]),
            "output": card.text(one),
        }
        for one in entry.verdicts.values()
    ]
    return {
        "schema": SCHEMA,
        "classroom": given["CLASSROOM"],
        "assignment": given["ASSIGNMENT"],
        "assignment_type": given.get("ASSIGNMENT_TYPE") or "individual",
        "owner": given.get("OWNER") or given["USERNAME"],
        "submission": given["SUBMISSION_TAG"],
        "commit": given["COMMIT_URL"],
        "release": given["RELEASE_URL"],
        "review": given.get("REVIEW_URL") or given["COMMIT_URL"],
        "datetime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "score": sum(test["score"] for test in tests),
        "max-score": sum(test["max-score"] for test in tests),
        "tests": tests,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Judge, tell, and say by the exit code whether all is right; Classroom 50 wants 0 wherever something was judged. 2 if nothing was."""
    lesson, folder = (sys.argv[1:] if argv is None else argv)[:2]
    given = os.environ
    try:
        entry = judged(Path(folder), lesson, Releases([NOTEBOOKS]), given.get("GITHUB_REPOSITORY", "nobody"))
    except OperatorError as error:
        print(_command("error", f"{lesson}.ipynb", "This could not be judged", str(error)))
        return 2
    if place := given.get("GITHUB_STEP_SUMMARY"):
        with open(place, "a", encoding="utf-8") as file:
            file.write(summary(entry))
    for line in commands(entry, f"{lesson}.ipynb"):
        print(line)
    print(f"{entry.score:g} of {entry.of:g} points, sandbox {entry.provenance['sandbox']}")
    if "CLASSROOM" in given:
        Path(folder, "result.json").write_text(json.dumps(result(entry, given), indent=1), encoding="utf-8")
        return 0
    return int(entry.score != entry.of)


if __name__ == "__main__":
    sys.exit(main())
