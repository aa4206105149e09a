"""Puts the site's pages together from what the repository has: README, lessons, wrong answers, documents."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from tqdm import tqdm

from autograder import house
from autograder.authoring import verify
from autograder.authoring.answers import Sample
from autograder.authoring.promises import promises, table
from autograder.authoring.rehearse import run_through
from autograder.authoring.release import notebooks
from autograder.authoring.source import read
from autograder.checking.spec import Check, Verdict
from autograder.house import NOTEBOOKS, ROOT, SOLUTIONS
from autograder.lessons import load_lesson

KEPT = ROOT / "build" / "site-kept"  # what took long, by the content that it was made from

# Where a file of the repository is on the site; what is on none of these pages is named without a link.
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "docs/design.md": "design.md",
    "docs/github.md": "github.md",
    "docs/gradescope.md": "gradescope.md",
    "docs/lms.md": "lms.md",
    "docs/security.md": "security.md",
}
PARTS = {"For learners": "learners.md", "For instructors": "instructors.md", "For automatic grading": "grading.md"}


def into(pages: Path, only: Iterable[str] | None = None) -> None:
    """Write every page into the folder `pages`."""
    scripts = [one for one in house.lessons(SOLUTIONS) if only is None or one.stem[:2] in set(only)]
    _documents(pages)
    for folder in ("lessons", "solutions", "mistakes"):
        (pages / folder).mkdir()
    rows: list[str] = []
    for script in tqdm(scripts, desc="lessons", unit="lesson", disable=None):
        _write(
            pages / "lessons" / f"{script.stem}.ipynb", _readable(nbformat.read(NOTEBOOKS / f"{script.stem}.ipynb", 4))
        )
        _write(pages / "solutions" / f"{script.stem}.ipynb", _readable(executed(script)))
        page, tried = _mistakes(script)
        (pages / "mistakes" / f"{script.stem}.md").write_text(page, encoding="utf-8")
        rows += tried
    names = [script.stem for script in scripts]
    for folder, head in HEADS.items():
        text = head + "\n" + _contents(names)
        (pages / folder / "index.md").write_text(text, encoding="utf-8")
    found = [one for one in promises() if one.kept_in and one.kept_in.name in names]
    (pages / "map.md").write_text(f"# The map of the course\n\n{MAP}\n\n{table(found, 'lessons/')}\n", encoding="utf-8")
    (pages / "matrix.md").write_text("\n".join([MATRIX, *rows]) + "\n", encoding="utf-8")


HEADS = {
    "lessons": "# Lessons\n\nAs you get them: read here, work in JupyterLab (`make lab`).\n",
    "solutions": "# Solutions\n\nModel answers, run from top to bottom. They are here to compare with, once you have written your own.\n",
    "mistakes": (
        "# Mistakes\n\nEvery wrong answer on which the checks are tried: what comes back, what it looks like, and the line. "
        "The search finds them by error text, too. [Seen in the wild](../seen.md) has some of them from code that people use.\n"
    ),
}
MAP = "Each promise, the exercise that keeps it, and the experiment that shows it. It is made from the lessons, and tested to be complete."
MATRIX = """# What the checks catch

Each check is tried on the model answer, on right answers in other styles, and on wrong ones. *Caught*: it got no points.
*Named*: the card carries the sign of the mistake that was made. `course verify` does the same, and in the sandbox besides.

| check | right answers accepted | wrong answers | caught | named |
|---|---|---|---|---|"""


def _contents(names: Iterable[str]) -> str:
    return "\n".join(["```{toctree}", ":maxdepth: 1", "", *names, "```", ""])


# Documents


def _documents(pages: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for heading, page in PARTS.items():
        body = readme.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
        if not body:
            raise SystemExit(f"README.md has no part called {heading}; docs/site/gather.py names the parts.")
        text = re.sub(r"(?m)^###", "##", body)
        (pages / page).write_text(f"# {heading}\n{linked(text)}", encoding="utf-8")
    for source, page in PAGES.items():
        if source != "README.md":
            text = (ROOT / source).read_text(encoding="utf-8")
            (pages / page).write_text(linked(text, (ROOT / source).parent), encoding="utf-8")
    for picture in ("card.png", "layers.svg"):
        (pages / picture).write_bytes((ROOT / "docs" / picture).read_bytes())


def linked(text: str, of: Path = ROOT) -> str:
    """Markdown with its links into the repository led to the site's pages, or taken away where there is none."""

    def led(found: re.Match[str]) -> str:
        said, goal = found[1], found[2]
        if re.match(r"https?:|#", goal):
            return found[0]
        path = (of / goal).resolve().relative_to(ROOT).as_posix()
        if path.startswith("notebooks/"):
            return f"[{said}](lessons/{path.removeprefix('notebooks/')})"
        if path in PAGES:
            return f"[{said}]({PAGES[path]})"
        return f"![{said}]({Path(path).name})" if path.endswith((".png", ".svg")) else said

    return re.sub(r"!?\[([^\]\n]*)\]\(([^)\s]+)\)", led, text)


# Lessons


