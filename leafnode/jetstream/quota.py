"""How much all streams of one kind of storage may hold together: `max_file_store` and the like.

A running total of what was appended, put right from the streams' own counts: each second, and
whenever it seems to be used up, unless nothing was added or removed since the last time.
Knows a store and a bound; not configurations.
Truth: nats-server 2.15.1 server/stream.go (processJetStreamMsg), server/jetstream.go
(limitsExceeded, wouldExceedLimits); measured: the message that passes the server's bound is stored,
those after it are refused with 503 and 10023; the one that would pass an account's is refused with
400 and 10002.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.jetstream.errors import js_error
from leafnode.jetstream.trouble import Trouble

if TYPE_CHECKING:
    from leafnode.clock import Clock
    from leafnode.store.api import Store


class Quota:
    """One bound on one store, for all accounts that use the store, or for one of them."""

    __slots__ = (
        "_account",
        "_clock",
        "_count_at_ns",
        "_counted",
        "_outer",
        "_refused_bytes",
        "_refused_until_ns",
        "_store",
        "_trouble",
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
        self._counted = False  # nothing was added or removed since the last count
        self._count_at_ns = 0
        # What an account had no room for: the smallest since one as large was stored; 0: nothing.
        self._refused_bytes = 0
        self._refused_until_ns = 0
        self._trouble = Trouble(clock, f"account={account or '(all)'} max_bytes={max_bytes}")
        self.max_bytes = max_bytes

    def refresh(self) -> None:
        """Once per run of messages: count anew when it is time."""
        if self._outer is not None:
            self._outer.refresh()
        if self._clock.monotonic_ns() >= self._count_at_ns:
            self._count()

    def admit(self, size: int, before: int = 0) -> None:
        """Count a message that is about to be stored, with the others of its batch, of `before`
        bytes, that go before it.

        Raises 10023 when the server's bound is used up, 10002 when the account's would be passed;
        then nothing is counted.
        """
        more = before + size
        if self._used_bytes + more > self.max_bytes:
            self.check(size, before)
        if self._outer is not None:
            self._outer.admit(size, before)
        self._used_bytes += more
        self._counted = False
        if self._refused_bytes:
            self._stored(more)

    def check(self, size: int, before: int = 0) -> None:
        """Raise what `admit` would, and count nothing."""
        if self._outer is not None:
            self._outer.check(size, before)
        wanted = before + size if self._account else before
        if self._used_bytes + wanted > self.max_bytes:
            if not self._counted:
                self._count()
            if self._used_bytes + wanted > self.max_bytes:
                self._refuse(wanted)

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
        if self._is_full() and not self._counted:
            self._count()  # some of it may be gone
        return self if self._is_full() else None

    @property
    def is_of_account(self) -> bool:
        return bool(self._account)

    def spoil(self) -> None:
        """Something was removed: what has no room as it seems has it counted anew."""
        self._counted = False
        if self._outer is not None:
            self._outer.spoil()

    def _stored(self, size: int) -> None:
        """There was room for this, where there was none for something."""
        is_old = self._clock.monotonic_ns() >= self._refused_until_ns
        if is_old or size >= self._refused_bytes:
            self._refused_bytes = 0

    def _refuse(self, wanted: int) -> None:
        """There is no room: remember that, unless there never is for so much, and raise."""
        if self._account and wanted <= self.max_bytes:
            self._refused_bytes = min(wanted, self._refused_bytes or wanted)
            self._refused_until_ns = self._clock.monotonic_ns() + limits.QUOTA_REFUSED_NS
        error = js_error(10002 if self._account else 10023)
        self._trouble.note("JetStream has used up what it may store", error)
        raise error

    def _is_full(self) -> bool:
        return self._used_bytes + self._refused_bytes > self.max_bytes

    def _count(self) -> None:
        self._used_bytes = self._store.held_bytes(self._account)
        self._counted = True
        if not self._is_full():
            self._refused_bytes = 0
        self._count_at_ns = self._clock.monotonic_ns() + limits.QUOTA_COUNT_NS
