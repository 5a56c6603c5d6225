"""Small messages on ever other subjects: a read cut once, into control lines and payloads.  HOT

Knows PUB and LMSG, routes with one receiver and subjects that nobody wants; anything else it
leaves to the lane, from the message where it stands. Truth: docs/hot-path.md; any traffic must give
what the lane alone gives (tests/unit/routing/test_pairs.py).

One `split` gives the objects for which the lane makes four calls a message, and what goes out is
one join of what was cut and a start for each message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.routing.acks import ACK_LINE
from leafnode.routing.route import count_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from leafnode.routing.account import Account
    from leafnode.routing.match import Group
    from leafnode.routing.peer import Peer
    from leafnode.routing.route import Route
    from leafnode.routing.subscription import Subscription

# Where a read holds fewer bytes or larger messages, the lane is as fast.
PAIRS_MIN_BYTES: Final = 2048
PAIRS_MEAN_BYTES_MAX: Final = 1024
_CRLF: Final = b"\r\n"
_SPECIAL: Final = b"\t\r\n_$"  # in no usual subject; what a reserved one starts with, too
_SIZES: Final[dict[bytes, int]] = {}  # of all connections, of digits as every client writes them

Found = tuple[list["Subscription"], list["Group"]]
Once = tuple[bytes, bytes, int, int]


class Pairs:
    """What `take` needs of its lane, bound once."""

    __slots__ = ("_largest", "_learn", "_once", "_peer", "_routes", "_sizes", "_verb")

    def __init__(
        self,
        peer: Peer,
        verb: bytes,
        routes: dict[bytes, Route],
        learn: Callable[[Account, bytes, bool], Route | None],
        once: Callable[[Account, bytes, Found, Once], bool],
    ) -> None:
        self._peer = peer
        self._verb = verb
        self._routes = routes  # of messages without a header, by subject
        self._learn = learn
        self._once = once
        self.limit_payload(PAIRS_MEAN_BYTES_MAX)

    def limit_payload(self, max_payload_bytes: int) -> None:
        """Leave larger ones to the lane, which refuses them."""
        self._largest = min(max_payload_bytes, PAIRS_MEAN_BYTES_MAX)
        self._sizes = _SIZES if self._largest == PAIRS_MEAN_BYTES_MAX else {}

    def _learn_size(self, digits: bytes) -> int:
        """Return a size not seen before; -1: no such size is taken here."""
        if not digits.isdigit() or len(digits) > len(str(PAIRS_MEAN_BYTES_MAX)):
            return -1
        size = int(digits)
        if size > self._largest or digits != b"%d" % size:
            return -1
        self._sizes[digits] = size
        return size

    # Long on purpose: with line and payload looked at in a method a message takes 0.11 us more, of
    # 2.7; with what is gathered counted where it is sent, which makes 60 lines of it, 0.5.
    def take(self, account: Account, data: bytes, max_line: int) -> tuple[int, int, int]:  # noqa: C901, PLR0912, PLR0915 -- hot, inline on purpose
        """Deliver messages from the start of `data` on; return the position behind the last one,
        their number and the bytes of their payloads.
        """
        verb, routes, sizes = self._verb, self._routes, self._sizes
        sublist, look_once = account.sublist, account.sublist.look_once
        quick = not (self._peer.verbose or self._peer.pedantic) and account.mappings is None
        free, outbox = self._peer.permissions is None, self._peer.outbox
        pos = count = size_in = 0
        receiver: Subscription | None = None
        pieces: list[bytes] = []  # for the receiver: a control line, a payload, a control line, ...
        gathered = 0  # bytes of the payloads among them
        parts = data.split(_CRLF)
        parts.pop()  # no line end is behind it
        rest = iter(parts)
        for line, part in zip(rest, rest, strict=False):
            words = line.split(b" ")
            if len(words) != 3 or words[0] != verb or len(line) > max_line:
                break
            _, subject, digits = words
            size = sizes.get(digits, -1)
            if size < 0:
                size = self._learn_size(digits)
            body = part
            if len(part) != size:
                if len(part) > size:
                    break
                body = _with_line_ends(data, pos + len(line) + 2, size, rest)
                if len(body) != size:
                    break  # not all there, or wrong
            route = routes.get(subject)
            if route is None and quick:
                if line.startswith(ACK_LINE):
                    break
                found = look_once(subject)
                if found is not None:  # not seen lately
                    nobody = free and not found[0] and not found[1]
                    if not nobody or len(subject.translate(None, _SPECIAL)) != len(subject):
                        if pieces:
                            count += _send(account, receiver, pieces, gathered)
                            size_in += gathered
                            gathered = 0
                        tail = b"%b\r\n%b\r\n" % (digits, body)
                        if not self._once(account, subject, found, (tail, b"", 0, size)):
                            break
                    count += 1
                    size_in += size
                    pos += len(line) + size + 4
                    if outbox.work_left <= 0:
                        break
                    continue
            if route is None or route.match.generation != sublist.generation:
                route = self._learn(account, subject, False)  # noqa: FBT003 -- without a header
                if route is None or outbox.work_left <= 0:
                    break
            sole = route.sole
            if sole is not None:
                if sole.first is not receiver:
                    if pieces:
                        count += _send(account, receiver, pieces, gathered)
                        size_in += gathered
                        gathered = 0
                    receiver = sole.first
                    if receiver.max_msgs:
                        break
                pieces += (sole.prefix + digits, body)
                gathered += size
            elif route.general or route.wire or route.internal:
                break
            else:  # nobody wants it
                count += 1
                size_in += size
            pos += len(line) + size + 4
        if pieces:
            count += _send(account, receiver, pieces, gathered)
            size_in += gathered
        return pos, count, size_in


def _send(account: Account, sub: Subscription | None, pieces: list[bytes], payload: int) -> int:
    """Write what was gathered for one subscription, and empty the list; return how many it were."""
    assert sub is not None, "pieces are somebody's"
    count = len(pieces) // 2
    peer = sub.peer
    if peer.pending_bytes > peer.max_pending_bytes:
        pieces.clear()
        return count  # it is cut when this turn's bytes are written
    pieces.append(b"")  # for the last line end
    chunk = _CRLF.join(pieces)
    pieces.clear()
    peer.out.append(chunk)
    peer.pending_bytes += len(chunk)
    count_run(account, sub, count, payload)
    if not peer.dirty:
        peer.outbox.mark(peer)
    return count


def _with_line_ends(data: bytes, at: int, size: int, rest: Iterator[bytes]) -> bytes:
    """Return the payload there, of which the first part is taken already, and take the others.

    Empty: it is not all there, or no line end is behind it.
    """
    end = at + size
    if data[end : end + 2] != _CRLF:
        return b""
    body = data[at:end]
    for _ in range(body.count(_CRLF)):
        next(rest)
    return body
