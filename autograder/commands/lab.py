"""`course lab`: the learner's copies of the lessons, opened in JupyterLab."""

from __future__ import annotations

import os
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from pathlib import Path

from autograder.errors import OperatorError
from autograder.house import NOTEBOOKS, ROOT, WORK
from autograder.learner.copies import prepare

START = "00_start_here.ipynb"


def has_screen(environ: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Whether a browser can be opened here: not over ssh, and on Linux only with a display."""
    if environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"):
        return True
    return platform in ("darwin", "win32") and "SSH_CONNECTION" not in environ


def command(folder: Path, *, browser: bool, port: int | None = None, more: list[str] | None = None) -> list[str]:
    """The command line that starts JupyterLab in `folder`, at the first lesson."""
    line = [sys.executable, "-m", "jupyterlab", "--log-level=WARN", f"--ServerApp.root_dir={folder}"]
    line.append(f"--LabApp.default_url=/lab/tree/{START}")
    if not browser:
        line.append("--no-browser")
    if port is not None:
        line.append(f"--port={port}")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        line.append("--allow-root")  # containers; JupyterLab refuses otherwise
    return line + (more or [])


def _asker(update: bool) -> Callable[[str], bool]:
    if update:
        return lambda question: True
    if not sys.stdin.isatty():
        return lambda question: False
    return lambda question: input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def add_arguments(parser: ArgumentParser) -> None:
    """The options of `course lab`."""
    parser.epilog = (
        "Your copies are made once and never overwritten.\n\n"
        "examples:\n"
        "  course lab                          copies in work/, opened at 00_start_here.ipynb\n"
        "  course lab --dir ~/bptt             keep the copies elsewhere\n"
        "  course lab --update                 take new versions of lessons and keep your answers\n"
        "  course lab --no-browser --port 9000 on a machine that you reach over ssh\n"
        "  course lab -- --ServerApp.ip=0.0.0.0    what follows -- goes to JupyterLab"
    )
    parser.add_argument("--dir", type=Path, default=WORK, metavar="DIR", help="where your copies are (work/)")
    parser.add_argument("--update", action="store_true", help="take new versions without asking; old files stay")
    parser.add_argument("--port", type=int, metavar="N", help="JupyterLab's port (8888, or the next free one)")
    parser.add_argument("--no-browser", action="store_true", help="print the address instead of opening it")
    parser.add_argument("jupyter", nargs="*", metavar="-- OPTION", help="options for JupyterLab")


def run(args: Namespace) -> int:
    """Prepare the copies, then run JupyterLab until it is stopped; returns its exit code."""
    folder = args.dir.expanduser().resolve()
    if folder in (NOTEBOOKS, ROOT / "solutions"):
        raise OperatorError(f"{folder} holds the course itself. Choose another folder with --dir.")
    prepare(NOTEBOOKS, folder, _asker(args.update), print)
    browser = not args.no_browser and has_screen(os.environ)
    if not browser:
        print("Open the address that JupyterLab prints below. From another machine, forward the port over ssh first:")
        print(f"  ssh -L {args.port or 8888}:localhost:{args.port or 8888} THIS-MACHINE")
    sys.stdout.flush()
    line = command(folder, browser=browser, port=args.port, more=args.jupyter)
    if (
        os.name == "posix"
    ):  # in this very process: what stops this command stops JupyterLab, which handles Ctrl-C itself
        os.chdir(folder)
        os.execv(line[0], line)
    try:
        return subprocess.call(line, cwd=folder)
    except KeyboardInterrupt:
        return 0
