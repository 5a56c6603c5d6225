"""What a client connection reads and writes, in the log: `-V`.

Knows lines, payload sizes and what a CONNECT may show; not accounts, not sockets. Nothing here runs
unless the trace is on. Credentials are never written: of a CONNECT only named fields are shown, of
an unauthenticated connection only verbs. Truth: the form of nats-server 2.15.1's trace, measured.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from leafnode.limits import MAX_SIZE_DIGITS, READ_CHUNK_BYTES, TRACED_BYTES_MAX
from leafnode.net.outbound import Outbound

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.net.transport import Transport
    from leafnode.routing.peer import Peer

log = logging.getLogger(__name__)

TRACE: Final = 5  # below logging.DEBUG

_WITH_PAYLOAD: Final = frozenset({b"PUB", b"HPUB", b"MSG", b"HMSG"})
# What a client may say with all its arguments shown; of every other line only the verb is.
_SHOWN_WHOLE: Final = frozenset({b"PUB", b"HPUB", b"SUB", b"UNSUB"})
_VERBS: Final = _SHOWN_WHOLE | {b"CONNECT", b"PING", b"PONG", b"+OK", b"-ERR", b"INFO"}
_CONNECT_SHOWN: Final = frozenset(
    {"verbose", "pedantic", "tls_required", "echo", "headers", "no_responders"}
    | {"protocol", "name", "lang", "version"}
)
_CONNECT_HIDDEN: Final = frozenset({"user", "pass", "auth_token", "jwt", "sig", "nkey", "account"})
_REDACTED: Final = "[REDACTED]"


class Piece(NamedTuple):
    """A control line without its end, or the first bytes of a payload."""

    data: bytes
    is_payload: bool
    size: int  # of the whole of it


class Tape:
    """Cuts one direction's bytes into lines and payloads, as they come."""

    __slots__ = ("_headers_only", "_left", "_line", "_max_bytes", "_payload", "_shown", "_size")

    def __init__(self, max_bytes: int = TRACED_BYTES_MAX, *, headers_only: bool = False) -> None:
        """`max_bytes` of a payload are kept and shown, of it all or of its headers only."""
        self._max_bytes = max_bytes
        self._headers_only = headers_only
        self._shown = 0  # of the payload there is to show
        self._line = b""
        self._payload = b""
        self._size = 0  # of the payload
        self._left = 0  # of it and its line end, still to come

    def feed(self, data: bytes) -> list[Piece]:
        """Return what is complete now."""
        pieces = []
        pos = 0
        while pos < len(data):
            if self._left:
                taken = data[pos : pos + self._left]
                self._payload += taken[: self._max_bytes - len(self._payload)]
                self._left -= len(taken)
                pos += len(taken)
                if not self._left:
                    if self._shown:
                        shown = self._payload[: self._shown]
                        pieces.append(Piece(shown, is_payload=True, size=self._shown))
                    self._payload = b""
                continue
            end = data.find(b"\n", pos)
            stop = end if end >= 0 else len(data)
            # A longer line ends the connection; until then no more of it is kept.
            self._line = (self._line + data[pos:stop])[:READ_CHUNK_BYTES]
            pos = stop + 1
            if end >= 0:
                line, self._line = self._line.rstrip(b"\r"), b""
                pieces.append(Piece(line, is_payload=False, size=len(line)))
                self._expect(line)
        return pieces

    def _expect(self, line: bytes) -> None:
        """Learn from a line how many bytes of payload follow it."""
        words = line.split()
        if len(words) < 2 or words[0].upper() not in _WITH_PAYLOAD:
            return
        if words[-1].isdigit() and len(words[-1]) <= MAX_SIZE_DIGITS:
            self._size = int(words[-1])
            self._left = self._size + len(b"\r\n")
            self._shown = self._size
            if self._headers_only:
                size = words[-2] if words[0][:1] in b"Hh" else b"0"
                headers = int(size) if size.isdigit() and len(size) <= MAX_SIZE_DIGITS else 0
                self._shown = max(0, min(headers, self._size) - len(b"\r\n\r\n"))


