"""Leafs below a server: ours below the real nats-server 2.15.1, the real one below ours, ours below
ours, and chains of both. The leaf protocol's acceptance list is in `scenarios`."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tests.hub.jwt import Operator
from tests.hub.process import free_ports, nats_server_path
from tests.interop.barrier import settled
from tests.interop.edge import until
from tests.interop.nodes import (
    OURS,
    PATIENCE_S,
    REAL,
    carries,
    client_of,
    dials,
    linked,
    running,
    wanted,
    wants,
)
from tests.sim.certificates import tls_pair

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from nats.aio.client import Client

    from tests.interop.nodes import Node

pytestmark = [
    pytest.mark.interop,
    pytest.mark.real_loop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

SHORT_S = 4  # how long a JWT lives that is to expire; a link may not even come up before
VARYING = frozenset({"id", "start", "stop", "rtt"})
SYSTEM = """
system_account: SYS
accounts { SYS { users: [{user: s, password: s}] }, A { users: [{user: a, password: a}] } }
"""
SOURCING_S = 90.0  # a request that went ahead of the link is waited for 30 s
# Who is the hub, and who hangs below it.
PAIRS = pytest.mark.parametrize(("hub", "leaf"), [(OURS, REAL), (OURS, OURS), (REAL, OURS)])


@contextlib.asynccontextmanager
async def pair(
    hub: str, leaf: str, directory: Path, *, top: str = "", port: str = "", remote: str = ""
) -> AsyncIterator[tuple[Node, Node]]:
    """A hub and a leaf below it, linked. `top` is the hub's configuration, `port` of its leafs."""
    with (
        running(hub, directory, "hub", top, leafnodes=port) as above,
        running(leaf, directory, "edge", leafnodes=dials(above, more=remote)) as below,
    ):
        await linked(below)
        await linked(above)
        yield above, below


@PAIRS
async def test_messages_and_requests_go_both_ways(hub: str, leaf: str, tmp_path: Path) -> None:
    async with (
        pair(hub, leaf, tmp_path) as (above, below),
        client_of(above) as up,
        client_of(below) as down,
    ):
        await carries(down, up, below, "up")
        await carries(up, down, above, "down")

        row = above.get("leafz")["leafs"][0]
        assert (row["name"], row["is_spoke"], row["account"]) == ("edge", False, "$G")


@pytest.mark.parametrize("kinds", [(REAL, OURS, REAL), (OURS, OURS, OURS), (OURS, REAL, OURS)])
async def test_a_chain_carries_from_end_to_end_and_back(
    kinds: tuple[str, str, str], tmp_path: Path
) -> None:
    with (
        running(kinds[0], tmp_path, "top") as top,
        running(kinds[1], tmp_path, "mid", leafnodes=dials(top)) as mid,
        running(kinds[2], tmp_path, "low", leafnodes=dials(mid)) as low,
    ):
        await linked(mid, 2)
        async with client_of(top) as high, client_of(low) as deep:
            await carries(deep, high, low, "up")
            await carries(high, deep, top, "down")


@pytest.mark.parametrize("leafs", [(REAL, OURS), (REAL, REAL)])
async def test_leafs_of_one_hub_reach_each_other_and_their_queues_share(
    leafs: tuple[str, str], tmp_path: Path
) -> None:
    with (
        running(OURS, tmp_path, "hub") as hub,
        running(leafs[0], tmp_path, "west", leafnodes=dials(hub)) as west,
        running(leafs[1], tmp_path, "east", leafnodes=dials(hub)) as east,
    ):
        await linked(hub, 2)
        async with client_of(west) as w, client_of(east) as e, client_of(hub) as h:
            await carries(w, e, west, "east")
            await carries(e, w, east, "west")

            counts = {"w": 0, "e": 0}

            async def count(message: Any, who: str) -> None:
                counts[who] += 1
                await message.respond(b"")

            async def at_west(message: Any) -> None:
                await count(message, "w")

            async def at_east(message: Any) -> None:
                await count(message, "e")

            await w.subscribe("work", "q", cb=at_west)
            await e.subscribe("work", "q", cb=at_east)
            await settled(w, e)
            await until(lambda: wanted(hub).count("work") == 2, timeout_s=PATIENCE_S)
            for _ in range(40):
                await h.request("work", b"x", timeout=PATIENCE_S)

            assert counts["w"] + counts["e"] == 40
            assert min(counts.values()) > 0


