"""Lesson 00 with right answers, spoilt on its way by editors, services and habits: a person would find every answer in it."""

from __future__ import annotations

from collections.abc import Callable

import nbformat

from tests.submissions import HandOut, cell, change, copy_of, place

TANH = "start-here-tanh-grad"


def retyped(notebook: nbformat.NotebookNode, kind: str, source: str = "{}") -> nbformat.NotebookNode:
    """The notebook with an answer's cell as markdown or raw."""
    at = place(notebook, "answer", TANH)
    old = notebook.cells[at]
    made = (nbformat.v4.new_markdown_cell if kind == "markdown" else nbformat.v4.new_raw_cell)(
        source.format(old.source), metadata=old.metadata
    )
    made["id"] = old["id"]
    notebook.cells[at] = made
    return notebook


def without(notebook: nbformat.NotebookNode, ids: bool, cells: bool) -> nbformat.NotebookNode:
    """The notebook as some editors save it: without its own metadata, the cells' metadata or their ids."""
    notebook.metadata = nbformat.from_dict({"kernelspec": {"name": "x", "language": "python", "display_name": "x"}})
    for number, one in enumerate(notebook.cells):
        if cells:
            one.metadata = nbformat.NotebookNode()
        if ids:
            one["id"] = f"new-{number}"
    return notebook


def blank_below(notebook: nbformat.NotebookNode, one: HandOut) -> nbformat.NotebookNode:
    """The notebook with a blank copy of an answer's cell below the solved one."""
    copied = copy_of(notebook, "answer", TANH)
    copied.cells[place(copied, "answer", TANH) + 1].source = cell(one.handed_out, "answer", TANH).source
    return copied


SPOILT: dict[str, Callable[[HandOut], nbformat.NotebookNode | bytes]] = {
    "markdown": lambda one: retyped(one.right(), "markdown"),
    "fenced": lambda one: retyped(one.right(), "markdown", "```python\n{}\n```"),
    "raw": lambda one: retyped(one.right(), "raw"),
    "no-metadata": lambda one: without(one.right(), ids=False, cells=True),
    "no-ids": lambda one: without(one.right(), ids=True, cells=False),
    "nothing-left": lambda one: without(one.right(), ids=True, cells=True),
    "blank-copy": lambda one: blank_below(one.right(), one),
    "compiled": lambda one: change(one.right(), "answer", TANH, "def tanh_grad", "@torch.compile\ndef tanh_grad"),
    "device": lambda one: change(
        one.right(), "answer", TANH, "def tanh_grad", 'torch.set_default_device("cuda")\n\ndef tanh_grad'
    ),
    "utf-16": lambda one: nbformat.writes(one.right()).encode("utf-16"),
}
