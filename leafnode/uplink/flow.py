"""How many bytes may be on the way to the hub: as many as it acknowledges in about a second.

Pure: times are parameters. What is queued in a slow link delays everything behind it, PING, PONG
and alarms too, so the window follows the time that acknowledgements take. Truth: docs/uplink.md.
"""

from __future__ import annotations

from leafnode.limits import UPLINK_FLOW_BYTES_MIN, UPLINK_FLOW_TARGET_NS


class Flow:
    """A window in bytes: doubled in a round trip while acks are quick, halved when they are late.

    A satellite's 600 ms are no queue: what counts is the time above the quickest ack seen.
    """

    __slots__ = ("_backed_off_ns", "_max_bytes", "_quickest_ns", "limit")

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.limit = 0
        self.begin()

    def begin(self) -> None:
        """A new link: nothing is known of it."""
        self.limit = min(UPLINK_FLOW_BYTES_MIN, self._max_bytes)
        self._quickest_ns: int | None = None
        self._backed_off_ns = 0  # what was sent before does not count against the window of now

    def acked(self, sent_ns: int, now_ns: int, size: int) -> None:
        """The hub acknowledged what was sent at `sent_ns`."""
        took_ns = now_ns - sent_ns
        if self._quickest_ns is None or took_ns < self._quickest_ns:
            self._quickest_ns = took_ns
        queued_ns = took_ns - self._quickest_ns
        if queued_ns < UPLINK_FLOW_TARGET_NS // 2:
            self.limit = min(self.limit + size, self._max_bytes)
        elif queued_ns > UPLINK_FLOW_TARGET_NS and sent_ns >= self._backed_off_ns:
            self.limit = max(self.limit // 2, min(UPLINK_FLOW_BYTES_MIN, self._max_bytes))
            self._backed_off_ns = now_ns
