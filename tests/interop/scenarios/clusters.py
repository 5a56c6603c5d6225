"""Clusters of real nats-servers, alone or joined by gateways, for our edges to hang below.

Every server has JetStream in the domain `hub`. All clients and leafs are in account `A`, whose user
is `a` with the password `a`: servers with gateways insist on a system account beside it.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from tests.hub.process import Hub, free_ports
from tests.interop.edge import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USER: Final = {"user": "a", "password": "a"}
USERINFO: Final = "a:a@"
NODES: Final = 3
ELECTION_S: Final = 90.0
ACCOUNTS: Final = """
accounts {
  A { jetstream: enabled, users: [{user: a, password: a}] }
  SYS { users: [{user: s, password: s}] }
}
system_account: SYS
"""


class Cluster:
    """Three nats-servers that are one cluster."""

    def __init__(self, directory: Path, name: str) -> None:
        self.name = name
        self.route_ports = free_ports(NODES)
        self.gateway_ports = free_ports(NODES)
        self.nodes = [Hub(directory / f"{name}{index}") for index in range(NODES)]

    def configure(self, gateways: str = "") -> None:
        """Write down what each node is; `gateways` are all clusters, where there are several."""
        routes = ", ".join(f'"nats-route://127.0.0.1:{port}"' for port in self.route_ports)
        for index, node in enumerate(self.nodes):
            here = f"127.0.0.1:{self.gateway_ports[index]}"
            gateway = f'gateway {{ name: {self.name}, listen: "{here}", gateways: [{gateways}] }}'
            node.config = "\n".join(
                [
                    f"server_name: {self.name}{index}",
                    'jetstream { store_dir: "{dir}/js", domain: hub }',
                    f'cluster {{ name: {self.name}, listen: "127.0.0.1:{self.route_ports[index]}"',
                    f"  routes: [{routes}] }}",
                    gateway if gateways else "",
                    # The one that goes away on request need not take its time.
                    "lame_duck_duration: 30s, lame_duck_grace_period: 1s",
                    ACCOUNTS,
                ]
            )

    def start(self, stack: contextlib.ExitStack) -> None:
        for node in self.nodes:
            node.launch()
            stack.callback(node.stop)


@contextlib.contextmanager
def running_cluster(directory: Path, name: str = "hubs") -> Iterator[Cluster]:
    """One cluster, without waiting for its leader: see `elected`."""
    cluster = Cluster(directory, name)
    cluster.configure()
    with contextlib.ExitStack() as stack:
        cluster.start(stack)
        yield cluster


@contextlib.contextmanager
def running_supercluster(directory: Path, *names: str) -> Iterator[list[Cluster]]:
    """Clusters that are joined by gateways."""
    clusters = [Cluster(directory, name) for name in names]
    known = []
    for cluster in clusters:
        urls = ", ".join(f'"nats://127.0.0.1:{port}"' for port in cluster.gateway_ports)
        known.append(f"{{ name: {cluster.name}, urls: [{urls}] }}")
    with contextlib.ExitStack() as stack:
        for cluster in clusters:
            cluster.configure(", ".join(known))
            cluster.start(stack)
        yield clusters


async def elected(*clusters: Cluster) -> None:
    """Return when JetStream of all these clusters has one leader and every server follows it."""
    nodes = [node for cluster in clusters for node in cluster.nodes]
    for node in nodes:
        await until(lambda node=node: node.ended() or node.answers(), timeout_s=ELECTION_S)
        assert not node.ended(), node.log_file.read_text()

    def led() -> bool:
        leaders = set()
        for node in nodes:
            meta = node.get("jsz").get("meta_cluster") or {}
            if meta.get("cluster_size") != len(nodes):
                return False
            leaders.add(meta.get("leader"))
        return len(leaders) == 1 and leaders != {None}

    await until(led, timeout_s=ELECTION_S)
