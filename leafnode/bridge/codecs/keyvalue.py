"""Pairs such as `T=21.5 H=40` or `V<TAB>12800<CRLF>`: each key with its value.

Knows one payload and its separators. Truth: docs/serial/codecs.md, "Pairs".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from leafnode.bridge.codecs.text import decode_text
from leafnode.bridge.codecs.typed import typed
from leafnode.bridge.reading import BadReading
from leafnode.config import serial_bounds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leafnode.bridge.codecs import Fields

_ASSIGN: Final = re.compile(r"[=:]")


class KeyValueCodec:
    """Decodes pairs. Without a `separator` blanks, commas and semicolons part them, and without an
    `assign` the first = or : ends a key.
    """

    def __init__(self, separator: str, assign: str) -> None:
        self._separator = separator
        self._assign = re.compile(re.escape(assign)) if assign else _ASSIGN

    def __call__(self, payload: bytes) -> Fields:
        text = decode_text(payload)
        fields: Fields = {}
        for pair in self._pairs(text):
            key, value = self._parted(pair)
            if key in fields:
                raise BadReading("has a key twice")
            if len(fields) == serial_bounds.READING_FIELDS_MAX:
                raise BadReading(f"has more than {serial_bounds.READING_FIELDS_MAX} keys")
            fields[key] = typed(value)
        if not fields:
            raise BadReading("has no pair of key and value")
        return fields

    def _pairs(self, text: str) -> Iterator[str]:
        if self._separator:
            yield from filter(str.strip, text.split(self._separator))
            return
        # `T: 21.5` is one pair, though a blank parts it.
        pending = ""
        for word in text.replace(",", " ").replace(";", " ").split():
            if pending and not self._assign.search(word):
                yield pending + word
                pending = ""
                continue
            if pending:
                yield pending
            pending = word if word[-1] in "=:" else ""
            if not pending:
                yield word
        if pending:
            yield pending

    def _parted(self, pair: str) -> tuple[str, str]:
        found = self._assign.search(pair)
        if found is None:
            raise BadReading("has a word that is no pair of key and value")
        key = pair[: found.start()].strip()
        if not 0 < len(key) <= serial_bounds.FIELD_NAME_CHARS_MAX:
            raise BadReading("has a key that is empty or too long")
        return key, pair[found.end() :]
