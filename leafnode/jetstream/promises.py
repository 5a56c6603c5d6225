"""What an account's streams were promised: their finite max_bytes, added up as they come and go.

Each new stream is held against it, so it is not added up anew for each: with 10,000 streams that
took longer than all else. Knows names, storages and sizes; not bounds. Truth: nats-server 2.15.1
server/jetstream.go (reserveStreamResources).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leafnode.jetstream.api_types import StreamConfig


class Promises:
    """One entry for each stream of an account that has a bound of its own."""

    __slots__ = ("_by_name", "_bytes")

    def __init__(self) -> None:
        self._by_name: dict[str, tuple[str, int]] = {}
        self._bytes: dict[str, int] = {}

    def note(self, name: str, config: StreamConfig) -> None:
        """A stream is there, or has another configuration."""
        self.forget(name)
        if config.max_bytes > 0:
            self._by_name[name] = config.storage, config.max_bytes
            self._bytes[config.storage] = self.of(config.storage) + config.max_bytes

    def forget(self, name: str) -> None:
        """A stream is gone."""
        storage, size = self._by_name.pop(name, ("", 0))
        if size:
            self._bytes[storage] -= size

    def of(self, storage: str) -> int:
        """Return what all with this storage were promised."""
        return self._bytes.get(storage, 0)
