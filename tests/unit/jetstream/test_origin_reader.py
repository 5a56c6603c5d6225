"""The reader against an origin that the test plays itself, message by message."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.jetstream.api_types import ExternalStream, StreamConsumerSource, StreamSource
from leafnode.jetstream.origin_reader import OriginReader
from leafnode.protocol import header
from leafnode.routing.peer import Kind, Peer
from leafnode.routing.subscription import Subscription
from tests.unit.jetstream.world import World

if TYPE_CHECKING:
    from leafnode.jetstream.origin_reader import Arrived
    from leafnode.routing.subscription import Delivery

ACK_WAIT_S = 22 * 3600


class Taken:
    """Remembers what it is given, and refuses when told so."""

    kind = "SRC"

    def __init__(self) -> None:
        self.seq = 0
        self.refuses = False
        self.is_full = False
        self.forgot = 0
        self.seqs: list[int] = []
        self.begins: list[int] = []

    def take(self, messages: list[Arrived]) -> bool:
        if self.refuses or self.is_full:
            return False
        self.seqs += [one.place.stream_seq for one in messages]
        self.seq = self.seqs[-1]
        return True

    def recreated(self) -> None:
        self.forgot += 1
        self.seq = 0

    def begins_behind(self, seq: int) -> bool:
        self.begins.append(seq)
        return not self.refuses


class Origin:
    """A server elsewhere that answers at `api`, as far as the test wants it."""

    def __init__(
        self,
        api: str = "$JS.hub.API",
        deliver: str = "d",
        consumer: StreamConsumerSource | None = None,
    ) -> None:
        self.world = World()
        self.world.create_stream("M")
        self.requests: list[tuple[bytes, dict[str, Any]]] = []
        self.blocks: list[bytes] = []
        self.deleted: list[bytes] = []
        self.inbox = b""
        self.taken = Taken()
        external = ExternalStream(api, deliver) if api else None
        source = StreamSource(name="O", opt_start_seq=1, external=external)
        if consumer is not None:
            source = StreamSource(name="O", external=external, consumer=consumer)
        self.reader = OriginReader(self.world.js.streams["M"], source, self.taken)
        api = api or "$JS.API"
        create = f"{api}.CONSUMER.CREATE.>".encode()
        self.create = self.world.account.subscribe(create, self.on_create)
        self.world.account.subscribe(f"{api}.CONSUMER.DELETE.>".encode(), self._on_delete)
        self.world.account.subscribe(f"{api}.CONSUMER.RESET.>".encode(), self._on_reset)

    def on_create(self, delivery: Delivery) -> None:
        for reply, size, body in delivery.messages:
            self.inbox = reply
            self.blocks.append(body[:size])
            self.requests.append((delivery.subject, json.loads(body[size:])))

    def _on_reset(self, delivery: Delivery) -> None:
        for reply, size, body in delivery.messages:
            self.inbox = reply
            self.blocks.append(body[:size])
            config = {"deliver_subject": "to.me"}
            self.requests.append((delivery.subject, {"config": config}))

    def _on_delete(self, delivery: Delivery) -> None:
        self.deleted.append(delivery.subject)

    @property
    def config(self) -> dict[str, Any]:
        config: dict[str, Any] = self.requests[-1][1]["config"]
        return config

    def answer(self, body: dict[str, Any] | None = None, identity: bytes = b"") -> None:
        block = header.build([(b"Nats-Stream-Identity", identity)]) if identity else b""
        payload = json.dumps(body or {"name": "x"}).encode()
        self.world.account.publish(self.inbox, block + payload, header_size=len(block))

    def deliver(
        self, stream_seq: int, consumer_seq: int, *, pending: int = 0, over: Peer | None = None
    ) -> None:
        reply = f"$JS.ACK.O.C.1.{stream_seq}.{consumer_seq}.1000.{pending}".encode()
        subject = self.config["deliver_subject"].encode()
        self.world.account.deliver(subject, [(b"o.a", reply, 0, b"x")], origin=over)

    def control(self, reply: bytes = b"", *lines: tuple[bytes, bytes]) -> None:
        subject = self.config["deliver_subject"].encode()
        block = header.status(100, b"Idle Heartbeat", lines)
        self.world.account.publish(subject, block, header_size=len(block), reply=reply)

    def reading(self) -> Origin:
        self.reader.open()
        self.answer()
        return self


def test_an_origin_here_is_asked_for_a_consumer_that_needs_no_acknowledgement() -> None:
    origin = Origin(api="")

    origin.reader.open()

    subject, request = origin.requests[0]
    config = request["config"]
    assert subject == b"$JS.API.CONSUMER.CREATE.O"
    assert request["stream_name"] == "O"
    assert config["deliver_subject"].startswith("$JS.S.")
    assert config["name"].startswith("JS_SRC_")
    assert config["deliver_policy"] == "by_start_sequence"
    assert (config["ack_policy"], config["flow_control"], config["direct"]) == ("none", True, True)
    assert config["ack_wait"] == ACK_WAIT_S * NS_PER_S
    assert origin.reader.active_ns() == -1


def test_what_comes_before_the_answer_is_taken_after_it() -> None:
    origin = Origin()
    origin.reader.open()

    origin.deliver(3, 1)
    assert origin.taken.seq == 0
    origin.answer(identity=b"abc")

    assert origin.taken.seq == 3
    assert origin.reader.identity == b"abc"
    assert origin.reader.active_ns() == 0


@pytest.mark.parametrize(
    ("delivered", "begin"),
    [
        ({"consumer_seq": 0, "stream_seq": 76}, 76),
        ({"consumer_seq": 2, "stream_seq": 78}, 0),  # those come, and say where they stood
        ({"consumer_seq": 0, "stream_seq": "76"}, 0),
        ({"consumer_seq": 0, "stream_seq": True}, 0),
        ({"stream_seq": 76}, 0),
        ([], 0),
        (None, 0),
    ],
)
def test_the_answer_says_behind_what_messages_come(delivered: Any, begin: int) -> None:
    origin = Origin()
    origin.reader.open()

    origin.answer({"name": "x", "delivered": delivered})

    assert origin.taken.begins == [begin]


def test_it_asks_again_when_the_begin_cannot_be_stored() -> None:
    origin = Origin()
    origin.taken.refuses = True
    origin.reading()
    origin.deliver(1, 1)
    assert origin.taken.seq == 0

    origin.taken.refuses = False
    origin.world.clock.advance(limits.ORIGIN_BACKOFF_NS + 2 * limits.ORIGIN_RETRY_NS)
    origin.answer()
    origin.deliver(1, 1)

    assert len(origin.requests) == 2
    assert origin.taken.seq == 1


def test_messages_are_taken_in_order_and_the_lag_is_what_is_left() -> None:
    origin = Origin().reading()

    origin.deliver(1, 1, pending=4)
    origin.deliver(5, 2, pending=2)

    assert origin.taken.seq == 5
    assert origin.reader.lag == 2


def test_a_gap_leads_to_a_new_consumer_from_where_the_receiver_is() -> None:
    origin = Origin().reading()
    first = origin.config["deliver_subject"]
    origin.deliver(1, 1)

    origin.deliver(3, 3)
    assert origin.taken.seq == 1
    assert len(origin.deleted) == 1
    origin.world.clock.advance(limits.ORIGIN_RETRY_NS + 2 * limits.ORIGIN_JITTER_NS)

    assert len(origin.requests) == 2
    assert origin.config["opt_start_seq"] == 2
    assert origin.config["deliver_subject"] != first


def test_a_heartbeat_tells_what_was_lost() -> None:
    origin = Origin().reading()
    origin.deliver(1, 1)

    origin.control(b"", (b"Nats-Last-Consumer", b"1"))
    origin.control(b"", (b"Nats-Last-Consumer", b"9" * 5000))
    assert origin.deleted == []
    origin.control(b"", (b"Nats-Last-Consumer", b"2"))

    assert len(origin.deleted) == 1


def test_what_the_receiver_refuses_is_asked_for_again() -> None:
    origin = Origin().reading()
    origin.taken.refuses = True

    origin.deliver(1, 1)
    origin.taken.refuses = False
    origin.world.clock.advance(limits.ORIGIN_RETRY_NS + 2 * limits.ORIGIN_JITTER_NS)
    origin.answer()
    origin.deliver(1, 1)

    assert origin.taken.seq == 1


def test_who_stores_nothing_asks_less_and_less_often_until_something_is_stored() -> None:
    """A full stream that takes nothing more pulled a window of messages every few seconds."""
    origin = Origin().reading()
    origin.taken.is_full = True
    clock, asked_ns = origin.world.clock, list[int]()
    for _ in range(11):
        origin.deliver(1, 1)
        count = len(origin.requests)
        began_ns = clock.monotonic_ns()
        while len(origin.requests) == count:
            clock.advance(NS_PER_S)
        asked_ns.append((clock.monotonic_ns() - began_ns) // (10 * NS_PER_S))
        origin.answer()
    assert asked_ns == [0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]

    origin.taken.is_full = False
    origin.deliver(1, 1)
    origin.taken.is_full = True
    origin.deliver(2, 2)
    count = len(origin.requests)
    clock.advance(limits.ORIGIN_RETRY_NS + 2 * limits.ORIGIN_JITTER_NS)
    assert len(origin.requests) == count + 1


def test_flow_control_is_answered_once_what_came_before_is_on_disk() -> None:
    origin = Origin().reading()
    answers = origin.world.listen("$JS.FC.O.C.1")
    stalled = origin.world.listen("$JS.FC.O.C.2")
    origin.deliver(7, 1)
    origin.world.store.hold()
    origin.world.publish("m.x", b"staged")

    origin.control(b"$JS.FC.O.C.1")
    origin.control(b"", (b"Nats-Consumer-Stalled", b"$JS.FC.O.C.2"))
    assert (answers, stalled) == ([], [])
    origin.world.store.commit()
    assert answers == []  # within a delivery the origin would go on before its end
    origin.world.clock.advance(0)

    fields = dict(header.parse(answers[0].block))
    assert fields == {b"Nats-Last-Consumer": b"1", b"Nats-Last-Stream": b"7"}
    assert len(stalled) == 1


def test_flow_control_is_answered_by_the_way_that_a_gateway_named() -> None:
    way = b"_GR_.aaaaaa.bbbbbb.$JS.FC.O.C.1"
    origin = Origin().reading()
    answers = origin.world.listen(way.decode())
    origin.deliver(7, 1)

    origin.control(way)
    origin.world.clock.advance(0)

    assert len(answers) == 1


def test_flow_control_is_answered_to_consumers_alone() -> None:
    """A client that knows the deliver subject would have the server publish anywhere."""
    origin = Origin().reading()
    heard = origin.world.listen(">")
    origin.deliver(7, 1)
    del heard[:]

    for subject in (b"$JS.API.STREAM.DELETE.S", b"$KV.b.k", b"$JS.hub.API.STREAM.PURGE.S", b"m.x"):
        origin.control(subject)
        origin.control(b"", (b"Nats-Consumer-Stalled", subject))
    origin.world.clock.advance(0)

    assert [one.subject for one in heard if b"Nats-Last-Consumer" in one.block] == []


def test_silence_leads_to_a_new_consumer() -> None:
    origin = Origin().reading()

    origin.world.clock.advance(limits.ORIGIN_SILENCE_NS - 1)
    origin.control()
    origin.world.clock.advance(limits.ORIGIN_SILENCE_NS - 1)
    assert len(origin.requests) == 1
    origin.world.clock.advance(NS_PER_S)

    assert len(origin.requests) == 2


def test_a_refusal_is_shown_and_asked_again_later_each_time() -> None:
    origin = Origin()
    origin.reader.open()
    error = {"code": 404, "err_code": 10059, "description": "stream not found"}

    origin.answer({"error": error})

    assert origin.reader.error == error
    origin.world.clock.advance(limits.ORIGIN_BACKOFF_NS)
    assert len(origin.requests) == 1
    origin.world.clock.advance(limits.ORIGIN_RETRY_NS + NS_PER_S)
    assert len(origin.requests) == 2
    origin.answer()
    assert origin.reader.error is None


def test_without_an_answer_it_is_asked_again() -> None:
    origin = Origin()
    origin.reader.open()

    origin.world.clock.advance(limits.ORIGIN_WAIT_NS)
    assert len(origin.requests) == 1
    origin.world.clock.advance(limits.ORIGIN_BACKOFF_NS + limits.ORIGIN_RETRY_NS)

    assert len(origin.requests) == 2


def test_where_nobody_answers_it_is_not_waited_for() -> None:
    origin = Origin()
    origin.world.account.unsubscribe(origin.create)
    origin.reader.open()

    origin.create = origin.world.account.subscribe(origin.create.subject, origin.on_create)
    origin.world.clock.advance(limits.ORIGIN_BACKOFF_NS + 2 * limits.ORIGIN_RETRY_NS)

    assert len(origin.requests) == 1


def test_another_stream_of_that_name_is_read_from_its_beginning() -> None:
    origin = Origin()
    origin.taken.seq = 9
    origin.reader.identity = b"old"
    origin.reader.open()
    assert header.get(origin.blocks[0], b"Nats-Stream-Identity") == b"old"

    origin.answer({"error": {"code": 400, "err_code": 10225, "description": "mismatch"}})
    origin.world.clock.advance(limits.ORIGIN_RETRY_NS + 2 * limits.ORIGIN_JITTER_NS)

    assert origin.taken.forgot == 1
    assert header.get(origin.blocks[1], b"Nats-Stream-Identity") == b""
    assert origin.config["opt_start_seq"] == 1
    assert origin.reader.error is None


def test_after_the_end_nothing_is_taken_and_nothing_asked() -> None:
    origin = Origin().reading()

    origin.reader.close(for_good=True)
    origin.deliver(1, 1)
    origin.world.clock.advance(10 * limits.ORIGIN_BACKOFF_MAX_NS)

    assert origin.taken.seq == 0
    assert len(origin.requests) == 1
    assert len(origin.deleted) == 1


def test_more_than_any_window_before_the_answer_is_not_kept() -> None:
    origin = Origin()
    origin.reader.open()
    subject = origin.config["deliver_subject"].encode()
    half = bytes(limits.FLOW_WINDOW_BYTES_MAX // 2 + 1)

    origin.world.account.deliver(subject, [(b"o.a", b"$JS.ACK.O.C.1.1.1.1000.0", 0, half)])
    origin.world.account.deliver(subject, [(b"o.a", b"$JS.ACK.O.C.1.2.2.1000.0", 0, half)])
    origin.answer()

    assert origin.taken.seq == 0


HELD = {"name": "held", "config": {"ack_policy": "flow_control"}}


def test_what_holds_messages_for_it_is_kept_until_nobody_will_read_on() -> None:
    origin = Origin()
    origin.reader.open()
    origin.answer(HELD)

    origin.reader.restart()
    origin.reader.close(for_good=False)
    assert origin.deleted == []
    origin.reader.close(for_good=True)

    [subject] = origin.deleted
    assert subject == f"$JS.hub.API.CONSUMER.DELETE.O.{origin.config['name']}".encode()


def test_a_server_that_does_not_understand_is_asked_in_an_older_form() -> None:
    origin = Origin()
    origin.reader.open()

    for err_code in (10185, 10025):
        origin.answer({"error": {"code": 400, "err_code": err_code, "description": "what?"}})
        origin.world.clock.advance(0)

    assert ["sourcing" in body["config"] for _, body in origin.requests] == [True, True, False]
    assert origin.reader.error is None
    origin.answer()
    origin.deliver(1, 1)
    assert origin.taken.seq == 1


def named() -> Origin:
    return Origin(consumer=StreamConsumerSource("held", "to.me"))


def test_a_named_consumer_has_to_acknowledge_by_flow_control() -> None:
    origin = named()
    origin.reader.open()

    origin.answer({"name": "held", "config": {"ack_policy": "explicit"}})

    assert origin.requests[0][0] == b"$JS.hub.API.CONSUMER.RESET.O.held"
    assert origin.reader.error == {
        "code": 400,
        "err_code": 10217,
        "description": "stream source consumer requires flow control ack policy",
    }


def test_what_a_named_consumer_sent_before_it_was_set_back_is_not_taken() -> None:
    origin = named()
    origin.reader.open()
    origin.deliver(8, 8)
    origin.answer(HELD)
    origin.deliver(9, 9)
    assert origin.taken.seq == 0

    origin.deliver(1, 1)
    origin.deliver(2, 2)

    assert origin.taken.seq == 2
    assert len(origin.requests) == 1


def test_a_named_consumer_that_is_set_back_amid_what_it_sends_begins_anew() -> None:
    origin = named()
    origin.reader.open()
    origin.deliver(8, 1)  # interest made it begin before it was asked to
    origin.answer(HELD)

    run = [(9, 2), (8, 1), (9, 2), (10, 3)]
    replies = [f"$JS.ACK.O.C.1.{seq}.{number}.1000.0".encode() for seq, number in run]
    origin.world.account.deliver(b"to.me", [(b"o.a", reply, 0, b"x") for reply in replies])

    assert origin.taken.seqs == [8, 9, 10]
    assert len(origin.requests) == 1


def test_a_named_consumer_that_begins_to_deliver_is_asked_at_once() -> None:
    origin = named()
    origin.reader.open()
    origin.world.clock.advance(limits.ORIGIN_RESET_WAIT_NS)
    assert len(origin.requests) == 1

    origin.deliver(1, 1)
    origin.world.clock.advance(limits.ORIGIN_RETRY_NS)

    assert len(origin.requests) == 2
    origin.reader.close(for_good=True)
    assert origin.deleted == []


class Link:
    """A leaf link over which the origin's API is reached."""

    def __init__(self, origin: Origin, cid: int) -> None:
        account = origin.world.account
        self.peer = Peer(cid, Kind.LEAF, account.system.outbox)
        self.peer.account = account
        self.proved_ns = -1
        self._account, self._clock = account, origin.world.clock
        self._sub = Subscription(self.peer, b"$JS.hub.API.CONSUMER.>", sid=b"1")

    def up(self) -> None:
        self._account.join(self.peer)
        self._account.insert(self._sub)

    def down(self) -> None:
        self._account.leave(self.peer)
        self._account.remove(self._sub)

    def is_thin(self) -> None:
        """Have what is asked now answered only by `ponged`."""
        self.proved_ns = -1
        self.peer.caught_up = lambda since_ns: self.proved_ns >= since_ns

    def ponged(self) -> None:
        self.proved_ns = self._clock.monotonic_ns()


