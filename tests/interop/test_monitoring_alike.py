"""What monitoring says of connections that did this and that, beside a real nats-server 2.15.1."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.error import HTTPError

import pytest

from tests.hub.jwt import Key
from tests.hub.process import Hub, nats_server_path, running_hub
from tests.interop.both import two_servers
from tests.interop.gateway import running_gateway
from tests.sim.certificates import tls_pair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.interop.gateway import Gateway

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

PATIENCE_S: Final = 30.0
ACTIVE: Final = {"SUB", "PUB", "MSG", "UNSUB", "CONNECT"}


class Speaker:
    """A connection that says something and hears all up to the PONG behind it."""

    def __init__(self, server: Gateway | Hub, name: str, **options: str) -> None:
        fields = {"name": name} | options
        text = "".join(f',"{key}":"{value}"' for key, value in fields.items())
        address = ("127.0.0.1", server.client_port)
        self._socket = socket.create_connection(address, timeout=PATIENCE_S)
        self.say(f'CONNECT {{"verbose":false{text}}}\r\n')

    def say(self, text: str = "", *, until: bytes = b"PONG\r\n") -> bytes:
        self._socket.sendall(text.encode() + b"PING\r\n")
        return self.hear(until)

    def hear(self, until: bytes) -> bytes:
        got = b""
        while until not in got:
            data = self._socket.recv(65536)
            assert data, f"ended after {got!r}"
            got += data
        return got

    def close(self) -> None:
        self._socket.close()


@contextlib.contextmanager
def speakers(server: Gateway | Hub, *names: str) -> Iterator[list[Speaker]]:
    """Connections of these names while the block runs."""
    with contextlib.ExitStack() as stack:
        found = []
        for name in names:
            found.append(Speaker(server, name))
            stack.callback(found[-1].close)
        yield found


def shown(server: Gateway | Hub, name: str) -> str:
    """When /connz says that the connection was last active."""
    rows = server.get("connz")["connections"]
    return str(next(row["last_activity"] for row in rows if row.get("name") == name))


def moved(server: Gateway | Hub, name: str, act: Callable[[], Any], *, waits: bool) -> bool:
    """Whether an act moves when the connection was last active.

    `waits`: until it does. nats-server notes it behind the answers to what it read.
    """
    before = shown(server, name)
    act()
    end = time.monotonic() + PATIENCE_S
    while waits and shown(server, name) == before and time.monotonic() < end:
        time.sleep(0.02)
    return shown(server, name) != before


def what_moves(server: Gateway | Hub) -> dict[str, bool]:
    """Each act of a connection, or of another, and whether it counts as activity."""
    with speakers(server, "one", "other") as (one, other):
        acts: dict[str, Callable[[], Any]] = {
            "nothing": lambda: None,
            "PING": one.say,
            "PONG": lambda: one.say("PONG\r\n"),
            "SUB": lambda: one.say("SUB a 1\r\n"),
            "PUB": lambda: one.say("PUB nobody 1\r\nx\r\n"),
            # `other` hears PONG when its message is on its way, `one` when it has it.
            "MSG": lambda: (other.say("PUB a 1\r\nx\r\n"), one.hear(b"MSG a 1 1\r\n")),
            "MSG for nobody": lambda: other.say("PUB nobody 1\r\nx\r\n"),
            "UNSUB": lambda: one.say("UNSUB 1\r\n"),
            "CONNECT": lambda: one.say('CONNECT {"verbose":false,"name":"one"}\r\n'),
        }
        return {name: moved(server, "one", act, waits=name in ACTIVE) for name, act in acts.items()}


def test_messages_and_interest_are_activity_and_nothing_else_is(tmp_path: Path) -> None:
    with two_servers(tmp_path, "") as servers:
        ours, theirs = (what_moves(server) for server in servers)

        assert ours == theirs
        assert {name for name, does in ours.items() if does} == ACTIVE


EVERY_KEY: Final = """
server_name: probe
client_advertise: "edge.example:4333"
max_connections: 100
max_subscriptions: 50
ping_interval: "30s"
ping_max: 3
max_control_line: 2048
max_payload: 100000
max_pending: 200000
write_deadline: "3s"
write_timeout: WRITE_TIMEOUT
server_tags: [ "a:b", c ]
server_metadata { k: v }
accounts { A { users [ { user: a, password: p }, { user: n, password: q } ] }
           S { users [ { user: s, password: p } ] } }
