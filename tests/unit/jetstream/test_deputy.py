"""Who may ask one thing names where the answer goes: nothing may take it for a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode.routing.account import Account
from leafnode.routing.imports import StreamImports
from tests.sim.imports import stream_import
from tests.unit.jetstream.test_imported import Imported
from tests.unit.jetstream.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

DELETE = "STREAM.DELETE.PRECIOUS"
PURGE = "STREAM.PURGE.PRECIOUS"
SUBJECT = {"src": "x", "dest": "del"}


def not_found(world: World, reply: str) -> None:
    world.publish("$JS.API.DIRECT.GET.S", b'{"seq":999}', reply=reply)


def stored(world: World, reply: str) -> None:
    world.publish("$JS.API.DIRECT.GET.S", b'{"seq":1,"no_hdr":true}', reply=reply)


def pulled_in_vain(world: World, reply: str) -> None:
    world.fetch(9)
    pull = b'{"batch":1,"no_wait":true}'
    world.publish("$JS.API.CONSUMER.MSG.NEXT.S.C", pull, reply=reply)


def pulled(world: World, reply: str) -> None:
    world.publish("$JS.API.CONSUMER.MSG.NEXT.S.C", b"1", reply=reply)


def acknowledged(world: World, reply: str) -> None:
    [msg] = world.fetch(1)
    world.publish(msg.reply.decode(), b"+ACK", reply=reply)


def unanswered(world: World, reply: str) -> None:
    world.publish("$JS.API.DIRECT.GET.NONE", b"", reply=reply)


def stored_for_the_api(world: World, reply: str) -> None:
    """A request's name begins with eight bytes that are no matter here."""
    world.publish("1234567." + DELETE)
    world.publish("$JS.API.CONSUMER.MSG.NEXT.S.C", b"2", reply=reply)


ASKED = [
    not_found,
    stored,
    pulled_in_vain,
    pulled,
    acknowledged,
    unanswered,
    stored_for_the_api,
]


def prepared(world: World) -> World:
    world.create_stream("PRECIOUS")
    world.publish("precious.a", b"kept")
    world.create_stream(subjects=["s.>", "1234567.>"], allow_direct=True)
    world.create_consumer()
    world.publish("s.a")  # with no body, as a request to delete has none
    world.settle()
    return world


@pytest.mark.parametrize("reply", ["$JS.API." + DELETE, "$JS.edge.API." + DELETE])
@pytest.mark.parametrize("ask", ASKED)
def test_no_answer_deletes_a_stream(ask: Callable[[World, str], None], reply: str) -> None:
    world = prepared(World(domain="edge"))

    ask(world, reply)
    world.settle()

    assert world.state("PRECIOUS")["messages"] == 1


@pytest.mark.parametrize("ask", ASKED)
def test_no_answer_goes_to_the_api_of_another_domain(ask: Callable[[World, str], None]) -> None:
    """There it would come from this server, which may do anything."""
    world = prepared(World(domain="edge"))
    heard = world.listen("$JS.hub.API.>")

    ask(world, "$JS.hub.API." + DELETE)
    world.settle()

    assert heard == []


@pytest.mark.parametrize("api", [DELETE, PURGE])
@pytest.mark.parametrize("body", [b'{"seq":999}', b'{"seq":1,"no_hdr":true}'])
def test_nor_does_one_by_the_name_of_an_import(api: str, body: bytes) -> None:
    world = Imported()
    prepared(world)
    world.share()
    export = world.sharing.export("$G", b"$JS.API." + api.encode())
    world.sharing.import_("U", export, b"del")

    world.user.says(b"PUB js.DIRECT.GET.S del %d\r\n%b\r\n" % (len(body), body))
    world.settle()

    assert world.state("PRECIOUS")["messages"] == 1


@pytest.mark.parametrize(
    "config", [{"republish": {"src": "x", "dest": "del"}}, {"subject_transform": SUBJECT}]
)
def test_nor_does_what_a_stream_sends_to_an_import(config: dict[str, object]) -> None:
    """Published again, or to the deliver subject of a consumer and stored under the same."""
    world = Imported()
    prepared(world)
    export = world.sharing.export("U", b"del")
    world.sharing.import_("$G", export, b"del")
    world.sharing.import_("U", world.sharing.export("$G", b"$JS.API." + PURGE.encode()), b"del")
    world.create_stream("X", subjects=["x"], **config)
    world.create_consumer("X", "P", deliver_subject="del", ack_policy="none")

    world.publish("x")
    world.settle()

    assert world.state("PRECIOUS")["messages"] == 1
    world.user.says(b"PUB del 0\r\n\r\n")
    world.settle()
    assert world.state("PRECIOUS")["messages"] == 0


@pytest.mark.parametrize("request_", ["$JS.API." + DELETE, "$JS.edge.API." + PURGE])
def test_nor_does_who_publishes_where_everything_is_imported_from(request_: str) -> None:
    world = prepared(World(domain="edge"))
    exporter = Account("B", world.account.system.outbox)
    StreamImports(world.account, [stream_import(exporter, b">", b">")]).start()

    exporter.publish(request_.encode())
    exporter.publish(b"precious.b")
    world.settle()

    assert world.state("PRECIOUS")["messages"] == 2


def test_what_is_published_again_is_no_request() -> None:
    world = prepared(World())
    heard = world.listen("$JS.hub.API.>")
    world.create_stream(
        "R", republish={"src": "r.*", "dest": "$JS.API.STREAM.DELETE.{{wildcard(1)}}"}
    )
    world.create_stream("R2", republish={"src": "r2.>", "dest": "$JS.hub.API.>"})

    world.publish("r.PRECIOUS")
    world.publish("r2." + DELETE)
    world.settle()

    assert world.state("PRECIOUS")["messages"] == 1
    assert heard == []


def test_a_stream_may_take_an_answer() -> None:
    """An answer that goes to a stream, or to whoever listens, goes there as on nats-server."""
    world = prepared(World())

    world.publish("$JS.API.DIRECT.GET.S", b'{"seq":1,"no_hdr":true}', reply="precious.copy")
    world.settle()

    assert world.state("PRECIOUS")["messages"] == 2
