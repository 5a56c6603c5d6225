"""Acknowledgements: what a consumer's ack subject and payload say.

Pure. The forms and what each means: measured on nats-server 2.15.1; ADR-13 and the client guides.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from leafnode.go_time import parse_duration
from leafnode.routing.gateway_replies import unrouted

if TYPE_CHECKING:
    from leafnode.store.api import StoredMsg

_PREFIX: Final = b"$JS.ACK."
_V1_TOKENS: Final = 9
_V2_TOKENS: Final = 11
_TAIL_TOKENS: Final = 5
_DIGITS_MAX: Final = 19
_NO_NUMBER: Final = 2**64 - 1
_DELAY_MAX_NS: Final = 2**63 - 1
_DELAY_CHARS_MAX: Final = 4096


class AckKind(Enum):
    """What the client says about a message."""

    ACK = "ack"
    NAK = "nak"
    PROGRESS = "progress"
    TERM = "term"
    NEXT = "next"
    UNKNOWN = "unknown"  # answered, without any effect


class Ack(NamedTuple):
    """One acknowledgement, parsed."""

    kind: AckKind
    delay_ns: int = 0  # of a NAK
    text: bytes = b""  # the reason of a TERM, the request of a NEXT


class AckSubject(NamedTuple):
    """What the subject of an acknowledgement names."""

    deliveries: int
    stream_seq: int
    consumer_seq: int


class Delivered(NamedTuple):
    """What the ack subject of a delivery says to who receives it."""

    deliveries: int
    stream_seq: int
    consumer_seq: int
    ts_ns: int
    pending: int


PLAIN: Final = Ack(AckKind.ACK)
_UNKNOWN: Final = Ack(AckKind.UNKNOWN)


def parse(payload: bytes) -> Ack:
    """Return what the payload means; an unknown text is answered and does nothing."""
    if payload in {b"", b"+ACK", b"+OK"}:
        return PLAIN
    if payload == b"+WPI":
        return Ack(AckKind.PROGRESS)
    # Of these only the beginning counts: `-NAK1s` has a delay.
    if payload.startswith(b"-NAK"):
        return Ack(AckKind.NAK, _delay_ns(payload[4:].strip()))
    if payload.startswith(b"+TERM"):
        return Ack(AckKind.TERM, text=payload[5:].strip())
    if payload.startswith(b"+NXT"):
        return Ack(AckKind.NEXT, text=payload[4:].strip())
    return _UNKNOWN


def parse_subject(subject: bytes) -> AckSubject | None:
    """Return the numbers of an ack subject in either form, or None for another subject."""
    numbers = _behind_names(subject)
    return _numbers(numbers[:3]) if numbers else None


def parse_tail(tail: bytes) -> AckSubject | None:
    """Return the numbers of the short form, given what stands behind its names."""
    tokens = tail.split(b".")
    return _numbers(tokens[:3]) if len(tokens) == _TAIL_TOKENS else None


def stream_seqs(tails: list[bytes]) -> list[int]:
    """Return the stream sequences of tails that are five numbers each."""
    return list(map(int, b".".join(tails).split(b".")[1::_TAIL_TOKENS]))


def parse_delivered(reply: bytes) -> Delivered | None:
    """Return what the ack subject of a delivery says, in either form, or None for another one.

    A gateway wraps that of a consumer that is younger than 2 s.
    """
    reply = unrouted(reply)
    if not reply.startswith(_PREFIX):
        return None
    numbers = _behind_names(reply)
    if not numbers or not all(one.isdigit() and len(one) <= _DIGITS_MAX for one in numbers):
        return None
    return Delivered(*map(int, numbers))


def _behind_names(subject: bytes) -> list[bytes]:
    """Return the five tokens behind the names in either form, none for another subject."""
    tokens = subject.split(b".")
    if len(tokens) == _V1_TOKENS:
        return tokens[4:9]
    return tokens[6:11] if len(tokens) >= _V2_TOKENS else []


def _numbers(tokens: list[bytes]) -> AckSubject:
    deliveries, stream_seq, consumer_seq = tokens
    return AckSubject(_number(deliveries), _number(stream_seq), _number(consumer_seq))


def _number(token: bytes) -> int:
    """What is no number is the largest one, as nats-server reads it: beyond all deliveries."""
    return int(token) if token.isdigit() and len(token) <= _DIGITS_MAX else _NO_NUMBER


def subject_prefix(stream: str, consumer: str) -> bytes:
    """Return the part of the ack subject that a consumer's deliveries share."""
    return b"%b%b.%b." % (_PREFIX, stream.encode(), consumer.encode())


def reply_subject(
    prefix: bytes, deliveries: int, msg: StoredMsg, consumer_seq: int, pending: int
) -> bytes:
    """Return the ack subject of one delivery."""
    return b"%b%d.%d.%d.%d.%d" % (prefix, deliveries, msg.seq, consumer_seq, msg.ts_ns, pending)


def first_replies(
    prefix: bytes, messages: list[StoredMsg], consumer_seq: int, pending: int
) -> list[bytes]:
    """Return the ack subjects of a run of first deliveries.

    `consumer_seq` is that of the first; `pending` is what was left before it.
    """
    prefix += b"1."
    return [
        b"%b%d.%d.%d.%d" % (prefix, msg[0], consumer_seq + index, msg[2], max(0, left))
        for index, (msg, left) in enumerate(
            zip(messages, range(pending - 1, pending - 1 - len(messages), -1), strict=True)
        )
    ]


def _delay_ns(text: bytes) -> int:
    """Return the delay of a NAK: `{"delay": ns}` or a Go duration; anything else is none, and so is
    what is longer than either can be.
    """
    if len(text) > _DELAY_CHARS_MAX:
        return 0
    if text.startswith(b"{"):
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            return 0
        named = [one for name, one in value.items() if name.lower() == "delay"]
        delay = named[-1] if named else 0
        return delay if type(delay) is int and 0 < delay <= _DELAY_MAX_NS else 0
    return max(0, parse_duration(text.decode("latin-1")) or 0) if text else 0
