"""An origin that the test plays itself, message by message."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from leafnode.jetstream.api_types import ExternalStream, StreamConsumerSource, StreamSource
from leafnode.jetstream.origin_reader import OriginReader
from leafnode.protocol import header
from leafnode.routing.peer import Kind, Peer
from leafnode.routing.subscription import Subscription
from tests.unit.jetstream.world import World

if TYPE_CHECKING:
    from leafnode.jetstream.origin_reader import Arrived
    from leafnode.routing.subscription import Delivery


HELD = {"name": "held", "config": {"ack_policy": "flow_control"}}
PACED = {"name": "x", "config": {"ack_policy": "flow_control", "direct": True}}


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


def named() -> Origin:
    return Origin(consumer=StreamConsumerSource("held", "to.me"))


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


def asked(origin: Origin) -> int:
    """How often the origin has been asked."""
    return len(origin.requests)


def over_a_thin_link() -> tuple[Origin, Link]:
    """An origin whose messages come over a link that is behind."""
    origin = Origin()
    link = Link(origin, 9)
    link.up()
    link.is_thin()
    origin.reader.open()
    return origin, link
