"""Python source as a syntax tree, whichever threads ask for one at the same time."""

from __future__ import annotations

import ast
import threading

_ONE_AT_A_TIME = threading.Lock()
_TRIES = 20


def parse(source: str) -> ast.Module:
    """`ast.parse(source)`, safe in threads; SyntaxError as there.

    Before Python 3.11.8 all threads share the counter with which `ast.parse` watches its depth, and one that is interrupted finds
    it changed: "SystemError: AST constructor recursion depth mismatch" (https://github.com/python/cpython/issues/106905). Our
    own threads wait for each other; where a library parses at that moment, asking again is right.
    """
    with _ONE_AT_A_TIME:
        for _ in range(_TRIES - 1):
            try:
                return ast.parse(source)
            except SystemError:
                continue
        return ast.parse(source)
