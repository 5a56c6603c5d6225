"""What goes over the pipes of a function: frames to it, answers from it, by length.

Sans-IO. The other end is not trusted: an answer beyond the bound, or of no known kind, raises.
`child` has the other end. Truth: docs/serial/exec.md, "The process".
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from leafnode.bridge import port_bounds
from leafnode.errors import LeafnodeError

_SIZE: Final = struct.Struct(">I")
_HEAD: Final = struct.Struct(">cI")  # the kind, and the size of what follows
# The function was found; the body is the version of Landlock, 0 for none, and 1 where calls are
# filtered.
READY: Final = b"R"
FIELDS: Final = b"F"  # a JSON object
BYTES: Final = b"B"  # a payload as it is
NOTHING: Final = b"N"  # the frame says nothing
BAD: Final = b"E"  # the function raised; the body says what and where
NOT_LOADED: Final = b"L"  # there is no such function; the body says why
LEAVING: Final = b"X"  # it ends behind its next answer: its CPU time is used up
_KINDS: Final = frozenset({READY, FIELDS, BYTES, NOTHING, BAD, NOT_LOADED, LEAVING})


class PipeError(LeafnodeError):
    """What came is no answer."""


class Answer(NamedTuple):
    """One answer. `kind` is one of those above."""

    kind: bytes
    body: bytes


def request(frame: bytes) -> bytes:
    """Return a frame as it stands on the pipe."""
    return _SIZE.pack(len(frame)) + frame


class Answers:
    """Splits what comes from a function. Keeps one answer at most, and one read."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def receive(self, data: bytes) -> list[Answer]:
        """Return the answers that are complete now. Raises PipeError."""
        self._buffer += data
        found = []
        at = 0
        while len(self._buffer) - at >= _HEAD.size:
            kind, size = _HEAD.unpack_from(self._buffer, at)
            if kind not in _KINDS:
                raise PipeError("it wrote what is no answer")
            if size > port_bounds.EXEC_ANSWER_BYTES:
                raise PipeError(f"its answer has {size} bytes")
            end = at + _HEAD.size + size
            if len(self._buffer) < end:
                break
            found.append(Answer(kind, bytes(self._buffer[at + _HEAD.size : end])))
            at = end
        del self._buffer[:at]
        return found
