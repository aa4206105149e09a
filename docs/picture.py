"""Makes the README's picture: JupyterLab with a mistake in lesson 01, and the card that names it. `python -m docs.picture`."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import nbformat
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "card.png"
EXERCISE = "unrolled-graph-rnn-step"
ANSWER = (
    '    a_t = x_t @ params["weight_ih"].T + h_prev @ params["weight_hh"] + params["bias"]\n    return torch.tanh(a_t)'
)
STUB = "    raise NotImplementedError"
ROOM = 6  # pixels around what is shown


def lesson(folder: Path) -> str:
    """Lesson 01 as handed out, cut down to its setup, one answer with a mistake in it, and its check."""
    notebook = nbformat.read(ROOT / "notebooks" / "01_unrolled_graph.ipynb", as_version=4)
    wanted = {("given", "setup"), ("answer", EXERCISE), ("check", EXERCISE)}
    roles = [cell.metadata.get("bptt", {}) for cell in notebook.cells]
    pairs = zip(notebook.cells, roles, strict=True)
    notebook.cells = [cell for cell, role in pairs if (role.get("role"), role.get("id")) in wanted]
    answer = notebook.cells[1]
    head, stub, _ = answer.source.partition(STUB)
    if len(notebook.cells) != 3 or not stub:
        raise SystemExit(f"notebooks/01_unrolled_graph.ipynb has no stub for {EXERCISE}; make release")
    answer.source = head + ANSWER
    nbformat.write(notebook, folder / "01_unrolled_graph.ipynb")
    return "01_unrolled_graph.ipynb"


def wait(condition: Callable[[], bool]) -> None:
    """Until it holds, two minutes at most; what cannot be asked yet counts as not yet."""
    for _ in range(240):
        with contextlib.suppress(OSError):
            if condition():
                return
        time.sleep(0.5)
    raise SystemExit("JupyterLab did not answer within two minutes.")


def kernel(address: str) -> tuple[str, bool]:
    """What the notebook's kernel does, and whether the page is connected to it."""
    server, _, token = address.partition("/lab/")
    sessions = json.load(urllib.request.urlopen(f"{server}/api/sessions?{token.partition('?')[2]}"))
    found = sessions[0]["kernel"] if sessions else {"execution_state": "none", "connections": 0}
    return found["execution_state"], found["connections"] > 0


def take(page: Page, address: str) -> None:
    """Open the notebook, run it, and photograph the answer and its card."""
    page.goto(address)
    page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=120_000)
    wait(lambda: kernel(address) == ("idle", True))
    page.wait_for_timeout(2000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name=re.compile("^Run All Cells")).first.click()
    page.locator(".bptt-card").wait_for(timeout=120_000)
    page.mouse.move(2, 2)
    page.wait_for_timeout(2000)  # animations end, the line of error is drawn
    cells = page.locator(".jp-Notebook .jp-Cell")
    first, last = cells.nth(1).bounding_box(), cells.nth(2).bounding_box()
    assert first and last
    clip = {"x": first["x"], "y": first["y"] - ROOM, "width": first["width"]}
    page.screenshot(path=PICTURE, clip={**clip, "height": last["y"] + last["height"] - clip["y"] + ROOM})


def main() -> None:
    """Serve a copy of the lesson with `course lab`, take the picture, stop."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not chromium:
        raise SystemExit("Chromium is missing: sudo apt install chromium (or chromium-browser)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        name = lesson(Path(folder))
        line = [sys.executable, "-m", "autograder.cli", "lab", "--dir", folder, "--no-browser", "--port", str(port)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        server = subprocess.Popen([*line, "--", "--IdentityProvider.token=picture"], cwd=ROOT, **quiet)
        try:
            wait(lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/api?token=picture").status == 200)
            with sync_playwright() as playwright:
                as_root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
                browser = playwright.chromium.launch(executable_path=chromium, args=["--disable-gpu", *as_root])
                page = browser.new_page(viewport={"width": 1370, "height": 1400}, device_scale_factor=1.5)
                take(page, f"http://127.0.0.1:{port}/lab/tree/{name}?token=picture&reset")
                browser.close()
        finally:
            server.terminate()
            server.wait(30)
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
