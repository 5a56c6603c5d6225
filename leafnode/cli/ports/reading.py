"""What the bytes of a device mean, by a port's entry: for who looks on at a device that is free.

The entry is the configuration's own language, or a port of a configuration. It only listens: what
must be answered or asked is not for it. Knows framing, codec and fields; nothing is published.
Truth: docs/serial/tools.md, "port monitor".
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Final

from leafnode.bridge.codecs import new_codec
from leafnode.bridge.framing import new_framing
from leafnode.bridge.mapping.fields import FieldMap
from leafnode.bridge.reading import BadReading, Reading
from leafnode.cli.ports.errors import PortError
from leafnode.errors import ConfigError

if TYPE_CHECKING:
    from leafnode.config.serial_options import SerialPort

# They are no listeners: the one asks, the others answer.
_NOT_HEARD: Final = {"link": "device link", "text_link": "text dialect", "modbus": "Modbus master"}


def of_entry(text: str, device: str) -> SerialPort:
    """Return a port with what an entry says: `preset: nmea`. Raises PortError."""
    from leafnode.config.bind import bind
    from leafnode.config.parser import parse

    name = json.dumps(device)
    whole = f"serial {{ ports [ {{ device: {name}, name: port, subject: x\n{text} }} ] }}"
    try:
        serial = bind(parse(whole, "--as")).serial
    except ConfigError as err:
        raise PortError(f"--as: {err.problem}") from err
    if serial is None or len(serial.ports) != 1:
        raise PortError("--as: expected what a port's entry says, like preset: nmea")
    return serial.ports[0]


def of_config(file: str, device: str) -> SerialPort | None:
    """Return the port of a configuration that has this device. Raises ConfigError."""
    from leafnode.config.bind import load

    serial = load(file, os.environ).serial
    ports = serial.ports if serial is not None else ()
    return next((port for port in ports if port.device == device), None)


class Decoder:
    """Says what was heard. Raises PortError where an entry is for more than to listen."""

    def __init__(self, options: SerialPort) -> None:
        what = "modbus" if options.modbus is not None else options.framing.type
        if what in _NOT_HEARD:
            raise PortError(f"a {_NOT_HEARD[what]} is more than listening: run the server")
        if options.codec.type == "exec":
            raise PortError("a function of one's own is not run here: run the server")
        self._framing = new_framing(options, b"monitor", lambda: 0)
        self._codec = new_codec(options)
        self._fields = FieldMap(options.mapping)
        self._bad = self._overlong = 0

    def receive(self, data: bytes, now_ms: int) -> list[str]:
        """Return a line for each reading, and for each frame that is none."""
        self._framing.receive(data, now_ms)
        lines = []
        while (event := self._framing.next_event()) is not None:
            if isinstance(event, Reading) and not event.wrong:
                lines.append(self._decoded(event.payload))
        counts = self._framing.counts()
        lines += ["bad frame"] * (counts.bad - self._bad)
        lines += ["too long for a frame"] * (counts.overlong - self._overlong)
        self._bad, self._overlong = counts.bad, counts.overlong
        return lines

    def wait_s(self, now_ms: int) -> float:
        """Return when to ask again without bytes: a silence may end a frame."""
        due_ms = self._framing.next_timeout_ms(now_ms)
        return 3600.0 if due_ms is None else max(due_ms, 1) / 1000

    def _decoded(self, payload: bytes) -> str:
        try:
            found = self._codec(payload)
        except BadReading as err:
            return f"bad reading: {err.reason}"
        if isinstance(found, bytes):
            return found.decode("utf-8", "backslashreplace")
        return json.dumps(self._fields.mapped(found), ensure_ascii=False)
