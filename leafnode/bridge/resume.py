"""Asks JetStream which reading of a board it holds last.

A gateway that died between COMMIT and the board's ack gets that reading again when it is back.
Within the stream's duplicate window its id makes that harmless; after a longer outage only this
question does. The newest message tells it, but for those of others under the same subjects, and of
former gateways: behind them it is looked for, so far.
Knows the JetStream API as any client does; not how the answer is used. Truth: nats-server 2.15.1
STREAM.NAMES and STREAM.MSG.GET with last_by_subj, which takes a wildcard (measured).
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Final

import msgspec

from leafnode import limits
from leafnode.bridge import port_bounds
from leafnode.bridge.mapping.messages import MSG_ID
from leafnode.bridge.publication import THROUGH
from leafnode.bridge.reading import Receipt
from leafnode.link import const
from leafnode.nuid import nuid
from leafnode.protocol import header
from leafnode.routing.ask import ask
from leafnode.routing.peer import Kind

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from leafnode.bridge.reading import Life
    from leafnode.clock import Clock, Timer
    from leafnode.routing.account import Account
    from leafnode.routing.subscription import Delivery, Subscription

log = logging.getLogger(__name__)

_NAMES: Final = b"$JS.API.STREAM.NAMES"
_MSG_GET: Final = b"$JS.API.STREAM.MSG.GET."
_NUMBERS: Final = re.compile(rb"([0-9]{1,10})\.([0-9]{1,10})(\..*)?\Z")  # boot, sequence, part
_WIDTH: Final = 8  # sequences that are looked at together
_WIDER: Final = 4  # so many times more where fewer messages were among them
_MANY: Final = 16  # messages, each a question: behind so many in one go may be the newest


class _NamesAnswer(msgspec.Struct):
    streams: list[str] | None = None


class _Message(msgspec.Struct):
    seq: int = 0
    hdrs: bytes = b""


class _MsgGetAnswer(msgspec.Struct):
    message: _Message | None = None


class Resume:
    """One question at a time. `done` gets the receipt of the last stored reading, or None."""

    def __init__(
        self,
        account: Account,
        clock: Clock,
        random: Random,
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
        self._random = random
        self._inbox = inbox
        self._stream = stream
        self._by_field = by_field
        self._done = done
        self._pattern = b""
        self._prefix = b""
        self._life: Life = (b"", 0)
        self._known = 0
        self._reply = b""  # where the answer is awaited: no client is shown it
        self._next: Callable[[bytes], None] | None = None
        self._timer: Timer | None = None
        # Of the search: where its messages are, what of them was looked at, and what that told.
        self._asked_stream = ""
        self._questions = 0
        self._width = self._few = self._begin = self._end = 0
        self._seen = 0
        self._found: int | None = None
        self._soon: Timer | None = None
        self._subscription: Subscription | None = None

    def stop(self) -> None:
        """Forget the question."""
        if self._subscription is not None:
            self._account.unsubscribe(self._subscription)
            self._subscription = None
        self._forget()

    def ask(self, pattern: bytes, device: str, boot_id: int, *, known: int = 0) -> None:
        """Ask for the last reading of this boot that matches; a former question is void.

        `known`: up to which one all are stored, whatever the stream still holds.
        """
        self._forget()
        if self._subscription is None:
            self._subscription = self._account.subscribe(
                self._inbox + b".*", self._answered, is_private=True
            )
        self._pattern = pattern
        self._life = device.encode(), boot_id
        self._prefix = self._life[0] + b"."
        self._known = known
        self._questions, self._width, self._few = 0, _WIDTH, _WIDER
        self._timer = self._clock.call_later(limits.RESUME_TIMEOUT_NS, self._timed_out)
        if self._stream:
            self._ask_last(self._stream)
        else:
            request = msgspec.json.encode({"subject": pattern.decode()})
            self._request(_NAMES, request, self._on_names)

    def _request(self, subject: bytes, body: bytes, then: Callable[[bytes], None]) -> None:
        self._next = then
        self._reply = self._inbox + b"." + nuid(self._random).encode()
        if not ask(self._account, subject, body, reply=self._reply, beyond=True):
            self._finish(None)

    def _answered(self, delivery: Delivery) -> None:
        then = self._next
        if then is None or delivery.subject != self._reply:
            return  # the answer to a former question
        if delivery.origin.kind is not Kind.SYSTEM:
            return
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
        self._asked_stream = stream
        request = msgspec.json.encode({"last_by_subj": self._pattern.decode()})
        self._request(_MSG_GET + stream.encode(), request, self._on_last)

    def _on_last(self, answer: bytes) -> None:
        message = _message(answer)
        stored = None if message is None else self._stored(message.hdrs)
        if message is None or stored is not None:
            self._finish(stored)
        else:
            self._look_back(message.seq)

    # Whose newest message says nothing: messages of others hide the board's own.

    def _look_back(self, end: int) -> None:
        """Look at what is just before `end`, from its first message on."""
        self._found, self._seen = None, 0
        self._begin, self._end = max(1, end - self._width), end
        if end <= 1:
            self._finish(None)
        else:
            self._ask_next(self._begin)

    def _ask_next(self, seq: int) -> None:
        """Ask for the next message, in a turn of its own."""
        if self._questions == port_bounds.RESUME_QUESTIONS_MAX:
            log.warning(
                "What is stored of a board is hidden behind the messages of others, only the "
                "stream's duplicate window protects: subject=%s",
                self._pattern.decode(),
            )
            self._finish(self._found)
            return
        self._questions += 1
        request = msgspec.json.encode({"seq": seq, "next_by_subj": self._pattern.decode()})
        get = _MSG_GET + self._asked_stream.encode()
        self._soon = self._clock.call_later(0, lambda: self._request(get, request, self._on_next))

    def _on_next(self, answer: bytes) -> None:
        message = _message(answer)
        if message is not None and self._begin <= message.seq < self._end:
            self._seen += 1
            stored = self._stored(message.hdrs)
            self._found = self._found if stored is None else stored
            if self._seen == _MANY < self._end - self._begin:
                self._width //= _WIDER
                self._few = 1  # what comes before them may be as dense
                self._look_back(self._end)
            else:
                self._ask_next(message.seq + 1)
        elif self._found is not None:
            self._finish(self._found)
        else:
            self._width *= _WIDER if self._seen < self._few else 1
            self._look_back(self._begin)

    # What a message tells

    def _stored(self, block: bytes) -> int | None:
        """Return up to which reading of the boot all are stored, as a message tells; 0: none is,
        None: it does not tell.
        """
        for msg_id, is_told in (
            (header.get(block, THROUGH), True),
            (header.get(block, MSG_ID), False),
        ):
            boot, seq, part = self._parsed(msg_id or b"")
            if not seq:
                continue
            if boot != self._life[1]:
                return 0  # one boot is over when the next begins
            if not part or is_told:
                return seq
            if self._by_field:
                return seq - 1  # of the last one some fields are stored
        return None

    def _parsed(self, msg_id: bytes) -> tuple[int, int, bytes]:
        """Return boot and sequence of a reading of the device, zeros for anything else, and what
        stands behind them, from its dot on.
        """
        if not msg_id.startswith(self._prefix):
            return 0, 0, b""
        found = _NUMBERS.match(msg_id, len(self._prefix))
        if found is None or int(found[2]) > const.SEQ_MAX:
            return 0, 0, b""
        return int(found[1]), int(found[2]), found[3] or b""

    def _timed_out(self) -> None:
        log.warning(
            "JetStream did not say what is stored, only its duplicate window protects: subject=%s",
            self._pattern.decode(),
        )
        self._finish(None)

    def _finish(self, seq: int | None) -> None:
        self._forget()
        stored = max(seq or 0, self._known)
        self._done(Receipt(self._life, stored) if stored else None)

    def _forget(self) -> None:
        self._next = None
        for timer in (self._timer, self._soon):
            if timer is not None:
                timer.cancel()
        self._timer = self._soon = None


def _message(answer: bytes) -> _Message | None:
    return msgspec.json.decode(answer, type=_MsgGetAnswer).message
