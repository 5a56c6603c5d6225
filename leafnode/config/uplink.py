"""`uplink { … }`, or an array of such blocks: what goes to which hub, and what it may cost.

Knows keys and the rules among their values; not what an option does. Truth: docs/uplink.md.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from leafnode import limits
from leafnode.config import convert
from leafnode.config.options import UplinkBudget, UplinkOptions, UplinkStream
from leafnode.config.place import Block, Place, Row, no_duplicates
from leafnode.errors import TransformError, quoted
from leafnode.protocol.subject import is_internal
from leafnode.protocol.transform import Transform

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leafnode.config.options import Options
    from leafnode.config.place import Given

_WINDOW_MSGS_MAX: Final = 65_536
_WINDOW_BYTES_MAX: Final = 64 * limits.MIB
_BYTES_MAX: Final = 2**53
_SPAN: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)", re.ASCII)
_MINUTES_OF_DAY: Final = 24 * 60
_BUDGET: Final = frozenset(UplinkBudget.__dataclass_fields__)


def uplinks(place: Place) -> tuple[UplinkOptions, ...]:
    """One block, or an array of blocks with names."""
    if not isinstance(place.node.value, list):
        return (_uplink(place),)
    items = list(place.items("uplink blocks"))
    found = tuple(_uplink(item) for item in items)
    if not found:
        raise place.error("expected at least one uplink, got an empty array")
    for item, uplink in zip(items, found, strict=True):
        if len(found) > 1 and not uplink.name:
            raise item.error("expected name: there are several uplinks")
    no_duplicates(place, [uplink.name for uplink in found], "name")
    for item, uplink in zip(items, found, strict=True):
        if not _dead_letters(uplink, found).isdisjoint(one.stream for one in uplink.streams):
            raise item.error("expected dead letters that do not come back through other uplinks")
    return found


def _dead_letters(uplink: UplinkOptions, all_of_them: Iterable[UplinkOptions]) -> set[str]:
    """Return where its dead letters go, and theirs, where those streams go upstream."""
    beside = [one for one in all_of_them if one.account == uplink.account]
    found, left = set[str](), {uplink.dead_letter} - {""}
    while left:
        found |= left
        goes_on = (one for one in beside if any(two.stream in left for two in one.streams))
        left = {one.dead_letter for one in goes_on} - found - {""}
    return found


def _uplink(place: Place) -> UplinkOptions:
    given = _UPLINK.read(place)
    given.need("streams", "streams, an array of what goes upstream")
    values = dict(given.values)
    budget = {name: values.pop(name) for name in _BUDGET & values.keys()}
    if "send_above_bytes" in budget and "send_windows" not in budget:
        raise given.places["send_above_bytes"].error("expected send_windows beside send_above")
    if "coalesce_bytes" in budget and "coalesce_ns" not in budget:
        raise given.places["coalesce_bytes"].error("expected coalesce beside coalesce_bytes")
    if any(one.stream == values.get("dead_letter") for one in values["streams"]):
        raise given.places["dead_letter"].error("expected a stream that does not go upstream")
    return UplinkOptions(**values, budget=UplinkBudget(**budget))


def _streams(place: Place) -> tuple[UplinkStream, ...]:
    streams = tuple(_stream(item) for item in place.items("streams"))
    if not streams:
        raise place.error("expected at least one stream, got an empty array")
    no_duplicates(place, [stream.stream for stream in streams], "stream")
    return streams


def _stream(place: Place) -> UplinkStream:
    given = _STREAM.read(place)
    given.need("stream", "stream, the name of a local stream")
    if given.values.get("newest_first"):
        # Without the hub's word nobody knows what it has.
        given.need("hub_stream", "hub_stream beside order newest_first")
        given.need("domain", "domain beside order newest_first")
    return UplinkStream(**given.values)


def _subject_prefix(place: Place) -> str:
    prefix = convert.subject_prefix(place)
    if problem := _prefix_problem(prefix):
        raise place.error(problem)
    return prefix


def _prefix_problem(prefix: str) -> str:
    """Say why no stream at the hub takes what begins so, or return ""."""
    if not is_internal(prefix.encode()):
        return ""
    return f"a subject prefix must not start with {prefix.partition('.')[0]}: it is no stream's"


def _is_newest_first(place: Place) -> bool:
    return convert.one_of("oldest_first", "newest_first")(place) == "newest_first"


def _transforms(place: Place) -> tuple[tuple[str, str], ...]:
    items = list(place.items("transforms")) if isinstance(place.node.value, list) else [place]
    return tuple(_transform(item) for item in items)


def _transform(place: Place) -> tuple[str, str]:
    given = _TRANSFORM.read(place)
    given.need("src", "src, the subjects to transform")
    given.need("dest", "dest, what they become")
    source, destination = given.values["src"], given.values["dest"]
    try:
        transform = Transform(source.encode(), destination.encode())
    except TransformError as err:
        raise given.places["dest"].error(str(err)) from None
    if not transform.is_fixed:
        raise given.places["dest"].error("expected a transform that always gives the same subject")
    return source, destination


def _send_windows(place: Place) -> tuple[tuple[int, int], ...]:
    many = isinstance(place.node.value, list)
    return tuple(map(_span, place.items("times like 02:00-04:00") if many else [place]))


def _span(place: Place) -> tuple[int, int]:
    """`22:00-04:00`: minutes of the day. 24:00 is an end."""
    value = place.node.value
    match = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise place.expected('times of a day, like "02:00-04:00"')
    hour, minute, end_hour, end_minute = map(int, match.groups())
    first, end = hour * 60 + minute, end_hour * 60 + end_minute
    if end > _MINUTES_OF_DAY or first == end % _MINUTES_OF_DAY:
        raise place.expected("two different times of a day")
    return first, end % _MINUTES_OF_DAY


def _time_zone(place: Place) -> str:
    from zoneinfo import ZoneInfo  # only who names a zone pays for it

    name = convert.text(place)
    if name in {"UTC", "Local"}:
        return name
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        raise place.expected('a time zone, like "Europe/Berlin", UTC or Local') from None
    return name


def check_uplinks(options: Options, given: Given) -> None:
    """Raise ConfigError where other blocks do not fit the uplinks."""
    if not options.uplinks:
        return
    where = given.places["uplinks"]
    remotes = options.leafnodes.remotes if options.leafnodes else ()
    if options.jetstream is None:
        raise where.error("expected jetstream to be enabled: it holds the streams")
    if not remotes:
        raise where.error("expected leafnodes.remotes to name a hub to send to")
    if not options.server_name:
        raise where.error("expected server_name: it begins this edge's subjects at the hub")
    streams = (stream for uplink in options.uplinks for stream in uplink.streams)
    if not all(stream.subject_prefix for stream in streams):
        problem = _prefix_problem(f"{options.server_name}.")
        if problem:
            raise given.places["server_name"].error(f"{problem}: set subject_prefix")
    for uplink in options.uplinks:
        urls = [url for one in remotes if one.account == uplink.account for url in one.urls]
        if not urls:
            raise where.error(f"expected a remote of the account {quoted(uplink.account)}")
        hubs = [one for one in remotes if one.account == uplink.account and not one.disabled]
        if len(hubs) > 1 and not uplink.remote:
            problem = "expected remote, one of its URLs: the account"
            raise where.error(f"{problem} {quoted(uplink.account)} has several remotes")
        if uplink.remote and uplink.remote not in map(url_without_user, urls):
            known = ", ".join(map(url_without_user, urls))
            raise where.error(f"expected remote to be a URL of a remote: {known}")
    _check_ways(options, where)


def _check_ways(options: Options, where: Place) -> None:
    """Raise ConfigError where two uplinks bring the same stream to the same stream of one hub.

    A hub is a remote, by whichever of its URLs an uplink names it.
    """
    many = isinstance(where.node.value, list)
    items = list(where.items("uplink blocks")) if many else [where]
    remotes = options.leafnodes.remotes if options.leafnodes else ()
    seen: dict[tuple[object, ...], str] = {}
    for item, uplink in zip(items, options.uplinks, strict=True):
        led = (
            number
            for number, one in enumerate(remotes)
            if one.account == uplink.account
            and (not uplink.remote or uplink.remote in map(url_without_user, one.urls))
        )
        hub = next(led, None)
        for stream in uplink.streams:
            way = (hub, stream.stream, stream.domain, stream.hub_stream)
            other = seen.setdefault(way, uplink.name)
            if other != uplink.name:
                words = f"the stream {quoted(stream.stream)} goes to the same hub stream in"
                raise item.error(f"{words} the uplink {quoted(other)}")


def url_without_user(url: str) -> str:
    """Return a remote's URL as `remote` of an uplink names it."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


