"""How Canvas and Moodle name files and people: the paths in a bulk download, the rows and columns of an exported sheet.

Canvas: lib/content_zipper.rb, lib/gradebook_exporter.rb and lib/gradebook_importer.rb of instructure/canvas-lms.
Moodle: mod/assign/classes/downloader.php, mod/assign/gradingtable.php and mod/assign/feedback/offline/ of moodle/moodle.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from autograder import house
from autograder.errors import OperatorError

_CANVAS = re.compile(r"(?P<name>\w*?)(?P<late>_LATE)?_(?P<id>\d+)_(?:\d+_(?P<file>.+)|(?:text|link)\.html)")
_MOODLE = re.compile(r"(?P<name>.*)_(?P<id>\d+)_assignsubmission_[a-z]+_?(?P<file>.*)")
_COLUMN = re.compile(r"(?P<title>.*) \((?P<id>\d+)\)", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True)
class Owner:
    """Whose a file of a download is, by the LMS's own id, and what they called it; "" if it is nothing but a typed answer."""

    id: str
    name: str
    file: PurePosixPath
    late: bool = False


@dataclass(frozen=True)
class Person:
    """A row of an export: the LMS's own id, the name, and what else tells people apart, by the title of its column."""

    row: int
    id: str
    name: str
    known_as: dict[str, str]


@dataclass
class Sheet:
    """A CSV file as an LMS exported it: every cell is kept, and what separates them, too."""

    path: Path
    rows: list[list[str]]
    delimiter: str
    newline: str
    mark: bool  # a byte order mark

    @property
    def head(self) -> list[str]:
        """The titles of the columns."""
        return self.rows[0]

    def written(self) -> bytes:
        """The sheet as bytes of the same form."""
        text = io.StringIO()
        csv.writer(text, delimiter=self.delimiter, lineterminator=self.newline).writerows(self.rows)
        return text.getvalue().encode("utf-8-sig" if self.mark else "utf-8")


def sheet(path: Path) -> Sheet:
    """The sheet in a file; OperatorError if it is no CSV in UTF-8."""
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8-sig")
        ways = [list(csv.reader(io.StringIO(text, newline=""), delimiter=mark)) for mark in ",;\t"]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise OperatorError(f"{path} cannot be read as a CSV file in UTF-8 ({error}). Export it again.") from None
    rows, delimiter = max(zip(ways, ",;\t", strict=True), key=lambda way: len(way[0][0]) if way[0] else 0)
    if not rows or not rows[0]:
        raise OperatorError(f"{path} is empty. Export it again.")
    newline = "\r\n" if b"\r\n" in raw else "\n"
    return Sheet(path, rows, delimiter, newline, raw.startswith(b"\xef\xbb\xbf"))


class Lms(Protocol):
    """What differs between the two."""

    def whose(self, place: PurePosixPath) -> Owner | None:
        """Whose a file of a bulk download is; None if its path does not say."""

    def people(self, export: Sheet) -> list[Person]:
        """The rows of an export that are people; OperatorError if it is not this LMS's export."""

    def column(self, export: Sheet, lesson: str, wanted: str) -> tuple[int, str]:
        """Where the grades of a lesson stand, and the most that the LMS takes there, as it writes it; OperatorError if nowhere."""


class Canvas:
    """`lastfirst_LATE_12345_67890_file-1.ipynb`, and the gradebook's export: a header, perhaps a row for posting, points possible."""

    IDS = ("SIS Login ID", "SIS User ID", "Integration ID", "ID")

    def whose(self, place: PurePosixPath) -> Owner | None:
        found = _CANVAS.fullmatch(place.name)
        if not found or "anon_" in f"{found['name']}_":  # anonymous grading: Canvas writes no id of a person
            return None
        return Owner(found["id"], found["name"], PurePosixPath(found["file"] or ""), bool(found["late"]))

    def people(self, export: Sheet) -> list[Person]:
        head = export.head
        names = 2 if head[:2] == ["LastName", "FirstName"] else 1
        if not ("Student" in head[0] or names == 2) or head[names : names + 1] != ["ID"] or "Section" not in head:
            raise OperatorError(
                f"{export.path} is no export of Canvas's gradebook: Gradebook, Export, Export Entire Gradebook."
            )
        columns = {title: head.index(title) for title in self.IDS if title in head}
        found = []
        for number, row in _rows(export):
            if id := row[names].strip():  # the rows for posting and for points have none
                known = {title: row[at].strip() for title, at in columns.items()}
                found.append(Person(number, id, " ".join(row[:names]), known))
        return found

    def column(self, export: Sheet, lesson: str, wanted: str) -> tuple[int, str]:
        points = next((row for _, row in _rows(export) if "Points Possible" in row[0]), None)
        if points is None:
            raise OperatorError(f"{export.path} has no row `Points Possible`. Export it again.")
        words = wanted or house.stem(lesson)
        found: list[int] = []
        columns = {at: match for at, title in enumerate(export.head) if (match := _COLUMN.fullmatch(title))}
        for at, match in columns.items():
            exact = words in (match[0], match["title"], match["id"])
            if exact or (not wanted and _plain(words) in _plain(match["title"])):
                found.append(at)
        if len(found) != 1:
            titles = ", ".join(f"`{match[0]}`" for match in columns.values()) or "none"
            raise OperatorError(
                f"Which column of {export.path} is {lesson}? Name it with --column. There are: {titles}."
            )
        return found[0], points[found[0]]


