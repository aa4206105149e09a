"""Is whatever was handed in read as a notebook, or one sentence said on why not?"""

import json
import os

import pytest

from autograder.judge.reader import parse, read


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
        (b'{"cells": [', "JSON is broken"),
        (b"[" * 100_000, "JSON is broken"),
        (b"[1, 2]", "holds no cells"),
        (b'{"cells": 3}', "holds no cells"),
        (b'{"worksheets": 3}', "holds no cells"),
        (b'{"cells": [{"metadata": {"x": ' + b"[" * 600 + b"]" * 600 + b"}}]}", "nests more than"),
        (b'{"cells": [{"attachments": {"x": ' + b'{"a":' * 600 + b"1" + b"}" * 600 + b"}}]}", "nests more than"),
        (b'{"cells": [{"metadata": {"x": [' + b"{}," * 600_000 + b"{}]}}]}", "lists and objects"),
        (b'{"cells": [], "metadata": {"kernelspec": {"language": "R"}}}', "another language"),
    ],
)
def test_what_is_no_notebook_is_said_in_one_sentence(raw, said):
    """Nonsense is named, never raised as something else."""
    with pytest.raises(ValueError, match=said):
        parse(raw)


def test_an_old_notebook_format_is_read():
    """Format 3 kept its cells in worksheets; they are found."""
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [
        {"metadata": {}, "cells": [{"cell_type": "code", "input": "x = 1", "language": "python", "outputs": [],
                                    "collapsed": False, "metadata": {}}]}]}  # fmt: skip
    assert parse(json.dumps(old).encode()).cells[0].source == "x = 1"


def test_a_link_is_not_followed(tmp_path):
    """A file handed in as a link to another is not read: it could be anybody's."""
    (tmp_path / "secret").write_text('{"cells": []}')
    (tmp_path / "mine.ipynb").symlink_to(tmp_path / "secret")
    assert "is a link" in read(tmp_path / "mine.ipynb").problem


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names on this system")
def test_a_pipe_is_not_waited_for(tmp_path):
    """A named pipe in place of a notebook does not hold the class up."""
    os.mkfifo(tmp_path / "mine.ipynb")
    assert "not a plain file" in read(tmp_path / "mine.ipynb").problem


def test_a_folder_is_no_notebook(tmp_path):
    """A folder that is named like a notebook is refused."""
    (tmp_path / "mine.ipynb").mkdir()
    assert "not a plain file" in read(tmp_path / "mine.ipynb").problem


def test_a_huge_file_is_not_read(tmp_path):
    """A file over the limit is refused by its size."""
    (tmp_path / "mine.ipynb").write_bytes(b" " * 2**20)
    assert "too large" in read(tmp_path / "mine.ipynb", 2**19).problem


def test_a_file_within_the_limit_is_read(tmp_path):
    """The twin: what is small enough is read."""
    (tmp_path / "mine.ipynb").write_bytes(b'{"cells": [{"cell_type": "code", "source": "x"}]}')
    assert [cell.source for cell in read(tmp_path / "mine.ipynb", 2**19).notebook.cells] == ["x"]


def test_cells_without_end_are_not_read(tmp_path):
    """A notebook with far more cells than any lesson is refused by their number, at once."""
    cells = b",".join([b'{"cell_type": "code", "source": ""}'] * 3001)
    (tmp_path / "mine.ipynb").write_bytes(b'{"cells": [' + cells + b"]}")
    assert "3001 cells" in read(tmp_path / "mine.ipynb").problem
