"""The fast lane: bytes of one connection in, messages routed, every other control line out.  HOT

Knows PUB and HPUB of clients, LMSG and HMSG of leafs, and routes; not sockets, asyncio, JSON,
JetStream or what the other operations mean. Truth: nats-server server/parser.go; docs/hot-path.md;
tests/oracle/parser.py is the slow form, and any chunking of the same bytes must give the same
result.

Tricks, each measured (docs/hot-path.md): the control line of the message before is tried first;
whole lines without a reply are cached; routes are cached by "VERB subject"; messages of one route
gather in a run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.limits import LINE_CACHE_MAX, ROUTE_CACHE_MAX
from leafnode.protocol.errors import MaxControlLine, ParserError, UnknownOperation
from leafnode.routing.message_args import parse_args
from leafnode.routing.peer import Kind
from leafnode.routing.permissions import RESERVED_REPLIES
from leafnode.routing.publish import ONE_OFF, publish
from leafnode.routing.route import build, emit

if TYPE_CHECKING:
    from leafnode.routing.account import Account
    from leafnode.routing.peer import Peer
    from leafnode.routing.route import Route

# The ends of control lines seen most: no int() and no check of digits for them.
_SIZES: Final = {b"%d\r\n" % size: size for size in range(4097)}
_VERB_SLACK_BYTES: Final = 16  # max_control_line bounds the arguments; this is for the verb
_CLIENT_VERBS: Final = {b"PUB": False, b"HPUB": True}  # verb: has a header size
_LEAF_VERBS: Final = {b"LMSG": False, b"HMSG": True}
_CLIENT_STARTS: Final = tuple(b"PUB HPUB SUB UNSUB PING PONG CONNECT INFO +OK -ERR".split())
_VERB_BYTES_MAX: Final = len(b"CONNECT")
_NOT_IN_REPLY: Final = b"\0\t\r\x0b\x0c@"  # blanks; an @ needs a look at what it means
_LF: Final = 10
_CR: Final = 13


class _Line:
    """A whole control line seen before, without a reply: where its parts are, where it leads."""

    __slots__ = ("body_at", "header_size", "route", "size", "tail_at", "total")

    def __init__(
        self, length: int, tail_at: int, header_size: int, size: int, route: Route
    ) -> None:
        self.tail_at = tail_at
        self.body_at = length
        self.header_size = header_size
        self.size = size
        self.total = length + size + 2
        self.route = route


class Lane:
    """One connection's lane: `feed` it what was read, then call `next_line` until it returns
    None.
    """

    __slots__ = (
        "_buffer",
        "_last",
        "_left",
        "_line",
        "_lines",
        "_max_control_line",
        "_max_line",
        "_max_payload",
        "_messages",
        "_needed",
        "_peer",
        "_pos",
        "_routes",
        "_run",
        "_sizes",
        "_tails",
        "_verbs",
    )

    def __init__(self, peer: Peer, *, max_payload_bytes: int, max_control_line_bytes: int) -> None:
        self._peer = peer
        self._max_payload = max_payload_bytes
        self._max_control_line = max_control_line_bytes
        self._max_line = max_control_line_bytes + _VERB_SLACK_BYTES
        self._sizes = _SIZES
        if max_payload_bytes < len(_SIZES):
            self._sizes = {end: size for end, size in _SIZES.items() if size <= max_payload_bytes}
        self._verbs = _LEAF_VERBS if peer.kind is Kind.LEAF else _CLIENT_VERBS
        self._buffer = b""
        self._pos = 0
        self._left: list[bytes] = []  # an incomplete message and what was read since
        self._needed = 0  # bytes missing before looking at `_left` again can help
        self._lines: dict[bytes, _Line] = {}
        self._routes: dict[bytes, Route] = {}  # by "VERB subject"
        self._line = b""
        self._last: _Line | None = None
        self._run: Route | None = None  # messages gathered for one route, not yet delivered
        self._tails: list[bytes] = [b""]
        self._messages: list[tuple[bytes, int, bytes]] = []

    def reset(self) -> None:
        """Forget every decision: the peer's account, permissions or options changed."""
        self._lines.clear()
        self._routes.clear()
        self._line = b""
        self._last = None

    def feed(self, data: bytes) -> None:
        """Add what was read."""
        if self._left:
            self._left.append(data)
            self._needed -= len(data)
            if self._needed > 0:
                return
            data = b"".join(self._left)
            self._left.clear()
        elif self._pos < len(self._buffer):
            data = self._buffer[self._pos :] + data
        self._buffer = data
        self._pos = 0

    def next_line(self) -> bytes | None:
        """Route every complete message; return the next other control line, without its line end.

        None: more bytes are needed. All messages before the returned line were delivered. Raises
        ProtocolError for what is malformed or too large; messages before it were delivered then,
        too.
        """
        if self._left:
            return None
        try:
            return self._scan()
        finally:
            self._flush()
            self._run = None

    def _scan(self) -> bytes | None:  # noqa: C901, PLR0912, PLR0915 -- the hot loop, inline on purpose
        account = self._peer.account
        data = self._buffer
        pos = self._pos
        available = len(data)
        find = data.find
        starts = data.startswith
        lines = self._lines
        routes = self._routes
        sizes = self._sizes
        max_control_line = self._max_control_line
        line, last = self._resume(account)
        count = size_in = misses = 0
        needed = 0
        try:
            while pos < available:
                # 1. The same control line as the message before.
                if last is not None and starts(line, pos):
                    end = pos + last.total
                    if end > available:
                        needed = end - available
                        break
                    if data[end - 1] != _LF or data[end - 2] != _CR:
                        raise UnknownOperation
                    count += 1
                    size_in += last.size
                    if last.route.wire:
                        self._tails.append(data[pos + last.tail_at : end])
                    if last.route.internal:
                        body = data[pos + last.body_at : end - 2]
                        self._messages.append((b"", last.header_size, body))
                    pos = end
                    continue
                at = find(b"\n", pos)
                if at < 0 and available - pos <= self._max_line:
                    if self._verbs is _CLIENT_VERBS:
                        _check_start(data[pos : pos + _VERB_BYTES_MAX])
                    needed = 1
                    break
                if at < 0 or at - pos > self._max_line:
                    raise MaxControlLine
                # 2. A whole control line seen before on this connection.
                text = data[pos : at + 1]
                seen = lines.get(text)
                if seen is not None and self._enter(seen.route):
                    line, last = text, seen
                    continue
                line, last = b"", None
                # 3. A subject seen before, then a size: bench mixed, 2.9 -> 1.3 us; or a reply and
                # a size: publishes to streams and requests, 2.9 -> 1.6 us.
                space = find(b" ", pos + 5, at)
                route = routes.get(data[pos:space]) if space > 0 else None
                size = sizes.get(data[space + 1 : at + 1], -1)
                reply = b""
                if size < 0 and route is not None:
                    behind = find(b" ", space + 1, at)
                    reply = data[space + 1 : behind]
                    if (
                        behind > 0
                        and len(reply.translate(None, _NOT_IN_REPLY)) == len(reply) > 0
                        and not reply.startswith(RESERVED_REPLIES)
                    ):
                        size = sizes.get(data[behind + 1 : at + 1], -1)
                if route is None and size >= 0 and space > 0:
                    route = self._learn(text, space - pos)
                short = at - pos <= max_control_line  # a longer one is judged in step 4
                if route is not None and size >= 0 and short and not route.with_header:
                    end = at + size + 3
                    if end > available:
                        needed = end - available
                        break
                    if data[end - 1] != _LF or data[end - 2] != _CR:
                        raise UnknownOperation
                    if not route.general and self._enter(route):
                        misses += 1
                        count += 1
                        size_in += size
                        if route.wire:
                            self._tails.append(data[space + 1 : end])
                        if route.internal:
                            self._messages.append((reply, 0, data[at + 1 : end - 2]))
                        if not reply and len(lines) < LINE_CACHE_MAX:
                            lines[text] = _Line(at + 1 - pos, space + 1 - pos, 0, size, route)
                        pos = end
                        continue
                # 4. Anything else.
                end = self._message(text, at + 1)
                if end == 0:
                    self._pos = at + 1
                    self._line, self._last = line, last
                    return text[:-2] if text.endswith(b"\r\n") else text[:-1]
                if end < 0:
                    needed = -end
                    break
                pos = end
            self._line, self._last = line, last
            if len(lines) >= LINE_CACHE_MAX and misses * 4 > count * 3:
                lines.clear()  # other lines are common now
            self._suspend(pos, needed)
            return None
        finally:
            self._count(count, size_in)

    def _resume(self, account: Account | None) -> tuple[bytes, _Line | None]:
        """Return the line to try first, if what it leads to still holds."""
        last = self._last
        if last is None or account is None:
            return b"", None
        if last.route.match.generation != account.sublist.generation:
            return b"", None
        self._run = last.route
        return self._line, last

    def _suspend(self, pos: int, needed: int) -> None:
        """Keep the incomplete rest until `needed` more bytes are there."""
        if pos < len(self._buffer):
            self._left.append(self._buffer[pos:] if pos else self._buffer)
            self._needed = needed
        self._buffer = b""
        self._pos = 0

    def _count(self, count: int, size: int) -> None:
        if not count:
            return
        account = self._peer.account
        assert account is not None
        for traffic in (self._peer.traffic, account.traffic):
            traffic.in_msgs += count
            traffic.in_bytes += size

    def _enter(self, route: Route) -> bool:
        """Make `route` the one that messages gather for; False when it does not hold any more.

        Delivers the run before, whose handlers may change subscriptions: so the check comes after.
        """
        if route is not self._run:
            self._flush()
            self._run = route
        account = self._peer.account
        return account is not None and route.match.generation == account.sublist.generation

    def _flush(self) -> None:
        """Deliver the run that was gathered."""
        if len(self._tails) == 1 and not self._messages:
            return
        route, tails, messages = self._run, self._tails, self._messages
        self._tails = [b""]
        self._messages = []
        assert route is not None
        assert self._peer.account is not None
        emit(self._peer.account, self._peer, route, tails, messages)

    def _message(self, text: bytes, body_at: int) -> int:
        """Take one message whose control line ends before `body_at`.

        Returns the position behind it, 0 when the line is no message, or minus the bytes missing.
        """
        space = text.find(b" ", 5)
        route = self._routes.get(text[:space]) if space > 0 else None
        if text[-2:] != b"\r\n":
            return self._odd_message(text, body_at)
        if route is None or not self._enter(route):
            route = self._learn(text, space) if space > 0 else None
            if route is None:
                return self._odd_message(text, body_at)
            self._enter(route)
        rest = text[space + 1 : -2]
        parts = rest.split()
        if b" ".join(parts) != rest:
            return self._odd_message(text, body_at)
        args = parse_args(self._peer, parts, self._max_payload, with_header=route.with_header)
        if len(text) > self._max_control_line:
            self._check_length(text)
        end = self._end_of(body_at, args.size)
        if end < 0:
            return end
        body = self._buffer[body_at : end - 2]
        plain = route.with_header and not args.header_size  # goes on as MSG
        odd = args.queues is not None or b"@" in args.reply
        if route.general or plain or odd or args.reply.startswith(RESERVED_REPLIES):
            self._flush()
            publish(self._peer, route.published, args, body)
        else:
            if route.wire:
                self._tails.append(self._buffer[body_at - len(text) + space + 1 : end])
            if route.internal:
                self._messages.append((args.reply, args.header_size, body))
            if not args.reply and len(self._lines) < LINE_CACHE_MAX:
                header_size, size = args.header_size, args.size
                self._lines[text] = _Line(len(text), space + 1, header_size, size, route)
        self._count(1, args.size)
        return end

    def _end_of(self, body_at: int, size: int) -> int:
        """Return the position behind a payload and its line end, or minus the bytes missing."""
        end = body_at + size + 2
        if end > len(self._buffer):
            return len(self._buffer) - end
        if self._buffer[end - 2 : end] != b"\r\n":
            raise UnknownOperation
        return end

    def _learn(self, text: bytes, space: int) -> Route | None:
        """Build the route for a line as clients write them: upper case, single spaces.

        `space` is the position behind the subject.
        """
        account = self._peer.account
        key = text[:space]
        verb, _, subject = key.partition(b" ")
        with_header = self._verbs.get(verb)
        if account is None or with_header is None or subject.startswith(ONE_OFF) or not subject:
            return None
        if b"  " in text or b"\t" in text or b"\r" in text[:-2]:
            return None
        if len(text) > self._max_control_line:
            self._check_length(text)
        route = build(account, self._peer, subject, with_header=with_header)
        if len(self._routes) >= ROUTE_CACHE_MAX:
            self._routes.clear()
        self._routes[key] = route
        return route

    def _odd_message(self, text: bytes, body_at: int) -> int:
        """Take a message whose line is spelled unusually; 0 when the line is no message at all.

        Before the peer is bound to an account no line is a message: the session decides what
        happens.
        """
        parts = text.split()
        with_header = self._verbs.get(parts[0].upper()) if parts else None
        if with_header is None or self._peer.account is None or text[:1].isspace():
            return 0
        if text[len(parts[0]) : len(parts[0]) + 1] not in {b" ", b"\t"}:
            raise UnknownOperation
        if len(parts) < 2:
            raise ParserError
        self._check_length(text)
        args = parse_args(self._peer, parts[2:], self._max_payload, with_header=with_header)
        end = self._end_of(body_at, args.size)
        if end < 0:
            return end
        self._flush()
        publish(self._peer, parts[1], args, self._buffer[body_at : end - 2])
        self._count(1, args.size)
        return end

    def _check_length(self, text: bytes) -> None:
        """Hold the arguments of a message line against max_control_line."""
        if len(text.split(None, 1)[1].rstrip()) > self._max_control_line:
            raise MaxControlLine


def _check_start(start: bytes) -> None:
    """Refuse the start of a line that no client operation has, without waiting for its end."""
    word = start.upper()
    if not any(word.startswith(verb[: len(word)]) for verb in _CLIENT_STARTS):
        raise UnknownOperation