class Moodle:
    """`Name Surname_12345_assignsubmission_file_/x.ipynb`, and the grading worksheet, whose titles are in the user's language."""

    def whose(self, place: PurePosixPath) -> Owner | None:
        for at, part in enumerate(place.parts):
            if found := _MOODLE.fullmatch(part):
                return Owner(found["id"], found["name"], PurePosixPath(found["file"], *place.parts[at + 1 :]))
        return None

    def people(self, export: Sheet) -> list[Person]:
        found = []
        for number, row in _rows(export):
            if id := re.fullmatch(r"\D*(\d+)", row[0]):  # "Participant 123" in English
                known = {title: row[at].strip() for at, title in enumerate(export.head) if at > 1}
                found.append(Person(number, id[1], _TAG.sub("", row[1]) if len(row) > 1 else "", known))
        if not found:
            raise OperatorError(
                f"{export.path} is no grading worksheet of Moodle. Switch on *Offline grading worksheet* under *Feedback "
                "types* of the assignment; then Submissions, Download grading worksheet."
            )
        return found

    def column(self, export: Sheet, lesson: str, wanted: str) -> tuple[int, str]:
        at = next((at for at, title in enumerate(export.head) if title == (wanted or "Grade")), None)
        if at is None:
            titles = ", ".join(f"`{title}`" for title in export.head)
            raise OperatorError(
                f"Which column of {export.path} is the grade? Name it with --column. There are: {titles}."
            )
        most = (row[at + 1] for _, row in _rows(export) if len(row) > at + 1)  # the maximum follows the grade
        return at, next((text for text in most if text.strip()), "")


KINDS: dict[str, Lms] = {"canvas": Canvas(), "moodle": Moodle()}


def same_name(one: str, other: str) -> bool:
    """Whether the name in a file's name may be the one in the export: each LMS leaves out other signs."""
    return _letters(other) in _letters(one)


def told_apart(people: Sequence[Person], roster: Sequence[tuple[str, str]]) -> tuple[dict[str, str], str]:
    """The class's student for each of the LMS's ids, and the column that says so; `roster` has (id, email).

    One column serves for all: the one in which most of the class is found. So a number of the LMS's is never taken for a
    number of the university's that happens to be the same. OperatorError if two people are one student there.
    """
    best: dict[str, str] = {}
    by = ""
    for title in dict.fromkeys(title for person in people for title in person.known_as):
        for field in (0, 1):
            ours = {student[field].casefold(): student[0] for student in roster if student[field]}
            values = [(person, person.known_as[title].casefold()) for person in people]
            found = {person.id: ours[value] for person, value in values if value in ours}
            if len(set(found.values())) > len(set(best.values())):
                best, by = found, title
    if len(set(best.values())) < len(best):
        twice = sorted(student for student in set(best.values()) if list(best.values()).count(student) > 1)
        raise OperatorError(f"More than one row has the {by} of {', '.join(twice)}. Export again.")
    return best, by


def _rows(export: Sheet) -> Iterator[tuple[int, list[str]]]:
    """The rows below the header, as wide as it is."""
    for number, row in enumerate(export.rows[1:], 1):
        if any(row):
            yield number, row + [""] * (len(export.head) - len(row))


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", " ", text).strip().lower()


def _letters(text: str) -> str:
    return re.sub(r"[\W_]", "", text).casefold()
