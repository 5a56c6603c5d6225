"""leafnode.clients.trace: the protocol in the log. Form: measured on nats-server 2.15.1 -DV."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.clients.trace import TRACE, Piece, Tape, Trace
from leafnode.config.options import Authorization, Options, User
from leafnode.limits import READ_CHUNK_BYTES, TRACED_BYTES_MAX, TRACED_READ_BYTES
from tests.sim.clients import ClientWorld

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET_FIELDS = ["user", "pass", "auth_token", "jwt", "sig", "nkey", "account", "seed", "PASS"]
SECRETS = {name: f"{name}-canary" for name in SECRET_FIELDS} | {"x": {"pass": "inner-canary"}}
CONNECT = json.dumps({"verbose": False, "name": "edge"} | SECRETS).encode()


def world_with_login() -> ClientWorld:
    users = (User(user="u", password="pass-canary"),)
    return ClientWorld(Options(trace=True, authorization=Authorization(users=users)))


def test_what_is_read_and_written_is_shown_with_who_it_was(
    traced: Callable[[], list[str]],
) -> None:
    client = ClientWorld(Options(trace=True)).client()
    connect, *_ = traced()
    assert ' - cid:1 - <<- [CONNECT {"verbose":false}]' in connect  # and no INFO, as there
    who = connect.partition("<<-")[0]

    client.says(b'SUB foo q 1\r\nPING\r\nPUB foo re 6\r\nhe\x00"lo\r\n')

    assert traced() == [
        f"{who}<<- [SUB foo q 1]",
        f"{who}<<- [PING]",
        f"{who}<<- [PUB foo re 6]",
        f'{who}<<- MSG_PAYLOAD: ["he\\x00\\"lo"]',
        f"{who}->> [PONG]",
        f"{who}->> [MSG foo 1 re 6]",
        f'{who}->> MSG_PAYLOAD: ["he\\x00\\"lo"]',
    ]


def test_max_traced_msg_len_is_how_much_of_a_payload_is_shown(
    traced: Callable[[], list[str]],
) -> None:
    Trace(lambda: "x - cid:5", max_bytes=3).read(b"PUB a 5\r\n12345\r\n", is_open=True)

    assert traced()[1].endswith('MSG_PAYLOAD: ["123..."]')


def test_a_connect_shows_named_fields_and_no_secret(traced: Callable[[], list[str]]) -> None:
    Trace(lambda: "127.0.0.1:1 - cid:5").read(b"CONNECT " + CONNECT + b"\r\n", is_open=True)

    (line,) = traced()
    assert line.startswith('127.0.0.1:1 - cid:5 - <<- [CONNECT {"verbose":false,"name":"edge",')
    assert '"pass":"[REDACTED]"' in line
    assert "canary" not in line


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b"CONNECT " + CONNECT, "[CONNECT]"),
        (b" connect\t" + CONNECT, "[CONNECT]"),
        (b"CONNECT" + CONNECT, "[CONNECT]"),
        (b"SUB canary 1", "[SUB]"),
        (b"BOGUS canary", "[…]"),
        (b"", "[…]"),
    ],
)
def test_of_a_client_without_a_login_only_verbs_are_shown(
    line: bytes, shown: str, traced: Callable[[], list[str]]
) -> None:
    Trace(lambda: "p - cid:5").read(line + b"\r\nPUB canary 6\r\ncanary\r\n", is_open=False)

    assert traced() == [f"p - cid:5 - <<- {shown}", "p - cid:5 - <<- [PUB]"]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b"CONNECT" + CONNECT, "[CONNECT]"),
        (b"CONNECT " + CONNECT[:-1], "[CONNECT …]"),
        (b'CONNECT ["canary"]', "[CONNECT …]"),
        (b"CONNECT " + b"[" * 5000, "[CONNECT …]"),
        (b"PING canary", "[PING]"),
        (b"-ERR canary", "[-ERR]"),
        (b'INFO {"pass":"canary"}', "[INFO]"),
        (b"XCONNECT canary", "[…]"),
    ],
)
def test_of_lines_that_may_hold_anything_only_the_verb_is_shown(
    line: bytes, shown: str, traced: Callable[[], list[str]]
) -> None:
    Trace(lambda: "p - cid:5").read(line + b"\r\n", is_open=True)

    assert traced() == [f"p - cid:5 - <<- {shown}"]


def test_no_secret_of_a_login_is_in_the_log_whether_it_holds_or_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(TRACE)
    world = world_with_login()
    login = {"verbose": True, "user": "u", "account": None, "nkey": None, "PASS": None}
    good = json.dumps(SECRETS | login).encode()

    one = world.client(b"")
    assert one.says(b"CONNECT " + good + b"\r\nPING\r\n").endswith(b"PONG\r\n")
    assert one.says(b"CONNECT " + good + b"\r\nPUB a 2\r\nhi\r\n") == b"+OK\r\n+OK\r\n"
    assert b"-ERR" in world.client(b"").says(b"CONNECT " + CONNECT + b"\r\n")
    world.client(b"").says(b"canary\r\n")

    assert 'MSG_PAYLOAD: ["hi"]' in caplog.text
    assert "canary" not in caplog.text


def test_a_payload_is_shown_up_to_its_bound(traced: Callable[[], list[str]]) -> None:
    trace = Trace(lambda: "p - cid:5")
    for size in (TRACED_BYTES_MAX, TRACED_BYTES_MAX + 1):
        trace.read(b"PUB a %d\r\n" % size + b"x" * size + b"\r\n", is_open=True)

    shown = "x" * TRACED_BYTES_MAX
    assert traced()[1::2] == [
        f'p - cid:5 - <<- MSG_PAYLOAD: ["{shown}"]',
        f'p - cid:5 - <<- MSG_PAYLOAD: ["{shown}..."]',
    ]


def test_a_line_of_the_server_is_shown_up_to_its_bound(traced: Callable[[], list[str]]) -> None:
    trace = Trace(lambda: "p - cid:5")
    for size in (TRACED_BYTES_MAX, TRACED_BYTES_MAX + 1):
        trace.wrote([b"x" * size, b"\r\n"])

    shown = "x" * TRACED_BYTES_MAX
    assert traced() == [f"p - cid:5 - ->> [{shown}]", f"p - cid:5 - ->> [{shown}…]"]


def test_what_a_client_says_cannot_forge_a_line_or_move_a_cursor(
    traced: Callable[[], list[str]],
) -> None:
    Trace(lambda: "p - cid:5").read(b"SUB a\x1b[2J\xe2\x80\xa8b\xff 1\n", is_open=True)

    assert traced() == ["p - cid:5 - <<- [SUB a\\x1b[2J\\u2028b\\xff 1]"]


def test_a_line_that_never_ends_is_kept_up_to_one_read() -> None:
    tape = Tape()
    tape.feed(b"x" * READ_CHUNK_BYTES)
    assert tape.feed(b"") == []

    (line,) = tape.feed(b"y\n")

    assert line == Piece(b"x" * READ_CHUNK_BYTES, is_payload=False, size=READ_CHUNK_BYTES)


STREAM = (
    b"SUB a 1\r\nPUB a 5\r\nPUB b\r\nPING\nHPUB a r 12 14\r\nNATS/1.0\r\n\r\nhi\r\nPUB a 0\r\n\r\n"
)


def test_a_tape_of_headers_shows_no_bodies_and_nothing_of_what_has_no_headers() -> None:
    pieces = Tape(headers_only=True).feed(STREAM)

    assert [piece.data for piece in pieces if piece.is_payload] == [b"NATS/1.0"]
    assert [piece.data for piece in pieces if not piece.is_payload] == [
        *(b"SUB a 1", b"PUB a 5", b"PING", b"HPUB a r 12 14", b"PUB a 0"),
    ]


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_any_chunking_gives_the_same_pieces(cuts: list[int]) -> None:
    tape = Tape()
    edges = [0, *sorted(cuts), len(STREAM)]

    pieces = [piece for a, b in pairwise(edges) for piece in tape.feed(STREAM[a:b])]

    assert [piece.data for piece in pieces] == [
        *(b"SUB a 1", b"PUB a 5", b"PUB b", b"PING", b"HPUB a r 12 14"),
        *(b"NATS/1.0\r\n\r\nhi", b"PUB a 0"),
    ]


@given(st.lists(st.binary(max_size=60), max_size=8), st.booleans())
def test_no_bytes_raise(chunks: list[bytes], is_open: bool) -> None:
    trace = Trace(lambda: "p - cid:5")

    for chunk in chunks:
        trace.read(chunk, is_open=is_open)
        trace.wrote([chunk])


def test_a_long_read_is_logged_and_answered_in_several_turns_and_in_order(
    traced: Callable[[], list[str]],
) -> None:
    world = ClientWorld(Options(trace=True))
    client, other = world.client(), world.client()
    client.says(b"SUB a 1\r\n")
    traced()
    each = b"PUB a 0\r\n\r\n"
    count = 4 * TRACED_READ_BYTES // len(each)

    client.end.write([each * count + b"PING\r\n"])
    other.end.write([b"PING\r\n"])
    world.settle()

    arrows = [line for line in traced() if "<<- [P" in line]
    before = next(number for number, line in enumerate(arrows) if "cid:2" in line)
    assert before <= TRACED_READ_BYTES // len(each) + 1, "others have their turn in between"
    assert len(arrows) == count + 2
    assert client.raw.take() == b"MSG a 1 0\r\n\r\n" * count + b"PONG\r\n"


def test_a_line_of_several_pieces_before_the_login_is_read_to_its_end() -> None:
    options = Options(trace=True, max_control_line_bytes=4 * TRACED_READ_BYTES)
    client = ClientWorld(options).client(connect=b"")
    name = "n" * (TRACED_READ_BYTES // 2)
    text = json.dumps({"verbose": False, "name": name, "lang": name, "version": name})

    assert client.says(b"CONNECT %b\r\nPING\r\n" % text.encode()) == b"PONG\r\n"