def without_answer() -> Origin:
    """An origin that nobody serves yet."""
    origin = Origin()
    origin.world.account.unsubscribe(origin.create)
    return origin


def asked(origin: Origin) -> int:
    """How often the origin has been asked."""
    return len(origin.requests)


def test_a_link_that_comes_up_is_asked_over_at_once_whatever_failed_before() -> None:
    origin = without_answer()
    origin.reader.open()
    clock = origin.world.clock
    clock.advance(20 * 60 * NS_PER_S)  # after all these failures two minutes lie between attempts

    origin.create = origin.world.account.subscribe(origin.create.subject, origin.on_create)
    clock.advance(limits.ORIGIN_LOOK_NS)
    before = asked(origin)
    Link(origin, 9).up()
    clock.advance(limits.ORIGIN_LOOK_NS + 2 * limits.ORIGIN_JITTER_NS)

    assert asked(origin) == before + 1


def test_what_went_over_a_link_that_is_replaced_is_asked_for_again() -> None:
    origin = Origin()
    first, second = Link(origin, 9), Link(origin, 10)
    first.up()
    origin.reading()
    clock = origin.world.clock
    clock.advance(3 * NS_PER_S)
    assert asked(origin) == 1  # the link is the same

    first.down()
    second.up()
    clock.advance(limits.ORIGIN_LOOK_NS + 2 * limits.ORIGIN_JITTER_NS)

    assert asked(origin) == 2
    origin.answer()
    clock.advance(5 * NS_PER_S)
    assert asked(origin) == 2


