"""Streams, consumers and the file in words and numbers: rows of `ls`, `info` and of the views.

Knows what records mean, a consumer's position included; prints nothing. What JetStream keeps as a
consumer that none can have the name of (it begins with a dot) is not shown.
Truth: docs/store.md, "The command".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from leafnode.cli import shown
from leafnode.errors import StoreCorrupt
from leafnode.go_time import format_time
from leafnode.jetstream import consumer_state
from leafnode.store.wal import log_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leafnode.store.api import ConsumerRecord
    from leafnode.store.inspect import Inspection, Seen

STREAM_COLUMNS: Final[dict[str, Any]] = {
    "account": str,
    "stream": str,
    "messages": int,
    "bytes": int,
    "subjects": int,
    "first_seq": int,
    "last_seq": int,
    "removed": int,
    "consumers": int,
    "first_time": str,
    "last_time": str,
    "created": str,
    "config": str,
    "damage": str,
}
CONSUMER_COLUMNS: Final[dict[str, Any]] = {
    "account": str,
    "stream": str,
    "consumer": str,
    "delivered_seq": int,
    "ack_floor_seq": int,
    "ack_pending": int,
    "redelivered": int,
    "created": str,
    "config": str,
}


def stream_row(seen: Seen) -> dict[str, Any]:
    """Return one row of the view `streams`."""
    stream, state = seen.stream, seen.state
    return {
        "account": stream.account,
        "stream": stream.name,
        "messages": state.msgs,
        "bytes": state.bytes,
        "subjects": state.num_subjects,
        "first_seq": state.first_seq,
        "last_seq": state.last_seq,
        "removed": state.num_deleted,
        "consumers": sum(1 for _ in _consumers(seen)),
        "first_time": _time(state.first_ts_ns),
        "last_time": _time(state.last_ts_ns),
        "created": _time(stream.created_ns),
        "config": stream.config.decode("utf-8", "replace"),
        "damage": str(stream.damage) if stream.damage is not None else None,
    }


def consumer_rows(seen: Seen) -> Iterator[dict[str, Any]]:
    """Yield the stream's rows of the view `consumers`."""
    for record in _consumers(seen):
        row: dict[str, Any] = {
            "account": seen.stream.account,
            "stream": seen.stream.name,
            "consumer": record.name,
            **dict.fromkeys(("delivered_seq", "ack_floor_seq", "ack_pending", "redelivered")),
            "created": _time(record.created_ns),
            "config": record.config.decode("utf-8", "replace"),
        }
        try:
            state = consumer_state.decode(record.state)
        except StoreCorrupt:  # its numbers are unknown, and `verify` says why
            yield row
            continue
        row["delivered_seq"] = state.delivered.stream_seq
        row["ack_floor_seq"] = state.floor.stream_seq
        row["ack_pending"] = len(state.entries)
        row["redelivered"] = sum(count > 1 for count in state.counts.values())
        yield row


def stream_info(seen: Seen, subjects_max: int) -> dict[str, Any]:
    """Return all about one stream."""
    index = seen.stream.index
    found = sorted(index.subjects.matching([]), key=lambda one: (-one.msgs, one.name))
    consumers = [_without(row, "account", "stream") for row in consumer_rows(seen)]
    for row in consumers:
        row["config"] = _parsed(row["config"])
    return {
        **_without(stream_row(seen), "consumers", "damage"),
        "config": _parsed(seen.stream.config.decode("utf-8", "replace")),
        "segments": len(index.segments),
        "dead_rows": sum(segment.dead_count for segment in index.segments),
        "most_frequent_subjects": {
            one.name.decode("utf-8", "backslashreplace"): one.msgs
            for one in found[: max(0, subjects_max)]
        },
        "consumers": consumers,
    }


def file_info(inspection: Inspection) -> dict[str, Any]:
    """Return all about the file."""
    path = inspection.path
    wal = log_path(path)
    with inspection.view():
        (pages,), (free,), (page_size,) = (
            inspection.conn.execute(f"PRAGMA {name}").fetchone()
            for name in ("page_count", "freelist_count", "page_size")
        )
        (version,) = inspection.conn.execute(
            "SELECT v FROM meta WHERE k='schema_version'"
        ).fetchone()
    rows = [stream_row(seen) for seen in inspection.streams()]
    return {
        "file": str(path),
        "schema_version": version,
        "file_bytes": pages * page_size,
        "free_bytes": free * page_size,
        "wal_bytes": wal.stat().st_size if wal.exists() else 0,
        "streams": len(rows),
        "consumers": sum(row["consumers"] for row in rows),
        "messages": sum(row["messages"] for row in rows),
        "message_bytes": sum(row["bytes"] for row in rows),
        "damaged_streams": [row["stream"] for row in rows if row["damage"]],
    }


def as_text(found: dict[str, Any]) -> str:
    """Return an info as lines for people."""
    lines = []
    for name, value in found.items():
        head = shown.bold(name.replace("_", " "))
        if name == "consumers" and isinstance(value, list):
            lines.append(f"{head}: {len(value)}")
            heads = ("consumer", "delivered_seq", "ack_floor_seq", "ack_pending", "redelivered")
            if value:
                rows = [[row[column] for column in heads] for row in value]
                lines.append(_indented(shown.table(heads, rows, heads[1:])))
        elif name == "most_frequent_subjects":
            lines.append(f"{head}:")
            lines.append(
                _indented(shown.table(("subject", "messages"), list(value.items()), ["messages"]))
            )
        elif isinstance(value, dict):
            lines.append(f"{head}: {json.dumps(value)}")
        elif isinstance(value, list):
            lines.append(f"{head}: {', '.join(map(shown.printable, value)) or '-'}")
        elif name.endswith("bytes"):
            lines.append(f"{head}: {value} ({shown.size(value)})")
        else:
            lines.append(f"{head}: {shown.printable(value) or '-'}")
    return "\n".join(lines)


def _consumers(seen: Seen) -> Iterator[ConsumerRecord]:
    for name, record in sorted(seen.stream.consumers.items()):
        if not name.startswith("."):
            yield record


def _time(ts_ns: int) -> str | None:
    return format_time(ts_ns) if ts_ns else None


def _parsed(text: str) -> Any:
    """Return what a configuration says, or its text where that is damaged."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
