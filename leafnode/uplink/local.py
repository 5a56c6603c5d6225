"""The local stream and the uplink's durable consumer on it, through the account's own `$JS.API`.

Knows JetStream as any client does; nothing of how it is built here. Truth: nats-server 2.15.1;
ADR-13 and ADR-15 of nats-architecture-and-design.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from leafnode import limits
from leafnode.routing.ask import ask
from leafnode.uplink import answers
from leafnode.uplink.alarm import Alarm
from leafnode.uplink.answers import ConsumerInfo, Failure, StreamInfo
from leafnode.uplink.owner import place_of
from leafnode.uplink.unsent import Unsent
from leafnode.uplink.window import Entry

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clock import Clock
    from leafnode.routing.account import Account
    from leafnode.uplink.answers import Stored
    from leafnode.uplink.durable import Search
    from leafnode.uplink.mailbox import Letter, Mailbox
    from leafnode.uplink.window import Budget

_SILENCE = Failure(0, "the local JetStream does not answer")
_ENDS_CONSUMER = ("Consumer Deleted", "Server Shutdown", "Consumer is push based")
_TOO_LARGE = "Message Size Exceeds MaxBytes"
_REFUSED = "Exceeded "  # MaxWaiting, or a bound that the consumer was given since it was opened
_PULL_GRACE_NS = limits.UPLINK_API_TIMEOUT_NS


class LocalState(NamedTuple):
    """Where the stream and the consumer are."""

    stream: StreamInfo
    consumer: ConsumerInfo


class Pulled(NamedTuple):
    """How a pull request ended."""

    too_large: bool = False  # the next message is larger than what was asked for
    gone: bool = False  # there is no such consumer any more
    refusal: str = ""  # why none of it was taken: asked again at once, it would be so again


def ask_stream(
    mailbox: Mailbox,
    stream: str,
    then: Callable[[StreamInfo | Failure], None],
    *,
    with_subjects: bool = False,
) -> None:
    """Say where a stream is, and which subjects its messages have."""

    def answered(body: bytes | None) -> None:
        then(_SILENCE if body is None else answers.stream_info(body))

    subject = f"$JS.API.STREAM.INFO.{stream}".encode()
    body = b'{"subjects_filter":">"}' if with_subjects else b""
    mailbox.ask(subject, body, answered, limits.UPLINK_API_TIMEOUT_NS)


def ask_message(
    mailbox: Mailbox, stream: str, seq: int, then: Callable[[Stored | Failure | None], None]
) -> None:
    """Give the first message from `seq` on; None: there is none."""

    def answered(body: bytes | None) -> None:
        then(_SILENCE if body is None else answers.stored_message(body))

    subject = f"$JS.API.STREAM.MSG.GET.{stream}".encode()
    body = msgspec.json.encode({"seq": seq, "next_by_subj": ">"})
    mailbox.ask(subject, body, answered, limits.UPLINK_API_TIMEOUT_NS)


class LocalStream:
    """One stream and its durable consumer. `taken` gets each message, `ended` the end of a pull."""

    def __init__(
        self,
        account: Account,
        clock: Clock,
        mailbox: Mailbox,
        *,
        stream: str,
        search: Search,
    ) -> None:
        """`search` finds the durable; it is known once the stream was opened."""
        self._account = account
        self._mailbox = mailbox
        self._stream = stream
        self._search = search
        self._consumer = ""
        self._pull = b""  # topic of the newest pull request
        self._delivery = 0  # the newest that it made, as far as is known
        self._wanted = 0  # messages of it still to come; 0: none is open
        self._rest = 0  # to collect, behind those
        self._rest_alarm = Alarm(clock, self._collect)
        self._max_batch = 0  # messages that one pull may ask for; 0: any
        self._pull_alarm = Alarm(clock, self._pull_lost)
        self._acks: list[bytes] = []  # of one turn: what leaves the window at most
        self._ack_alarm = Alarm(clock, self._acknowledge)
        # False: it may be another stream, which has others under the sequences of what was given.
        self.is_sure = True
        self.unsent = Unsent()
        self.taken: Callable[[Entry, int], None] = lambda _entry, _pending: None
        self.ended: Callable[[Pulled], None] = lambda _pulled: None
        self.passed: Callable[[], None] = lambda: None  # the consumer gave messages to others
        mailbox.on(b"m", self._status)
        mailbox.on_message = self._message

    def close(self) -> None:
        self._acknowledge()
        self._no_pull()

    def rest(self) -> None:
        """Nothing is sent now: what was asked for may come all the same."""

    @property
    def is_pulling(self) -> bool:
        return self._wanted + self._rest > 0

    @property
    def place(self) -> str:
        """What its place in the stream is kept under; the name of its uplink may change."""
        return place_of(self._consumer, self._stream)

    def open(self, window_msgs: int, then: Callable[[LocalState | Failure], None]) -> None:
        """Look the stream up, make the consumer or change it to fit, and say where both are."""

        def looked_up(stream: StreamInfo | Failure) -> None:
            if isinstance(stream, Failure):
                then(Failure(stream.err_code, f"stream {self._stream}: {stream.text}"))
                return
            is_work_queue = stream.config.retention == "workqueue"
            self._search.begin(lambda name: chosen(stream, name), is_work_queue=is_work_queue)

        def chosen(stream: StreamInfo, name: str | Failure) -> None:
            if isinstance(name, Failure):
                then(Failure(name.err_code, f"consumers of {self._stream}: {name.text}"))
                return
            self._consumer = name
            subject = f"CONSUMER.CREATE.{self._stream}.{self._consumer}"
            self._ask(subject, self._create_request(window_msgs), lambda body: made(stream, body))

        def made(stream: StreamInfo, body: bytes | None) -> None:
            consumer = _SILENCE if body is None else answers.consumer_info(body)
            if isinstance(consumer, Failure):
                then(Failure(consumer.err_code, f"consumer {self._consumer}: {consumer.text}"))
            else:
                self._delivery = consumer.delivered.consumer_seq
                self._max_batch = consumer.config.max_batch
                self.unsent.open(stream, consumer)
                then(LocalState(stream, consumer))

        ask_stream(self._mailbox, self._stream, looked_up)

    def look(self, then: Callable[[LocalState | Failure], None]) -> None:
        """Say where the stream and the consumer are now."""
        self._acknowledge()

        def looked_up(stream: StreamInfo | Failure) -> None:
            if isinstance(stream, Failure):
                then(stream)
                return
            subject = f"CONSUMER.INFO.{self._stream}.{self._consumer}"
            self._ask(subject, b"", lambda body: found(stream, body))

        def found(stream: StreamInfo, body: bytes | None) -> None:
            consumer = _SILENCE if body is None else answers.consumer_info(body)
            if isinstance(consumer, Failure):
                then(consumer)
                return
            self.unsent.note(stream, consumer)
            then(LocalState(stream, consumer))

        ask_stream(self._mailbox, self._stream, looked_up)

    def pull(self, budget: Budget) -> None:
        """Ask for messages; size 0 asks for any size. Only one request is open at a time."""
        assert not self.is_pulling, "the last pull request is still open"
        msgs = min(budget.msgs, self._max_batch or budget.msgs)
        self._request({"batch": msgs} | ({"max_bytes": budget.size} if budget.size else {}))

    def collect(self, msgs: int) -> None:
        """Ask for so many messages, of any size, as far as they are there: pulls as any other."""
        assert not self.is_pulling, "the last pull request is still open"
        self._rest = msgs
        self._collect()

    def _collect(self) -> None:
        msgs = min(self._rest, self._max_batch or self._rest)
        self._rest -= msgs
        self._request({"batch": msgs, "no_wait": True})

    def _request(self, request: dict[str, int]) -> None:
        request["expires"] = limits.UPLINK_PULL_EXPIRES_NS
        self._acknowledge()  # or what was redelivered would come
        self._pull = self._mailbox.new_topic()
        self._wanted = request["batch"]
        self._pull_alarm.set(limits.UPLINK_PULL_EXPIRES_NS + _PULL_GRACE_NS)
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._consumer}".encode()
        inbox, origin = self._mailbox.address(b"m", self._pull), self._account.to_itself
        body = msgspec.json.encode(request)
        if not ask(self._account, subject, body, reply=inbox, origin=origin):
            self._end(Pulled(gone=True))

    def ack(self, entry: Entry) -> None:
        """Acknowledge it here, with all others of this turn, or leave it to be given again."""
        self._acks.append(entry.ack)
        if not self._ack_alarm.is_set:
            self._ack_alarm.set(0)

    def _acknowledge(self) -> None:
        self._ack_alarm.cancel()
        acks, self._acks = self._acks, []
        if self.is_sure:
            self._account.publish_acks(acks, b"+ACK")

    def _ask(self, subject: str, body: bytes, then: Callable[[bytes | None], None]) -> None:
        subject = f"$JS.API.{subject}"
        self._mailbox.ask(subject.encode(), body, then, limits.UPLINK_API_TIMEOUT_NS)

    def _create_request(self, window_msgs: int) -> bytes:
        config = {
            "durable_name": self._consumer,
            "name": self._consumer,
            "description": "sends this stream to the hub; configured in uplink { streams }",
            "deliver_policy": "all",
            "ack_policy": "explicit",
            "ack_wait": limits.UPLINK_ACK_WAIT_NS,
            "max_deliver": -1,
            "max_ack_pending": window_msgs,
            "replay_policy": "instant",
            "metadata": self._search.owner.metadata(),
        }
        return msgspec.json.encode({"stream_name": self._stream, "config": config, "action": ""})

    def _message(self, subject: bytes, reply: bytes, header_size: int, body: bytes) -> None:
        place = answers.delivered(reply)
        whose = self._stream.encode(), self._consumer.encode()
        if place is None or (place.stream, place.consumer) != whose:
            return  # any client may have another consumer's messages sent here
        if place.delivery <= self._delivery:
            self._end(Pulled(gone=True))  # another consumer, or this one as it was: of an archive
            return
        is_next = place.delivery == self._delivery + 1
        self._delivery = place.delivery
        self.unsent.delivered(place.seq, place.delivery)
        if not is_next:
            self.passed()
        entry = Entry(place.seq, subject, header_size, body, reply, place.stored_ns)
        if self._wanted > 0:
            self._wanted -= 1
            if self._wanted == 0:
                self._pull_alarm.cancel()
                if self._rest:
                    self._rest_alarm.set(0)
        self.taken(entry, place.pending)

    def _status(self, letter: Letter) -> None:
        if letter.topic != self._pull or not self.is_pulling:
            return
        code, text = answers.status(letter.header_size, letter.body)
        if code in {0, 100}:
            return
        gone = code == 503 or text in _ENDS_CONSUMER
        is_refused = code == 400 or text.startswith(_REFUSED)
        refusal = f"the local consumer takes no pull: {text}" if is_refused else ""
        self._end(Pulled(too_large=text == _TOO_LARGE, gone=gone, refusal=refusal))

    def _pull_lost(self) -> None:
        """Neither messages nor an end came: the consumer or its stream is gone."""
        self._end(Pulled(gone=True))

    def _end(self, pulled: Pulled) -> None:
        self._no_pull()
        self.ended(pulled)

    def _no_pull(self) -> None:
        self._wanted = self._rest = 0
        self._pull_alarm.cancel()
        self._rest_alarm.cancel()
