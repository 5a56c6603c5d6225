"""Control lines of a client to operations, with nats-server's errors.

Knows the grammar; not the state of the connection, and not PUB or HPUB (routing.lane has them).
Truth: nats-server 2.15.1 server/parser.go, measured line by line: tests/conformance/transcripts.
"""

from __future__ import annotations

from typing import Final

from leafnode.limits import MAX_SIZE_DIGITS
from leafnode.protocol.errors import (
    Complaint,
    InvalidSubject,
    MaxControlLine,
    ParserError,
    UnknownOperation,
)
from leafnode.protocol.info import DEFAULT_CONNECT, Connect, parse_connect
from leafnode.protocol.op import ConnectOp, Ignored, Op, Ping, Pong, Sub, Unsub

_PING: Final = Ping()
_PONG: Final = Pong()
_IGNORED: Final = Ignored()
_UNSUB: Final = b"UNSUB "
_BLANKS: Final = b" \t"
_BLANK: Final = frozenset({b" ", b"\t"})
_CR_TAB_AS_BLANK: Final = bytes.maketrans(b"\r\t", b"  ")  # no other white space parts words


def parse_line(
    line: bytes, *, max_control_line_bytes: int, before: Connect = DEFAULT_CONNECT
) -> Op:
    """Return the operation of one control line given without its line end. Raises ProtocolError.

    `before` is what a CONNECT before said.

    The limit holds for the arguments alone, as on nats-server; who cut the line bounds the rest.
    """
    # What may come in floods comes first; of UNSUB the form that programs write.
    if line.startswith(_UNSUB) and line[6:].isalnum() and len(line) <= max_control_line_bytes:
        return Unsub(line[6:])
    match line[:3].upper():
        case b"SUB":
            return _parse_sub(_words(line, 3, max_control_line_bytes))
        case b"UNS":
            return _parse_unsub(_words(_verb(line, b"UNSUB"), 5, max_control_line_bytes))
        case b"PIN":
            return _simple(line, b"PING", _PING)
        case b"PON":
            return _simple(line, b"PONG", _PONG)
        case b"+OK":
            return _IGNORED
        case b"CON":
            text = _verb(line, b"CONNECT")[7:].strip(_BLANKS)
            return ConnectOp(parse_connect(_bounded(text, max_control_line_bytes), before))
        case b"INF":
            # Nothing that a client tells in an INFO matters here, but it must be a line of JSON.
            parse_connect(_bounded(_verb(line, b"INFO")[4:].strip(_BLANKS), max_control_line_bytes))
            return _IGNORED
        case b"-ER":
            _words(_verb(line, b"-ERR"), 4, max_control_line_bytes)
            raise Complaint
        case _:
            raise UnknownOperation


def _simple(line: bytes, verb: bytes, op: Op) -> Op:
    """Operations without arguments: what follows the verb on the line is passed over."""
    _verb(line, verb)
    return op


def _verb(line: bytes, verb: bytes) -> bytes:
    if line[: len(verb)].upper() != verb:
        raise UnknownOperation
    return line


def _words(line: bytes, verb_size: int, max_bytes: int) -> list[bytes]:
    """Cut a line into its verb, which must be followed by a blank, and the arguments."""
    if line[verb_size : verb_size + 1] not in _BLANK:
        raise UnknownOperation
    if len(line) > max_bytes:
        _bounded(line[verb_size:].strip(_BLANKS), max_bytes)
    words = line.translate(_CR_TAB_AS_BLANK).split(b" ")
    return [word for word in words if word] if b"" in words else words


def _bounded(text: bytes, max_bytes: int) -> bytes:
    if len(text) > max_bytes:
        raise MaxControlLine
    return text


def _parse_sub(words: list[bytes]) -> Sub:
    count = len(words)
    if count == 3:
        return Sub(words[1], b"", words[2])
    if count != 4:
        raise ParserError
    if b"\0" in words[2]:
        raise InvalidSubject  # refused at the edge, as in a subject
    return Sub(words[1], words[2], words[3])


def _parse_unsub(words: list[bytes]) -> Unsub:
    count = len(words)
    if count == 2:
        return Unsub(words[1])
    if count != 3:
        raise ParserError
    # A number that cannot be read means "now": measured with x, -1 and 23 digits.
    text = words[2]
    readable = text.isdigit() and len(text) <= MAX_SIZE_DIGITS
    return Unsub(words[1], int(text) if readable else 0)
