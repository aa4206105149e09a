"""Do the cases of every check keep apart what could be taken for one another?"""

import itertools
from pathlib import Path

import pytest

from autograder import house
from autograder.authoring.verify import in_notebook, material
from autograder.checking import run
from autograder.checking.draw import Draw
from autograder.lessons import load, load_lesson

LESSONS = house.lessons(house.SOLUTIONS)
SIZES = "B T D E H V S N P k k1 k2 n every".split()
FROM_FILES = "capstone-predictor"  # reads a trained network from a file, and draws no cases
CHECKS = [(path, check.id) for path in LESSONS for check in load_lesson(path.stem[3:]) if check.id != FROM_FILES]


def untelling(met):
    """What is wrong with the cases (axes, sizes) of one check; empty if they tell all apart."""
    named = [dict(zip(axes.split(), case, strict=True)) for axes, case in met]
    sizes = [{axis: size for axis, size in case.items() if axis in SIZES} for case in named]
    sizes = [case for case in sizes if len(case) > 1]
    found = []
    if sizes and not any(map(_apart, sizes)):
        found.append("in each case a size is that of another axis, its double, or a product of two")
    if any("T" in case for case in named) and max(case.get("T", 0) for case in named) < 12:
        found.append("no case has 12 steps")
    rows = [(case["lengths"], case["T"]) for case in named if "lengths" in case]
    if rows and all(_swapped(lengths) for lengths, _ in rows):
        found.append("rows are sorted by length by swaps alone")
    if rows and all(any(2 * length - 1 == T for length in lengths) for lengths, T in rows):
        found.append("in each case a length counts alike from both ends")
    return found


def _apart(case):
    sizes = list(case.values())
    products = [a * b for a, b in itertools.combinations(sizes, 2)]
    distinct = len(set(sizes)) == len(sizes) and len(set(products)) == len(products)
    return distinct and min(sizes) > 1 and not set(sizes) & {*products, *(2 * size for size in sizes)}


def _swapped(lengths):
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    return [order[place] for place in order] == sorted(order)


@pytest.fixture(scope="module")
def solved():
    """A lesson's solution, read once."""
    kept = {}
    return lambda path: kept.setdefault(path, material(path, Path("no answers")).solution.sources())


@pytest.mark.parametrize(("path", "id"), CHECKS, ids=[id for _, id in CHECKS])
def test_no_two_sizes_of_a_check_are_taken_for_one_another(path, id, solved, monkeypatch):
    """Sizes, their doubles and products differ in some case; one is long; lengths are no swaps; and all this on other sizes, too."""
    met = []
    again = Draw.again
    monkeypatch.setattr(Draw, "again", lambda draw: met.append(again(draw)) or met[-1])
    assert in_notebook(load(id), solved(path)).right
    assert untelling(met[0].met) == []


def test_cases_that_coincide_are_noticed():
    """The twin: each kind of coincidence by itself."""
    assert untelling([("B T", (3, 13))]) == []
    assert untelling([("B T H", (2, 13, 4))]) == [
        "in each case a size is that of another axis, its double, or a product of two"
    ]
    assert untelling([("B T", (3, 5))]) == ["no case has 12 steps"]
    assert untelling([("lengths T", ((3, 14, 2), 14))]) == ["rows are sorted by length by swaps alone"]
    assert untelling([("lengths T", ((4, 7, 13, 5), 13))]) == ["in each case a length counts alike from both ends"]


def test_other_sizes_are_other_sizes():
    """The draw on which a named mistake is confirmed has none of the sizes of the one that counts, but 0 and 1."""
    for seed in (4, 5):
        other = Draw(seed).on_other_sizes()
        ((B, T, ends),) = other.cases("B T lengths", (3, 1, (0, 1, 5)))
        assert B in (4, 5) and T == 1 and ends[:2] == (0, 1) and ends[2] in (6, 7)
    assert run.ROUNDS > 2
