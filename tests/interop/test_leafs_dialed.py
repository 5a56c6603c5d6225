"""The ways to a hub: WebSocket, its TLS, an HTTP proxy; our server and the real one on both sides.

Truth: what nats-server 2.15.1 does on either side of each.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from leafnode.tls.x509 import first_certificate, key_digest
from tests.hub.process import free_ports, nats_server_path
from tests.interop.barrier import settled
from tests.interop.edge import until
from tests.interop.http_proxy import running_proxy
from tests.interop.nodes import (
    OURS,
    PATIENCE_S,
    REAL,
    OurNode,
    carries,
    client_of,
    linked,
    running,
    wants,
)
from tests.sim.certificates import tls_pair

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.nodes import Node

pytestmark = [
    pytest.mark.interop,
    pytest.mark.real_loop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]
PAIRS = pytest.mark.parametrize(("hub", "leaf"), [(OURS, REAL), (OURS, OURS), (REAL, OURS)])
WAYS = pytest.mark.parametrize(
    ("options", "packs"),
    [
        ("", "false"),
        ("ws_no_masking: true", "false"),
        ("ws_compression: true, ws_no_masking: true", "true"),
        ("ws_compression: true", "false"),  # asked for and not agreed to
    ],
)


def dialing(url: str, more: str = "") -> str:
    return f'reconnect: 100ms, remotes: [ {{ url: "{url}", first_info_timeout: 20s, {more} }} ]'


async def carries_all(above: Node, below: Node) -> None:
    """Messages both ways, and large ones."""
    async with client_of(above) as up, client_of(below) as down:
        await carries(down, up, below, "up")
        await carries(up, down, above, "down")
        for here, there, between in ((down, up, below), (up, down, above)):
            name = f"large.{above is between}"
            large = await there.subscribe(name)
            await settled(there)
            await wants(between, name)
            for size in (300_000, 1, 900_000):
                await here.publish(name, b"x" * size)
                assert len((await large.next_msg(timeout=PATIENCE_S)).data) == size


@PAIRS
@WAYS
async def test_a_leaf_comes_over_websocket(
    hub: str, leaf: str, options: str, packs: str, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    block = f"websocket {{ listen: 127.0.0.1:{port}, no_tls: true, compression: {packs} }}"
    with (
        running(hub, tmp_path, "hub", block) as above,
        running(leaf, tmp_path, "edge", leafnodes=dialing(f"ws://127.0.0.1:{port}", options)) as b,
    ):
        await linked(above)
        await carries_all(above, b)
        assert above.get("leafz")["leafs"][0]["websocket"] is True


@PAIRS
@pytest.mark.parametrize("way", ["wss://localhost:{port}", "ws://localhost:{port}/some/path/"])
async def test_a_websocket_has_its_tls_below(hub: str, leaf: str, way: str, tmp_path: Path) -> None:
    tls_pair(tmp_path)
    (port,) = free_ports(1)
    pair = f'cert_file: "{tmp_path}/cert.pem", key_file: "{tmp_path}/key.pem"'
    block = f"websocket {{ listen: 127.0.0.1:{port}, tls {{ {pair} }}, compression: true }}"
    more = f'tls {{ ca_file: "{tmp_path}/cert.pem" }}, ws_compression: true'
    with (
        running(hub, tmp_path, "hub", block) as above,
        running(leaf, tmp_path, "edge", leafnodes=dialing(way.format(port=port), more)) as below,
    ):
        await linked(above)
        await carries_all(above, below)


async def refused(way: str, tmp_path: Path, *words: str, more: str = "") -> str:
    """Return what our server says of a hub that it does not reach in this way."""
    with running(OURS, tmp_path, "edge", leafnodes=dialing(way, more)) as edge:
        assert isinstance(edge, OurNode)

        def problem() -> str:
            (remote,) = edge.get("leafz")["leafnode"]["remotes"]
            return str(remote.get("last_error"))

        await until(lambda: all(word in problem() for word in words), timeout_s=PATIENCE_S)
        return edge.log


async def test_what_is_no_websocket_is_said_in_words(tmp_path: Path) -> None:
    with running(REAL, tmp_path, "hub") as hub:
        url = f"ws://127.0.0.1:{hub.leaf_port}"
        await refused(url, tmp_path / "a", "ws:// takes the port of a block websocket")
        monitor = hub.get("varz")["http_port"]
        await refused(f"ws://127.0.0.1:{monitor}", tmp_path / "b", "HTTP 404")


@pytest.mark.parametrize("scheme", ["nats-leaf", "ws"])
async def test_a_hub_is_reached_through_a_proxy(scheme: str, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    block = f"websocket {{ listen: 127.0.0.1:{port}, no_tls: true }}"
    async with running_proxy("joe:CANARY") as proxy:
        with running(REAL, tmp_path, "hub", block) as hub:
            target = f"127.0.0.1:{port if scheme == 'ws' else hub.leaf_port}"
            login = "username: joe, password: CANARY"
            more = f'proxy {{ url: "http://127.0.0.1:{proxy.port}", {login}, timeout: 20s }}'
            with running(
                OURS, tmp_path, "edge", leafnodes=dialing(f"{scheme}://{target}", more)
            ) as edge:
                assert isinstance(edge, OurNode)
                await linked(hub)
                await carries_all(hub, edge)
                assert "CANARY" not in edge.log
        assert proxy.asked[0].startswith(f"CONNECT {target} HTTP/1.1\r\n")
        assert proxy.through >= 1


async def test_tls_goes_through_a_proxy(tmp_path: Path) -> None:
    tls_pair(tmp_path)
    pair = f'cert_file: "{tmp_path}/cert.pem", key_file: "{tmp_path}/key.pem"'
    async with running_proxy() as proxy:
        for first in ("true", "false"):
            block = f"tls {{ {pair}, handshake_first: {first} }}"
            with running(REAL, tmp_path / first, "hub", leafnodes=block) as hub:
                more = (
                    f'proxy {{ url: "http://127.0.0.1:{proxy.port}", timeout: 20s }}, '
                    f'tls {{ ca_file: "{tmp_path}/cert.pem", handshake_first: {first} }}'
                )
                url = f"tls://localhost:{hub.leaf_port}"
                with running(OURS, tmp_path / first, "edge", leafnodes=dialing(url, more)) as edge:
                    await linked(hub)
                    await carries_all(hub, edge)


async def test_what_a_proxy_refuses_is_said_in_words(tmp_path: Path) -> None:
    (nobody,) = free_ports(1)
    url = "nats-leaf://hub.invalid:7422"
    more = 'proxy {{ url: "http://127.0.0.1:{}", username: joe, password: CANARY }}'
    async with running_proxy("joe:other") as proxy:
        words = ("HTTP 407", f"the proxy 127.0.0.1:{proxy.port}", "proxy.password")
        log = await refused(url, tmp_path / "a", *words, more=more.format(proxy.port))
        assert "CANARY" not in log
    async with running_proxy(answer=b"INFO {}\r\n") as proxy:
        words = ("answered no HTTP",)
        await refused(url, tmp_path / "b", *words, more=more.format(proxy.port))
    words = (f"the proxy 127.0.0.1:{nobody} cannot be reached: connection refused",)
    await refused(url, tmp_path / "c", *words, more=more.format(nobody))


MODES = ("s2_auto", "s2_best", "{ mode: s2_auto, rtt_thresholds: [10s] }")


@PAIRS
@pytest.mark.parametrize("mode", MODES)
async def test_a_link_is_packed_where_both_sides_want_it(
    hub: str, leaf: str, mode: str, tmp_path: Path
) -> None:
    port = f"compression: {mode}"
    with running(hub, tmp_path, "hub", leafnodes=port) as above:
        url = f"nats-leaf://127.0.0.1:{above.leaf_port}"
        with running(leaf, tmp_path, "edge", leafnodes=dialing(url, port)) as below:
            await linked(above)
            await linked(below)
            shown = [node.get("leafz")["leafs"][0]["compression"] for node in (above, below)]
            assert all(level.startswith("s2_") for level in shown), shown
            if "s2_auto" not in mode:
                assert shown == [mode, mode]
            if "10s" in mode:
                assert shown == ["s2_uncompressed", "s2_uncompressed"]
            await carries_all(above, below)


@pytest.mark.parametrize(("hub", "leaf"), [(OURS, REAL), (REAL, OURS)])
@pytest.mark.parametrize(
    ("port", "remote", "packed"),
    [
        ("off", "s2_fast", False),
        ("accept", "accept", False),
        ("accept", "s2_better", True),
        ("s2_fast", "accept", True),
    ],
)
async def test_a_link_is_packed_only_if_both_sides_agree(
    hub: str, leaf: str, port: str, remote: str, packed: bool, tmp_path: Path
) -> None:
    with running(hub, tmp_path, "hub", leafnodes=f"compression: {port}") as above:
        url = f"nats-leaf://127.0.0.1:{above.leaf_port}"
        more = f"compression: {remote}"
        with running(leaf, tmp_path, "edge", leafnodes=dialing(url, more)) as below:
            await linked(above)
            await linked(below)
            shown = [node.get("leafz")["leafs"][0]["compression"] for node in (above, below)]
            assert all(level.startswith("s2_") is packed for level in shown), shown
            async with client_of(above) as up, client_of(below) as down:
                await carries(down, up, below, "up")
                await carries(up, down, above, "down")


@PAIRS
async def test_a_packed_link_lies_within_tls_and_websockets(
    hub: str, leaf: str, tmp_path: Path
) -> None:
    tls_pair(tmp_path)
    pair = f'cert_file: "{tmp_path}/cert.pem", key_file: "{tmp_path}/key.pem"'
    (port,) = free_ports(1)
    top = f"websocket {{ listen: 127.0.0.1:{port}, tls {{ {pair} }} }}"
    block = f"compression: s2_best, tls {{ {pair} }}"
    with running(hub, tmp_path, "hub", top, leafnodes=block) as above:
        for url in (f"tls://localhost:{above.leaf_port}", f"wss://localhost:{port}"):
            more = f'compression: s2_best, tls {{ ca_file: "{tmp_path}/cert.pem" }}'
            with running(leaf, tmp_path, "edge", leafnodes=dialing(url, more)) as below:
                await linked(above)
                (row,) = above.get("leafz")["leafs"]
                assert row["compression"] == "s2_best"
                await carries_all(above, below)


async def test_a_hub_may_go_unverified_and_a_pinned_one_must_be_it(tmp_path: Path) -> None:
    tls_pair(tmp_path)
    pair = f'cert_file: "{tmp_path}/cert.pem", key_file: "{tmp_path}/key.pem"'
    pin = key_digest(first_certificate((tmp_path / "cert.pem").read_text()))
    with running(REAL, tmp_path, "hub", leafnodes=f"tls {{ {pair} }}") as hub:
        url = f"tls://127.0.0.1:{hub.leaf_port}"
        for more in ("insecure: true", f'insecure: true, pinned_certs: ["{pin}"]'):
            with running(OURS, tmp_path, "edge", leafnodes=dialing(url, f"tls {{ {more} }}")):
                await linked(hub)
        await refused(url, tmp_path / "a", "certificate is not accepted")
        pins = f'tls {{ insecure: true, pinned_certs: ["{"0" * 64}"] }}'
        await refused(
            url, tmp_path / "b", "the certificate that was shown is not pinned", more=pins
        )


async def test_a_leaf_over_websocket_that_is_not_pinned_any_more_is_cut(tmp_path: Path) -> None:
    tls_pair(tmp_path)
    (port,) = free_ports(1)
    pair = f'cert_file: "{tmp_path}/cert.pem", key_file: "{tmp_path}/key.pem"'
    trust = f'ca_file: "{tmp_path}/cert.pem"'
    pin = key_digest(first_certificate((tmp_path / "cert.pem").read_text()))
    secure = f'tls {{ {pair}, {trust}, verify: true, pinned_certs: ["{pin}"] }}'
    with running(
        OURS, tmp_path, "hub", f"websocket {{ listen: 127.0.0.1:{port}, {secure} }}"
    ) as hub:
        assert isinstance(hub, OurNode)
        more = f"tls {{ {pair}, {trust} }}"
        with running(OURS, tmp_path, "edge", leafnodes=dialing(f"wss://localhost:{port}", more)):
            await linked(hub)
            file = tmp_path / "hub" / "leafnode.conf"
            file.write_text(file.read_text().replace(pin, "0" * 64))
            assert hub.process is not None
            hub.process.send_signal(signal.SIGHUP)
            await linked(hub, 0)


async def test_leafs_that_are_too_many_after_a_reload_go(tmp_path: Path) -> None:
    accounts = "accounts { A { users: [{user: a, password: a}], limits { max_leafnodes: 2 } } }"
    with running(OURS, tmp_path, "hub", accounts) as hub:
        assert isinstance(hub, OurNode)
        url = f"nats-leaf://a:a@127.0.0.1:{hub.leaf_port}"
        with (
            running(OURS, tmp_path, "one", leafnodes=dialing(url)) as one,
            running(REAL, tmp_path, "two", leafnodes=dialing(url)),
        ):
            await linked(hub, 2)
            file = tmp_path / "hub" / "leafnode.conf"
            file.write_text(file.read_text().replace("max_leafnodes: 2", "max_leafnodes: 1"))
            assert hub.process is not None
            hub.process.send_signal(signal.SIGHUP)
            await linked(hub, 1)
            assert one.get("leafz")["leafnodes"] in {0, 1}


async def test_an_account_without_a_domain_of_its_own_uses_the_hubs_jetstream(
    tmp_path: Path,
) -> None:
    top = 'jetstream { store_dir: "{dir}/js" }'
    with running(REAL, tmp_path, "hub", top) as hub:
        url = f"nats-leaf://127.0.0.1:{hub.leaf_port}"
        none = 'default_js_domain { "$G": "" }'
        with running(OURS, tmp_path, "edge", none, leafnodes=dialing(url)) as edge:
            await linked(edge)
            await wants(edge, "$JS.API.>")
            async with client_of(edge) as client:
                found = await client.jetstream().account_info()
                assert found.streams == 0
