"""leafnode.routing.ask: a request whose reply only the account's own handlers are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode.routing import sublist as sublist_module
from leafnode.routing.ask import ask
from leafnode.routing.imports import StreamImports
from leafnode.routing.peer import Kind
from tests.sim.imports import Slices, stream_import
from tests.sim.peers import FakePeer, account
from tests.sim.services import World

if TYPE_CHECKING:
    from leafnode.routing.subscription import Delivery

BODY = b"NATS/1.0\r\n\r\nx"


@pytest.mark.parametrize("is_wide", [False, True])
def test_clients_and_leafs_get_the_message_and_no_reply(
    monkeypatch: pytest.MonkeyPatch, *, is_wide: bool
) -> None:
    if is_wide:
        for bound in ("FOUND_MAX", "RECEIVERS_MAX", "_FOUND_FREE"):
            monkeypatch.setattr(sublist_module, bound, 0)
    world = account()
    link, client = FakePeer(world, 1, Kind.LEAF), FakePeer(world, 2)
    heard: list[Delivery] = []
    world.subscribe(b"api.>", heard.append)
    for peer in (link, client):
        peer.headers = True
        peer.subscribe(b">", b"1")
        peer.subscribe(b"api.*", b"9", b"workers")
    assert world.sublist.match(b"api.a").is_wide == is_wide
    slices = Slices(world.system.outbox)

    assert ask(world, b"api.a", BODY, header_size=12, reply=b"secret")
    slices.all()

    assert [delivery.messages for delivery in heard] == [[(b"secret", 12, BODY)]]
    seen = link.got() + client.got()
    assert seen.count(b" api.a ") + seen.count(b"HMSG api.a ") >= 2
    assert b"secret" not in seen


def test_who_only_listens_is_nobody_that_may_answer() -> None:
    world = account()
    client = FakePeer(world, 1)
    client.subscribe(b">", b"1")

    assert not ask(world, b"api.a", b"x", reply=b"secret")

    assert client.got() == b"MSG api.a 1 1\r\nx\r\n"


def test_who_imports_the_subject_is_shown_no_reply() -> None:
    exporter, importer = account("A"), account("B")
    imported = stream_import(exporter, b"api.>", b"of_a.api.>")
    importer.stream_imports = StreamImports(importer, [imported])
    importer.stream_imports.start()
    client, heard = FakePeer(importer, 1), list[bytes]()
    client.subscribe(b"of_a.>", b"1")
    importer.subscribe(b"of_a.>", lambda delivery: heard.append(delivery.messages[0][0]))

    assert not ask(exporter, b"api.a", b"x", reply=b"secret")

    assert client.got() == b"MSG of_a.api.a 1 1\r\nx\r\n"
    assert heard == [b""]


def test_a_service_of_another_account_is_asked_for_nothing() -> None:
    world = World()
    world.import_("I", world.export("E", b"q"))
    responder = FakePeer(world.account("E"), 1)
    responder.subscribe(b"q", b"1")

    assert not ask(world.account("I"), b"q", b"x", reply=b"secret")

    (line, *_) = responder.got().split(b"\r\n")
    assert line.split()[:3] == [b"HMSG", b"q", b"1"]
    assert len(line.split()) == 5  # no reply, of whatever account


def test_beyond_this_server_links_and_services_are_shown_the_reply_and_clients_are_not() -> None:
    world = World()
    world.import_("I", world.export("E", b"q"))
    importer = world.account("I")
    responder, link = FakePeer(world.account("E"), 1), FakePeer(importer, 2, Kind.LEAF)
    client = FakePeer(importer, 3)
    responder.subscribe(b"q", b"1")
    link.subscribe(b"q", b"1")
    client.subscribe(b">", b"1")
    answers: list[bytes] = []
    importer.subscribe(b"secret", lambda run: answers.append(run.messages[0][2]))

    assert ask(importer, b"q", b"x", reply=b"secret", beyond=True)

    assert link.got() == b"LMSG q secret 1\r\nx\r\n"
    assert client.got() == b"MSG q 1 1\r\nx\r\n"
    reply = responder.got().split(b" ")[3]
    responder.says(b"PUB %b 1\r\ny\r\n" % reply)
    assert answers == [b"y"]


def test_nobody_beyond_this_server_is_nobody_that_may_answer() -> None:
    world = account()
    FakePeer(world, 1).subscribe(b">", b"1")

    assert not ask(world, b"api.a", b"x", reply=b"secret", beyond=True)


@pytest.mark.parametrize("is_wide", [False, True])
def test_what_the_server_says_to_itself_is_heard_here_and_by_no_leaf(
    monkeypatch: pytest.MonkeyPatch, *, is_wide: bool
) -> None:
    """In another gateway of the fleet a stream may have the same subjects."""
    if is_wide:
        for bound in ("FOUND_MAX", "RECEIVERS_MAX", "_FOUND_FREE"):
            monkeypatch.setattr(sublist_module, bound, 0)
    world = account()
    link, client = FakePeer(world, 1, Kind.LEAF), FakePeer(world, 2)
    heard: list[Delivery] = []
    world.subscribe(b"dead.>", heard.append)
    for peer in (link, client):
        peer.subscribe(b">", b"1")
        peer.subscribe(b"dead.*", b"9", b"workers")
    slices = Slices(world.system.outbox)

    assert ask(world, b"dead.a", b"x", reply=b"secret", origin=world.to_itself)
    slices.all()

    assert len(heard) == 1
    assert link.got() == b""
    assert client.got().count(b"MSG dead.a ") == 2
