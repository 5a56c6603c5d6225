"""leafnode.net.http_request. Statuses: measured on nats-server 2.15.1."""

from __future__ import annotations

import h11
import pytest

from leafnode.net.http_request import (
    BAD_REQUEST,
    flaw,
    head_flaw,
    is_about_the_server,
    malformed,
    refusal,
)


def parsed(line: bytes) -> h11.Request:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(line + b"\r\nHost: x\r\n\r\n")
    request = connection.next_event()
    assert isinstance(request, h11.Request)
    return request


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET /varz HTTP/1.1", 0),
        (b"GET /varz HTTP/1.0", 0),
        (b"GET /varz HTTP/1.2", 0),
        (b"GET http://x/varz HTTP/1.1", 0),
        (b"OPTIONS * HTTP/1.1", 0),
        (b"CONNECT x:1 HTTP/1.1", 0),
        (b"GET /varz HTTP/9.9", 505),
        (b"GET /varz HTTP/2.0", 505),
        (b"GET /varz HTTP/0.9", 505),
        (b"GET * HTTP/1.1", 400),
        (b"GET varz HTTP/1.1", 400),
        (b"GET ?x HTTP/1.1", 400),
        (b"GET http://[bad/ HTTP/1.1", 400),
        (b"GET /?next=http://[bad/ HTTP/1.1", 0),
        (b"GET /%zz/../varz HTTP/1.1", 400),
        (b"GET /% HTTP/1.1", 400),
        (b"GET /varz?%zz HTTP/1.1", 0),
    ],
)
def test_a_version_or_a_target_that_cannot_be_is_refused(line: bytes, status: int) -> None:
    assert int(flaw(parsed(line))[:3] or 0) == status


@pytest.mark.parametrize(
    ("header", "text"),
    [
        (b"X: a\x01b", "400 Bad Request"),
        (b"X: a\tb", ""),
        (b"Host: a/b", "400 Bad Request: malformed Host header"),
        (b"Host: a b", "400 Bad Request: malformed Host header"),
        (b"Host: [::1]:80", ""),
    ],
)
def test_a_header_that_cannot_be_is_refused_in_gos_words(header: bytes, text: str) -> None:
    connection = h11.Connection(h11.SERVER)
    host = b"" if header.startswith(b"Host") else b"Host: x\r\n"
    connection.receive_data(b"GET / HTTP/1.1\r\n" + host + header + b"\r\n\r\n")
    request = connection.next_event()
    assert isinstance(request, h11.Request)

    assert flaw(request) == text


def test_only_options_may_be_about_the_whole_server() -> None:
    assert is_about_the_server(parsed(b"OPTIONS * HTTP/1.1"))
    assert not is_about_the_server(parsed(b"GET * HTTP/1.1"))
    assert not is_about_the_server(parsed(b"OPTIONS /varz HTTP/1.1"))


@pytest.mark.parametrize(
    ("head", "text"),
    [
        (b"GET / HTTP/1.1", "400 Bad Request: missing required Host header"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA b: x", "400 Bad Request: invalid header name"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA : x", "400 Bad Request: invalid header name"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA@b: x", "400 Bad Request"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA b", "400 Bad Request"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y", "400 Bad Request"),
        (b"GET /", "400 Bad Request"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: x", "501 Not Implemented"),
    ],
)
def test_what_is_no_request_is_refused_in_gos_words(head: bytes, text: str) -> None:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(head + b"\r\n\r\n")
    with pytest.raises(h11.RemoteProtocolError) as raised:
        connection.next_event()

    assert malformed(raised.value) == text


def test_a_refusal_says_the_same_in_its_first_line_and_its_body() -> None:
    assert refusal("400 Bad Request: x") == (
        b"HTTP/1.1 400 Bad Request: x\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Connection: close\r\n\r\n400 Bad Request: x"
    )
    assert refusal("501 Not Implemented").endswith(b"\r\n\r\nUnsupported transfer encoding")


@pytest.mark.parametrize(
    ("unread", "text"),
    [
        (b"HELLO", ""),
        (b"HELLO\r\n", BAD_REQUEST),
        (b"CONNECT {}\r\n", BAD_REQUEST),
        (b"GET / HTTP/1.1\r\nContent-Length: 5, 5\r\n", ""),  # its head is not whole
        (b"GET / HTTP/1.1\r\ncontent-length: 5, 5\r\n\r\n", BAD_REQUEST),
        (b"GET / HTTP/1.1\nContent-Length: 5, 5\n\n", BAD_REQUEST),
        (b"GET / HTTP/1.1\r\nContent-Length: 5\r\nA: 1, 2\r\n\r\n", ""),
        (b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n", ""),
    ],
)
def test_what_h11_would_wait_on_or_not_tell_is_seen_before(unread: bytes, text: str) -> None:
    assert head_flaw(unread) == text
