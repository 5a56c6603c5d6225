"""leafnode.protocol.client_session: the state table of a client connection."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.clock import NS_PER_S
from leafnode.errors import ProtocolError
from leafnode.limits import FIRST_PING_NS, RTT_REFRESH_NS
from leafnode.protocol.client_session import ClientSession, SessionRules, State
from leafnode.protocol.errors import (
    AuthenticationTimeout,
    AuthorizationViolation,
    InvalidClientProtocol,
    NoRespondersRequiresHeaders,
    StaleConnection,
)
from leafnode.protocol.info import Connect
from leafnode.protocol.op import ConnectOp, Ping, Pong

START = 1_000 * NS_PER_S
INTERVAL = 120 * NS_PER_S


def rules(*, auth: bool, ping_max: int = 2) -> SessionRules:
    return SessionRules(
        max_control_line_bytes=4096,
        auth_required=auth,
        auth_timeout_ns=2 * NS_PER_S,
        ping_interval_ns=INTERVAL,
        ping_max=ping_max,
    )


def session(*, auth: bool = False, ping_max: int = 2) -> ClientSession:
    return ClientSession(rules(auth=auth, ping_max=ping_max), START)


def connect(one: ClientSession, options: Connect | None = None, now_ns: int = START) -> None:
    """Bring a session through CONNECT."""
    one.received(b"CONNECT", now_ns)
    one.take(b"CONNECT {}")
    one.check(options or Connect())
    one.accept(options or Connect(), now_ns, random.Random(1))


def test_without_authentication_everything_may_come_at_once() -> None:
    one = session()
    one.received(b"PING\r\n", START)

    assert one.take(b"PING") == Ping()
    assert one.state is State.OPEN


def test_with_authentication_the_first_byte_must_be_one_of_connect() -> None:
    one = session(auth=True)

    with pytest.raises(AuthorizationViolation):
        one.received(b"S", START)


def test_with_authentication_connect_may_come_in_pieces() -> None:
    one = session(auth=True)
    one.received(b"C", START)
    one.received(b"ONNECT {}\r\n", START)

    assert isinstance(one.take(b"CONNECT {}"), ConnectOp)
    assert one.state is State.CHECKING


def test_with_authentication_another_line_that_starts_with_c_is_refused_too() -> None:
    one = session(auth=True)
    one.received(b"c", START)

    with pytest.raises(ProtocolError):
        one.take(b"cPING")


def test_nothing_is_handled_while_credentials_are_checked() -> None:
    one = session(auth=True)
    one.received(b"C", START)
    one.take(b"CONNECT {}")

    with pytest.raises(AssertionError):
        one.take(b"PING")


@pytest.mark.parametrize("protocol", [-1, 2, 99])
def test_an_unknown_protocol_is_refused(protocol: int) -> None:
    with pytest.raises(InvalidClientProtocol):
        connect(session(), Connect(protocol=protocol))


def test_no_responders_without_headers_is_refused() -> None:
    with pytest.raises(NoRespondersRequiresHeaders):
        connect(session(), Connect(no_responders=True))


def test_the_login_deadline_is_counted_from_accept() -> None:
    one = session(auth=True)
    one.received(b"C", START + 1)
    one.received(b"O", START + 2 * NS_PER_S - 1)

    assert one.due_ns() == START + 2 * NS_PER_S
    with pytest.raises(AuthenticationTimeout):
        one.on_time(one.due_ns())


def test_a_login_that_came_in_time_is_not_late_for_being_checked_slowly() -> None:
    one = session(auth=True)
    one.received(b"C", START)
    one.take(b"CONNECT {}")
    one.await_check(START)

    for _ in range(100):
        assert one.on_time(one.due_ns()) is False
    assert one.due_ns() > START + 60 * NS_PER_S


def test_the_first_ping_comes_soon_after_connect_with_jitter() -> None:
    one = session()
    connect(one)

    assert FIRST_PING_NS <= one.due_ns() - START <= FIRST_PING_NS * 1.2
    assert one.on_time(one.due_ns())


def test_an_answer_gives_the_round_trip() -> None:
    one = session()
    connect(one)
    sent_ns = one.due_ns()
    one.on_time(sent_ns)

    one.received(b"PONG\r\n", sent_ns + 1500)
    assert one.take(b"PONG") == Pong()

    assert one.rtt_ns == 1500


def test_an_unasked_pong_measures_nothing() -> None:
    one = session()
    connect(one)
    estimate = one.rtt_ns
    one.received(b"PONG\r\n", START + 5)

    one.take(b"PONG")

    assert one.rtt_ns == estimate


def test_silence_is_stale_after_ping_max_pings() -> None:
    one = session(ping_max=2)
    connect(one)

    assert one.on_time(one.due_ns())
    assert one.on_time(one.due_ns())
    with pytest.raises(StaleConnection):
        one.on_time(one.due_ns())


def test_a_client_whose_answer_waits_here_is_not_stale() -> None:
    one = session(ping_max=2)
    connect(one)

    pings = [one.on_time(one.due_ns(), unread=True) for _ in range(5)]
    assert pings == [True, True, False, False, False]
    one.received(b"PONG\r\n", one.due_ns() - 1)
    one.take(b"PONG")

    assert one.on_time(one.due_ns())


def test_a_busy_client_is_not_pinged_except_for_its_round_trip_now_and_then() -> None:
    one = session()
    connect(one)
    pings = 0
    while one.due_ns() < START + RTT_REFRESH_NS + 4 * INTERVAL:
        due_ns = one.due_ns()
        one.received(b"PUB a 0\r\n\r\n", due_ns - 1)
        if one.on_time(due_ns):
            pings += 1
            one.received(b"PONG\r\n", due_ns)
            one.take(b"PONG")

    assert pings == 2


def test_an_answer_alone_is_no_activity() -> None:
    one = session()
    connect(one)
    one.on_time(one.due_ns())
    one.received(b"PONG\r\n", one.due_ns() - 1)
    one.take(b"PONG")

    assert one.on_time(one.due_ns())


def test_a_second_connect_does_not_bring_the_first_ping_back() -> None:
    one = session()
    connect(one)
    one.on_time(one.due_ns())
    due_ns = one.due_ns()

    connect(one, now_ns=START + 5)

    assert one.due_ns() == due_ns


def test_a_session_does_not_keep_secrets() -> None:
    one = session()
    connect(one, Connect(user="joe", password="canary", auth_token="canary", jwt="canary"))

    kept = msgspec.structs.asdict(one.connect)

    assert kept["user"] == "joe"
    assert "canary" not in kept.values()


def test_closing_twice_does_nothing() -> None:
    one = session()

    one.close()
    one.close()

    assert one.state is State.CLOSED


LINES = st.sampled_from(
    [b"PING", b"PONG", b"SUB a 1", b"UNSUB 1", b"CONNECT {}", b"FOO", b"", b"+OK", b"CFOO"]
)


@given(st.booleans(), st.lists(LINES, max_size=8))
def test_any_operations_in_any_state_end_in_a_state_or_a_protocol_error(
    auth: bool, lines: list[bytes]
) -> None:
    one = session(auth=auth)
    for line in lines:
        try:
            one.received(line + b"\r\n", START)
            op = one.take(line)
            if isinstance(op, ConnectOp):
                one.accept(op.connect, START, random.Random(1))
        except ProtocolError:
            one.close()
            break

    assert one.state is not State.CHECKING
    assert one.said_connect or not auth or one.state is not State.OPEN


def test_the_first_ping_waits_while_the_client_is_fed_but_not_longer_than_one_interval() -> None:
    one = session()
    connect(one)

    assert not one.on_time(one.due_ns(), fed=True)
    assert not one.on_time(one.due_ns(), fed=True)
    assert one.on_time(START + 120 * NS_PER_S, fed=True)


def test_rules_of_a_reload_before_the_greeting_hold_from_the_start() -> None:
    one = session(auth=False)

    one.begin(rules(auth=True))
    assert one.state is State.GREETED

    one.begin(rules(auth=False))
    assert one.state is State.OPEN