def executed(script: Path) -> NotebookNode:
    """A lesson's solution with its outputs; run again when the script, the code or what it shows has changed."""
    place = KEPT / f"{script.stem}-{_sum(script)}.ipynb"
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        for old in KEPT.glob(f"{script.stem}-*.ipynb"):
            old.unlink()
        notebook, _ = notebooks(script)
        run_through(notebook)
        nbformat.write(notebook, place)
    return nbformat.read(place, 4)


def _sum(script: Path) -> str:
    """A sum of everything that a lesson's outputs, and the verdicts on its answers, depend on."""
    total = hashlib.sha256()
    tests = ROOT / "tests" / "answers" / house.stem(script.stem)
    folders = (ROOT / "autograder", ROOT / "bptt", ROOT / "results", tests)
    for path in sorted({script, *(one for folder in folders for one in folder.rglob("*") if one.is_file())}):
        if path.suffix in (".py", ".json", ".diff", ".safetensors"):
            total.update(path.read_bytes())
    return total.hexdigest()[:16]


def _title(script: Path) -> str:
    """What a lesson is called, from its first line."""
    return read(script).cells[0].source.split("\n")[0].partition("·")[2].strip()


def _readable(notebook: NotebookNode) -> NotebookNode:
    """Without what only a kernel, nbgrader or a widget manager understands."""
    for cell in notebook.cells:
        cell.metadata = {}
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            for kind in [kind for kind in data if "widget" in kind or kind == "application/javascript"]:
                del data[kind]
        if "outputs" in cell:
            cell.outputs = [one for one in cell.outputs if one.output_type != "display_data" or one.get("data")]
    notebook.metadata.pop("widgets", None)
    return notebook


def _write(path: Path, notebook: NotebookNode) -> None:
    nbformat.write(notebook, path)


# Mistakes


@dataclass(frozen=True)
class Tried:
    """A wrong answer of the bank, what its check said, and the right answer that it is most like."""

    sample: Sample
    verdict: Verdict
    near: str


def _mistakes(script: Path) -> tuple[str, list[str]]:
    """A lesson's page of mistakes, and its rows of the matrix; made again when the lesson or the code has changed."""
    place = KEPT / f"{script.stem}-{_sum(script)}.json"
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        for old in KEPT.glob(f"{script.stem}-*.json"):
            old.unlink()
        proved = list(_proved(script))
        page = "\n".join(
            [f"# {script.stem[:2]} · {_title(script)}", "", *(line for one in proved for line in _section(*one))]
        )
        place.write_text(json.dumps([page, [_row(check, proof) for check, proof, _ in proved]]), encoding="utf-8")
    page, rows = json.loads(place.read_text(encoding="utf-8"))
    return page, rows


def _proved(script: Path) -> Iterator[tuple[Check, verify.Proof, list[Tried]]]:
    """Each check of a lesson, tried on every answer of the bank as in a notebook."""
    given = verify.material(script, ROOT / "tests" / "answers" / house.stem(script.stem))
    own = {id: source for role, id, source in given.solution.cells if role == "answer"}
    for check in tqdm(load_lesson(house.stem(script.stem)), desc=script.stem, unit="check", leave=False, disable=None):
        verdicts: list[Verdict] = []
        proof = verify.prove(
            check,
            given,
            lambda check, sources: verify.in_notebook(check, sources, given.files),
            lambda _, kind, label, verdict, heard=verdicts: heard.append(verdict) if kind == "mistake" else None,
        )
        rights = [own[check.id], *(one.source for one in given.right if one.of == check.id)]
        wrong = [one for one in given.wrong if one.of == check.id]
        pairs = zip(wrong, verdicts, strict=True)
        yield check, proof, [Tried(one, verdict, _nearest(one.source, rights)) for one, verdict in pairs]


def _nearest(wrong: str, rights: Iterable[str]) -> str:
    return max(rights, key=lambda right: difflib.SequenceMatcher(None, right.split("\n"), wrong.split("\n")).ratio())


def _row(check: Check, proof: verify.Proof) -> str:
    wrong, right = proof.mistakes, proof.variants
    accepted = f"{right['accepted'] + proof.solution} of {right['total'] + 1}"
    return f"| `{check.id}` | {accepted} | {wrong['total']} | {wrong['caught']} | {wrong['named']} |"


def _section(check: Check, proof: verify.Proof, tried: Iterable[Tried]) -> Iterator[str]:
    """An exercise's mistakes: each once, however many right answers it was tried on."""
    yield from (f"## `{check.of}`", "", check.claim, "")
    first: dict[str, Tried] = {}
    for one in tried:
        first.setdefault(one.sample.label, one)
    for one in first.values():
        finding = one.verdict.finding
        if finding is None:
            continue
        lines = difflib.unified_diff(one.near.split("\n"), one.sample.source.split("\n"), n=1, lineterm="")
        changed = [line for line in lines if not line.startswith(("---", "+++", "@@"))]
        yield from (f":::{{dropdown}} {_plain(one.sample.label)}", "")
        yield from (
            f"{_escaped(part)}\n" for part in (f"{finding.summary}. {finding.where}".strip(" ."), *finding.clues)
        )
        yield from ("```diff", *changed, "```", ":::", "")


def _plain(label: str) -> str:
    """A sign as words."""
    return label.replace("-", " ")


def _escaped(text: str) -> str:
    """A message as Markdown shows it: word for word."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([\\*_\[\]<>$#|{}])", r"\\\1", part) for part in parts)
