"""One reading's messages: subject, header block and payload.

Knows templates and payloads; not filters, windows and the queue. Truth: docs/serial/mapping.md.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from leafnode.bridge.mapping.template import HeaderTemplate, SubjectTemplate
from leafnode.bridge.publication import Publication
from leafnode.bridge.reading import BadReading
from leafnode.clock import NS_PER_MS
from leafnode.go_time import format_time
from leafnode.protocol import header

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from leafnode.bridge.reading import Reading, Receipt
    from leafnode.config.serial_options import SerialPort

MSG_ID: Final = b"Nats-Msg-Id"
PORT: Final = b"Leafnode-Port"
TIME: Final = b"Leafnode-Time"
UNITS: Final = b"Leafnode-Units"


class Field(NamedTuple):
    """A field that has a message of its own. `through`: see Publication."""

    subject: bytes
    name: str
    value: object
    through: bytes = b""


class Messages:
    """Builds the messages of one port. `units`: by the name that is published. `max_payload`
    returns the bytes of a message that are allowed now: a reload may change them.
    """

    def __init__(
        self, options: SerialPort, units: Mapping[str, str], *, max_payload: Callable[[], int]
    ) -> None:
        mapping = options.mapping
        self.template = SubjectTemplate(options.subject, options.name)
        self._max_payload = max_payload
        self._port = options.name.encode()
        self._units = units
        self._time = mapping.timestamp
        self._headers = [
            (name.encode(), HeaderTemplate(value, options.name)) for name, value in mapping.headers
        ]
        self._all_units = _units(units)

    def whole(
        self,
        subject: bytes,
        reading: Reading,
        payload: bytes | dict[str, object],
        raw: Mapping[str, object] | None,
        wall_ns: int,
        *,
        has_id: bool = True,
        through: bytes = b"",
    ) -> Publication:
        """Return the message of a whole reading. `raw`: the fields that templates may name.

        Its id is the reading's: all before it are stored. Without, that others follow is told.
        """
        wall_ns = _measured_ns(reading, wall_ns)
        units = self._all_units
        if isinstance(payload, dict):
            units = self._units_of(payload)
            if self._time == "field":
                payload = {**payload, "time": format_time(wall_ns)}
            payload = _encoded(payload)
        extra = [(UNITS, units)] if units else []
        msg_id = reading.msg_id if has_id else reading.msg_id + b".gathered"
        behind = self._behind(reading, raw, wall_ns)
        pairs = [(MSG_ID, msg_id), (PORT, self._port), *extra, *behind]
        return self._telling(self._message(subject, pairs, payload), through)

    def _units_of(self, fields: Mapping[str, object]) -> bytes:
        """Return the units of the fields that are there: of those of another slave none."""
        if self._units.keys() <= fields.keys():
            return self._all_units
        # A field that was gathered by several functions has the function's name behind its own.
        names = fields.keys() | {name.rpartition("_")[0] for name in fields}
        return _units({name: unit for name, unit in self._units.items() if name in names})

    def by_field(
        self, reading: Reading, fields: list[Field], raw: Mapping[str, object], wall_ns: int
    ) -> list[Publication]:
        """Return the message of each field. Its id is the reading's with the field behind it."""
        if not fields:
            return []
        wall_ns = _measured_ns(reading, wall_ns)
        time = {"time": format_time(wall_ns)} if self._time == "field" else {}
        behind = self._behind(reading, raw, wall_ns)  # of all: 16 headers may have to be filled
        made = []
        for subject, name, value, through in fields:
            payload: dict[str, object] = {"value": value}
            if name in self._units:
                payload["unit"] = self._units[name]
            # An id is a header's value: what a device calls a field may hold anything. Two of a
            # reading have two ids.
            suffix = name.encode("unicode_escape").replace(b" ", b"\\x20")
            pairs = [(MSG_ID, reading.msg_id + b"." + suffix), (PORT, self._port), *behind]
            message = self._message(subject, pairs, _encoded(payload | time))
            made.append(self._telling(message, through))
        return made

    def _telling(self, made: Publication, through: bytes) -> Publication:
        """Return the message with what is told with it, unless it is too large for that."""
        telling = made._replace(through=through)
        return telling if len(telling.told()[1]) <= self._max_payload() else made

    def _behind(
        self, reading: Reading, raw: Mapping[str, object] | None, wall_ns: int
    ) -> list[tuple[bytes, bytes]]:
        """Return the headers that are the reading's, whatever message it has."""
        # A board that says when it measured is worth a header that nobody asked for.
        is_told = reading.time_ms is not None and self._time != "field"
        time = format_time(wall_ns).encode() if self._time == "header" or is_told else b""
        filled = [(name, template.value(reading, raw)) for name, template in self._headers]
        return [(TIME, time), *filled] if time else filled

    def _message(
        self, subject: bytes, pairs: list[tuple[bytes, bytes]], payload: bytes
    ) -> Publication:
        block = header.build(pairs)
        body = block + payload
        if len(body) > self._max_payload():
            raise BadReading("is larger than max_payload")
        return Publication(subject, len(block), body, None)


def _units(units: Mapping[str, str]) -> bytes:
    # ASCII: a client's header parser may not take another byte as it is (nats-py's does not).
    return json.dumps(units, separators=(",", ":")).encode() if units else b""


def _measured_ns(reading: Reading, wall_ns: int) -> int:
    """Return when it was measured, as the board says, or else when it was read."""
    return wall_ns if reading.time_ms is None else reading.time_ms * NS_PER_MS


def with_receipt(messages: list[Publication], receipt: Receipt | None) -> list[Publication]:
    """Return the messages of a reading; the last one carries its receipt."""
    if messages and receipt is not None:
        if len(messages) > 1:
            messages = [message._replace(is_kept=True) for message in messages]
        messages[-1] = messages[-1]._replace(receipt=receipt, is_kept=True)
    return messages


def _encoded(fields: Mapping[str, object]) -> bytes:
    try:
        return msgspec.json.encode(fields)
    except ValueError as err:  # a lone surrogate
        raise BadReading("has a value that cannot stand in JSON") from err
