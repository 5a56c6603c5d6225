"""One connection as routing sees it: what it may do, and where its outgoing bytes gather.

Knows bytes and subscriptions; not sockets, and not which protocol reads them. `net` and the session
behind a connection fill in the options and take the bytes away.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from leafnode.limits import (
    CODED_TURN_BYTES,
    MATCHES_ALL_BYTES_MAX,
    MAX_PENDING_BYTES,
    ROUTES_ALL_BYTES_MAX,
    TURN_WORK,
)
from leafnode.metrics import Traffic
from leafnode.routing.budget import Budget
from leafnode.routing.parked import Aside, Left

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable

    from leafnode.protocol.errors import PermissionsViolation
    from leafnode.routing.account import Account
    from leafnode.routing.gateway_replies import AwaitedElsewhere
    from leafnode.routing.parked import Parked
    from leafnode.routing.permissions import Permissions
    from leafnode.routing.responses import OpenReplies
    from leafnode.routing.subscription import Subscription


class Kind(IntEnum):
    """What is at the other end."""

    CLIENT = 0
    LEAF = 1
    SYSTEM = 2  # the server itself: JetStream, uplink, bridge


class LeafSide(NamedTuple):
    """What the other end of a leaf link is to us.

    `origin` is its cluster's name, or one that nobody else has: who has the same is told nothing of
    each other. `is_hub`: we are its spoke. `is_isolated`: it is not told what other leafs want.
    """

    origin: str
    is_hub: bool
    is_isolated: bool = False

    def passes_to(self, other: LeafSide) -> bool:
        """Say whether messages go from this one to the other: a spoke joins no two hubs."""
        return self.origin != other.origin and not (self.is_hub and other.is_hub)


_NO_SIDE: Final = LeafSide("", is_hub=False)


def _say_nothing(peer: Peer, violation: PermissionsViolation) -> None:
    del peer, violation


def _always(since_ns: int) -> bool:
    del since_ns
    return True


def _at_once(end: Callable[[], None]) -> None:
    end()


# Monotonic and wall time in ns: spans are counted on the first, people are told the second.
# No object with names: one is made in each turn, and would take four times as long.
Moment: TypeAlias = tuple[int, int]


class Outbox:
    """Which peers have bytes to write, and what a turn may still do; one for all connections of a
    server.

    The fields are written here, at the word of whoever begins a turn. Others read them, spend
    `work_left` and `coding_left` (a call for that would cost as much as a delivery), and note in
    `stalled` what a flush found. While a read is handled nobody is woken: its reader flushes.
    """

    __slots__ = (
        "aside",
        "coding_left",
        "dirty",
        "end_later",
        "lags",
        "left",
        "matches",
        "now",
        "on_fault",
        "on_violation",
        "routes",
        "scheduled",
        "stalled",
        "wait_for",
        "wake",
        "work_left",
    )

    def __init__(
        self,
        wake: Callable[[], None],
        on_fault: Callable[[Peer, Exception], None] | None = None,
        *,
        wait_for: Callable[[Callable[[], None]], None] | None = None,
        end_later: Callable[[Callable[[], None]], None] = _at_once,
    ) -> None:
        """`wake` is called when the first peer becomes dirty. `on_fault` is told of a peer whose
        flush failed; without it the exception goes on. Who has more to encrypt or pack than one
        flush is for waits by `wait_for` for a turn of the loop; None: nobody waits. What a
        connection leaves behind is cleared away by `end_later`, in a turn with room for it.
        """
        self.wake = wake
        self.on_fault: Final = on_fault
        self.wait_for: Final = wait_for
        self.end_later: Final = end_later
        # Told of a message that a client may not publish, beside the client itself; set once, by
        # whoever has a log.
        self.on_violation: Callable[[Peer, PermissionsViolation], None] = _say_nothing
        # What the caches of all connections, and of all accounts, may hold.
        self.routes: Final = Budget(ROUTES_ALL_BYTES_MAX)
        self.matches: Final = Budget(MATCHES_ALL_BYTES_MAX)
        self.aside: Final = Aside(self)
        self.left: Final = Left(self)
        self.dirty: list[Peer] = []
        self.now: Moment = (0, 0)  # when this turn began; set by whoever begins it
        self.scheduled = False  # a flush comes by itself
        self.work_left = TURN_WORK  # what may still be caused in this turn, see limits.TURN_WORK
        self.coding_left = CODED_TURN_BYTES  # that this flush may still encrypt or pack
        # Set by a flush that left a peer far behind: who caused it by a read pauses, see net.
        self.stalled = False
        # Whether that one is so for our own sake: what it gets is still to be packed. None: it is
        # the peer that does not keep up.
        self.lags: Callable[[], bool] | None = None

    def begin_turn(self) -> None:
        """Begin a turn that flushes at its end."""
        self.scheduled = True

    def begin_read(self) -> None:
        """Begin a turn with a read. What others left to write must not wait for it."""
        if self.dirty:
            self.flush()
        self.stalled, self.lags = False, None
        self.work_left, self.coding_left = TURN_WORK, CODED_TURN_BYTES
        self.scheduled = True

    def renew_work(self) -> None:
        """Let as much be caused and encrypted as one turn is for."""
        self.work_left, self.coding_left = TURN_WORK, CODED_TURN_BYTES

    def take_stalled(self) -> bool:
        """Say whether a flush since the last time left a peer far behind."""
        stalled, self.stalled = self.stalled, False
        return stalled

    def mark(self, peer: Peer) -> None:
        """Note that the peer has bytes to write."""
        if peer.dirty:
            return
        peer.dirty = True
        self.dirty.append(peer)
        if not self.scheduled:
            self.scheduled = True
            self.wake()

    def flush(self) -> None:
        """Let every dirty peer write what it has."""
        self.scheduled = True
        self.coding_left = CODED_TURN_BYTES
        while self.dirty:
            peers, self.dirty = self.dirty, []
            for peer in peers:
                peer.dirty = False
                out_msgs = peer.traffic.out_msgs
                if out_msgs != peer.told_msgs:
                    peer.told_msgs, peer.active = out_msgs, self.now
                try:
                    peer.flush()
                except Exception as err:  # noqa: BLE001 -- boundary: connection
                    self.failed(peer, err)
        self.scheduled = False

    def failed(self, peer: Peer, err: Exception) -> None:
        """Give a peer nothing more whose write failed; the others' bytes go on."""
        if self.on_fault is None:
            raise err
        peer.closing = True
        self.on_fault(peer, err)


