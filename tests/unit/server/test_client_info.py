"""leafnode.server.client_info: who is told what of a client."""

from __future__ import annotations

from leafnode.auth.identity import Identity
from leafnode.protocol.client_info import ClientInfo
from leafnode.routing.peer import Kind
from leafnode.server.client_info import client_info
from tests.sim.clients import ClientWorld
from tests.sim.peers import FakePeer, account

CONNECT = b'{"verbose":false,"name":"n","lang":"go","version":"1.2"}'


def test_without_consent_account_and_round_trip_are_all() -> None:
    world = ClientWorld()
    peer = world.client(CONNECT).handler.peer

    info = client_info(peer, world.server.registry, "s", detailed=False)

    assert info == ClientInfo(acc="$G", rtt=1)


def test_with_consent_a_client_is_described() -> None:
    world = ClientWorld()
    peer = world.client(CONNECT).handler.peer

    info = client_info(peer, world.server.registry, "s", detailed=True)

    assert info is not None
    assert info.start
    assert (info.host, info.id, info.acc, info.name, info.lang, info.ver) == (
        "127.0.0.1",
        peer.cid,
        "$G",
        "n",
        "go",
        "1.2",
    )
    assert (info.server, info.kind, info.client_type) == ("s", "Client", "nats")


def test_what_a_jwt_says_of_a_client_is_told_with_consent_only() -> None:
    world = ClientWorld()
    handler = world.client(CONNECT).handler
    handler._login.identity = Identity(
        user="U1", jwt="eyJ", issuer="A1", name_tag="ann", tags=("a:b",)
    )

    info = client_info(handler.peer, world.server.registry, "s", detailed=True)
    hidden = client_info(handler.peer, world.server.registry, "s", detailed=False)

    assert info is not None
    assert (info.user, info.jwt, info.issuer_key) == ("U1", "eyJ", "A1")
    assert (info.name_tag, info.tags) == ("ann", ["a:b"])
    assert hidden == ClientInfo(acc="$G", rtt=1)


def test_of_a_client_that_is_gone_nothing_is_known() -> None:
    world = ClientWorld()
    client = world.client(CONNECT)
    peer = client.handler.peer
    client.end.close()
    world.settle()

    assert client_info(peer, world.server.registry, "s", detailed=True) is None


def test_leaf_links_and_the_server_itself_have_a_kind() -> None:
    registry = ClientWorld().server.registry
    leaf = FakePeer(account("A"), 7, Kind.LEAF)

    assert client_info(leaf, registry, "s", detailed=False) == ClientInfo(acc="A")
    assert client_info(leaf, registry, "s", detailed=True) == ClientInfo(
        id=7, acc="A", server="s", kind="Leafnode"
    )
    system = client_info(account("A").system, registry, "s", detailed=True)
    assert system == ClientInfo(acc="A", server="s", kind="Account")
