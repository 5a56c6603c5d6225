"""A subscription, and what an internal one is handed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.routing.peer import Peer
    from leafnode.routing.route import Message
    from leafnode.routing.service_export import Passed
    from leafnode.routing.tracing import Trace


class Delivery(NamedTuple):
    """One run of messages on one subject, for a part of the server that subscribed.

    Each message is (reply or b"", header size, body); the body is header block and payload in one
    piece.
    `trace` is set for one that is traced: who takes part may add what it does. `lost_bytes`: so
    much was behind the only one, which was too large to be kept. `passed`: the services of other
    accounts that it came through, as a request or as an answer.
    """

    subject: bytes
    messages: list[tuple[bytes, int, bytes]]
    origin: Peer
    trace: Trace | None = None
    lost_bytes: int = 0
    passed: tuple[Passed, ...] = ()


class Relay(Protocol):
    """Takes messages to another account: a service import, or the answers to one."""

    def forward(self, origin: Peer, message: Message) -> int:
        """Pass one message on; return how many received it."""
        ...


class Import(Protocol):
    """What brings messages of another account's subjects. `show` makes the subject that is seen
    here. `allow_trace`: who traces a message may see what becomes of it here.
    """

    allow_trace: bool
    is_mute: bool  # it brings nothing: not yet, or not any more
    show: Callable[[bytes], bytes]


class Shadow(NamedTuple):
    """Why a subscription of one account is in another's sublist: a stream import. The source is
    what counts deliveries and ends.
    """

    source: Subscription
    by: Import


class Subscription:
    """Interest of one peer in one subject pattern."""

    __slots__ = (
        "asleep",
        "bulk",
        "closed",
        "delivered",
        "handler",
        "is_private",
        "is_service",
        "max_msgs",
        "peer",
        "queue",
        "relay",
        "shadow",
        "sid",
        "stream",
        "subject",
        "weight",
    )

    def __init__(
        self,
        peer: Peer,
        subject: bytes,
        *,
        sid: bytes = b"",
        queue: bytes = b"",
        handler: Callable[[Delivery], None] | None = None,
        weight: int = 1,
    ) -> None:
        self.peer = peer
        self.subject = subject
        self.sid = sid
        self.queue = queue
        self.handler = handler  # set for the server's own subscriptions
        # Takes what stands for the wildcards of many messages with one payload, and returns how
        # many of the first it took; the others go to the handler. See `acks`.
        self.bulk: Callable[[list[bytes], bytes], int] | None = None
        self.weight = weight  # members behind a leaf's queue subscription
        self.relay: Relay | None = None
        self.shadow: Shadow | None = None
        self.max_msgs = 0  # 0: no limit; else removed after that many deliveries
        self.delivered = 0
        self.closed = False
        self.is_private = False  # no leaf link is told of it, and what one brings is not for it
        self.is_service = False  # no stream import brings anything to it
        self.asleep = False  # it is there and gets nothing yet: see `intake`
        self.stream = ""  # name of the stream that stores what comes; empty for all others
