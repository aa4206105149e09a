"""Does a lesson open, run and answer in a real JupyterLab, in a real browser?"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest

from autograder import house
from autograder.authoring import release
from autograder.house import ROOT

pytestmark = pytest.mark.needs_chromium
LESSONS = [path.stem for path in house.lessons(house.SOLUTIONS)]
WRONG = """\
def rnn_step(x_t, h_prev, params):
    return torch.tanh(x_t @ params["weight_ih"].T + h_prev @ params["weight_hh"] + params["bias"])
"""


def solved(stem, wrong=""):
    """The solution as a notebook; with `wrong`, only its setup and one wrong answer with its check."""
    notebook = release.notebooks(ROOT / "solutions" / f"{stem}.py")[0]
    if wrong:
        setup = [cell for cell in notebook.cells if cell.id == "given-setup"]
        answer = nbformat.v4.new_code_cell(wrong)
        notebook.cells = [*setup, answer, nbformat.v4.new_code_cell('check("unrolled-graph-rnn-step")')]
    return notebook


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """`course lab` on copies of the lessons, next to the solutions and a notebook with one mistake; its address and its folder."""
    folder = tmp_path_factory.mktemp("lab")
    for stem in LESSONS:
        nbformat.write(solved(stem), folder / f"solved_{stem}.ipynb")
    nbformat.write(solved("01_unrolled_graph", WRONG), folder / "mistake.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "autograder.cli", "lab", "--dir", str(folder), "--no-browser", "--port", str(port)]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--", "--IdentityProvider.token=secret", "--ServerApp.ip=127.0.0.1"],
            stdout=log,
            stderr=log,
            cwd=ROOT,
        )
        try:
            wait(lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/api?token=secret").status == 200, 60)
            yield f"http://127.0.0.1:{port}", folder
        finally:
            server.terminate()
            server.wait(30)


def wait(condition, seconds):
    """Wait until the condition holds; an OSError counts as not yet."""
    last = time.monotonic() + seconds
    while time.monotonic() < last:
        try:
            if condition():
                return
        except (OSError, json.JSONDecodeError):
            pass
        time.sleep(0.5)
    raise AssertionError(f"not within {seconds} s")


def run_all(browser, address, name):
    """Open a notebook in JupyterLab, *Run All Cells*, and wait until the kernel is idle; returns the page."""
    page = browser.new_page(viewport={"width": 1280, "height": 1600})
    page.goto(f"{address}/lab/tree/{name}?token=secret&reset")
    page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=60_000)
    rests(address, name, 2)
    menu(page, "Run", "Run All Cells")
    rests(address, name, 5)
    return page


def rests(address, name, seconds):
    """Wait until the kernel of a notebook has been idle for some seconds, longer than between two cells."""
    idle_since = [time.monotonic()]

    def resting():
        sessions = json.load(urllib.request.urlopen(f"{address}/api/sessions?token=secret"))
        kernels = [one["kernel"] for one in sessions if one["path"] == name]
        if [(one["execution_state"], one["connections"] > 0) for one in kernels] != [("idle", True)]:
            idle_since[0] = time.monotonic()
        return time.monotonic() - idle_since[0] > seconds

    wait(resting, 180)


def menu(page, name, entry):
    """Choose an entry of JupyterLab's menu bar."""
    page.get_by_role("menuitem", name=name, exact=True).click()
    page.get_by_role("menuitem", name=re.compile(f"^{entry}")).first.click()


def outputs(folder, name):
    """The outputs of all cells in a saved notebook, as text."""
    cells = json.loads((folder / name).read_text())["cells"]
    return [json.dumps(cell.get("outputs", [])) for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.parametrize("stem", LESSONS)
def test_a_solution_runs_from_top_to_bottom(lab, browser, stem):
    """In JupyterLab, *Run All* on the solution ends with every check right, no error but those on purpose, and nothing on stderr."""
    address, folder = lab
    name = f"solved_{stem}.ipynb"
    source = (ROOT / "solutions" / f"{stem}.py").read_text()
    page = run_all(browser, address, name)
    menu(page, "File", "Save Notebook")
    wait(lambda: any("bptt-card" in one for one in outputs(folder, name)), 30)
    page.close()
    shown = outputs(folder, name)
    assert sum('"output_type": "error"' in one for one in shown) == source.count("# %% fails=")
    assert not [one for one in shown if '"name": "stderr"' in one]
    assert sum("bptt-card" in one and "[x]" in one for one in shown) == source.count("\n# %% check=")


def test_the_card_names_the_mistake_on_the_page(lab, browser, tmp_path):
    """A wrong answer shows a card that names the mistake, and one line of error without a stack trace."""
    address, _ = lab
    page = run_all(browser, address, "mistake.ipynb")
    card = page.locator(".bptt-card")
    card.wait_for(timeout=60_000)
    assert "weight_hh is used the other way round" in card.inner_text()
    error = page.locator(
        ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr'], .jp-RenderedText"
    ).last
    assert error.inner_text().strip().startswith("CheckFailed: unrolled-graph-rnn-step: not yet.")
    assert "Traceback" not in page.locator(".jp-Notebook").inner_text()
    page.screenshot(path=tmp_path / "mistake.png")


def test_the_released_lesson_opens(lab, browser):
    """`course lab` shows lesson 01 with its first heading."""
    address, _ = lab
    page = browser.new_page()
    page.goto(f"{address}/lab/tree/01_unrolled_graph.ipynb?token=secret&reset")
    page.get_by_role("heading", name=re.compile("The unrolled graph")).first.wait_for(timeout=60_000)
