"""A class's students, from a CSV file."""

from __future__ import annotations

import csv
from pathlib import Path

from autograder.errors import OperatorError


def roster_of(path: Path) -> list[dict[str, str]]:
    """Students from a CSV file with the columns id, first, last, email; only id is needed. OperatorError for any other file."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, skipinitialspace=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise OperatorError(
            f"{path} cannot be read as a roster ({error}). It must be a CSV file: id,first,last,email"
        ) from None
    if not rows or "id" not in rows[0]:
        raise OperatorError(f"{path} has no column `id`. Its first line must be: id,first,last,email")
    students = [{key: (value or "").strip() for key, value in row.items() if isinstance(key, str)} for row in rows]
    for number, student in enumerate(students, 2):
        name = student["id"]
        if not name or "/" in name or name.startswith(".") or any(sign in name for sign in "*?[]\\"):
            raise OperatorError(f"{path}, line {number}: {name!r} cannot be the name of a folder. Use another id.")
    return students
