"""What the accounts of one server share in JetStream: two stores, and how much both may hold.

Knows stores, bounds and the accounts' JetStreams; not configurations. Truth: nats-server 2.15.1
server/jetstream.go checkBytesLimits, server/stream.go limitsExceeded.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from leafnode.jetstream.errors import js_error
from leafnode.jetstream.quota import Quota
from leafnode.store.api import is_unfinished

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clock import Clock
    from leafnode.errors import JetStreamError, StoreError
    from leafnode.jetstream.context import Context
    from leafnode.jetstream.jetstream import AccountJetStream
    from leafnode.store.api import Store

log = logging.getLogger(__name__)


class Shared:
    """The bounds of the whole server; -1 is none."""

    def __init__(
        self,
        stores: dict[str, Store],
        clock: Clock,
        *,
        max_memory_bytes: int = -1,
        max_file_bytes: int = -1,
    ) -> None:
        self._stores = stores
        self._clock = clock
        self.max_bytes = {"memory": max_memory_bytes, "file": max_file_bytes}
        self.quotas = {storage: self._quota(storage) for storage in stores}
        self.members: list[AccountJetStream] = []

    @classmethod
    def of(cls, context: Context) -> Shared:
        """Return the bounds for an account that is alone on its server."""
        facts = context.facts
        return cls(
            {"memory": context.memory_store, "file": context.file_store},
            context.clock,
            max_memory_bytes=facts.max_memory_bytes,
            max_file_bytes=facts.max_file_bytes,
        )

    def drop_unfinished(self) -> None:
        """Delete what restores have left that a crash cut off: once, before accounts recover."""
        for store in self._stores.values():
            for record in store.streams():
                if is_unfinished(record.name):
                    log.warning(
                        "A restore was cut off, what it had stored goes: account=%s stream=%s",
                        *(record.account, record.name),
                    )
                    store.delete_stream(record.account, record.name)

    def purge(self, account: str, done: Callable[[StoreError | None], None]) -> None:
        """Delete all that an account stores, whether or not it is served, and tell `done` when that
        is on disk. Raises StoreError when it is not begun.
        """
        for member in self.members:
            if member.context.account.name == account:
                member.delete_everything()
        for store in self._stores.values():
            for record in store.streams():
                if record.account == account:
                    store.delete_stream(account, record.name)
        self.after_commit(done)

    def after_commit(self, done: Callable[[StoreError | None], None]) -> None:
        """Call `done` when what both stores have staged is kept."""
        file_store, memory_store = self._stores["file"], self._stores["memory"]
        memory_store.after_commit(
            lambda error: done(error) if error else file_store.after_commit(done)
        )

    def limit(self, *, max_memory_bytes: int, max_file_bytes: int) -> None:
        """Go by these bounds from now on; what is stored already stays."""
        self.max_bytes = {"memory": max_memory_bytes, "file": max_file_bytes}
        self.quotas = {storage: self._quota(storage) for storage in self._stores}
        for member in self.members:
            member.limits_changed()

    def check_promise(self, storage: str, more_bytes: int) -> None:
        """Refuse to promise more than the server may hold. Raises 10028 or 10047."""
        bound = self.max_bytes[storage]
        if bound >= 0 and self.promised_bytes(storage) + more_bytes > bound:
            raise too_much(storage)

    def promised_bytes(self, storage: str) -> int:
        """What finite max_bytes of all accounts' streams add up to."""
        return sum(member.promised_bytes(storage) for member in self.members)

    def _quota(self, storage: str) -> Quota | None:
        bound = self.max_bytes[storage]
        return Quota(self._stores[storage], bound, self._clock) if bound >= 0 else None


def too_much(storage: str) -> JetStreamError:
    """Return the refusal of a promise that cannot be kept."""
    return js_error(10028 if storage == "memory" else 10047)
