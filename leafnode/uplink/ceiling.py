"""How large a message the hub's account takes, where the hub does not say it.

Pure: sizes and times in, a bound out. INFO names the bound of the hub's server; that of an account
or of a user JWT shows only when the hub closes the link for a message beyond it (leaf protocol
1.2). It reads what is sent in order and stops there, so the message is the oldest one in flight of
its stream, once the uplink has asked the hub for what it has; among streams it is the largest of
these. Live traffic of others may be to blame as well, so one time proves nothing, and two times
only where all else that the link carried was less than this message: then nothing of it was as
large. Where it was not, such messages are held for a while and tried again, not given up; what has
the link closed each time that it is tried, and nothing else does between, is to blame after all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode import limits

if TYPE_CHECKING:
    from collections.abc import Iterable

VIOLATION: Final = "Maximum Payload Violation"  # of a link, as nats-server says it


class Suspect(NamedTuple):
    """What may have been too large: the oldest message in flight of a stream."""

    stream: str
    seq: int
    size: int
    own_bytes: int  # of it, and of what is in flight behind it and is not to blame
    is_sure: bool = True  # the hub does not have it: of what is in flight it is the first


class Ceiling:
    """What was learned of one hub, for all streams of an uplink. Sizes count the header block."""

    def __init__(self) -> None:
        self._bytes = 0  # the most that may be sent; 0: nothing was learned
        self._until_ns = 0
        self._acked = 0  # the largest that the hub has stored since the link came up
        self._suspect: tuple[str, int] | None = None
        self._strikes = 0
        self._rounds = 0  # of strikes of the suspect, and no link was closed between
        self.is_proven = False  # nothing else can have been too large
        self._doubt_ns = limits.UPLINK_CEILING_DOUBT_NS

    def linked(self) -> None:
        """Forget what was stored over another link: an account may take less than it did."""
        self._acked = 0

    def acked(self, size: int) -> None:
        """The hub stored a message of this size."""
        self._acked = max(self._acked, size)
        if 0 < self._bytes < self._acked:
            self._bytes = 0
            self._doubt_ns = limits.UPLINK_CEILING_DOUBT_NS

    def violated(self, suspects: Iterable[Suspect], now_ns: int, carried_bytes: int) -> int:
        """The hub closed the link for a message that is too large. `carried_bytes`: all payloads
        with their headers that the link carried, whoever sent them. Return the bound that follows.
        """
        suspect = max(suspects, key=lambda one: one.size, default=None)
        if suspect is None:
            self._suspect = None
            return 0
        size = suspect.size
        if self._suspect != (suspect.stream, suspect.seq):
            self._suspect, self._strikes, self._rounds = (suspect.stream, suspect.seq), 0, 0
        self._strikes += 1
        if self._strikes < limits.UPLINK_CEILING_STRIKES:
            return 0
        self._strikes = 0
        self._rounds = self._rounds + 1 if suspect.is_sure else 0
        is_sole = carried_bytes - suspect.own_bytes < size
        is_sole = is_sole or self._rounds > limits.UPLINK_CEILING_ROUNDS
        self.is_proven = size > self._acked and is_sole
        self._acked = min(self._acked, size - 1)  # it was stored under another bound
        self._bytes = size - 1
        self._until_ns = now_ns + self._lasts_ns()
        return self._bytes

    def _lasts_ns(self) -> int:
        if self.is_proven:
            return limits.UPLINK_CEILING_NS
        lasts_ns = self._doubt_ns
        self._doubt_ns = min(2 * lasts_ns, limits.UPLINK_CEILING_NS)
        return lasts_ns

    def max_bytes(self, now_ns: int) -> int:
        """Return what was learned, which is tried anew after a while; 0: nothing."""
        return self._bytes if now_ns < self._until_ns else 0
