"""leafnode.store.memory: what is its own; the rest is in tests/contract/test_store.py."""

from __future__ import annotations

from leafnode.store.memory import MemoryStore


def test_closing_lets_everything_go() -> None:
    store = MemoryStore()
    store.create_stream("A", "S", b"{}", 5, 1)

    closed: list[bool] = []

    store.close(lambda: closed.append(True))

    assert closed == [True]
    assert store.streams() == []
    assert store.stats().commits == 0
