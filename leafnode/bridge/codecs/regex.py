"""The named groups of a regular expression become fields.

Knows one payload and a pattern that the configuration found harmless: what it may cost was bounded
before. Truth: docs/serial/codecs.md, "Patterns".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from leafnode.bridge.codecs.text import decode_text
from leafnode.bridge.codecs.typed import typed
from leafnode.bridge.reading import BadReading

if TYPE_CHECKING:
    from leafnode.bridge.codecs import Fields


class RegexCodec:
    """Decodes readings that the pattern matches whole; the others are bad."""

    def __init__(self, pattern: str, max_input: int) -> None:
        self._pattern = re.compile(pattern, re.ASCII)
        self._max_input = max_input

    def __call__(self, payload: bytes) -> Fields:
        text = decode_text(payload)
        if len(text) > self._max_input:
            raise BadReading(f"has more than the {self._max_input} characters of max_input")
        match = self._pattern.fullmatch(text)
        if match is None:
            raise BadReading("does not match the pattern")
        return {
            name: None if value is None else typed(value)
            for name, value in match.groupdict().items()
        }
