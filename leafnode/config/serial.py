"""The `serial` block: tables of its keys, and the rules among the values of a port.

Knows ports and what they are read with; not what an option does. Truth: docs/serial.md.
"""

from __future__ import annotations

from typing import Final

from leafnode import limits
from leafnode.config import convert
from leafnode.config.place import Block, Place, Row, no_duplicates
from leafnode.config.serial_options import SerialOptions, SerialPort

_BAUD_MAX: Final = 12_000_000  # the fastest USB adapters


def serial(place: Place) -> SerialOptions:
    given = _SERIAL.read(place)
    given.need("ports", "ports, an array of serial ports")
    return SerialOptions(**given.values)


def _serial_ports(place: Place) -> tuple[SerialPort, ...]:
    ports = tuple(_serial_port(item) for item in place.items("ports"))
    if not ports:
        raise place.error("expected at least one port, got an empty array")
    no_duplicates(place, [port.device for port in ports], "device")
    no_duplicates(place, [port.name for port in ports], "name")
    return ports


def _serial_port(place: Place) -> SerialPort:
    given = _SERIAL_PORT.read(place)
    given.need("device", "device, like /dev/serial/by-id/…")
    given.need("name", "name, one token that subjects and status may use")
    given.need("subject", "subject, where readings are published")
    port = SerialPort(**given.values)
    if problem := convert.template_problem(port.subject, port.name, framing=port.framing):
        raise given.places["subject"].error(problem)
    if port.codec == "csv":
        given.need("fields", "fields, the names of the columns, beside codec csv")
    elif port.fields:
        raise given.places["fields"].error("expected codec csv beside fields")
    if port.keep_first and port.framing != "line":
        raise given.places["keep_first"].error("expected framing line beside keep_first")
    return port


def _fields(place: Place) -> tuple[str, ...]:
    fields = convert.list_of(convert.text, "column names")(place)
    if isinstance(place.node.value, list):
        no_duplicates(place, list(fields), "field")
    return fields


_SERIAL_PORT: Final = Block(
    (
        Row(("device",), "device", convert.text),
        Row(("name",), "name", convert.name_of("port name")),
        Row(("subject",), "subject", convert.text),
        Row(("baud",), "baud", convert.number(1, _BAUD_MAX, "a baud rate")),
        Row(("framing",), "framing", convert.one_of("line", "link")),
        Row(("codec",), "codec", convert.one_of("text", "json", "csv")),
        Row(("fields",), "fields", _fields),
        Row(
            ("max_frame", "max_frame_bytes"),
            "max_frame_bytes",
            convert.number(1, limits.MIB, "a size"),
        ),
        Row(("stream",), "stream", convert.name_of("stream name")),
        Row(("keep_first",), "keep_first", convert.boolean),
    )
)
_SERIAL: Final = Block(
    (
        Row(("ports",), "ports", _serial_ports),
        Row(("account",), "account", convert.text),
    )
)