@pytest.mark.parametrize("kinds", [(OURS, REAL, REAL), (OURS, OURS, OURS)])
async def test_a_ring_is_found_and_opened(kinds: tuple[str, str, str], tmp_path: Path) -> None:
    with (
        running(kinds[0], tmp_path, "a") as a,
        running(kinds[1], tmp_path, "b", leafnodes=dials(a)) as b,
        running(kinds[2], tmp_path, "c", leafnodes=dials(a, b)) as c,
    ):

        def is_open() -> bool:
            # How many of its links go depends on who sees it first, with real ones alone, too.
            ends = sum(node.get("leafz")["leafnodes"] for node in (a, b, c))
            return ends < 6 and "oop detected" in "".join(logs(a, b, c))

        await until(is_open, timeout_s=PATIENCE_S)


def logs(*nodes: Node) -> list[str]:
    """What these servers logged."""
    files = [path for node in nodes for path in node.directory.glob("*.log")]
    return [path.read_text() for path in files]


USERS = """
accounts {
  A { users [ {user: a, password: a, permissions {
        publish { allow: ["out.>", "_INBOX.>"], deny: "out.no" }
        subscribe { allow: ["in.>", "_INBOX.>"], deny: "in.no" } } },
      {user: free, password: free} ] }
  B { users [ {user: b, password: b} ] }
}
"""


@PAIRS
async def test_permissions_are_kept_and_the_link_never_drops(
    hub: str, leaf: str, tmp_path: Path
) -> None:
    with (
        running(hub, tmp_path, "hub", USERS) as above,
        running(leaf, tmp_path, "edge", leafnodes=dials(above, userinfo="a:a@")) as below,
    ):
        await linked(above)
        async with (
            client_of(above, user="free", password="free") as up,
            client_of(below) as down,
        ):
            at_hub = await up.subscribe(">")
            at_edge = await down.subscribe(">")
            await settled(up, down)
            await wants(above, ">")
            await wants(below, ">")

            for subject in ("out.no", "else", "out.yes"):
                await down.publish(subject, b"up")
            await down.flush()
            while (await at_hub.next_msg(timeout=PATIENCE_S)).subject != "out.yes":
                pass
            for subject in ("in.no", "else", "in.yes"):
                await up.publish(subject, b"down")
            await up.flush()
            got = [(await at_edge.next_msg(timeout=PATIENCE_S)) for _ in range(4)]

        from_hub = [message.subject for message in got if message.data == b"down"]
        assert from_hub == ["in.yes"]
        assert above.get("leafz")["leafnodes"] == 1
        assert "Violation" not in "".join(logs(above))


async def test_accounts_stay_apart_and_a_wrong_password_is_refused(tmp_path: Path) -> None:
    with (
        running(OURS, tmp_path, "hub", USERS) as hub,
        running(REAL, tmp_path, "edge-b", leafnodes=dials(hub, userinfo="b:b@")) as below,
        running(REAL, tmp_path, "wrong", leafnodes=dials(hub, userinfo="b:x@")) as wrong,
    ):
        await linked(hub)
        async with (
            client_of(hub, user="b", password="b") as b,
            client_of(hub, user="free", password="free") as a,
            client_of(below) as down,
        ):
            await carries(down, b, below, "in.b")
            silent = await a.subscribe("in.b")
            await settled(a)
            await down.publish("in.b", b"not for a")
            await carries(b, down, hub, "down.b")
            await settled(a)
            assert silent.pending_msgs == 0

        await until(lambda: "Authorization Violation" in "".join(logs(wrong)), timeout_s=PATIENCE_S)
        assert hub.get("leafz")["leafnodes"] == 1


@pytest.mark.parametrize("first", ["false", "true", "auto"])
async def test_tls_on_demand_and_first(first: str, tmp_path: Path) -> None:
    tls_pair(tmp_path)
    cert = f'cert_file: "{tmp_path}/cert.pem", key_file: "{tmp_path}/key.pem"'
    ours = f'tls {{ ca_file: "{tmp_path}/cert.pem", handshake_first: {first == "true"} }}'.lower()
    ours = ours.replace(str(tmp_path).lower(), str(tmp_path))
    port = f"tls {{ {cert}, handshake_first: {first} }}"

    async with (
        pair(OURS, OURS, tmp_path, port=port, remote=ours) as (above, below),
        client_of(above) as up,
        client_of(below) as down,
    ):
        await carries(down, up, below, "up")
        await carries(up, down, above, "down")


