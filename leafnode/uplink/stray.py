"""Whether what is sent goes to another stream, or another domain, than the one that was named.

Pure. Two may store one message, the right one among them: so it is only where none but others
acknowledge that nothing more is sent but what others refuse. Else each of them would store it again
and again, behind its duplicate window. Truth: docs/uplink.md, "When something is in the way".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.uplink import answers

if TYPE_CHECKING:
    from leafnode.config.options import UplinkStream
    from leafnode.uplink.answers import Failure, PubAck

EXPECTED_STREAM = b"Nats-Expected-Stream"


class Stray:
    """What others acknowledged of one stream since the right one did."""

    __slots__ = ("_domain", "_said", "_stream", "pause_ns", "problem")

    def __init__(self, options: UplinkStream) -> None:
        self._stream, self._domain = options.hub_stream, options.domain
        self._said = ""
        self.problem = ""  # nothing of it goes where it should
        self.pause_ns = 0  # until something is sent again, where the hub cannot be asked

    def take(self, ack: PubAck) -> str:
        """Return what is wrong with an acknowledgement, or nothing: it is the right one's."""
        if self._stream in {"", ack.stream} and self._domain in {"", ack.domain}:
            self.is_over()
            return ""
        named = self._stream or "any stream"
        if self._domain:
            named = f"{named} of domain {self._domain!r}"
        self._said = f"stored by stream {ack.stream} of domain {ack.domain!r}, not {named}"
        return self._said

    def is_over(self) -> None:
        """The right one has something of it."""
        self._said = self.problem = ""
        self.pause_ns = 0

    def overdue(self) -> str:
        """What was sent is not acknowledged in time, or the link broke before: return why, where
        others stored it.
        """
        said, self._said = self._said, ""
        if said:
            self.problem = said
            longer_ns = max(limits.UPLINK_STRAY_NS, 2 * self.pause_ns)
            self.pause_ns = min(longer_ns, limits.UPLINK_STRAY_MAX_NS)
        return said

    def is_refusal(self, failure: Failure) -> bool:
        """Say whether another stream refuses what is not for it: the named one may store it."""
        return bool(self.problem) and failure.err_code == answers.ANOTHER_STREAM

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """Return what makes others refuse a message."""
        if not self.problem or not self._stream:
            return ()
        return ((EXPECTED_STREAM, self._stream.encode()),)
