"""The store in memory: `storage: memory`, and the model that the one on disk is checked against.

Nothing waits here: what is staged is committed. Knows the same as the seam, nothing of files.
Truth: leafnode/store/api.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.errors import StoreError
from leafnode.slices import in_slices
from leafnode.store.api import SEQ_MAX, ConsumerRecord, StoreStats, StreamRecord
from leafnode.store.memory_stream import MemoryStream, never

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.errors import StoreCorrupt
    from leafnode.store.api import State
    from leafnode.store.memory_stream import CallLater


class MemoryStore:
    """Implements leafnode.store.api.Store."""

    def __init__(self, call_later: CallLater = never) -> None:
        """`call_later`: lets a stream that was deleted go in slices."""
        self._call_later = call_later
        self._streams: dict[tuple[str, str], StreamRecord] = {}
        self._consumers: dict[tuple[str, str], dict[str, ConsumerRecord]] = {}
        self._stats = StoreStats()

    def streams(self) -> list[StreamRecord]:
        return list(self._streams.values())

    def held_bytes(self, account: str = "") -> int:
        found = self._streams.values()
        return sum(
            [one.store.state().bytes for one in found if one.account == (account or one.account)]
        )

    def has_stream(self, account: str, name: str) -> bool:
        return (account, name) in self._streams

    def create_stream(
        self, account: str, name: str, config: bytes, created_ns: int, first_seq: int
    ) -> MemoryStream:
        if first_seq > SEQ_MAX:
            raise StoreError(f"sequence {first_seq} is beyond {SEQ_MAX}")
        assert (account, name) not in self._streams, f"stream {name} of {account} exists"
        stream = MemoryStream(first_seq, self._call_later)
        self._streams[account, name] = StreamRecord(account, name, created_ns, config, stream)
        self._consumers[account, name] = {}
        return stream

    def update_stream(self, account: str, name: str, config: bytes) -> None:
        old = self._streams[account, name]
        self._streams[account, name] = StreamRecord(
            account, name, old.created_ns, config, old.store
        )

    def rename_stream(self, account: str, name: str, new_name: str) -> None:
        assert (account, new_name) not in self._streams, f"stream {new_name} of {account} exists"
        old = self._streams.pop((account, name))
        self._streams[account, new_name] = replace(old, name=new_name)
        self._consumers[account, new_name] = self._consumers.pop((account, name))

    def delete_stream(self, account: str, name: str) -> None:
        stream = self._streams.pop((account, name)).store
        del self._consumers[account, name]
        assert isinstance(stream, MemoryStream), "made here"
        in_slices(self._call_later, stream.let_go(), limits.LET_GO_MSGS)

    def consumers(self, account: str, stream: str) -> list[ConsumerRecord]:
        return list(self._consumers[account, stream].values())

    def consumer(self, account: str, stream: str, name: str) -> ConsumerRecord | None:
        return self._consumers.get((account, stream), {}).get(name)

    def put_consumer(
        self, account: str, stream: str, name: str, created_ns: int, config: bytes, state: State
    ) -> None:
        record = ConsumerRecord(name, created_ns, config, state)
        self._consumers[account, stream][name] = record

    def put_consumer_state(self, account: str, stream: str, name: str, state: State) -> None:
        known = self._consumers[account, stream][name]
        self.put_consumer(account, stream, name, known.created_ns, known.config, state)

    def delete_consumer(self, account: str, stream: str, name: str) -> None:
        del self._consumers[account, stream][name]

    def reserve(self, rows: int, size: int) -> None:
        """Nothing waits here."""

    def release(self) -> None:
        """Nothing was kept."""

    def after_commit(self, done: Callable[[StoreError | None], None]) -> None:
        done(None)

    def is_last(self, done: Callable[[StoreError | None], None]) -> bool:
        """It was called already."""
        del done
        return False

    def watch(self, adopted: Callable[[str, str], None]) -> Callable[[], None]:
        """Nothing fails in memory: there is nothing to tell."""
        del adopted
        return lambda: None

    def set_aside(self, account: str, stream: str, problem: StoreCorrupt) -> None:
        """What is in memory was not read back from anywhere: it is as it was put there."""
        del account, stream, problem

    def failed(self) -> StoreError | None:
        return None

    def is_crowded(self) -> bool:
        return False

    def stats(self) -> StoreStats:
        return self._stats

    def close(self, done: Callable[[], None]) -> None:
        self._streams.clear()
        self._consumers.clear()
        done()
