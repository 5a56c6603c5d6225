"""The store's bounds as one object: the product takes them from limits.py, a test makes them small.

Knows numbers only. Truth: leafnode/limits.py; docs/memory.md says what happens at each.
"""

from __future__ import annotations

from dataclasses import dataclass

from leafnode import limits


@dataclass(frozen=True, slots=True)
class StoreBounds:
    """How much of everything; the defaults are the product's."""

    commit_rows_max: int = limits.COMMIT_ROWS_MAX
    commit_bytes_max: int = limits.COMMIT_BYTES_MAX
    staged_rows_max: int = limits.STAGED_ROWS_MAX
    staged_bytes_max: int = limits.STAGED_BYTES_MAX
    segment_rows_max: int = limits.SEGMENT_ROWS_MAX
    segment_bytes_max: int = limits.SEGMENT_BYTES_MAX
    segment_span_max: int = limits.SEGMENT_SPAN_MAX
    segment_cache_bytes: int = limits.SEGMENT_CACHE_BYTES
    tail_cache_bytes: int = limits.TAIL_CACHE_BYTES
    hot_cache_bytes: int = limits.HOT_CACHE_BYTES
    reads_waiting_max: int = limits.READS_WAITING_MAX
    wal_pregrow_bytes: int = limits.WAL_PREGROW_BYTES
    reserve_bytes: int = limits.STORE_RESERVE_BYTES