class Trace:
    """The trace of one connection."""

    __slots__ = ("_is_hidden", "_label", "_read", "_wrote")

    def __init__(
        self,
        label: Callable[[], str],
        *,
        max_bytes: int = 0,
        headers_only: bool = False,
        is_hidden: Callable[[], bool] = lambda: False,
    ) -> None:
        """`label` says who it is.

        `max_bytes` of each payload, or of its headers only, are shown; 0: TRACED_BYTES_MAX. Nothing
        is shown while hidden.
        """
        self._is_hidden = is_hidden
        self._label = label
        self._read = Tape(max_bytes or TRACED_BYTES_MAX, headers_only=headers_only)
        self._wrote = Tape(max_bytes or TRACED_BYTES_MAX, headers_only=headers_only)

    def read(self, data: bytes, *, is_open: bool) -> None:
        """Log what came in. `is_open`: the client may do what it asks for, it has a login."""
        for piece in self._read.feed(data):
            if not piece.is_payload:
                self._log("<<-", f"[{_line_read(piece.data, is_open=is_open)}]")
            elif is_open:
                self._log("<<-", _payload(piece))

    def wrote(self, chunks: list[bytes]) -> None:
        """Log what goes out."""
        for piece in self._wrote.feed(b"".join(chunks)):
            if piece.is_payload:
                self._log("->>", _payload(piece))
            elif not piece.data.startswith(b"INFO"):  # nats-server does not show it, either
                self._log("->>", f"[{_line_written(piece)}]")

    def _log(self, arrow: str, text: str) -> None:
        if self._is_hidden():
            return
        log.log(TRACE, "%s - %s %s", self._label(), arrow, text)


class TracedOutbound(Outbound):
    """An Outbound that shows what it hands on."""

    __slots__ = ("_trace",)

    def __init__(
        self,
        peer: Peer,
        transport: Transport,
        *,
        max_pending_bytes: int,
        on_slow: Callable[[], None],
        trace: Trace,
        holds_back: bool = True,
    ) -> None:
        super().__init__(
            peer,
            transport,
            max_pending_bytes=max_pending_bytes,
            on_slow=on_slow,
            holds_back=holds_back,
        )
        self._trace = trace

    def flush(self) -> None:
        """Hand what the peer gathered to the transport, and to the trace."""
        self._trace.wrote(self._peer.out)
        super().flush()

    def finish(self) -> None:
        self._trace.wrote(self._peer.out)
        super().finish()


def _line_read(line: bytes, *, is_open: bool) -> str:
    words = line.split(None, 1)
    verb = words[0].upper() if words else b""
    if verb not in _VERBS:
        # Also a CONNECT that no blank ends: a secret must not become part of a verb.
        return "CONNECT" if verb.startswith(b"CONNECT") else "…"
    if is_open and verb in _SHOWN_WHOLE:
        return _escaped(line)
    if is_open and verb == b"CONNECT":
        return f"CONNECT {_connect_options(words[1])}" if len(words) > 1 else "CONNECT"
    return verb.decode()


def _connect_options(text: bytes) -> str:
    """Return the fields of a CONNECT that are no secret, and which others it has."""
    try:
        fields = msgspec.json.decode(text.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return "…"
    if not isinstance(fields, dict):
        return "…"
    shown: dict[str, object] = {}
    for written, value in fields.items():
        name = written.lower()
        if name in _CONNECT_HIDDEN:
            shown[name] = _REDACTED
        elif name in _CONNECT_SHOWN and isinstance(value, bool | int | str):
            shown[name] = value
    return _escaped(msgspec.json.encode(shown))


def _payload(piece: Piece) -> str:
    quoted = _escaped(piece.data.replace(b"\\", b"\\\\").replace(b'"', b'\\"'))
    more = "..." if piece.size > len(piece.data) else ""
    return f'MSG_PAYLOAD: ["{quoted}{more}"]'


def _line_written(piece: Piece) -> str:
    """Return a line as nats-server shows it: what the wire has around a word is left out."""
    if piece.data == b"+OK":
        return "OK"
    if piece.data.startswith(b"-ERR '"):
        text = piece.data[6:].rstrip(b"'")
        return f"-ERR {_shortened(text, piece.size)}"
    return _shortened(piece.data, piece.size)


def _shortened(data: bytes, size: int) -> str:
    shown = _escaped(data[:TRACED_BYTES_MAX])
    return shown if size <= TRACED_BYTES_MAX else f"{shown}…"


def _escaped(data: bytes) -> str:
    """Return text in which nothing can end the line or move a terminal's cursor."""
    text = data.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
