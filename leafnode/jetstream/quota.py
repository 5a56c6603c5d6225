"""How much all streams of one kind of storage may hold together: `max_file_store` and the like.

A running total of what was appended, put right from the streams' own counts: each second, whenever
it seems to be used up, and after `spoil`. Knows a store and a bound; not configurations.
Truth: nats-server 2.15.1 server/stream.go (processJetStreamMsg, limitsExceeded); measured: the
message that passes the bound is stored, those after it are refused with 503 and 10023.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.errors import StoreError
from leafnode.jetstream.errors import js_error

if TYPE_CHECKING:
    from leafnode.clock import Clock
    from leafnode.store.api import Store, StreamStore

log = logging.getLogger(__name__)


class Quota:
    """One bound on one store, for all accounts that use the store, or for one of them."""

    __slots__ = (
        "_account",
        "_clock",
        "_count_at_ns",
        "_counted",
        "_outer",
        "_store",
        "_used_bytes",
        "max_bytes",
    )

    def __init__(
        self,
        store: Store,
        max_bytes: int,
        clock: Clock,
        *,
        account: str = "",
        outer: Quota | None = None,
    ) -> None:
        """`account` empty: all of them. `outer`: the server's bound, where this is an account's."""
        self._store = store
        self._account = account
        self._outer = outer
        self._clock = clock
        self._used_bytes = 0
        self._counted = False  # nothing was added since the last count
        self._count_at_ns = 0
        self.max_bytes = max_bytes

    def refresh(self) -> None:
        """Once per run of messages: count anew when it is time."""
        if self._outer is not None:
            self._outer.refresh()
        if self._clock.monotonic_ns() >= self._count_at_ns:
            self._count()

    def admit(self, size: int) -> None:
        """Count a message that is about to be stored.

        Raises 10023 when the server's bound is used up, 10002 when the account's is.
        """
        if self._outer is not None:
            self._outer.admit(size)
        if self._used_bytes > self.max_bytes:
            if not self._counted:
                self._count()
            if self._used_bytes > self.max_bytes:
                raise js_error(10002 if self._account else 10023)
        self._used_bytes += size
        self._counted = False

    def check_room(self, size: int) -> None:
        """Refuse what would not fit, before any of it is stored. Raises 10023 or 10002."""
        if self._outer is not None:
            self._outer.check_room(size)
        self._count()
        if self._used_bytes + size > self.max_bytes:
            raise js_error(10002 if self._account else 10023)

    def admit_all(self, size: int) -> bool:
        """Count messages of this size together; False, with none counted, when `admit` has to look
        at them one by one.
        """
        fits = self._used_bytes + size <= self.max_bytes
        if fits and (self._outer is None or self._outer.admit_all(size)):
            self._used_bytes += size
            self._counted = False
            return True
        return False

    def used_up(self) -> Quota | None:
        """Return the bound at which messages are refused now, the server's before an account's;
        None while there is room.
        """
        outer = self._outer.used_up() if self._outer is not None else None
        if outer is not None:
            return outer
        self.refresh()
        if self._used_bytes > self.max_bytes and not self._counted:
            self._count()  # some of it may be gone
        return self if self._used_bytes > self.max_bytes else None

    @property
    def is_of_account(self) -> bool:
        return bool(self._account)

    def spoil(self) -> None:
        """Something was removed: the next run counts anew."""
        self._count_at_ns = 0
        if self._outer is not None:
            self._outer.spoil()

    def _count(self) -> None:
        was_full = self._counted and self._used_bytes > self.max_bytes
        self._used_bytes = sum(map(_held_bytes, self._streams()))
        self._counted = True
        full = self._used_bytes > self.max_bytes
        wait_ns = limits.QUOTA_FULL_COUNT_NS if full else limits.QUOTA_COUNT_NS
        self._count_at_ns = self._clock.monotonic_ns() + wait_ns
        if full and not was_full:
            log.error(
                "JetStream has used up what it may store: account=%s used=%d max=%d",
                *(self._account or "(all)", self._used_bytes, self.max_bytes),
            )

    def _streams(self) -> list[StreamStore]:
        return [
            record.store
            for record in self._store.streams()
            if not self._account or record.account == self._account
        ]


def _held_bytes(store: StreamStore) -> int:
    try:
        return store.state().bytes
    except StoreError:
        return 0  # found damaged just now; from the next count on it tells what it knows
