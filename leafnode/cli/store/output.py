"""Where an export goes: a new file that appears when it is complete, or standard output.

Knows files; not formats' insides. Truth: docs/store.md, "The command".
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Final

from leafnode.cli import shown
from leafnode.cli.running import hold_off_interrupts
from leafnode.cli.store.export import CsvWriter, JsonlWriter, ParquetWriter, Writer
from leafnode.durable import sync_directory
from leafnode.errors import StoreError
from leafnode.store.copy import sync_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

_FORMATS: Final = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
PARTIAL: Final = ".partial"


def format_of(path: Path | None) -> str:
    """Return the format that a name asks for. Raises StoreError for an ending that none has."""
    if path is None or not path.suffix:
        return "jsonl"
    known = _FORMATS.get(path.suffix.lower())
    if known is None:
        raise StoreError(f"{path}: which format? Give --format csv, jsonl or parquet")
    return known


@contextlib.contextmanager
def opened(
    path: Path | None, format_: str, encoding: str, *, guard: bool, force: bool
) -> Iterator[Writer]:
    """Open the output; a file has its name, and is on disk, once all went well. A device or a pipe
    is written to as it is.

    Raises StoreError and OSError.
    """
    if path is None:
        if format_ == "parquet":
            raise StoreError("Parquet needs a file: give --output")
        yield _text_writer(sys.stdout, format_, encoding, guard=guard)
        return
    if _is_special(path) and format_ != "parquet":
        with path.open("w", encoding="utf-8", newline="") as file:
            yield _text_writer(file, format_, encoding, guard=guard)
        return
    with new_file(path, force=force) as partial:
        if format_ == "parquet":
            yield ParquetWriter(partial)
        else:
            with partial.open("x", encoding="utf-8", newline="") as file:
                yield _text_writer(file, format_, encoding, guard=guard)


@contextlib.contextmanager
def new_file(path: Path, *, force: bool) -> Iterator[Path]:
    """Give the name of a file to write; it gets its own name once all went well.

    Raises StoreError where something has that name and `force` is not given, or it is no file's.
    """
    if path.is_dir():
        raise StoreError(f"{path}: is a directory")
    if _is_special(path):
        raise StoreError(f"{path}: is no file")
    if not force and os.path.lexists(path):
        raise StoreError(f"{path}: exists; --force replaces it")
    partial = path.with_name(path.name + PARTIAL)
    partial.unlink(missing_ok=True)
    try:
        yield partial
        sync_file(partial)
        hold_off_interrupts()
        partial.replace(path)
        sync_directory(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def _is_special(path: Path) -> bool:
    """Say whether it is a device, a pipe or a socket, which nothing may replace."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _text_writer(file: IO[str], format_: str, encoding: str, *, guard: bool) -> Writer:
    if format_ == "csv":
        plain = shown.printable if file.isatty() else str
        return CsvWriter(file, encoding, guard=guard, plain=plain)
    return JsonlWriter(file, encoding)
