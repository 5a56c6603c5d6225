"""Monitoring beside that of a real nats-server 2.15.1: the same keys, the same types, the same
refusals.

Both serve the same client, stream, consumer and leaf link. What one of them has alone is listed
here.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.error import HTTPError
from urllib.request import urlopen

import nats
import pytest

from tests.hub.process import Hub, nats_server_path, running_hub
from tests.interop.edge import until
from tests.interop.gateway import running_gateway

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
    "varz": {
        *("git_commit", "go", "gomaxprocs", "config_digest", "feature_flags"),
        *("stalled_clients", "disk_io_wait_stats"),
    },
    "jsz": set[str](),
    "connz": set[str](),
    "leafz": set[str](),
}
NOT_THEIRS: Final = {
    "varz": {"leafnode", "jetstream.config.sync_always"},
    "jsz": {"config.sync_always"},
    "connz": set[str](),
    "leafz": {"leafnode"},
}
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
        return without(ours, NOT_THEIRS[name]), without(theirs, NOT_OURS[name])


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
                await client.flush()
            await until(lambda: hub.get("leafz")["leafnodes"] == 2)
            await until(lambda: all(leaf["rtt"] for leaf in hub.get("leafz")["leafs"]))
            await until(lambda: "rtt" in ours.get("connz")["connections"][0])
            yield Pair(ours.http_port, theirs.http_port)


async def test_the_keys_and_types_of_every_answer_are_those_of_nats_server(tmp_path: Path) -> None:
    async with pair(tmp_path) as servers:
        for path in ("varz", "leafz?subs=1", "jsz", "jsz?consumers=1&config=1"):
            ours, theirs = servers.shapes(path)
            # Their own leaf port is configured, ours has none to show.
            port = {f"leaf.{key}" for key in ("host", "port", "auth_timeout", "tls_timeout")}
            assert ours == without(theirs, port), path


async def test_a_client_is_shown_with_the_same_keys(tmp_path: Path) -> None:
    async with pair(tmp_path) as servers:
        for query in ("", "?subs=1", "?subs=detail", "?auth=1"):
            rows = []
            for port in (servers.ours, servers.theirs):
                answer = json.loads(fetch(port, f"connz{query}")[2])
                rows.append(
                    [shape(row) for row in answer["connections"] if row["kind"] == "Client"]
                )
            if query == "?auth=1":
                rows = [[without(row, {"account", "name_tag"}) for row in side] for side in rows]
            assert rows[0] == rows[1]


async def test_refusals_and_health_are_worded_alike(tmp_path: Path) -> None:
    paths = [
        *("connz?sort=bogus", "connz?sort=stop", "connz?state=bogus", "connz?limit=x"),
        *("connz?cid=x", "connz?subs=zz", "leafz?subs=zz", "jsz?accounts=zz", "jsz?offset=x"),
        *("connz?limit=99999999999999999999", "nope", "varz/"),
        *("healthz", "healthz?details=1", "healthz?stream=X", "healthz?consumer=X"),
        *("healthz?account=NOPE", "healthz?details=true&account=NOPE"),
        *("healthz?account=$G&stream=NO", "healthz?account=$G&stream=EV&consumer=NO"),
        *("healthz?account=$G&stream=EV&consumer=D1", "healthz?js-enabled-only=1"),
    ]
    async with pair(tmp_path) as servers:
        for path in paths:
            assert fetch(servers.ours, path) == fetch(servers.theirs, path), path
