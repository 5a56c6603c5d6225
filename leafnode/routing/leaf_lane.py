"""The lane of a leaf link: of what this server itself asked a hub for it keeps the start, if it is
too much.

A hub shows a message in base64, however large it takes them, and has no question without the
payload; all that is told before that is in the first bytes. The rest is let go as it comes, so the
link goes on. Knows what `lane` knows. Truth: nats-server 2.15.1 server/stream.go StoredMsg (the
order of its fields) and NewJSStreamHeaderExceedsMaximumError (64 KiB of headers at most).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.limits import LEAF_ANSWER_KEPT_BYTES
from leafnode.routing.lane import Lane
from leafnode.routing.permissions import may_publish
from leafnode.routing.route import call
from leafnode.routing.subscription import Delivery

if TYPE_CHECKING:
    from leafnode.routing.account import Account
    from leafnode.routing.message_args import Args
    from leafnode.routing.peer import Peer

_MISSING_MIN: Final = 2  # with one byte missing, a message has all but its last


class LeafLane(Lane):
    """One link's lane: see `Lane`."""

    __slots__ = ("_skip",)

    def __init__(self, peer: Peer, *, max_payload_bytes: int, max_control_line_bytes: int) -> None:
        super().__init__(
            peer, max_payload_bytes=max_payload_bytes, max_control_line_bytes=max_control_line_bytes
        )
        self._skip = 0  # bytes to come that nobody wants

    @property
    def is_amid(self) -> bool:
        """Whether a message, or any other line, has begun and is not over."""
        return self._skip > 0 or bool(self._left)

    def feed(self, data: bytes) -> None:
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        super().feed(data)

    def _take(self, account: Account, subject: bytes, args: Args, body_at: int) -> int:
        sub = args.only_for
        if sub is None or args.size <= LEAF_ANSWER_KEPT_BYTES:
            return super()._take(account, subject, args, body_at)
        available = len(self._buffer)
        start_end = body_at + LEAF_ANSWER_KEPT_BYTES
        if available < start_end:
            return min(available - start_end, -_MISSING_MIN)
        self._judged = False
        end = body_at + args.size + 2
        self._skip = max(0, end - available)
        self._count(account, 1, args.size)
        if may_publish(self._peer, subject):
            one = (args.reply, args.header_size, self._buffer[body_at:start_end])
            lost_bytes = args.size - LEAF_ANSWER_KEPT_BYTES
            call(account, sub, Delivery(subject, [one], self._peer, lost_bytes=lost_bytes))
        return min(end, available)
