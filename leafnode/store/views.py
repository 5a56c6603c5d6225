"""The views that SQL may ask: `streams`, `consumers`, `messages`, over the tables of a store.

Messages lie in one table for each segment and what is removed is marked beside them, so `messages`
is a union that leaves out the dead. Only the columns that a statement reads are computed: SQLite
3.40 computes all of them for an aggregate, which took 7.6 s instead of 0.15 s for a million rows.
Knows the tables; not who asks. Truth: docs/store.md, "The command".
"""

from __future__ import annotations

import base64
import json
import zlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from leafnode.errors import StoreCorrupt
from leafnode.protocol import header
from leafnode.store.recover import check_row
from leafnode.store.rows import is_intact
from leafnode.store.segments import Segment, open_checked

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterator

SCHEMA: Final = "store"  # what the file is attached as
UNION_MAX: Final = 400  # SQLite takes 500 terms

SELECT_SEGMENTS: Final = (
    "SELECT t.account, t.name, t.id, t.first_seq, s.no, s.first_seq, s.dead, "  # noqa: S608
    "t.last_seq, t.last_ts, t.floor_crc, "
    "s.sealed, s.last_seq, s.rows, s.body_bytes, s.bytes, s.first_ts, s.last_ts, s.crc "
    f"FROM {SCHEMA}.segment s JOIN {SCHEMA}.stream t ON t.id = s.stream "
    "WHERE coalesce(instr(t.name, '..'), 0)=0 "  # without deleted ones, see api.is_deleted
    "ORDER BY t.account, t.name, s.no"
)
_PAYLOAD: Final = "coalesce(substr(body, hl + 1), x'')"  # of an empty blob substr gives NULL
# column of `messages`: how it is computed of a segment's row
MESSAGES: Final = {
    "account": "{account}",
    "stream": "{name}",
    "seq": "seq",
    "time": "strftime('%Y-%m-%dT%H:%M:%S', ts / 1000000000, 'unixepoch') "
    "|| printf('.%09dZ', ts % 1000000000)",
    "time_ns": "ts",
    "subject": f"(SELECT CAST(name AS TEXT) FROM {SCHEMA}.subject "  # noqa: S608
    "WHERE stream={id} AND sid=m.sid)",
    "size": "length(body)",
    "headers": "CASE WHEN hl THEN leafnode_headers(substr(body, 1, hl)) END",
    "payload": _PAYLOAD,
    "payload_text": f"leafnode_text({_PAYLOAD})",
    "payload_json": f"leafnode_json({_PAYLOAD})",
    "payload_base64": f"leafnode_base64({_PAYLOAD})",
}
# What is told of no more than that a message is there is not worth reading all of it.
_UNCHECKED: Final = frozenset({"account", "stream", "seq"})
_INTACT: Final = (
    f"leafnode_is_intact({{account}}, {{name}}, (SELECT name FROM {SCHEMA}.subject "  # noqa: S608
    "WHERE stream={id} AND sid=m.sid), seq, sid, ts, hl, crc, body)"
)
DAMAGED_TOLD_MAX: Final = 64  # messages that fail their checksum


class Part(NamedTuple):
    """One segment of the union."""

    account: str
    name: str
    stream_id: int
    floor: int
    no: int
    first_seq: int
    dead: bytes | None


def functions() -> dict[str, Callable[[bytes], str | None]]:
    """Return the SQL functions that the view needs, by name."""
    return {
        "leafnode_headers": headers_json,
        "leafnode_text": text_of,
        "leafnode_json": json_of,
        "leafnode_base64": base64_of,
    }


def headers_of(block: bytes) -> dict[str, list[str]]:
    """Return the headers of a block: every name with its values in order."""
    found: dict[str, list[str]] = {}
    for name, value in header.parse(block):
        key = name.decode("utf-8", "backslashreplace")
        found.setdefault(key, []).append(value.decode("utf-8", "backslashreplace"))
    return found


def headers_json(block: bytes) -> str:
    """Return the headers as a JSON object: a value, or a list where a name has several."""
    found = headers_of(block)
    return json.dumps({name: vs[0] if len(vs) == 1 else vs for name, vs in found.items()})


def text_of(payload: bytes) -> str | None:
    """Return a payload that is UTF-8, else None."""
    try:
        return bytes(payload).decode()
    except UnicodeDecodeError:
        return None


