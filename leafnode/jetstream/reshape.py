"""What a stream does to subjects: stores messages under another one, publishes them once more.

Knows transforms, runs of messages and one account; not limits or the store. A copy leaves after the
COMMIT that holds its message. Truth: measured on nats-server 2.15.1; server/stream.go
processJetStreamMsg.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from leafnode.errors import TransformError
from leafnode.go_time import format_time
from leafnode.jetstream.direct_batch import append_header
from leafnode.jetstream.errors import js_error
from leafnode.protocol import header
from leafnode.protocol.subject import is_literal, is_valid, matches
from leafnode.protocol.transform import Transform
from leafnode.routing.subscription import Delivery

if TYPE_CHECKING:
    from random import Random

    from leafnode.jetstream.api_types import StreamConfig


class Copy(NamedTuple):
    """A message that is published once more."""

    subject: bytes
    header_size: int
    body: bytes


def check_transform(config: StreamConfig) -> None:
    """Raise 10155 or 10156 for a `subject_transform` that is none."""
    wanted = config.subject_transform
    if wanted is None:
        return
    if wanted.src and not is_valid(wanted.src.encode()):
        raise js_error(10155, f"invalid subject {wanted.src}")
    if not wanted.dest:
        return
    try:
        Transform(wanted.src.encode(), wanted.dest.encode())
    except TransformError as error:
        raise js_error(10156, str(error)) from error


def transforms(config: StreamConfig) -> bool:
    """Say whether messages are stored under another subject; without `dest` they are not."""
    return config.subject_transform is not None and bool(config.subject_transform.dest)


def republishes(config: StreamConfig) -> bool:
    """Say whether messages are published once more; without `dest` they are not."""
    return config.republish is not None and bool(config.republish.dest)


class SubjectTransform:
    """The way from the subject that was published to the one that is stored."""

    __slots__ = ("_random", "_transform")

    def __init__(self, config: StreamConfig, random: Random) -> None:
        assert config.subject_transform is not None, "made for streams that have one"
        source, destination = config.subject_transform.src, config.subject_transform.dest
        self._transform = Transform(source.encode(), destination.encode())
        self._random = random

    def stored(self, subject: bytes) -> bytes:
        """Return the subject that a message on this one is stored under."""
        if not matches(self._transform.source, subject):
            return subject
        return self._transform.apply(subject, self._random)

    def runs(self, delivery: Delivery) -> list[Delivery]:
        """Return the run under its stored subject; one for each message where chance decides."""
        transform, subject = self._transform, delivery.subject
        if not matches(transform.source, subject):
            return [delivery]
        if transform.is_fixed:
            stored = transform.apply(subject)
            return [Delivery(stored, delivery.messages, delivery.origin, delivery.trace)]
        return [
            Delivery(transform.apply(subject, self._random), [one], delivery.origin, delivery.trace)
            for one in delivery.messages
        ]


class Republish:
    """The way from a stored message to its copy."""

    __slots__ = ("_headers_only", "_random", "_stream", "_transform")

    def __init__(self, config: StreamConfig, random: Random) -> None:
        assert config.republish is not None, "made for streams that have one"
        source, destination = config.republish.src, config.republish.dest
        self._transform = Transform(source.encode(), destination.encode())
        self._headers_only = config.republish.headers_only
        self._stream = config.name.encode()
        self._random = random

    def copy(
        self, subject: bytes, message: tuple[int, bytes], seq: int, ts_ns: int, last_seq: int
    ) -> Copy | None:
        """Return the copy of (header size, body), or None for a subject that has none.

        `last_seq` is that of the message before it on its subject, 0 for none.
        """
        if not matches(self._transform.source, subject):
            return None
        target = self._transform.apply(subject, self._random)
        if not is_literal(target) or not is_valid(target):
            return None
        header_size, body = message
        fields = [
            (b"Nats-Stream", self._stream),
            (b"Nats-Subject", subject),
            (b"Nats-Sequence", b"%d" % seq),
            (b"Nats-Time-Stamp", format_time(ts_ns).encode()),
            (b"Nats-Last-Sequence", b"%d" % last_seq),
        ]
        payload = body[header_size:]
        if self._headers_only:
            fields.append((b"Nats-Msg-Size", b"%d" % len(payload)))
            payload = b""
        block = append_header(body[:header_size], header.build(fields))
        return Copy(target, len(block), block + payload)
