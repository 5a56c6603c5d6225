"""Texts with places for the port, the device and the fields of a reading: subjects and headers.

Knows templates and one reading; not what is published. The first token of a subject is always the
configuration's own: a device that could choose it could publish to `$JS.` or to an inbox. Truth:
docs/serial/mapping.md, "Subjects".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.bridge.reading import BadReading
from leafnode.protocol import subject

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leafnode.bridge.reading import Reading

# Below 0x20 and DEL break terminals and control lines; a space is refused with them by subject
# rules.
_CONTROL: Final = re.compile(rb"[\x00-\x20\x7f]")
_CONTROL_TEXT: Final = re.compile(r"[\x00-\x1f\x7f]")
_UNFIT: Final = re.compile(r"[\x00-\x20\x7f.*>$]")
_PLACE: Final = re.compile(r"\{([^{}]*)\}")
_HEADER_VALUE_MAX: Final = 256  # characters that a field may bring into a header


class SubjectTemplate:
    """A port's `subject` with its places. The configuration was checked when it was read."""

    def __init__(self, template: str, port: str) -> None:
        first = template.replace("{port}", port).partition(".")[0]
        assert "{" not in first, "the first token is the configuration's"
        self._parts = _parts(template, port)
        self.by_field = "field" in (place for _, place in self._parts)

    def subject(
        self, reading: Reading, fields: Mapping[str, object] | None = None, field: str = ""
    ) -> bytes:
        """Return the subject of this reading. Raises BadReading for one that does not fit."""
        built = b"".join(
            [
                text if not place else self._fill(place, reading, fields, field)
                for text, place in self._parts
            ]
        )
        if not subject.is_valid_literal(built):
            raise BadReading("has a subject that cannot be published to")
        if built.count(b".") >= limits.MAX_SUBJECT_TOKENS:
            raise BadReading("has a subject of too many tokens")
        return built

    @staticmethod
    def _fill(
        place: str, reading: Reading, fields: Mapping[str, object] | None, field: str
    ) -> bytes:
        if place == "device":
            return check_device(reading.device)
        if place == "name":
            return check_name(reading.name)
        if place == "field":
            return _UNFIT.sub("_", field).encode() or b"_"
        value = (fields or {}).get(place)
        if isinstance(value, bool):
            return b"true" if value else b"false"
        if not isinstance(value, str | int):
            raise BadReading(f"has no {place} for its subject")
        word = str(value).encode("utf-8", "replace")
        if b"." in word:
            raise BadReading(f"has a {place} of more than one token")
        return _check_words(word, place)


class HeaderTemplate:
    """The value of a configured header. A field that is missing leaves its place empty."""

    def __init__(self, template: str, port: str) -> None:
        self._parts = _parts(template, port)

    def value(self, reading: Reading, fields: Mapping[str, object] | None) -> bytes:
        return b"".join(
            [
                text if not place else self._fill(place, reading, fields)
                for text, place in self._parts
            ]
        )

    @staticmethod
    def _fill(place: str, reading: Reading, fields: Mapping[str, object] | None) -> bytes:
        if place == "device":
            return check_device(reading.device)
        if place == "name":
            return check_name(reading.name)
        value = (fields or {}).get(place)
        text = "" if value is None else str(value)
        if len(text) > _HEADER_VALUE_MAX or _CONTROL_TEXT.search(text):
            raise BadReading(f"has a {place} that cannot stand in a header")
        return text.encode("utf-8", "replace")


def _parts(template: str, port: str) -> list[tuple[bytes, str]]:
    """Return the pieces of a template: a text, or the name of a place."""
    parts = _PLACE.split(template.replace("{port}", port))
    return [
        (b"", part) if index % 2 else (part.encode(), "")
        for index, part in enumerate(parts)
        if part
    ]


def check_device(device: bytes) -> bytes:
    """Return the device id if it is one plain token. Raises BadReading."""
    if b"." in device:
        raise BadReading("has a device id of more than one token")
    return _check_words(device, "device id")


def check_name(name: bytes) -> bytes:
    """Return the name if it is a plain subject. Raises BadReading."""
    return _check_words(name, "name")


def device_pattern(template: str, port: str, device: str) -> bytes:
    """Return a subject that all readings of this device, and few others, match.

    From a name on everything does: names have any number of tokens; other places have one.
    """
    tokens = []
    for token in template.replace("{port}", port).replace("{device}", device).split("."):
        if "{name}" in token:
            tokens.append(">")
            break
        tokens.append("*" if "{" in token else token)
    return ".".join(tokens).encode()


def _check_words(words: bytes, what: str) -> bytes:
    if not words:
        raise BadReading(f"has no {what}")
    if words.startswith(b"$") or _CONTROL.search(words):
        raise BadReading(f"has a {what} that starts with $ or holds a space or a control character")
    if not subject.is_valid_literal(words):
        raise BadReading(f"has a {what} with a wildcard or an empty token")
    try:
        words.decode()
    except UnicodeDecodeError as err:
        raise BadReading(f"has a {what} that is not UTF-8") from err
    return words
