"""Does every solution run from top to bottom in a kernel, without an error and without a word on stderr?"""

from __future__ import annotations

import pytest

from autograder import house
from autograder.authoring.rehearse import rehearse

SCRIPTS = house.lessons(house.SOLUTIONS)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_solution_runs_clean(script):
    """Every cell runs, every check is right, and nothing is written to stderr."""
    run = rehearse(script)
    assert (run.errors, run.stderr) == ((), ())


def test_an_error_and_a_warning_are_noticed(tmp_path):
    """The twin: a cell that raises, and one that warns, are both found."""
    (tmp_path / "99_tiny.py").write_text(
        '# %% [markdown]\n# # Tiny\n\n# %% given="loud"\nimport warnings\n\nwarnings.warn("loud")\n\n'
        '# %% given="raises"\n1 / 0\n'
    )
    run = rehearse(tmp_path / "99_tiny.py")
    assert ["ZeroDivisionError" in one for one in run.errors] == [True]
    assert ["loud" in one for one in run.stderr] == [True]
