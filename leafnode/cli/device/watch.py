"""Readings and log lines of one device, as they come: `leafnode device monitor`.

Readings come over a subscription; the bridge names each `<device>.<boot>.<sequence>` in its
Nats-Msg-Id, with more behind it where one becomes several messages, which tells a device's from
others on the same subject. Log lines come from the server's log file, where it has one. Knows
sockets and that file; not what a reading means. Truth: docs/serial.md, "The device link".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from leafnode.cli.nats.client import Client
from leafnode.protocol import header
from leafnode.protocol.subject import matches

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from random import Random

    from leafnode.cli.nats.place import Place
    from leafnode.cli.nats.reader import Message
    from leafnode.config.serial_options import SerialPort

_TURN_SECONDS: Final = 0.5  # how late a log line is seen
_LOG_BYTES_MAX: Final = 1024 * 1024  # of a log file in one turn
_OF_DEVICES: Final = frozenset({"link", "text_link"})  # framings whose devices say who they are
_MSG_ID: Final = b"Nats-Msg-Id"
_NUMBERS: Final = re.compile(r"([0-9]{1,10})\.([0-9]{1,10})(?:\.|\Z)")  # boot, sequence
_SAID: Final = re.compile(r"port=(\S+) device=(\S+) text=(.*)")


@dataclass(frozen=True, slots=True)
class Seen:
    """One line of what a device says. `boot` and `seq` are 0 of a log line."""

    text: str
    subject: str = ""
    boot: int = 0
    seq: int = 0


class Whose:
    """Tells one device's readings from others'. `ports`: those of a configuration, if there is one.

    A numbered reading has the device in its id. One of a text board without a number has the port
    there: it is known by its subject, or by a device that is called like the port.
    """

    def __init__(self, device: str, ports: Sequence[SerialPort] = ()) -> None:
        self.device = device
        own = [port for port in ports if port.framing.type in _OF_DEVICES]
        self.subjects = sorted({_pattern(port, device) for port in own})
        self._plain = {
            port.name: _pattern(port, device).encode()
            for port in own
            if port.framing.type == "text_link"
            and ("{device}" in port.subject or port.name == device)
        }

    def seen(self, message: Message) -> Seen | None:
        """Return the device's reading, or None for a message of somebody else."""
        name = header.get(message.header, _MSG_ID) if message.header else None
        owner, _, rest = name.decode(errors="replace").partition(".") if name else ("", "", "")
        text = message.payload.decode(errors="backslashreplace")
        if "." not in rest:
            return None
        if owner == self.device and (numbers := _NUMBERS.match(rest)):
            return Seen(text, message.subject, int(numbers[1]), int(numbers[2]))
        pattern = self._plain.get(owner)
        if pattern is not None and matches(pattern, message.subject.encode()):
            return Seen(text, message.subject)
        return None


def _pattern(port: SerialPort, device: str) -> str:
    """Return the subjects on which a device's readings come from a port."""
    subject = port.subject.replace("{port}", port.name).replace("{device}", device)
    tokens = subject.split(".")
    wide = [("*" if "{" in token else token) for token in tokens]
    if "{name}" in tokens[-1]:
        wide[-1] = ">"
    return ".".join(wide)


class LogTail:
    """What a log file says from now on, of one device. A file that is replaced is opened anew."""

    def __init__(self, path: Path, device: str) -> None:
        self._path = path
        self._device = device
        self._left = b""
        self._inode, self._at = self._size()

    def read(self) -> list[Seen]:
        inode, size = self._size()
        if inode != self._inode or size < self._at:
            self._inode, self._at, self._left = inode, 0, b""
        if size == self._at:
            return []
        with self._path.open("rb") as file:
            file.seek(self._at)
            data = file.read(_LOG_BYTES_MAX)
        self._at += len(data)
        *lines, self._left = (self._left + data).split(b"\n")
        self._left = self._left[-_LOG_BYTES_MAX:]
        found = (_SAID.search(line.decode(errors="replace")) for line in lines)
        return [Seen(one[3]) for one in found if one is not None and one[2] == self._device]

    def _size(self) -> tuple[int, int]:
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return 0, 0
        return stat.st_ino, stat.st_size


def watch(
    place: Place, random: Random, subjects: list[str], whose: Whose, tail: LogTail | None
) -> Iterator[Seen]:
    """Yield what a device says, for ever. Raises LeafnodeError and OSError."""
    with Client(place, random, name="leafnode device monitor") as client:
        for subject in subjects:
            client.subscribe(subject)
        while True:
            yield from tail.read() if tail is not None else ()
            message = client.next(_TURN_SECONDS)
            seen = whose.seen(message) if message is not None else None
            if seen is not None:
                yield seen
