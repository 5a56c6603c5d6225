"""Random permissions: what users may subscribe to and what reaches them, here and on nats-server.

One difference is allowed, see docs/compatibility.md: nats-server takes the `>` of a subscription
for a token that `*` of an allow entry covers, and then delivers what no entry allows.
"""

from __future__ import annotations

import itertools
import random
import re
import socket
from typing import TYPE_CHECKING

import pytest

from tests.hub.process import nats_server_path, running_hub
from tests.interop.gateway import running_gateway

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

USERS = 60
SUBSCRIPTIONS = 12
PATIENCE_S = 30.0
LITERALS = [".".join(tokens) for n in (1, 2, 3) for tokens in itertools.product("abc", repeat=n)]
INFO = re.compile(rb"INFO \{.*?\} ?\r\n")
QUEUES = ["q", "q.*", "*", ">", "q1", "q.>"]


def pattern(rng: Random) -> str:
    tokens = [rng.choice("abc*") for _ in range(rng.randint(1, 3))]
    if rng.random() < 0.35:
        tokens[-1] = ">"
    return ".".join(tokens)


def entries(rng: Random, *, queues: bool) -> str:
    some = [pattern(rng) for _ in range(rng.randint(1, 3))]
    if queues:
        some = [f"{one} {rng.choice(QUEUES)}" if rng.random() < 0.3 else one for one in some]
    return "[" + ", ".join(f'"{one}"' for one in some) + "]"


def rules(rng: Random, *, queues: bool) -> str:
    kinds = rng.choice([(), ("allow",), ("deny",), ("allow", "deny")])
    return ", ".join(f"{kind}: {entries(rng, queues=queues)}" for kind in kinds)


def configuration(rng: Random) -> str:
    users = ["{user: admin, password: p}"]
    for number in range(USERS):
        subscribe, publish = rules(rng, queues=True), rules(rng, queues=False)
        permissions = f"subscribe: {{{subscribe}}}, publish: {{{publish}}}"
        users.append(f"{{user: u{number}, password: p, permissions: {{{permissions}}}}}")
    return "authorization { users: [\n" + "\n".join(users) + "\n] }\n"


def subscriptions(rng: Random) -> list[tuple[str, str]]:
    """Patterns and queue groups, empty for none."""
    return [
        (pattern(rng), rng.choice(["", "", "", "q", "q.x", "q1", "z"]))
        for _ in range(SUBSCRIPTIONS)
    ]


class User:
    """A connection of one user that asks and waits for the PONG behind."""

    def __init__(self, port: int, name: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.ask(f'CONNECT {{"verbose":false,"user":"{name}","pass":"p"}}\r\n')

    def ask(self, text: str = "") -> bytes:
        self._socket.sendall(text.encode() + b"PING\r\n")
        got = b""
        while not got.endswith(b"PONG\r\n"):
            data = self._socket.recv(65536)
            assert data, f"ended after {got!r}"
            got += data
        return INFO.sub(b"", got)

    def close(self) -> None:
        self._socket.close()


def told(port: int, number: int, wanted: list[tuple[str, str]]) -> tuple[set[int], list[bytes]]:
    """Return which subscriptions are refused, and the messages that come with their queue group."""
    user, admin = User(port, f"u{number}"), User(port, "admin")
    refused = set()
    for sid, (subject, queue) in enumerate(wanted):
        if b"-ERR" in user.ask(f"SUB {subject} {queue} {sid}\r\n"):
            refused.add(sid)
    admin.ask("".join(f"PUB {subject} 1\r\nx\r\n" for subject in LITERALS))
    user.ask("".join(f"PUB {subject} 1\r\nx\r\n" for subject in LITERALS))
    came = user.ask("".join(f"UNSUB {sid}\r\n" for sid in range(len(wanted))))
    admin.close()
    user.close()
    # Which member of a group gets a message is chance: the group counts.
    groups = {str(sid): queue or str(sid) for sid, (_, queue) in enumerate(wanted)}
    messages = [line.split() for line in came.split(b"\r\n") if line.startswith(b"MSG ")]
    return refused, sorted(b"%b to %b" % (m[1], groups[m[2].decode()].encode()) for m in messages)


def is_beyond_a_star(wanted: tuple[str, str]) -> bool:
    return wanted[0].endswith(">")


@pytest.mark.parametrize("number", range(2))
def test_random_permissions_mean_the_same(tmp_path: Path, number: int) -> None:
    rng = random.Random(number)
    config = configuration(rng)
    with (
        running_hub(tmp_path / "hub", config) as hub,
        running_gateway(tmp_path / "edge", config) as gateway,
    ):
        for user in range(USERS):
            wanted = subscriptions(rng)
            theirs, theirs_got = told(hub.client_port, user, wanted)
            ours, ours_got = told(gateway.client_port, user, wanted)
            stricter = ours - theirs
            assert theirs <= ours, f"user {user}: {[wanted[sid] for sid in theirs - ours]}"
            assert all(is_beyond_a_star(wanted[sid]) for sid in stricter), f"user {user}"
            if not stricter:
                assert ours_got == theirs_got, f"user {user}: {wanted}"
