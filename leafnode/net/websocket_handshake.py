"""The HTTP request that a WebSocket begins with: accepted, or refused with a status. Sans I/O.

HTTP is read by h11. Knows headers, origins and cookies; not frames, and not what is spoken in
them. Truth: RFC 6455 section 4.2; nats-server 2.15.1 server/websocket.go wsUpgrade.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import h11
from wsproto.utilities import generate_accept_token

from leafnode.limits import HTTP_HEADERS_MAX, WEBSOCKET_HEAD_BYTES_MAX
from leafnode.net.http_request import (
    BAD_REQUEST,
    TOO_LARGE,
    flaw,
    malformed,
    refusal,
    target_host,
)

_KEY_BYTES: Final = 16
_REASON_CHARS_MAX: Final = 100
_DEFLATE: Final = "permessage-deflate"
_DEFLATE_ANSWER: Final = (
    b"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "
    b"client_no_context_takeover\r\n"
)
_EXPECTATION_FAILED: Final = (
    b"HTTP/1.1 417 Expectation Failed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
# What may stand before a host, and that no fragment stands behind it: `urlsplit` asks for neither.
_AUTHORITY_END: Final = re.compile(r"(?:[\w\-.~!$&'()*+,;=:%]*@)*[^@#/?]*(?:[/?]|$)", re.ASCII)
_LEAF_PATH: Final = "/leafnode"
_OTHER_PATH: Final = "/mqtt"  # it means another protocol, which nobody speaks here


@dataclass(frozen=True, slots=True)
class HandshakeRules:
    """What one listener asks of a request. Origins as (scheme, host, port).

    `cookies`: the field of CONNECT that the cookie of a name fills. `leafs`: they may come, too.
    """

    is_tls: bool = False
    same_origin: bool = False
    allowed_origins: frozenset[tuple[str, str, int]] = frozenset()
    compression: bool = False
    cookies: dict[str, str] = field(default_factory=dict)
    headers: tuple[tuple[str, str], ...] = ()
    leafs: bool = False


@dataclass(frozen=True, slots=True)
class Upgrade:
    """An accepted request: what to answer, and what it said of its sender."""

    answer: bytes
    deflate: bool = False
    client_ip: str = ""
    credentials: dict[str, str] = field(default_factory=dict, repr=False)
    sent_early: bool = False  # bytes stood behind the request before it was answered
    is_leaf: bool = False  # its path says that a leaf comes
    masks: bool = True  # what the peer sends; it may ask not to


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that is none of a WebSocket, or not welcome."""

    status: int
    reason: str
    answer: bytes


class Handshake:
    """Reads one request."""

    __slots__ = ("_http", "_rules")

    def __init__(self, rules: HandshakeRules) -> None:
        self._rules = rules
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=WEBSOCKET_HEAD_BYTES_MAX)

    def receive(self, data: bytes) -> Upgrade | Refusal | None:
        """Take one read; None: the request is not whole yet."""
        try:
            self._http.receive_data(data)
            event = self._http.next_event()
        except h11.RemoteProtocolError as err:
            return _malformed(malformed(err), str(err))
        if event is h11.NEED_DATA:
            return None
        if not isinstance(event, h11.Request):
            return _malformed(BAD_REQUEST, "no request")
        return self._judge(event)

    def _judge(self, request: h11.Request) -> Upgrade | Refusal:
        headers: dict[str, list[str]] = {}
        for name, value in request.headers:
            headers.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
        path = request.target.decode("latin-1").partition("?")[0]
        if len(request.headers) > HTTP_HEADERS_MAX:
            return _malformed(TOO_LARGE, "too many headers")
        if text := flaw(request):
            return _malformed(text, "no request of HTTP/1")
        if (host := target_host(request)) is not None:
            headers["host"] = [host]
        if headers.get("expect", ["100-continue"])[0].lower() != "100-continue":
            return Refusal(417, "an expectation", _EXPECTATION_FAILED)
        is_leaf = path.endswith(_LEAF_PATH)
        if path.endswith(_OTHER_PATH) or (is_leaf and not self._rules.leafs):
            return _refusal(404, f"{path} is not enabled")
        if request.method != b"GET":
            has_body = request.method != b"HEAD"
            return _refusal(405, "request method must be GET", has_body=has_body)
        if problem := _problem(headers):
            return _refusal(400, problem)
        if problem := self._origin_problem(headers):
            return _refusal(403, f"origin not allowed: {problem}")
        return self._accept(headers, is_leaf=is_leaf)

    def _accept(self, headers: dict[str, list[str]], *, is_leaf: bool) -> Upgrade:
        rules = self._rules
        deflate = rules.compression and _offers_deflate(headers)
        key = headers["sec-websocket-key"][0].encode("latin-1")
        masks = headers.get("nats-no-masking", [""])[0] != "true"
        lines = [
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
            b"Sec-WebSocket-Accept: %b\r\n" % generate_accept_token(key),
            _DEFLATE_ANSWER if deflate else b"",
            b"" if masks else b"Nats-No-Masking: true\r\n",
            *(f"{name}: {value}\r\n".encode() for name, value in rules.headers),
            b"\r\n",
        ]
        return Upgrade(
            b"".join(lines),
            deflate,
            _forwarded_for(headers),
            self._credentials(headers),
            sent_early=bool(self._http.trailing_data[0]),
            is_leaf=is_leaf,
            masks=masks,
        )

    def _credentials(self, headers: dict[str, list[str]]) -> dict[str, str]:
        found: dict[str, str] = {}
        for cookie in ";".join(headers.get("cookie", ())).split(";"):
            name, _, value = cookie.strip(" \t").partition("=")
            wanted = self._rules.cookies.get(name)
            if wanted and value:
                found[wanted] = value.strip('"')
        return found

    def _origin_problem(self, headers: dict[str, list[str]]) -> str:
        rules = self._rules
        if not rules.same_origin and not rules.allowed_origins:
            return ""
        named = (headers.get(name, [""])[0] for name in ("origin", "sec-websocket-origin"))
        given = next(filter(None, named), "")
        if not given:
            return ""  # no browser: it could say anything here
        origin = parse_origin(given)
        if origin is None:
            return "it is no URL"
        if rules.same_origin:
            scheme = "https" if rules.is_tls else "http"
            own = parse_origin(f"{scheme}://{headers['host'][0]}")
            if origin != own:
                return "not same origin"
        if rules.allowed_origins and origin not in rules.allowed_origins:
            return "not in the allowed list"
        return ""


