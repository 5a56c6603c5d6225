"""The leaf link to a real nats-server 2.15.1, with nats-py on the hub's side."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import time
from typing import TYPE_CHECKING

import nats
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from leafnode.config.listener_options import CertificatePair
from leafnode.config.options import LeafRemote, TlsOptions
from leafnode.leaf.remote import Remote, RemoteState
from tests.hub.jwt import Operator, user_key
from tests.hub.process import Hub, free_ports, nats_server_path, running_hub
from tests.interop.barrier import settled
from tests.interop.edge import Edge, running_edge, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from nats.aio.client import Client

    from leafnode.routing.subscription import Delivery

pytestmark = [
    pytest.mark.interop,
    pytest.mark.real_loop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

NAMED = 'server_name: hub\njetstream { store_dir: "{dir}/js", domain: hub }'


@contextlib.asynccontextmanager
async def client_of(hub: Hub, **options: str) -> AsyncIterator[Client]:
    client = await nats.connect(hub.client_url, allow_reconnect=False, **options)  # type: ignore[arg-type]
    try:
        yield client
    finally:
        await client.close()


def plain(hub: Hub, **more: object) -> LeafRemote:
    return LeafRemote((hub.leaf_url,), **more)  # type: ignore[arg-type]


def leaf_urls(hub: Hub, userinfo: str) -> tuple[str]:
    return (f"nats-leaf://{userinfo}@127.0.0.1:{hub.leaf_port}",)


async def carries_both_ways(edge: Edge, client: Client) -> None:
    """Prove a link by one message in each direction."""
    local = edge.client()
    local.subscribe(b"down.>", b"1")
    subscription = await client.subscribe("up.>")
    await settled(client)
    await edge.linked()
    await until(lambda: edge.wants(b"up.1"))

    edge.publish(local, b"PUB up.1 2\r\nhi\r\n")
    message = await subscription.next_msg(timeout=10)

    assert (message.subject, message.data) == ("up.1", b"hi")
    received = b""

    async def answered() -> None:
        nonlocal received
        while not received:
            await client.publish("down.1", b"hello")
            await settled(client)
            with contextlib.suppress(AssertionError):
                await until(lambda: local.kept, timeout_s=0.1)
            received = local.got()

    await asyncio.wait_for(answered(), 10)
    assert received.startswith(b"MSG down.1 1 5\r\nhello\r\n")
    await subscription.unsubscribe()


async def test_without_authentication_messages_cross_both_ways_and_both_sides_say_so(
    tmp_path: Path,
) -> None:
    with running_hub(tmp_path, NAMED) as hub:
        async with running_edge(plain(hub)) as edge, client_of(hub) as client:
            await carries_both_ways(edge, client)
            await until(lambda: edge.remote.link and edge.remote.link.session.rtt_ns)

            (leaf,) = hub.get("leafz?subs=1")["leafs"]
            row = edge.remote.leafz()

        assert (leaf["name"], leaf["account"], leaf["is_spoke"]) == ("edge", "$G", False)
        assert leaf["compression"] == "off"
        assert "down.>" in leaf["subscriptions_list"]
        assert row is not None
        assert (row.name, row.is_spoke, row.port) == ("hub", True, hub.leaf_port)
        assert (row.in_msgs >= 1, row.out_msgs) == (True, 1)
        assert edge.remote.status.hub_domain == "hub"
        assert edge.remote.status.remote_account == "$G"


async def test_a_user_and_password_from_the_url_choose_the_account(tmp_path: Path) -> None:
    accounts = "accounts { APP { users [ {user: ann, password: 's@cret'} ] } }"
    with running_hub(tmp_path, f"server_name: hub\n{accounts}") as hub:
        remote = LeafRemote(leaf_urls(hub, "ann:s%40cret"))
        async with (
            running_edge(remote) as edge,
            client_of(hub, user="ann", password="s@cret") as client,
        ):
            await carries_both_ways(edge, client)

            assert edge.remote.status.remote_account == "APP"


async def test_a_token_from_the_url_is_accepted(tmp_path: Path) -> None:
    with running_hub(tmp_path, "server_name: hub\nauthorization { token: t0ken }") as hub:
        remote = LeafRemote(leaf_urls(hub, "t0ken"))
        async with running_edge(remote) as edge, client_of(hub, token="t0ken") as client:
            await carries_both_ways(edge, client)


async def test_an_nkey_seed_file_signs_the_hubs_nonce(tmp_path: Path) -> None:
    public, seed = user_key()
    file = tmp_path / "edge.nk"
    file.write_text(seed)
    users = f"{{nkey: {public}}}, {{user: u, password: p}}"
    config = f"server_name: hub\naccounts {{ APP {{ users [ {users} ] }} }}"
    with running_hub(tmp_path, config) as hub:
        async with (
            running_edge(plain(hub, nkey=str(file))) as edge,
            client_of(hub, user="u", password="p") as client,
        ):
            await carries_both_ways(edge, client)


async def test_a_creds_file_is_accepted_by_a_hub_in_operator_mode(tmp_path: Path) -> None:
    operator = Operator(now_s=int(time.time()))
    creds = tmp_path / "edge.creds"
    operator.write_creds(creds, "edge")
    with running_hub(tmp_path, f"server_name: hub\n{operator.config()}") as hub:
        async with (
            running_edge(plain(hub, credentials=str(creds))) as edge,
            client_of(hub, user_credentials=str(creds)) as client,
        ):
            await carries_both_ways(edge, client)

            assert edge.remote.status.remote_account == operator.account.public


async def test_creds_without_the_right_to_be_a_leaf_are_refused_in_words(tmp_path: Path) -> None:
    operator = Operator(now_s=int(time.time()))
    creds = tmp_path / "edge.creds"
    rights = {"pub": {}, "sub": {}, "allowed_connection_types": ["STANDARD"]}
    operator.write_creds(creds, "edge", permissions=rights)
    with running_hub(tmp_path, f"server_name: hub\n{operator.config()}") as hub:
        async with running_edge(plain(hub, credentials=str(creds))) as edge:
            await edge.error("the hub refused the credentials")


async def test_credentials_are_read_anew_for_each_connect(tmp_path: Path) -> None:
    operator = Operator(now_s=int(time.time()))
    creds = tmp_path / "edge.creds"
    operator.write_creds(creds, "edge", exp=operator.now_s - 60)
    with running_hub(tmp_path, f"server_name: hub\n{operator.config()}") as hub:
        async with running_edge(plain(hub, credentials=str(creds))) as edge:
            await edge.error("has expired")

            operator.write_creds(creds, "edge")
            await edge.linked()


@pytest.mark.parametrize("userinfo", ["ann:wrong", "bob:secret", "t0ken"])
async def test_wrong_credentials_are_visible_soon(tmp_path: Path, userinfo: str) -> None:
    accounts = "accounts { APP { users [ {user: ann, password: secret} ] } }"
    with running_hub(tmp_path, f"server_name: hub\n{accounts}") as hub:
        async with running_edge(LeafRemote(leaf_urls(hub, userinfo))) as edge:
            await edge.error("Authorization Violation: the hub refused the credentials")

            assert edge.remote.status.connects == 0


async def test_a_wrong_address_is_visible_soon(tmp_path: Path) -> None:
    with running_hub(tmp_path, "server_name: hub") as hub:
        client_port = LeafRemote((f"nats-leaf://127.0.0.1:{hub.client_port}",))
        async with running_edge(client_port) as edge:
            await edge.error("client port")
        async with running_edge(LeafRemote((f"nats-leaf://127.0.0.1:{hub.http_port}",))) as edge:
            await edge.error("no INFO")
    async with running_edge(plain(hub)) as edge:
        await edge.error("refused")
    async with running_edge(LeafRemote(("nats-leaf://no-such-host.invalid",))) as edge:
        await until(lambda: edge.remote.status.last_error)
        assert edge.remote.status.dials >= 1


async def test_requests_and_headers_cross_in_both_directions(tmp_path: Path) -> None:
    with running_hub(tmp_path, NAMED) as hub:
        async with running_edge(plain(hub)) as edge, client_of(hub) as client:
            await edge.linked()

            def echo(delivery: Delivery) -> None:
                for reply, header_size, body in delivery.messages:
                    edge.account.publish(reply, body, header_size=header_size)

            edge.account.subscribe(b"svc.edge", echo)
            served: list[dict[str, str] | None] = []

            async def serve(message: nats.aio.msg.Msg) -> None:
                served.append(message.headers)
                await message.respond(b"pong")

            await client.subscribe("svc.hub", cb=serve)
            await settled(client)
            await until(lambda: edge.wants(b"svc.hub"))
            await until(lambda: "svc.edge" in hub_subscriptions(hub))

            answer = await client.request("svc.edge", b"ping", timeout=10, headers={"A": "B"})
            local = edge.client()
            local.subscribe(b"_INBOX.me.*", b"1")
            edge.publish(local, b"HPUB svc.hub _INBOX.me.1 18 20\r\nNATS/1.0\r\nK: V\r\n\r\nhi\r\n")
            await until(lambda: local.kept)

            assert (answer.data, answer.headers) == (b"ping", {"A": "B"})
            # nats-py answers with the headers of the request
            assert local.got() == (b"HMSG _INBOX.me.1 1 18 22\r\nNATS/1.0\r\nK: V\r\n\r\npong\r\n")
            assert served == [{"K": "V"}]


async def test_queue_groups_prefer_their_own_side_and_one_member_gets_each_message(
    tmp_path: Path,
) -> None:
    with running_hub(tmp_path, NAMED) as hub:
        async with running_edge(plain(hub)) as edge, client_of(hub) as client:
            await edge.linked()
            local = edge.client()
            for sid in (b"1", b"2"):
                local.subscribe(b"work", sid, b"Q")
            await until(lambda: "work" in hub_subscriptions(hub))

            for _ in range(20):
                await client.publish("work", b"x")
            await settled(client)
            await until(lambda: local.kept.count(b"MSG work") == 20)
            from_the_hub = local.got()

            got: list[bytes] = []

            async def keep(message: nats.aio.msg.Msg) -> None:
                got.append(message.data)

            await client.subscribe("work", queue="Q", cb=keep)
            await client.subscribe("jobs", queue="J", cb=keep)
            await settled(client)
            await until(lambda: edge.wants(b"jobs"))
            edge.publish(local, b"PUB work 1\r\na\r\n" * 5)
            edge.publish(local, b"PUB jobs 1\r\nb\r\n" * 5)
            await until(lambda: len(got) >= 5)
            await settled(client)

            assert from_the_hub.count(b"MSG work 1 ") + from_the_hub.count(b"MSG work 2 ") == 20
            assert local.got().count(b"MSG work") == 5
            assert got == [b"b"] * 5


async def test_interest_that_ends_on_either_side_is_withdrawn(tmp_path: Path) -> None:
    with running_hub(tmp_path, NAMED) as hub:
        async with running_edge(plain(hub)) as edge, client_of(hub) as client:
            await edge.linked()
            subscription = await client.subscribe("theirs")
            ours = edge.client().subscribe(b"ours", b"1")
            await settled(client)
            await until(lambda: edge.wants(b"theirs") and "ours" in hub_subscriptions(hub))

            await subscription.unsubscribe()
            edge.account.remove(ours)

            await until(lambda: not edge.wants(b"theirs") and "ours" not in hub_subscriptions(hub))


async def test_the_hubs_jetstream_is_reached_by_its_domain_and_pull_acks_cross(
    tmp_path: Path,
) -> None:
    with running_hub(tmp_path, NAMED) as hub:
        async with running_edge(plain(hub)) as edge, client_of(hub) as client:
            await client.jetstream().add_stream(name="S", subjects=["s.>"])
            await client.jetstream().publish("s.1", b"one")
            await edge.linked()
            await until(lambda: edge.wants(b"$JS.hub.API.INFO"))
            local = edge.client()
            local.subscribe(b"_INBOX.me.*", b"1")

            edge.publish(local, b"PUB $JS.API.STREAM.NAMES _INBOX.me.0 0\r\n\r\n")
            create = b'{"stream_name":"S","config":{"durable_name":"D","ack_policy":"explicit"}}'
            edge.publish(
                local,
                b"PUB $JS.hub.API.CONSUMER.DURABLE.CREATE.S.D _INBOX.me.1 %d\r\n%b\r\n"
                % (len(create), create),
            )
            await until(lambda: b'"name":"D"' in local.kept)
            created = local.got()
            edge.publish(local, b"PUB $JS.hub.API.CONSUMER.MSG.NEXT.S.D _INBOX.me.2 1\r\n1\r\n")
            await until(lambda: b"one\r\n" in local.kept)
            line = local.got().partition(b"\r\n")[0].split(b" ")

            # the deliver subject is gone, the message's own is shown, the reply acknowledges
            assert b"_INBOX.me.0" not in created
            assert line[:3] == [b"MSG", b"s.1", b"1"]
            assert line[3].startswith(b"$JS.ACK.S.D.1.1.1.")
            assert b"@" not in line[3]
            edge.publish(local, b"PUB %b 4\r\n+ACK\r\n" % line[3])
            await settled(client)
            async with asyncio.timeout(10):
                while (await client.jetstream().consumer_info("S", "D")).num_ack_pending:
                    await settled(client)


async def test_permissions_of_the_hub_are_kept_and_the_link_never_drops(tmp_path: Path) -> None:
    permissions = '{ publish: {allow: ["out.>"], deny: ["out.no"]}, subscribe: {allow: ["in.>"]} }'
    users = f"{{user: e, password: p, permissions: {permissions}}}, {{user: u, password: p}}"
    config = f"server_name: hub\naccounts {{ APP {{ users [ {users} ] }} }}"
    with running_hub(tmp_path, config) as hub:
        async with (
            running_edge(LeafRemote(leaf_urls(hub, "e:p"))) as edge,
            client_of(hub, user="u", password="p") as client,
        ):
            got: list[str] = []

            async def keep(message: nats.aio.msg.Msg) -> None:
                got.append(message.subject)

            await client.subscribe(">", cb=keep)
            await settled(client)
            local = edge.client()
            for sid, subject in enumerate([b"in.a", b"else", b">", b"in.*"]):
                local.subscribe(subject, b"%d" % sid)
            await edge.linked()
            await until(lambda: edge.wants(b"out.last"))
            for subject in (b"out.a", b"out.no", b"else", b"_INBOX.x", b"out.last"):
                edge.publish(local, b"PUB %b 1\r\nx\r\n" % subject)
            await until(lambda: "out.last" in got)

            assert got == ["out.a", "out.last"]
            assert edge.remote.status.connects == 1
            assert edge.remote.status.last_error == ""


def hub_heard(hub: Hub, subject: str) -> bool:
    """Say whether our announcement of this subject has arrived at the hub."""
    leafs = hub.get("leafz?subs=1")["leafs"]
    return any(subject in leaf.get("subscriptions_list", []) for leaf in leafs)


async def test_denied_imports_and_exports_stay_on_their_side(tmp_path: Path) -> None:
    with running_hub(tmp_path, NAMED) as hub:
        remote = plain(hub, deny_imports=("no.in.>",), deny_exports=("no.out.>",))
        async with running_edge(remote) as edge, client_of(hub) as client:
            local = edge.client()
            local.subscribe(b"no.in.a", b"1")
            local.subscribe(b">", b"2")
            await edge.linked()
            subscription = await client.subscribe(">")
            await settled(client)
            await until(lambda: edge.wants(b"yes"))
            await until(lambda: hub_heard(hub, ">"))
            local.got()

            await client.publish("no.in.a", b"x")
            await client.publish("fine", b"x")
            await settled(client)
            await until(lambda: b"fine" in local.kept)
            received = local.got()
            edge.publish(local, b"PUB no.out.a 1\r\nx\r\nPUB yes 1\r\nx\r\n")
            seen = [
                (await subscription.next_msg(timeout=10)).subject
                for _ in ("no.in.a", "fine", "yes")
            ]

            assert b"no.in.a" not in received
            assert seen == ["no.in.a", "fine", "yes"]
            assert edge.remote.status.connects == 1


async def test_the_link_returns_after_the_hub_was_killed(tmp_path: Path) -> None:
    with running_hub(tmp_path, NAMED) as hub:
        async with running_edge(plain(hub)) as edge:
            await edge.linked()
            hub.kill()
            await until(lambda: edge.remote.status.state is not RemoteState.CONNECTED)

            assert not edge.account.has_interest(b"$JS.hub.API.INFO")
            hub.start()
            await edge.linked()

            assert edge.remote.status.reconnects == 1
            async with client_of(hub) as client:
                await carries_both_ways(edge, client)


async def test_another_node_is_tried_when_the_first_one_dies_also_one_only_announced(
    tmp_path: Path,
) -> None:
    first, second = Hub(tmp_path / "a"), Hub(tmp_path / "b")
    with contextlib.ExitStack() as stack:
        routes = route_config(first, second)
        for hub, config in zip((first, second), routes, strict=True):
            hub.config = config
            hub.start()
            stack.callback(hub.stop)
        async with running_edge(plain(first)) as edge:
            await edge.linked()
            await until(lambda: len(edge.remote._pool) == 2)

            first.kill()
            await until(lambda: edge.remote.status.hub_name == "n2")
            await edge.linked()
            async with client_of(second) as client:
                await carries_both_ways(edge, client)


async def test_dead_addresses_among_the_configured_ones_are_skipped(tmp_path: Path) -> None:
    with running_hub(tmp_path, NAMED) as hub:
        urls = ("nats-leaf://127.0.0.1:1", "nats-leaf://127.0.0.1:2", hub.leaf_url)
        async with running_edge(LeafRemote(urls, no_randomize=True)) as edge:
            await edge.linked()

            assert edge.remote.status.dials == 3


async def test_two_links_of_one_account_to_one_hub_are_told_apart_by_name(tmp_path: Path) -> None:
    with running_hub(tmp_path, NAMED) as hub:
        async with (
            running_edge(plain(hub), name="west", domain="west") as west,
            running_edge(plain(hub), name="east", domain="east") as east,
        ):
            await west.linked()
            await east.linked()
            there = east.client()
            there.subscribe(b"east.>", b"1")
            await until(lambda: west.wants(b"east.1"))

            west.publish(west.client(), b"PUB east.1 2\r\nhi\r\n")
            await until(lambda: there.kept)

            assert there.got() == b"MSG east.1 1 2\r\nhi\r\n"


async def test_the_hubs_own_name_is_refused_in_words_and_waited_out(tmp_path: Path) -> None:
    with running_hub(
        tmp_path, 'server_name: hub\ncluster { name: taken, listen: "127.0.0.1:-1" }'
    ) as hub:
        async with running_edge(plain(hub), name="taken") as edge:
            await edge.error("choose another server_name")

            await until(lambda: edge.remote.status.state is RemoteState.WAITING)
            await asyncio.sleep(1)
            assert edge.remote.status.dials == 1


async def test_a_hub_that_wants_a_newer_version_says_so_and_an_older_minimum_holds(
    tmp_path: Path,
) -> None:
    with running_hub(tmp_path / "a", NAMED, leafnodes="min_version: 2.12.0") as hub:
        async with running_edge(plain(hub)) as edge:
            await edge.linked()
    with running_hub(tmp_path / "b", NAMED, leafnodes="min_version: 2.99.0") as hub:
        async with running_edge(plain(hub)) as edge:
            await edge.error("min_version is above the version")
            await asyncio.sleep(1)
            assert edge.remote.status.dials == 1


async def test_a_ring_of_leaf_connections_is_found_and_one_of_them_waits(tmp_path: Path) -> None:
    with running_hub(tmp_path / "a", "server_name: a") as top:
        dialing = f'remotes: [ {{ url: "{top.leaf_url}" }} ]'
        with running_hub(tmp_path / "b", "server_name: b", leafnodes=dialing) as middle:
            async with running_edge(plain(top)) as edge, asyncio.TaskGroup() as group:
                second = Remote(
                    plain(middle), edge.account, edge.environment, reconnect_ns=100_000_000
                )
                task = group.create_task(second.run())
                problems = [edge.remote.status, second.status]
                await until(lambda: any("oop detected" in each.last_error for each in problems))
                task.cancel()


async def test_tls_is_used_when_the_hub_demands_it_and_the_certificate_is_checked(
    tmp_path: Path,
) -> None:
    certificate(tmp_path)
    tls = 'tls { cert_file: "{dir}/cert.pem", key_file: "{dir}/key.pem" }'
    ca = TlsOptions(ca_file=str(tmp_path / "cert.pem"))
    with running_hub(tmp_path, "server_name: hub", leafnodes=tls) as hub:
        async with running_edge(plain(hub, tls=ca)) as edge, client_of(hub) as client:
            await carries_both_ways(edge, client)
        async with running_edge(plain(hub)) as edge:
            await edge.error("TLS: ")
            assert "certificate" in edge.remote.status.last_error


async def test_tls_first_works_and_its_absence_is_visible(tmp_path: Path) -> None:
    certificate(tmp_path)
    tls = 'tls { cert_file: "{dir}/cert.pem", key_file: "{dir}/key.pem", handshake_first: true }'
    first = TlsOptions(ca_file=str(tmp_path / "cert.pem"), handshake_first=True)
    late = TlsOptions(ca_file=str(tmp_path / "cert.pem"))
    with running_hub(tmp_path, "server_name: hub", leafnodes=tls) as hub:
        async with running_edge(plain(hub, tls=first)) as edge, client_of(hub) as client:
            await carries_both_ways(edge, client)
        async with running_edge(plain(hub, tls=late)) as edge:
            await edge.error("TLS first")


async def test_a_client_certificate_is_shown_to_a_hub_that_verifies(tmp_path: Path) -> None:
    certificate(tmp_path)
    files = 'cert_file: "{dir}/cert.pem", key_file: "{dir}/key.pem", ca_file: "{dir}/cert.pem"'
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    with running_hub(
        tmp_path, "server_name: hub", leafnodes=f"tls {{ {files}, verify: true }}"
    ) as hub:
        ours = TlsOptions(ca_file=cert, pairs=(CertificatePair(cert, key),))
        async with running_edge(plain(hub, tls=ours)) as edge:
            await edge.linked()
        async with running_edge(plain(hub, tls=TlsOptions(ca_file=cert))) as edge:
            await until(lambda: edge.remote.status.last_error)
            assert edge.remote.status.connects == 0


async def test_a_hub_without_tls_gets_no_credentials_of_a_remote_that_asks_for_tls(
    tmp_path: Path,
) -> None:
    with running_hub(tmp_path, "server_name: hub") as hub:
        remote = LeafRemote((f"tls://ann:CANARY@127.0.0.1:{hub.leaf_port}",))
        async with running_edge(remote) as edge:
            await edge.error("nothing was sent")

            assert edge.remote.status.connects == 0


async def test_a_large_message_crosses_both_ways(tmp_path: Path) -> None:
    with running_hub(tmp_path, NAMED) as hub:
        async with running_edge(plain(hub)) as edge, client_of(hub) as client:
            size = 900_000
            local = edge.client()
            local.subscribe(b"big.down", b"1")
            subscription = await client.subscribe("big.up")
            await settled(client)
            await edge.linked()
            await until(lambda: edge.wants(b"big.up") and "big.down" in hub_subscriptions(hub))

            edge.account.publish(b"big.up", b"x" * size)
            edge.turn.outbox.flush()
            await client.publish("big.down", b"y" * size)
            await settled(client)

            assert (await subscription.next_msg(timeout=10)).data == b"x" * size
            await until(lambda: len(local.kept) >= size)
            assert local.got() == b"MSG big.down 1 %d\r\n%b\r\n" % (size, b"y" * size)


def hub_subscriptions(hub: Hub) -> list[str]:
    """What the hub knows of the edge's interest."""
    leafs = hub.get("leafz?subs=1")["leafs"]
    return [subject for leaf in leafs for subject in leaf.get("subscriptions_list") or []]


def route_config(*hubs: Hub) -> list[str]:
    """What makes one cluster of the given hubs, for each of them."""
    ports = free_ports(len(hubs))
    routes = ", ".join(f'"nats-route://127.0.0.1:{port}"' for port in ports)
    return [
        f"server_name: n{index + 1}\n"
        f'cluster {{ name: HUBC, listen: "127.0.0.1:{port}", routes: [{routes}] }}'
        for index, port in enumerate(ports)
    ]


def certificate(directory: Path) -> None:
    """Write a self-signed certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hub")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    usage = x509.ExtendedKeyUsage(
        [x509.ExtendedKeyUsageOID.SERVER_AUTH, x509.ExtendedKeyUsageOID.CLIENT_AUTH]
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=False)
        .sign(key, hashes.SHA256())
    )
    (directory / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (directory / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
