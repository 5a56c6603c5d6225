"""The `serial` block: tables of its keys, and the rules among the values of a port.

Knows ports and what they are read with; not what an option does. Truth: docs/serial.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from leafnode.config import (
    convert,
    serial_codec,
    serial_commands,
    serial_line,
    serial_mapping,
    serial_modbus,
)
from leafnode.config.place import Block, Given, Place, Row, no_duplicates
from leafnode.config.serial_check import check, with_framing
from leafnode.config.serial_codec import codec, fields
from leafnode.config.serial_framing import KEEP_FIRST_TYPES, MAX_FRAME, framing, is_marked
from leafnode.config.serial_mapping import mapping
from leafnode.config.serial_messages import boards, check_boards, check_messages, messages
from leafnode.config.serial_options import SerialOptions, SerialPort
from leafnode.config.serial_presets import with_preset
from leafnode.config.serial_stage_options import CheckOptions, CodecOptions, FramingOptions


def serial(place: Place) -> SerialOptions:
    given = _SERIAL.read(place)
    given.need("ports", "ports, an array of serial ports")
    return SerialOptions(**given.values)


def _control(place: Place) -> str:
    if place.node.value is False:  # which the language makes of a bare off
        return "off"
    return convert.one_of("local", "all", "off")(place)


def _serial_ports(place: Place) -> tuple[SerialPort, ...]:
    ports = tuple(_serial_port(item) for item in place.items("ports"))
    if not ports:
        raise place.error("expected at least one port, got an empty array")
    no_duplicates(place, [port.device for port in ports], "device")
    no_duplicates(place, [port.name for port in ports], "name")
    return ports


def _serial_port(place: Place) -> SerialPort:
    given = _SERIAL_PORT.read(with_preset(place))
    given.need("device", "device, like by-id:… or usb:VID:PID (see `leafnode ports`)")
    given.need("name", "name, one token that subjects and status may use")
    given.need("subject", "subject, where readings are published")
    if "modbus" in given.values:
        serial_modbus.fold(given)
    else:
        _fold_framing(given)
        _fold_codec(given)
    port = SerialPort(**given.values)
    serial_line.check(given, port)
    serial_mapping.check(port, given)
    check_messages(given, port)
    serial_commands.check(given, port)
    serial_modbus.check(port, given)
    check_boards(given, port)
    return port


def _fold_codec(given: Given) -> None:
    """Put the names that stand beside the codec into it."""
    values = given.values
    options: CodecOptions = values.pop("codec", CodecOptions())
    names: tuple[str, ...] = values.pop("fields", ())
    if names:
        options = serial_codec.with_fields(options, names, given.places["fields"])
    serial_codec.check(options, given.places.get("codec") or given.place)
    values["codec"] = options


def _fold_framing(given: Given) -> None:
    """Put what a port may say of its framing into the framing, and the check into its frames."""
    values = given.values
    framing: FramingOptions = values.pop("framing", FramingOptions())
    for key in ("keep_first", "max_frame_bytes"):
        if key in values:
            framing = _with(framing, given.places[key], key, values.pop(key))
    check: CheckOptions = values.pop("check", CheckOptions())
    if framing.type in convert.BOARD_FRAMINGS and check.type != "none":
        raise given.places["check"].error(f"framing {framing.type} has a check of its own")
    if not is_marked(framing) and check.type == "none":
        problem = "expected start, end or a check: nothing else says where a frame begins"
        raise given.places["framing"].error(problem)
    values["framing"] = framing
    values["check"] = with_framing(check, framing, given.places.get("check") or given.place)


def _with(framing: FramingOptions, place: Place, key: str, value: Any) -> FramingOptions:
    """Return the framing with an option that stands beside it."""
    if key == "keep_first" and framing.type not in KEEP_FIRST_TYPES:
        raise place.error(f"framing {framing.type} has no {place.name}")
    if getattr(framing, key) != getattr(FramingOptions(), key):
        raise place.error(f"expected {place.name} only once: it also stands in framing")
    return replace(framing, **{key: value})


_SERIAL_PORT: Final = Block(
    (
        *serial_line.ROWS,
        Row(("name",), "name", convert.name_of("port name")),
        Row(("subject",), "subject", convert.text),
        Row(("framing",), "framing", framing),
        Row(("check",), "check", check),
        Row(("codec",), "codec", codec),
        Row(("fields",), "fields", fields),
        Row(("mapping",), "mapping", mapping),
        Row(("max_frame", "max_frame_bytes"), "max_frame_bytes", MAX_FRAME),
        Row(("stream",), "stream", convert.name_of("stream name")),
        Row(("messages",), "messages", messages),
        Row(("modbus",), "modbus", serial_modbus.modbus),
        Row(("commands",), "commands", serial_commands.commands),
        Row(("boards",), "boards", boards),
        Row(("keep_first",), "keep_first", convert.boolean),
    )
)
_SERIAL: Final = Block(
    (
        Row(("ports",), "ports", _serial_ports),
        Row(("account",), "account", convert.text),
        Row(("control",), "control", _control),
    )
)