_STREAM_NAME: Final = convert.name_of("stream name")
_SIZE: Final = convert.number(1, _BYTES_MAX, "a size")


def _row(name: str, convert_: Any, field: str = "") -> Row:
    return Row((name,), field or name, convert_)


_TRANSFORM: Final = Block((_row("src", convert.subject), _row("dest", convert.text)))
_STREAM: Final = Block(
    (
        _row("stream", _STREAM_NAME),
        _row("hub_stream", _STREAM_NAME),
        _row("domain", convert.name_of("domain")),
        _row("subject_prefix", _subject_prefix),
        Row(
            ("window", "window_bytes"),
            "window_bytes",
            convert.number(1, _WINDOW_BYTES_MAX, "a size"),
        ),
        _row("window_msgs", convert.number(1, _WINDOW_MSGS_MAX, "a count")),
        _row("ack_timeout", convert.duration, "ack_timeout_ns"),
        _row("priority", convert.number(0, 9, "a priority")),
        _row("urgent", convert.boolean),
        _row("order", _is_newest_first, "newest_first"),
        _row("subject_transforms", _transforms),
    )
)
_UPLINK: Final = Block(
    (
        _row("streams", _streams),
        _row("account", convert.text),
        _row("name", convert.name_of("name")),
        _row("remote", convert.leaf_url),
        _row("dead_letter", _STREAM_NAME),
        _row("max_rate", _SIZE, "max_rate_bytes"),
        _row("monthly_cap", _SIZE, "monthly_cap_bytes"),
        _row("send_windows", _send_windows),
        _row("send_above", _SIZE, "send_above_bytes"),
        _row("coalesce", convert.duration, "coalesce_ns"),
        _row("coalesce_bytes", _SIZE),
        _row("time_zone", _time_zone),
        _row("ledger_tokens", convert.number(1, 8, "a count")),
    )
)
