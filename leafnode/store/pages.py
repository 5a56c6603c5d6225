"""SQLite's own check of pages, as far as a start can wait for it.

A damaged page may hold fewer rows than it should and look right to whoever reads it. For sealed
segments their index tells; for the open ones, and for what describes streams, only this. Knows
tables; not streams' rules. Truth: docs/store.md, "Open and close".
"""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.errors import StoreCorrupt
from leafnode.store import schema
from leafnode.store.owners import blame_owners
from leafnode.store.writes import table

if TYPE_CHECKING:
    from leafnode.store.recover import Recovered

log = logging.getLogger(__name__)

# Not segment_index: large, and a row that lacks there is noticed when it is asked for.
DESCRIPTIONS: Final = ("stream", "segment", "subject", "consumer")
STRAY_TABLES: Final = (
    "SELECT name FROM sqlite_schema WHERE type='table' AND name GLOB 'm[0-9]*_[0-9]*' "
    "AND name NOT IN (SELECT 'm' || stream || '_' || no FROM segment)"
)


def problems(conn: sqlite3.Connection, name: str, most: int = 100) -> list[str]:
    """Return what SQLite finds wrong with the pages and the index of one table, a line each.

    Raises sqlite3.Error for a reason that is no damage.
    """
    try:
        found = conn.execute(f"PRAGMA integrity_check({name})").fetchmany(most)
    except sqlite3.Error as err:
        if not schema.is_damage(err):
            raise
        return [str(err)]
    return [line for (text,) in found for line in lines(text)]


def lines(text: str) -> list[str]:
    """Return the findings in a row of a check's answer."""
    return [line for line in text.splitlines() if line != "ok" and not line.startswith("***")]


def check_at_start(conn: sqlite3.Connection, streams: list[Recovered]) -> None:
    """Set aside streams that lack something; of open segments, as many as a start can wait for.

    Raises StoreCorrupt when what describes streams lacks something and nobody knows whose.
    """
    budget = limits.STORE_START_CHECK_BYTES
    for stream in streams:
        segments = stream.index.segments
        if stream.damage is not None or not segments or segments[-1].sealed:
            continue
        budget -= segments[-1].body_bytes
        if budget < 0:  # the scrub comes to the others
            break
        found = problems(conn, table(stream.id, segments[-1].no), most=1)
        if found:
            where = f"stream {stream.name} of {stream.account}: segment {segments[-1].no}"
            stream.damage = StoreCorrupt(f"{where}: {found[0]}")
    findings = [
        f"table {name} is damaged: {found[0]}"
        for name in DESCRIPTIONS
        if (found := problems(conn, name, most=1))
    ]
    strays = _strays(conn)
    if not findings and not strays and all(stream.damage is None for stream in streams):
        return
    # What was found may be one stream's, and be lacking to another.
    blame_owners(conn, streams)
    ids = {str(stream.id) for stream in streams}
    for name in strays:
        if name[1:].partition("_")[0] not in ids:
            log.error("Messages are kept that belong to no stream: table=%s", name)
    if findings and all(stream.damage is None for stream in streams):
        raise StoreCorrupt(findings[0])


def _strays(conn: sqlite3.Connection) -> list[str]:
    """Return the tables of messages that no segment names: a COMMIT has both or neither."""
    try:
        return [name for (name,) in conn.execute(STRAY_TABLES)]
    except sqlite3.Error as err:
        if not schema.is_damage(err):
            raise
        return []  # what describes segments is damaged, which was found already