@pytest.mark.parametrize("first", ["false", "true"])
async def test_connz_shows_the_tls_of_links_alike(first: str, tmp_path: Path) -> None:
    tls_pair(tmp_path)
    cert = f'cert_file: "{tmp_path}/cert.pem", key_file: "{tmp_path}/key.pem"'
    trusted = f'ca_file: "{tmp_path}/cert.pem", handshake_first: {first}'
    port = f"tls {{ {cert}, {trusted}, verify: true }}"
    remote = f"tls {{ {cert}, {trusted} }}"
    fields = ("kind", "tls_version", "tls_first", "tls_peer_certs")
    seen = {}
    for kind in (OURS, REAL):
        async with pair(kind, kind, tmp_path / kind, port=port, remote=remote) as nodes:
            rows = [node.get("connz?auth=1")["connections"] for node in nodes]
            links = [one for several in rows for one in several if one["kind"] == "Leafnode"]
            assert all(link["tls_cipher_suite"].startswith("TLS_") for link in links)
            seen[kind] = [{key: link.get(key) for key in fields} for link in links]

    assert len(seen[REAL]) == 2
    assert seen[OURS] == seen[REAL]


async def test_a_certificate_names_the_user(tmp_path: Path) -> None:
    tls_pair(tmp_path)
    files = ", ".join(
        f'{name}: "{tmp_path}/{file}.pem"'
        for name, file in (("cert_file", "cert"), ("key_file", "key"), ("ca_file", "cert"))
    )
    users = "authorization { users [ {user: localhost, password: p, account: B} ] }"
    port = f"tls {{ {files}, verify_and_map: true }}\n{users}"
    remote = f"tls {{ {files} }}"
    with (
        running(OURS, tmp_path, "hub", USERS, leafnodes=port) as hub,
        running(
            REAL, tmp_path, "edge", leafnodes=dials(hub, more=remote, userinfo="any:p@")
        ) as edge,
    ):
        await linked(edge)
        assert hub.get("leafz")["leafs"][0]["account"] == "B"


@PAIRS
async def test_a_leaf_that_lost_its_hub_comes_back_to_it(
    hub: str, leaf: str, tmp_path: Path
) -> None:
    async with pair(hub, leaf, tmp_path) as (above, below):
        above.kill()
        await linked(below, 0)
        above.start()
        await linked(below)
        await linked(above)

        async with client_of(above) as up, client_of(below) as down:
            await carries(down, up, below, "up")


async def test_a_leaf_that_is_gone_is_withdrawn_from_everywhere(tmp_path: Path) -> None:
    with (
        running(OURS, tmp_path, "hub") as hub,
        running(REAL, tmp_path, "stays", leafnodes=dials(hub)) as stays,
        running(REAL, tmp_path, "goes", leafnodes=dials(hub)) as goes,
    ):
        await linked(hub, 2)
        async with client_of(goes) as client:
            await client.subscribe("gone")
            await settled(client)
            await wants(stays, "gone")

        goes.kill()
        await until(lambda: "gone" not in wanted(stays), timeout_s=PATIENCE_S)
        await linked(hub, 1)


JETSTREAM = 'jetstream {{ store_dir: "{{dir}}/js", domain: {name} }}'


@contextlib.asynccontextmanager
async def with_streams(
    hub: str, leaf: str, directory: Path
) -> AsyncIterator[tuple[Client, Client, Node, Node]]:
    """A hub and a leaf with JetStream each, and a client of each."""
    with (
        running(hub, directory, "hub", JETSTREAM.format(name="hub")) as above,
        running(
            leaf, directory, "edge", JETSTREAM.format(name="edge"), leafnodes=dials(above)
        ) as below,
    ):
        await linked(above)
        await wants(above, "$JS.edge.API.STREAM.>")
        await wants(below, "$JS.hub.API.STREAM.>")
        async with client_of(above) as up, client_of(below) as down:
            yield up, down, above, below


