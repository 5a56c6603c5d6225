"""The header block of a message: `NATS/1.0`, `Name: value` lines, an empty line.

Header names are matched as they are spelled (JetStream's are case-sensitive on nats-server 2.15.1).
Values keep their bytes; a block is never rewritten unless a caller builds a new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.limits import SAME_HEADER_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

VERSION: Final = b"NATS/1.0"
_BLANKS: Final = b" \t\r\v\f"
_CR: Final = ord("\r")


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


def values(block: bytes, folded: bytes, name: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (name, value) of the lines whose name in small letters is `name`, in order.

    A `name` that ends in `-` stands for all that begin so. `folded` is the block in small letters:
    whoever looks for several makes it once. No more than SAME_HEADER_MAX lines are looked at.
    """
    line = b"\r\n" + name if name.endswith(b"-") else b"\r\n" + name + b":"
    at = folded.find(line)
    for _ in range(SAME_HEADER_MAX):
        if at < 0:
            return
        end = folded.find(b"\r\n", at + 2)
        end = len(block) if end < 0 else end
        spelled, colon, value = block[at + 2 : end].partition(b":")
        if colon:
            yield spelled, value.lstrip(b" ")
        at = folded.find(line, end)


def build(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return a block. Names and values must be free of CR and LF: asserted, since callers made
    them.
    """
    pairs = list(pairs)
    for name, value in pairs:
        assert b"\r" not in name + value, "a header cannot hold CR"
        assert b"\n" not in name + value, "a header cannot hold LF"
    return join(pairs)


def join(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return a block of pairs that `parse` found in one: a value may hold a CR or an LF alone."""
    lines = [VERSION, *[name + b": " + value for name, value in pairs]]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def status(code: int, text: bytes = b"", pairs: Iterable[tuple[bytes, bytes]] = ()) -> bytes:
    """Return a block that carries a status line, such as `NATS/1.0 503`."""
    first = b"%b %d %b" % (VERSION, code, text) if text else b"%b %d" % (VERSION, code)
    return first + build(pairs)[len(VERSION) :]


def no_responders(subject: bytes) -> bytes:
    """Return the block that tells a requester that nobody is there.

    The subject stands in it as it was published, a CR too, as on nats-server: the requester alone
    reads it. No line of its own had an LF in it.
    """
    return b"%b 503\r\nNats-Subject: %b\r\n\r\n" % (VERSION, subject)


def replaced(block: bytes, name: bytes, value: bytes) -> bytes:
    """Return a block, which may be empty, with `name` set to `value` at its end.

    What stood under that name goes, however it was spelled: a receiver may not mind case, nor that
    a line ends in a mere LF. Costs one search where it is absent. Behind the SAME_HEADER_MAXth time
    that the name stands anywhere in it, what is left of the block goes, too.
    """
    kept = block.removesuffix(b"\r\n\r\n") if block else VERSION
    wanted, folded = name.lower(), kept.lower()
    if wanted in folded:
        kept = _without(kept, folded, wanted)
    return b"%b\r\n%b: %b\r\n\r\n" % (kept, name, value)


def _without(text: bytes, folded: bytes, name: bytes) -> bytes:
    """Return lines of a block without those of a name; `folded` is the text in small letters."""
    pieces = []
    start = seen = 0  # what is among the pieces, and what was looked at, end there
    at = folded.find(name)
    for _ in range(SAME_HEADER_MAX):
        if at < 0:
            break
        before = text[seen:at].rstrip(_BLANKS)
        line_end = seen + len(before) - 1  # of the line before, if the name begins one
        seen = at + len(name)
        end = text.find(b"\n", seen)
        end = len(text) if end < 0 else end
        colon = text.find(b":", seen, end)
        if before.endswith(b"\n") and colon >= 0 and not text[seen:colon].strip(_BLANKS):
            pieces.append(text[start:line_end].removesuffix(b"\r"))
            start = seen = end - (text[end - 1] == _CR)
        at = folded.find(name, seen)
    rest = text[start:] if at < 0 else text[start : max(text.rfind(b"\n", start, at), start)]
    return b"".join([*pieces, rest.removesuffix(b"\r")])


def put(block: bytes, name: bytes, value: bytes) -> bytes:
    """Return a block, which may be empty, whose first line of that exact name says `value`, where
    it stands; at the end when there is none.
    """
    line = b"\r\n" + name + b":"
    at = block.find(line)
    if at < 0:
        return (block or VERSION + b"\r\n\r\n")[:-4] + line + b" " + value + b"\r\n\r\n"
    return block[:at] + line + b" " + value + block[block.find(b"\r\n", at + 2) :]


def without(block: bytes, starts: tuple[bytes, ...]) -> bytes:
    """Return a block without the lines that begin so; nothing when no line is left."""
    if not any(b"\n" + start in block for start in starts):
        return block
    lines = [line for line in block[:-4].split(b"\r\n") if not line.startswith(starts)]
    return b"\r\n".join(lines) + b"\r\n\r\n" if len(lines) > 1 else b""


def removed(block: bytes, name: bytes) -> bytes:
    """Return a block without its first line of that exact name; nothing when no line is left."""
    at = block.find(b"\r\n" + name + b":")
    if at < 0:
        return block
    rest = block[:at] + block[block.find(b"\r\n", at + 2) :]
    return b"" if rest == VERSION + b"\r\n\r\n" else rest
