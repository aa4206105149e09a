"""Does it cost a learner anything when processes of the judge are killed from outside?"""

from __future__ import annotations

import os
import signal

import pytest

from autograder.house import SOLUTIONS
from autograder.judge.engine import judge
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