system_account: S
no_auth_user: n
authorization { timeout: 7 }
tls { cert_file: "CERT", key_file: "KEY", ca_file: "CERT", timeout: 3 }
allow_non_tls: true
proxies { trusted: [ { key: PROXY } ] }
websocket {
  listen: "127.0.0.1:-1", no_tls: true, advertise: "w.example:80", no_auth_user: n
  compression: true
  handshake_timeout: "4s", same_origin: true, authorization { timeout: 6 }
  allowed_origins: [ "http://a.example", "https://B.example:8443/x", "https://c.example:443" ]
}
"""
REMOTES: Final = """remotes: [
  { urls: [ "nats://u:p@127.0.0.1:1", "tls://127.0.0.1:2" ], account: A, deny_imports: [ a ]
    deny_exports: [ b, c ], tls { ca_file: "CERT", timeout: 1.5 } }
  { url: "nats://127.0.0.1:3", account: S, tls { ca_file: "CERT" } }
]"""
# Of a process, of a moment, or of one of the two alone.
OF_A_PROCESS: Final = (
    *("server_id", "start", "now", "uptime", "mem", "cpu", "cores", "gomaxprocs", "http_port"),
    *("config_load_time", "config_digest", "go", "git_commit", "leafnode", "subscriptions"),
    *("http_req_stats", "feature_flags", "jetstream"),
)


@pytest.mark.parametrize("write_timeout", ["default", "close", "retry"])
def test_varz_has_what_every_key_of_a_configuration_asks_for(
    tmp_path: Path, write_timeout: str
) -> None:
    tls_pair(tmp_path)
    proxy = Key(13 << 3).public

    def filled(text: str) -> str:
        text = text.replace("CERT", str(tmp_path / "cert.pem")).replace("PROXY", proxy)
        text = text.replace("KEY", str(tmp_path / "key.pem"))
        return text.replace("WRITE_TIMEOUT", write_timeout)

    config, remotes = filled(EVERY_KEY), filled(REMOTES)
    with (
        running_hub(tmp_path / "theirs", config, leafnodes=remotes) as theirs,
        running_gateway(tmp_path / "ours", f"{config}\nleafnodes {{ {remotes} }}\n") as ours,
    ):
        shown = [server.get("varz") for server in (ours, theirs)]

    for one in shown:
        assert one["websocket"].pop("port")
        assert one["host"] == "edge.example"
        one["leaf"] = one["leaf"]["remotes"]  # their hub has a leaf listener for nothing
    mine, real = (
        {key: value for key, value in one.items() if key not in OF_A_PROCESS} for one in shown
    )
    assert mine == real
    assert (mine["proxies"], mine["port"]) == ({"trusted": [{"key": proxy}]}, 4333)


ACCOUNTS: Final = """
accounts {
  A { users [ { user: a, password: p } ], exports [ { service: "q.*" }, { service: "unused" } ] }
  B { users [ { user: b, password: p } ]
      imports [ { service: { account: A, subject: "q.*" } }
                { service: { account: A, subject: "unused" } } ] }
}
"""


def imported(server: Gateway | Hub) -> list[tuple[str, bool, int]]:
    """What /subsz says of imports behind two requests: subject, whether it has a number, count."""
    with contextlib.ExitStack() as stack:
        serving, asking = (Speaker(server, name, user=name, **{"pass": "p"}) for name in "ab")
        stack.callback(serving.close)
        stack.callback(asking.close)
        serving.say("SUB q.* 1\r\n")
        asking.say("PUB q.x r 1\r\nx\r\nPUB q.y r 1\r\nx\r\n")
        rows = server.get("subsz?acc=B&subs=1")["subscriptions_list"]
    shown = [(row["subject"], row["sid"] != "", row["msgs"]) for row in rows]
    return sorted(row for row in shown if row[0] in {"q.*", "unused"})


def test_an_import_has_a_number_and_counts_its_requests(tmp_path: Path) -> None:
    with two_servers(tmp_path, ACCOUNTS) as servers:
        ours, theirs = (imported(server) for server in servers)

    assert ours == theirs == [("q.*", True, 2), ("unused", True, 0)]


def counted(server: Gateway | Hub) -> dict[str, int]:
    """By how much each path's count rises with a request of it that is refused."""
    before = server.get("varz")["http_req_stats"]
    for path in ("connz?limit=x", "connz?state=x", "connz?sort=x", "routez?subs=x"):
        refused(server, path)
    for path in ("subsz?subs=x", "gatewayz?accs=x", "leafz?subs=x", "accountz?acc=NOPE"):
        refused(server, path)
    for path in ("accstatz?unused=x", "jsz?limit=x", "healthz?details=x"):
        refused(server, path)
    after = server.get("varz")["http_req_stats"]
    return {path: count - before.get(path, 0) for path, count in after.items()}


def refused(server: Gateway | Hub, path: str) -> None:
    with pytest.raises(HTTPError) as raised:
        server.get(path)
    raised.value.close()
    assert raised.value.code == 400


def test_refused_requests_are_counted_alike(tmp_path: Path) -> None:
    with two_servers(tmp_path, "") as servers:
        ours, theirs = (counted(server) for server in servers)

    assert {path for path, count in theirs.items() if not count} <= {"/", "/routez"}
    for path in theirs.keys() | ours.keys():
        assert ours.get(path, 0) == theirs.get(path, 0), path