async def test_jetstream_is_reached_by_its_domain_both_ways(tmp_path: Path) -> None:
    async with with_streams(OURS, OURS, tmp_path) as (up, down, _, _):
        await up.jetstream().add_stream(name="H", subjects=["h.>"])
        await down.jetstream().add_stream(name="E", subjects=["e.>"])

        for near, far, domain, stream, subject in (
            (down, up, "hub", "H", "h.1"),
            (up, down, "edge", "E", "e.1"),
        ):
            await far.jetstream().publish(subject, b"x")
            remote = near.jetstream(domain=domain, timeout=PATIENCE_S)
            assert (await remote.stream_info(stream)).state.messages == 1
            pulled = await remote.pull_subscribe("", f"d-{domain}", stream=stream)
            (message,) = await pulled.fetch(1, timeout=PATIENCE_S)
            assert (message.subject, message.data) == (subject, b"x")
            await message.ack_sync(timeout=PATIENCE_S)
        # Each API answers for itself: nothing was made twice.
        assert [one.config.name for one in await up.jetstream().streams_info()] == ["H"]
        assert [one.config.name for one in await down.jetstream().streams_info()] == ["E"]


async def test_a_hub_sources_a_leafs_stream(tmp_path: Path) -> None:
    async with with_streams(OURS, OURS, tmp_path) as (up, down, _, _):
        edge = down.jetstream()
        await edge.add_stream(name="E", subjects=["e.>"])
        for number in range(20):
            await edge.publish(f"e.{number}", b"%d" % number)
        source = {"name": "E", "external": {"api": "$JS.edge.API", "deliver": ""}}
        config = {"name": "ALL", "sources": [source]}

        answer = await up.request(
            "$JS.API.STREAM.CREATE.ALL", json.dumps(config).encode(), timeout=PATIENCE_S
        )
        assert "error" not in json.loads(answer.data)

        hub_js = up.jetstream()
        deadline = time.monotonic() + SOURCING_S
        while (await hub_js.stream_info("ALL")).state.messages < 20:
            assert time.monotonic() < deadline, "it was not sourced in time"
            await asyncio.sleep(0.05)
        found = await hub_js.pull_subscribe("", "all", stream="ALL")
        got = [m for _ in range(20) for m in await found.fetch(1, timeout=PATIENCE_S)]
        assert [message.data for message in got] == [b"%d" % number for number in range(20)]


async def test_a_leaf_comes_by_its_jwt_and_goes_when_that_expires(tmp_path: Path) -> None:
    operator = Operator(now_s=int(time.time()), jetstream=False)
    creds, short = tmp_path / "edge.creds", tmp_path / "short.creds"
    operator.write_creds(creds, "edge")
    operator.write_creds(short, "short", exp=int(time.time()) + SHORT_S)
    with (
        running(OURS, tmp_path, "hub", operator.config()) as hub,
        running(
            REAL, tmp_path, "edge", leafnodes=dials(hub, more=f'credentials: "{creds}"')
        ) as edge,
        running(
            OURS, tmp_path, "short", leafnodes=dials(hub, more=f'credentials: "{short}"')
        ) as soon_over,
    ):
        await linked(edge)
        # On a slow machine it has expired before it is shown, and is refused.
        words = ("User Authentication Expired", "Authorization Violation")
        await until(
            lambda: any(word in "".join(logs(soon_over)) for word in words),
            timeout_s=SHORT_S + PATIENCE_S,
        )
        await linked(hub)
        (row,) = hub.get("leafz")["leafs"]
        assert (row["name"], row["account"]) == ("edge", operator.account.public)


async def test_events_of_leafs_say_what_nats_server_says(tmp_path: Path) -> None:
    told = {}
    for kind in (OURS, REAL):
        with running(kind, tmp_path / kind, "hub", SYSTEM) as hub:
            async with client_of(hub, user="s", password="s") as system:
                events: list[tuple[str, dict[str, Any]]] = []

                async def note(
                    message: Any, events: list[tuple[str, dict[str, Any]]] = events
                ) -> None:
                    event = json.loads(message.data)
                    if "client" in event and event["client"].get("kind") == "Leafnode":
                        subject = message.subject.split(".")
                        events.append((".".join(subject[-2:]), event))

                await system.subscribe("$SYS.ACCOUNT.A.*", cb=note)
                await system.subscribe("$SYS.SERVER.*.CLIENT.AUTH.ERR", cb=note)
                await settled(system)
                with running(REAL, tmp_path / kind, "edge", leafnodes=dials(hub, userinfo="a:a@")):
                    await until(lambda seen=events: len(seen) >= 1, timeout_s=PATIENCE_S)
                await until(lambda seen=events: len(seen) >= 2, timeout_s=PATIENCE_S)
                with running(REAL, tmp_path / kind, "bad", leafnodes=dials(hub, userinfo="a:x@")):
                    await until(lambda seen=events: len(seen) >= 3, timeout_s=PATIENCE_S)
                told[kind] = [(subject, shape(event)) for subject, event in events[:3]]

    assert told[OURS] == told[REAL]


