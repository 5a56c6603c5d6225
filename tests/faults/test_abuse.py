"""Clients that mean harm: each is answered and ended within its bounds, and nobody else notices.

In memory, on simulated time; docs/measurements.md has the same against real processes, beside
nats-server.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest

from leafnode.config.options import Authorization, Options
from leafnode.limits import CONTROL_LINES_PER_TURN, MAX_CONTROL_LINE_BYTES, TURN_WORK
from tests.interop.gateway import Gateway
from tests.sim.clients import ClientWorld, SimClient

if TYPE_CHECKING:
    from pathlib import Path

    from leafnode.routing.subscription import Delivery

VERBOSE = b'{"verbose":true,"headers":true,"auth_token":"t"}'
LOGIN = b'{"verbose":false,"headers":true,"auth_token":"t"}'
KIB = 1024
RSS_GROWTH_KIB_MAX = 40 * KIB


def world(**options: int) -> ClientWorld:
    return ClientWorld(Options(authorization=Authorization(token="t"), **options))  # type: ignore[arg-type]


def is_served(bystander: SimClient) -> bool:
    return bystander.says(b"PUB by.stander 1\r\nx\r\n") == b"MSG by.stander 1 1\r\nx\r\n"


def bystander_of(abused: ClientWorld) -> SimClient:
    client = abused.client(LOGIN)
    client.says(b"SUB by.stander 1\r\n")
    return client


PAYLOAD = b"-ERR 'Maximum Payload Violation'\r\n"
LINE = b"-ERR 'maximum control line exceeded'\r\n"
UNKNOWN = b"-ERR 'Unknown Protocol Operation'\r\n"


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"PUB " + b"a" * 1_000_000, LINE),
        (b"SUB " + b"a" * 1_000_000, LINE),
        (b"CONNECT " + b"[" * 2000 + b"\r\n", b""),
        (b"CONNECT " + b'{"a":' * 700 + b"\r\n", b""),
        (b"PUB a 99999999\r\n", PAYLOAD),
        (b"PUB a " + b"9" * 30 + b"\r\n", b""),
        (b"PUB a -1\r\n\r\n", b""),
        (b"HPUB a 50 10\r\n" + b"x" * 10 + b"\r\n", b""),
        (b"HPUB a 12 12\r\nNATS/9.9\r\nx:\r\n\r\nPING\r\n", UNKNOWN),
        (b"FLY me\r\n", UNKNOWN),
        (b"\0" * 4096, UNKNOWN),
        (b"\r\n" * 2000, UNKNOWN),
    ],
)
def test_what_cannot_be_an_operation_ends_its_connection_alone(data: bytes, answer: bytes) -> None:
    abused = world()
    bystander = bystander_of(abused)
    client = abused.client(LOGIN)

    assert client.says(data) == answer

    assert client.raw.ended
    assert is_served(bystander)
    assert abused.server.turn.faults == 0


@pytest.mark.parametrize("start", [b'CONNECT {"name":"', b"CONNECT " + b"[" * 200_000])
def test_a_login_without_end_is_cut_at_the_control_line(start: bytes) -> None:
    abused = world()
    client = abused.client(b"")

    assert client.says(start + b"x" * (MAX_CONTROL_LINE_BYTES + 100)) == LINE
    assert client.raw.ended


def test_one_byte_a_second_does_not_move_the_deadline_of_a_login() -> None:
    abused = world()
    client = abused.client(b"")
    got = b""
    for byte in b"CONNECT":
        got += client.says(bytes([byte]))
        abused.clock.advance(500_000_000)
    got += client.hears()

    assert got == b"-ERR 'Authentication Timeout'\r\n"
    assert client.raw.ended


@pytest.mark.parametrize(
    "flood",
    [
        b"PING\r\n" * 50_000,
        b"".join(b"SUB f.%d.*.> %d\r\n" % (n, n) for n in range(20_000)),
        b"".join(b"UNSUB %d\r\n" % n for n in range(50_000)),
    ],
)
def test_a_flood_of_operations_lets_others_have_their_turn(flood: bytes) -> None:
    abused = world()
    bystander = bystander_of(abused)
    client = abused.client(LOGIN)
    handled = []

    def note(_: Delivery) -> None:
        handled.append(len(client.handler.peer.subs) + client.raw.got.count(b"PONG"))

    abused.server.account().subscribe(b"by.stander", note)

    client.end.write([flood])
    bystander.end.write([b"PUB by.stander 1\r\nx\r\n"])
    abused.settle()

    assert len(handled) == 1
    assert handled[0] <= 2 * CONTROL_LINES_PER_TURN
    assert not client.raw.ended


@pytest.mark.parametrize(
    "flood",
    [
        b"PUB fan 1\r\nx\r\n" * 300,
        b"".join(b"PUB fan.%d 1\r\nx\r\n" % n for n in range(300)),
        b"HPUB fan 12 13\r\nNATS/1.0\r\n\r\nx\r\n" * 300,
    ],
)
@pytest.mark.parametrize("login", [LOGIN, VERBOSE])
def test_messages_for_very_many_let_others_have_their_turn(flood: bytes, login: bytes) -> None:
    abused = world()
    bystander = bystander_of(abused)
    reader = abused.client(LOGIN)
    reader.says(b"".join(b"SUB fan %d\r\n" % n for n in range(500)))
    reader.says(b"".join(b"SUB fan.* w%d\r\n" % n for n in range(500)))
    client = abused.client(login)
    delivered = []

    def note(_: Delivery) -> None:
        delivered.append(reader.handler.peer.traffic.out_msgs)

    abused.server.account().subscribe(b"by.stander", note)

    client.end.write([flood])
    bystander.end.write([b"PUB by.stander 1\r\nx\r\n"])
    abused.settle()

    assert len(delivered) == 1
    assert delivered[0] <= 2 * TURN_WORK
    assert reader.handler.peer.traffic.out_msgs == 300 * 500


@pytest.mark.parametrize(
    "line", [b"PUB fan.%d 1\r\nx\r\n", b"HPUB fan.%d 12 13\r\nNATS/1.0\r\n\r\nx\r\n"]
)
@pytest.mark.parametrize("login", [LOGIN, VERBOSE])
def test_messages_for_one_of_very_many_let_others_have_their_turn(
    line: bytes, login: bytes
) -> None:
    abused = world()
    bystander = bystander_of(abused)
    members = 3000
    reader = abused.client(LOGIN)
    reader.says(b"".join(b"SUB fan.* group %d\r\n" % n for n in range(members)))
    client = abused.client(login)
    delivered = []

    def note(_: Delivery) -> None:
        delivered.append(reader.handler.peer.traffic.out_msgs)

    abused.server.account().subscribe(b"by.stander", note)

    client.end.write([b"".join(line % n for n in range(300))])
    bystander.end.write([b"PUB by.stander 1\r\nx\r\n"])
    abused.settle()

    assert len(delivered) == 1
    assert delivered[0] <= 2 * TURN_WORK // members
    assert reader.handler.peer.traffic.out_msgs == 300


def test_many_deep_wildcards_match_one_message_each() -> None:
    abused = world()
    client = abused.client(LOGIN)
    deep = b".".join([b"*"] * 64)
    client.says(b"".join(b"SUB %b %d\r\n" % (deep, n) for n in range(1000)))

    got = client.says(b"PUB %b 1\r\nx\r\n" % b".".join([b"x"] * 64))

    assert got.count(b"MSG ") == 1000


def test_a_client_that_does_not_read_is_cut_at_max_pending_and_others_are_not() -> None:
    abused = world(max_pending_bytes=2 * KIB * KIB)
    bystander = bystander_of(abused)
    slow = abused.client(LOGIN)
    slow.says(b"SUB slow 1\r\n")
    slow.link.deaf = True
    publisher = abused.client(LOGIN)

    for _ in range(100):
        publisher.says(b"PUB slow 65536\r\n" + bytes(65536) + b"\r\n")

    assert abused.server.registry.slow_pending == 1
    assert is_served(bystander)


@pytest.mark.parametrize(
    "block",
    [
        b"NATS/1.0\r\n" + b"a: b\r\n" * 10_000 + b"\r\n",
        b"NATS/1.0\r\n" + b"a:" + b"b" * 60_000 + b"\r\n\r\n",
        b"NATS/1.0 no end of the block",
        b"\r\n\r\n",
        b"",
    ],
)
def test_a_header_block_of_any_form_is_carried_and_not_read(block: bytes) -> None:
    abused = world()
    reader = abused.client(LOGIN)
    reader.says(b"SUB h 1\r\n")
    client = abused.client(LOGIN)

    client.says(b"HPUB h %d %d\r\n%b\r\n" % (len(block), len(block), block))

    assert block in reader.hears()
    assert abused.server.turn.faults == 0


def test_bad_logins_leave_nothing_behind() -> None:
    abused = world()
    bystander = bystander_of(abused)

    for _ in range(1500):
        client = abused.client(b'{"user":"mallory","pass":"no"}')
        assert client.raw.ended

    registry = abused.server.registry
    assert len(registry.open) == 1
    assert len(registry.waiting) == 0
    assert is_served(bystander)


def resident_kib(pid: int) -> int:
    with open(f"/proc/{pid}/status") as status:  # noqa: PTH123 -- a file of the kernel
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1])


@pytest.mark.interop
def test_a_thousand_silent_connections_cost_little_and_are_all_closed(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, "authorization { token: t }")
    gateway.start()
    try:
        assert gateway.process is not None
        before = resident_kib(gateway.process.pid)
        address = ("127.0.0.1", gateway.client_port)
        silent = [socket.create_connection(address, 5) for _ in range(500)]
        growth = resident_kib(gateway.process.pid) - before

        with socket.create_connection(address, 5) as client:
            client.sendall(b"CONNECT " + LOGIN + b"\r\nPING\r\n")
            got = b""
            while b"PONG" not in got:
                got += client.recv(4096)

        deadline = time.monotonic() + 10
        for one in silent:
            one.settimeout(max(0.1, deadline - time.monotonic()))
            while one.recv(65536):
                pass
            one.close()
    finally:
        gateway.stop()

    assert growth <= RSS_GROWTH_KIB_MAX
