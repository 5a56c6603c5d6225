"""Those who are at something that should be over soon, oldest first: how many at once may be.

Knows addresses and the order of arrival; not what they are at. Beyond a bound the one that has been
at it longest makes room: it had the most time, and who connects slowly to hold places loses them to
who does at once what is to be done. Truth: ours; nats-server 2.15.1 has deadlines alone.
"""

from __future__ import annotations

from socket import AF_INET6, inet_ntoa, inet_ntop, inet_pton
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

Who = TypeVar("Who")

_IPV4_MAPPED: Final = bytes(10) + b"\xff\xff"
_NETWORK_BYTES: Final = 8  # of an IPv6 address: a /64 is what the smallest site gets


def share_of(address: str) -> str:
    """Return whom an address stands for where shares are counted: of IPv6 it is the /64, any
    address of which its owner can have; of IPv4 it is the address, mapped into IPv6 or not.
    """
    if ":" not in address:
        return address
    try:
        raw = inet_pton(AF_INET6, address.strip("[]").partition("%")[0])
    except OSError:
        return address
    if raw.startswith(_IPV4_MAPPED):
        return inet_ntoa(raw[len(_IPV4_MAPPED) :])
    return f"{inet_ntop(AF_INET6, raw[:_NETWORK_BYTES].ljust(len(raw), bytes(1)))}/64"


class Crowd(Generic[Who]):
    """At most `total_max` in all, and `address_max` of them from each address, see `share_of`."""

    __slots__ = ("_address_max", "_addresses", "_by_address", "_total_max", "evicted")

    def __init__(self, total_max: int, address_max: int) -> None:
        self.evicted = 0
        self._total_max = total_max
        self._address_max = address_max
        self._addresses: dict[Who, str] = {}
        self._by_address: dict[str, dict[Who, None]] = {}

    def __len__(self) -> int:
        return len(self._addresses)

    def __iter__(self) -> Iterator[Who]:
        """From the oldest to the newest."""
        return iter(self._addresses)

    def enter(self, who: Who, address: str) -> Who | None:
        """Let one more in; return the one that is out for it, if any, for the caller to end.

        Who is in already keeps its place. An empty address is nobody's, and has no share.
        """
        if who in self._addresses:
            return None
        address = share_of(address)
        same = self._by_address.setdefault(address, {})
        evicted = None
        if address and len(same) >= self._address_max:
            evicted = next(iter(same))
        elif len(self._addresses) >= self._total_max:
            evicted = next(iter(self._addresses))
        self._addresses[who] = address
        same[who] = None
        if evicted is not None:
            self.evicted += 1
            self.leave(evicted)
        return evicted

    def leave(self, who: Who) -> None:
        """Take one out that is done or gone; taking it out twice does nothing."""
        address = self._addresses.pop(who, None)
        if address is None:
            return
        same = self._by_address[address]
        del same[who]
        if not same:
            del self._by_address[address]
