"""leafnode.cli.device.feed: the client's side of the protocol, in any cut."""

import json

import pytest

from leafnode.cli.device import feed
from leafnode.cli.device.feed import FeedError, FeedReader, Info, Login, Message, Ping, greeting

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
    assert FeedReader().receive(STREAM) == EVENTS


def test_messages_are_read_in_every_cut() -> None:
    for cut in range(1, len(STREAM)):
        reader = FeedReader()
        assert reader.receive(STREAM[:cut]) + reader.receive(STREAM[cut:]) == EVENTS, cut
    reader = FeedReader()
    events = [event for at in range(len(STREAM)) for event in reader.receive(STREAM[at : at + 1])]
    assert events == EVENTS


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"-ERR 'Authorization Violation'\r\n", "^Authorization Violation$"),
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
    with pytest.raises(FeedError, match=why):
        FeedReader().receive(data)


def test_a_line_without_an_end_has_a_bound() -> None:
    reader = FeedReader()
    reader.receive(b"x" * feed.LINE_BYTES_MAX)

    with pytest.raises(FeedError, match="no end"):
        reader.receive(b"x")


def test_a_greeting_has_the_login_and_the_subjects() -> None:
    data = greeting({}, Login("me", "secret"), ["a.>", "b.*"]).decode()

    connect, *subs = data.splitlines()
    fields = json.loads(connect.removeprefix("CONNECT "))
    assert (fields["user"], fields["pass"], fields["headers"]) == ("me", "secret", True)
    assert subs == ["SUB a.> 1", "SUB b.* 2"]
    assert '"auth_token": "t"' in greeting({}, Login(token="t"), []).decode()


def test_a_login_does_not_show_its_secrets() -> None:
    assert "secret" not in repr(Login("me", "secret", "secret"))
