"""JSON as Go's decoder sees it: each member as often as it is there, numbers as they are written.

What is no UTF-8 or half of a surrogate pair is left in a string for `mended`. Pure; knows no
fields, and json_syntax words what is no JSON. Truth: measured on nats-server 2.15.1 (Go 1.27).
"""

from __future__ import annotations

import gc
import json
import re
from typing import TYPE_CHECKING, Any, Final

from leafnode.jetstream.json_syntax import JsonSyntaxError, end_of_value, first_error
from leafnode.limits import JSON_VALUES_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_LONE: Final = re.compile("[\ud800-\udfff]")
_SIGNS: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{}]', re.DOTALL)
_DEPTH: Final = 64  # containers in each other; what lies deeper is no field of anything


class NotJson(ValueError):  # noqa: N818 -- the text is what Go calls an error
    """What is wrong with a text, in Go's words."""


class Number(str):
    """A number as it is written: 1e400 fits nothing that Python has."""

    __slots__ = ()


class Members(list[tuple[str, Any]]):
    """An object: its members in order."""

    __slots__ = ()


def _constant(name: str) -> float:
    raise ValueError(name)  # NaN and its like are no JSON


# Of a text and where a value begins in it: the value, and where it ends.
_scan: Final[Callable[[str, int], tuple[Any, int]]] = json.JSONDecoder(
    object_pairs_hook=Members, parse_int=Number, parse_float=Number, parse_constant=_constant
).scan_once  # type: ignore[attr-defined]


def each(data: bytes) -> Iterator[tuple[Any, int]]:
    """Yield one value after another, and where in `data` it begins.

    Raises NotJson where no value begins or one does not end; nothing at all is no value.
    """
    text = data.decode("utf-8", "surrogateescape")
    at = start = _skip(text, 0)  # bytes as well as characters
    while at < len(text):
        value, end = _value(data, text, at, start)
        yield value, start
        end = _skip(text, end)
        start += end - at if len(text) == len(data) else len(_bytes(text[at:end]))
        at = end


def has_more_commas(data: bytes, most: int) -> bool:
    """Say whether more than so many separate members and elements: how long it takes to read it.

    Also of what has more strings than these can be: then it is not looked at where each one ends.
    """
    if data.count(b",") <= most:
        return False
    plain = data.replace(rb"\\", b"").replace(rb"\"", b"")  # what is escaped ends no string
    if plain.count(b'"') > 4 * most + 2 * JSON_VALUES_MAX:
        return True
    return sum([part.count(b",") for part in plain.split(b'"')[::2]]) > most


def only(data: bytes) -> tuple[Any, int]:
    """Return the one value of `data`, and where it begins. Raises NotJson."""
    text = data.decode("utf-8", "surrogateescape")
    at = _skip(text, 0)  # bytes as well as characters
    try:
        value, end = _value(data, text, at, at)
    except NotJson:
        raise NotJson(first_error(data, strict=False)) from None
    if _skip(text, end) < len(text):
        raise NotJson(first_error(data, strict=False))
    return value, at


def mended(text: str) -> str:
    """Return a string as Go has it: with U+FFFD for each byte or half that is no character."""
    return text if text.isascii() else _LONE.sub("\ufffd", text)


def _value(data: bytes, text: str, at: int, start: int) -> tuple[Any, int]:
    """Return the value at `at` and where in `text` it ends; in `data` it begins at `start`."""
    # Hundreds of thousands of values that all stay: to look for garbage among them again and again
    # takes longer than to read them.
    collects = gc.isenabled()
    gc.disable()
    try:
        return _scan(text, at)
    except RecursionError:
        return _deep(data, at, start)
    except (StopIteration, ValueError):
        raise NotJson(first_error(data, start, strict=True)) from None
    finally:
        if collects:
            gc.enable()


def _deep(data: bytes, at: int, start: int) -> tuple[Any, int]:
    """Return a value with nothing in what lies deep in it."""
    try:
        end = end_of_value(data, start)
    except JsonSyntaxError as error:
        raise NotJson(error.describe(strict=True)) from None
    written = data[start:end]
    value, _ = _scan(_cut(written).decode("utf-8", "surrogateescape"), 0)
    return value, at + len(written.decode("utf-8", "surrogateescape"))


def _cut(data: bytes) -> bytes:
    pieces, depth, kept = [], 0, 0
    for found in _SIGNS.finditer(data):
        sign = found[0]
        if sign in (b"[", b"{"):
            depth += 1
            if depth == _DEPTH:
                pieces.append(data[kept : found.end()])
        elif sign in (b"]", b"}"):
            if depth == _DEPTH:
                kept = found.start()
            depth -= 1
    return b"".join((*pieces, data[kept:]))


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
