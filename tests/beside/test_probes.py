"""Can a probe be found by its name, and is no name given twice?"""

from __future__ import annotations

import pkgutil

import pytest

from autograder.beside import probes


def test_every_module_of_the_folder_is_looked_through():
    """A probe is found in whichever module it stands, the lessons' own among them."""
    found = {probes.find(name).__module__ for name in ("model", "written_file", "in_turn", "fed", "watched")}
    modules = {f"{probes.__name__}.{one.name}" for one in pkgutil.iter_modules(probes.__path__)}
    assert len(found) == 5 and found <= modules


def test_two_probes_of_one_name_are_an_error():
    """In two modules or in one: the second is refused, by name."""
    probes.find("model")

    def model(names):
        """Another one."""

    with pytest.raises(ValueError, match="both have a probe called model"):
        probes.probe(model)


def test_a_probe_that_is_registered_again_is_no_second_one():
    """The twin: a module that is loaded once more brings the same probe."""
    same = probes.find("model")
    assert probes.probe(same) is same
