"""The commands that only read: ls, info, query, export. They never disturb a running server.

Truth: docs/store.md, "The command".
"""

from __future__ import annotations

import contextlib
import sys
from bisect import bisect_left
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from leafnode.cli import shown
from leafnode.cli.amounts import COUNT_OR_NONE, Time
from leafnode.cli.store import ask, describe, export, options, output
from leafnode.cli.store.place import find
from leafnode.errors import StoreCorrupt, StoreError
from leafnode.protocol.subject import is_valid
from leafnode.store.api import SEQ_MAX
from leafnode.store.inspect import Inspection
from leafnode.store.views import DAMAGED_TOLD_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leafnode.store.api import StoredMsg
    from leafnode.store.inspect import Seen

_NUMBERS: Final = ("messages", "bytes", "subjects", "first", "last", "removed", "consumers")


@click.command()
@options.place
@options.as_json
def ls(store: str | None, config: str | None, *, json_: bool) -> None:
    """List the streams."""
    with Inspection(find(store, config)) as inspection:
        found = [describe.stream_row(seen) for seen in inspection.streams()]
    if json_:
        shown.say(shown.as_json(found))
        return
    rows = [
        (
            *(row["account"], row["stream"], row["messages"], shown.size(row["bytes"])),
            *(row["subjects"], row["first_seq"], row["last_seq"], row["removed"]),
            *(row["consumers"], row["last_time"] or "-", row["damage"] or ""),
        )
        for row in found
    ]
    heads = ("account", "stream", *_NUMBERS, "last stored", "damage")
    shown.say(shown.table(heads, rows, _NUMBERS))


@click.command()
@options.place
@options.account
@options.as_json
@click.option(
    "--subjects",
    default=10,
    show_default=True,
    type=COUNT_OR_NONE,
    help="How many subjects to list.",
)
@click.argument("stream", required=False)
def info(
    store: str | None,
    config: str | None,
    account: str | None,
    *,
    json_: bool,
    subjects: int,
    stream: str | None,
) -> None:
    """Tell about the file, or about one STREAM with its consumers and subjects."""
    with Inspection(find(store, config)) as inspection:
        if stream is None:
            found = describe.file_info(inspection)
        else:
            seen = options.picked(inspection, stream, account)
            found = describe.stream_info(seen, subjects)
    shown.say(shown.as_json(found) if json_ else describe.as_text(found))


@click.command(
    epilog="""\b
Examples:
  leafnode store query -s DIR "SELECT subject, count(*) FROM messages GROUP BY 1"
  leafnode store query -s DIR "SELECT time, payload_json->>'$.temp' FROM messages
    WHERE stream = 'SENSORS' AND subject LIKE 'sensors.hall.%' ORDER BY seq DESC LIMIT 10"
  leafnode store query -s DIR --json "SELECT * FROM consumers WHERE ack_pending > 0"

\b
Views:
  streams    account, stream, messages, bytes, subjects, first_seq, last_seq, removed, consumers,
             first_time, last_time, created, config (JSON), damage
  consumers  account, stream, consumer, delivered_seq, ack_floor_seq, ack_pending, redelivered,
             created, config (JSON)
  messages   account, stream, seq, time, time_ns, subject, size, headers (JSON), payload (bytes),
             payload_text (NULL unless UTF-8), payload_json (NULL unless JSON), payload_base64"""
)
@options.place
@click.option("--stream", metavar="NAME", help="Only messages of streams of this name.")
@click.option(
    "--limit",
    default=10_000,
    show_default=True,
    type=COUNT_OR_NONE,
    help="Rows to print at most.",
)
@click.option(
    *("--timeout", "timeout_s"),
    metavar="TIME",
    default="10m",
    show_default=True,
    type=Time(or_0=True),
    help="Stop a statement that takes longer; 0: never.",
)
@options.as_json
@click.option("--csv", "csv_", is_flag=True, help="Print CSV.")
@click.argument("sql")
def query(  # noqa: PLR0913 -- one parameter for each option
    store: str | None,
    config: str | None,
    stream: str | None,
    limit: int,
    timeout_s: float,
    *,
    json_: bool,
    csv_: bool,
    sql: str,
) -> int:
    """Answer one SQL statement that reads."""
    path = find(store, config)
    found = ask.ask(path, sql, stream=stream, limit=limit, timeout_s=timeout_s)
    if json_:
        rows = [map(shown.json_cell, row) for row in found.rows]
        shown.say(shown.as_json([dict(zip(found.heads, row, strict=True)) for row in rows]))
    elif csv_:
        export.write_table(sys.stdout, found.heads, found.rows)
    else:
        shown.say(shown.table(found.heads, found.rows, found.numbers()))
    if found.has_more:
        shown.say(f"only the first {limit} rows are shown: see --limit", error=True)
    damaged = found.damaged
    return _tell(
        [f"stream {stream}: message {seq}" for _, stream, seq in damaged.found], more=damaged.more
    )


