"""Asks JetStream which reading of a board it holds last.

A gateway that died between COMMIT and the board's ack gets that reading again when it is back.
Within the stream's duplicate window its id makes that harmless; after a longer outage only this
question does.
Knows the JetStream API as any client does; not how the answer is used. Truth: nats-server 2.15.1
STREAM.NAMES and STREAM.MSG.GET with last_by_subj, which takes a wildcard (measured).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import msgspec

from leafnode import limits
from leafnode.bridge.mapping.messages import MSG_ID
from leafnode.bridge.publication import THROUGH
from leafnode.bridge.reading import Receipt
from leafnode.link import const
from leafnode.protocol import header

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clock import Clock, Timer
    from leafnode.routing.account import Account
    from leafnode.routing.subscription import Delivery, Subscription

log = logging.getLogger(__name__)

_NAMES: Final = b"$JS.API.STREAM.NAMES"
_MSG_GET: Final = b"$JS.API.STREAM.MSG.GET."


class _NamesAnswer(msgspec.Struct):
    streams: list[str] | None = None


class _Message(msgspec.Struct):
    hdrs: bytes = b""


class _MsgGetAnswer(msgspec.Struct):
    message: _Message | None = None


class Resume:
    """One question at a time. `done` gets the receipt of the last stored reading, or None."""

    def __init__(
        self,
        account: Account,
        clock: Clock,
        *,
        inbox: bytes,
        stream: str,
        by_field: bool = False,
        done: Callable[[Receipt | None], None],
    ) -> None:
        """`by_field`: a reading's messages are those of its fields, and the last tells that all
        are stored. A former gateway's had the reading's own id.
        """
        self._account = account
        self._clock = clock
        self._inbox = inbox
        self._stream = stream
        self._by_field = by_field
        self._done = done
        self._pattern = b""
        self._prefix = b""
        self._boot_id = 0
        self._count = 0
        self._next: Callable[[bytes], None] | None = None
        self._timer: Timer | None = None
        self._subscription: Subscription | None = None

    def stop(self) -> None:
        """Forget the question."""
        if self._subscription is not None:
            self._account.unsubscribe(self._subscription)
            self._subscription = None
        self._forget()

    def ask(self, pattern: bytes, device: str, boot_id: int) -> None:
        """Ask for the last reading of this boot that matches; a former question is void."""
        self._forget()
        if self._subscription is None:
            self._subscription = self._account.subscribe(self._inbox + b".*", self._answered)
        self._pattern = pattern
        self._prefix = f"{device}.{boot_id}.".encode()
        self._boot_id = boot_id
        self._timer = self._clock.call_later(limits.RESUME_TIMEOUT_NS, self._timed_out)
        if self._stream:
            self._ask_last(self._stream)
        else:
            request = msgspec.json.encode({"subject": pattern.decode()})
            self._request(_NAMES, request, self._on_names)

    def _request(self, subject: bytes, body: bytes, then: Callable[[bytes], None]) -> None:
        self._count += 1
        self._next = then
        if not self._account.publish(subject, body, reply=self._inbox + b".%d" % self._count):
            self._finish(None)

    def _answered(self, delivery: Delivery) -> None:
        then = self._next
        if then is None or delivery.subject != self._inbox + b".%d" % self._count:
            return  # the answer to a former question
        self._next = None
        _, header_size, body = delivery.messages[0]
        try:
            then(body[header_size:])
        except (msgspec.DecodeError, RecursionError):
            self._finish(None)

    def _on_names(self, answer: bytes) -> None:
        streams = msgspec.json.decode(answer, type=_NamesAnswer).streams or []
        if len(streams) == 1:
            self._ask_last(streams[0])
        else:
            self._finish(None)

    def _ask_last(self, stream: str) -> None:
        request = msgspec.json.encode({"last_by_subj": self._pattern.decode()})
        self._request(_MSG_GET + stream.encode(), request, self._on_message)

    def _on_message(self, answer: bytes) -> None:
        message = msgspec.json.decode(answer, type=_MsgGetAnswer).message
        seq = self._stored(message.hdrs) if message else 0
        self._finish(Receipt(self._boot_id, seq) if 0 < seq <= const.SEQ_MAX else None)

    def _stored(self, block: bytes) -> int:
        """Return up to which reading of the boot all are stored, as a message tells; 0: none."""
        through, part = self._parsed(header.get(block, THROUGH))
        if through and not part:
            return through
        seq, part = self._parsed(header.get(block, MSG_ID))
        if part:  # of the last one some fields are stored
            return seq - 1 if self._by_field else 0
        return seq

    def _parsed(self, msg_id: bytes | None) -> tuple[int, bytes]:
        """Return the sequence in the id of a reading of this boot, 0 for any other, and what
        stands behind it, from its dot on.
        """
        if msg_id is None or not msg_id.startswith(self._prefix):
            return 0, b""
        digits, dot, field = msg_id.removeprefix(self._prefix).partition(b".")
        return (int(digits), dot + field) if digits.isdigit() and len(digits) <= 10 else (0, b"")

    def _timed_out(self) -> None:
        log.warning(
            "JetStream did not say what is stored, only its duplicate window protects: subject=%s",
            self._pattern.decode(),
        )
        self._finish(None)

    def _finish(self, receipt: Receipt | None) -> None:
        self._forget()
        self._done(receipt)

    def _forget(self) -> None:
        self._next = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
