"""leafnode.clients.handler; what the wire must look like in each case is in the transcripts."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from leafnode.clients.handler import ClientHandler
from leafnode.clock import NS_PER_S
from leafnode.config.options import (
    Authorization,
    Options,
    PermissionsOptions,
    SubjectRules,
    User,
)
from leafnode.limits import (
    CLIENT_ERROR_LINES_MAX,
    CONTROL_LINES_PER_TURN,
    DROP_WORK,
    TURN_WORK,
)
from leafnode.net.backlog import Late
from leafnode.protocol.info import JWT_CHAR_WORK, SIGNED_WORK
from tests.sim.clients import HOST, PORT, ClientWorld, RawClient, SimClient
from tests.sim.clock import MONOTONIC_START_NS

if TYPE_CHECKING:
    import pytest

    from leafnode.routing.account import Account
    from leafnode.routing.subscription import Delivery

QUIET = b'{"verbose":false,"pedantic":false}'


def account(world: ClientWorld) -> Account:
    return world.server.account()


def _handler(world: ClientWorld, client: SimClient) -> ClientHandler:
    return world.server.registry.open[client.cid]


def test_each_connection_has_its_own_number_in_info() -> None:
    world = ClientWorld()
    ids = []
    for _ in range(2):
        raw = RawClient()
        world.network.connect(raw, HOST, PORT)
        world.settle()
        ids.append(json.loads(raw.take().removeprefix(b"INFO "))["client_id"])

    assert ids == [1, 2]


def test_a_nonce_is_sent_only_where_somebody_may_have_to_sign_it_and_never_twice() -> None:
    nkey = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"
    world = ClientWorld(Options(authorization=Authorization(users=(User(nkey=nkey),))))
    nonces = set()
    for _ in range(3):
        raw = RawClient()
        world.network.connect(raw, HOST, PORT)
        world.settle()
        nonces.add(json.loads(raw.take().removeprefix(b"INFO "))["nonce"])

    assert len(nonces) == 3


def test_messages_reach_the_server_s_own_subscriptions_in_runs() -> None:
    world = ClientWorld()
    client = world.client(QUIET)
    runs: list[Delivery] = []
    account(world).subscribe(b"api.>", runs.append)
    client.says(b"PUB api.x r 3\r\none\r\n")  # a subject not seen before makes no run
    runs.clear()

    client.says(b"PUB api.x r 2\r\nhi\r\nPUB api.x r 2\r\nho\r\n")

    assert [(run.subject, run.messages) for run in runs] == [
        (b"api.x", [(b"r", 0, b"hi"), (b"r", 0, b"ho")])
    ]
    assert runs[0].origin is client.handler.peer


def test_what_the_server_publishes_reaches_a_client_without_a_read() -> None:
    world = ClientWorld()
    client = world.client(QUIET)
    client.says(b"SUB a 1\r\n")

    account(world).publish(b"a", b"hi")

    assert client.hears() == b"MSG a 1 2\r\nhi\r\n"


def test_nothing_is_sent_to_a_client_after_the_error_that_ended_it() -> None:
    world = ClientWorld()
    client, other = world.client(QUIET), world.client(QUIET)
    client.says(b"SUB a 1\r\n")

    got = client.says(b"FOO\r\nPUB a 1\r\nx\r\n")
    other.says(b"PUB a 1\r\ny\r\n")

    assert got == b"-ERR 'Unknown Protocol Operation'\r\n"
    assert client.hears() == b""


def test_a_slow_consumer_is_cut_counted_and_named_and_others_are_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    world = ClientWorld(Options(max_pending_bytes=10_000))
    slow, fast, publisher = world.client(QUIET), world.client(QUIET), world.client(QUIET)
    slow.says(b"SUB a 1\r\n")
    fast.says(b"SUB a 1\r\n")
    slow.link.deaf = True

    for _ in range(12):
        publisher.says(b"PUB a 1000\r\n" + bytes(1000) + b"\r\n")

    assert slow.raw.ended
    assert b"MSG" not in slow.hears()
    assert fast.hears().count(b"MSG a 1 1000\r\n") == 12
    assert world.server.registry.slow_consumers == 1
    assert world.server.registry.slow_pending == 1
    assert account(world).sublist.count == 1
    assert " - cid:1 - Slow Consumer Detected: MaxPending of 10000 Exceeded" in caplog.text


def test_who_does_not_read_in_time_is_told_of_counted_and_remembered_with_what_waits(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    world = ClientWorld()
    slow, publisher = world.client(QUIET), world.client(QUIET)
    slow.says(b"SUB a 1\r\n")
    slow.link.deaf = True
    publisher.says(b"PUB a 1000\r\n" + bytes(1000) + b"\r\n")
    handler, registry = _handler(world, slow), world.server.registry
    transport = handler._transport
    assert transport is not None
    assert transport.on_late is not None

    transport.on_late(Late(NS_PER_S, 2, 1020, is_over=False, is_again=False))
    seen = registry.slow_deadline, registry.slow_consumers, handler.is_gone
    transport.on_late(Late(0, 2, 1020, is_over=False, is_again=True, took_ns=NS_PER_S // 2))
    transport.on_late(Late(NS_PER_S, 2, 1020, is_over=True, is_again=True))
    transport.on_late(Late(NS_PER_S, 2, 1020, is_over=True, is_again=True))

    assert seen == (1, 1, False)
    assert (registry.slow_deadline, registry.slow_consumers) == (2, 2)
    gone = [*registry.closed_ring][-1]
    assert gone.reason == "Slow Consumer (Write Deadline)"
    assert gone.facts.pending_bytes > 1000
    said = "- Slow Consumer {}: WriteDeadline of 1s exceeded with 2 chunks of 1020 total bytes."
    assert caplog.text.count(said.format("Detected")) == 1
    assert caplog.text.count(said.format("State")) == 1
    took = "- Slow Consumer Recovered: Flush took 0.500s with 2 chunks of 1020 total bytes."
    assert caplog.text.count(took) == 1


def test_who_has_not_logged_in_and_does_not_read_is_cut_without_a_word(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    world = ClientWorld(Options(authorization=Authorization(token="t")))
    nobody = world.client(b"")
    handler, registry = _handler(world, nobody), world.server.registry
    transport = handler._transport
    assert transport is not None
    assert transport.on_late is not None

    transport.on_late(Late(NS_PER_S, 1, 9, is_over=True, is_again=False))

    assert handler.is_gone
    assert registry.slow_consumers == 0
    assert "Slow Consumer" not in caplog.text


def test_a_flood_of_control_lines_gives_others_a_turn() -> None:
    world = ClientWorld()
    client = world.client(QUIET)
    lines = b"".join(b"SUB s.%d %d\r\n" % (n, n) for n in range(2 * CONTROL_LINES_PER_TURN))

    client.end.write([lines + b"PING\r\n"])
    counts = []
    counting = _Counting(counts, world)
    for n in range(2 * CONTROL_LINES_PER_TURN):
        account(world).watch(b"s.%d" % n, counting)
    world.settle()

    assert client.raw.take() == b"PONG\r\n"
    assert account(world).sublist.count == 2 * CONTROL_LINES_PER_TURN
    assert max(counts) == CONTROL_LINES_PER_TURN


class _Counting:
    """Counts interest changes between two turns of the clock's timers."""

    def __init__(self, counts: list[int], world: ClientWorld) -> None:
        self._counts = counts
        self._world = world
        self._armed = False

    def interest_changed(self) -> None:
        if not self._armed:
            self._armed = True
            self._counts.append(0)
            self._world.clock.call_later(0, self._disarm)
        self._counts[-1] += 1

    def _disarm(self) -> None:
        self._armed = False


