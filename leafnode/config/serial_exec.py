"""`codec { type: exec }`: which function of whose file, and what it may use.

Knows names and files; runs nothing. A file that everybody may write is refused: what stands in it
runs with the rights of the service. Truth: docs/serial/exec.md.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.config import convert
from leafnode.config.place import Row
from leafnode.sha256 import sha256

if TYPE_CHECKING:
    from leafnode.config.place import Given, Place

_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]{0,63}"
_MODULE: Final = re.compile(rf"{_NAME}(?:\.{_NAME}){{0,15}}:{_NAME}", re.ASCII)
_FILE: Final = re.compile(rf"(.+\.py):({_NAME})", re.ASCII)
_FILE_BYTES_MAX: Final = limits.MIB
_MEMORY_MIN: Final = 32 * limits.MIB  # an interpreter that has loaded json takes half of it
_TIMEOUT_MIN_NS: Final = 10 * NS_PER_MS
_TIMEOUT_MAX_NS: Final = 60 * NS_PER_S
_CPU_MIN_S: Final = 10


def complete(given: Given) -> None:
    """Find the file that is meant, and note what is in it."""
    given.need("function", 'function, like "convert.py:decode" or "module:decode"')
    place = given.places["function"]
    text = given.values["function"]
    match = _FILE.fullmatch(text)
    if match is None:
        if not _MODULE.fullmatch(text):
            raise place.expected('a function, like "convert.py:decode" or "module:decode"')
        return
    path = (Path(place.node.file).parent / match[1]).absolute()
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise place.error(f"{path} is no file")
        with path.open("rb") as file:
            data = file.read(_FILE_BYTES_MAX + 1)
    except OSError as err:
        raise place.error(f"{path}: {err.strerror or err}") from err
    if mode & stat.S_IWOTH:
        raise place.error(f"{path} may be written by everybody: chmod o-w")
    if mode & stat.S_IWGRP:
        place.warn(f"{path} may be written by its group, and runs as the server's user")
    if len(data) > _FILE_BYTES_MAX:
        raise place.error(f"{path} has more than {_FILE_BYTES_MAX} bytes")
    given.values["function"] = f"{path}:{match[2]}"
    given.values["digest"] = sha256(data).hex()


def _timeout(place: Place) -> int:
    timeout_ns = convert.duration(place)
    if not _TIMEOUT_MIN_NS <= timeout_ns <= _TIMEOUT_MAX_NS:
        raise place.expected("10ms to 60s")
    return timeout_ns


def _cpu(place: Place) -> int:
    cpu_s = convert.duration(place) // NS_PER_S
    if not _CPU_MIN_S <= cpu_s <= 86_400:
        raise place.expected("10s to 24h of CPU time")
    return cpu_s


ROWS: Final = (
    Row(("function",), "function", convert.text),
    Row(("timeout",), "timeout_ns", _timeout),
    Row(("memory",), "memory_bytes", convert.number(_MEMORY_MIN, 64 * 1024 * limits.MIB, "a size")),
    Row(("cpu",), "cpu_s", _cpu),
)
