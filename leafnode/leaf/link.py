"""One leaf link: what its session says becomes operations of one account, and back.

Knows the session, the account and a transport; not who dialed, nor who is hub: those who build a
link say so (`handler` dials, `accepted` was dialed) and name its terms. Messages do not pass here:
routing's lane moves them in both directions. Truth: nats-server 2.15.1 server/leafnode.go, measured
on its binary.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from leafnode.clients.facts import CLIENT_CLOSED, ShowsTls, closed_state
from leafnode.errors import ProtocolError
from leafnode.leaf.facts import closed_connection, connection_facts, leafz_row
from leafnode.leaf.interest import Interest
from leafnode.leaf.rules import Verdict
from leafnode.limits import (
    LEAF_CONTROL_LINE_BYTES,
    LEAF_INTEREST_BYTES_MAX,
    LEAF_LINE_WORK,
    LEAF_REMOVE_SLICE,
    RULE_WORK,
    TURN_WORK,
)
from leafnode.net.outbound import SLOW_DEADLINE, SLOW_PENDING, Outbound
from leafnode.protocol import leaf_events as events
from leafnode.protocol.leaf_errors import LeafViolation
from leafnode.routing.leaf_lane import LeafLane
from leafnode.routing.peer import Kind, Peer
from leafnode.routing.subscription import Subscription

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clients.facts import ConnectionFacts
    from leafnode.clock import Timer
    from leafnode.leaf.rules import LinkRules, Making
    from leafnode.leaf.terms import LeafEnvironment, LeafzRow, Packer, Terms
    from leafnode.net.backlog import Late
    from leafnode.net.transport import TlsFacts, Transport
    from leafnode.protocol.leaf_session import LeafSession
    from leafnode.routing.account import Account

log = logging.getLogger(__name__)


class Link(ShowsTls):
    """Implements net.transport.Session for one connection, from its start to its loss."""

    def __init__(self, environment: LeafEnvironment, session: LeafSession) -> None:
        super().__init__()
        clock = environment.clock
        self.peer = Peer(environment.next_cid(), Kind.LEAF, environment.outbox)
        self.peer.caught_up = self._caught_up
        self.transport: Transport | None = None
        self.packer: Packer | None = None  # below it, where it may be packed
        self.over = False
        self.reason = ""  # why it is over, in words
        self.broke = False  # the connection did, with no word why
        self.closed_state = ""  # what monitoring calls that
        self.slow = 0  # write deadlines that passed, and whether it is over for what waits
        self.linked_ns = 0  # monotonic; 0: it is not up yet
        self.linked_wall_ns = 0
        self.interest_ignored = 0  # LS+ for what may not be sent there
        self._interest_bytes = 0  # of the subjects and queues of those that are kept
        self._environment = environment
        self._session = session
        self._clock = clock
        self._outbound: Outbound | None = None
        self._lane: LeafLane | None = None
        self._terms: Terms | None = None
        self._making: Making | None = None  # its rules, while that takes turns
        self._rules: LinkRules | None = None
        self._interest: Interest | None = None
        self._timer: Timer | None = None
        self._armed_ns: int | None = None
        self._began_ns, self._began_wall_ns = self.peer.active = (
            clock.monotonic_ns(),
            clock.wall_ns(),
        )

    # net.transport.Session

    def connected(self, transport: Transport) -> None:
        self.transport = transport
        self._outbound = Outbound(
            self.peer,
            transport,
            max_pending_bytes=self._environment.max_pending_bytes,
            on_slow=self._slow,
        )
        transport.on_late = self._late
        self._arm()

    def received(self, data: bytes) -> None:
        if self.over:
            return
        if data:
            self._session.heard(self.peer.outbox.now[0])
        if self._lane is None:
            self._guarded(lambda: self._handshake(data))
            if self._making is not None and not self.over:
                self._guarded(self._make_rules)
        else:
            if data:
                self._lane.feed(data)
            self._guarded(self._read_lines)
        self.peer.end_read()

    def lost(self, reason: str) -> None:
        if self.over:
            return
        session = self._session
        how = reason or f"closed by the {session.other}"
        state = reason.partition(": ")[0] or CLIENT_CLOSED
        self.broke = not session.refused_cause
        self.drop(session.refused_cause or f"connection lost, {session.state.value}: {how}", state)

    def _let_go(self) -> None:
        """Keep nothing that leads back here: whoever is gone waits for no collector."""
        if self._outbound is not None:
            self._outbound.lose()
        self.transport = self._outbound = self._interest = self.packer = self._making = None
        self.peer.flush, self.peer.caught_up = lambda: None, lambda _: True
        if self._lane is not None:
            self._lane.end()
            self._lane = None

    # for the owner

    @property
    def stale(self) -> bool:
        """Whether it is over because PINGs went unanswered."""
        return self._session.stale

    def adopt(self, environment: LeafEnvironment) -> None:
        """Go by the bounds and times that the server's options name now."""
        self._environment = environment
        if self.over:
            return
        pings = environment.ping_interval_of(is_websocket=self.is_websocket), environment.ping_max
        self._session.take_pings(*pings, self._clock.monotonic_ns())
        if self._outbound is not None:
            self._outbound.limit(environment.max_pending_bytes)
        if self._lane is not None:
            self._lane.limit_payload(self._max_payload_bytes())
            self._lane.reset()
        self._arm()

    def _max_payload_bytes(self) -> int:
        """Return how large a message of the other side may be, by the environment of now."""
        raise NotImplementedError

    @property
    def is_amid(self) -> bool:
        """Whether a message of the other side has begun to come and is not over."""
        return self._lane is not None and self._lane.is_amid

    def kick(self) -> None:
        """End the link because an operator wants that; who dialed may dial again."""
        self._flush()
        self.drop("kicked by an operator", "Kicked")

    def expel(self, error: ProtocolError) -> None:
        """End the link and tell the other side why."""
        if not self.over:
            self._fail(error)

    def drop(self, reason: str, state: str = CLIENT_CLOSED) -> None:
        """End the link without a word; does nothing when it is over."""
        if self.over:
            return
        self.over = True
        self.reason, self.closed_state = reason, state
        self._remember()
        self._session.close()
        self.peer.closing = True
        if self._interest is not None:
            self._interest.stop()
        if self._timer is not None:
            self._timer.cancel()
        if self._outbound is not None:
            self._outbound.close(state)
        elif self.transport is not None:
            self.transport.close()
        account = self.peer.account
        if account is not None:
            account.leave(self.peer)
            account.spoil()
            self._remove_slice(account)
        self._ended()

    def leafz(self) -> LeafzRow:
        """Return what /leafz shows."""
        return leafz_row(
            self.peer,
            self.transport.peer if self.transport is not None else "",
            self._said(),
            rtt_ns=self._session.rtt_ns,
            compression=self._compression(),
            is_websocket=self.is_websocket,
        )

    def facts(self, *, with_certificates: bool = True) -> ConnectionFacts:
        """Return what /connz shows; of a link that is over it shows no certificates."""
        outbound = self._outbound
        facts = connection_facts(
            self.leafz(),
            self.peer,
            start_ns=self.start_ns,
            now_ns=self._clock.monotonic_ns(),
            began_ns=self.linked_ns or self._began_ns,
            pending_bytes=outbound.pending_bytes() if outbound is not None else 0,
        )
        return self._with_tls(facts, self.tls(), with_certificates=with_certificates)

    def tls(self) -> TlsFacts | None:
        """Return what its handshake told; None while, or where, there was none."""
        return self.transport.tls if self.transport is not None else None

    def _remember(self) -> None:
        """Have monitoring keep what is over, while it has its subscriptions."""
        if self.transport is None:
            return  # it never was a connection
        stop_ns = self._clock.wall_ns()
        facts = self.facts(with_certificates=False)
        gone = closed_connection(facts, self.peer, stop_ns, self.closed_state)
        self._environment.remember(gone)

    # what the two sides have of their own

    def _act(self, event: events.LeafEvent) -> None:
        """Do what an event of this side alone asks for."""
        raise NotImplementedError

    def _came_up(self) -> None:
        """The link is up, and neither side has said anything on it yet."""

    def _is_up(self) -> None:
        """Messages flow, and what came behind the handshake is in place."""

    def _ended(self) -> None:
        """The link is over: tell whoever has to know."""
        raise NotImplementedError

    def _compression(self) -> str:
        return self._session.compression or "off"

    @property
    def is_websocket(self) -> bool:
        """Whether frames lie below it."""
        return False

    def _said(self) -> dict[str, str]:
        """What the other side says of itself, by the names of LeafzRow."""
        return {}

    @property
    def start_ns(self) -> int:
        """When it began, as people are told; wall time."""
        return self.linked_wall_ns or self._began_wall_ns

    def _begin(self, account: Account, terms: Terms, rules: Making) -> None:
        """Let messages and interest flow once the rules are made. The account has counted the link
        in. What is still to do of that is done first in the turns that follow.
        """
        peer = self.peer
        peer.name, peer.leaf = terms.name, terms.side
        peer.headers, peer.traces = terms.headers, terms.traces
        peer.account = account
        self._terms, self._making = terms, rules
        self._make_rules()

    def _make_rules(self) -> None:
        """Go on making them, as long as others need not wait; then the link is up."""
        assert self._making is not None, "the caller looked"
        outbox = self.peer.outbox
        try:
            while outbox.work_left > 0:
                next(self._making)
                outbox.work_left -= RULE_WORK
        except StopIteration as done:
            self._making = None
            self._open(done.value)
        else:
            self._yield()

    def _open(self, rules: LinkRules) -> None:
        """Tell our interest, in this turn or in as many as it takes, then read."""
        peer = self.peer
        assert peer.account is not None, "it has begun"
        self._rules, peer.permissions = rules, rules.permissions
        self.linked_ns, self.linked_wall_ns = self._clock.monotonic_ns(), self._clock.wall_ns()
        self._lane = LeafLane(
            peer,
            max_payload_bytes=self._max_payload_bytes(),
            max_control_line_bytes=LEAF_CONTROL_LINE_BYTES,
        )
        self._came_up()
        if self.packer is not None:
            self.packer.trust()
        self._interest = Interest(peer.account, peer, rules, self._clock)
        self._interest.start(self._session.loop_subject)
        rest = self._session.take_rest()
        if rest:
            self._lane.feed(rest)
        self._read_lines()
        if not self.over:
            self._is_up()

    # session to account

    def _guarded(self, step: Callable[[], None]) -> None:
        """Do one step of reading; what the other side got wrong ends the link."""
        try:
            step()
        except ProtocolError as error:
            self._fail(error)
        self._arm()

    def _fail(self, error: ProtocolError) -> None:
        self._session.fail(error)
        self._settle()

    def _handshake(self, data: bytes) -> None:
        self._session.receive(data, self._clock.monotonic_ns())
        self._settle()

    def _read_lines(self) -> None:
        """Handle what was read, as far as it goes and as long as others need not wait.

        Nothing is before the other side was told what is wanted here: it could have us send it a
        request whose reply subject it does not know of.
        """
        assert self._lane is not None, "the link is up"
        assert self._interest is not None, "the link is up"
        if not self._interest.tell():
            self._yield()
            return
        now_ns = self._clock.monotonic_ns()
        lane, outbox = self._lane, self.peer.outbox
        while not self.over:
            line = lane.next_line()
            if line is None and not lane.starved:
                return
            if line is not None:
                outbox.work_left -= LEAF_LINE_WORK
                self._session.receive_line(line, now_ns)
                self._settle()
            if lane.starved or outbox.work_left <= 0:
                self._yield()
                return

    def _yield(self) -> None:
        """Go on after the others had their turn."""
        if self.transport is not None and not self.over:
            self.transport.yield_turn()

    def _settle(self) -> None:
        """Write what the session wants written, then act on what it saw."""
        data = self._session.data_to_send()
        if data:
            self.peer.send(data)
        for event in self._session.events():
            match event:
                case events.InterestAdded(subject, queue, weight):
                    self._add_interest(subject, queue, weight)
                case events.InterestRemoved(subject, queue):
                    self._remove_interest(subject, queue)
                case events.CompressionAgreed(level, clear):
                    assert self.packer is not None, "else it is not wanted"
                    assert self.transport is not None, "INFO came by it"
                    if clear:
                        self.transport.write([clear])
                    self.packer.begin(level)
                case events.CompressionChanged(level):
                    assert self.packer is not None, "it was agreed to"
                    self.packer.change(level)
                case events.Ended(reason, error):
                    # What explains the end goes out before it; `lost` comes later and finds all
                    # done.
                    self._flush()
                    self.drop(reason, closed_state(error) if error is not None else CLIENT_CLOSED)
                case _:
                    self._act(event)

    def _add_interest(self, subject: bytes, queue: bytes, weight: int) -> None:
        peer, account, terms, rules = self.peer, self.peer.account, self._terms, self._rules
        assert account is not None, "the link is up"
        assert terms is not None, "the link is up"
        assert rules is not None, "the link is up"
        peer.active = peer.outbox.now
        key = _key(subject, queue)
        verdict = rules.judge(subject, peer.outbox)
        if verdict is Verdict.VIOLATION and not self._awaits_answer(subject):
            raise LeafViolation(b"Subscription", subject)
        known = peer.subs.get(key)
        if known is not None:
            account.reweigh(known, weight)
            return
        if verdict is Verdict.IGNORED:
            self.interest_ignored += 1
            return
        is_full = self._interest_bytes + len(key) > LEAF_INTEREST_BYTES_MAX
        if is_full or len(peer.subs) >= terms.max_interest:
            self._too_much_interest(terms.max_interest)
            return
        self._interest_bytes += len(key)
        sub = Subscription(peer, subject, sid=key, queue=queue, weight=weight)
        peer.subs[key] = sub
        account.insert(sub)

    def _awaits_answer(self, subject: bytes) -> bool:
        """Say whether an answer is awaited there that `allow_responses` lets through."""
        replies = self.peer.open_replies
        return replies is not None and replies.holds(subject)

    def _too_much_interest(self, most: int) -> None:
        """Refuse an LS+ beyond the bound."""
        raise NotImplementedError

    def _remove_interest(self, subject: bytes, queue: bytes) -> None:
        self.peer.active = self.peer.outbox.now
        key = _key(subject, queue)
        sub = self.peer.subs.pop(key, None)
        if sub is not None:
            self._interest_bytes -= len(key)
            assert self.peer.account is not None, "the link is up"
            self.peer.account.remove(sub)

    def _remove_slice(self, account: Account) -> None:
        """Take its interest out, a slice per turn: nothing is decided for it any more."""
        outbox = self.peer.outbox
        until = outbox.work_left - TURN_WORK  # of telling other links
        for _ in range(min(LEAF_REMOVE_SLICE, len(self.peer.subs))):
            _, sub = self.peer.subs.popitem()
            account.remove(sub)
            if outbox.work_left <= until:
                break
        if self.peer.subs:
            self._clock.call_later(0, lambda: self._remove_slice(account))

    # time and bytes

    def _arm(self) -> None:
        """Have `_due` called when the session wants it."""
        due_ns = self._session.deadline_ns
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
        transport = self.transport
        silent_ns = transport.silent_ns() if transport is not None else None
        unread = (transport is not None and transport.has_unread()) or self.peer.parked is not None
        unsent = self._outbound is not None and self._outbound.pending_bytes() > 0
        unsent = unsent or (transport is not None and transport.has_unsent())
        self._session.timer_due(self._clock.monotonic_ns(), silent_ns, unread=unread, unsent=unsent)
        self._settle()
        self._arm()

    def _caught_up(self, since_ns: int) -> bool:
        """See `Peer.caught_up`."""
        has = self._session.caught_up(since_ns, self._clock.monotonic_ns())
        self._settle()
        self._arm()
        return has

    def _flush(self) -> None:
        if self._outbound is not None:
            self._outbound.finish()

    def _slow(self) -> None:
        transport = self.transport
        self.slow += 1
        self.drop(f"the {self._session.other} does not read: {SLOW_PENDING}", SLOW_PENDING)
        if transport is not None:
            transport.abort()

    def _late(self, late: Late) -> None:
        """Say and count that the other side does not read in time; who reads a part goes on."""
        if self.over or self.transport is None:
            return
        if self.linked_ns:
            self.slow += not late.is_recovered
            log.info("%s - lid:%d - %s", self.transport.peer, self.peer.cid, late.text)
        if late.is_over:
            self.drop(f"the {self._session.other} does not read: {SLOW_DEADLINE}", SLOW_DEADLINE)


def _key(subject: bytes, queue: bytes) -> bytes:
    return b"%b %b" % (subject, queue) if queue else subject
