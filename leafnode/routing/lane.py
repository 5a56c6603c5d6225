"""The fast lane: bytes of one connection in, messages routed, every other control line out.  HOT

Knows PUB and HPUB of clients, LMSG and HMSG of leafs, and routes; not sockets, asyncio, JSON,
JetStream or what the other operations mean. Truth: nats-server server/parser.go; docs/hot-path.md;
tests/oracle/parser.py is the slow form; any chunking of the same bytes gives the same result.

Tricks, each measured (docs/hot-path.md): the control line of the message before is tried first;
routes are cached by subject; messages of one route gather in a run; what comes once has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from leafnode.errors import ProtocolError
from leafnode.protocol.errors import MaxControlLine, MaxPayloadViolation, UnknownOperation
from leafnode.routing import parked
from leafnode.routing.acks import ACK_LINE, take_acks
from leafnode.routing.emit import emit, emit_once
from leafnode.routing.gateway_replies import WRAPPED, other_routes
from leafnode.routing.message_args import (
    NOT_IN_REPLY,
    Args,
    check_start,
    parse_args,
    usual_args,
    words_of,
)
from leafnode.routing.pairs import PAIRS_MEAN_BYTES_MAX, PAIRS_MIN_BYTES, Pairs
from leafnode.routing.peer import Kind
from leafnode.routing.permissions import RESERVED_REPLIES, RESERVED_SUBJECTS, is_listed
from leafnode.routing.publish import ONE_OFF, judge, publish, publish_run, trace_too_large
from leafnode.routing.route import Run, build
from leafnode.routing.route_cache import RouteCache

if TYPE_CHECKING:
    from leafnode.routing.account import Account
    from leafnode.routing.gateway_replies import Routes
    from leafnode.routing.match import Group
    from leafnode.routing.peer import Peer
    from leafnode.routing.route import Route
    from leafnode.routing.subscription import Subscription

# The ends of control lines that were seen, up to this size: no int() and no check of digits again.
_KNOWN_SIZE_MAX: Final = 4096
_SIZES: Final[dict[bytes, int]] = {}  # of all connections; learned, since 4097 take 420 KiB
_VERB_SLACK_BYTES: Final = 16  # max_control_line bounds the arguments; this is for the verb
_CLIENT_VERBS: Final = {b"PUB": False, b"HPUB": True}  # verb: has a header size
_LEAF_VERBS: Final = {b"LMSG": False, b"HMSG": True}
_BLANKS: Final = b" \t\r"
_NO_MESSAGES: Final = frozenset({b"S", b"U"})  # SUB and UNSUB, which may come in floods
_SPECIAL: Final = _BLANKS + b"_$"  # what a reserved subject starts with, too
_BLANK: Final = 32
_LF: Final = 10
_CR: Final = 13


class Lane:
    """One connection's lane: `feed` it what was read, then call `next_line` until it is None."""

    __slots__ = (
        "_buffer",
        "_is_stale",
        "_judged",
        "_kept",
        "_large_end",
        "_large_size",
        "_left",
        "_max_control_line",
        "_max_line",
        "_max_payload",
        "_needed",
        "_pairs",
        "_peer",
        "_pos",
        "_reserved",
        "_routes",
        "_run",
        "_sizes",
        "_starts",
        "_varied",
        "_verbs",
        "starved",
    )

    def __init__(self, peer: Peer, *, max_payload_bytes: int, max_control_line_bytes: int) -> None:
        self._peer = peer
        self._verbs = _LEAF_VERBS if peer.is_leaf else _CLIENT_VERBS
        self._reserved = RESERVED_REPLIES if peer.kind is Kind.CLIENT else (WRAPPED,)
        plain, header = self._verbs
        self._starts = (plain + b" ", header + b" ")
        self._buffer = b""
        self._pos = 0
        self._left: list[bytes] = []  # an incomplete message and what was read since
        self._judged = False  # whether a bad subject of that message was told of
        self._needed = 0  # bytes missing before looking at `_left` again can help
        self._routes = RouteCache(peer.outbox.routes)
        self._run = Run()  # messages gathered for one route, not yet delivered
        self._pairs = Pairs(peer, plain, self._routes.plain, self._learn, self._once)
        self.limit_payload(max_payload_bytes)
        self.limit_line(max_control_line_bytes)
        self.starved = False  # the turn is over, `next_line` is to be called again in another one
        self._kept: bytes | ProtocolError | None = None  # what comes once the run is delivered
        self._is_stale = False  # what led to the run's route no longer holds
        self._varied = False  # in the last read most messages went elsewhere than the one before

    def limit_payload(self, max_payload_bytes: int) -> None:
        """Refuse larger payloads from now on. Lines seen before must be forgotten: see `reset`."""
        self._max_payload = max_payload_bytes
        self._pairs.limit_payload(max_payload_bytes)
        self._large_end, self._large_size = b"", -1  # a size beyond the table, as it was last read
        self._sizes = _SIZES if max_payload_bytes >= _KNOWN_SIZE_MAX else {}

    def limit_line(self, max_control_line_bytes: int) -> None:
        """Refuse longer control lines from now on."""
        self._max_control_line = max_control_line_bytes
        self._max_line = max_control_line_bytes + _VERB_SLACK_BYTES

    def reset(self) -> None:
        """Forget every decision: the peer's account, permissions or options changed."""
        self._routes.empty()
        self._is_stale = True

    def end(self) -> None:
        """Let go of everything that leads back here: nothing more is fed."""
        self.reset()
        parked.leave(self._peer)
        del self._pairs

    def feed(self, data: bytes) -> None:
        """Add what was read."""
        if parked.must_wait(self._peer):
            self.starved = True
        if self._left:
            self._left.append(data)
            self._needed -= len(data)
            if self._needed > 0:
                return
            data = b"".join(self._left)
            self._left.clear()
        elif self._pos < len(self._buffer):
            data = self._buffer[self._pos :] + data
        self._buffer, self._pos = data, 0

    def next_line(self) -> bytes | None:
        """Route every complete message; return the next other control line, without its line end.

        None: more bytes are needed, or, where `starved` says so, another turn: the peer's outbox
        has no work left. All messages before the returned line were delivered. Raises ProtocolError
        for what is malformed or too large; messages before it were delivered then, too.
        """
        peer, account = self._peer, self._peer.account
        if self.starved or peer.parked is not None:
            assert account is not None, "what waits came from an account's peer"
            return self._catch_up(account)
        if self._left:
            return None
        if account is None or self._buffer[self._pos : self._pos + 1] in _NO_MESSAGES:
            return self._any_line()
        self._is_stale = False
        line: bytes | None = None
        try:
            line = self._scan(account)
        except ProtocolError as error:
            if emit(account, peer, self._run):
                raise
            self._kept, self.starved = error.with_traceback(None), True
            return None
        if not emit(account, peer, self._run):
            self._kept, self.starved, line = line, True, None
        return line

    def _catch_up(self, account: Account) -> bytes | None:
        """Deliver what the last turn was too short for, then go on."""
        self.starved = True
        if not parked.go_on(self._peer):
            return None
        run, sublist = self._run, account.sublist
        route = run.route
        if route is not None and (self._is_stale or route.match.generation != sublist.generation):
            self._is_stale = False
            anew = build(account, self._peer, route.published, with_header=route.with_header)
            if anew.general or (anew.wire, anew.internal) != (route.wire, route.internal):
                if not publish_run(self._peer, run):
                    return None
            else:
                run.route = anew
        if not emit(account, self._peer, run):
            return None
        self.starved = False
        kept, self._kept = self._kept, None
        if isinstance(kept, ProtocolError):
            raise kept
        return self.next_line() if kept is None else kept

    def _any_line(self) -> bytes | None:
        """Return the next line, whatever it is: no message, or the peer is not bound yet."""
        pos = self._pos
        at = self._buffer.find(b"\n", pos)
        if at < 0:
            self._wait_for_line(pos)
            return None
        if at - pos > self._max_line:
            self._refuse_long(pos)
        self._pos = at + 1
        return self._buffer[pos:at].removesuffix(b"\r")

    # Long on purpose: with the arguments alone (13 lines) in a method of their own a message with a
    # reply takes 0.28 us more, of 2.4 to 5.7 (bench_lane, in turn, least of 16 rounds).
    def _scan(self, account: Account) -> bytes | None:  # noqa: C901, PLR0912, PLR0915 -- the hot loop, inline on purpose
        data = self._buffer
        pos = self._pos
        available = len(data)
        find, starts = data.find, data.startswith
        plain_routes: Routes = self._routes.plain
        header_routes: Routes = self._routes.with_header
        plain_verb, header_verb = self._starts
        plain_size = len(plain_verb)
        sizes = self._sizes
        reserved = self._reserved
        max_control_line = self._max_control_line
        run = self._run
        tails = run.tails
        peer = self._peer
        outbox, sublist = peer.outbox, account.sublist
        # A subject seen for the first time needs no route, where nothing special holds.
        quick = not (peer.verbose or peer.pedantic) and account.mappings is None
        if peer.elsewhere:
            others = other_routes(peer.elsewhere, peer, self._routes, self._learn, ONE_OFF)
            plain_routes, header_routes = others if quick else ({}, {})
            quick = self._varied = False
        free = peer.permissions is None
        look_once = sublist.look_once
        wire = internal = False  # what the run's route needs
        line = b""  # a control line that came twice in a row, and where its parts are
        total = tail_at = 0
        subject, reply, header_size, size = b"", b"", 0, -1  # of the message in hand
        routes, with_header = plain_routes, False
        count = size_in = flushed = 0  # messages, payload bytes, and those of runs before this one
        needed = 0
        switches = paired = 0
        try:
            if self._varied and pos == 0 and available >= PAIRS_MIN_BYTES and not self._judged:
                pos, count, size_in = self._pairs.take(account, data, max_control_line - 1)
                flushed, paired = size_in, count
                if outbox.work_left <= 0:
                    return self._starve(pos)
            while pos < available:
                # 1. The same control line as the message before: the same run goes on.
                if line and starts(line, pos):
                    end = pos + total
                    if end > available:
                        needed = end - available
                        break
                    if data[end - 1] != _LF or data[end - 2] != _CR:
                        raise UnknownOperation
                    count += 1
                    size_in += size
                    if wire:
                        tails.append(data[pos + tail_at : end])
                    if internal:
                        run.messages.append((b"", header_size, data[end - 2 - size : end - 2]))
                    pos = end
                    continue
                line = b""
                at = find(b"\n", pos)
                if at < 0:
                    self._wait_for_line(pos)
                    return None
                if at - pos > self._max_line:
                    self._refuse_long(pos)
                # 2. A subject, then a size, or a reply and a size.
                route = None
                size = -1
                if starts(plain_verb, pos):
                    subject_at, routes, with_header = pos + plain_size, plain_routes, False
                elif starts(header_verb, pos):
                    subject_at, routes, with_header = pos + len(header_verb), header_routes, True
                else:
                    subject_at = available
                space = find(b" ", subject_at, at)
                if space > subject_at and at - pos <= max_control_line:
                    subject = data[subject_at:space]
                    if data[space + 1] == _BLANK:  # nats.py writes two where no reply is between
                        space += 1
                    route = routes.get(subject)
                    if route is not None or quick:
                        reply = b""
                        header_size = 0
                        if not with_header:
                            rest = data[space + 1 : at + 1]
                            size = sizes.get(rest, -1)
                            if size < 0 and rest == self._large_end:
                                size = self._large_size
                            elif size < 0:
                                behind = find(b" ", space + 1, at)
                                reply = data[space + 1 : behind] if behind > 0 else b""
                                clean = len(reply.translate(None, NOT_IN_REPLY)) == len(reply) > 0
                                if clean and not reply.startswith(reserved):
                                    size = sizes.get(data[behind + 1 : at + 1], -1)
                        if size < 0:
                            rest = data[space + 1 : at + 1]
                            reply, header_size, size = self._usual_args(rest, with_header)
                if size >= 0:
                    end = at + size + 3
                    if end > available:
                        needed = end - available
                        break
                    if data[end - 1] != _LF or data[end - 2] != _CR:
                        raise UnknownOperation
                    if route is None or route is not run.route:
                        if run.route is not None:
                            # Its handlers may subscribe: what follows is judged afterwards.
                            run.payload_bytes = size_in - flushed
                            if not emit(account, peer, run):
                                flushed = size_in - run.payload_bytes
                                return self._starve(pos)
                        flushed = size_in
                        if quick and not reply and starts(ACK_LINE, pos):
                            taken, pos = take_acks(account, peer, data, subject, (pos, at, end))
                            if taken:
                                count += taken
                                size_in += taken * size
                                if outbox.work_left <= 0:
                                    return self._starve(pos)
                                continue
                        found = look_once(subject) if route is None else None
                        if found is not None:  # not seen lately
                            nobody = not found[0] and not found[1]
                            if nobody and free and not (reply or with_header):
                                done = len(subject.translate(None, _SPECIAL)) == len(subject)
                            else:
                                message = (data[space + 1 : end], reply, header_size, size)
                                done = self._once(account, subject, found, message)
                            if done:
                                count += 1
                                switches += 1
                                size_in += size
                                pos = end
                                if outbox.work_left <= 0:
                                    return self._starve(pos)
                                continue
                        if route is None or route.match.generation != sublist.generation:
                            route = self._learn(account, subject, with_header)
                        if route is not None and not route.general:
                            run.route = route
                            wire, internal = route.wire, route.internal
                            switches += route.sole is not None
                    elif not reply:
                        line = data[pos : at + 1]
                        total = end - pos
                        tail_at = space + 1 - pos
                    if route is not None and not route.general:
                        count += 1
                        size_in += size
                        if wire:
                            tails.append(data[space + 1 : end])
                        if internal:
                            run.messages.append((reply, header_size, data[at + 1 : end - 2]))
                        pos = end
                        continue
                    if route is not None and not peer.pedantic:
                        zero = find(b" 0", space, at)  # before a size it travels on with it
                        if zero < 0 or zero == at - 3:
                            args = Args(reply, header_size, size)
                            publish(peer, subject, args, data[at + 1 : end - 2])
                            self._count(account, 1, size)
                            pos = end
                            if outbox.work_left <= 0:
                                return self._starve(pos)
                            continue
                # 3. Anything else, one of it in a turn at least.
                if run.route is not None:
                    run.payload_bytes = size_in - flushed
                    if not emit(account, peer, run):
                        flushed = size_in - run.payload_bytes
                        return self._starve(pos)
                flushed = size_in
                text = data[pos : at + 1]
                end = self._odd_message(account, text, at + 1)
                if end == 0:
                    self._pos = at + 1
                    return text[:-2] if text.endswith(b"\r\n") else text[:-1]
                if end < 0:
                    needed = -end
                    break
                pos = end
                if outbox.work_left <= 0:
                    return self._starve(pos)
            if needed == 1 and data[available - 1] != _CR:
                raise UnknownOperation  # behind its payload, seen without waiting for the LF
            self._suspend(pos, max(needed - 1, 1))
            return None
        finally:
            run.payload_bytes = size_in - flushed
            if count:
                self._count(account, count, size_in)
                small = size_in < count * PAIRS_MEAN_BYTES_MAX
                self._varied = small and (paired + switches) * 2 > count

    def _wait_for_line(self, pos: int) -> None:
        """Keep the start of a line until more is there; refuse one that can be no operation."""
        if len(self._buffer) - pos > self._max_line:
            self._refuse_long(pos)
        if self._peer.kind is Kind.CLIENT and pos < len(self._buffer):
            check_start(self._buffer, pos)
        self._suspend(pos, 1)

    def _refuse_long(self, pos: int) -> NoReturn:
        """Refuse a line beyond every bound: what it is no start of counts first, as in pieces."""
        if self._peer.kind is Kind.CLIENT:
            check_start(self._buffer, pos)
        raise MaxControlLine

    def _starve(self, pos: int) -> bytes | None:
        """Go on from here in another turn, whether something is there or not."""
        self._pos, self.starved = pos, True
        return None

    def _suspend(self, pos: int, needed: int) -> None:
        """Keep the incomplete rest until `needed` more bytes are there."""
        if pos < len(self._buffer):
            self._left.append(self._buffer[pos:] if pos else self._buffer)
            self._needed = needed
        self._buffer, self._pos = b"", 0

    def _count(self, account: Account, count: int, size: int) -> None:
        for traffic in (self._peer.traffic, account.traffic):
            traffic.in_msgs += count
            traffic.in_bytes += size

    def _usual_args(self, rest: bytes, with_header: bool) -> tuple[bytes, int, int]:  # noqa: FBT001
        """Return reply, header size and size; a size of -1 when `_odd_message` must judge them."""
        reply, header_size, size = usual_args(rest, with_header=with_header)
        if size > self._max_payload or (with_header and not self._peer.headers):
            return b"", 0, -1
        if reply.startswith(self._reserved):
            return b"", 0, -1
        if 0 <= size <= _KNOWN_SIZE_MAX and not with_header:  # only plain lines are looked up
            self._sizes[b"%d\r\n" % size] = size
        elif size > _KNOWN_SIZE_MAX and not (reply or with_header):
            self._large_end, self._large_size = rest, size
        return reply, header_size, size

    def _once(
        self,
        account: Account,
        subject: bytes,
        found: tuple[list[Subscription], list[Group]],
        message: tuple[bytes, bytes, int, int],
    ) -> bool:
        """Deliver a message without a route, see `emit_once`. False: nothing was delivered."""
        peer = self._peer
        if subject.startswith(RESERVED_SUBJECTS):
            return False
        if peer.permissions is not None and not is_listed(peer, subject):
            return False
        if len(subject.translate(None, _BLANKS)) != len(subject):
            return False  # no subject, but a line spelled unusually
        return emit_once(account, peer, subject, found, message)

    def _learn(self, account: Account, subject: bytes, with_header: bool) -> Route | None:  # noqa: FBT001
        """Build the route for a subject; None when it is no single word."""
        if len(subject.translate(None, _BLANKS)) != len(subject):
            return None
        route = build(account, self._peer, subject, with_header=with_header)
        self._routes.keep(subject, route)
        return route

    def _odd_message(self, account: Account, text: bytes, body_at: int) -> int:
        """Take a message that the runs cannot carry, or whose line is spelled unusually.

        Returns the position behind it, minus the bytes missing, or 0: the line is no message.
        """
        words = words_of(text, self._verbs, self._max_control_line)
        if words is None:
            return 0
        parts, with_header = words
        try:
            args = parse_args(self._peer, parts[1:], self._max_payload, with_header=with_header)
        except MaxPayloadViolation:
            if with_header:
                trace_too_large(self._peer, parts, self._buffer[body_at:])
            raise
        if not self._judged:  # its line says enough, before the payload is there
            judge(self._peer, parts[1])
            self._judged = True
        return self._take(account, parts[1], args, body_at)

    def _take(self, account: Account, subject: bytes, args: Args, body_at: int) -> int:
        """Take a message whose line was read; return as `_odd_message` does."""
        end = body_at + args.size + 2
        if end > len(self._buffer):
            return len(self._buffer) - end
        if self._buffer[end - 2 : end] != b"\r\n":
            raise UnknownOperation
        self._judged = False
        publish(self._peer, subject, args, self._buffer[body_at : end - 2])
        self._count(account, 1, args.size)
        return end
