"""leafnode.net.websocket_request: what a hub is asked, and which answers are to it."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.net.websocket_request import Agreed, Asking, WebSocketRequest
from tests.sim.websocket import ACCEPT, KEY

PLAIN = WebSocketRequest("hub:8080", "/some/leafnode")
EXTRAS = WebSocketRequest("hub:8080", "/leafnode", compression=True, masks=False)
NO_CONTEXT = b"permessage-deflate; server_no_context_takeover; client_no_context_takeover"
WANTS_TLS = ": it wants TLS, is that the port for wss://?"


def asking(request: WebSocketRequest = PLAIN) -> Asking:
    one = Asking(request, KEY.encode())
    one.data()
    return one


def answer(*lines: bytes, accept: bytes = ACCEPT, rest: bytes = b"") -> bytes:
    head = (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n"
    )
    return head + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + rest


def test_a_request_is_what_nats_server_sends() -> None:
    assert Asking(PLAIN, KEY.encode()).data() == (
        b"GET /some/leafnode HTTP/1.1\r\nHost: hub:8080\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Version: 13\r\n\r\n"
    )
    assert (
        Asking(EXTRAS, KEY.encode())
        .data()
        .endswith(b"Sec-WebSocket-Extensions: " + NO_CONTEXT + b"\r\nNats-No-Masking: true\r\n\r\n")
    )


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_frames_may_stand_behind_the_answer(size: int) -> None:
    one, data = asking(), answer(rest=b"\x82\x00")
    found, seen = None, 0
    while found is None:
        found = one.receive(data[seen : seen + size])
        seen += size

    assert found.deflates is False
    assert found.rest + data[seen:] == b"\x82\x00"


@pytest.mark.parametrize(
    ("request_", "lines", "agreed"),
    [
        (PLAIN, (), Agreed(deflates=False, masks=True, rest=b"")),
        (PLAIN, (b"Nats-No-Masking: true",), Agreed(deflates=False, masks=True, rest=b"")),
        (EXTRAS, (), Agreed(deflates=False, masks=True, rest=b"")),
        (EXTRAS, (b"Nats-No-Masking: true",), Agreed(deflates=False, masks=False, rest=b"")),
        (
            EXTRAS,
            (b"Sec-WebSocket-Extensions: " + NO_CONTEXT,),
            Agreed(deflates=True, masks=True, rest=b""),
        ),
    ],
)
def test_only_what_was_asked_for_and_granted_holds(
    request_: WebSocketRequest, lines: tuple[bytes, ...], agreed: Agreed
) -> None:
    assert asking(request_).receive(answer(*lines)) == agreed


@pytest.mark.parametrize(
    ("request_", "data", "words"),
    [
        (PLAIN, answer(accept=b"x"), "invalid websocket connection"),
        (PLAIN, b"HTTP/1.1 101 Yes\r\nUpgrade: h2\r\n\r\n", "invalid websocket connection"),
        (PLAIN, b"HTTP/1.1 404 Not Found\r\n\r\n", "the hub refused the websocket: HTTP 404 Not F"),
        (PLAIN, b"INFO {}\r\n", "ws:// takes the port of a block websocket"),
        (PLAIN, b"", "ended before an answer"),
        (PLAIN, answer(*[b"a: b"] * 200), "too many headers"),
        (
            EXTRAS,
            answer(b"Sec-WebSocket-Extensions: permessage-deflate"),
            "websocket compression negotiation error",
        ),
    ],
)
def test_an_answer_to_something_else_is_refused_in_words(
    request_: WebSocketRequest, data: bytes, words: str
) -> None:
    with pytest.raises(OSError, match=words):
        asking(request_).receive(data)


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (b"Client sent an HTTP request to an HTTPS server.\n", WANTS_TLS),
        (b"<title>400 The plain HTTP request was sent to HTTPS port</title>", WANTS_TLS),
        (b"Bad Request\n", ""),
        (b"", ""),
    ],
)
def test_a_port_that_wants_tls_is_told_by_what_it_says(body: bytes, hint: str) -> None:
    with pytest.raises(OSError, match="refused") as refused:
        asking().receive(b"HTTP/1.0 400 Bad Request\r\n\r\n" + body)

    words = f"the hub refused the websocket: HTTP 400 Bad Request{hint}"
    assert str(refused.value) == words


@given(st.binary(min_size=1, max_size=300))
def test_whatever_is_answered_is_an_answer_or_an_oserror(data: bytes) -> None:
    one = asking(EXTRAS)
    with contextlib.suppress(OSError):
        one.receive(data)
