"""The HTTP request by which we ask for a WebSocket, and what the answer has to be. Sans I/O.

Knows headers; not frames, and not what is spoken in them. Truth:
RFC 6455 section 4.1; nats-server 2.15.1 server/leafnode.go leafNodeSolicitWSConnection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from wsproto.utilities import generate_accept_token

from leafnode.limits import HTTP_HEADERS_MAX, WEBSOCKET_HEAD_BYTES_MAX
from leafnode.net.http_answer import Answer, Exchange, NoHttp

_DEFLATE: Final = "permessage-deflate"
_NO_CONTEXT: Final = frozenset({"server_no_context_takeover", "client_no_context_takeover"})
_SWITCHING: Final = 101
# What a port for TLS says in the body of its refusal: Go's HTTP, so a hub's port; nginx.
_WANT_TLS: Final = (
    b"Client sent an HTTP request to an HTTPS server",
    b"plain HTTP request was sent to HTTPS port",
)


@dataclass(frozen=True, slots=True)
class WebSocketRequest:
    """What is asked for. `host` as the URL has it, with its port. `masks` False: asks not to."""

    host: str
    path: str
    compression: bool = False
    masks: bool = True


@dataclass(frozen=True, slots=True)
class Agreed:
    """The answer. `rest` came behind it and belongs to the frames."""

    deflates: bool
    masks: bool
    rest: bytes


class Asking:
    """One request and its answer."""

    __slots__ = ("_http", "_key", "_request")

    def __init__(self, request: WebSocketRequest, key: bytes) -> None:
        """`key` is 16 random bytes in base64."""
        self._request = request
        self._key = key
        self._http = Exchange(head_bytes_max=WEBSOCKET_HEAD_BYTES_MAX)

    def data(self) -> bytes:
        """Return the request."""
        asked = self._request
        headers: list[tuple[bytes, bytes]] = [
            (b"Host", asked.host.encode()),
            (b"Upgrade", b"websocket"),
            (b"Connection", b"Upgrade"),
            (b"Sec-WebSocket-Key", self._key),
            (b"Sec-WebSocket-Version", b"13"),
        ]
        if asked.compression:
            offer = "; ".join((_DEFLATE, *sorted(_NO_CONTEXT, reverse=True)))
            headers.append((b"Sec-WebSocket-Extensions", offer.encode()))
        if not asked.masks:
            headers.append((b"Nats-No-Masking", b"true"))
        return self._http.request(b"GET", asked.path, headers)

    def receive(self, data: bytes) -> Agreed | None:
        """Take one read; None: the answer is not whole yet. Raises OSError for a refusal."""
        try:
            answer = self._http.receive(data)
        except NoHttp as err:
            raise OSError(
                "what answers speaks no HTTP: ws:// takes the port of a block websocket"
            ) from err
        if answer is None:
            return None
        if answer.status != _SWITCHING:
            why = f"HTTP {answer.status} {answer.reason}{_hint(answer)}"
            raise OSError(f"the hub refused the websocket: {why}")
        return self._agreed(answer)

    def _agreed(self, answer: Answer) -> Agreed:
        headers = _headers(answer)
        is_right = (
            headers.get("upgrade", "").lower() == "websocket"
            and headers.get("connection", "").lower() == "upgrade"
            and headers.get("sec-websocket-accept", "").encode() == generate_accept_token(self._key)
        )
        if not is_right:
            raise OSError("invalid websocket connection: the answer is not to what was asked")
        asked = self._request
        deflates = asked.compression and _agrees_to_deflate(headers)
        masks = asked.masks or headers.get("nats-no-masking") != "true"
        return Agreed(deflates, masks, answer.rest)


def _hint(answer: Answer) -> str:
    """Return what to look at, where the body says it; it comes with the head or is not awaited."""
    is_tls = any(words in answer.rest for words in _WANT_TLS)
    return ": it wants TLS, is that the port for wss://?" if is_tls else ""


def _headers(answer: Answer) -> dict[str, str]:
    if len(answer.headers) > HTTP_HEADERS_MAX:
        raise OSError("the answer to the websocket request has too many headers")
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers}


def _agrees_to_deflate(headers: dict[str, str]) -> bool:
    """Say whether messages may be packed, each for itself. Raises OSError for another way."""
    for offer in headers.get("sec-websocket-extensions", "").split(","):
        name, *parameters = (part.strip(" \t").lower() for part in offer.split(";"))
        if name == _DEFLATE:
            if not _NO_CONTEXT.issubset(parameters):
                raise OSError("websocket compression negotiation error: the hub keeps a context")
            return True
    return False
