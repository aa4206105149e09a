"""`course lab`: the learner's copies of the lessons, and JupyterLab on them.

Copies are made once and never overwritten. When a lesson has changed since, the learner's work can be carried
over into a fresh copy; the old file stays beside it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from pathlib import Path

import nbformat

from autograder.carry import carry
from autograder.errors import OperatorError
from autograder.house import NOTEBOOKS, ROOT, WORK

START = "00_start_here.ipynb"


def prepare(source: Path, folder: Path, agree: Callable[[str], bool], say: Callable[[str], None]) -> None:
    """Bring `folder` up to date with the lessons in `source`: copy what is missing, offer what has changed.

    `agree` is asked before a lesson's fresh copy takes the learner's work over; `say` gets one line for each
    thing done or left. Raises OperatorError when `folder` cannot hold the copies or `source` has no lessons.
    """
    lessons = sorted(source.glob("[0-9][0-9]_*.ipynb"))
    if not lessons:
        raise OperatorError(f"No lessons in {source}. Run this in a clone of the course, after `make release`.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OperatorError(f"{folder} cannot be made a folder ({error.strerror}). Say another: --dir") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OperatorError(f"{folder} cannot be written to. Say another folder: --dir")
    for lesson in lessons:
        mine = folder / lesson.name
        if not mine.exists():
            shutil.copyfile(lesson, mine)
            say(f"copied {lesson.name}")
        else:
            _refresh(lesson, mine, agree, say)


def _refresh(lesson: Path, mine: Path, agree: Callable[[str], bool], say: Callable[[str], None]) -> None:
    new = nbformat.read(lesson, as_version=4)
    try:
        old = nbformat.read(mine, as_version=4)
    except Exception as error:  # nbformat raises whatever the broken file makes it raise
        say(f"{mine.name}: your copy is no notebook any more ({type(error).__name__}); it was left as it is")
        return
    version = new.metadata.bptt.version
    if old.metadata.get("bptt", {}).get("version") == version:
        return
    if not agree(f"{mine.name} has changed since you copied it. Take the new one, with your answers in it?"):
        say(f"{mine.name}: a newer version is there; `course lab --update` takes it, with your answers in it")
        return
    carried = carry(old, new)
    kept = _free_name(mine.with_name(f"{mine.stem}.before-{version}.ipynb"))
    fresh = mine.with_name(f".{mine.name}.new")
    nbformat.write(carried.notebook, fresh)
    os.link(mine, kept) if hasattr(os, "link") else shutil.copyfile(mine, kept)
    os.replace(fresh, mine)
    more = f", {len(carried.added)} cells of your own added" if carried.added else ""
    say(f"{mine.name}: new version, {len(carried.kept)} of your cells kept{more}; the old file is {kept.name}")


def _free_name(path: Path) -> Path:
    count, candidate = 2, path
    while candidate.exists():
        candidate = path.with_name(f"{path.stem}-{count}.ipynb")
        count += 1
    return candidate


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
        "  course lab --update                 take new versions of lessons, with your answers in them\n"
        "  course lab --no-browser --port 9000 on a machine that you reach over ssh\n"
        "  course lab -- --ServerApp.ip=0.0.0.0    what follows -- goes to JupyterLab"
    )
    parser.add_argument("--dir", type=Path, default=WORK, metavar="DIR", help="where your copies are (work/)")
    parser.add_argument("--update", action="store_true", help="take new versions without asking; old files stay")
    parser.add_argument("--port", type=int, metavar="N", help="8888 or the next free one, if you do not say")
    parser.add_argument("--no-browser", action="store_true", help="print the address instead of opening it")
    parser.add_argument("jupyter", nargs="*", metavar="-- OPTION", help="options for JupyterLab")


def run(args: Namespace) -> int:
    """Prepare the copies, then be JupyterLab until it is stopped; its exit code."""
    folder = args.dir.expanduser().resolve()
    if folder in (NOTEBOOKS, ROOT / "solutions"):
        raise OperatorError(f"{folder} holds the course itself. Work elsewhere: --dir")
    prepare(NOTEBOOKS, folder, _asker(args.update), print)
    browser = not args.no_browser and has_screen(os.environ)
    if not browser:
        print("Open the address that JupyterLab prints below. From another machine, first let ssh carry the port:")
        print(f"  ssh -L {args.port or 8888}:localhost:{args.port or 8888} THIS-MACHINE")
    sys.stdout.flush()
    line = command(folder, browser=browser, port=args.port, more=args.jupyter)
    if os.name == "posix":  # in the same process: what stops this command stops JupyterLab, which answers Ctrl-C itself
        os.chdir(folder)
        os.execv(line[0], line)
    try:
        return subprocess.call(line, cwd=folder)
    except KeyboardInterrupt:
        return 0
