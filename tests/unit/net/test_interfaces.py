"""leafnode.net.interfaces: which addresses a listener on all of them is told by."""

from __future__ import annotations

from leafnode.net.interfaces import addresses, reachable_at, shown


def test_the_loopback_is_among_the_addresses_of_the_machine() -> None:
    assert "127.0.0.1" in addresses()


def test_one_address_stands_for_itself() -> None:
    assert reachable_at("127.0.0.1") == ["127.0.0.1"]
    assert reachable_at("::1") == ["::1"]


def test_every_address_stands_for_those_of_the_machine() -> None:
    assert reachable_at("0.0.0.0") == addresses()
    assert reachable_at("::") == addresses()


def test_a_host_of_ipv6_stands_in_brackets_before_a_port() -> None:
    assert [shown(host) for host in ("::1", "127.0.0.1", "h")] == ["[::1]", "127.0.0.1", "h"]
