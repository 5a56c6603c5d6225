"""Log lines for a syslog daemon: the local one, or one behind a URL.

Never waits: a line that the socket does not take at once is dropped and counted, so that a stuck
daemon cannot hold the server. Knows no forms. Truth: nats-server 2.15.1 logger/syslog.go, RFC 3164.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from typing import Final
from urllib.parse import urlsplit

from leafnode.clients import trace
from leafnode.clock import NS_PER_S
from leafnode.limits import SYSLOG_CONNECT_NS, SYSLOG_LINE_CHARS_MAX

_LOCAL: Final = ("/dev/log", "/var/run/syslog", "/var/run/log")
_DAEMON: Final = 3 << 3
_USER: Final = 1 << 3
# nats-server writes the protocol as notices, too.
_SEVERITIES: Final = {
    trace.TRACE: 5,
    logging.DEBUG: 7,
    logging.INFO: 5,
    logging.WARNING: 4,
    logging.ERROR: 3,
    logging.CRITICAL: 2,
}


class Syslog(logging.Handler):
    """Sends lines to a daemon; `url` empty: the local one. Raises OSError if there is none."""

    def __init__(self, url: str, tag: str) -> None:
        self._tag = tag
        self._url = url
        self._is_local = not url or url.startswith("unix:")
        # nats-server: LOG_DAEMON to the local daemon, the default facility to a remote one.
        self._facility = _USER if url else _DAEMON
        self._host = "" if self._is_local else socket.gethostname()
        self.dropped = 0
        self._open()
        super().__init__()  # from here on it is one that has to be closed

    def _open(self) -> None:
        self._socket = _connect(self._url)
        self._socket.setblocking(False)  # noqa: FBT003 -- the standard library's signature

    def emit(self, record: logging.LogRecord) -> None:
        """Send one line, or drop it."""
        line = self._line(record)
        try:
            self._socket.send(line)
        except BlockingIOError:
            self.dropped += 1
        except OSError:
            self._again(line)

    def close(self) -> None:
        self._socket.close()
        super().close()

    def _again(self, line: bytes) -> None:
        """The daemon went away: a local one is looked for once more, a remote one is left."""
        self.dropped += 1
        if not self._is_local:
            return
        self._socket.close()
        try:
            self._open()
            self._socket.send(line)
            self.dropped -= 1
        except OSError:
            return  # the next line tries again

    def _line(self, record: logging.LogRecord) -> bytes:
        severity = _SEVERITIES.get(record.levelno, 6)
        text = self.format(record)[:SYSLOG_LINE_CHARS_MAX]
        moment = time.localtime(record.created)
        stamp = f"{time.strftime('%b', moment)} {moment.tm_mday:2d} {time.strftime('%T', moment)}"
        host = f" {self._host}" if self._host else ""
        line = f"<{self._facility | severity}>{stamp}{host} {self._tag}[{os.getpid()}]: {text}\n"
        return line.encode("utf-8", "replace")


def _connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    if parts.scheme in {"udp", "tcp"}:
        kind = socket.SOCK_DGRAM if parts.scheme == "udp" else socket.SOCK_STREAM
        found = socket.getaddrinfo(parts.hostname, parts.port, type=kind)
        family, _, proto, _, address = found[0]
        sock = socket.socket(family, kind, proto)
        sock.settimeout(SYSLOG_CONNECT_NS / NS_PER_S)
        return _connected(sock, address)
    problem: OSError = FileNotFoundError("no syslog daemon listens")
    for path in (parts.path,) if url else _LOCAL:
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            try:
                return _connected(socket.socket(socket.AF_UNIX, kind), path)
            except OSError as err:
                problem = err
    raise problem


def _connected(sock: socket.socket, address: object) -> socket.socket:
    try:
        sock.connect(address)  # type: ignore[arg-type]
    except OSError:
        sock.close()
        raise
    return sock
