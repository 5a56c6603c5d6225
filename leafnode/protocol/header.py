"""The header block of a message: `NATS/1.0`, `Name: value` lines, an empty line.

Header names are matched as they are spelled (JetStream's are case-sensitive on nats-server 2.15.1).
Values keep their bytes; a block is never rewritten unless a caller builds a new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

VERSION: Final = b"NATS/1.0"


def parse(block: bytes, lines_max: int | None = None) -> list[tuple[bytes, bytes]]:
    """Return the (name, value) pairs in order, values as `get` has them; a line without a colon is
    passed over.

    `lines_max`: no more lines than this are read.
    """
    pairs = []
    lines = block.split(b"\r\n", -1 if lines_max is None else lines_max + 1)[1:]
    for line in lines[:lines_max]:
        name, colon, value = line.partition(b":")
        if colon:
            pairs.append((name, value.lstrip(b" ")))
    return pairs


def get(block: bytes, name: bytes) -> bytes | None:
    """Return the first value of that name without the blanks before it, or None.

    Blanks behind it belong to it, as on nats-server. Costs one search where the name is absent.
    """
    at = block.find(b"\r\n" + name + b":")
    if at < 0:
        return None
    start = at + len(name) + 3
    end = block.find(b"\r\n", start)
    return block[start : end if end >= 0 else len(block)].lstrip(b" ")


def build(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return a block. Names and values must be free of CR and LF: asserted, since callers made
    them.
    """
    lines = [VERSION]
    for name, value in pairs:
        assert b"\r" not in name + value, "a header cannot hold CR"
        assert b"\n" not in name + value, "a header cannot hold LF"
        lines.append(name + b": " + value)
    return b"\r\n".join(lines) + b"\r\n\r\n"


def status(code: int, text: bytes = b"", pairs: Iterable[tuple[bytes, bytes]] = ()) -> bytes:
    """Return a block that carries a status line, such as `NATS/1.0 503`."""
    first = b"%b %d %b" % (VERSION, code, text) if text else b"%b %d" % (VERSION, code)
    return first + build(pairs)[len(VERSION) :]


def replaced(block: bytes, name: bytes, value: bytes) -> bytes:
    """Return a block, which may be empty, with `name` set to `value` at its end.

    What stood under that name goes, however it was spelled: a receiver may not mind case.
    """
    wanted = name.lower()
    first, *lines = block.removesuffix(b"\r\n\r\n").split(b"\r\n") if block else [VERSION]
    kept = [line for line in lines if line.partition(b":")[0].strip().lower() != wanted]
    return b"\r\n".join([first, *kept, name + b": " + value]) + b"\r\n\r\n"


def put(block: bytes, name: bytes, value: bytes) -> bytes:
    """Return a block, which may be empty, whose first line of that exact name says `value`, where
    it stands; at the end when there is none.
    """
    line = b"\r\n" + name + b":"
    at = block.find(line)
    if at < 0:
        return (block or VERSION + b"\r\n\r\n")[:-4] + line + b" " + value + b"\r\n\r\n"
    return block[:at] + line + b" " + value + block[block.find(b"\r\n", at + 2) :]


def removed(block: bytes, name: bytes) -> bytes:
    """Return a block without its first line of that exact name; nothing when no line is left."""
    at = block.find(b"\r\n" + name + b":")
    if at < 0:
        return block
    rest = block[:at] + block[block.find(b"\r\n", at + 2) :]
    return b"" if rest == VERSION + b"\r\n\r\n" else rest
