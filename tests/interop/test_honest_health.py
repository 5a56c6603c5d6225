"""What is in the way to a hub is in the log, in /healthz and in /leafz or /uplinkz: in words."""

from __future__ import annotations

import contextlib
import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import urlopen

import nats
import nats.js.errors
import pytest
from nats.js.api import DiscardPolicy, StreamConfig

from tests.hub.jwt import Operator
from tests.hub.process import free_ports, nats_server_path, running_hub
from tests.interop.edge import until
from tests.interop.gateway import running_gateway
from tests.interop.uplinking import HUB, gateway_config, jetstream_of
from tests.sim.certificates import LOCALHOST, Authority

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.interop.gateway import Gateway

pytestmark = [
    pytest.mark.interop,
    pytest.mark.real_loop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

PATIENCE_S = 30.0
TOLD = timedelta(seconds=5)  # what is promised, so the one time that is asserted here
SCHEMES = pytest.mark.parametrize("scheme", ["tls", "wss"])
NOWHERE = "nats-leaf://127.0.0.1:1"
LEAF_USER = (
    HUB
    + """
accounts { A { jetstream: enabled
  users [ { user: u, password: p }, { user: leaf, password: pRIGHTS } ] } }"""
)


def outside(gateway: Gateway) -> str:
    """What /healthz says of all that leads outside; empty: it is well."""
    try:
        with urlopen(f"http://127.0.0.1:{gateway.http_port}/healthz?leafnode=true", timeout=5):
            return ""
    except HTTPError as err:
        answer: dict[str, Any] = json.load(err)
        return str(answer["error"]) if err.code == 503 else ""


def stamp(line: str) -> datetime:
    """Return when a line of the log was written."""
    text = line.partition("] ")[2].partition(" [")[0]
    return datetime.strptime(text, "%Y/%m/%d %H:%M:%S.%f").astimezone()


def said(gateway: Gateway, words: str) -> datetime:
    """Return when its log first had these words."""
    return next(stamp(line) for line in gateway.log.splitlines() if words in line)


async def told(url: str, words: str, directory: Path, *, remote: str = "") -> None:
    """Start a gateway with this remote, and return when these words are everywhere."""
    config = f'server_name: edge\nleafnodes {{ remotes [ {{ url: "{url}", {remote} }} ] }}'
    with running_gateway(directory / "edge", config) as gateway:
        assert gateway.get("healthz")["status"] == "ok"  # offline is well, for nats-server's probe
        await until(lambda: words in gateway.log, timeout_s=PATIENCE_S)
        # Who reads the log has health and status say the same, at once.
        shown = json.dumps(gateway.get("leafz")["leafnode"])
        assert words in outside(gateway)
        assert words in shown
        assert said(gateway, words) - stamp(gateway.log.partition("\n")[0]) <= TOLD
        assert "CANARY" not in outside(gateway) + shown + gateway.log


async def test_a_wrong_address(tmp_path: Path) -> None:
    await told("nats-leaf://u:CANARY@127.0.0.1:1", "connection refused", tmp_path)


async def test_the_port_of_clients_instead_of_leafs(tmp_path: Path) -> None:
    with running_hub(tmp_path / "hub") as hub:
        url = f"nats-leaf://127.0.0.1:{hub.client_port}"
        await told(url, "this is a client port", tmp_path)


async def test_a_port_where_nobody_says_anything(tmp_path: Path) -> None:
    with running_hub(tmp_path / "hub") as hub:
        url = f"nats-leaf://127.0.0.1:{hub.http_port}"
        await told(url, "no INFO in time: is this a leaf node port", tmp_path)


async def test_a_refused_password(tmp_path: Path) -> None:
    with running_hub(tmp_path / "hub", "authorization { user: u, password: right }") as hub:
        url = f"nats-leaf://u:CANARY@127.0.0.1:{hub.leaf_port}"
        await told(url, "the hub refused the credentials", tmp_path)


async def test_credentials_that_are_not_there(tmp_path: Path) -> None:
    file = tmp_path / "gone.creds"
    words = f"{file}: No such file or directory"
    await told(NOWHERE, words, tmp_path, remote=f'credentials: "{file}"')


async def test_an_expired_jwt(tmp_path: Path) -> None:
    now_s = int(time.time())
    operator = Operator(now_s=now_s - 7200, jetstream=False)
    creds = tmp_path / "edge.creds"
    operator.write_creds(creds, "edge", exp=now_s - 3600)
    with running_hub(tmp_path / "hub", operator.config()) as hub:
        words = f"the JWT in {creds} has expired, or this machine's clock is wrong"
        await told(hub.leaf_url, words, tmp_path, remote=f'credentials: "{creds}"')


@contextlib.contextmanager
def hub_with(
    directory: Path, authority: Authority, pair: tuple[str, str]
) -> Iterator[dict[str, str]]:
    """A hub with this certificate that demands one; its URLs by scheme."""
    cert, key = pair
    files = f'cert_file: "{cert}", key_file: "{key}", ca_file: "{authority.ca_file}"'
    secure = f"tls {{ {files}, verify: true }}"
    (port,) = free_ports(1)
    websocket = f'websocket {{ listen: "127.0.0.1:{port}", {secure} }}'
    with running_hub(directory / "hub", websocket, leafnodes=secure) as hub:
        address = f"127.0.0.1:{port}"
        yield {"tls": hub.leaf_url, "wss": f"wss://{address}", "ws": f"ws://{address}"}


def tls(authority: Authority, pair: tuple[str, str] | None = None) -> str:
    own = f'cert_file: "{pair[0]}", key_file: "{pair[1]}"' if pair is not None else ""
    return f'tls {{ ca_file: "{authority.ca_file}", {own} }}'


@SCHEMES
async def test_an_expired_certificate_of_the_hub(scheme: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    old = authority.issue("hub", *LOCALHOST, last_year=2021)
    with hub_with(tmp_path, authority, old) as urls:
        words = "the hub's certificate is not accepted: certificate has expired"
        await told(urls[scheme], words, tmp_path, remote=tls(authority))


@SCHEMES
async def test_an_expired_certificate_of_our_own(scheme: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    old = authority.issue("edge", last_year=2021)
    with hub_with(tmp_path, authority, authority.issue("hub", *LOCALHOST)) as urls:
        words = "this remote's certificate has expired"
        await told(urls[scheme], words, tmp_path, remote=tls(authority, old))


@SCHEMES
async def test_a_certificate_of_an_authority_that_the_hub_does_not_know(
    scheme: str, tmp_path: Path
) -> None:
    authority, other = Authority(tmp_path), Authority(tmp_path, "other")
    unknown = other.issue("edge")
    with hub_with(tmp_path, authority, authority.issue("hub", *LOCALHOST)) as urls:
        words = "the hub does not trust who signed this remote's certificate"
        await told(urls[scheme], words, tmp_path, remote=tls(authority, unknown))


@SCHEMES
async def test_a_certificate_that_is_missing(scheme: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with hub_with(tmp_path, authority, authority.issue("hub", *LOCALHOST)) as urls:
        words = "the hub demands a certificate"
        await told(urls[scheme], words, tmp_path, remote=tls(authority))


async def test_a_websocket_without_the_tls_that_the_hub_has(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with hub_with(tmp_path, authority, authority.issue("hub", *LOCALHOST)) as urls:
        words = "HTTP 400 Bad Request: it wants TLS, is that the port for wss://?"
        await told(urls["ws"], words, tmp_path)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("hub_stream: NOPE, domain: hub", "where to go on: stream not found (10059)"),
        ("hub_stream: AGG, domain: hubb", "nobody upstream takes $JS.hubb.API.STREAM.MSG.GET.AGG"),
        ("hub_stream: AGG, domain: edge", "domain edge is this server's own, not the hub's"),
    ],
)
async def test_an_uplink_to_what_is_not_there(names: str, words: str, tmp_path: Path) -> None:
    with running_hub(tmp_path / "hub", HUB) as hub:
        block = f"uplink {{ streams [ {{ stream: EV, {names} }} ] }}"
        config = gateway_config(hub).partition("uplink {")[0] + block
        with running_gateway(tmp_path / "edge", config) as gateway:
            async with jetstream_of(gateway.client_url) as js:
                began = datetime.now(UTC)
                await js.add_stream(StreamConfig(name="EV", subjects=["ev.>"]))

            def shown() -> str:
                error: str = gateway.get("uplinkz")["streams"][0]["last_error"]
                return error

            for place in (lambda: outside(gateway), shown, lambda: gateway.log):
                await until(lambda place=place: words in place(), timeout_s=PATIENCE_S)
            assert said(gateway, words) - began <= TOLD


@pytest.mark.parametrize(
    ("rights", "state", "words"),
    [
        (
            'subscribe { deny: "_INBOX.>" }',
            "blocked",
            "the hub's permissions let this leaf hear no answer",
        ),
        (
            'publish { deny: "$JS.hub.API.>" }',
            "running",
            "its permissions deny $JS.hub.API.STREAM.MSG.GET.AGG to this leaf",
        ),
    ],
)
async def test_an_uplink_whose_right_was_taken(
    rights: str, state: str, words: str, tmp_path: Path
) -> None:
    with running_hub(tmp_path / "hub", LEAF_USER.replace("RIGHTS", "")) as hub:
        url = hub.leaf_url.replace("://", "://leaf:p@")
        config = gateway_config(hub).replace(hub.leaf_url, url)
        with running_gateway(tmp_path / "edge", config) as gateway:
            async with jetstream_of(hub.client_url.replace("://", "://u:p@")) as js:
                await js.add_stream(StreamConfig(name="AGG", subjects=["edge.>"]))
            async with jetstream_of(gateway.client_url) as js:
                await js.add_stream(StreamConfig(name="EV", subjects=["ev.>"]))

            def row() -> dict[str, Any]:
                found: dict[str, Any] = gateway.get("uplinkz")["streams"][0]
                return found

            await until(lambda: row()["protection"] == "asked", timeout_s=PATIENCE_S)
            hub.stop()
            hub.config = LEAF_USER.replace("RIGHTS", f", permissions {{ {rights} }}")
            began = datetime.now(UTC)
            hub.start()
            await until(lambda: words in row()["last_error"], timeout_s=PATIENCE_S)
            assert said(gateway, words) - began <= TOLD
            assert row()["state"] == state
            assert gateway.log.count(words) == 1
            if state == "blocked":
                await until(lambda: words in outside(gateway), timeout_s=PATIENCE_S)
            else:  # it goes on as well as it can
                assert row()["protection"] == "only the hub's duplicate window protects"


async def test_a_full_backlog(tmp_path: Path) -> None:
    config = f"""server_name: edge
        jetstream {{ store_dir: "{{dir}}/data", domain: edge }}
        leafnodes {{ remotes [ {{ url: "{NOWHERE}" }} ] }}
        uplink {{ streams [ {{ stream: EV, hub_stream: AGG, domain: hub }} ] }}"""
    words = "the backlog is full: max_msgs 5 of messages that the hub does not have, "
    words += "what comes is refused"
    with running_gateway(tmp_path / "edge", config) as gateway:
        client = await nats.connect(gateway.client_url, allow_reconnect=False)
        js = client.jetstream(timeout=PATIENCE_S)
        stream = StreamConfig(name="EV", subjects=["ev.>"], max_msgs=5, discard=DiscardPolicy.NEW)
        await js.add_stream(stream)
        for _ in range(5):
            await js.publish("ev.a", b"x")
        began = datetime.now(UTC)
        with pytest.raises(nats.js.errors.APIError):
            await js.publish("ev.a", b"one too many")
        await client.close()

        def shown() -> str:
            backlog: str = gateway.get("uplinkz")["streams"][0]["backlog"]
            return backlog

        for place in (lambda: outside(gateway), shown, lambda: gateway.log):
            await until(lambda place=place: words in place(), timeout_s=PATIENCE_S)
        assert said(gateway, words) - began <= TOLD
