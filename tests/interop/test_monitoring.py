"""Monitoring beside that of a real nats-server 2.15.1: the same keys, the same types, the same
refusals.

Both serve the same client, stream, consumer and leaf link. What one of them has alone is listed
here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any, Final
from urllib.error import HTTPError
from urllib.request import urlopen

import nats
import pytest

from leafnode.limits import MONITOR_SUBSCRIPTIONS_MAX
from tests.hub.process import Hub, free_ports, nats_server_path, running_hub
from tests.interop.barrier import settled
from tests.interop.edge import until
from tests.interop.gateway import running_gateway
from tests.sim.certificates import tls_pair

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [
    pytest.mark.interop,
    pytest.mark.real_loop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

JETSTREAM: Final = 'jetstream {{ store_dir: "{{dir}}/js", domain: {} }}'
# Keys of nats-server's answers that have no meaning here, by path.
NOT_OURS: Final = {
    "varz": {"git_commit"},
    # JetStream's domain is no mapping here.
    "accountz": {"account_detail.mappings"},
}
NOT_THEIRS: Final = {
    "varz": {"leafnode", "jetstream.config.sync_always"},
    "jsz": {"config.sync_always"},
    "leafz": {"leafnode"},
}
# Every endpoint with every option that changes its shape.
QUERIES: Final = [
    *("varz", "leafz", "leafz?subs=1", "leafz?acc=NOPE", "routez", "routez?subs=detail"),
    *("gatewayz", "gatewayz?accs=1&gw_name=x&acc_name=y&subs=1", "healthz", "ipqueuesz"),
    *("jsz", "jsz?accounts=1", "jsz?streams=1", "jsz?consumers=1", "jsz?consumers=1&config=1"),
    *("jsz?acc=$G", "jsz?acc=$G&streams=1", "jsz?acc=NOPE", "jsz?raft=1&leader-only=1"),
    *("jsz?accounts=1&limit=1&offset=1", "jsz?streams=1&stream-leader-only=1"),
    *("jsz?direct-consumers=1", "accountz", "accountz?acc=$G", "accstatz", "accstatz?unused=1"),
    *("subsz", "subsz?subs=1", "subsz?subs=1&limit=2000", "subsz?subs=1&test=foo.a"),
    *("subscriptionsz", "subsz?acc=$G&subs=1", "subsz?acc=NOPE&subs=1"),
    *("connz", "connz?subs=1", "connz?subs=detail", "connz?auth=1", "connz?auth=1&subs=detail"),
    *("connz?state=closed", "connz?state=closed&subs=1&auth=1", "connz?state=closed&subs=detail"),
    *("connz?state=all", "connz?state=any&sort=uptime", "connz?state=closed&sort=stop"),
    *("connz?state=closed&sort=reason", "connz?cid=99999", "connz?acc=NOPE", "connz?user=NOPE"),
    *("connz?acc=$G", "connz?mqtt_client=x", "connz?limit=1", "connz?offset=1"),
    *(f"connz?sort={order}" for order in ("cid", "start", "subs", "pending", "msgs_to")),
    *(f"connz?sort={order}" for order in ("msgs_from", "bytes_to", "bytes_from", "last")),
    *(f"connz?sort={order}" for order in ("idle", "uptime", "rtt")),
]
# What is wrong with a request, and what comes of it.
REFUSED: Final = [
    *("connz?sort=bogus", "connz?sort=stop", "connz?sort=reason&state=all", "connz?state=bogus"),
    *("connz?limit=x", "connz?offset=x", "connz?cid=x", "connz?cid=-1", "connz?subs=zz"),
    *("connz?auth=zz", "connz?limit=99999999999999999999", "connz?auth=zz&subs=yy"),
    *("subsz?subs=zz", "subsz?limit=x", "subsz?offset=1.5", "subsz?test=foo.*", "subsz?test=a..b"),
    *("routez?subs=zz", "gatewayz?subs=zz", "gatewayz?accs=zz", "leafz?subs=zz"),
    *("accountz?acc=NOPE", "accstatz?unused=zz", "ipqueuesz?all=zz", "raftz", "raftz?acc=x"),
    *("jsz?accounts=zz", "jsz?offset=x", "jsz?limit=x", "jsz?streams=x", "jsz?consumers=x"),
    *("jsz?config=x", "jsz?leader-only=x", "jsz?raft=x", "jsz?stream-leader-only=x"),
    *("jsz?direct-consumers=x", "nope", "varz/", "expvarz", "healthz?details=x"),
    *("healthz?js-enabled=x", "healthz?js-enabled-only=x", "healthz?js-server-only=x"),
    *("healthz?js-meta-only=x", "healthz?stream=X", "healthz?consumer=X"),
    *("healthz?details=1&stream=X", "healthz?details=1&consumer=X&account=$G"),
    *("healthz?account=NOPE", "healthz?details=true&account=NOPE"),
    *("healthz?account=$G&stream=NO", "healthz?details=1&account=$G&stream=NO"),
    *("healthz?account=$G&stream=EV&consumer=NO",),
]
WELL: Final = [
    *("healthz", "healthz?details=1", "healthz?js-enabled=1", "healthz?js-enabled-only=1"),
    *("healthz?js-server-only=1", "healthz?js-meta-only=1", "healthz?account=$G"),
    *("healthz?account=$G&stream=EV&consumer=D1", "healthz?account=$G&stream=EV&details=1"),
]
# Values that are objects with names of their own making, not keys of the format.
FREE: Final = {"http_req_stats", "metadata"}


def shape(value: Any, path: str = "") -> dict[str, str]:
    """Every key of an answer with the type of its value."""
    if isinstance(value, list):
        found: dict[str, str] = {}
        for item in value:
            found |= shape(item, path)
        return found
    if not isinstance(value, dict):
        return {}
    found = {}
    for key, item in value.items():
        name = f"{path}.{key}" if path else key
        kind = type(item)
        found[name] = "number" if kind in {int, float} else kind.__name__
        if key not in FREE:
            found |= shape(item, name)
    return found


def without(shape_: dict[str, str], names: set[str]) -> dict[str, str]:
    return {
        key: kind
        for key, kind in shape_.items()
        if not any(key == name or key.startswith(f"{name}.") for name in names)
    }


def fetch(http_port: int, path: str) -> tuple[int, str, str]:
    try:
        with urlopen(f"http://127.0.0.1:{http_port}/{path}", timeout=5) as response:
            return response.status, response.headers["Content-Type"], response.read().decode()
    except HTTPError as err:
        with err:
            return err.code, err.headers["Content-Type"], err.read().decode()


class Pair:
    """One gateway and one nats-server as edge, both linked to the same hub."""

    def __init__(self, ours: int, theirs: int) -> None:
        self.ours = ours
        self.theirs = theirs

    def shapes(self, path: str) -> tuple[dict[str, str], dict[str, str]]:
        name = path.partition("?")[0]
        ours = shape(json.loads(fetch(self.ours, path)[2]))
        theirs = shape(json.loads(fetch(self.theirs, path)[2]))
        return without(ours, NOT_THEIRS.get(name, set())), without(
            theirs, NOT_OURS.get(name, set())
        )


@contextlib.asynccontextmanager
async def pair(directory: Path) -> AsyncIterator[Pair]:
    def remotes(hub: Hub) -> str:
        return f'remotes [ {{ url: "{hub.leaf_url}" }} ]'

    with contextlib.ExitStack() as stack:
        config = f"server_name: hub\n{JETSTREAM.format('hub')}"
        hub = stack.enter_context(running_hub(directory / "hub", config))
        config = f"server_name: theirs\n{JETSTREAM.format('theirs')}"
        theirs = stack.enter_context(
            running_hub(directory / "theirs", config, leafnodes=remotes(hub))
        )
        config = f"server_name: ours\n{JETSTREAM.format('ours')}\nleafnodes {{ {remotes(hub)} }}\n"
        ours = stack.enter_context(running_gateway(directory / "ours", config))
        async with contextlib.AsyncExitStack() as clients:
            for url in (ours.client_url, theirs.client_url):
                client = await nats.connect(url, name="probe", allow_reconnect=False)
                clients.push_async_callback(client.close)
                jetstream = client.jetstream()
                await jetstream.add_stream(name="EV", subjects=["ev.>"])
                await jetstream.publish("ev.a", b"hello")
                await jetstream.pull_subscribe("ev.>", durable="D1")
                await client.subscribe("foo.*", queue="q")
                await settled(client)
                gone = await nats.connect(url, name="gone")
                await gone.subscribe("gone.*")
                await settled(gone)
                await gone.close()
            await until(lambda: hub.get("leafz")["leafnodes"] == 2)
            await until(lambda: all(leaf["rtt"] for leaf in hub.get("leafz")["leafs"]))
            await until(lambda: "rtt" in ours.get("connz")["connections"][0])
            yield Pair(ours.http_port, theirs.http_port)


async def test_every_answer_has_the_keys_and_types_of_nats_server(tmp_path: Path) -> None:
    # Their own leaf port is configured, ours has none to show.
    port = {f"leaf.{key}" for key in ("host", "port", "auth_timeout", "tls_timeout")}
    async with pair(tmp_path) as servers:
        different = {}
        for path in QUERIES:
            ours, theirs = servers.shapes(path)
            theirs = without(theirs, port)
            if ours != theirs:
                ours_alone, theirs_alone = (
                    ours.items() - theirs.items(),
                    theirs.items() - ours.items(),
                )
                different[path] = (sorted(ours_alone), sorted(theirs_alone))
    assert different == {}


async def test_refusals_and_health_are_worded_alike(tmp_path: Path) -> None:
    async with pair(tmp_path) as servers:
        for path in (*REFUSED, *WELL):
            assert fetch(servers.ours, path) == fetch(servers.theirs, path), path


async def test_methods_bodies_and_paths_are_answered_alike(tmp_path: Path) -> None:
    async with pair(tmp_path) as servers:
        for method, path, body in [
            *(
                ("HEAD", "/healthz", b""),
                ("POST", "/healthz", b"abc"),
                ("OPTIONS", "/healthz", b""),
            ),
            *(("DELETE", "/healthz", b""), ("FOO", "/healthz", b""), ("GET", "//healthz", b"")),
            *(("GET", "/./(x)!*'[]", b""), ("GET", "/a//b?", b""), ("GET", "/./(|", b"")),
            *(("GET", "/x/../healthz?details=1", b""), ("GET", "/%68ealthz", b"")),
            *(("GET", "/connz?subs=%zz&auth=zz", b""), ("GET", "/connz?auth=1;auth=zz", b"")),
        ]:
            answers = []
            for port in (servers.ours, servers.theirs):
                connection = HTTPConnection("127.0.0.1", port, timeout=5)
                with contextlib.closing(connection):
                    connection.request(method, path, body=body or None)
                    response = connection.getresponse()
                    names = ("Content-Type", "Location", "Access-Control-Allow-Origin")
                    headers = [response.headers[name] for name in names]
                    content = response.read() if response.status != 200 else b""
                    answers.append((response.status, headers, content))
            assert answers[0] == answers[1], (method, path)


# Requests that are none, and one whose answer has another version than the others'.
ROUGH: Final = [
    b"GET /healthz HTTP/1.0\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\n\r\n",
    b"GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n",
    b"GET /healthz\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nBad Header: x\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: x\r\n\r\n",
]


async def test_what_is_no_request_is_refused_alike(tmp_path: Path) -> None:
    def said(port: int, request: bytes) -> tuple[bytes, bytes]:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as raw:
            raw.sendall(request)
            answer = b""
            while data := raw.recv(65536):
                answer += data
        head, _, body = answer.partition(b"\r\n\r\n")
        return head.partition(b"\r\n")[0], body

    async with pair(tmp_path) as servers:
        for request in ROUGH:
            assert said(servers.ours, request) == said(servers.theirs, request), request


def test_https_shows_the_clients_certificate_and_asks_for_none(tmp_path: Path) -> None:
    _, trusting = tls_pair(tmp_path)
    files = f'cert_file: "{tmp_path}/cert.pem", key_file: "{tmp_path}/key.pem"'
    config = f'tls {{ {files}, ca_file: "{tmp_path}/cert.pem", verify: true }}\n'

    with running_gateway(tmp_path / "ours", config, https=trusting) as ours:
        varz = ours.get("varz")

        assert (varz["https_port"], varz["http_port"]) == (ours.http_port, 0)
        with pytest.raises(HTTPError, match="400") as caught:  # plain HTTP is told so
            urlopen(f"http://127.0.0.1:{ours.http_port}/varz", timeout=5)
        with caught.value as answer:
            assert answer.read() == b"Client sent an HTTP request to an HTTPS server.\n"


ACCOUNTS: Final = """
accounts {
  A { jetstream: enabled, users [ { user: a, password: a } ]
      exports [ { stream: "s.>" }
                { service: "q.x", accounts: [B], latency: { subject: "lat.x", sampling: 50% } }
                { service: "q.h", latency: { subject: "lat.h", sampling: headers } }
                { service: "wide.>", latency: "lat.wide" }, { service: "none.*" }
                { stream: "e.*.*" } ]
      mappings { "m.a": "m.b"
                 "w.a": [ { destination: w.b, weight: 30% }, { destination: w.c, weight: 70% } ] } }
  B { users [ { user: b, password: b } ]
      imports [ { stream: { account: A, subject: "s.>" }, prefix: "fromA" }
                { service: { account: A, subject: "q.x" }, to: "local.q" }
                { service: { account: A, subject: "q.h" } }
                { service: { account: A, subject: "wide.one" } }
                { service: { account: A, subject: "wide.two.*" }, to: "mine.*" }
                { service: { account: A, subject: "none.a" } }
                { stream: { account: A, subject: "e.*.*" }, to: "r.$2.$1" } ] }
  SYS { users [ { user: sys, password: sys } ] }
}
system_account: SYS
jetstream { store_dir: "{dir}/js" }
server_name: probe
server_tags: ["Region:EU", "b"]
server_metadata { site: "north" }
max_subscriptions: 700
websocket { listen: "127.0.0.1:{port}", no_tls: true, compression: true, handshake_timeout: "3s" }
"""


def made_of(detail: dict[str, Any]) -> dict[str, Any]:
    """What an account is made of; the order means nothing."""
    parts = {}
    for name in ("exports", "imports"):
        rows = detail.get(name, [])
        parts[name] = sorted(rows, key=lambda row: (row["subject"], row.get("local_subject")))
    return parts | {key: detail.get(key) for key in ("mappings", "name_tag", "is_system")}


async def test_accounts_are_shown_as_nats_server_shows_them(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        configs = [ACCOUNTS.replace("{port}", str(port)) for port in free_ports(2)]
        theirs = stack.enter_context(running_hub(tmp_path / "theirs", configs[0]))
        ours = stack.enter_context(running_gateway(tmp_path / "ours", configs[1]))
        async with contextlib.AsyncExitStack() as clients:
            for url in (ours.client_url, theirs.client_url):
                for user in ("a", "b"):
                    client = await nats.connect(url, user=user, password=user, name=user)
                    clients.push_async_callback(client.close)
                    await client.subscribe(f"{user}.>")
                    await settled(client)

            for name in ("A", "B", "SYS"):
                sides = [server.get(f"accountz?acc={name}") for server in (ours, theirs)]
                details = [side["account_detail"] for side in sides]
                assert made_of(details[0]) == made_of(details[1]), name
                assert {key: details[0][key] for key in ("client_connections", "complete")} == {
                    key: details[1][key] for key in ("client_connections", "complete")
                }
            for path in ("connz?auth=1&acc=A", "connz?auth=1&acc=B&subs=detail", "accstatz"):
                sides = [shape(server.get(path)) for server in (ours, theirs)]
                assert sides[0] == sides[1], path
            varz = [server.get("varz") for server in (ours, theirs)]
            for key in ("tags", "metadata", "system_account", "max_subscriptions"):
                assert varz[0][key] == varz[1][key]
            sockets = [{**one["websocket"], "port": 0} for one in varz]
            assert sockets[0] == sockets[1]


async def test_a_subject_filter_looks_at_all_subscriptions_of_a_connection(tmp_path: Path) -> None:
    with running_gateway(tmp_path / "ours", "") as ours:
        reader, writer = await asyncio.open_connection("127.0.0.1", ours.client_port)
        subs = [b"SUB a.%d %d\r\n" % (sid, sid) for sid in range(MONITOR_SUBSCRIPTIONS_MAX)]
        writer.write(b'CONNECT {"verbose":false}\r\n' + b"".join(subs) + b"SUB last a\r\nPING\r\n")
        await reader.readuntil(b"PONG\r\n")

        assert ours.get("connz?acc=$G&filter_subject=last")["num_connections"] == 1
        assert ours.get("connz?acc=$G&filter_subject=none")["num_connections"] == 0
        writer.close()
