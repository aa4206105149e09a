"""Does a notebook forget what a check has left in a learner's variables?"""

from __future__ import annotations

import builtins
from collections import deque

import pytest

from autograder.beside.afresh import Remembered

SOURCE = """
import sys

COUNT, ROWS, TABLE, SEEN, LAST = 0, [1, [2]], {"a": [3]}, {4}, deque([5], maxlen=2)
SELF = ROWS
ROWS.append(SELF)

class Keeper:
    kept = []
    number = 0

def ask():
    global COUNT, NEW
    COUNT, NEW = 7, 8
    ROWS[1].append(9); TABLE["a"].append(9); TABLE["b"] = 9; SEEN.add(9); LAST.append(9); LAST.append(9)
    Keeper.kept.append(9); Keeper.number = 9; Keeper.added = 9
"""


@pytest.fixture
def names():
    found = {"__name__": "__main__", "deque": deque}
    exec(SOURCE, found)
    return found


def test_variables_containers_and_class_attributes_are_as_they_were(names):
    """Rebound, added, changed at any depth: all of it is put back, in the same objects."""
    rows, remembered = names["ROWS"], Remembered(names)
    names["ask"]()
    remembered.put_back()
    keeper = names["Keeper"]
    assert (0, [1, [2]], {"a": [3]}, {4}, [5]) == (
        names["COUNT"], rows[:2], names["TABLE"], names["SEEN"], list(names["LAST"]))  # fmt: skip
    assert ([], 0, False, False) == (keeper.kept, keeper.number, hasattr(keeper, "added"), "NEW" in names)
    assert names["ROWS"] is rows and rows[2] is rows


def test_without_it_they_are_changed(names):
    """The twin: what is asked leaves its traces."""
    names["ask"]()
    assert (7, [2, 9], [9]) == (names["COUNT"], names["ROWS"][1], names["Keeper"].kept)


def test_python_itself_stays_whole(names):
    """A notebook's names hold Python's own dicts, too: they are there at every moment."""
    before = dict(vars(builtins))
    remembered = Remembered(names)
    names["modules"] = names["sys"].modules
    remembered.put_back()
    assert before == vars(builtins) and "sys" in names["sys"].modules
