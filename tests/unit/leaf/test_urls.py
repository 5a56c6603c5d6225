"""Addresses of a hub and whose turn it is. Source: nats-server 2.15.1, its pool rules measured."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.leaf.urls import HubUrl, UrlPool, parse_url
from leafnode.limits import LEAF_URLS_MAX


def pool(*urls: str) -> UrlPool:
    return UrlPool(urls, random=Random(1), randomize=False)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("nats-leaf://hub:7000", HubUrl("hub", 7000)),
        ("leaf://hub:7000", HubUrl("hub", 7000)),
        ("nats://hub", HubUrl("hub", 7422)),
        ("hub:7422", HubUrl("hub", 7422)),
        ("tls://hub.example.com", HubUrl("hub.example.com", 7422, tls=True)),
        ("nats-leaf://[::1]:7000", HubUrl("::1", 7000)),
        ("nats-leaf://ann:s%40cret@hub", HubUrl("hub", 7422, user="ann", password="s@cret")),
        ("nats-leaf://t0ken@hub", HubUrl("hub", 7422, user="t0ken", token="t0ken")),
        ("nats-leaf://ann:@hub", HubUrl("hub", 7422, user="ann")),
    ],
)
def test_a_url_becomes_an_address(text: str, url: HubUrl) -> None:
    assert parse_url(text) == url


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ws://ann:CANARY@hub:port", "not a URL"),
        ("http://ann:CANARY@hub", "nats-leaf://"),
        ("nats-leaf://ann:CANARY@hub:port", "not a URL"),
        ("nats-leaf://ann:CANARY@hub:99999", "not a URL"),
        ("nats-leaf://ann:CANARY@[::1", "not a URL"),
        ("nats-leaf://ann:CANARY@", "no host"),
        ("nats-leaf://ann:CANARY@a b", "no host"),
        ("", "no host"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_its_credentials(
    text: str, words: str
) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        parse_url(text)

    assert "CANARY" not in str(caught.value)


def test_a_printed_address_shows_no_credentials() -> None:
    url = parse_url("nats-leaf://CANARY@hub:1")

    assert str(url) == "hub:1"
    assert str(parse_url("nats-leaf://[::1]:1")) == "[::1]:1"
    assert "CANARY" not in repr(parse_url("nats-leaf://ann:CANARY@hub"))


def test_a_remote_without_a_url_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        pool()


def test_addresses_take_turns() -> None:
    urls = pool("a", "b", "c")

    assert [urls.next().host for _ in range(5)] == ["a", "b", "c", "a", "b"]


def test_the_order_is_shuffled_unless_it_must_not_be() -> None:
    names = [f"h{index}" for index in range(20)]

    shuffled = UrlPool(names, random=Random(1), randomize=True)

    assert [shuffled.next().host for _ in names] != names
    assert [pool(*names).next().host for _ in names] == ["h0"] * 20


def test_announced_addresses_come_first_and_inherit_credentials_and_tls() -> None:
    urls = pool("tls://ann:secret@a:1")
    urls.next()

    urls.announced(["b:2", "a:1", "[::1]:3"])

    assert urls.next() == HubUrl("b", 2, tls=True, user="ann", password="secret")
    assert [str(urls.next()) for _ in range(2)] == ["[::1]:3", "a:1"]


def test_a_later_announcement_replaces_the_one_before() -> None:
    urls = pool("a:1")
    urls.announced(["b:2"])

    urls.announced(["c:3"])

    assert {str(urls.next()) for _ in range(4)} == {"a:1", "c:3"}
    urls.announced(["a:1"])
    assert {str(urls.next()) for _ in range(3)} == {"a:1"}


@pytest.mark.parametrize(
    "address", ["", "b", "b:", ":2", "b:0", "b:65536", "b:x", "a b:2", "u:p@b:2", "b/c:2", "b:٣"]
)
def test_an_announcement_that_is_no_address_is_skipped(address: str) -> None:
    urls = pool("a:1")

    urls.announced([address])

    assert len(urls) == 1


def test_as_many_announced_addresses_are_kept_as_the_bound_says_and_no_more() -> None:
    urls = pool("a:1")

    urls.announced([f"h{index}:1" for index in range(LEAF_URLS_MAX)])
    at_the_bound = len(urls)
    urls.announced([f"h{index}:1" for index in range(LEAF_URLS_MAX + 1)])

    assert at_the_bound == LEAF_URLS_MAX + 1
    assert len(urls) == LEAF_URLS_MAX + 1


@given(st.lists(st.text(max_size=20), max_size=10))
def test_whatever_a_hub_announces_the_configured_addresses_stay(addresses: list[str]) -> None:
    urls = pool("a:1")

    urls.announced(addresses)

    assert "a:1" in {str(urls.next()) for _ in range(len(urls))}


def test_a_certificate_is_checked_by_the_host_or_for_an_ip_by_the_configured_name() -> None:
    urls = pool("tls://10.0.0.1", "tls://hub.example.com")

    assert urls.server_hostname(HubUrl("other.example.com", 1)) == "other.example.com"
    assert urls.server_hostname(HubUrl("10.0.0.7", 1)) == "hub.example.com"
    assert pool("tls://10.0.0.1").server_hostname(HubUrl("10.0.0.1", 1)) == "10.0.0.1"
