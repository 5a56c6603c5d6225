"""What powercut.py and failing.py share: libraries put before the C library, and a last look."""

from __future__ import annotations

import sqlite3
import subprocess
from pathlib import Path


def built(source: str, directory: Path) -> Path:
    """Compile a C file beside this one into a library below `directory`."""
    path = Path(__file__).with_name(source)
    library = directory / path.with_suffix(".so").name
    command = ["gcc", "-O2", "-shared", "-fPIC", "-o", library, path, "-ldl", "-lpthread"]
    subprocess.run(command, check=True)
    return library


def integrity_problems(database: Path) -> list[str]:
    """Return what SQLite finds wrong about a file: one line, or nothing."""
    connection = sqlite3.connect(database)
    whole = connection.execute("PRAGMA integrity_check").fetchone()[0]
    connection.close()
    return [] if whole == "ok" else [f"integrity: {whole}"]
