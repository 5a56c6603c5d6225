"""What stands behind the subject of a message line: reply, sizes, and a leaf's queue groups.

Knows the grammar of PUB, HPUB, LMSG and HMSG; not subjects, routes or buffers.
Truth: nats-server server/parser.go processPub, processHeaderPub; server/leafnode.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.limits import MAX_SIZE_DIGITS
from leafnode.protocol.errors import MaxPayloadViolation, ParserError
from leafnode.routing.peer import Kind

if TYPE_CHECKING:
    from leafnode.routing.peer import Peer


class Args:
    """What stands behind the subject of a message line."""

    __slots__ = ("header_size", "queues", "reply", "size")

    def __init__(self, reply: bytes, header_size: int, size: int) -> None:
        self.reply = reply
        self.header_size = header_size
        self.size = size
        self.queues: tuple[bytes, ...] | None = None


def parse_args(peer: Peer, parts: list[bytes], max_payload: int, *, with_header: bool) -> Args:
    """Read [reply] [header size] size, or a leaf's queue list. Raises ProtocolError."""
    sizes = 2 if with_header else 1
    numbers = parts[-sizes:]
    middle = parts[:-sizes]
    if len(numbers) < sizes:
        raise ParserError
    for number in numbers:
        if not number.isdigit() or len(number) > MAX_SIZE_DIGITS:
            raise ParserError
    size = int(numbers[-1])
    header_size = int(numbers[0]) if with_header else 0
    if size > max_payload:
        raise MaxPayloadViolation
    if header_size > size or (with_header and not peer.headers):
        raise ParserError
    if any(b"\0" in word for word in middle):
        raise ParserError  # refused at the edge: it would travel on to others
    if len(middle) <= 1:
        return Args(middle[0] if middle else b"", header_size, size)
    return _leaf_args(peer, middle, header_size, size)


def _leaf_args(peer: Peer, middle: list[bytes], header_size: int, size: int) -> Args:
    """Read `+ reply queue …` or `| queue …` (leaf protocol 2.1)."""
    if peer.kind is not Kind.LEAF:
        raise ParserError
    if middle[0] == b"+" and len(middle) > 2:
        args = Args(middle[1], header_size, size)
        args.queues = tuple(middle[2:])
    elif middle[0] == b"|":
        args = Args(b"", header_size, size)
        args.queues = tuple(middle[1:])
    else:
        raise ParserError
    return args