def parse_origin(text: str) -> tuple[str, str, int] | None:
    """Return scheme, host and port of an origin's URL, or None. Behind a `:` the port is 0 if it
    is not there: then it is that of no other origin.
    """
    if _CONTROL.search(text):
        return None  # which `urlsplit` would leave out
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    if (
        not parts.scheme
        or not parts.hostname
        or not _AUTHORITY_END.match(text, text.find("//") + 2)
    ):
        return None
    default = 443 if parts.scheme == "https" else 80
    if parts.netloc.endswith(":"):
        default = 0
    return parts.scheme, parts.hostname, default if port is None else port


def _problem(headers: dict[str, list[str]]) -> str:
    """Say what the request lacks to be one of a WebSocket; empty: nothing."""
    if not headers.get("host", [""])[0]:
        return "'Host' missing in request"
    if not _contains(headers, "upgrade", "websocket"):
        return "invalid value for header 'Upgrade'"
    if not _contains(headers, "connection", "upgrade"):
        return "invalid value for header 'Connection'"
    key = headers.get("sec-websocket-key", [""])[0]
    if not key:
        return "key missing"
    try:
        decoded = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if len(decoded) != _KEY_BYTES:
        return "invalid websocket key"
    if not _contains(headers, "sec-websocket-version", "13"):
        return "invalid version"
    return ""


def _contains(headers: dict[str, list[str]], name: str, word: str) -> bool:
    return any(
        token.strip(" \t").lower() == word
        for value in headers.get(name, ())
        for token in value.split(",")
    )


def _offers_deflate(headers: dict[str, list[str]]) -> bool:
    return any(
        part.strip(" \t").lower() == _DEFLATE
        for value in headers.get("sec-websocket-extensions", ())
        for offer in value.split(",")
        for part in offer.split(";")
    )


def _forwarded_for(headers: dict[str, list[str]]) -> str:
    value = headers.get("x-forwarded-for", [""])[0]
    try:
        return str(ipaddress.ip_address(value)) if "%" not in value else ""
    except ValueError:
        return ""


def _malformed(text: str, reason: str) -> Refusal:
    """Refuse what is no request at all."""
    return Refusal(int(text[:3]), reason[:_REASON_CHARS_MAX], refusal(text))


def _refusal(status: int, reason: str, *, has_body: bool = True) -> Refusal:
    phrase = HTTPStatus(status).phrase
    body = f"{phrase}\n".encode()
    head = (
        f"HTTP/1.1 {status} {phrase}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Sec-Websocket-Version: 13\r\nX-Content-Type-Options: nosniff\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    # The reason may repeat what the peer sent.
    return Refusal(status, reason[:_REASON_CHARS_MAX], head.encode() + (body if has_body else b""))