def test_a_flood_that_ends_in_a_login_waits_for_it() -> None:
    world = ClientWorld()
    client = world.client(QUIET)
    pings = b"PING\r\n" * (CONTROL_LINES_PER_TURN - 1)

    got = client.says(pings + b'CONNECT {"verbose":true}\r\nPING\r\n')

    assert got == b"PONG\r\n" * (CONTROL_LINES_PER_TURN - 1) + b"+OK\r\nPONG\r\n"


def test_permissions_hold_for_messages_that_a_wider_pattern_would_get() -> None:
    rules = PermissionsOptions(subscribe=SubjectRules(deny=("a.secret",)))
    users = (User(user="u", password="p", permissions=rules), User(user="w", password="p"))
    world = ClientWorld(Options(authorization=Authorization(users=users)))
    reader = world.client(b'{"user":"u","pass":"p","verbose":false}')
    writer = world.client(b'{"user":"w","pass":"p","verbose":false}')
    reader.says(b"SUB a.* 1\r\nSUB a.> q 2\r\n")

    writer.says(b"PUB a.secret 1\r\nx\r\nPUB a.open 1\r\ny\r\n")

    assert reader.hears() == b"MSG a.open 1 1\r\ny\r\nMSG a.open 2 1\r\ny\r\n"


def test_closing_from_the_server_s_side_sends_what_is_pending() -> None:
    world = ClientWorld()
    client = world.client(QUIET)
    client.says(b"SUB a 1\r\n")
    account(world).publish(b"a", b"bye")

    client.handler.close("Server Shutdown")

    assert client.hears() == b"MSG a 1 3\r\nbye\r\n"
    assert client.raw.ended


