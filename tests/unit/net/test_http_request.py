"""leafnode.net.http_request. Statuses: measured on nats-server 2.15.1."""

from __future__ import annotations

import h11
import pytest

from leafnode.net.http_request import flaw, is_about_the_server, refused_status


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
    assert refused_status(parsed(line)) == status


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
