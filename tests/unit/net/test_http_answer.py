"""leafnode.net.http_answer: the head of an answer, whole or in pieces, and what is none."""

from __future__ import annotations

import pytest

from leafnode.net.http_answer import Answer, Exchange, NoHttp

OK = b"HTTP/1.1 200 Fine \x01day\r\nA: b\r\n\r\n"


def exchange() -> Exchange:
    one = Exchange(head_bytes_max=1000)
    one.request(b"CONNECT", "hub:1", [(b"Host", b"hub:1")])
    return one


def test_a_request_is_written_as_it_was_asked_for() -> None:
    data = Exchange(head_bytes_max=9).request(b"GET", "/a", [(b"Host", b"hub:1"), (b"X-Y", b"z")])

    assert data == b"GET /a HTTP/1.1\r\nHost: hub:1\r\nX-Y: z\r\n\r\n"


def test_what_no_request_can_hold_is_an_oserror() -> None:
    with pytest.raises(OSError, match="does not fit"):
        Exchange(head_bytes_max=9).request(b"GET", "/ a", [(b"Host", b"hub:1")])


def test_an_answer_comes_in_pieces_and_what_stands_behind_it_is_kept() -> None:
    one = exchange()
    data = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 Fine\r\nA: b\r\n\r\n"

    answers = [one.receive(data[at : at + 1]) for at in range(len(data) - 1)]
    last = one.receive(data[-1:] + b"INFO")

    assert set(answers) == {None}
    assert last == Answer(200, "Fine", [(b"a", b"b")], b"INFO")


@pytest.mark.parametrize(
    "data",
    [b"INFO {}\r\n", b"\x15\x03\x01", b"HTTX", b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 x\r\n\r\n"],
)
def test_what_is_no_http_is_told_at_once(data: bytes) -> None:
    with pytest.raises(NoHttp):
        exchange().receive(data)


def test_a_head_without_an_end_is_no_http() -> None:
    one = exchange()
    with pytest.raises(NoHttp):
        one.receive(b"HTTP/1.1 200 OK\r\nA: " + b"b" * 2000)


def test_an_end_before_the_answer_is_a_lost_connection() -> None:
    with pytest.raises(ConnectionResetError):
        exchange().receive(b"")
