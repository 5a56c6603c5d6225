"""Connections that have not logged in yet, where a login is required: how many may wait.

Knows addresses and the order of arrival; not what a login is. Beyond a bound the one that waited
longest makes room: it had the most time, and who connects slowly to hold places loses them to who
logs in at once. Truth: ours; nats-server 2.15.1 has the deadline alone (`authorization.timeout`).
"""

from __future__ import annotations

from leafnode.limits import LOGINS_WAITING_ADDRESS_MAX, LOGINS_WAITING_MAX


class WaitingRoom:
    """Who waits, by cid, oldest first: in all, and from each address."""

    __slots__ = ("_addresses", "_by_address", "evicted")

    def __init__(self) -> None:
        self._addresses: dict[int, str] = {}
        self._by_address: dict[str, dict[int, None]] = {}
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._addresses)

    def enter(self, cid: int, address: str) -> int | None:
        """Let one more wait; return the cid of the one to be closed for it, if any.

        Who waits already keeps its place.
        """
        if cid in self._addresses:
            return None
        same = self._by_address.setdefault(address, {})
        evicted = None
        if len(same) >= LOGINS_WAITING_ADDRESS_MAX:
            evicted = next(iter(same))
        elif len(self._addresses) >= LOGINS_WAITING_MAX:
            evicted = next(iter(self._addresses))
        self._addresses[cid] = address
        same[cid] = None
        if evicted is not None:
            self.evicted += 1
            self.leave(evicted)
        return evicted

    def leave(self, cid: int) -> None:
        """Take one out that logged in or is gone; taking it out twice does nothing."""
        address = self._addresses.pop(cid, None)
        if address is None:
            return
        same = self._by_address[address]
        del same[cid]
        if not same:
            del self._by_address[address]
