"""The leaf protocol as a state table: lines and time in, lines and events out.

Knows what both ends of a leaf connection share: lines, PINGs, interest, how it ends. Not sockets,
accounts or what a subject means, and not who dialed: leaf_dialer and leaf_acceptor have a table
each, with what comes before the link is up. Who is hub and who is spoke is another question, which
no table asks. Truth: nats-server 2.15.1 server/leafnode.go; order, timers and texts measured on
its binary.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final

from leafnode.clock import NS_PER_S
from leafnode.limits import (
    LEAF_FIRST_PING_NS,
    LEAF_LOOP_DELAY_NS,
    LEAF_OUTLIVED_NS,
    LEAF_UNANSWERED_NS,
    LEAF_UNREACHED_NS,
    MAX_SUBJECT_TOKENS,
    PING_INTERVAL_NS,
    PING_MAX,
    RTT_REFRESH_NS,
)
from leafnode.protocol import leaf_op as op
from leafnode.protocol import subject as subjects
from leafnode.protocol.errors import (
    MaxAccountConnectionsExceeded,
    MaxPayloadViolation,
    ParserError,
    StaleConnection,
    UnknownOperation,
    wire_line,
)
from leafnode.protocol.leaf_compression import NO_COMPRESSION, S2_AUTO, Compression, packs
from leafnode.protocol.leaf_errors import LeafViolation, LoopDetected
from leafnode.protocol.leaf_events import (
    CompressionAgreed,
    CompressionChanged,
    Ended,
    InterestAdded,
    InterestRemoved,
    LeafEvent,
    PeerError,
    State,
)
from leafnode.protocol.leaf_refusal import explain
from leafnode.protocol.op import Ping, Pong

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from leafnode.errors import ProtocolError

    # A method of the session whose table it stands in.
    Action = Callable[..., None]
    Table = Mapping[State, Mapping[type[op.LeafOp], Action]]


@dataclass(frozen=True, slots=True)
class PingRules:
    """When the other side is asked whether it lives.

    `jitter`, 0 to 1: how much of 20 % is added to the first PING. `may_skip`: who was just heard of
    is not asked; a spoke always asks its hub.
    """

    interval_ns: int = PING_INTERVAL_NS
    most: int = PING_MAX
    jitter: float = 0.0
    may_skip: bool = False


class LeafSession:
    """One leaf connection, from its first byte to its last.

    Until `state` is LINKED give every read to `receive`; from then on give each control line to
    `receive_line` (the lane that routes messages cuts them), first of all what `take_rest` returns.
    After each call: write `data_to_send`, act on `events`, and call `timer_due` at `deadline_ns`.
    """

    table: ClassVar[Table]
    other: ClassVar[str]  # what the other side is called

    def __init__(
        self, state: State, pings: PingRules, compression: Compression = NO_COMPRESSION
    ) -> None:
        self.state = state
        self.deadline_ns: int | None = None
        self.stale = False  # ended because PINGs went unanswered
        self.rtt_ns = 0  # 0 until the first PONG
        self.refused_text = ""  # the other side's latest -ERR, and what it means
        self.refused_cause = ""
        self._refused_ns = 0
        self.delay_ns = 0  # to wait before dialing again, on top of the reconnect interval
        self.account = ""  # who is told of a loop
        self.loop_subject = b""
        self.compression = ""  # what both sides made of it: a level, `off`, `not supported`
        self._wanted = compression
        self._pings = pings
        self._buffer = b""
        self._out: list[bytes] = []
        self._events: list[LeafEvent] = []
        self._pings_out = 0
        self._ping_sent_ns = 0
        self._asked_ns = 0  # when the first PING that is not answered was sent
        self._unsent_ns = 0  # when bytes of ours last waited for their way
        self._ping_due_ns = 0  # of the next one; a look at the last may come before
        self._pings_sent = 0
        self._pongs = 0  # that came for them, in their order
        self._proof = (0, -1)  # the number of a PING that is to prove something, and when it went
        self._proved_ns = -1  # when the last such went that was answered
        self._reached_ns: int | None = None  # when its kernel last said anything, if that is known
        self._heard_ns = 0

    def receive(self, data: bytes, now_ns: int) -> None:
        """Take bytes of the handshake. Raises ProtocolError."""
        raise NotImplementedError

    def receive_line(self, line: bytes, now_ns: int) -> None:
        """Take one control line without its CRLF. Raises ProtocolError."""
        if self.state is State.CLOSED:
            return
        operation = op.parse_leaf_line(line)
        act = self.table[self.state].get(type(operation))
        if act is None:
            raise UnknownOperation(f"{type(operation).__name__} while {self.state.value}")
        act(self, operation, now_ns)

    def take_rest(self) -> bytes:
        """Return what came behind the handshake in the same read; it belongs to the lane."""
        rest, self._buffer = self._buffer, b""
        return rest

    def heard(self, now_ns: int) -> None:
        """Note that something came, whatever it was. An -ERR long before it did not end the link,
        so it will not explain its end.
        """
        if self.refused_text and now_ns - self._refused_ns > LEAF_OUTLIVED_NS:
            self.refused_text = self.refused_cause = ""
        self._heard_ns = now_ns

    def timer_due(
        self,
        now_ns: int,
        silent_ns: int | None = None,
        *,
        unread: bool = False,
        unsent: bool = False,
    ) -> None:
        """Do what time demands: give up on a silent peer, or ask whether it lives.

        `silent_ns`: for how long its kernel acknowledged nothing, where that is known. `unread`:
        what it says waits here, an answer maybe among it. `unsent`: what it is told waits here, as
        long as somebody else has patience with that.
        """
        if unsent:
            self._unsent_ns = now_ns
        if silent_ns is not None:
            self._reached_ns = now_ns - silent_ns
        if self.deadline_ns is None or now_ns < self.deadline_ns:
            return
        if self.state is State.LINKED:
            self._ping(now_ns, unread=unread)
        else:
            self._overdue(now_ns)

    def take_pings(self, interval_ns: int, most: int, now_ns: int) -> None:
        """Go by another interval and number of PINGs from now on."""
        self._pings = replace(self._pings, interval_ns=interval_ns, most=most)
        if self.state is State.LINKED and self.deadline_ns is not None:
            self._ping_due_ns = min(self._ping_due_ns, now_ns + interval_ns)
            self.deadline_ns = min(self.deadline_ns, now_ns + interval_ns)

    def caught_up(self, since_ns: int, now_ns: int) -> bool:
        """Say whether all has come that the other side sent before `since_ns`: the PONG of a PING
        that went then or later stands behind it. Else ask now, one such PING at a time.
        """
        if self.state is not State.LINKED or self._proved_ns >= since_ns:
            return True
        if self._proof[0] <= self._pongs:
            if self._pings_out:
                self._send_ping()
            else:
                self._ask(now_ns)
            self._proof = (self._pings_sent, now_ns)
        return False

    def fail(self, error: ProtocolError) -> None:
        """End because the peer broke the protocol, or for a bound of ours: the error's text goes
        out as -ERR.
        """
        words = str(error) or error.wire_error.decode() or type(error).__name__
        reason = f"the {self.other} broke the protocol: {words}"
        if type(error) in _OURS:
            reason = _OURS[type(error)].format(self.other)
        self._end_with(wire_line(error), reason, type(error))

    def end(
        self, wire_error: bytes, reason: str, *, error: type[ProtocolError] | None = None
    ) -> None:
        """End for a reason of our own. An empty `wire_error` closes without a word."""
        self._end(wire_error, reason, error=error)

    def close(self) -> None:
        """Learn that the connection is gone."""
        self.state = State.CLOSED
        self.deadline_ns = None

    def data_to_send(self) -> bytes:
        """Return what must be written now."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def events(self) -> list[LeafEvent]:
        """Return what happened since the last call."""
        happened, self._events = self._events, []
        return happened

    def refuse_too_many(self, wire_error: bytes) -> None:
        """Complain of a line that is one too many; the link lives."""
        self._out.append(op.encode_error(wire_error))

    # what the two sides have of their own

    def _overdue(self, now_ns: int) -> None:
        """Give up on a peer that was not heard of in time before the link was up."""
        raise NotImplementedError

    def _may_complain(self) -> bool:
        """Whether an -ERR may go out now."""
        return True

    # actions of both tables

    def _link(self, now_ns: int) -> None:
        self.state = State.LINKED
        self._heard_ns = now_ns
        first_ns = min(LEAF_FIRST_PING_NS, self._pings.interval_ns)
        self.deadline_ns = now_ns + first_ns + int(first_ns * 0.2 * self._pings.jitter)

    def sub(self, sub: op.LeafSub, now_ns: int) -> None:
        """LS+: interest, or the proof of a loop."""
        del now_ns
        if sub.subject == self.loop_subject:
            error = LoopDetected(self.account)
            reason = f"loop detected: {explain(error.wire_text.decode()).cause}"
            self._end_with(wire_line(error), reason, LoopDetected)
        elif not _is_subscribable(sub):
            self._out.append(op.encode_error(b"Invalid Subscription"))
        else:
            self._events.append(InterestAdded(sub.subject, sub.queue, sub.weight))

    def unsub(self, unsub: op.LeafUnsub, now_ns: int) -> None:
        """LS-: interest that is over."""
        del now_ns
        self._events.append(InterestRemoved(unsub.subject, unsub.queue))

    def peer_ping(self, ping: Ping, now_ns: int) -> None:
        """PING: it is answered at once."""
        del ping, now_ns
        self._out.append(op.PONG_LINE)

    def peer_pong(self, pong: Pong, now_ns: int) -> None:
        """PONG: an answer to ours, or unasked for."""
        del pong
        self._pongs = min(self._pongs + 1, self._pings_sent)
        number, sent_ns = self._proof
        if number == self._pongs:
            self._proved_ns = sent_ns
        if self._pings_out:
            self._pings_out = 0
            self.rtt_ns = now_ns - self._ping_sent_ns
            self._repack()

    def peer_error(self, error: op.Err, now_ns: int) -> None:
        """-ERR: it does not close by itself."""
        refusal = explain(error.text)
        if refusal.ends:
            self.refused_text, self.refused_cause = error.text, refusal.cause
            self._refused_ns = now_ns
        self.delay_ns = max(self.delay_ns, refusal.delay_ns)
        self._events.append(PeerError(error.text, refusal.cause))
        if refusal.leaves:
            self._end(b"", f"{error.text}: {refusal.cause}")

    def nothing(self, operation: op.LeafOp, now_ns: int) -> None:
        """Take what says nothing: +OK."""

    # helpers

    def _agree(self, theirs: str, rtt_ns: int) -> bool:
        """Settle whether both sides pack. Raises ProtocolError."""
        self.compression = self._wanted.agree(theirs, rtt_ns)
        return packs(self.compression)

    def _pack(self, clear: bytes = b"") -> None:
        """Pack from here on; `clear` still goes out as it is. Raises ProtocolError."""
        if self._buffer:
            raise ParserError("bytes behind the INFO from which on they should be packed")
        self._events.append(CompressionAgreed(self.compression, clear))

    def _repack(self) -> None:
        """Follow the round trip, where that decides how much to pack."""
        if not packs(self.compression) or self._wanted.mode != S2_AUTO:
            return
        level = self._wanted.level(self.rtt_ns)
        if level != self.compression:
            self.compression = level
            self._events.append(CompressionChanged(level))

    def _ping(self, now_ns: int, *, unread: bool) -> None:
        pings = self._pings
        if now_ns < self._ping_due_ns:
            self._look(now_ns)
            return
        self.deadline_ns = self._ping_due_ns = now_ns + pings.interval_ns
        is_known = self.rtt_ns and now_ns - self._ping_sent_ns < RTT_REFRESH_NS
        if pings.may_skip and is_known and now_ns - self._heard_ns < pings.interval_ns:
            return
        if self._pings_out >= pings.most and not self._is_moving(now_ns):
            if unread:
                return
            self.stale = True
            reason = f"{self._pings_out} PINGs went unanswered"
            self._end(b"Stale Connection", reason, error=StaleConnection)
            return
        self._ask(now_ns)

    def _is_moving(self, now_ns: int) -> bool:
        """Say whether bytes moved since the first PING without an answer: the PONG stands behind
        those that come, or the PING behind ours.

        It is asked on meanwhile: a nats-server takes a PING for life, while what it asks itself
        stands behind what it sends, too. A lost packet holds all back for a while.
        """
        begun_ns = self._asked_ns
        if now_ns - begun_ns >= LEAF_UNANSWERED_NS:
            return False
        patience_ns = (self._pings.most + 1) * self._pings.interval_ns
        come = self._heard_ns > begun_ns and now_ns - self._heard_ns < patience_ns
        # What the kernel took last of all has a way to go, too.
        leave_ns = now_ns - self._unsent_ns - LEAF_UNREACHED_NS
        return come or (self._unsent_ns > begun_ns and leave_ns < patience_ns)

    def _ask(self, now_ns: int) -> None:
        """Send a PING. Before the next one is due there is a look at whether it got across."""
        if not self._pings_out:
            self._asked_ns = now_ns
        self._pings_out += 1
        self._ping_sent_ns = now_ns
        self._ping_due_ns = now_ns + self._pings.interval_ns
        self.deadline_ns = min(self._ping_due_ns, now_ns + LEAF_UNREACHED_NS)
        self._send_ping()

    def _send_ping(self) -> None:
        self._pings_sent += 1
        self._out.append(op.PING_LINE)

    def _look(self, now_ns: int) -> None:
        """End a link whose PING did not even reach the kernel at the other end."""
        self.deadline_ns = self._ping_due_ns
        reached_ns = self._reached_ns
        if not self._pings_out or reached_ns is None or reached_ns >= self._ping_sent_ns:
            return  # the way is there; whether anybody lives at its end, the PONG has to say
        self.stale = True
        silent_s = (now_ns - self._ping_sent_ns) // NS_PER_S
        reason = f"nothing has reached the {self.other} for {silent_s} s"
        self._end(b"Stale Connection", reason, error=StaleConnection)

    def _end(
        self, wire_error: bytes, reason: str, *, error: type[ProtocolError] | None = None
    ) -> None:
        self._end_with(op.encode_error(wire_error) if wire_error else b"", reason, error)

    def _end_with(self, line: bytes, reason: str, error: type[ProtocolError] | None) -> None:
        if self.state is State.CLOSED:
            return
        if line and self._may_complain():
            self._out.append(line)
        if error in _WAITED_OUT:
            self.delay_ns = max(self.delay_ns, LEAF_LOOP_DELAY_NS)
        self.close()
        self._events.append(Ended(reason, error))


def _is_subscribable(sub: op.LeafSub) -> bool:
    # The cost of a match grows with the depth, and the depth is the peer's to choose.
    deep = sub.subject.count(b".") >= MAX_SUBJECT_TOKENS
    return not deep and subjects.is_valid(sub.subject) and b"\0" not in sub.queue


# Ends of our own that a person has to mend: trying again soon would not help.
# What is no fault of the other side's, in words.
_OURS: Final = {
    LoopDetected: "the links form a loop: the {} hangs below this server, too",
    MaxAccountConnectionsExceeded: "the account has all the leaf connections here that it may have",
    MaxPayloadViolation: "the {} sent a message that is larger than max_payload here",
}
_WAITED_OUT: Final = frozenset({LoopDetected, LeafViolation})

# What may come once the link is up, whoever dialed.
LINKED: Final[Mapping[type[op.LeafOp], Action]] = {
    op.LeafSub: LeafSession.sub,
    op.LeafUnsub: LeafSession.unsub,
    Ping: LeafSession.peer_ping,
    Pong: LeafSession.peer_pong,
    op.Err: LeafSession.peer_error,
    op.Ok: LeafSession.nothing,
}