class Peer:
    """A connection's face towards routing."""

    __slots__ = (
        "account",
        "active",
        "caught_up",
        "cid",
        "closing",
        "dirty",
        "echo",
        "elsewhere",
        "flush",
        "headers",
        "heard_msgs",
        "is_leaf",
        "kind",
        "leaf",
        "max_answer_bytes",
        "max_pending_bytes",
        "name",
        "no_responders",
        "open_replies",
        "out",
        "outbox",
        "parked",
        "pedantic",
        "pending_bytes",
        "permissions",
        "sifted_by",
        "stays_here",
        "subs",
        "told_msgs",
        "traces",
        "traffic",
        "verbose",
    )

    def __init__(self, cid: int, kind: Kind, outbox: Outbox) -> None:
        self.cid = cid
        self.kind = kind
        # Asked for each delivery: a slot is read in 5 ns, a member of an Enum in 100.
        self.is_leaf = kind is Kind.LEAF
        self.outbox = outbox
        # Of a leaf link, which says more once it knows; a hub is the side that gets least.
        self.leaf = LeafSide(f" {cid}", is_hub=True) if kind is Kind.LEAF else _NO_SIDE
        self.account: Account | None = None  # None until the peer may publish and subscribe
        self.name = ""
        self.out: list[bytes] = []
        self.pending_bytes = 0  # size of `out`; what the transport holds back comes on top
        # Beyond it nothing more is gathered, and the flush cuts it: see net.outbound.
        self.max_pending_bytes = MAX_PENDING_BYTES
        # Of a hub, to what this server itself asked it for; no less than any other payload.
        self.max_answer_bytes = 0
        self.dirty = False
        self.closing = False  # nothing more is delivered to it
        self.flush: Callable[[], None] = self._discard
        # Says whether all has come that the other end sent before that monotonic time. While it is
        # not known the other end is asked; of who cannot be asked it is taken for true.
        self.caught_up: Callable[[int], bool] = _always
        self.echo = True
        self.verbose = False
        self.pedantic = False
        self.headers = True
        self.no_responders = False
        self.stays_here = False  # True: no leaf hears what it says
        self.traces = True  # False: a server that knows nothing of message tracing
        self.permissions: Permissions | None = None  # None: everything is allowed
        # Who takes out the subscriptions that its permissions of now forbid; None: there are none.
        # Of two who are at it the one that brought these permissions.
        self.sifted_by: object | None = None
        self.open_replies: OpenReplies | None = None  # set where permissions allow responses
        # What it was asked from other clusters, while the answers have a way of their own.
        self.elsewhere: AwaitedElsewhere | None = None
        self.traffic = Traffic()
        self.told_msgs = 0  # of its `out_msgs`, those of turns that are over
        self.heard_msgs = 0  # the same of `in_msgs`
        # When messages or interest last came or went; PING and PONG are neither.
        self.active = outbox.now
        self.subs: dict[bytes, Subscription] = {}  # by sid
        # What of its last message the turn was too short for, with its body: see `parked`.
        self.parked: deque[Parked] | None = None

    def send(self, data: bytes) -> None:
        """Add protocol bytes to what goes out next."""
        self.out.append(data)
        self.pending_bytes += len(data)
        self.outbox.mark(self)

    def end_read(self) -> None:
        """Note that a read was handled: messages in it are activity."""
        in_msgs = self.traffic.in_msgs
        if in_msgs != self.heard_msgs:
            self.heard_msgs, self.active = in_msgs, self.outbox.now

    def take(self) -> list[bytes]:
        """Hand over what is to be written; it is the caller's from now on."""
        chunks, self.out = self.out, []
        self.pending_bytes = 0
        return chunks

    def _discard(self) -> None:
        """A peer without a connection (the server itself, or one that is gone) writes nothing."""
        self.take()
