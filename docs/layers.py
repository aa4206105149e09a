"""Draws docs/layers.svg, the layers of `autograder/`, from the contracts in pyproject.toml. `python -m docs.layers`."""

from __future__ import annotations

import tomllib
from html import escape
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "layers.svg"

WIDTH, ROW, GAP, ROOM, LINE = 760, 36, 8, 20, 20
FILLS = {
    "sandbox": ("#fbe3d3", "#d55e00", "runs beside the learner's code, in a notebook and in the sandbox"),
    "learner": ("#d5efe6", "#009e73", "the rest of a learner's installation"),
    "staff": ("#e6e8ee", "#5f6b85", "staff only"),
}


def contracts(pyproject: str) -> dict[str, dict[str, Any]]:
    """The contracts of import-linter in the text of pyproject.toml, by id."""
    return {one["id"]: one for one in tomllib.loads(pyproject)["tool"]["importlinter"]["contracts"]}


def rows(held: dict[str, dict[str, Any]]) -> list[list[str]]:
    """Full names, row by row from the top; side by side stand those that do not know each other."""
    (root,) = held["layers"]["containers"]
    found: list[list[str]] = []
    for layer in held["layers"]["layers"]:
        names = [f"{root}.{name.strip()}" for name in layer.split("|")]
        if (
            found
            and found[-1] == held["beside"]["source_modules"]
            and {*names} <= {*held["beside"]["forbidden_modules"]}
        ):
            found[-1] = [*found[-1], *names]  # a layer below, which another contract hides from the one above
        else:
            found.append(names)
    return [*found, held["bptt"]["source_modules"]]


def draw(pyproject: str) -> str:
    """The picture, as SVG."""
    held = contracts(pyproject)
    sandbox = {*held["beside"]["source_modules"], *held["bptt"]["source_modules"]}
    learner = set(held["learners"]["source_modules"])
    parts = []
    y = ROOM
    for row in rows(held):
        width = (WIDTH - 2 * ROOM - GAP * (len(row) - 1)) / len(row)
        for place, name in enumerate(row):
            kind = "sandbox" if name in sandbox else "learner" if name in learner else "staff"
            inside = [one.removeprefix(f"{name}.") for one in sorted(learner) if one.startswith(f"{name}.")]
            note = f"   ({' and '.join(inside)}: the learner's)" if inside else ""
            x = ROOM + place * (width + GAP)
            fill, edge, _ = FILLS[kind]
            parts.append(
                f'<rect x="{x:g}" y="{y}" width="{width:g}" height="{ROW}" rx="4" fill="{fill}" stroke="{edge}"/>'
            )
            parts.append(
                f'<text x="{x + width / 2:g}" y="{y + 23}" text-anchor="middle"><tspan class="name">'
                f"{name.removeprefix('autograder.')}</tspan>{escape(note)}</text>"
            )
        y += ROW + GAP
    y += LINE
    for fill, edge, says in FILLS.values():
        parts.append(
            f'<rect x="{ROOM}" y="{y - 11}" width="14" height="14" rx="2" fill="{fill}" stroke="{edge}"/>'
            f'<text x="{ROOM + 24}" y="{y + 1}">{escape(says)}</text>'
        )
        y += LINE
    y += GAP
    for one in held.values():
        parts.append(f'<text x="{ROOM}" y="{y + 1}">{escape(one["name"])}.</text>')
        y += LINE
    style = "text { font: 14px system-ui, sans-serif; fill: #1b1f27; white-space: pre } .name { font-weight: 600 }"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}" role="img">',
            "<title>Who may import whom in autograder</title>",
            f"<style>{style}</style>",
            f'<rect width="{WIDTH}" height="{y}" rx="8" fill="#fff"/>',
            *parts,
            "</svg>\n",
        ]
    )


def main() -> None:
    """Write the picture."""
    PICTURE.write_text(draw((ROOT / "pyproject.toml").read_text(encoding="utf-8")), encoding="utf-8")
    print(PICTURE.relative_to(ROOT))


if __name__ == "__main__":
    main()