@click.command(
    name="export",
    epilog="""\b
Examples:
  leafnode store export -s DIR SENSORS --format csv -o sensors.csv
  leafnode store export -s DIR SENSORS --subject 'sensors.hall.>' --since 2026-11-01 | jq .payload

\b
CSV and JSON lines say in `encoding` what the payload is: json, text or base64. Text cells that a
spreadsheet would take for a formula are written behind a ' unless --keep-formulas is given.""",
)
@options.place
@options.account
@click.option(
    *("-t", "--format", "format_"),
    type=click.Choice(["csv", "jsonl", "parquet"]),
    help="Default: by the ending of the output (.csv, .jsonl, .parquet); jsonl without one.",
)
@click.option("-o", "--output", "target", metavar="FILE", help="Default: standard output.")
@click.option("--subject", metavar="PATTERN", multiple=True, help="Only these, with * and >.")
@click.option("--first", metavar="SEQ", default=1, help="The first sequence.")
@click.option(
    "--last", metavar="SEQ", default=SEQ_MAX, help="The last sequence.", show_default=False
)
@click.option("--since", metavar="TIME", callback=options.moment, help="Stored then or later.")
@click.option("--until", metavar="TIME", callback=options.moment, help="Stored before.")
@click.option(
    "--payload",
    type=click.Choice(["auto", "json", "text", "base64"]),
    default="auto",
    show_default=True,
    help="How payloads are written, where they can be.",
)
@click.option("--keep-formulas", is_flag=True, help="Write CSV cells as they are.")
@options.force("Replace the output.")
@click.argument("stream")
def export_(  # noqa: PLR0913, PLR0917 -- one parameter for each option
    store: str | None,
    config: str | None,
    account: str | None,
    format_: str | None,
    target: str | None,
    subject: tuple[str, ...],
    first: int,
    last: int,
    since: int | None,
    until: int | None,
    payload: str,
    stream: str,
    *,
    keep_formulas: bool,
    force: bool,
) -> int:
    """Write the messages of STREAM as CSV, JSON lines or Parquet."""
    problems: list[str] = []

    def damaged(problem: StoreCorrupt) -> None:
        if len(problems) >= DAMAGED_TOLD_MAX:  # each costs a look at all of the file
            raise problem
        problems.append(str(problem))

    patterns = [pattern.encode() for pattern in subject]
    for pattern in patterns:
        if not is_valid(pattern):
            raise StoreError(f"--subject {pattern.decode()}: is no subject")
    path = Path(target) if target is not None else None
    format_ = format_ or output.format_of(path)
    with Inspection(find(store, config)) as inspection, contextlib.ExitStack() as stack:
        seen = options.picked(inspection, stream, account)
        first = max(first, _first_since(seen, since))
        writer = stack.enter_context(
            output.opened(path, format_, payload, guard=not keep_formulas, force=force)
        )
        state = seen.state
        step = stack.enter_context(shown.progress("exporting", max(1, state.last_seq - first + 1)))
        done = first - 1
        for messages in inspection.messages(seen, patterns, first, last, damaged=damaged):
            wanted = list(_between(messages, since, until))
            writer.write(stream, wanted)
            step(max(1, state.last_seq - first + 1), messages[-1].seq - done)
            done = messages[-1].seq
            if until is not None and messages[-1].ts_ns >= until:
                break
        writer.close()
    return _tell([f"stream {stream}: {problem}" for problem in problems])


def _tell(damaged: list[str], *, more: bool = False) -> int:
    """Say on standard error what was left out; return the status."""
    for one in damaged:
        shown.say(shown.printable(f"left out, it is damaged: {one}"), error=True)
    if more:
        shown.say("and more: see leafnode store verify", error=True)
    return 1 if damaged else 0


def _first_since(seen: Seen, since: int | None) -> int:
    """Return where to begin to look for messages of that time: the start of a segment."""
    if since is None:
        return 1
    segments = seen.stream.index.segments
    index = bisect_left(segments, since, key=lambda segment: segment.last_ts_ns)
    return segments[index].first_seq if index < len(segments) else seen.state.last_seq + 1


def _between(
    messages: list[StoredMsg], since: int | None, until: int | None
) -> Iterator[StoredMsg]:
    for message in messages:
        if (since is None or message.ts_ns >= since) and (until is None or message.ts_ns < until):
            yield message


COMMANDS: Final = (ls, info, query, export_)
