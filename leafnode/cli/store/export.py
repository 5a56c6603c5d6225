"""Messages as files: CSV, JSON lines, Parquet. One line or row is one message.

Knows formats; not where messages come from. Everything but Parquet is ASCII where it can be, and
has no control characters but line ends. Truth: docs/store.md, "The command".
"""

from __future__ import annotations

import csv
import json
import re
from typing import IO, TYPE_CHECKING, Any, Final, Protocol

from leafnode.cli.shown import printable
from leafnode.errors import StoreError
from leafnode.go_time import format_time
from leafnode.store.views import base64_of, headers_of, json_of, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from leafnode.store.api import StoredMsg

FIELDS: Final = ("stream", "seq", "time", "subject", "headers", "encoding", "payload")
ROW_GROUP: Final = 16384  # rows of a Parquet file that are in memory at once
# A spreadsheet takes what begins so for a formula, and a formula can start programs.
_FORMULA: Final = re.compile(r"\s*[=+\-@\t\r]")
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_NOT_ASCII: Final = re.compile(r"[^\x00-\x7e]")


class Writer(Protocol):
    """Takes messages in order; `close` writes what is left."""

    def write(self, stream: str, messages: Sequence[StoredMsg]) -> None: ...

    def close(self) -> None: ...


def encoded(payload: bytes, encoding: str) -> tuple[str, str]:
    """Return how a payload is written and the text of it.

    `encoding`: json, text or base64 where the payload is that; `auto`: the first that it is.
    """
    if encoding in {"auto", "json"}:
        text = json_of(payload)
        if text is not None:
            return "json", text
    if encoding != "base64":
        text = text_of(payload)
        if text is not None:
            return "text", text
    return "base64", base64_of(payload)


class CsvWriter:
    """One line for each message; a payload is text, `encoding` says of what."""

    def __init__(
        self, file: IO[str], encoding: str, *, guard: bool, plain: Callable[[str], str] = str
    ) -> None:
        self._csv = csv.writer(file)
        self._encoding = "text" if encoding == "auto" else encoding
        self._guard = guard
        self._plain = plain  # what is done to a cell on a terminal
        self._csv.writerow(FIELDS)

    def write(self, stream: str, messages: Sequence[StoredMsg]) -> None:
        for message in messages:
            found = headers_of(message.header)
            encoding, payload = encoded(message.payload, self._encoding)
            cells = (
                *(stream, str(message.seq), format_time(message.ts_ns), _text(message.subject)),
                *(json.dumps(found) if found else "", encoding, payload),
            )
            self._csv.writerow([self._cell(cell) for cell in cells])

    def close(self) -> None:
        pass

    def _cell(self, text: str) -> str:
        return self._plain(_guarded(text) if self._guard else text)


class JsonlWriter:
    """One JSON object for each message; a payload that is JSON stands in it as such."""

    def __init__(self, file: IO[str], encoding: str) -> None:
        self._file = file
        self._encoding = encoding

    def write(self, stream: str, messages: Sequence[StoredMsg]) -> None:
        lines = []
        for message in messages:
            encoding, payload = encoded(message.payload, self._encoding)
            values: dict[str, Any] = {
                "stream": stream,
                "seq": message.seq,
                "time": format_time(message.ts_ns),
                "subject": _text(message.subject),
                "headers": headers_of(message.header),
                "encoding": encoding,
            }
            # As it is: a number with more digits than a float has keeps them.
            raw = _ascii(payload) if encoding == "json" else json.dumps(payload)
            lines.append(f'{json.dumps(values)[:-1]}, "payload": {raw}}}\n')
        self._file.write("".join(lines))

    def close(self) -> None:
        pass


class ParquetWriter:
    """Columns with types: the payload as bytes, the time with nanoseconds, headers as JSON."""

    def __init__(self, path: Path) -> None:
        pyarrow, parquet = _pyarrow()
        self._pa = pyarrow
        self._schema = pyarrow.schema(
            [
                ("stream", pyarrow.string()),
                ("seq", pyarrow.int64()),
                ("time", pyarrow.timestamp("ns", tz="UTC")),
                ("subject", pyarrow.string()),
                ("headers", pyarrow.string()),
                ("payload", pyarrow.binary()),
            ]
        )
        self._file = parquet.ParquetWriter(str(path), self._schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []

    def write(self, stream: str, messages: Sequence[StoredMsg]) -> None:
        for message in messages:
            found = headers_of(message.header)
            self._rows.append(
                {
                    "stream": stream,
                    "seq": message.seq,
                    "time": message.ts_ns,
                    "subject": _text(message.subject),
                    "headers": json.dumps(found) if found else None,
                    "payload": message.payload,
                }
            )
        if len(self._rows) >= ROW_GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._file.close()

    def _flush(self) -> None:
        if self._rows:
            self._file.write_table(self._pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows = []


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as err:
        raise StoreError(
            "Parquet needs pyarrow, which is not installed: pip install pyarrow"
        ) from err
    return pyarrow, pyarrow.parquet


def _text(subject: bytes) -> str:
    return subject.decode("utf-8", "backslashreplace")


def _ascii(text: str) -> str:
    """Return the same JSON in ASCII: what is not stands in strings only."""
    if text.isascii() and "\x7f" not in text:
        return text
    return _NOT_ASCII.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return "\\u007f" if found[0] == "\x7f" else json.dumps(found[0])[1:-1]


def write_table(file: IO[str], heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write any rows as CSV, guarded as messages are, control characters too but on a terminal."""
    plain = printable if file.isatty() else str
    writer = csv.writer(file)
    writer.writerow(heads)
    writer.writerows([plain(_guarded(_cell(value))) for value in row] for row in rows)


def _cell(value: object) -> str:
    if isinstance(value, bytes):
        text = text_of(value)
        return base64_of(value) if text is None else text
    return "" if value is None else str(value)


def _guarded(text: str) -> str:
    if _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        return "'" + text
    return text
