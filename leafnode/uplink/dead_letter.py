"""Where a message goes that the hub refuses for good: a local stream, with the reason.

Knows the local JetStream as any client does. A message is given up only after this stream's PubAck.
Truth: docs/uplink.md, "Dead letters".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from leafnode import limits
from leafnode.go_time import format_time
from leafnode.uplink import answers
from leafnode.uplink.answers import Failure
from leafnode.uplink.onward import onward

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clock import Clock
    from leafnode.uplink.mailbox import Mailbox
    from leafnode.uplink.onward import Origin
    from leafnode.uplink.refusal import Refusal
    from leafnode.uplink.window import Entry

_REASON: Final = b"Leafnode-Refused"
_CODE: Final = b"Leafnode-Refused-Code"
_TIME: Final = b"Leafnode-Refused-Time"
_UPSTREAM: Final = b"Leafnode-Upstream-Subject"
_SUBJECT: Final = b"Leafnode-Subject"
_HEADERS: Final = b"Leafnode-Headers-In-Payload"


class DeadLetters:
    """The stream `name` takes `<name>.>`; it is made when the first dead letter finds none."""

    def __init__(self, name: str, mailbox: Mailbox, clock: Clock) -> None:
        self._name = name
        self._mailbox = mailbox
        self._clock = clock

    def keep(
        self,
        entry: Entry,
        origin: Origin,
        refusal: Refusal,
        upstream: bytes,
        then: Callable[[str], None],
    ) -> None:
        """Store a message here. `then` gets why it could not be stored, or ""."""
        subject = f"{self._name}.{origin.stream}.".encode() + entry.subject
        header_size, body = self._letter(entry, origin, refusal, upstream)

        def stored(answer: bytes | None, *, is_second: bool = False) -> None:
            ack = Failure(0, "no answer") if answer is None else answers.pub_ack(answer)
            if not isinstance(ack, Failure) and ack.stream == self._name:
                then("")
            elif not isinstance(ack, Failure):
                then(f"stream {ack.stream} stores {self._name}.>, not stream {self._name}")
            elif answer is not None or is_second:
                then(f"stream {self._name}: {ack}")
            else:
                self._make_stream(made)

        def made(problem: str) -> None:
            if problem:
                then(problem)
            else:
                self._publish(
                    subject, header_size, body, lambda answer: stored(answer, is_second=True)
                )

        self._publish(subject, header_size, body, stored)

    def _publish(
        self, subject: bytes, header_size: int, body: bytes, then: Callable[[bytes | None], None]
    ) -> None:
        timeout_ns = limits.UPLINK_API_TIMEOUT_NS
        self._mailbox.ask(subject, body, then, timeout_ns, header_size=header_size)

    def _letter(
        self, entry: Entry, origin: Origin, refusal: Refusal, upstream: bytes
    ) -> tuple[int, bytes]:
        more = [
            (_REASON, _one_line(refusal.text)),
            (_TIME, format_time(self._clock.wall_ns()).encode()),
            (_SUBJECT, entry.subject),
            (_UPSTREAM, upstream),
        ]
        if refusal.code:
            more.append((_CODE, b"%d" % refusal.code))
        msg_id = origin.msg_id(entry.place)
        header_size, body = onward(msg_id, entry.header_size, entry.body, more)
        if header_size <= limits.MAX_HEADER_BYTES:
            return header_size, body
        # With the reason it has more headers than any stream takes.
        more.append((_HEADERS, b"%d" % entry.header_size))
        return onward(msg_id, 0, entry.body, more)

    def _make_stream(self, then: Callable[[str], None]) -> None:
        config = {
            "name": self._name,
            "description": "what the hub refuses; configured in uplink { dead_letter }",
            "subjects": [f"{self._name}.>"],
            "retention": "limits",
            "storage": "file",
            "max_bytes": limits.UPLINK_DEAD_BYTES,
            "discard": "new",  # a full one holds the uplink: nothing is lost
        }

        def answered(body: bytes | None) -> None:
            info = Failure(0, "no answer") if body is None else answers.stream_info(body)
            failed = isinstance(info, Failure) and info.err_code != answers.NAME_IN_USE
            then(f"stream {self._name} cannot be made: {info}" if failed else "")

        subject = f"$JS.API.STREAM.CREATE.{self._name}".encode()
        self._mailbox.ask(
            subject, msgspec.json.encode(config), answered, limits.UPLINK_API_TIMEOUT_NS
        )


def _one_line(text: str) -> bytes:
    return " ".join(text.split()).encode("utf-8", "replace")
