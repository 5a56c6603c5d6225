"""The accepting side's states, with the bytes of a leaf. Source: nats-server 2.15.1
server/leafnode.go processLeafNodeConnect; order and texts measured on its binary."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.clock import NS_PER_S
from leafnode.errors import ProtocolError
from leafnode.limits import LEAF_CONTROL_LINE_BYTES, LEAF_NAME_CHARS_MAX
from leafnode.protocol.errors import (
    AuthorizationViolation,
    ConnectMalformed,
    MaxControlLine,
    UnknownOperation,
    wire_line,
)
from leafnode.protocol.leaf_acceptor import AcceptingSession, AcceptRules
from leafnode.protocol.leaf_compression import Compression, UnsupportedCompression
from leafnode.protocol.leaf_errors import DuplicateLeafConnection
from leafnode.protocol.leaf_events import Claimed, CompressionAgreed, Ended, State
from leafnode.protocol.leaf_greeting import LeafServerInfo

INFO = LeafServerInfo(
    server_id="NH",
    server_name="hub",
    version="2.15.1",
    proto=1,
    git_commit="",
    go="",
    host="127.0.0.1",
    port=7422,
    compression="off",
    info_on_connect=True,
)
CONNECT = b'CONNECT {"name":"edge","cluster":"edge","version":"2.15.1","user":"u","pass":"p"}\r\n'


def session(**rules: object) -> AcceptingSession:
    one = AcceptingSession(INFO, replace(AcceptRules(), **rules), now_ns=0)  # type: ignore[arg-type]
    one.identify(5, "EsbRnPg3CTsA6gA")
    return one


def claimed(text: bytes, **rules: object) -> tuple[AcceptingSession, Claimed]:
    one = session(**rules)
    one.receive(b"CONNECT %b\r\n" % text, 0)
    (event,) = one.events()
    assert isinstance(event, Claimed)
    return one, event


def linked() -> AcceptingSession:
    one, _ = claimed(b"{}")
    one.accept(one.answer("$G"), b"$LDS.own", 0)
    one.data_to_send()
    return one


def test_the_greeting_has_a_number_and_a_nonce() -> None:
    one = session()

    one.greet()

    line = one.data_to_send()
    assert line.endswith(b"} \r\n")
    info = json.loads(line.removeprefix(b"INFO "))
    assert (info["client_id"], info["nonce"], info["compression"]) == (5, "EsbRnPg3CTsA6gA", "off")


def test_connect_asks_for_a_check_and_what_follows_waits() -> None:
    one = session()

    one.receive(CONNECT + b"LS+ a\r\n", 0)

    (event,) = one.events()
    assert isinstance(event, Claimed)
    assert (event.connect.name, event.login.user, event.login.password) == ("edge", "u", "p")
    assert one.state is State.CHECKING
    one.receive(b"LS+ b\r\n", 0)
    assert one.take_rest() == b"LS+ a\r\nLS+ b\r\n"


def test_an_accepted_leaf_is_told_its_account_and_neither_nonce_nor_compression() -> None:
    one, _ = claimed(b"{}")

    one.accept(one.answer("APP", acc_is_sys=False), b"$LDS.own", 0)

    info = json.loads(one.data_to_send().removeprefix(b"INFO "))
    assert (info["connect_info"], info["remote_account"], info["client_id"]) == (True, "APP", 5)
    assert "nonce" not in info
    assert "compression" not in info
    assert one.state is State.LINKED


@given(st.lists(st.integers(1, 40), max_size=30))
def test_any_chunking_of_connect_gives_the_same(sizes: list[int]) -> None:
    one = session()
    data = CONNECT + b"LS+ a\r\n"

    for size in [*sizes, len(data)]:
        chunk, data = data[:size], data[size:]
        if chunk:
            one.receive(chunk, 0)

    assert len(one.events()) == 1
    assert one.take_rest() == b"LS+ a\r\n"


@pytest.mark.parametrize(
    "data", [b"PING\r\n", b"LS+ a\r\n", b"LMSG a 1\r\nx\r\n", b"INFO {}\r\n", b"\r\n", b"\0", b"F"]
)
def test_nothing_comes_before_connect_and_the_first_byte_tells(data: bytes) -> None:
    one = session()

    with pytest.raises(AuthorizationViolation):
        one.receive(data, 0)


def test_what_only_begins_like_connect_is_no_operation() -> None:
    with pytest.raises(UnknownOperation):
        session().receive(b"CONNEX", 0)


@pytest.mark.parametrize(
    "text", [b"[", b"", b"[]", b'{"headers":"yes"}', b'{"protocol":"x"}', b"[" * 30_000, b"\xff"]
)
def test_a_connect_that_is_none_is_refused_without_a_word(text: bytes) -> None:
    with pytest.raises(ConnectMalformed) as caught:
        session().receive(b"CONNECT %b\r\n" % text, 0)

    assert wire_line(caught.value) == b""


def test_a_connect_of_the_most_bytes_is_read_and_one_more_is_refused() -> None:
    filler = LEAF_CONTROL_LINE_BYTES - len(b'CONNECT {"x":""}\r')
    fits = b'CONNECT {"x":"%b"}\r\n' % (b"a" * filler)
    one = session()

    one.receive(fits, 0)

    assert one.state is State.CHECKING
    with pytest.raises(MaxControlLine):
        session().receive(b'CONNECT {"x":"' + b"a" * LEAF_CONTROL_LINE_BYTES, 0)


def test_a_name_of_the_most_characters_is_kept_and_a_longer_one_refused() -> None:
    _, event = claimed(b'{"name":"%b"}' % (b"n" * LEAF_NAME_CHARS_MAX))

    assert len(event.connect.name) == LEAF_NAME_CHARS_MAX
    with pytest.raises(ConnectMalformed):
        claimed(b'{"cluster":"%b"}' % (b"n" * (LEAF_NAME_CHARS_MAX + 1)))


def test_fields_come_in_any_case_and_null_is_absent() -> None:
    _, event = claimed(b'{"NAME":"x","Cluster":null,"deny_pub":["a"],"is_hub":true}')

    assert (event.connect.name, event.connect.cluster) == ("x", "")
    assert event.connect.deny_pub == ["a"]
    assert event.connect.is_hub


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b'{"account":"x"}', b"-ERR 'Authorization Violation'\r\n"),
        (b'{"lang":"go","cluster":"a b"}', b"-ERR 'attempted to connect to leaf node port'\r\n"),
        (b'{"cluster":"a b"}', b"-ERR 'cluster name cannot contain spaces'\r\n"),
        (b'{"cluster":"OWN","gateway":"G"}', b"-ERR 'remote leafnode has same cluster name'\r\n"),
        (
            b'{"gateway":"G"}',
            b"-ERR 'Rejecting connection from gateway \"G\" on the leafnode port'\r\n",
        ),
        (
            b'{"version":"2.11.9"}',
            b"-ERR 'connection rejected since minimum version required is \"2.12.0\"'\r\n",
        ),
        (
            b"{}",
            b"-ERR 'connection rejected since minimum version required is \"2.12.0\"'\r\n",
        ),
    ],
)
def test_what_cannot_be_a_leaf_of_ours_is_refused_in_this_order(text: bytes, line: bytes) -> None:
    one, event = claimed(text, cluster="OWN", min_version="2.12.0")

    with pytest.raises(ProtocolError) as caught:
        one.check(event.login, one.answer("$G"))

    assert wire_line(caught.value) == line


def test_who_is_too_old_is_told_where_it_would_be_before_the_refusal() -> None:
    one, event = claimed(b'{"version":"2.9.1"}', min_version="2.10.0")

    with pytest.raises(ProtocolError):
        one.check(event.login, one.answer("$G"))

    assert b'"connect_info":true' in one.data_to_send()


@pytest.mark.parametrize("version", [b"2.12.0", b"2.12.1-RC.1", b"v3.0.0", b"2.100.0"])
def test_a_version_that_is_not_below_the_least_is_fine(version: bytes) -> None:
    one, event = claimed(b'{"version":"%b","cluster":"OTHER"}' % version, min_version="2.12.0")

    one.check(event.login, one.answer("$G"))

    assert one.state is State.CHECKING


def test_a_leaf_without_connect_is_told_that_its_time_is_over() -> None:
    one = session(auth_timeout_ns=2 * NS_PER_S)
    one.receive(b"CONN", 1 * NS_PER_S)

    one.timer_due(2 * NS_PER_S - 1)
    early = one.data_to_send()
    one.timer_due(2 * NS_PER_S)

    assert early == b""
    assert one.data_to_send() == b"-ERR 'Authentication Timeout'\r\n"
    assert one.state is State.CLOSED


def test_the_time_for_a_login_begins_when_tls_is_over() -> None:
    one = session(auth_timeout_ns=2 * NS_PER_S, entry_ns=5 * NS_PER_S)
    assert one.deadline_ns == 7 * NS_PER_S

    one.entered(1 * NS_PER_S)

    assert one.deadline_ns == 3 * NS_PER_S


def test_a_check_takes_as_long_as_it_takes() -> None:
    one, _ = claimed(b"{}")

    one.timer_due(60 * NS_PER_S)

    assert one.state is State.CHECKING
    assert one.data_to_send() == b""


def test_a_second_connect_is_a_twin_of_the_link() -> None:
    with pytest.raises(DuplicateLeafConnection):
        linked().receive_line(b"CONNECT {}", 0)


def test_our_own_loop_subject_ends_the_link() -> None:
    one = linked()

    one.receive_line(b"LS+ $LDS.own", 0)

    assert one.data_to_send().startswith(b'-ERR \'Loop detected for leafnode account="$G".')
    (event,) = one.events()
    assert isinstance(event, Ended)


LINES = st.sampled_from(
    [
        b"PING",
        b"PONG",
        b"+OK",
        b"-ERR 'x'",
        b"INFO {}",
        b"LS+ a",
        b"LS+ a q 2",
        b"LS- a",
        b"CONNECT {}",
        b"LMSG a 1",
        b"SUB a 1",
        b"",
        b"\x00",
        b"LS+ a b",
        b"CONNECT [",
        b"INFO [",
    ]
)


@given(st.lists(LINES, max_size=8), st.booleans())
def test_any_operations_in_any_order_end_in_an_answer_or_in_nothing(
    lines: list[bytes], accepts: bool
) -> None:
    one = session()
    for line in lines:
        try:
            if one.state is State.LINKED:
                one.receive_line(line, 0)
            elif one.state is State.AWAIT_CONNECT:
                one.receive(line + b"\r\n", 0)
            if one.state is State.CHECKING and accepts:
                one.accept(one.answer("$G"), b"$LDS.own", 0)
        except ProtocolError as error:
            one.fail(error)
        one.events()

    assert one.state in {State.AWAIT_CONNECT, State.CHECKING, State.LINKED, State.CLOSED}


# --- packing

ASKS = b'INFO {"server_id":"","compression":"s2_best"}\r\n'
FAST = Compression("s2_fast")


def greeting(one: AcceptingSession) -> dict[str, object]:
    found: dict[str, object] = json.loads(one.data_to_send().removeprefix(b"INFO "))
    return found


def test_a_leaf_may_agree_to_packing_and_is_greeted_once_more() -> None:
    one = session(compression=FAST)
    one.greet()
    assert greeting(one)["compression"] == "s2_fast"

    for at in range(len(ASKS)):
        one.receive(ASKS[at : at + 1], 3)

    assert one.events() == [CompressionAgreed("s2_fast", b"")]
    again = greeting(one)
    assert (again["compression"], again["nonce"]) == ("s2_fast", "EsbRnPg3CTsA6gA")
    one.receive(CONNECT, 4)
    (event,) = one.events()
    assert isinstance(event, Claimed)
    assert one.compression == "s2_fast"


@pytest.mark.parametrize("theirs", ["off", "not supported", ""])
def test_who_does_not_want_it_goes_on_in_clear(theirs: str) -> None:
    one = session(compression=FAST)

    one.receive(b'INFO {"compression":"%b"}\r\n' % theirs.encode() + CONNECT, 0)

    (event,) = one.events()
    assert isinstance(event, Claimed)


def test_nobody_agrees_twice_nor_where_it_is_off() -> None:
    with pytest.raises(AuthorizationViolation):
        session().receive(ASKS, 0)
    one = session(compression=FAST)
    one.receive(ASKS, 0)
    with pytest.raises(AuthorizationViolation):
        one.receive(ASKS, 0)


def test_a_leaf_that_wants_what_nobody_knows_is_refused() -> None:
    with pytest.raises(UnsupportedCompression) as caught:
        session(compression=FAST).receive(b'INFO {"compression":"zip"}\r\n', 0)

    assert wire_line(caught.value) == b"-ERR 'unsupported route compression mode \"zip\"'\r\n"


def test_a_greeting_says_nothing_of_it_where_it_is_not_supported() -> None:
    one = session(compression=Compression("not supported"))
    one.greet()

    assert "compression" not in greeting(one)
