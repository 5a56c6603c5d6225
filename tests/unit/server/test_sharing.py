"""Random exports, imports and mappings: what arrives is what the oracle says, fast and slow."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from leafnode.config.account_options import (
    AccountOptions,
    Destination,
    Mapping,
    ServiceExport,
    ServiceImport,
    StreamExport,
    StreamImport,
)
from leafnode.config.options import Options
from leafnode.server.account_world import AccountSeams
from leafnode.server.accounts import Accounts
from tests.oracle.accounts import Service, Sharing, Stream, deliveries
from tests.sim.clock import FakeClock
from tests.sim.peers import FakePeer, outbox

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

NAMES = "ABC"
WORDS = ["a", "b", "c"]
SOURCES = ["a.*", "a.b", "*.*", "b.*.*", "a.*.c"]
PATTERNS = [
    ">",
    "*.*",
    "*.>",
    "a.*",
    "a.b",
    "in.>",
    "in.*",
    "in.a.*",
    "x.*",
    "x.*.*",
    "b.*.c",
    "*.a.b",
]
_STARS = re.compile(r"\*")


@st.composite
def names_of(draw: DrawFn, source: str) -> str:
    """A name for imported subjects that uses every wildcard of the source, in any order."""
    count = len(_STARS.findall(source))
    holders = [f"${number}" for number in draw(st.permutations(range(1, count + 1)))]
    return ".".join([draw(st.sampled_from(["in", "x", "a"])), *holders])


@st.composite
def sharings(draw: DrawFn) -> Sharing:
    pairs = st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)).filter(lambda p: p[0] != p[1])
    streams, services = [], []
    for importer, exporter in draw(st.lists(pairs, max_size=4)):
        source = draw(st.sampled_from(["a.>", *SOURCES]))
        local = "in.a.>" if source == "a.>" else draw(names_of(source))
        streams.append(Stream(importer, exporter, source, local))
    for importer, exporter in draw(st.lists(pairs, max_size=4)):
        source = draw(st.sampled_from(SOURCES))
        services.append(Service(importer, exporter, source, draw(names_of(source))))
    mappings = {}
    for name in draw(st.sets(st.sampled_from(NAMES))):
        source = draw(st.sampled_from(SOURCES))
        mappings[name] = ((source, draw(names_of(source))),)
    return Sharing(tuple(streams), tuple(services), mappings)


def build(sharing: Sharing) -> tuple[Accounts, Sharing]:
    """Build the accounts, and return what of the sharing they took: circles are left out."""
    options = []
    for name in NAMES:
        own_streams = [one for one in sharing.streams if one.exporter == name]
        own_services = [one for one in sharing.services if one.exporter == name]
        options.append(
            AccountOptions(
                name,
                stream_exports=tuple({StreamExport(one.source): 0 for one in own_streams}),
                service_exports=tuple({ServiceExport(one.source): 0 for one in own_services}),
                stream_imports=tuple(
                    StreamImport(one.exporter, one.source, to=one.local)
                    for one in sharing.streams
                    if one.importer == name
                ),
                service_imports=tuple(
                    ServiceImport(one.exporter, one.source, to=one.local)
                    for one in sharing.services
                    if one.importer == name
                ),
                mappings=tuple(
                    Mapping(source, (Destination(to),))
                    for source, to in sharing.mappings.get(name, ())
                ),
            )
        )
    clock = FakeClock()
    seams = AccountSeams(
        clock=clock,
        random=random.Random(1),
        outbox=outbox(),
        server_name="s",
        server_id="S",
        client_info=lambda _peer, _detailed: None,
    )
    accounts = Accounts(seams, Options(accounts=tuple(options)))
    taken = accounts.imports()
    streams = [
        one
        for one in dict.fromkeys(sharing.streams)
        if ("stream", one.importer, one.exporter, one.source, one.local) in taken
    ]
    services = [
        one
        for one in dict.fromkeys(sharing.services)
        if ("service", one.importer, one.exporter, one.source, one.local) in taken
    ]
    return accounts, Sharing(tuple(streams), tuple(services), sharing.mappings)


SUBJECTS = st.builds(
    lambda first, rest: ".".join([first, *rest]),
    st.sampled_from(["a", "b", "in", "x"]),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=2),
)


@settings(max_examples=200)
@given(
    sharings(),
    st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(PATTERNS)), max_size=5),
    st.lists(st.tuples(st.sampled_from(NAMES), SUBJECTS), min_size=1, max_size=5),
)
def test_deliveries_equal_those_of_the_oracle(
    wanted: Sharing, subscriptions: list[tuple[str, str]], published: list[tuple[str, str]]
) -> None:
    accounts, sharing = build(wanted)
    subscriptions = [*((name, ">") for name in NAMES), *subscriptions]
    peers = []
    for cid, (name, pattern) in enumerate(subscriptions, 1):
        peer = FakePeer(accounts.account(name), cid)
        peer.subscribe(pattern.encode(), b"1")
        peers.append(peer)

    for name, subject in published:
        publisher = FakePeer(accounts.account(name), 99)
        # In a row on the fast lane, alone with a reply, and spelled oddly.
        line = subject.encode()
        for text in (
            b"PUB %b 0\r\n\r\nPUB %b 0\r\n\r\n" % (line, line),
            b"pub %b  0\r\n\r\n" % line,
        ):
            times = text.lower().count(b"pub")
            publisher.says(text)

            got = [
                (index, found.decode())
                for index, peer in enumerate(peers)
                for found in re.findall(rb"^H?MSG (\S+) ", peer.got(), re.MULTILINE)
            ]
            assert sorted(got) == sorted(deliveries(sharing, subscriptions, name, subject) * times)


def test_the_oracle_follows_a_request_and_a_stream() -> None:
    sharing = Sharing(
        streams=(Stream("B", "A", "a.*", "in.$1"),),
        services=(Service("B", "A", "b.*.*", "x.$2.$1"),),
        mappings={"A": (("b.*.*", "a.$1"),)},
    )
    subscriptions = [("A", ">"), ("B", ">"), ("B", "in.x")]

    assert deliveries(sharing, subscriptions, "A", "a.x") == [(0, "a.x"), (1, "in.x"), (2, "in.x")]
    assert deliveries(sharing, subscriptions, "B", "x.1.2") == [(0, "a.2"), (1, "x.1.2")]
