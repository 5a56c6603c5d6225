"""What stands behind the subject of a message line: reply, sizes, and a leaf's queue groups.

Knows the grammar of PUB, HPUB, LMSG and HMSG; not subjects, routes or buffers.
Truth: nats-server server/parser.go processPub, processHeaderPub; server/leafnode.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.limits import MAX_SIZE_DIGITS
from leafnode.protocol.errors import (
    MaxControlLine,
    MaxPayloadViolation,
    ParserError,
    UnknownOperation,
)

if TYPE_CHECKING:
    from leafnode.routing.peer import Peer
    from leafnode.routing.subscription import Subscription

NOT_IN_REPLY: Final = b"\0\t\r\x0b\x0c@"  # blanks; an @ needs a look at what it means
_UNUSUAL: Final = (b"", 0, -1)
_CLIENT_STARTS: Final = tuple(b"PUB_ HPUB_ SUB_ UNSUB_ PING PONG CONNECT INFO +OK -ERR_".split())
_BLANK_AS_LINE: Final = bytes.maketrans(b" \t_", b"__x")  # what follows some verbs at once
_VERB_BYTES_MAX: Final = len(b"CONNECT")


class Args:
    """What stands behind the subject of a message line."""

    __slots__ = ("header_size", "only_for", "queues", "reply", "size", "sizes")

    def __init__(self, reply: bytes, header_size: int, size: int) -> None:
        self.reply = reply
        self.header_size = header_size
        self.size = size
        self.queues: frozenset[bytes] | None = None
        self.sizes = b""  # as they were spelled, where they have zeros in front: they travel on so
        self.only_for: Subscription | None = None  # larger than what anybody else takes


def check_start(data: bytes, pos: int) -> None:
    """Refuse the start of a line that no client operation has, without waiting for its end."""
    word = data[pos : pos + _VERB_BYTES_MAX].upper().translate(_BLANK_AS_LINE)
    if not any(word.startswith(verb[: len(word)]) for verb in _CLIENT_STARTS):
        raise UnknownOperation


def words_of(
    text: bytes, verbs: dict[bytes, bool], max_control_line: int
) -> tuple[list[bytes], bool] | None:
    """Return the words of a message line, and whether its verb has a header size; None: it is none.

    Raises ProtocolError, also for arguments of more bytes than `max_control_line`.
    """
    words = text.removesuffix(b"\n").removesuffix(b"\r").replace(b"\t", b" ").split(b" ")
    words = [word for word in words if word]
    with_header = verbs.get(words[0].upper()) if words else None
    if with_header is None or text[:1] in {b" ", b"\t"}:
        return None
    if text[len(words[0]) : len(words[0]) + 1] not in {b" ", b"\t"}:
        raise UnknownOperation
    if len(words) < 2:
        raise ParserError
    if len(text.split(None, 1)[1].rstrip()) > max_control_line:
        raise MaxControlLine
    return words, with_header


def usual_args(rest: bytes, *, with_header: bool) -> tuple[bytes, int, int]:
    """Return reply, header size and size of what clients usually write behind a subject.

    A size of -1: unusual or wrong, `parse_args` must judge it. HOT, where sizes are beyond a table.
    """
    words = rest[:-2].split(b" ")
    numbers = 2 if with_header else 1
    text = words[-1]
    if rest[-2:] != b"\r\n" or not text.isdigit() or len(text) > MAX_SIZE_DIGITS:
        return _UNUSUAL
    reply = b""
    if len(words) != numbers:
        reply = words[0]
        if len(words) != numbers + 1 or not reply or reply.translate(None, NOT_IN_REPLY) != reply:
            return _UNUSUAL
    size = int(text)
    if not with_header:
        return reply, 0, size
    text = words[-2]
    # Without a header it goes on as MSG, so its tail cannot be copied.
    if not text.isdigit() or len(text) > MAX_SIZE_DIGITS or not 0 < int(text) <= size:
        return _UNUSUAL
    return reply, int(text), size


def parse_args(peer: Peer, parts: list[bytes], max_payload: int, *, with_header: bool) -> Args:
    """Read subject [reply] [header size] size, or a leaf's queue list. Raises ProtocolError."""
    # A leaf that did not ask for headers may send them all the same, as on nats-server.
    if with_header and not peer.headers and not peer.is_leaf:
        raise ParserError
    sizes = 2 if with_header else 1
    subject, *parts = parts
    numbers = parts[-sizes:]
    middle = parts[:-sizes]
    if len(numbers) < sizes:
        raise ParserError
    for number in numbers:
        if not number.isdigit() or len(number) > MAX_SIZE_DIGITS:
            raise ParserError
    size = int(numbers[-1])
    header_size = int(numbers[0]) if with_header else 0
    if len(middle) > 1 and not peer.is_leaf:
        raise ParserError
    if header_size > size:
        raise ParserError
    asker = _asker(peer, subject, size) if size > max_payload else None
    if size > max_payload and asker is None:
        raise MaxPayloadViolation
    words = b"".join(middle)
    if b"\0" in words or b"\r" in words:
        raise ParserError  # refused at the edge: it would travel on to others
    if len(middle) <= 1:
        args = Args(middle[0] if middle else b"", header_size, size)
        args.only_for = asker
        if any(number.startswith(b"0") and number != b"0" for number in numbers):
            args.sizes = b" ".join(numbers)
        return args
    args = _leaf_args(middle, header_size, size)
    args.only_for = asker
    return args


def _asker(peer: Peer, subject: bytes, size: int) -> Subscription | None:
    """Return what in this server asked the hub for so much, and is to have it."""
    account = peer.account
    return account.asker(subject) if account and size <= peer.max_answer_bytes else None


def _leaf_args(middle: list[bytes], header_size: int, size: int) -> Args:
    """Read `+ reply queue …` or `| queue …` (leaf protocol 2.1); `+ reply` names no queue.

    Two words at least: a single one is a reply, whatever it is.
    """
    if middle[0] == b"+":
        args = Args(middle[1], header_size, size)
        args.queues = frozenset(middle[2:])
    elif middle[0] == b"|":
        args = Args(b"", header_size, size)
        args.queues = frozenset(middle[1:])
    else:
        raise ParserError
    return args
