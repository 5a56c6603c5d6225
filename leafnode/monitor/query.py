"""The query part of a request: numbers, booleans, and what Go says to bad ones.

Pure. Truth: nats-server 2.15.1 server/monitor.go decodeBool and its kin, the texts measured.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_plus

from leafnode.go_json import quoted

_TRUE: Final = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "false", "FALSE", "False"})
_INT_MAX: Final = 2**63 - 1
_UINT_MAX: Final = 2**64 - 1
_FIELDS_MAX: Final = 32
_DIGITS_MAX: Final = 20


_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


class BadQuery(ValueError):  # noqa: N818 -- what the answer says, as nats-server words it
    """A value that cannot be read; the text is the answer."""


class Query:
    """The fields of one request. A field that is absent or empty has its default."""

    def __init__(self, text: str) -> None:
        """Raises BadQuery for more fields than any endpoint has."""
        pairs = text.split("&") if text else []
        if len(pairs) > _FIELDS_MAX:
            raise BadQuery("too many query fields")
        self._fields: dict[str, str] = {}
        for pair in pairs:
            # Like Go, pass over what is not encoded well; the first of a name counts.
            if ";" not in pair and not _BAD_ESCAPE.search(pair):
                name, _, value = pair.partition("=")
                self._fields.setdefault(_decoded(name), _decoded(value))

    def text(self, name: str) -> str:
        return shown(self.raw(name))

    def raw(self, name: str) -> str:
        """Return the text, for `go_json.quoted`: bytes that are no UTF-8 are surrogates in it."""
        return self._fields.get(name, "")

    def flag(self, name: str) -> bool:
        value = self.raw(name)
        if value in _TRUE:
            return True
        if not value or value in _FALSE:
            return False
        raise BadQuery(
            f"Error decoding boolean for '{name}': strconv.ParseBool: parsing {quoted(value)}: "
            "invalid syntax"
        )

    def number(self, name: str) -> int:
        """Return a number with sign, 0 when it is absent."""
        value = self.raw(name)
        digits = value[1:] if value[:1] in {"+", "-"} else value
        where = f"Error decoding int for '{name}': strconv.Atoi"
        return (
            -_number(digits, value, where, _INT_MAX)
            if value[:1] == "-"
            else _number(digits, value, where, _INT_MAX)
        )

    def unsigned(self, name: str) -> int:
        value = self.raw(name)
        where = f"Error decoding uint64 for '{name}': strconv.ParseUint"
        return _number(value, value, where, _UINT_MAX)


def shown(text: str) -> str:
    """Return raw text without what is no UTF-8 in it."""
    return text.encode(errors="surrogateescape").decode(errors="replace")


def _decoded(text: str) -> str:
    return unquote_plus(text, errors="surrogateescape")


def _number(digits: str, value: str, where: str, most: int) -> int:
    if not value:
        return 0
    if not (digits.isascii() and digits.isdigit()):
        raise BadQuery(f"{where}: parsing {quoted(value)}: invalid syntax")
    if len(digits) > _DIGITS_MAX or int(digits) > most:
        raise BadQuery(f"{where}: parsing {quoted(value)}: value out of range")
    return int(digits)
