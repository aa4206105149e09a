"""``python -m docs.site`` builds the site: gathers its pages from the sources, and lets Sphinx make HTML of them."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from sphinx.cmd.build import build_main

from autograder.house import ROOT
from docs.site import gather
from docs.site.conf import MATHJAX

HERE = Path(__file__).parent


def main() -> int:
    """Build; the exit code is Sphinx's."""
    parser = argparse.ArgumentParser(prog="python -m docs.site", description=__doc__)
    parser.add_argument("--to", type=Path, default=ROOT / "build" / "site", help="where the site goes (build/site)")
    parser.add_argument("--only", nargs="+", metavar="LESSON", help="only these lessons, to see a change soon")
    args = parser.parse_args()
    pages = args.to.with_name(args.to.name + "-pages")
    shutil.rmtree(pages, ignore_errors=True)
    shutil.copytree(HERE, pages, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    shutil.copy(HERE / "conf.py", pages)
    shutil.copytree(MATHJAX, pages / "_static" / "mathjax", ignore=shutil.ignore_patterns("sre", "sre.js", "svg", "ui"))
    gather.into(pages, args.only)
    partial = ["-D", "suppress_warnings=myst.xref_missing"] if args.only else []  # links to lessons that are not there
    options = ["-b", "html", "-W", "--keep-going", "-q", "-d", str(pages / ".doctrees"), *partial]
    code = build_main([*options, str(pages), str(args.to)])
    if not code:
        print(
            f"The site is in {args.to}; open {args.to / 'index.html'}, or serve it: python -m http.server -d {args.to}"
        )
    return code


if __name__ == "__main__":
    sys.exit(main())
