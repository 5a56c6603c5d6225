"""One connection to a hub: what its session says becomes operations of one account, and back.

Knows the session, the account and a transport; not addresses, dialing or when to try again
(remote). Messages do not pass here: routing's lane moves them in both directions. Truth:
nats-server 2.15.1 server/leafnode.go, measured on its binary.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from leafnode.clients.facts import CLIENT_CLOSED, ConnectionFacts, closed_state
from leafnode.errors import ProtocolError
from leafnode.leaf.interest import Interest
from leafnode.leaf.rules import link_rules
from leafnode.limits import (
    LEAF_CONTROL_LINE_BYTES,
    LEAF_INTEREST_MAX,
    LEAF_LINE_WORK,
    LEAF_REMOVE_SLICE,
)
from leafnode.net.outbound import SLOW_PENDING, Outbound
from leafnode.protocol import leaf_session as events
from leafnode.protocol.errors import MaxSubscriptionsExceeded
from leafnode.protocol.leaf_session import LeafSession, LeafSettings, State
from leafnode.routing.lane import Lane
from leafnode.routing.peer import Kind, Peer
from leafnode.routing.subscription import Subscription

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from leafnode.clock import Clock, Timer
    from leafnode.config.options import LeafRemote
    from leafnode.leaf.loop import LoopSubjects
    from leafnode.leaf.rules import LinkRules
    from leafnode.net.transport import Dial, Transport
    from leafnode.protocol.leaf_op import LeafInfo
    from leafnode.routing.account import Account
    from leafnode.routing.peer import Outbox

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LeafEnvironment:
    """What all remotes of a server share. `next_cid` numbers connections of every kind."""

    clock: Clock
    random: Random
    dial: Dial
    outbox: Outbox
    loop_subjects: LoopSubjects
    next_cid: Callable[[], int]
    server_name: str
    server_id: str
    domain: str
    jetstream: bool
    max_payload_bytes: int
    max_pending_bytes: int
    ping_interval_ns: int
    ping_max: int
    traces: bool = False  # messages of a hub are traced on here


class LinkOwner(Protocol):
    """Who is told what a link learns."""

    def link_up(self, info: LeafInfo) -> None:
        """Interest was announced, and the hub's is in place as far as it came with its INFO."""
        ...

    def hub_info(self, info: LeafInfo) -> None: ...

    def hub_error(self, text: str, cause: str) -> None: ...

    def link_changed(self) -> None:
        """TLS is to be started, or the link is over."""
        ...


@dataclass(frozen=True, slots=True)
class LeafzRow:
    """One connection as /leafz shows it."""

    id: int
    name: str
    is_spoke: bool
    account: str
    ip: str
    port: int
    rtt_ns: int
    in_msgs: int
    out_msgs: int
    in_bytes: int
    out_bytes: int
    subscriptions: int
    compression: str