def test_a_link_that_is_away_is_waited_for_as_ever() -> None:
    origin = Origin()
    link = Link(origin, 9)
    link.up()
    origin.reading()

    link.down()
    origin.world.clock.advance(5 * NS_PER_S)

    assert asked(origin) == 1


def test_a_closed_reader_looks_no_more() -> None:
    origin = Origin().reading()

    origin.reader.close(for_good=False)
    Link(origin, 9).up()
    origin.world.clock.advance(10 * NS_PER_S)

    assert asked(origin) == 1


def over_a_thin_link() -> tuple[Origin, Link]:
    """An origin whose messages come over a link that is behind."""
    origin = Origin()
    link = Link(origin, 9)
    link.up()
    link.is_thin()
    origin.reader.open()
    return origin, link


def test_what_stands_behind_other_bytes_of_a_link_is_waited_for() -> None:
    origin, link = over_a_thin_link()
    clock = origin.world.clock
    origin.answer()
    origin.deliver(1, 1)

    clock.advance(60 * NS_PER_S)
    assert asked(origin) == 1
    origin.deliver(2, 2)
    link.ponged()  # of a question before that message
    clock.advance(limits.ORIGIN_SILENCE_NS + 5 * NS_PER_S)

    assert origin.taken.seq == 2
    assert asked(origin) == 1


