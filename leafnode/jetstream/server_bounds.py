"""What `jetstream { limits { … } }` says, with what holds where it says nothing.

One for all accounts of a server; a reload puts another configuration into it, which holds for what
comes from then on. Knows numbers; not what is held against them. Truth: nats-server 2.15.1
server/opts.go JSLimitOpts, server/stream.go, server/consumer.go.
"""

from __future__ import annotations

from leafnode import limits
from leafnode.config.options import JetStreamLimits

_NOTHING = JetStreamLimits()


class ServerBounds:
    """The bounds of a server. 0 is none. `strict`: an unknown field of a request is an error."""

    __slots__ = ("configured", "strict")

    def __init__(self, configured: JetStreamLimits = _NOTHING, *, strict: bool = True) -> None:
        self.configured = configured
        self.strict = strict

    @property
    def max_ack_pending(self) -> int:
        return self.configured.max_ack_pending

    @property
    def max_request_batch(self) -> int:
        return self.configured.max_request_batch

    @property
    def duplicate_window_ns(self) -> int:
        return self.configured.duplicate_window_ns

    @property
    def batch_msgs(self) -> int:
        """How many messages an atomic batch may have."""
        most = self.configured.batch_msgs or limits.ATOMIC_MSGS_MAX
        return min(most, limits.ATOMIC_MSGS_HARD_MAX)  # more might never get into one transaction

    @property
    def open_atomic(self) -> tuple[int, int]:
        """How many atomic batches may be open, of one stream and of all."""
        return (
            self.configured.batches_of_stream or limits.ATOMIC_OPEN_MAX,
            self.configured.batches or limits.ATOMIC_OPEN_TOTAL_MAX,
        )

    @property
    def open_fast(self) -> tuple[int, int]:
        """How many fast batches may be open, of one stream and of all."""
        return (
            self.configured.batches_of_stream or limits.FAST_OPEN_MAX,
            self.configured.batches or limits.FAST_OPEN_TOTAL_MAX,
        )

    def atomic_idle_ns(self) -> int:
        """How long nothing may come for an atomic batch."""
        return self.configured.batch_timeout_ns or limits.ATOMIC_IDLE_NS

    def fast_idle_ns(self) -> int:
        """How long nothing may come for a fast batch."""
        return self.configured.batch_timeout_ns or limits.FAST_IDLE_NS


def shown(configured: JetStreamLimits) -> dict[str, int]:
    """Return the bounds under the names that monitoring has, without those that say nothing."""
    named = {
        "max_request_batch": configured.max_request_batch,
        "max_ack_pending": configured.max_ack_pending,
        "max_ha_assets": configured.max_ha_assets,
        "max_duplicate_window": configured.duplicate_window_ns,
        "max_batch_inflight_per_stream": configured.batches_of_stream,
        "max_batch_inflight_total": configured.batches,
        "max_batch_size": configured.batch_msgs,
        "max_batch_timeout": configured.batch_timeout_ns,
        "default_max_consumers": configured.default_max_consumers,
    }
    return {name: value for name, value in named.items() if value}