def test_no_timer_is_left_behind_by_a_connection_that_ended() -> None:
    world = ClientWorld()
    client = world.client(QUIET)

    client.end.close()
    world.settle()

    assert world.clock.pending() == 0


def test_a_connection_that_ends_before_its_greeting_leaves_nothing() -> None:
    world = ClientWorld()
    handler = ClientHandler(world.server.seams)

    handler.lost("")

    assert world.server.registry.open == {}


def test_failed_logins_are_logged_up_to_a_bound_in_a_second_with_what_is_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = ClientWorld(Options(authorization=Authorization(user="u", password="canary")))
    with caplog.at_level(logging.WARNING):
        for _ in range(CLIENT_ERROR_LINES_MAX + 3):
            world.client(b"").says(b'CONNECT {"user":"u","pass":"wrong"}\r\n')
        world.clock.advance(NS_PER_S)
        world.client(b"").says(b'CONNECT {"user":"u","pass":"wrong"}\r\n')

    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == CLIENT_ERROR_LINES_MAX + 2
    assert lines[0].endswith(' - cid:1 - authentication error - User "u"')
    assert lines[-2] == "3 more errors of clients were not logged"
    assert "canary" not in caplog.text
    assert "wrong" not in caplog.text
    assert world.server.registry.auth_failures == CLIENT_ERROR_LINES_MAX + 4


FRAGMENTS = st.sampled_from(
    [
        b"PUB a 2\r\nhi\r\n",
        b"HPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
        b"HPUB a 0 0\r\n\r\n",
        b"PUB a r ",
        b"SUB a 1\r\n",
        b"SUB > q 2\r\n",
        b"UNSUB 1 1\r\n",
        b"PING\r\n",
        b"\r\n",
        b"\0",
        b"CONNECT {}\r\n",
        b'CONNECT {"headers":true,"no_responders":true,"verbose":false,"pedantic":false}\r\n',
        b"CONNECT {",
        b"-ERR ",
        b"LMSG a 2\r\nhi\r\n",
        b"999999999 ",
    ]
)


@given(
    st.lists(st.one_of(FRAGMENTS, FRAGMENTS, st.binary(max_size=12)), max_size=12).map(b"".join),
    st.integers(1, 50),
)
def test_no_bytes_make_the_server_fail_or_leave_something_behind(stream: bytes, size: int) -> None:
    world = ClientWorld()
    client = world.client(b"")
    for start in range(0, len(stream), size):
        client.says(stream[start : start + size])
    client.end.close()
    world.settle()

    assert world.server.turn.faults == 0
    assert world.server.registry.open == {}
    assert account(world).sublist.count == 0
    assert world.clock.pending() == 0


def test_the_clock_starts_where_the_simulation_says() -> None:
    assert ClientWorld().clock.monotonic_ns() == MONOTONIC_START_NS


def test_a_second_connect_ends_more_subscriptions_than_others_wait_for_in_slices() -> None:
    world = ClientWorld()
    client = world.client()
    many = TURN_WORK // DROP_WORK * 2 + 5
    client.says(b"".join(b"SUB a.%d %d\r\n" % (n, n) for n in range(many)))
    assert account(world).sublist.count == many

    heard = client.says(b'CONNECT {"verbose":false}\r\nSUB b 1\r\nPING\r\n')

    assert heard.endswith(b"PONG\r\n")
    assert account(world).sublist.count == 1


def test_a_signed_login_is_as_much_work_as_it_takes() -> None:
    world = ClientWorld()
    client, outbox = world.client(), world.server.turn.outbox

    def work_of(**fields: str) -> int:
        line = b"CONNECT " + json.dumps({"verbose": False} | fields).encode() + b"\r\n"
        before = outbox.work_left
        client.handler.received(line)
        return before - outbox.work_left

    plain = work_of(user="u")

    assert work_of(nkey="U", sig="s") == plain + SIGNED_WORK
    assert work_of(jwt="j" * 2500, sig="s") == plain + SIGNED_WORK + 2500 * JWT_CHAR_WORK
