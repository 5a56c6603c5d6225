"""leafnode.server.early: what is imported for which options."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import pytest

from leafnode.config.bind import bind
from leafnode.config.options import Authorization, HostPort, Options, User
from leafnode.config.parser import parse
from leafnode.server import early


def wanted(options: Options) -> set[str]:
    return {name for is_wanted, names in early.MODULES if is_wanted(options) for name in names}


def test_a_server_for_clients_only_takes_no_memory_for_what_nobody_asks() -> None:
    options = Options(authorization=Authorization(user="a", password="b"))

    assert wanted(options) == {"leafnode.server.system"}
    assert wanted(replace(options, no_system_account=True)) == set()


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (Options(http=HostPort("", 8222)), "leafnode.server.account_views"),
        (Options(authorization=Authorization(users=(User(nkey="U"),))), "nacl.signing"),
        (Options(authorization=Authorization(token="$2a$04$x")), "bcrypt"),
        (Options(authorization=Authorization(users=(User(password="$2a$04$x"),))), "bcrypt"),
    ],
)
def test_what_is_configured_is_there_before_it_is_asked_for(options: Options, name: str) -> None:
    assert name in wanted(options)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("http: 8222", "leafnode.monitor.http_server"),
        ("jetstream {}", "leafnode.server.left_durables"),
        ('leafnodes { remotes [ { url: "nats-leaf://a" } ] }', "leafnode.leaf.remote"),
        (
            'leafnodes { remotes [ { url: "nats-leaf://a" } ] }, jetstream {}, server_name: edge'
            "\nuplink { streams [ { stream: S, hub_stream: E, domain: hub } ] }",
            "leafnode.server.uplinks",
        ),
        (
            "serial { ports [ { name: a, device: /dev/ttyS0, subject: s.a } ] }",
            "leafnode.bridge.bridge",
        ),
    ],
)
def test_the_code_of_a_block_is_there_before_anybody_waits_for_it(text: str, name: str) -> None:
    assert name in wanted(bind(parse(text, "x.conf")))


def test_every_module_in_the_table_exists() -> None:
    for _, names in early.MODULES:
        for name in names:
            assert find_spec(name) is not None, name
