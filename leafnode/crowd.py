"""Those who are at something that should be over soon: how many at once may be, and who goes.

Knows addresses, times and whose turn it is; not what they are at. Whoever is nearly through stays:
places that went to who comes last would make a crowd that comes again and again never end. Truth:
ours; nats-server 2.15.1 has deadlines alone.
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
    """At most `total_max`, with shares of addresses, see `share_of`, that are as even as may be.

    Somebody is awaited, or held: then it waits for us. Where there is no place, the one awaited
    longest of the address with most goes for a newcomer, if it has been awaited for `patience_ns`
    or its address would have twice as many as the newcomer's; else the newcomer itself. Who comes
    late thus waits until others are through, and who holds places in silence loses them.
    """

    __slots__ = ("_by_address", "_levels", "_places", "_total_max", "evicted", "patience_ns")

    def __init__(self, total_max: int, patience_ns: int) -> None:
        self.evicted = 0  # newcomers among them
        self._total_max = total_max
        self.patience_ns = patience_ns
        self._places: dict[Who, _Share[Who]] = {}  # awaited or held, in the order of arrival
        self._by_address: dict[str, _Share[Who]] = {}
        self._levels: list[dict[_Share[Who], None]] = []  # by how many places they have, less one

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Who]:
        """From the oldest to the newest."""
        return iter(self._places)

    def enter(self, who: Who, address: str, now_ns: int) -> Who | None:
        """Let one more in; return the one that is out for it, if any, for the caller to end.

        That may be itself. Who is in already keeps its place.
        """
        if who in self._places:
            return None
        address = share_of(address)
        share = self._by_address.get(address) or _Share(address)
        out = None
        if len(self._places) >= self._total_max:
            self.evicted += 1
            out = self._one_for(share, now_ns)
            if out is None:
                return who
            self.leave(out)
        self._by_address[address] = share  # which may have been its last place
        share.awaited[who] = now_ns
        self._places[who] = share
        self._lift(share)
        return out

    def hold(self, who: Who) -> None:
        """Note that it waits for us: it does not go for a newcomer of its own address."""
        share = self._places.get(who)
        if share is not None and share.awaited.pop(who, None) is not None:
            share.held[who] = None
            self._move_back(share)

    def await_again(self, who: Who, now_ns: int) -> None:
        """Note that we did what it waited for, and that the next step is its own."""
        share = self._places.get(who)
        if share is not None:
            share.held.pop(who, None)
            share.awaited.pop(who, None)
            share.awaited[who] = now_ns
            self._move_back(share)

    def leave(self, who: Who) -> None:
        """Take one out that is done or gone; taking it out twice does nothing."""
        share = self._places.pop(who, None)
        if share is None:
            return
        del self._levels[share.size - 1][share]
        share.awaited.pop(who, None)
        share.held.pop(who, None)
        if share.size:
            self._levels[share.size - 1][share] = None
        else:
            del self._by_address[share.address]
        while self._levels and not self._levels[-1]:
            self._levels.pop()

    def _lift(self, share: _Share[Who]) -> None:
        """Count the place that a share has just got."""
        level = share.size - 1
        if level:
            del self._levels[level - 1][share]
        if level == len(self._levels):
            self._levels.append({})
        self._levels[level][share] = None

    def _move_back(self, share: _Share[Who]) -> None:
        """Of those with as many places others come first, with whom nothing happened since."""
        level = self._levels[share.size - 1]
        del level[share]
        level[share] = None

    def _one_for(self, share: _Share[Who], now_ns: int) -> Who | None:
        """Return who goes for a newcomer of this share; None: the newcomer."""
        level = self._levels[-1]
        largest = share if share in level else next(iter(level))
        is_greedy = largest.size >= 2 * (share.size + 1)
        oldest = next(iter(largest.awaited), None)
        if oldest is None:  # they all wait for us: the one whose turn comes last
            return next(reversed(largest.held)) if is_greedy else None
        if is_greedy or now_ns - largest.awaited[oldest] >= self.patience_ns:
            return oldest
        return None


class _Share(Generic[Who]):
    """Whom one address has in a crowd."""

    __slots__ = ("address", "awaited", "held")

    def __init__(self, address: str) -> None:
        self.address = address
        self.awaited: dict[Who, int] = {}  # since when, which is their order
        self.held: dict[Who, None] = {}

    @property
    def size(self) -> int:
        return len(self.awaited) + len(self.held)
