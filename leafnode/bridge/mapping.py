"""Which subject and headers a reading gets: the configured words first, the board's after them.

Knows templates and readings; not who takes the message. Truth: docs/serial.md, "Subjects".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.bridge.reading import BadReading
from leafnode.config.convert import template_problem
from leafnode.protocol import header, subject

if TYPE_CHECKING:
    from leafnode.bridge.reading import Reading

MSG_ID: Final = b"Nats-Msg-Id"
PORT: Final = b"Leafnode-Port"

# Below 0x20 and DEL break terminals and control lines; a space is refused with them by subject
# rules.
_CONTROL: Final = re.compile(rb"[\x00-\x20\x7f]")


class SubjectTemplate:
    """A port's `subject` with its places. The configuration was checked when it was read."""

    def __init__(self, template: str, port: str, *, framing: str) -> None:
        problem = template_problem(template, port, framing=framing)
        assert not problem, problem
        self._port = port.encode()
        self._parts = re.split(r"(\{device\}|\{name\})", template.replace("{port}", port))

    def subject(self, reading: Reading) -> bytes:
        """Return the subject of this reading. Raises BadReading for one that does not fit."""
        built = b"".join(self._fill(part, reading) for part in self._parts)
        if not subject.is_valid_literal(built):
            raise BadReading("has a subject that cannot be published to")
        if built.count(b".") >= limits.MAX_SUBJECT_TOKENS:
            raise BadReading("has a subject of too many tokens")
        return built

    def headers(self, reading: Reading) -> bytes:
        """Return the header block: the id that makes a repeat harmless, and the port."""
        return header.build([(MSG_ID, reading.msg_id), (PORT, self._port)])

    @staticmethod
    def _fill(part: str, reading: Reading) -> bytes:
        if part == "{device}":
            return check_device(reading.device)
        if part == "{name}":
            return check_name(reading.name)
        return part.encode()


def check_device(device: bytes) -> bytes:
    """Return the device id if it is one plain token. Raises BadReading."""
    if b"." in device:
        raise BadReading("has a device id of more than one token")
    return _check_words(device, "device id")


def check_name(name: bytes) -> bytes:
    """Return the name if it is a plain subject. Raises BadReading."""
    return _check_words(name, "name")


def device_pattern(template: str, port: str, device: str) -> bytes | None:
    """Return a subject that all readings of this device, and few others, match.

    None where the name is not the last token: names have any number of tokens.
    """
    filled = template.replace("{port}", port).replace("{device}", device)
    if filled.endswith(".{name}"):
        filled = filled.removesuffix("{name}") + ">"
    return None if "{" in filled else filled.encode()


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
