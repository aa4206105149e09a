"""Opens what a service or a learner packed: nothing outside is written, no link followed, and no more unpacked than is judged."""

from __future__ import annotations

import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from autograder.errors import OperatorError
from autograder.judge.folders import DEEPEST, below
from autograder.judge.limits import Limits

EACH = Limits().files  # bytes of one file, and of all that a learner packed
MEMBERS = 500  # files in a learner's archive: the judge takes no more beside a notebook


class Refused(Exception):
    """An archive that is not opened; the message is a sentence."""


@dataclass(frozen=True)
class Piece:
    """One file, by its place in what was packed; or why it was left out."""

    place: PurePosixPath
    data: bytes = b""
    problem: str = ""


def downloaded(path: Path) -> Iterator[Piece]:
    """The files in a download, as a zip or already unpacked in a folder. OperatorError if it is neither, or hostile as a whole."""
    if path.is_dir():
        for entry, _ in below(path):
            place = PurePosixPath(Path(entry).relative_to(path).as_posix())
            if entry.is_symlink():
                yield Piece(place, problem="is a link, which is not followed")
            elif entry.is_file():
                with open(entry, "rb") as file:
                    yield _piece(place, file.read(EACH + 1))
        return
    try:
        with path.open("rb") as file:
            yield from members(file)
    except OSError as error:
        raise OperatorError(f"{path} cannot be read ({error.strerror}).") from None
    except Refused as error:
        raise OperatorError(f"{path} is not taken in: {error}") from None


def packed_by_learner(file: IO[bytes]) -> list[Piece]:
    """The files in an archive that a learner handed in. Refused, and nothing of it is taken, if any part of it is hostile or too much."""
    found: list[Piece] = []
    for piece in members(file):
        found.append(piece)
        if piece.problem or sum(len(one.data) for one in found) > EACH:
            raise Refused(f"it unpacks to more than {EACH >> 20} MB")
        if len(found) > MEMBERS:
            raise Refused(f"it holds more than {MEMBERS} files")
    return found


def members(file: IO[bytes]) -> Iterator[Piece]:
    """The files in a zip; Refused if it is damaged, encrypted, or names a place outside itself."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = [(_place(info), info) for info in archive.infolist() if not info.is_dir()]
            for place, info in entries:
                with archive.open(info) as member:
                    yield _piece(place, member.read(EACH + 1))  # what an entry says of its own size is not believed
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise Refused(f"it is no zip that can be opened ({error})") from None


def _piece(place: PurePosixPath, data: bytes) -> Piece:
    return Piece(place, data) if len(data) <= EACH else Piece(place, problem=f"is larger than {EACH >> 20} MB")


def _place(info: zipfile.ZipInfo) -> PurePosixPath:
    """Where an entry belongs. Names without the flag for UTF-8 are tried as UTF-8 all the same: rubyzip writes them so."""
    name = info.filename
    if not info.flag_bits & 0x800:
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            pass
    place = PurePosixPath(name.replace("\\", "/"))
    outside = place.is_absolute() or ".." in place.parts or re.match(r"[A-Za-z]:", name)
    if outside or len(place.parts) > DEEPEST:
        raise Refused(f"it names a place outside itself or too deep ({name[:80]!r})")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise Refused(f"it holds a link ({name[:80]!r})")
    return place
