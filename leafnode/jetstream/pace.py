"""How fast a consumer delivers: `replay_policy: original` and `rate_limit_bps`.

Replay keeps the gaps between messages that were there when the consumer began; what came later goes
at once. A rate is a bucket of bytes that fills by the clock. Holds at most one message back, which
stays with the cursor. Truth: nats-server 2.15.1 server/consumer.go (loopAndGatherMsgs,
setRateLimit).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.clock import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from leafnode.clock import Timer
    from leafnode.jetstream.consumer import Consumer
    from leafnode.store.api import StoredMsg

_BITS: Final = 8
_GAP_MIN_NS: Final = NS_PER_MS  # a shorter gap is none


class Pace:
    """Says when a consumer's next message may go."""

    __slots__ = (
        "_bucket_bytes",
        "_bytes",
        "_consumer",
        "_filled_ns",
        "_last_ts_ns",
        "_passed_ns",
        "_rate_bytes",
        "_replay_to",
        "_timer",
    )

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._timer: Timer | None = None
        original = consumer.config.replay_policy == "original"
        self._replay_to = consumer.stream.store.last_seq() if original else 0
        self._last_ts_ns = 0  # of the message that went last; 0: none did
        self._passed_ns = 0  # when it went
        self._rate_bytes = 0  # a second; 0: any
        self._bucket_bytes = 0
        self._bytes = 0.0  # that may go now
        self._filled_ns = 0
        self.configure()

    @property
    def is_free(self) -> bool:
        """Whether nothing has to be looked at one by one."""
        return not self._rate_bytes and not self._replay_to

    def configure(self) -> None:
        """Take over the rate of the consumer's present configuration, with a full bucket."""
        consumer = self._consumer
        bits = consumer.config.rate_limit_bps
        self._rate_bytes = max(1, bits // _BITS) if bits else 0
        largest = consumer.stream.config.max_msg_size
        self._bucket_bytes = largest if largest > 0 else limits.MAX_PAYLOAD_BYTES
        self._bytes = float(self._bucket_bytes)
        self._filled_ns = consumer.context.clock.monotonic_ns()

    def holds(self, msg: StoredMsg) -> bool:
        """Say whether this message has to wait; the consumer is woken up when it has not."""
        if self.is_free:
            return False
        wait_ns = max(self._gap_ns(msg), self._fill_ns(_size(msg)))
        if wait_ns <= 0:
            return False
        if self._timer is None:
            self._timer = self._consumer.context.clock.call_later(wait_ns, self._on_timer)
        return True

    def passed(self, msg: StoredMsg) -> None:
        """A message went."""
        if self.is_free:
            return
        self._last_ts_ns = msg.ts_ns
        self._passed_ns = self._consumer.context.clock.monotonic_ns()
        if self._rate_bytes:
            self._bytes -= min(_size(msg), self._bucket_bytes)
        if msg.seq >= self._replay_to:
            self._replay_to = 0

    def close(self) -> None:
        """Wake up no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _gap_ns(self, msg: StoredMsg) -> int:
        """Return what is left of the gap before a message that is replayed."""
        gap_ns = msg.ts_ns - self._last_ts_ns
        if not self._last_ts_ns or msg.seq > self._replay_to or gap_ns <= _GAP_MIN_NS:
            return 0
        return self._passed_ns + gap_ns - self._consumer.context.clock.monotonic_ns()

    def _fill_ns(self, size: int) -> int:
        """Return how long the bucket fills until it holds so much."""
        if not self._rate_bytes:
            return 0
        now_ns = self._consumer.context.clock.monotonic_ns()
        more = (now_ns - self._filled_ns) * self._rate_bytes / NS_PER_S
        self._bytes = min(self._bytes + more, float(self._bucket_bytes))
        self._filled_ns = now_ns
        missing = min(size, self._bucket_bytes) - self._bytes
        # A nanosecond more, so that the bucket is never short by a rounding.
        return int(missing * NS_PER_S / self._rate_bytes) + 1 if missing > 0 else 0

    def _on_timer(self) -> None:
        self._timer = None
        self._consumer.pump()


def _size(msg: StoredMsg) -> int:
    return len(msg.subject) + len(msg.body)
