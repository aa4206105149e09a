"""Runs a lesson's solution from top to bottom in its own kernel, as *Run All* would, and times its cells."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from nbclient import NotebookClient
from nbformat import NotebookNode

from autograder import metadata
from autograder.authoring.release import notebooks


@dataclass(frozen=True)
class Rehearsal:
    """One run: seconds in total and for the slowest cell, that cell's first line, errors, and text on stderr."""

    lesson: str
    seconds: float
    slowest: float
    slowest_cell: str
    errors: tuple[str, ...]
    stderr: tuple[str, ...]


def run_through(notebook: NotebookNode, timeout: int = 300) -> None:
    """Run a notebook in an empty folder, and keep its outputs in it; what raises does not stop it."""
    with TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        NotebookClient(
            notebook, kernel_name="python3", allow_errors=True, timeout=timeout, resources=resources
        ).execute()


def rehearse(script: Path, timeout: int = 300) -> Rehearsal:
    """Run the solution of a lesson; a cell that fails on purpose does not count as an error."""
    notebook, _ = notebooks(script)
    run_through(notebook, timeout)
    times, errors, stderr = [], [], []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        first = (cell.source.splitlines() or [""])[0]
        times.append((_seconds(cell.metadata.get("execution", {})), first))
        for output in cell.outputs:
            if output.output_type == "error" and metadata.role(cell) != "fails":
                errors.append(f"{first}: {output.ename}: {output.evalue}")
            if output.get("name") == "stderr":
                stderr.append(f"{first}: {output.text}")
    slowest, cell = max(times)
    return Rehearsal(script.stem, sum(t for t, _ in times), slowest, cell, tuple(errors), tuple(stderr))


def _seconds(execution: dict[str, str]) -> float:
    begin, end = execution.get("iopub.status.busy"), execution.get("iopub.status.idle")
    if not begin or not end:
        return 0.0
    return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()
