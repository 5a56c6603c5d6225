"""What JetStream answers, here and at the hub: API responses, PubAcks, ack subjects, pull statuses.

Pure: bytes in, small objects out. An answer that is not what it should be is a `Failure`, never an
exception. Truth: nats-server 2.15.1; ADR-1 of nats-architecture-and-design.
"""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import msgspec

from leafnode.go_time import parse_time
from leafnode.protocol import header
from leafnode.uplink.onward import MSG_ID, InFlight, Place, in_flight_of
from leafnode.uplink.upstream import Upstream

if TYPE_CHECKING:
    from leafnode.uplink.onward import Origin

NO_LEADER: Final = 10008  # of the stream, or of all of JetStream there
NO_MESSAGE_FOUND: Final = 10037
NO_STREAM_FOUND: Final = 10059
NO_CONSUMER_FOUND: Final = 10014
NAME_IN_USE: Final = 10058  # with another configuration
ANOTHER_STREAM: Final = 10060  # expected stream does not match
IN_PROCESS: Final = 10158  # one of this id is proposed to the followers, and not committed
MADE_KEY: Final = "_leafnode.made"  # in the metadata of a stream that came out of an archive
MAX_SEQ_DIGITS: Final = 20
EVERYTHING: Final = [">"]  # the patterns of a stream that may hold anything


class Failure(NamedTuple):
    """An error answer, or one that could not be understood (err_code 0)."""

    err_code: int
    text: str

    def __str__(self) -> str:
        return f"{self.text} ({self.err_code})" if self.err_code else self.text


class Unread(Failure):
    """What is no answer of JetStream at all: somebody else said it."""

    __slots__ = ()


class _Error(msgspec.Struct):
    code: int = 0
    err_code: int = 0
    description: str = ""


class PubAck(msgspec.Struct):
    """What a stream answers to a message it stored."""

    stream: str = ""
    seq: int = 0
    domain: str = ""
    duplicate: bool = False


class _PubAnswer(PubAck):
    error: _Error | None = None


class Position(msgspec.Struct):
    """A sequence of a consumer and one of its stream."""

    consumer_seq: int = 0
    stream_seq: int = 0


class _ConsumerConfig(msgspec.Struct):
    metadata: dict[str, str] = {}
    max_batch: int = 0  # messages of one pull; 0: any


class ConsumerInfo(msgspec.Struct):
    """The part of CONSUMER.INFO that says whose a consumer is, and how far."""

    config: _ConsumerConfig = msgspec.field(default_factory=_ConsumerConfig)

    delivered: Position = msgspec.field(default_factory=Position)
    ack_floor: Position = msgspec.field(default_factory=Position)
    num_ack_pending: int = 0
    num_pending: int = 0
    paused: bool = False
    error: _Error | None = None


class _Source(msgspec.Struct):
    name: str = ""


class _Transform(msgspec.Struct):
    src: str = ""
    dest: str = ""


class _StreamConfig(msgspec.Struct):
    name: str = ""
    subjects: list[str] = []
    subject_transform: _Transform | None = None
    retention: str = "limits"
    mirror: _Source | None = None
    sources: list[_Source] = []
    metadata: dict[str, str] = {}
    max_msgs: int = -1
    max_bytes: int = -1
    max_msgs_per_subject: int = -1
    max_age: int = 0
    allow_msg_ttl: bool = False
    discard: str = "old"


class StreamState(msgspec.Struct):
    """How much a stream holds."""

    messages: int = 0
    bytes: int = 0
    first_seq: int = 0
    last_seq: int = 0
    first_ts: str = ""
    last_ts: str = ""
    num_subjects: int = 0
    subjects: dict[str, int] = {}  # only where they were asked for


class StreamInfo(msgspec.Struct):
    """The part of STREAM.INFO that names a local stream and its subjects."""

    created: str = ""
    domain: str = ""
    config: _StreamConfig = msgspec.field(default_factory=_StreamConfig)
    state: StreamState = msgspec.field(default_factory=StreamState)
    error: _Error | None = None

    @property
    def made(self) -> str:
        """When it was made first: one that came out of an archive has another time of creation."""
        return self.config.metadata.get(MADE_KEY, self.created)

    @property
    def is_restored(self) -> bool:
        """It came out of an archive."""
        return self.made != self.created

    @property
    def patterns(self) -> list[str]:
        """What it stores matches. A mirror or a stream with sources may hold anything."""
        config = self.config
        if config.mirror is not None or config.sources or not config.subjects:
            return EVERYTHING
        change = config.subject_transform
        if change is None:
            return config.subjects
        stored = Upstream("", [(change.src or ">", change.dest or ">")])
        return list(dict.fromkeys([*stored.patterns(config.subjects), *config.subjects]))


class ConsumerNames(msgspec.Struct):
    """A page of CONSUMER.NAMES."""

    total: int = 0
    consumers: list[str] = []
    error: _Error | None = None


class _HubMessage(msgspec.Struct):
    seq: int = 0
    subject: str = ""
    hdrs: str = ""
    data: str = ""
    time: str = ""


class Stored(NamedTuple):
    """A message of the local stream, header and payload in one."""

    seq: int
    subject: bytes
    header_size: int
    body: bytes
    stored_ns: int


class _HubAnswer(msgspec.Struct):
    message: _HubMessage | None = None
    error: _Error | None = None


class HubMessage(NamedTuple):
    """A message of the hub's stream. `seq` is None when this stream did not send it."""

    hub_seq: int
    seq: int | None
    in_flight: InFlight | None
    subject: str = ""
    is_former: bool = False  # of a stream that had the same name before this one
    mark: str = ""  # see `Place`
    stored_ns: int = 0  # by the hub's clock

    @property
    def own(self) -> set[Place]:
        """It, where this stream sent it."""
        return set() if self.seq is None else {Place(self.seq, self.mark)}

    @property
    def places(self) -> set[Place]:
        """It, and the highest that it says to be stored; none where this stream did not send it."""
        top = None if self.in_flight is None or self.seq is None else self.in_flight.top
        return self.own if top is None else self.own | {top}


