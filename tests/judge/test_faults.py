"""Does it cost a learner anything when processes of the judge are killed from outside?"""

from __future__ import annotations

import os
import select
import signal

import pytest

from autograder.errors import OperatorError
from autograder.house import SOLUTIONS
from autograder.judge.engine import judge
from autograder.judge.limits import Limits
from autograder.judge.sandbox.bubblewrap import Bubblewrap, _server
from autograder.judge.transport import Child
from tests.submissions import change, lesson

pytestmark = pytest.mark.needs_bubblewrap

ONE = lesson(SOLUTIONS / "00_start_here.py")
TANH = "start-here-tanh-grad"


def killing(monkeypatch, kills):
    """Kill something when a child is asked for the n-th time, by n; returns the numbers at which that was done."""
    ask, done, count = Child.ask, [], iter(range(1, 10_000))

    def and_kill(self, request):
        if (number := next(count)) in kills:
            os.kill(kills[number](self), signal.SIGKILL)
            assert select.select([self._reads], [], [], 60)[0]  # the end of the pipe: it is dead before it is asked
            done.append(number)
        return ask(self, request)

    monkeypatch.setattr(Child, "ask", and_kill)
    return done


def keeper(child):
    return child.pid


def server(child):
    return _server()._process.pid


@pytest.mark.parametrize("kills", [{2: keeper, 9: keeper, 24: keeper}, {5: server, 24: server}])
def test_what_was_killed_from_outside_is_asked_again(monkeypatch, kills):
    """A child or the sandbox's server that is killed in a cell or in a check costs no points."""
    done = killing(monkeypatch, kills)
    judged = judge(ONE.right(), ONE.handed_out, key=b"faults", learner="ada", sandbox=Bubblewrap())
    assert sorted(kills) == done
    assert judged.score == sum(judged.points.values()), judged.verdicts


def test_who_always_kills_itself_has_crashed(monkeypatch):
    """The twin: it is asked once more, and not for ever."""
    suicide = "def tanh_grad(*args):\n    import os\n    os.kill(os.getpid(), 9)\n\ndef other"
    mine = change(ONE.right(), "answer", TANH, "def tanh_grad", suicide)
    judged = judge(mine, ONE.handed_out, key=b"faults", learner="ada", sandbox=Bubblewrap())
    assert {"crashed"} == {one.status for id, one in judged.verdicts.items() if id == TANH}
    assert judged.score == sum(judged.points.values()) - judged.points[TANH]


def test_limits_are_chosen_by_name():
    """A number takes the place of the usual one, in its type; a name or a number that there is not is refused in one line."""
    assert Limits(cell=3.0, memory=10**9) == Limits.chosen({"cell": "3", "memory": 1e9})
    for wrong in ({"cells": 3}, {"cell": "three"}, {"cell": 0}, {"cell": "nan"}, {"cell": "inf"}):
        with pytest.raises(OperatorError, match="limit cell|no limit"):
            Limits.chosen(wrong)


def test_a_check_has_no_more_time_than_the_limit(monkeypatch):
    """Endless loops in answers cost each check what it is given, and the others keep their points."""
    mine = change(
        ONE.right(), "answer", TANH, "def tanh_grad", "def tanh_grad(*args):\n    while True: pass\n\ndef other"
    )
    limits = Limits.chosen({"check": 2})
    judged = judge(mine, ONE.handed_out, key=b"faults", learner="ada", sandbox=Bubblewrap(), limits=limits)
    assert ("timeout", True) == (judged.verdicts[TANH].status, "within 2 s" in judged.verdicts[TANH].finding.summary)
    assert judged.score == sum(judged.points.values()) - judged.points[TANH]
