"""Scenario 05: each way to encrypt a link, with 100 kB both ways through it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.hub.process import free_ports, nats_server_path
from tests.interop.barrier import settled
from tests.interop.nodes import OURS, PATIENCE_S, REAL, client_of, dials, linked, running, wants
from tests.sim.certificates import tls_pair

if TYPE_CHECKING:
    from pathlib import Path

    from nats.aio.client import Client

    from tests.interop.nodes import Node

pytestmark = [
    pytest.mark.interop,
    pytest.mark.real_loop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

SIZE = 100_000
USERS = "accounts { B { users: [{user: b, password: b}] } }\nno_auth_user: b"
MAPPED = "authorization { users [ {user: localhost, password: p, account: B} ] }"
# How the hub's port is, what the remote does about it, and who it is there.
WAYS = {
    "on demand": ("", "", ""),
    "first": ("handshake_first: true", "handshake_first: true", ""),
    "first to auto": ("handshake_first: auto", "handshake_first: true", ""),
    "late to auto": ("handshake_first: auto", "", ""),
    "late to 200ms": ("handshake_first: 200ms", "", ""),
    "mutual": ("verify: true", "{own}", ""),
    "mutual and first": ("verify: true, handshake_first: true", "{own}, handshake_first: true", ""),
    "mapped": ("verify_and_map: true", "{own}", "any:p@"),
}


async def carries_much(here: Client, there: Client, between: Node) -> None:
    """Prove that a large message gets through, whole; `between` is the server of `here`."""
    large = await there.subscribe("large")
    await settled(there)
    await wants(between, "large")
    payload = bytes(range(250)) * (SIZE // 250)
    await here.publish("large", payload)
    assert (await large.next_msg(timeout=PATIENCE_S)).data == payload
    await large.unsubscribe()
    await settled(there)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("hub", "edge"), [(REAL, OURS), (OURS, REAL)])
async def test_a_link_is_encrypted(hub: str, edge: str, way: str, tmp_path: Path) -> None:
    tls_pair(tmp_path)
    ca = f'ca_file: "{tmp_path}/cert.pem"'
    own = f'cert_file: "{tmp_path}/cert.pem", key_file: "{tmp_path}/key.pem"'
    demands, does, userinfo = WAYS[way]
    port = f"tls {{ {own}, {ca}, {demands} }}\n{MAPPED if way == 'mapped' else ''}"
    remote = f"tls {{ {ca}, {does.format(own=own)} }}"
    with (
        running(hub, tmp_path, "hub", USERS, leafnodes=port) as above,
        running(
            edge, tmp_path, "edge", leafnodes=dials(above, more=remote, userinfo=userinfo)
        ) as below,
    ):
        await linked(above)
        await linked(below)
        assert above.get("leafz")["leafs"][0]["account"] == "B"
        async with client_of(above) as up, client_of(below) as down:
            await carries_much(down, up, below)
            await carries_much(up, down, above)


async def test_a_leaf_comes_by_https_and_packs_what_it_sends(tmp_path: Path) -> None:
    tls_pair(tmp_path)
    (port,) = free_ports(1)
    own = f'cert_file: "{tmp_path}/cert.pem", key_file: "{tmp_path}/key.pem"'
    websocket = f"websocket {{ listen: 127.0.0.1:{port}, compression: true, tls {{ {own} }} }}"
    trust = f'tls {{ ca_file: "{tmp_path}/cert.pem" }}'
    remote = f'{{ url: "wss://127.0.0.1:{port}", ws_compression: true, {trust} }}'
    link = f"reconnect: 100ms, remotes: [ {remote} ]"
    with (
        running(OURS, tmp_path, "hub", websocket) as above,
        running(REAL, tmp_path, "edge", leafnodes=link) as below,
    ):
        await linked(above)
        async with client_of(above) as up, client_of(below) as down:
            await carries_much(down, up, below)
            await carries_much(up, down, above)
