"""A consumer's position by rows: what is kept of it, and what is pending."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.jetstream import consumer_state

if TYPE_CHECKING:
    from leafnode.jetstream.consumer_state import ConsumerState
    from leafnode.jetstream.pending import Pending


def encoded(state: ConsumerState) -> bytes:
    """Return what is kept of this position."""
    positions = (*state.delivered, *state.floor)
    columns = [seq for seq, _, _ in state.entries], [(place, at) for _, place, at in state.entries]
    written_ns = state.written_ns or 0
    return consumer_state.encode(positions, columns, 0, state.counts, state.listed, written_ns)


def entries(pending: Pending) -> list[tuple[int, int, int]]:
    """Return (stream sequence, consumer sequence, deadline) of what is pending."""
    return [(seq, *entry) for seq, entry in zip(*pending.columns(), strict=True)]
