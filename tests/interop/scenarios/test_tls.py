"""Scenario 05: each way to encrypt a link, with 100 kB both ways through it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.x509 import DNSName

from tests.hub.process import free_ports, nats_server_path
from tests.interop.barrier import settled
from tests.interop.nodes import OURS, PATIENCE_S, REAL, client_of, dials, linked, running, wants
from tests.sim.certificates import LOCALHOST, Authority, tls_pair

if TYPE_CHECKING:
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


def several_certificates(directory: Path, trusted: list[str]) -> tuple[str, str]:
    """Return the `leafnodes` of a hub that trusts these, and what a remote shows."""
    hub = Authority(directory, "hub-ca")
    cert_file, key_file = hub.issue("hub", *LOCALHOST)
    pairs, roots = [], []
    for name in ("old", "new"):
        authority = Authority(directory, f"{name}-ca")
        cert, key = authority.issue(name, DNSName(name))
        pairs.append(f'{{ cert_file: "{cert}", key_file: "{key}" }}')
        if name in trusted:
            roots.append(Path(authority.ca_file).read_text())
    (directory / "roots.pem").write_text("".join(roots))
    own = f'cert_file: "{cert_file}", key_file: "{key_file}", ca_file: "{directory}/roots.pem"'
    users = "{user: old, password: p, account: OLD}, {user: new, password: p, account: NEW}"
    port = f"tls {{ {own}, verify_and_map: true }}\nauthorization {{ users [ {users} ] }}"
    return port, f'tls {{ ca_file: "{hub.ca_file}", certs: [ {", ".join(pairs)} ] }}'


@pytest.mark.parametrize("edge", [OURS, REAL])
@pytest.mark.parametrize(
    ("trusted", "shown"), [(["old"], "OLD"), (["new"], "NEW"), (["new", "old"], "OLD")]
)
async def test_of_several_certificates_one_is_shown_that_the_hub_trusts(
    edge: str, trusted: list[str], shown: str, tmp_path: Path
) -> None:
    port, remote = several_certificates(tmp_path, trusted)
    accounts = "accounts { OLD {}, NEW {} }"
    with (
        running(REAL, tmp_path, "hub", accounts, leafnodes=port) as above,
        running(edge, tmp_path, "edge", leafnodes=dials(above, more=remote, userinfo="any:p@")),
    ):
        await linked(above)
        assert above.get("leafz")["leafs"][0]["account"] == shown


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
