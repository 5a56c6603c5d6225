"""Readings and log lines of one device, as they come: `leafnode device monitor`.

Readings come over a subscription; the bridge names each `<device>.<boot>.<sequence>` in its
Nats-Msg-Id, which tells a device's from others on the same subject. Log lines come from the
server's log file, where it has one. Knows sockets and that file; not what a reading means. Truth:
docs/serial.md, "The device link".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from leafnode.cli.nats.client import Client
from leafnode.protocol import header

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
_SAID: Final = re.compile(r"port=(\S+) device=(\S+) text=(.*)")


@dataclass(frozen=True, slots=True)
class Seen:
    """One line of what a device says. `boot` and `seq` are 0 of a log line."""

    text: str
    subject: str = ""
    boot: int = 0
    seq: int = 0


def subjects_of(device: str, ports: Sequence[SerialPort]) -> list[str]:
    """Return the subjects on which a device's readings can come, by a configuration."""
    found = []
    for port in ports:
        if port.framing.type not in _OF_DEVICES:
            continue
        subject = port.subject.replace("{port}", port.name).replace("{device}", device)
        tokens = subject.split(".")
        wide = [("*" if "{" in token else token) for token in tokens]
        if "{name}" in tokens[-1]:
            wide[-1] = ">"
        found.append(".".join(wide))
    return sorted(set(found))


def seen_of(device: str, message: Message) -> Seen | None:
    """Return a device's reading, or None for a message of somebody else."""
    name = header.get(message.header, _MSG_ID) if message.header else None
    words = name.decode(errors="replace").rsplit(".", 2) if name is not None else []
    if len(words) != 3 or words[0] != device or not (words[1] + words[2]).isdecimal():
        return None
    text = message.payload.decode(errors="backslashreplace")
    return Seen(text, message.subject, int(words[1]), int(words[2]))


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
    place: Place, random: Random, subjects: list[str], device: str, tail: LogTail | None
) -> Iterator[Seen]:
    """Yield what a device says, for ever. Raises LeafnodeError and OSError."""
    with Client(place, random, name="leafnode device monitor") as client:
        for subject in subjects:
            client.subscribe(subject)
        while True:
            yield from tail.read() if tail is not None else ()
            message = client.next(_TURN_SECONDS)
            seen = seen_of(device, message) if message is not None else None
            if seen is not None:
                yield seen
