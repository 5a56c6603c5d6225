"""Schedules: what the header of a scheduled message says (ADR-51).

Pure: header lines and time in, the next moment or a refusal out; and the header of what is sent
when the moment has come. Truth: measured on nats-server 2.15.1; server/scheduler.go.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from leafnode.clock import NS_PER_S
from leafnode.errors import JetStreamError
from leafnode.go_time import format_time, parse_duration, parse_time, zone_of
from leafnode.jetstream import cron
from leafnode.jetstream.errors import js_error
from leafnode.jetstream.ttl import parse_ttl
from leafnode.protocol import header
from leafnode.protocol.subject import collides, is_literal, is_valid

if TYPE_CHECKING:
    from datetime import tzinfo

    from leafnode.jetstream.api_types import StreamConfig

PURGE: Final = b"purge"
_NICKNAMES: Final = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}
# What the header of a schedule has and that of its message has not.
_OWN: Final = (b"Nats-Schedule", b"Nats-Expected-")
_OWN_NAMES: Final = {b"Nats-Msg-Id", b"Nats-TTL", b"Nats-Rollup"}


def next_ns(fields: dict[bytes, bytes], from_ns: int, now_ns: int) -> tuple[int, bool]:
    """Return when a schedule is due after `from_ns`, and whether it is again after that.

    What was missed is due once. Raises 10189, 10223.
    """
    zone = _zone(fields)
    pattern = fields[b"Nats-Schedule"].decode("utf-8", "replace")
    kind, _, rest = pattern.partition(" ")
    if kind in {"@at", "@every"} and zone is not None:
        raise js_error(10189)
    if kind == "@at":
        at_ns = parse_time(rest)
        if at_ns is None:
            raise js_error(10189)
        return at_ns, False
    if kind == "@every":
        every_ns = parse_duration(rest) or 0
        if every_ns < NS_PER_S:
            raise js_error(10189)
        due_ns = _whole(from_ns) + every_ns
        return (due_ns if due_ns >= now_ns else _whole(now_ns) + every_ns), True
    try:
        parsed = cron.parse(_NICKNAMES.get(pattern, pattern))
    except cron.CronError:
        raise js_error(10189) from None
    due_ns = _after(parsed, from_ns, zone)
    return (due_ns if due_ns >= now_ns else _after(parsed, now_ns, zone)), True


def check_zone(fields: dict[bytes, bytes], config: StreamConfig) -> None:
    """Raise for a time zone that is none, whether there is a schedule or not: 10188, 10223."""
    if b"Nats-Schedule-Time-Zone" not in fields:
        return
    try:
        _zone(fields)
    except JetStreamError:
        if not config.allow_msg_schedules:
            raise js_error(10188) from None
        raise


def check(subject: bytes, fields: dict[bytes, bytes], config: StreamConfig, now_ns: int) -> int:
    """Return when a new schedule is due. Raises what is wrong about it."""
    if not config.allow_msg_schedules:
        raise js_error(10188)
    due_ns, _ = next_ns(fields, now_ns, now_ns)
    ttl = fields.get(b"Nats-Schedule-TTL")
    if ttl and parse_ttl(ttl) is None:
        raise js_error(10191)
    if fields.get(b"Nats-Schedule-Rollup", b"sub") not in {b"", b"sub"}:
        raise js_error(10192)
    if ttl and not config.allow_msg_ttl:
        raise js_error(10166)
    target = fields.get(b"Nats-Schedule-Target", b"")
    source = fields.get(b"Nats-Schedule-Source", b"")
    if target == subject or not _is_subject(target):
        raise js_error(10190)
    if source and (source in {target, subject} or not _is_subject(source)):
        raise js_error(10203)
    if not _is_within(target, config):
        raise js_error(10190)
    if source and not _is_within(source, config):
        raise js_error(10203)
    if fields.get(b"Nats-Rollup", b"sub").lower() not in {b"", b"sub"}:
        raise js_error(10192)
    return due_ns


def check_end(subject: bytes, fields: dict[bytes, bytes], config: StreamConfig) -> bytes:
    """Return the subject of the schedule that a message ends, or nothing. Raises 10212, 10188."""
    following = fields.get(b"Nats-Schedule-Next")
    scheduler = fields.get(b"Nats-Scheduler", b"")
    if not following:
        if scheduler:
            raise js_error(10212)
        return b""
    if following != PURGE or scheduler == subject or not _is_subject(scheduler):
        raise js_error(10212)
    if not config.allow_msg_schedules:
        raise js_error(10188)
    return scheduler


def fired_block(block: bytes, subject: bytes, schedule: dict[bytes, bytes], due: bytes) -> bytes:
    """Return the header of the message that a schedule on `subject` sends.

    `block` is that of the schedule, or of its source; `due` is the next time, or `purge`.
    """
    lines = [
        (name, value)
        for name, value in (header.parse(block) if block else ())
        if not name.startswith(_OWN) and name not in _OWN_NAMES
    ]
    lines += [(b"Nats-Scheduler", subject), (b"Nats-Schedule-Next", due)]
    for name, own in (
        (b"Nats-TTL", b"Nats-Schedule-TTL"),
        (b"Nats-Rollup", b"Nats-Schedule-Rollup"),
    ):
        if schedule.get(own):
            lines.append((name, schedule[own]))
    return header.join(lines)


def told(fields: dict[bytes, bytes]) -> int | None:
    """Return when the next message comes, as one that was sent says; None for any other."""
    following = fields.get(b"Nats-Schedule-Next", PURGE)
    return None if following == PURGE else parse_time(following.decode("latin-1"))


def shown(due_ns: int) -> bytes:
    """Return a moment as the header says it."""
    return format_time(due_ns).encode()


def _is_subject(subject: bytes) -> bool:
    return is_valid(subject) and is_literal(subject)


def _is_within(subject: bytes, config: StreamConfig) -> bool:
    return any(collides(one.encode(), subject) for one in config.subjects)


def _zone(fields: dict[bytes, bytes]) -> tzinfo | None:
    name = fields.get(b"Nats-Schedule-Time-Zone")
    if name is None:
        return None
    try:
        if not name:
            raise js_error(10223)
        return zone_of(name.decode("ascii"))
    except (KeyError, ValueError, OSError, ImportError):
        raise js_error(10223) from None


def _whole(ns: int) -> int:
    """Return the nearest whole second."""
    return (ns + NS_PER_S // 2) // NS_PER_S * NS_PER_S


def _after(pattern: cron.Cron, ns: int, zone: tzinfo | None) -> int:
    moment = datetime.fromtimestamp(ns // NS_PER_S, UTC).astimezone(zone or UTC)
    found = pattern.next_after(moment)
    if found is None:
        raise js_error(10189)
    return int(found.timestamp()) * NS_PER_S