def test_an_answer_that_stands_behind_other_bytes_of_a_link_is_waited_for() -> None:
    origin, _ = over_a_thin_link()

    origin.deliver(1, 1)
    origin.world.clock.advance(3 * limits.ORIGIN_WAIT_NS)
    origin.answer()

    assert asked(origin) == 1
    assert origin.taken.seq == 1


@pytest.mark.parametrize("is_answered", [True, False])
def test_an_origin_of_which_nothing_came_before_a_pong_is_asked_anew(*, is_answered: bool) -> None:
    origin, link = over_a_thin_link()
    clock = origin.world.clock
    if is_answered:
        origin.answer()
    clock.advance(60 * NS_PER_S)
    assert asked(origin) == 1

    link.ponged()
    clock.advance(limits.ORIGIN_LOOK_NS + limits.ORIGIN_BACKOFF_NS + 2 * limits.ORIGIN_JITTER_NS)

    assert asked(origin) == 2


def test_an_origin_that_falls_silent_on_a_quick_link_is_asked_anew_within_eleven_seconds() -> None:
    origin, link = over_a_thin_link()
    origin.answer()

    origin.world.clock.advance(limits.ORIGIN_SILENCE_NS)
    link.ponged()
    origin.world.clock.advance(limits.ORIGIN_LOOK_NS + 2 * limits.ORIGIN_JITTER_NS)

    assert asked(origin) == 2