def shape(event: dict[str, Any]) -> dict[str, Any]:
    """What an event of a leaf says that does not differ from run to run."""
    client = {key: value for key, value in event["client"].items() if key not in VARYING}
    return {"type": event["type"], "reason": event.get("reason"), "client": client} | {
        "keys": sorted(event),
        "client keys": sorted(set(event["client"]) - {"rtt"}),
    }


async def test_monitoring_of_the_port_is_alike(tmp_path: Path) -> None:
    seen = {}
    for kind in (OURS, REAL):
        with (
            running(kind, tmp_path / kind, "hub", USERS) as hub,
            running(REAL, tmp_path / kind, "edge", leafnodes=dials(hub, userinfo="b:b@")),
        ):
            await linked(hub)
            await until(lambda hub=hub: hub.get("leafz")["leafs"][0]["rtt"], timeout_s=PATIENCE_S)
            row = hub.get("leafz")["leafs"][0]
            varz = hub.get("varz")["leaf"]
            connections = hub.get("connz?acc=B&auth=1")["connections"]
            seen[kind] = (
                sorted(row),
                {key: row[key] for key in ("name", "is_spoke", "account", "ip")},
                list(varz),
                (varz["port"] == hub.leaf_port, varz["auth_timeout"], varz["tls_timeout"]),
                [(c["kind"], c.get("name"), c["authorized_user"]) for c in connections],
                hub.get("accountz?acc=B")["account_detail"]["leafnode_connections"],
            )

    assert seen[OURS] == seen[REAL]


@pytest.mark.parametrize("kind", [OURS, REAL])
async def test_over_websocket_nobody_is_whom_its_block_names(kind: str, tmp_path: Path) -> None:
    (ws_port,) = free_ports(1)
    users = "A { users: [{user: a, password: a}] }, W { users: [{user: w, password: w}] }"
    top = f"accounts {{ {users} }}\nno_auth_user: a\n"
    top += f"websocket {{ listen: 127.0.0.1:{ws_port}, no_tls: true, no_auth_user: w }}"
    remotes = f'reconnect: 100ms, remotes: [ {{ url: "ws://127.0.0.1:{ws_port}" }} ]'
    with (
        running(kind, tmp_path, "hub", top) as hub,
        running(REAL, tmp_path, "edge", leafnodes=remotes),
    ):
        await linked(hub)
        assert hub.get("leafz")["leafs"][0]["account"] == "W"


@pytest.mark.parametrize(("dialer", "acceptor"), [(REAL, OURS), (OURS, REAL), (OURS, OURS)])
async def test_who_dials_may_be_the_hub(dialer: str, acceptor: str, tmp_path: Path) -> None:
    with (
        running(acceptor, tmp_path, "spoke") as spoke,
        running(dialer, tmp_path, "hub", leafnodes=dials(spoke, more="hub: true")) as hub,
    ):
        await linked(hub)
        await linked(spoke)
        async with client_of(hub) as up, client_of(spoke) as down:
            await carries(down, up, spoke, "up")
            await carries(up, down, hub, "down")

        roles = [node.get("leafz")["leafs"][0]["is_spoke"] for node in (hub, spoke)]
        assert roles == [False, True]


SHARED = """
accounts {
  A { users: [{user: a, password: a}], exports: [ {service: "a.svc"}, {stream: "a.st.>"} ] }
  B {
    users: [{user: b, password: b}]
    imports: [
      {service: {account: A, subject: "a.svc"}, to: "b.svc"}
      {stream: {account: A, subject: "a.st.>"}, prefix: "from"}
    ]
    mappings { "old.*": "new.{{wildcard(1)}}" }
  }
}
"""


