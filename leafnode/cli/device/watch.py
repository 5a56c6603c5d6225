"""Readings and log lines of one device, as they come: `leafnode device monitor`.

Readings come over a subscription; the bridge names each `<device>.<boot>.<sequence>` in its
Nats-Msg-Id, which tells a device's from others on the same subject. Log lines come from the
server's log file, where it has one. Knows sockets and that file; not what a reading means. Truth:
docs/serial.md, "The device link".
"""

from __future__ import annotations

import os
import re
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from leafnode.cli.device.feed import (
    PONG,
    FeedError,
    FeedReader,
    Info,
    Login,
    Message,
    Ping,
    greeting,
)
from leafnode.protocol import header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from leafnode.config.serial_options import SerialPort

DEFAULT_URL: Final = "nats://127.0.0.1:4222"
_PORT: Final = 4222
_SECONDS_MAX: Final = 5.0  # for the connection and each answer before the subscription
_TURN_SECONDS: Final = 0.5  # how late a log line is seen
_READ_BYTES: Final = 64 * 1024
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
    url: str, login: Login, subjects: list[str], device: str, tail: LogTail | None
) -> Iterator[Seen]:
    """Yield what a device says, for ever. Raises FeedError and OSError."""
    with _connected(url) as plain:
        reader = FeedReader()
        info, early = _first_info(plain, reader)
        sock = _secured(plain, url) if _wants_tls(url, info) else plain
        with sock:
            sock.sendall(greeting(info, login, subjects))
            sock.settimeout(_TURN_SECONDS)
            yield from _of(device, early, sock.sendall)
            while True:
                yield from tail.read() if tail is not None else ()
                try:
                    data = sock.recv(_READ_BYTES)
                except TimeoutError:
                    continue
                if not data:
                    raise FeedError(f"{_shown(url)}: the server closed the connection")
                yield from _of(device, reader.receive(data), sock.sendall)


def login_of(url: str) -> Login:
    """Return what a URL says of who one is."""
    parts = urlsplit(url)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if user and parts.password is None:
        return Login(token=user)
    return Login(user, password)


def _of(
    device: str, events: Sequence[Message | Ping | Info], send: Callable[[bytes], None]
) -> Iterator[Seen]:
    for event in events:
        if isinstance(event, Ping):
            send(PONG)
        elif isinstance(event, Message):
            seen = seen_of(device, event)
            if seen is not None:
                yield seen


def _connected(url: str) -> socket.socket:
    parts = urlsplit(url if "://" in url else f"nats://{url}")
    if parts.scheme not in {"nats", "tls"} or not parts.hostname:
        raise FeedError(f"{_shown(url)}: expected nats://host:port or tls://host:port")
    try:
        return socket.create_connection((parts.hostname, parts.port or _PORT), _SECONDS_MAX)
    except OSError as err:
        raise FeedError(f"{_shown(url)}: {err.strerror or err}") from err


def _first_info(
    sock: socket.socket, reader: FeedReader
) -> tuple[dict[str, object], list[Message | Ping | Info]]:
    """Return INFO and what came behind it."""
    while True:
        data = sock.recv(_READ_BYTES)
        if not data:
            raise FeedError("the server closed the connection before it said INFO")
        events = reader.receive(data)
        if events and isinstance(events[0], Info):
            return events[0].fields, events[1:]
        if events:
            raise FeedError("the server did not say INFO first")


def _wants_tls(url: str, info: dict[str, object]) -> bool:
    return url.startswith("tls://") or info.get("tls_required") is True


def _secured(sock: socket.socket, url: str) -> socket.socket:
    context = ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE"))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context.wrap_socket(sock, server_hostname=urlsplit(url).hostname)


def _shown(url: str) -> str:
    """Return a URL without its secret."""
    parts = urlsplit(url if "://" in url else f"nats://{url}")
    return f"{parts.hostname}:{parts.port or _PORT}"