def test_nothing_is_waited_for_of_a_link_that_is_gone() -> None:
    origin, link = over_a_thin_link()
    origin.answer()
    origin.world.clock.advance(limits.ORIGIN_SILENCE_NS)

    link.down()
    origin.world.clock.advance(limits.ORIGIN_LOOK_NS + 2 * limits.ORIGIN_JITTER_NS)

    assert asked(origin) == 2


def test_a_link_that_brings_nothing_is_not_waited_for_where_another_brought_the_last() -> None:
    """A hub that is frozen held back the readers of every other."""
    origin, _ = over_a_thin_link()
    quick = Link(origin, 10)
    quick.up()
    origin.world.clock.advance(limits.ORIGIN_RETRY_NS + limits.ORIGIN_LOOK_NS)
    origin.answer()
    before = asked(origin)
    origin.deliver(1, 1, over=quick.peer)

    origin.world.clock.advance(limits.ORIGIN_SILENCE_NS + limits.ORIGIN_LOOK_NS)

    assert asked(origin) == before + 1


def test_a_link_that_brought_the_last_is_waited_for_whatever_another_says() -> None:
    origin, thin = over_a_thin_link()
    Link(origin, 10).up()
    origin.world.clock.advance(limits.ORIGIN_RETRY_NS + limits.ORIGIN_LOOK_NS)
    origin.answer()
    before = asked(origin)
    origin.deliver(1, 1, over=thin.peer)

    origin.world.clock.advance(3 * limits.ORIGIN_SILENCE_NS)

    assert asked(origin) == before


