"""Tests that need what this machine lacks are skipped with a remedy, or fail where BPTT_NO_SKIP is set."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # so that numbers do not depend on the number of cores
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # nbgrader starts `alembic`


@functools.cache
def why_no_bubblewrap() -> str:
    """Empty if bubblewrap can make a sandbox here (it is tried), else the reason with a remedy."""
    if not shutil.which("bwrap"):
        return "bubblewrap is missing: sudo apt install bubblewrap"
    tried = subprocess.run(
        ["bwrap", "--ro-bind", "/", "/", "--unshare-all", "--die-with-parent", "true"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    if tried.returncode == 0:
        return ""
    remedy = "on Ubuntu: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0; in Docker: --privileged"
    return f"bubblewrap cannot make a sandbox ({tried.stderr.strip()}); {remedy}"


@functools.cache
def chromium() -> str | None:
    """The path of a Chromium that playwright can drive, or None."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for path in map(shutil.which, names) if path), None)


def why_not(item: pytest.Item) -> str:
    """Empty if this machine can run the test, else the reason with a remedy."""
    if item.get_closest_marker("needs_bubblewrap") and (reason := why_no_bubblewrap()):
        return reason
    if item.get_closest_marker("needs_chromium") and not chromium():
        return "Chromium is missing: sudo apt install chromium (or chromium-browser)"
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            return "no CUDA device that this PyTorch can use: run it on a machine with a GPU"
    return ""


# One lesson after the other in one process would take as long as all other tests together.
BY_LESSON = ("test_verify.py", "test_lessons.py")
LONG = (*BY_LESSON, "test_class.py")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Run the tests of a file, or of one lesson in it, in the same process, so that they share what they set up.

    xdist's own groups (`--dist loadgroup` of 3.8.0) have no effect with pytest 9.2.0: it writes them into a field that is never read.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file, _, test = nodeid.partition("::")
            lesson = re.search(r"\d\d_[a-z_]+", test) if Path(file).name in BY_LESSON else None
            return file + (lesson.group() if lesson else "")

    config.option.loadscopereorder = False  # in the order below, and not the files with most tests first
    return Together(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest files first, so that no process waits for another at the end."""
    items.sort(key=lambda item: item.path.name not in LONG)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what cannot run here, and say what would make it run."""
    if reason := why_not(item):
        pytest.skip(reason)


def must_not_skip(item: pytest.Item) -> bool:
    """In CI, only tests that need a GPU may be skipped."""
    return bool(os.environ.get("BPTT_NO_SKIP")) and not item.get_closest_marker("gpu")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    """Turn a skip into a failure where none is allowed."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and must_not_skip(item):
        report.outcome = "failed"
        report.longrepr = f"skipped although BPTT_NO_SKIP is set: {report.longrepr[2]}"
    return report


@pytest.fixture
def browser():
    """A headless Chromium, driven by playwright; a test that uses it is marked needs_chromium."""
    from playwright.sync_api import sync_playwright

    quiet = ["--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update"]
    as_root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=[*quiet, "--disable-sync", *as_root])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def sandbox():
    """The sandbox of this machine; a test that uses it is marked needs_bubblewrap."""
    from autograder.judge.sandbox import choose

    return choose()
