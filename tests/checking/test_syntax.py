"""Can every thread get a syntax tree?"""

import ast
import threading

import pytest

from autograder.checking.means import syntax

INTERRUPTED = "AST constructor recursion depth mismatch (before=42, after=36)"


def test_threads_take_turns(monkeypatch):
    """While one thread parses, another one waits: in Python 3.11 all threads share one counter."""
    inside, overlaps, entered, leave = [], [], threading.Event(), threading.Event()

    def slow(source):
        overlaps.append(len(inside))
        inside.append(source)
        entered.set()
        leave.wait(10)
        inside.remove(source)
        return ast.Module([], [])

    monkeypatch.setattr(syntax.ast, "parse", slow)
    threads = [threading.Thread(target=syntax.parse, args=(name,)) for name in ("a", "b")]
    threads[0].start()
    assert entered.wait(10)
    threads[1].start()
    leave.set()
    for one in threads:
        one.join(10)
    assert overlaps == [0, 0]


def test_an_interrupted_reading_is_done_again(monkeypatch):
    """If a library parsed at the same time, the error is Python's own and says nothing about the source."""
    answers = [SystemError(INTERRUPTED), SystemError(INTERRUPTED), ast.Module([], [])]

    def parse(source):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(syntax.ast, "parse", parse)
    assert isinstance(syntax.parse("x = 1"), ast.Module)


def test_a_broken_source_is_a_syntax_error():
    """What is not Python raises a SyntaxError at once."""
    with pytest.raises(SyntaxError):
        syntax.parse("def f(:")