@PAIRS
async def test_imports_and_mappings_of_the_hub_hold_between_leafs(
    hub: str, leaf: str, tmp_path: Path
) -> None:
    with (
        running(hub, tmp_path, "hub", SHARED) as above,
        running(leaf, tmp_path, "in-a", leafnodes=dials(above, userinfo="a:a@")) as in_a,
        running(leaf, tmp_path, "in-b", leafnodes=dials(above, userinfo="b:b@")) as in_b,
    ):
        await linked(above, 2)
        async with (
            client_of(in_a) as a,
            client_of(in_b) as b,
            client_of(above, user="b", password="b") as at_hub,
        ):
            heard: list[tuple[str, str]] = []

            async def answer(message: Any) -> None:
                info = json.loads((message.headers or {})["Nats-Request-Info"])
                heard.append((message.subject, info["acc"]))
                await message.respond(b"done")

            await a.subscribe("a.svc", cb=answer)
            stream = await b.subscribe("from.a.st.>")
            mapped = await at_hub.subscribe("new.*")
            await settled(a, b, at_hub)
            await wants(above, "a.svc", "from.a.st.>")
            await wants(in_b, "b.svc", "old.*")
            await wants(in_a, "a.st.>")

            assert (await b.request("b.svc", b"?", timeout=PATIENCE_S)).data == b"done"
            assert (await at_hub.request("b.svc", b"?", timeout=PATIENCE_S)).data == b"done"
            assert heard == [("a.svc", "B")] * 2
            await a.publish("a.st.1", b"x")
            assert (await stream.next_msg(timeout=PATIENCE_S)).subject == "from.a.st.1"
            await b.publish("old.7", b"y")
            assert (await mapped.next_msg(timeout=PATIENCE_S)).subject == "new.7"


@PAIRS
async def test_a_push_consumer_delivers_to_a_group_below_once(
    hub: str, leaf: str, tmp_path: Path
) -> None:
    async with with_streams(hub, leaf, tmp_path) as (up, down, above, _):
        js = up.jetstream()
        await js.add_stream(name="S", subjects=["s.>"])
        heard: list[str] = []

        async def handle(message: Any) -> None:
            heard.append(message.subject)
            await message.respond(b"")

        for group in ("q", "q", ""):
            await down.subscribe("deliver", group, cb=handle)
        await settled(down)
        await until(lambda: wanted(above).count("deliver") == 2, timeout_s=PATIENCE_S)
        config = {"durable_name": "d", "deliver_subject": "deliver", "deliver_group": "q"}
        body = {"stream_name": "S", "config": config | {"ack_policy": "explicit"}}
        answer = await up.request(
            "$JS.API.CONSUMER.DURABLE.CREATE.S.d", json.dumps(body).encode(), timeout=PATIENCE_S
        )
        assert "error" not in json.loads(answer.data)

        for number in range(10):
            await js.publish(f"s.{number}", b"x", timeout=PATIENCE_S)
        await until(lambda: len(heard) >= 20, timeout_s=PATIENCE_S)
        await settled(up, down)

        assert sorted(heard) == sorted(f"s.{number}" for number in range(10) for _ in "12")


@pytest.mark.parametrize(
    ("pinned", "shows", "comes"),
    [("", True, True), ("", False, False), ("own", True, True), ("other", True, False)],
)
async def test_a_certificate_is_demanded_and_may_be_pinned(
    pinned: str, shows: bool, comes: bool, tmp_path: Path
) -> None:
    tls_pair(tmp_path)
    cert = f'cert_file: "{tmp_path}/cert.pem", key_file: "{tmp_path}/key.pem"'
    trusted = f'ca_file: "{tmp_path}/cert.pem"'
    pins = {"own": key_digest(tmp_path / "cert.pem"), "other": "0" * 64}
    port = f"tls {{ {cert}, {trusted}, verify: true"
    port += f', pinned_certs: ["{pins[pinned]}"] }}' if pinned else " }"
    remote = f"tls {{ {trusted}, {cert} }}" if shows else f"tls {{ {trusted} }}"
    with (
        running(OURS, tmp_path, "hub", leafnodes=port) as hub,
        running(REAL, tmp_path, "edge", leafnodes=dials(hub, more=remote)),
    ):
        if comes:
            await linked(hub)
        else:
            await until(lambda: "TLS handshake error" in "".join(logs(hub)), timeout_s=PATIENCE_S)
            assert hub.get("leafz")["leafnodes"] == 0


def key_digest(path: Path) -> str:
    """The SHA-256 of a certificate's public key, as pins have it."""
    key = x509.load_pem_x509_certificate(path.read_bytes()).public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(key.public_bytes(serialization.Encoding.DER, form)).hexdigest()