class HubLink:
    """Implements net.transport.Session for one connection, from dial to loss."""

    def __init__(
        self,
        environment: LeafEnvironment,
        remote: LeafRemote,
        account: Account,
        settings: LeafSettings,
        owner: LinkOwner,
    ) -> None:
        clock = environment.clock
        self.session = LeafSession(settings, now_ns=clock.monotonic_ns())
        self.peer = Peer(environment.next_cid(), Kind.LEAF, environment.outbox)
        self.transport: Transport | None = None
        self.over = False
        self.reason = ""  # why it is over, in words
        self.closed_state = ""  # what monitoring calls that
        self.slow = False  # it is over because the hub does not read
        self.linked_ns = 0  # monotonic; 0: the hub did not accept it yet
        self.interest_ignored = 0  # LS+ of the hub for what may not be sent there
        self._environment = environment
        self._remote = remote
        self._account = account
        self._settings = settings
        self._owner = owner
        self._clock = clock
        self._outbound: Outbound | None = None
        self._lane: Lane | None = None
        self._rules: LinkRules | None = None
        self._interest: Interest | None = None
        self._timer: Timer | None = None
        self._armed_ns: int | None = None
        self._linked_wall_ns = 0
        self.peer.active = (clock.monotonic_ns(), clock.wall_ns())

    # net.transport.Session

    def connected(self, transport: Transport) -> None:
        self.transport = transport
        self._outbound = Outbound(
            self.peer,
            transport,
            max_pending_bytes=self._environment.max_pending_bytes,
            on_slow=self._slow,
        )
        self._arm()

    def received(self, data: bytes) -> None:
        if self.over:
            return
        if self._lane is None:
            self._guarded(lambda: self._handshake(data))
        else:
            if data:
                self._lane.feed(data)
            self._guarded(self._read_lines)
        self.peer.end_read()

    def lost(self, reason: str) -> None:
        how = reason or "closed by the hub"
        refused = self.session.refused_cause
        state = reason.partition(": ")[0] or CLIENT_CLOSED
        self.drop(refused or f"connection lost, {self.session.state.value}: {how}", state)

    # for the owner

    def tls_started(self) -> None:
        """Go on after the transport's TLS handshake."""
        if not self.over:
            self.session.tls_started(self._clock.monotonic_ns())
            self._settle()
            self._arm()

    def kick(self) -> None:
        """End the link because an operator wants that; it is dialed again like any other."""
        self._flush()
        self.drop("kicked by an operator", "Kicked")

    def drop(self, reason: str, state: str = CLIENT_CLOSED) -> None:
        """End the link without a word; does nothing when it is over."""
        if self.over:
            return
        self.over = True
        self.reason, self.closed_state = reason, state
        self.session.close()
        self.peer.closing = True
        if self._interest is not None:
            self._interest.stop()
        if self._timer is not None:
            self._timer.cancel()
        if self._outbound is not None:
            self._outbound.close()
        elif self.transport is not None:
            self.transport.close()
        self._account.spoil()
        self._remove_slice()
        self._owner.link_changed()

    def leafz(self) -> LeafzRow:
        """Return what /leafz shows."""
        ip, _, port = (self.transport.peer if self.transport else "").rpartition(":")
        traffic = self.peer.traffic
        return LeafzRow(
            id=self.peer.cid,
            name=self.session.hub.server_name,
            is_spoke=True,
            account=self._account.name,
            ip=ip,
            port=int(port or 0),
            rtt_ns=self.session.rtt_ns,
            in_msgs=traffic.in_msgs,
            out_msgs=traffic.out_msgs,
            in_bytes=traffic.in_bytes,
            out_bytes=traffic.out_bytes,
            subscriptions=len(self.peer.subs),
            compression="off",
        )

    def facts(self) -> ConnectionFacts:
        """Return what /connz shows."""
        row, now_ns = self.leafz(), self._clock.monotonic_ns()
        return ConnectionFacts(
            cid=row.id,
            kind="Leafnode",
            type="",
            ip=row.ip,
            port=row.port,
            account=row.account,
            user="",
            name="",  # a link has none there; /leafz has the hub's
            lang="",
            version="",
            start_ns=self._linked_wall_ns,
            last_activity_ns=self.peer.active[1],
            rtt_ns=row.rtt_ns,
            uptime_ns=now_ns - self.linked_ns,
            idle_ns=now_ns - self.peer.active[0],
            pending_bytes=self._outbound.pending_bytes() if self._outbound is not None else 0,
            in_msgs=row.in_msgs,
            out_msgs=row.out_msgs,
            in_bytes=row.in_bytes,
            out_bytes=row.out_bytes,
            subscriptions=row.subscriptions,
        )

    # session to account

    def _guarded(self, step: Callable[[], None]) -> None:
        """Do one step of reading; what the hub got wrong ends the link."""
        try:
            step()
        except ProtocolError as error:
            self.session.fail(error)
            self._settle()
        self._arm()

    def _handshake(self, data: bytes) -> None:
        self.session.receive(data, self._clock.monotonic_ns())
        self._settle()

    def _read_lines(self) -> None:
        """Handle what was read, as far as it goes and as long as others need not wait."""
        assert self._lane is not None
        assert self.transport is not None
        now_ns = self._clock.monotonic_ns()
        lane, outbox = self._lane, self.peer.outbox
        while not self.over:
            line = lane.next_line()
            if line is None and not lane.starved:
                return
            if line is not None:
                outbox.work_left -= LEAF_LINE_WORK
                self.session.receive_line(line, now_ns)
                self._settle()
            if lane.starved or outbox.work_left <= 0:
                self.transport.yield_turn()
                return

    def _settle(self) -> None:
        """Write what the session wants written, then act on what it saw."""
        data = self.session.data_to_send()
        if data:
            self.peer.send(data)
        for event in self.session.events():
            self._act(event)

    def _act(self, event: events.LeafEvent) -> None:
        match event:
            case events.InterestAdded(subject, queue, weight):
                self._add_interest(subject, queue, weight)
            case events.InterestRemoved(subject, queue):
                self._remove_interest(subject, queue)
            case events.Linked(info):
                self._link_up(info)
            case events.InfoChanged(info):
                self._info_changed(info)
            case events.HubError(text, cause):
                self._owner.hub_error(text, cause)
            case events.StartTls():
                self._owner.link_changed()
            case events.Ended(reason, error):
                # What explains the end goes out before it; `lost` comes later and finds all done.
                self._flush()
                self.drop(reason, closed_state(error) if error is not None else CLIENT_CLOSED)

    def _link_up(self, info: LeafInfo) -> None:
        rules = link_rules(
            domain=self._environment.domain,
            hub_domain=info.domain,
            deny_imports=self._remote.deny_imports,
            deny_exports=self._remote.deny_exports,
            hub_import=info.import_rules,
            hub_export=info.export_rules,
        )
        peer = self.peer
        peer.name = info.server_name
        peer.headers = info.headers
        peer.traces = info.traces
        peer.permissions = rules.permissions
        peer.account = self._account
        self._rules = rules
        self.linked_ns, self._linked_wall_ns = self._clock.monotonic_ns(), self._clock.wall_ns()
        self._lane = Lane(
            peer,
            max_payload_bytes=self._environment.max_payload_bytes,
            max_control_line_bytes=LEAF_CONTROL_LINE_BYTES,
        )
        self._interest = Interest(self._account, rules, peer.send, self._clock)
        self._interest.start(self._settings.loop_subject)
        rest = self.session.take_rest()
        if rest:
            self._lane.feed(rest)
            self._read_lines()
        if not self.over:
            self._owner.link_up(info)

    def _info_changed(self, info: LeafInfo) -> None:
        if info.import_rules is None and info.export_rules is None:
            self._owner.hub_info(info)
            return
        # Routes all over the account were decided with the old rules: a new link decides anew.
        self.session.end(b"", "the hub changed this user's permissions: connecting anew")
        self._settle()

    def _add_interest(self, subject: bytes, queue: bytes, weight: int) -> None:
        self.peer.active = self.peer.outbox.now
        key = _key(subject, queue)
        known = self.peer.subs.get(key)
        if known is not None:
            known.weight = weight
            return
        assert self._rules is not None
        if not self._rules.may_accept(subject):
            self.interest_ignored += 1
            return
        if len(self.peer.subs) >= LEAF_INTEREST_MAX:
            reason = f"the hub announced more than {LEAF_INTEREST_MAX} subscriptions"
            error = MaxSubscriptionsExceeded
            self.session.end(error.wire_error, reason, error=error)
            self._settle()
            return
        sub = Subscription(self.peer, subject, sid=key, queue=queue, weight=weight)
        self.peer.subs[key] = sub
        self._account.insert(sub)

    def _remove_interest(self, subject: bytes, queue: bytes) -> None:
        self.peer.active = self.peer.outbox.now
        sub = self.peer.subs.pop(_key(subject, queue), None)
        if sub is not None:
            self._account.remove(sub)

    def _remove_slice(self) -> None:
        """Take the hub's interest out, a slice per turn: nothing is decided for it any more."""
        for _ in range(min(LEAF_REMOVE_SLICE, len(self.peer.subs))):
            _, sub = self.peer.subs.popitem()
            self._account.remove(sub)
        if self.peer.subs:
            self._clock.call_later(0, self._remove_slice)

    # time and bytes

    def _arm(self) -> None:
        """Have `_due` called when the session wants it."""
        due_ns = self.session.deadline_ns
        if due_ns == self._armed_ns:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._armed_ns = due_ns
        if due_ns is not None and not self.over:
            self._timer = self._clock.call_later(due_ns - self._clock.monotonic_ns(), self._due)

    def _due(self) -> None:
        self._armed_ns = None
        self.session.timer_due(self._clock.monotonic_ns())
        self._settle()
        self._arm()

    def _flush(self) -> None:
        if self._outbound is not None:
            self._outbound.finish()

    def _slow(self) -> None:
        transport = self.transport
        self.slow = True
        self.drop(f"the hub does not read: {SLOW_PENDING}", SLOW_PENDING)
        if transport is not None:
            transport.abort()

    @property
    def awaits_tls(self) -> bool:
        return self.session.state is State.AWAIT_TLS


def _key(subject: bytes, queue: bytes) -> bytes:
    return b"%b %b" % (subject, queue) if queue else subject
