"""2023-47090, 2026-16, 2026-24: no configuration opens the server but one that says so.

Each kind of block that has to do with who may come in, each operation before a CONNECT, and each
CONNECT that brings nothing.
"""

from __future__ import annotations

import pytest

from leafnode.config.bind import load
from tests.sim.clients import ClientWorld

USER = "users: [ {user: u, password: p} ]"
ELSEWHERE = "users: [ {user: u, password: p, allowed_connection_types: [WEBSOCKET]} ]"
CLOSED = [
    "authorization { user: u, password: p }",
    "authorization { token: t }",
    f"authorization {{ {USER} }}",
    f"authorization {{ {USER}, default_permissions: {{publish: a}} }}",
    f"accounts {{ A {{ {USER} }} }}",
    f"accounts {{ A {{ {USER} }}, B {{}} }}",
    f"accounts {{ $SYS {{ {USER} }} }}",
    f"authorization {{ users: [ {{user: x, password: y}} ] }}\naccounts {{ A {{ {USER} }} }}",
    f"accounts {{ A {{ {ELSEWHERE} }} }}\nno_auth_user: u",
    "accounts { A { users: [ {user: u, password: p, permissions: {publish: a}} ] } }",
]
FIRST = [
    b"PING\r\n",
    b"PUB a 1\r\nx\r\n",
    b"HPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n",
    b"SUB a 1\r\n",
    b"UNSUB 1\r\n",
    b"INFO {}\r\n",
    b"PONG\r\n",
    b"+OK\r\n",
    b"CONNECT {}\r\n",
    b'CONNECT {"user":""}\r\n',
    b'CONNECT {"user":"u"}\r\n',
    b'CONNECT {"user":"u","pass":""}\r\n',
    b'CONNECT {"auth_token":""}\r\n',
    b'CONNECT {"nkey":"","sig":""}\r\n',
    b'CONNECT {"jwt":"","sig":""}\r\n',
    b'CONNECT {"user":"$G"}\r\n',
    b'CONNECT {"account":"A"}\r\n',
    b'CONNECT {"user":"u","account":"A"}\r\n',
]


def world(conf: str) -> ClientWorld:
    return ClientWorld(load("x.conf", {}, read=lambda _: conf))


@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("conf", CLOSED)
def test_nothing_but_credentials_comes_first(conf: str, first: bytes) -> None:
    closed = world(conf)
    before = list(closed.server.accounts)
    client = closed.client(b"")

    got = client.says(first + b"PUB a 1\r\nx\r\nSUB a 1\r\nPING\r\n")

    assert got == b"-ERR 'Authorization Violation'\r\n"
    assert client.raw.ended
    assert list(closed.server.accounts) == before
    assert all(a.traffic.in_msgs == 0 for a in closed.server.accounts.values())


@pytest.mark.parametrize("conf", ["", "authorization {}", "accounts {}", "max_payload: 1K"])
def test_without_a_block_about_users_everybody_may_come_in(conf: str) -> None:
    assert world(conf).client(b"").says(b"PING\r\n") == b"PONG\r\n"


def test_a_no_auth_user_is_asked_for_and_named() -> None:
    conf = "accounts { A { users: [ {user: u, password: p} ] } }\nno_auth_user: u"

    assert world(conf).client(b"").says(b"PING\r\n") == b"PONG\r\n"