_AnswerT = TypeVar(
    "_AnswerT",
    bound="_PubAnswer | ConsumerInfo | StreamInfo | ConsumerNames | _HubAnswer",
)


class Delivered(NamedTuple):
    """What an ack subject says: the stream sequence, which delivery of its consumer it is, when it
    was stored, how many come after it, of which stream and consumer.
    """

    seq: int
    delivery: int
    stored_ns: int
    pending: int
    stream: bytes
    consumer: bytes


def pub_ack(body: bytes) -> PubAck | Failure:
    answer = _decode(body, _PubAnswer)
    if isinstance(answer, Failure):
        return answer
    if answer.seq <= 0:
        return Unread(0, "a PubAck without a sequence")
    return answer if answer.stream else Unread(0, "a PubAck without a stream")


def answering_stream(body: bytes) -> str:
    """Return which stream answers to a message, also where it refuses it; empty: none is named."""
    try:
        return msgspec.json.decode(body, type=_PubAnswer).stream
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return ""


def stream_info(body: bytes) -> StreamInfo | Failure:
    return _decode(body, StreamInfo)


def consumer_info(body: bytes) -> ConsumerInfo | Failure:
    return _decode(body, ConsumerInfo)


def consumer_names(body: bytes) -> ConsumerNames | Failure:
    return _decode(body, ConsumerNames)


def hub_message(body: bytes, origin: Origin) -> HubMessage | Failure | None:
    """Read the answer of the hub's STREAM.MSG.GET; None: there is no such message."""
    answer = _decode(body, _HubAnswer)
    if isinstance(answer, Failure):
        return None if answer.err_code == NO_MESSAGE_FOUND else answer
    if answer.message is None:
        return Failure(0, "an answer without a message")
    try:
        block = binascii.a2b_base64(answer.message.hdrs)
    except (binascii.Error, ValueError):
        return Failure(0, "headers that are not base64")
    hub_seq, subject = answer.message.seq, answer.message.subject
    stored_ns = parse_time(answer.message.time) or 0
    msg_id = header.get(block, MSG_ID)
    place = origin.place_of(msg_id) if msg_id is not None else None
    if place is None:
        is_former = msg_id is not None and origin.is_former(msg_id)
        return HubMessage(hub_seq, None, None, subject, is_former, stored_ns=stored_ns)
    in_flight = in_flight_of(block, place.seq)
    return HubMessage(hub_seq, place.seq, in_flight, subject, mark=place.mark, stored_ns=stored_ns)


def stored_ns(body: bytes) -> int | None:
    """Read when a message of the local stream was stored; None: there is none."""
    answer = _decode(body, _HubAnswer)
    if isinstance(answer, Failure) or answer.message is None:
        return None
    return parse_time(answer.message.time)


def stored_message(body: bytes) -> Stored | Failure | None:
    """Read a message of the local stream; None: there is none from that sequence on."""
    answer = _decode(body, _HubAnswer)
    if isinstance(answer, Failure):
        return None if answer.err_code == NO_MESSAGE_FOUND else answer
    message = answer.message
    if message is None:
        return Failure(0, "an answer without a message")
    try:
        block, payload = binascii.a2b_base64(message.hdrs), binascii.a2b_base64(message.data)
    except (binascii.Error, ValueError):
        return Failure(0, "a message that is not base64")
    stored_ns = parse_time(message.time) or 0
    return Stored(message.seq, message.subject.encode(), len(block), block + payload, stored_ns)


def stored_payload(body: bytes) -> bytes | Failure | None:
    """Read the payload of a message of a local stream; None: there is no such message."""
    answer = _decode(body, _HubAnswer)
    if isinstance(answer, Failure):
        return None if answer.err_code in {NO_MESSAGE_FOUND, NO_STREAM_FOUND} else answer
    if answer.message is None:
        return Failure(0, "an answer without a message")
    try:
        return binascii.a2b_base64(answer.message.data)
    except (binascii.Error, ValueError):
        return Failure(0, "a payload that is not base64")


def delivered(ack_subject: bytes) -> Delivered | None:
    """Read an ack subject in its short form (9 tokens) or long form (11 and more), or None."""
    tokens = ack_subject.split(b".")
    if tokens[:2] != [b"$JS", b"ACK"] or len(tokens) == 10 or len(tokens) < 9:
        return None
    stream, consumer, *numbers = tokens[2:9] if len(tokens) == 9 else tokens[4:11]
    if not all(number.isdigit() and len(number) <= MAX_SEQ_DIGITS for number in numbers):
        return None
    _, seq, delivery, stored_ns, pending = map(int, numbers)
    return Delivered(seq, delivery, stored_ns, pending, stream, consumer)


def status(header_size: int, body: bytes) -> tuple[int, str]:
    """Return (code, text) of a status such as `NATS/1.0 408 Request Timeout`; (0, "") for none."""
    line = body[:header_size].partition(b"\r\n")[0]
    code, _, text = line.removeprefix(header.VERSION).strip().partition(b" ")
    if not (code.isdigit() and len(code) == 3):
        return 0, ""
    return int(code), text.decode("utf-8", "replace")


def _decode(body: bytes, kind: type[_AnswerT]) -> _AnswerT | Failure:
    try:
        answer = msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return Unread(0, "an answer that is not the JSON it should be")
    if answer.error is not None:
        return Failure(answer.error.err_code, answer.error.description or "an error without a text")
    return answer
