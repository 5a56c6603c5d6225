"""leafnode.cli.nats.reader: the client's side of the protocol, in any cut."""

import pytest

from leafnode.cli.nats import reader as module
from leafnode.cli.nats.errors import NatsError
from leafnode.cli.nats.reader import Info, Message, Ping, Pong, Reader

HEADER = b"NATS/1.0\r\nNats-Msg-Id: a.1.2\r\n\r\n"
STREAM = (
    b'INFO {"max_payload":1048576}\r\nPING\r\n+OK\r\n'
    b"MSG a.b 1 5\r\nhello\r\n"
    b"MSG a.b 1 reply.to 2\r\n\r\n\r\n"
    b"HMSG a.c 1 %d %d\r\n%sdata\r\n" % (len(HEADER), len(HEADER) + 4, HEADER)
)
EVENTS = [
    Info({"max_payload": 1048576}),
    Ping(),
    Message("a.b", b"", b"hello"),
    Message("a.b", b"", b"\r\n"),
    Message("a.c", HEADER, b"data"),
]


def test_messages_are_read_whole() -> None:
    assert Reader().receive(STREAM) == EVENTS


def test_messages_are_read_in_every_cut() -> None:
    for cut in range(1, len(STREAM)):
        reader = Reader()
        assert reader.receive(STREAM[:cut]) + reader.receive(STREAM[cut:]) == EVENTS, cut
    reader = Reader()
    events = [event for at in range(len(STREAM)) for event in reader.receive(STREAM[at : at + 1])]
    assert events == EVENTS


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"-ERR 'Authorization Violation'\r\n", "^the server says 'Authorization Violation'$"),
        (b"HTTP/1.1 400 Bad Request\r\n", "no NATS"),
        (b"MSG a 1\r\n", "no NATS"),
        (b"MSG a 1 x\r\n", "no NATS"),
        (b"HMSG a 1 9 5\r\n", "5 bytes"),
        (b"MSG a 1 99999999999\r\n", "99999999999 bytes"),
        (b"INFO x\r\n", "no JSON"),
        (b"INFO []\r\n", "no JSON object"),
    ],
)
def test_what_is_no_nats_or_a_refusal_is_an_error(data: bytes, why: str) -> None:
    with pytest.raises(NatsError, match=why):
        Reader().receive(data)


def test_a_line_without_an_end_has_a_bound() -> None:
    reader = Reader()
    reader.receive(b"x" * module.LINE_BYTES_MAX)

    with pytest.raises(NatsError, match="no end"):
        reader.receive(b"x")


def test_the_status_of_a_message_is_its_headers_first_line() -> None:
    head = b"NATS/1.0 503\r\n\r\n"
    (message,) = Reader().receive(b"HMSG a 1 %d %d\r\n%s\r\n" % (len(head), len(head), head))

    assert isinstance(message, Message)
    assert message.status == "503"
    assert Message("a", b"", b"").status == ""


def test_a_pong_is_told() -> None:
    assert Reader().receive(b"PONG\r\n+OK\r\n") == [Pong()]