PACED = {"name": "x", "config": {"ack_policy": "flow_control", "direct": True}}


def window(origin: Origin, count: int, took_ns: int, question: bytes = b"$JS.FC.O.C.1") -> None:
    """Let a window of messages come, with the question at its end."""
    first, seq = origin.reader._consumer_seq + 1, origin.taken.seq
    for number in range(count):
        origin.deliver(seq + 1 + number, first + number, pending=10_000)
        if not number:
            origin.world.clock.advance(took_ns)
    origin.control(question)
    origin.world.settle()


def test_an_origin_elsewhere_sends_few_at_once_until_they_come_quickly() -> None:
    origin = Origin()
    origin.reader.open()
    answers = origin.world.listen("$JS.FC.O.C.1")
    sizes = []
    for _ in range(4):
        sizes.append((origin.config["ack_policy"], origin.config.get("max_ack_pending")))
        origin.answer(PACED if "max_ack_pending" in origin.config else None)
        window(origin, origin.config.get("max_ack_pending", 5), NS_PER_S // 10)

    flow = "flow_control"
    assert sizes == [(flow, 4), (flow, 32), (flow, 256), ("none", None)]
    assert asked(origin) == 4
    assert origin.config["opt_start_seq"] == 4 + 32 + 256 + 1
    assert origin.taken.seq == 4 + 32 + 256 + 5
    assert len(answers) == 1  # what came quickly is no more waited for
    assert len(origin.deleted) == 3


def test_what_comes_slowly_is_answered_as_it_comes() -> None:
    origin = Origin()
    origin.reader.open()
    answers = origin.world.listen("$JS.FC.O.C.1")
    origin.answer(PACED)

    for _ in range(3):
        window(origin, 4, NS_PER_S)

    assert asked(origin) == 1
    assert len(answers) == 3
    assert origin.taken.seq == 12


def test_over_another_link_few_are_asked_for_again() -> None:
    origin = Origin()
    first, second = Link(origin, 9), Link(origin, 10)
    first.up()
    origin.reader.open()
    origin.answer(PACED)
    window(origin, 4, 0)
    assert origin.config["max_ack_pending"] == 32

    first.down()
    second.up()
    origin.world.clock.advance(limits.ORIGIN_RETRY_NS + limits.ORIGIN_LOOK_NS)

    assert asked(origin) == 3
    assert origin.config["max_ack_pending"] == 4


def test_who_does_not_count_what_is_acknowledged_is_not_asked_to() -> None:
    origin = Origin()
    origin.reader.open()
    for _ in range(2):
        origin.answer({"error": {"code": 400, "err_code": 10025, "description": "what?"}})
        origin.world.clock.advance(0)

    assert origin.config["ack_policy"] == "none"
    assert "max_ack_pending" not in origin.config
    origin.answer()
    answers = origin.world.listen("$JS.FC.O.C.1")
    window(origin, 40, 0)
    assert len(answers) == 1
    assert asked(origin) == 3


def test_what_holds_messages_for_it_sends_as_its_server_likes() -> None:
    origin = Origin()
    link = Link(origin, 9)
    origin.reader.open()
    origin.answer(HELD)

    origin.world.clock.advance(0)
    assert asked(origin) == 2
    assert "max_ack_pending" not in origin.config
    origin.answer(HELD)
    window(origin, 5, NS_PER_S // 10)

    link.up()
    origin.world.clock.advance(limits.ORIGIN_RETRY_NS + limits.ORIGIN_LOOK_NS)
    assert asked(origin) == 3
    assert "max_ack_pending" not in origin.config
    assert origin.deleted == []


def repeat(origin: Origin, question: bytes, times: int) -> None:
    """Let heartbeats say that an answer is still waited for."""
    for _ in range(times):
        origin.control(b"", (b"Nats-Consumer-Stalled", question))
        origin.world.clock.advance(limits.ORIGIN_HEARTBEAT_NS)


def test_an_origin_that_no_answer_reaches_sends_as_its_server_likes_and_that_is_shown() -> None:
    origin = Origin()
    origin.reader.open()
    origin.answer(PACED)
    window(origin, 4, NS_PER_S)

    repeat(origin, b"$JS.FC.O.C.1", limits.ORIGIN_REPEATS)
    assert asked(origin) == 1
    assert origin.reader.error is None
    repeat(origin, b"$JS.FC.O.C.1", 3)

    assert asked(origin) == 2
    assert "max_ack_pending" not in origin.config
    origin.answer()
    origin.deliver(5, 1)
    assert origin.taken.seq == 5
    assert origin.reader.error is not None
    assert "$JS.FC.>" in origin.reader.error["description"]


def test_over_another_link_the_answers_may_reach_it_again() -> None:
    origin = Origin()
    origin.reader.open()
    origin.answer(PACED)
    window(origin, 4, NS_PER_S)
    repeat(origin, b"$JS.FC.O.C.1", limits.ORIGIN_REPEATS + 3)

    Link(origin, 9).up()
    origin.world.clock.advance(limits.ORIGIN_RETRY_NS + limits.ORIGIN_LOOK_NS)

    assert origin.config["max_ack_pending"] == limits.ORIGIN_AT_ONCE
    origin.answer(PACED)
    assert origin.reader.error is None


def test_what_left_the_origin_before_the_answer_tells_nothing() -> None:
    origin, link = over_a_thin_link()
    origin.answer(PACED)
    window(origin, 4, NS_PER_S)

    repeat(origin, b"$JS.FC.O.C.1", 60)
    assert asked(origin) == 1
    link.ponged()
    repeat(origin, b"$JS.FC.O.C.1", limits.ORIGIN_REPEATS)
    repeat(origin, b"$JS.FC.O.C.2", limits.ORIGIN_REPEATS)  # it was heard, at last

    assert asked(origin) == 1
    assert origin.reader.error is None


def test_a_full_window_that_no_answer_moves_is_followed_by_a_new_consumer() -> None:
    """It has no limit of messages; on nats-server such a mirror stands still for ever."""
    origin = Origin()
    origin.reader.open()
    for _ in range(2):
        origin.answer({"error": {"code": 400, "err_code": 10025, "description": "what?"}})
        origin.world.clock.advance(0)
    origin.answer()
    window(origin, 40, 0)

    repeat(origin, b"$JS.FC.O.C.1", limits.ORIGIN_REPEATS + 3)

    assert asked(origin) == 4
    assert origin.config["opt_start_seq"] == 41


def held_and_unheard() -> Origin:
    origin = named()
    origin.reader.open()
    origin.answer(HELD)
    window(origin, 4, 0)
    repeat(origin, b"$JS.FC.O.C.1", limits.ORIGIN_REPEATS + 20)
    return origin


def test_what_is_held_for_a_reader_that_it_does_not_hear_is_not_asked_for_again() -> None:
    origin = held_and_unheard()

    assert asked(origin) == 1
    assert origin.reader.error is not None


def test_what_is_held_is_answered_for_as_long_as_the_question_is_repeated() -> None:
    """The right to answer may be given while the link stays."""
    origin = held_and_unheard()
    answers = origin.world.listen("$JS.FC.O.C.1")

    repeat(origin, b"$JS.FC.O.C.1", 2)
    assert len(answers) == 2
    window(origin, 4, 0, b"$JS.FC.O.C.2")

    assert asked(origin) == 1
    assert origin.taken.seq == 8
    assert origin.reader.error is None
    repeat(origin, b"$JS.FC.O.C.2", limits.ORIGIN_REPEATS + 3)
    assert origin.reader.error is not None


@pytest.mark.parametrize("stalled", [b"", b"$JS.FC.O.C.2"])
def test_a_heartbeat_tells_too_that_an_answer_was_heard(stalled: bytes) -> None:
    origin = held_and_unheard()

    origin.control(b"", *([(b"Nats-Consumer-Stalled", stalled)] if stalled else []))

    assert origin.reader.error is None
    assert asked(origin) == 1


def test_an_origin_that_answers_reach_again_sends_few_at_once_again() -> None:
    origin = Origin()
    origin.reader.open()
    origin.answer(PACED)
    window(origin, 4, NS_PER_S)
    repeat(origin, b"$JS.FC.O.C.1", limits.ORIGIN_REPEATS + 3)
    origin.answer()

    origin.control()  # nothing was asked yet
    window(origin, 40, 0)
    origin.control(b"", (b"Nats-Consumer-Stalled", b"$JS.FC.O.C.1"))
    assert origin.reader.error is not None
    window(origin, 40, 0, b"$JS.FC.O.C.2")
    origin.world.clock.advance(limits.ORIGIN_RETRY_NS + 2 * limits.ORIGIN_JITTER_NS)

    assert asked(origin) == 3
    assert origin.config["max_ack_pending"] == limits.ORIGIN_AT_ONCE
    assert origin.config["opt_start_seq"] == 4 + 40 + 40 + 1
    assert origin.reader.error is None


def test_the_way_that_a_gateway_names_makes_no_other_question() -> None:
    origin = held_and_unheard()
    origin.control(b"_GR_.aaaaaa.bbbbbb.$JS.FC.O.C.1")
    origin.world.settle()

    repeat(origin, b"$JS.FC.O.C.1", 1)

    assert origin.reader.error is not None


def refuse(origin: Origin, err_code: int) -> None:
    origin.answer({"error": {"code": 400, "err_code": err_code, "description": "no"}})
    origin.world.clock.advance(0)


def test_an_origin_whose_account_allows_no_larger_window_sends_as_its_server_likes() -> None:
    origin = Origin()
    origin.reader.open()
    origin.answer(PACED)
    window(origin, 4, 0)

    refuse(origin, 10121)

    assert asked(origin) == 3
    assert "max_ack_pending" not in origin.config
    origin.answer()
    origin.deliver(5, 1)
    assert origin.taken.seq == 5


def test_an_origin_whose_stream_allows_no_larger_window_sends_as_many_as_it_allowed() -> None:
    origin = Origin()
    origin.reader.open()
    origin.answer(PACED)
    window(origin, 4, 0)

    refuse(origin, 10121)
    refuse(origin, 10082)

    assert asked(origin) == 4
    assert origin.config["max_ack_pending"] == 4
    origin.answer(PACED)
    window(origin, 4, 0)
    assert asked(origin) == 4


def test_an_origin_that_refuses_each_window_is_asked_later_each_time() -> None:
    origin = Origin()
    origin.reader.open()

    refuse(origin, 10121)
    refuse(origin, 10082)

    assert asked(origin) == 2
    assert origin.reader.error is not None
    assert origin.reader.error["err_code"] == 10082
