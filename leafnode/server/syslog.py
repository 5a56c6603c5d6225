"""Log lines for a syslog daemon: the local one, or one behind a URL.

Never waits: a line that the socket does not take at once is dropped and counted, so that a stuck
daemon cannot hold the server. Knows no forms. Truth: nats-server 2.15.1 logger/syslog.go and Go's
log/syslog: RFC 3164 for a local daemon, the time as in RFC 3339 for a remote one.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import time
from typing import Any, Final
from urllib.parse import urlsplit

from leafnode.clients import trace
from leafnode.clock import NS_PER_S
from leafnode.limits import SYSLOG_CONNECT_NS, SYSLOG_LINE_CHARS_MAX

_LOCAL: Final = ("/dev/log", "/var/run/syslog", "/var/run/log")
_KINDS: Final = {"udp": socket.SOCK_DGRAM, "tcp": socket.SOCK_STREAM}
_DAEMON: Final = 3 << 3
_KERNEL: Final = 0  # what nats-server says to a daemon behind a URL
# nats-server writes the protocol as notices, too.
_SEVERITIES: Final = {
    trace.TRACE: 5,
    logging.DEBUG: 7,
    logging.INFO: 5,
    logging.WARNING: 4,
    logging.ERROR: 3,
    logging.CRITICAL: 2,
}


Found = list[tuple[Any, ...]]  # addresses, as getaddrinfo has them


class Syslog(logging.Handler):
    """Sends lines to a daemon; `url` empty: the local one. Raises OSError if there is none."""

    def __init__(self, url: str, tag: str, found: Found | None = None) -> None:
        """`found`: what `look_up` returned; without it the name is looked up here, which blocks."""
        self._tag = tag
        self._url = url
        self._found = found
        self._is_local = not url or url.startswith("unix:")
        self._facility = _KERNEL if url else _DAEMON
        self._host = "" if self._is_local else socket.gethostname()
        self.dropped = 0
        self._rest = b""  # of a line of which a stream took a part
        try:
            self._open()
        except OSError as err:
            raise _unreached(url, err) from err
        super().__init__()  # from here on it is one that has to be closed

    def _open(self) -> None:
        self._socket = _connect(self._url, self._found)
        self._peer = self._socket.getpeername()

    def emit(self, record: logging.LogRecord) -> None:
        """Send one line, or drop it."""
        try:
            line = self._line(record)
        except Exception:  # noqa: BLE001 -- boundary: log
            self.handleError(record)
            return
        try:
            self._send(line)
        except BlockingIOError:
            self.dropped += 1
        except OSError:
            self._again(line)

    def _send(self, line: bytes) -> None:
        """Send a line behind what is left of the one before; none of it where that is not taken."""
        if self._rest:
            self._rest = self._rest[self._socket.send(self._rest) :]
        if self._rest:
            raise BlockingIOError
        self._rest = line[self._socket.send(line) :]

    def close(self) -> None:
        self._socket.close()
        super().close()

    def _again(self, line: bytes) -> None:
        """The daemon went away: look for it once more. A remote one answers later: lines are
        dropped until then.
        """
        self.dropped += 2 if self._rest else 1
        self._rest = b""
        try:
            if self._is_local:
                self._socket.close()
                self._open()
            elif self._socket.type == socket.SOCK_STREAM:
                self._dial()
            self._send(line)
            self.dropped -= 1
        except OSError:
            return  # the next line tries again

    def _dial(self) -> None:
        """Begin to connect to where the remote daemon was, without waiting."""
        old, address = self._socket, self._peer
        self._socket = _unblocked(socket.socket(old.family, old.type, old.proto))
        old.close()
        self._socket.connect_ex(address)

    def _line(self, record: logging.LogRecord) -> bytes:
        severity = _SEVERITIES.get(record.levelno, 6)
        text = self.format(record)[:SYSLOG_LINE_CHARS_MAX]
        moment = time.localtime(record.created)
        stamp = _local_stamp(moment) if self._is_local else _remote_stamp(moment)
        host = f" {self._host}" if self._host else ""
        line = f"<{self._facility | severity}>{stamp}{host} {self._tag}[{os.getpid()}]: {text}\n"
        return line.encode("utf-8", "replace")


def _local_stamp(moment: time.struct_time) -> str:
    """`Jan  2 15:04:05`."""
    return f"{time.strftime('%b', moment)} {moment.tm_mday:2d} {time.strftime('%T', moment)}"


def _remote_stamp(moment: time.struct_time) -> str:
    """`2026-01-02T15:04:05Z`, or with the distance from UTC where there is one."""
    minutes = moment.tm_gmtoff // 60
    sign, minutes = ("-", -minutes) if minutes < 0 else ("+", minutes)
    zone = f"{sign}{minutes // 60:02d}:{minutes % 60:02d}" if minutes else "Z"
    return time.strftime("%Y-%m-%dT%H:%M:%S", moment) + zone


async def look_up(url: str) -> Found | None:
    """Return where a remote daemon is, for `Syslog`; None for a local one. Raises OSError."""
    parts = urlsplit(url)
    if parts.scheme not in _KINDS:
        return None
    loop, kind = asyncio.get_running_loop(), _KINDS[parts.scheme]
    try:
        async with asyncio.timeout(SYSLOG_CONNECT_NS / NS_PER_S):
            return await loop.getaddrinfo(parts.hostname, parts.port, type=kind)
    except TimeoutError as err:
        raise OSError(errno.ETIMEDOUT, _words(f"lookup {parts.hostname}: i/o timeout")) from err
    except OSError as err:
        raise _unreached(url, err) from err


def _unreached(url: str, err: OSError) -> OSError:
    """Return the same in nats-server's words, which name the address."""
    parts = urlsplit(url)
    reason = (err.strerror or str(err)).lower()
    if not url:
        text = "Unix syslog delivery error"
    elif isinstance(err, socket.gaierror):
        text = f"dial {parts.scheme}: lookup {parts.hostname}: {reason}"
    else:
        text = f"dial {parts.scheme} {parts.netloc or parts.path}: connect: {reason}"
    return OSError(err.errno, _words(text))


def _words(text: str) -> str:
    return f'error connecting to syslog: "{text}"'


def _connect(url: str, found: Found | None) -> socket.socket:
    parts = urlsplit(url)
    if parts.scheme in _KINDS:
        kind = _KINDS[parts.scheme]
        found = found or socket.getaddrinfo(parts.hostname, parts.port, type=kind)
        family, _, proto, _, address = found[0]
        sock = socket.socket(family, kind, proto)
        sock.settimeout(SYSLOG_CONNECT_NS / NS_PER_S)
        return _unblocked(_connected(sock, address))
    problem: OSError = FileNotFoundError("no syslog daemon listens")
    for path in (parts.path,) if url else _LOCAL:
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            try:
                # Without waiting: a daemon that accepts nobody may never make room.
                return _connected(_unblocked(socket.socket(socket.AF_UNIX, kind)), path)
            except OSError as err:
                problem = err
    raise problem


def _unblocked(sock: socket.socket) -> socket.socket:
    sock.setblocking(False)  # noqa: FBT003 -- the standard library's signature
    return sock


def _connected(sock: socket.socket, address: object) -> socket.socket:
    try:
        sock.connect(address)  # type: ignore[arg-type]
    except OSError:
        sock.close()
        raise
    return sock
