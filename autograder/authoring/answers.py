"""The answers on which `course verify` tries a lesson's checks: right ones in several styles, wrong ones as edits of them.

`right.py` is a percent script; each cell says which check it answers and what is special about it: `# %% of="check" variant="style"`.
`wrong.diff` is a catalogue with a section for each check and, in it, an entry for each mistake: the sign that it must get, then the
right answers that it edits (`solution` is the lesson's own)::

    == shared-gradients-bptt

    @@ bias-overwritten @@ solution, forward-first
    -        db += dz.sum(0)
    +        db = dz.sum(0)
    @@ stub @@
    +def bptt_every_step(x, h0, params, targets):
    +    return None

`-` is a line of the right answer, `+` what replaces it, and a line that begins with a space stays and says where. An empty line
separates two places. An entry without a right answer holds the whole wrong one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import jupytext

from autograder.authoring.contract import as_written
from autograder.errors import AuthorError

_SECTION = re.compile(r"== (\S+)")
_HEAD = re.compile(r"@@ (.+?) @@ ?(.*)")

Hunk = list[tuple[str, str]]  # (" ", "-" or "+", the line)


@dataclass(frozen=True)
class Sample:
    """An answer as a learner writes it. `label` is the sign that a wrong one must get, or what is special about a right one."""

    of: str
    label: str
    source: str


def right(folder: Path) -> list[Sample]:
    """The right answers of a lesson; none without a `right.py`."""
    path = folder / "right.py"
    if not path.exists():
        return []
    cells = [cell for cell in jupytext.read(path).cells if cell.cell_type == "code"]
    for number, cell in enumerate(cells[1:] if cells and _is_docstring(cells[0].source) else cells, 1):
        if not {"of", "variant"} <= set(cell.metadata):
            header = 'Write its header as # %% of="CHECK" variant="STYLE"'
            raise AuthorError(path, f"right answer {number} does not say whose it is and how it differs", header)
    named = [cell for cell in cells if "of" in cell.metadata]
    found = [Sample(cell.metadata["of"], cell.metadata["variant"], cell.source) for cell in named]
    names = [(one.of, one.label) for one in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise AuthorError(path, f"{twice[0]} has two right answers called {twice[1]}", "Give one of them another name")
    return found


def _is_docstring(source: str) -> bool:
    return source.lstrip().startswith('"""')


def wrong(folder: Path, solutions: Mapping[str, str]) -> list[Sample]:
    """The wrong answers of a lesson, in the order of the catalogue; none without a `wrong.diff`.

    `solutions` are the lesson's own answers by check. AuthorError for an edit that does not fit the right answer that it names.
    """
    path = folder / "wrong.diff"
    if not path.exists():
        return []
    bases = {(one.of, one.label): one.source for one in right(folder)}
    bases |= {(of, "solution"): as_written(source) for of, source in solutions.items()}
    return [sample for edit in _edits(path) for sample in edit.samples(bases)]


@dataclass(frozen=True)
class _Edit:
    """One entry of the catalogue: where it is, which check and mistake it is for, which right answers it edits, and how."""

    path: Path
    line: int
    of: str
    sign: str
    bases: tuple[str, ...]
    hunks: tuple[Hunk, ...]

    def samples(self, bases: Mapping[tuple[str, str], str]) -> Iterator[Sample]:
        if not self.bases:
            yield Sample(self.of, self.sign, "\n".join(line for hunk in self.hunks for _, line in hunk))
        for name in self.bases:
            if (self.of, name) not in bases:
                known = ", ".join(label for of, label in bases if of == self.of) or "none"
                raise self._error(f"{self.of} has no right answer called {name}", f"It has: {known}")
            yield Sample(self.of, self.sign, self._applied(bases[self.of, name], name))

    def _applied(self, source: str, base: str) -> str:
        """The right answer after the edit; each place is looked for after the one before."""
        lines, begin = source.rstrip().split("\n"), 0
        for hunk in self.hunks:
            old = [line for sign, line in hunk if sign != "+"]
            new = [line for sign, line in hunk if sign != "-"]
            places = [i for i in range(begin, len(lines) - len(old) + 1) if lines[i : i + len(old)] == old]
            if not places:
                raise self._error(f"`{old[0].strip()}` is not in the right answer {base}", "Copy the line exactly")
            if len(places) > 1:
                problem = f"`{old[0].strip()}` occurs {len(places)} times in the right answer {base}"
                raise self._error(problem, "Copy the line before it too, with a space in front")
            lines[places[0] : places[0] + len(old)] = new
            begin = places[0] + len(new)
        return "\n".join(lines)

    def _error(self, problem: str, remedy: str) -> AuthorError:
        return AuthorError(self.path, f"the wrong answer {self.sign} of {self.of}: {problem}", remedy, line=self.line)


def _edits(path: Path) -> Iterator[_Edit]:
    """The entries of a catalogue; AuthorError for a line of no known kind."""
    of = ""
    heads: list[tuple[int, str, str, tuple[str, ...], list[Hunk]]] = []  # line, check, sign, right answers, hunks
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if section := _SECTION.fullmatch(line):
            of = section[1]
        elif head := _HEAD.fullmatch(line):
            names = tuple(name.strip() for name in head[2].split(",") if name.strip())
            heads.append((number, of, head[1], names, [[]]))
        elif heads and line[:1] in (" ", "-", "+"):
            hunks = heads[-1][4]
            if line[0] != "+" and hunks[-1] and hunks[-1][-1][0] == "+" or not hunks:
                hunks.append([])
            hunks[-1].append((line[0], line[1:]))
        elif heads and not line:
            heads[-1][4].append([])
        elif line and not line.startswith("#"):
            raise AuthorError(
                path, f"`{line}` is not a line of a catalogue", "Begin it with ==, @@, -, + or a space", line=number
            )
    for number, of, sign, names, hunks in heads:
        kept = tuple(hunk for hunk in hunks if hunk)
        edit = _Edit(path, number, of, sign, names, kept)
        if names and any(all(kind == "+" for kind, _ in hunk) for hunk in kept):
            raise edit._error(
                "a line is added without saying where", "Copy the line before it too, with a space in front"
            )
        if not names and any(kind != "+" for hunk in kept for kind, _ in hunk):
            raise edit._error(
                "a whole answer has only lines with +", "After the second @@, name the right answer that it edits"
            )
        yield edit