def json_of(payload: bytes) -> str | None:
    """Return a payload that is JSON, without space between its parts; else None."""
    import msgspec

    text = text_of(payload)
    try:
        if text is None:
            return None
        msgspec.json.decode(text)
        return msgspec.json.format(text, indent=-1)
    except (msgspec.DecodeError, RecursionError):
        return None


def base64_of(payload: bytes) -> str:
    return base64.b64encode(payload).decode()


def parts(conn: sqlite3.Connection, stream: str | None = None) -> list[Part]:
    """Return the segments of an attached store, or of the streams of that name in it, in the order
    of `messages`.

    Raises StoreCorrupt where it is not known what of a segment was removed.
    """
    found = []
    for account, name, stream_id, floor, no, first_seq, dead, *more in conn.execute(
        SELECT_SEGMENTS
    ):
        if stream not in {None, name}:
            continue
        last_seq, last_ts, floor_crc, sealed, *numbers, crc = more
        try:
            check_row("its position", (stream_id, floor, last_seq, last_ts), floor_crc)
            segment = (stream_id, no, first_seq, sealed, *numbers)
            check_row(f"the description of segment {no}", segment, crc)
        except StoreCorrupt as err:
            raise StoreCorrupt(f"stream {name} of {account}: {err}") from err
        found.append(Part(account, name, stream_id, floor, no, first_seq, dead))
    return found


def dead_tester(found: Collection[Part]) -> Callable[[int, int, int], bool]:
    """Return the SQL function leafnode_is_dead(stream, segment, sequence). Raises StoreCorrupt."""
    segments: dict[tuple[int, int], Segment] = {}
    for part in found:
        if part.dead is not None:
            segment = segments[part.stream_id, part.no] = Segment(part.no, part.first_seq)
            segment.dead = bytearray(open_checked(part.dead))

    def is_dead(stream_id: int, no: int, seq: int) -> bool:
        return segments[stream_id, no].is_dead(seq)

    return is_dead


class Damaged:
    """The SQL function leafnode_is_intact(account, stream, subject, row …), and what it has left
    out: what fails its checksum is never served.
    """

    def __init__(self) -> None:
        self.found: dict[tuple[str, str, int], None] = {}  # account, stream, sequence
        self.more = False  # there are others than these

    def is_intact(self, account: str, stream: str, subject: object, *row: Any) -> bool:
        if isinstance(subject, bytes) and is_intact(row, zlib.crc32(subject)):
            return True
        if len(self.found) < DAMAGED_TOLD_MAX:
            self.found[account, stream, row[0]] = None
        else:
            self.more = True
        return False


def statements(found: list[Part], columns: Collection[str]) -> Iterator[str]:
    """Yield the statements that make the view; of the columns not named it has NULL."""
    if not found:
        found = [Part("", "", 0, 0, 0, 0, None)]
    unions = []
    for number, start in enumerate(range(0, len(found), UNION_MAX)):
        arms = [_arm(part, columns) for part in found[start : start + UNION_MAX]]
        name = f"messages_{number}"
        unions.append(f"SELECT * FROM temp.{name}")  # noqa: S608 -- a number
        yield f"CREATE TEMP VIEW {name} AS " + " UNION ALL ".join(arms)
    yield "CREATE TEMP VIEW messages AS " + " UNION ALL ".join(unions)


def _arm(part: Part, columns: Collection[str]) -> str:
    words = {"account": _literal(part.account), "name": _literal(part.name), "id": part.stream_id}
    selected = ", ".join(
        f"{expression.format(**words) if name in columns else 'NULL'} AS {name}"
        for name, expression in MESSAGES.items()
    )
    if not part.no:
        return f"SELECT {selected} FROM (SELECT 0 AS seq, 0 AS ts, x'' AS body, 0 AS hl, 0 AS sid) m WHERE 0"  # noqa: E501, S608
    conditions = []
    if part.first_seq < part.floor:
        conditions.append(f"seq >= {part.floor:d}")
    if part.dead is not None:
        conditions.append(f"NOT leafnode_is_dead({part.stream_id:d}, {part.no:d}, seq)")
    if not _UNCHECKED.issuperset(columns):
        conditions.append(_INTACT.format(**words))
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    table = f"{SCHEMA}.m{part.stream_id:d}_{part.no:d}"
    return f"SELECT {selected} FROM {table} m{where}"  # noqa: S608


def _literal(text: object) -> str:
    """Return SQL for any text, NUL and quotes included; damage may have left something else."""
    text = text if isinstance(text, str) else repr(text)
    return f"CAST(x'{text.encode('utf-8', 'surrogateescape').hex()}' AS TEXT)"
