"""Where a new consumer starts reading, by its deliver policy.

Knows the stream's store and the consumer's configuration. Truth: measured on nats-server 2.15.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leafnode.jetstream.api_types import ConsumerConfig
    from leafnode.store.api import StreamStore


def start_of(store: StreamStore, config: ConsumerConfig) -> tuple[int, list[int]]:
    """Return the first sequence to consider, and for last_per_subject those to read first."""
    state = store.state()
    match config.deliver_policy:
        case "new":
            return state.last_seq + 1, []
        case "last":
            return _last_matching(store, config.filters), []
        case "by_start_sequence":
            return max(config.opt_start_seq, state.first_seq), []
        case "by_start_time":
            assert config.opt_start_time is not None, "checked with the configuration"
            return store.seq_at(config.opt_start_time), []
        case "last_per_subject":
            listed = sorted(
                found.last_seq for one in config.filters for _, found in store.subjects(one)
            )
            return (listed[0] if listed else state.last_seq + 1), listed
    return state.first_seq, []


def _last_matching(store: StreamStore, filters: list[bytes]) -> int:
    """Return the newest sequence that matches, or the one after the last when none does."""
    state = store.state()
    if not filters:
        return state.last_seq if state.msgs else state.last_seq + 1
    newest = [found.last_seq for one in filters for _, found in store.subjects(one)]
    return max(newest, default=state.last_seq + 1)
