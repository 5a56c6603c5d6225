"""One HTTP request of ours and the head of its answer: written and read by h11. Sans I/O.

Knows no header by name; `websocket_request` and `tunnel` do. What is no HTTP is told from its first
bytes, since whoever speaks something else may say little and wait. Truth: RFC 9112.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import h11

_START: Final = b"HTTP/1."
_SWITCHING: Final = 101
_REASON_CHARS_MAX: Final = 100


class NoHttp(OSError):  # noqa: N818 -- what it is
    """Something answered in another language."""


class Answer(NamedTuple):
    """`reason` is fit for a log line. `rest` came behind the head."""

    status: int
    reason: str
    headers: list[tuple[bytes, bytes]]
    rest: bytes


class Exchange:
    """A request and its answer."""

    __slots__ = ("_http",)

    def __init__(self, *, head_bytes_max: int) -> None:
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=head_bytes_max)

    def request(self, method: bytes, target: str, headers: list[tuple[bytes, bytes]]) -> bytes:
        """Return what asks for it. Raises OSError for what no request can hold."""
        try:
            request = h11.Request(method=method, target=target.encode(), headers=headers)
            return (self._http.send(request) or b"") + (self._http.send(h11.EndOfMessage()) or b"")
        except h11.LocalProtocolError as err:
            raise OSError("this address does not fit into an HTTP request") from err

    def receive(self, data: bytes) -> Answer | None:
        """Take one read, empty at the end; None: the head is not whole yet.

        Raises NoHttp, and ConnectionResetError where it ends before.
        """
        http = self._http
        if not data:
            raise ConnectionResetError("the connection ended before an answer")
        try:
            http.receive_data(data)
            event = http.next_event()
            while isinstance(event, h11.InformationalResponse) and event.status_code != _SWITCHING:
                event = http.next_event()  # "100 Continue" and the like
        except h11.RemoteProtocolError as err:
            raise NoHttp from err
        if event is h11.NEED_DATA:
            unread = http.trailing_data[0]
            if unread[: len(_START)] != _START[: len(unread)]:
                raise NoHttp
            return None
        if not isinstance(event, h11.InformationalResponse | h11.Response):
            raise NoHttp
        text = event.reason.decode("latin-1")[:_REASON_CHARS_MAX]
        reason = "".join(char if char.isprintable() else "?" for char in text)
        return Answer(event.status_code, reason, list(event.headers), http.trailing_data[0])
