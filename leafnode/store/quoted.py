"""What SQLite says of a damaged schema quotes the file, whose bytes need not be text.

Python's sqlite3 then raises UnicodeDecodeError in place of the error itself. It can happen where
the schema is read: at the first statement of a connection. Knows nothing of the store.
Truth: https://www.sqlite.org/pragma.html#pragma_integrity_check; tests/unit/store/test_quoted.py
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def readable_errors() -> Iterator[None]:
    """Raise sqlite3.DatabaseError, SQLITE_CORRUPT, for an error whose text cannot be read."""
    try:
        yield
    except UnicodeDecodeError as err:
        text = bytes(err.object).decode(errors="backslashreplace")
        damage = sqlite3.DatabaseError(text)
        damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise damage from err
