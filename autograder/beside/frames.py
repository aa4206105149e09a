"""Frames on a pipe: eight bytes of length, then a message of `wire`; used at both ends."""

from __future__ import annotations

import os
import struct
from typing import Any

from autograder.beside.protocol import Frame
from autograder.beside.wire import MAX_BYTES, WireError, dumps, loads

HEAD = struct.Struct(">Q")
LONGEST = MAX_BYTES + 2**20  # a value of MAX_BYTES and the frame around it


def pack(frame: Frame) -> bytes:
    """A frame as bytes; WireError for what cannot be sent."""
    message = dumps(frame)
    return HEAD.pack(len(message)) + message


def unpack(message: bytes) -> dict[str, Any]:
    """A frame from the bytes after its length; WireError unless it is a dict with an int "id"."""
    frame = loads(message)
    if not isinstance(frame, dict) or type(frame.get("id")) is not int:
        raise WireError("a frame without an id")
    return frame


def length(head: bytes) -> int:
    """The length of the message after these eight bytes; WireError if it is over the limit."""
    (size,) = HEAD.unpack(head)
    if size > LONGEST:
        raise WireError(f"a message of {size} bytes")
    return int(size)


def read(fd: int) -> dict[str, Any]:
    """The next frame, however long it takes; EOFError when the other end is gone."""
    return unpack(_exactly(fd, length(_exactly(fd, HEAD.size))))


def write(fd: int, frame: bytes) -> None:
    """Write all bytes of a frame."""
    view = memoryview(frame)
    while view:
        view = view[os.write(fd, view) :]


def _exactly(fd: int, count: int) -> bytes:
    parts = []
    while count:
        part = os.read(fd, min(count, 2**20))
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
