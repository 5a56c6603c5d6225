"""How leafs end on our server and on the real one: both are asked the same."""

from __future__ import annotations

import json
import signal
import socket
import time
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError

import pytest

from tests.hub.process import nats_server_path
from tests.interop.barrier import settled
from tests.interop.nodes import OURS, REAL, client_of, dials, running, wants

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.interop.nodes import Node

pytestmark = [
    pytest.mark.interop,
    pytest.mark.real_loop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]
KINDS = pytest.mark.parametrize("kind", [REAL, OURS])
PATIENCE_S = 20.0


class Leaf:
    """A leaf that speaks by itself: what it is told stays to be read."""

    def __init__(self, port: int, name: str, **claim: Any) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self._lines = self._socket.makefile("rb")
        said = {"name": name, "server_id": f"N{name}", "version": "2.15.1", "headers": True}
        said |= {"protocol": 1, "jetstream": False, "compression": "not supported"} | claim
        try:
            self._socket.sendall(b"CONNECT %s\r\nPING\r\n" % json.dumps(said).encode())
        except OSError:
            self.close()
            raise

    def __enter__(self) -> Leaf:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def linked(self) -> Leaf:
        """Wait until it is one."""
        for line in self._lines:
            if line == b"PONG\r\n":
                return self
        raise AssertionError("the link ended")

    def last_words(self) -> list[bytes]:
        """Return what comes until the end, without PINGs."""
        return [line for line in self._lines if line != b"PING\r\n"]

    def close(self) -> None:
        self._lines.close()
        self._socket.close()


def health(node: Node) -> set[str]:
    """Return what is said to be closed."""
    with pytest.raises(HTTPError) as err:
        node.get("healthz")
    error: str = json.load(err.value)["error"]
    return set(error.removeprefix("failed to be ready for connections after 1ms: ").split(", "))


@KINDS
def test_lame_duck_mode_lets_no_leaf_in_and_sees_off_those_that_are_there(
    kind: str, tmp_path: Path
) -> None:
    config = "lame_duck_duration: 30s, lame_duck_grace_period: 2s"
    with running(kind, tmp_path, "edge", config) as node:
        process = node.process
        assert process is not None
        with Leaf(node.leaf_port, "first").linked() as leaf:
            process.send_signal(signal.SIGUSR2)
            until(lambda: is_refused(node.leaf_port))

            assert health(node) == {"server", "leafnode"}
            assert node.get("leafz")["leafnodes"] == 1  # it waits for the grace period
            assert leaf.last_words() == []
            assert process.wait(PATIENCE_S) == 0


@KINDS
def test_lame_duck_mode_keeps_the_link_to_a_hub_until_its_turn(kind: str, tmp_path: Path) -> None:
    config = "lame_duck_duration: 30s, lame_duck_grace_period: 2s"
    with running(REAL, tmp_path, "hub") as hub:
        remotes = f'remotes: [ {{ url: "nats-leaf://127.0.0.1:{hub.leaf_port}" }} ]'
        with running(kind, tmp_path, "edge", config, leafnodes=remotes) as node:
            until(lambda: hub.get("leafz")["leafnodes"] == 1)
            process = node.process
            assert process is not None

            process.send_signal(signal.SIGUSR2)
            until(lambda: lame(node))

            assert hub.get("leafz")["leafnodes"] == 1
            assert process.wait(PATIENCE_S) == 0


ENDS = """
no_auth_user: a
accounts {
  A { users: [{ user: a, password: a }], limits { max_leafnodes: 1 } }
  SYS { users: [{ user: s, password: s }] }
}
system_account: SYS
"""


@KINDS
def test_links_that_are_over_are_listed_with_the_reason(kind: str, tmp_path: Path) -> None:
    with running(kind, tmp_path, "edge", ENDS) as node:
        login = {"user": "a", "pass": "a"}
        with Leaf(node.leaf_port, "first", **login).linked():
            with Leaf(node.leaf_port, "second", **login) as second:
                second.last_words()
            with Leaf(node.leaf_port, "third", **login | {"pass": "x"}) as third:
                third.last_words()
        until(lambda: len(closed(node)) == 3)

        assert sorted(closed(node)) == [
            ("first", "Client Closed", "A", "a"),
            ("second", "Maximum Account Connections Exceeded", "A", "a"),
            ("third", "Authentication Failure", None, "a"),
        ]


@KINDS
async def test_the_system_account_hears_of_a_leaf_too_many_in_its_account(
    kind: str, tmp_path: Path
) -> None:
    with running(kind, tmp_path, "edge", ENDS) as node:
        login = {"user": "a", "pass": "a"}
        async with client_of(node, user="s", password="s") as system:
            heard = await system.subscribe("$SYS.ACCOUNT.*.DISCONNECT")
            await system.flush()
            with (
                Leaf(node.leaf_port, "first", **login).linked(),
                Leaf(node.leaf_port, "second", **login) as second,
            ):
                second.last_words()
                message = await heard.next_msg(timeout=PATIENCE_S)

        event = json.loads(message.data)
        assert message.subject == "$SYS.ACCOUNT.A.DISCONNECT"
        assert event["reason"] == "Maximum Account Connections Exceeded"
        assert event["client"]["name"] == "second"


def closed(node: Node) -> list[tuple[str | None, ...]]:
    rows = node.get("connz?state=closed&auth=1")["connections"]
    keys = "name", "reason", "account", "authorized_user"
    return [tuple(map(row.get, keys)) for row in rows if row["kind"] == "Leafnode"]


def until(true: Callable[[], bool]) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def is_refused(port: int) -> bool:
    try:
        Leaf(port, "late").close()
    except ConnectionRefusedError:
        return True
    except OSError:  # it was waiting when the port was closed
        return False
    return False


def lame(node: Node) -> bool:
    try:
        node.get("healthz")
    except HTTPError:
        return True
    return False


@pytest.mark.parametrize(("kind", "there"), [(REAL, ["end"]), (OURS, ["b", "end"])])
async def test_a_wildcard_over_what_may_not_come_in_keeps_nothing_from_going_out(
    kind: str, there: list[str], tmp_path: Path
) -> None:
    """Differs, where the hub has told its permissions: nats-server keeps that subject here, too."""
    user = 'user: e, password: p, permissions { publish: ">", subscribe: ">" }'
    config = f"accounts {{ A {{ users [ {{ {user} }}, {{ user: c, password: p }} ] }} }}"
    with running(REAL, tmp_path, "hub", config) as hub:
        remote = dials(hub, userinfo="e:p@", more='deny_imports: ["b"]')
        with running(kind, tmp_path, "edge", leafnodes=remote) as edge:
            login = {"user": "c", "password": "p"}
            async with client_of(hub, **login) as up, client_of(edge) as down:
                heard = await up.subscribe("*")
                await down.subscribe(">")
                await settled(down)
                await wants(hub, ">")
                await wants(edge, "*")
                await down.publish("b")
                await down.publish("end")

                found: list[str] = []
                while found[-1:] != ["end"]:
                    found.append((await heard.next_msg(timeout=PATIENCE_S)).subject)
                assert found == there
