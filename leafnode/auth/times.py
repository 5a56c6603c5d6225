"""When of a day and from where a user may connect: `times`, `times_location`, `src` of a JWT.

Pure: the time is a parameter.
Truth: nats-server 2.15.1 server/auth.go validateTimesAt, validateSrc.
"""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from leafnode.errors import AuthError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import tzinfo

    from leafnode.auth.claims import TimeRange

_NS_PER_S: Final = 1_000_000_000
_NS_PER_US: Final = 1_000
_MAPPED_BITS: Final = 96  # of an IPv6 address before the IPv4 address that it maps
_WRAP: Final = 2**64  # of Go's durations


def allowed_until_ns(times: Iterable[TimeRange], location: str, now_ns: int) -> int | None:
    """Return the wall time until which a user may stay; None: not now, 0: without end.

    Raises AuthError for times or a time zone that cannot be read.
    """
    ranges = [(_time_of_day(each.start), _time_of_day(each.end)) for each in times]
    if not ranges:
        if location:
            _zone(location)  # one that is none is wrong without ranges, too
        return 0
    now = _local(location, now_ns)
    ends = [end for start, until in ranges if (end := _end(start, until, now)) is not None]
    if not ends:
        return None
    left = max(ends).astimezone(UTC) - now.astimezone(UTC)
    return now_ns + round(left / timedelta(microseconds=1)) * _NS_PER_US


def expiry_ns(expires_s: int, now_ns: int) -> int:
    """Return the wall time until which `exp` lets a user stay; 0: without end.

    As far away as Go's durations do not reach (292 years) it is what they overflow to, as there;
    what is past is past, a negative one too.
    """
    end_ns = expires_s * _NS_PER_S
    left_ns = (expires_s - now_ns // _NS_PER_S) * _NS_PER_S
    if not expires_s or left_ns < _WRAP // 2:
        return end_ns
    left_ns %= _WRAP
    return now_ns + (left_ns if left_ns < _WRAP // 2 else 0)


def comes_from(networks: Iterable[str], ip: str) -> bool:
    """Say whether an address is in one of the networks; without any, each is right."""
    wanted = list(networks)
    if not wanted:
        return True
    try:
        address = ipaddress.ip_address(ip)
        known = [_network(each) for each in wanted]
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any(address in network or (mapped and mapped in network) for network in known)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Return a network; one of IPv4 addresses that are written as IPv6 is one of IPv4, as in Go.

    Raises ValueError.
    """
    network = ipaddress.ip_network(text, strict=False)
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    length = network.prefixlen - _MAPPED_BITS
    return network if mapped is None or length < 0 else ipaddress.ip_network((mapped, length))


def is_network(text: str) -> bool:
    """Say whether it is an address with the length of its network."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return "/" in text


def _local(location: str, now_ns: int) -> datetime:
    now = datetime.fromtimestamp(now_ns // _NS_PER_S, UTC)
    now += timedelta(microseconds=now_ns % _NS_PER_S // _NS_PER_US)
    if not location:
        return now.astimezone()
    return now.astimezone(_zone(location))


def _zone(location: str) -> tzinfo:
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(location)
    except (KeyError, ValueError, OSError) as err:  # ZoneInfoNotFoundError is a KeyError
        raise AuthError("the time zone of a user's JWT is not known here") from err


def _time_of_day(text: str) -> time:
    try:
        return datetime.strptime(text, "%H:%M:%S").time()  # noqa: DTZ007 -- a time of any day
    except ValueError as err:
        raise AuthError("the times of a user's JWT are malformed") from err


def _end(start: time, end: time, now: datetime) -> datetime | None:
    """Return when the range that `now` is in ends; None where it is in none."""
    starts = datetime.combine(now.date(), start, now.tzinfo)
    ends = datetime.combine(now.date(), end, now.tzinfo)
    if starts < now < ends:
        return ends
    if starts > ends:  # over midnight
        if now < ends:
            return ends
        ends = datetime.combine(now.date() + timedelta(days=1), end, now.tzinfo)
        if starts < now < ends:
            return ends
    return None
