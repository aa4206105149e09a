"""``python -m docs.map`` draws the map of the course into the README and the first lesson."""

from pathlib import Path

from autograder.authoring.promises import promises, table, written_into
from autograder.house import ROOT, SOLUTIONS

PAGES = {ROOT / "README.md": "notebooks/", SOLUTIONS / "00_start_here.py": ""}  # the way from each to the notebooks


def drawn() -> dict[Path, str]:
    """The text of each page with the map as it should be."""
    found = promises()
    return {page: written_into(page, table(found, way)) for page, way in PAGES.items()}


def main() -> None:
    """Write the pages; `course release 00` makes the notebook from the lesson."""
    for page, text in drawn().items():
        page.write_text(text, encoding="utf-8")
        print(page.relative_to(ROOT))


if __name__ == "__main__":
    main()
