"""What every leaf is told at first. Source: nats-server 2.15.1, measured on its binary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.clients.greeting import server_info
from leafnode.config.listener_options import LeafListener, ListenerTls
from leafnode.config.options import HostPort, Options
from leafnode.leaf.greeting import leaf_info

if TYPE_CHECKING:
    from leafnode.protocol.leaf_greeting import LeafServerInfo

BASE = server_info(Options(), server_id="N", server_name="hub", port=4222, auth_required=False)


def info(listener: LeafListener, *, cluster: str = "", traces: bool = True) -> LeafServerInfo:
    return leaf_info(BASE, listener, port=7422, cluster=cluster, traces=traces)


def test_a_leaf_is_told_where_it_came_to() -> None:
    found = info(LeafListener(host="127.0.0.1", port=-1), cluster="C")

    assert (found.host, found.port, found.ip) == ("127.0.0.1", 7422, "127.0.0.1:7422")
    assert found.leafnode_urls == ["127.0.0.1:7422"]
    assert (found.cluster, found.auth_required, found.info_on_connect) == ("C", True, True)
    assert (found.proto, info(LeafListener(), traces=False).proto) == (3, 1)


def test_an_advertised_address_goes_before_it() -> None:
    with_port = info(LeafListener(advertise=HostPort("hub.example", 1)))
    without = info(LeafListener(advertise=HostPort("2001:db8::1", 0)))

    assert with_port.leafnode_urls == ["hub.example:1"]
    assert without.leafnode_urls == ["[2001:db8::1]:7422"]


def test_tls_and_its_demand_for_a_certificate_are_told() -> None:
    found = info(LeafListener(tls=ListenerTls(verify=True)))

    assert (found.tls_required, found.tls_verify) == (True, True)


def test_a_listener_on_all_addresses_tells_none_that_only_this_machine_has() -> None:
    host = info(LeafListener(host="0.0.0.0")).host

    assert not host.startswith(("127.", "::1"))
