"""How many bytes may be on the way to the hub: as many as it acknowledges in about a second; and
how long what is on the way may take.

Pure: times are parameters. What is queued in a slow link delays everything behind it, PING, PONG
and alarms too, so the window follows the time that acknowledgements take. Truth: docs/uplink.md.
"""

from __future__ import annotations

from leafnode import limits


class Flow:
    """A window in bytes: doubled in a round trip while acks are quick, halved when they are late.

    A satellite's 600 ms are no queue: what counts is the time above the quickest ack seen of what
    was short. What a long message takes is mostly its own way.
    """

    __slots__ = ("_backed_off_ns", "_late_ns", "_max_bytes", "_pace_ns", "_quickest_ns", "limit")

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.limit = 0
        self.begin()

    def begin(self) -> None:
        """A new link: nothing is known of it."""
        self.limit = min(limits.UPLINK_FLOW_BYTES_MIN, self._max_bytes)
        self._quickest_ns: int | None = None
        self._backed_off_ns = 0  # what was sent before does not count against the window of now
        self._pace_ns = 0  # for a byte, once something took long
        self._late_ns: int | None = None  # when the first did since one was quick

    def takes_ns(self, size: int) -> int:
        """Return how long so many bytes may take to the hub: twice what they should."""
        return max(2 * limits.UPLINK_FLOW_TARGET_NS * size // self.limit, 2 * self._pace_ns * size)

    def acked(self, sent_ns: int, now_ns: int, size: int, ahead_bytes: int) -> None:
        """The hub acknowledged what was sent at `sent_ns`; `ahead_bytes` were on the way then, the
        message itself among them.
        """
        took_ns, least = now_ns - sent_ns, limits.UPLINK_FLOW_BYTES_MIN
        ahead_bytes = max(ahead_bytes, 1)
        self._learn(sent_ns, now_ns, ahead_bytes)
        if ahead_bytes <= least and (self._quickest_ns is None or took_ns < self._quickest_ns):
            self._quickest_ns = took_ns
        quickest_ns = self._quickest_ns
        if quickest_ns is None:  # of what is so long all may be the way
            quickest_ns = took_ns * least // ahead_bytes
        queued_ns = took_ns - quickest_ns
        if queued_ns < limits.UPLINK_FLOW_TARGET_NS // 2:
            self.limit = min(self.limit + size, self._max_bytes)
        elif queued_ns > limits.UPLINK_FLOW_TARGET_NS and sent_ns >= self._backed_off_ns:
            self.limit = max(self.limit // 2, min(limits.UPLINK_FLOW_BYTES_MIN, self._max_bytes))
            self._backed_off_ns = now_ns

    def _learn(self, sent_ns: int, now_ns: int, ahead_bytes: int) -> None:
        """Of a quick answer the round trip is most, so it only says that the link is no slower. The
        hub may have stood still where what was short was late, but hardly again behind that.
        """
        took_ns = now_ns - sent_ns
        pace_ns = min(took_ns // ahead_bytes, limits.UPLINK_SLOWEST_NS)
        if took_ns <= 2 * limits.UPLINK_FLOW_TARGET_NS:
            self._late_ns = None
            self._pace_ns = min(pace_ns, self._pace_ns)
            return
        is_late_again = self._late_ns is not None and sent_ns >= self._late_ns
        self._late_ns = now_ns if self._late_ns is None else self._late_ns
        if ahead_bytes > limits.UPLINK_FLOW_BYTES_MIN or is_late_again:
            self._pace_ns = pace_ns
