"""JetStream as another account has it by a service import of its API: what is asked for arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode.routing.service_export import Answers
from leafnode.routing.services import Services
from tests.sim import services
from tests.sim.peers import FakePeer
from tests.unit.jetstream.world import World

if TYPE_CHECKING:
    from leafnode.jetstream.jetstream import AccountJetStream
    from leafnode.routing.account import Account

NEXT = b"$JS.API.CONSUMER.MSG.NEXT.S.C"


class Imported(World):
    """A stream with a consumer; account U imports the API and asks from there."""

    def enable(self, account: Account, **facts: int) -> AccountJetStream:
        self.sharing = services.World()
        self.sharing.clock, self.sharing.outbox = self.clock, account.system.outbox
        account.services = self.sharing.services[account.name] = Services(account, self.sharing)
        self.user = FakePeer(self.sharing.account("U"), 9)
        self.user.headers = self.user.no_responders = True
        self.user.subscribe(b"r", b"1")
        return super().enable(account, **facts)

    def share(self, answers: Answers = Answers.MANY, to: bytes = b"js.>") -> None:
        export = self.sharing.export("$G", b"$JS.API.>", answers=answers)
        self.sharing.import_("U", export, to)

    def ask(self, subject: bytes, payload: bytes = b"") -> bytes:
        self.user.says(b"PUB %b r %d\r\n%b\r\n" % (subject, len(payload), payload))
        self.settle()
        return self.user.got()


@pytest.fixture
def world() -> Imported:
    world = Imported()
    world.create_stream()
    world.create_consumer()
    for number in range(3):
        world.publish("s.a", b"m%d" % number)
    return world


@pytest.mark.parametrize(("answers", "messages"), [(Answers.MANY, 2), (Answers.ONE, 1)])
def test_a_pull_brings_messages_as_they_are_stored(
    world: Imported, answers: Answers, messages: int
) -> None:
    world.share(answers)

    got = world.ask(b"js.CONSUMER.MSG.NEXT.S.C", b'{"batch":2,"no_wait":true}')

    lines = [
        b"MSG s.a 1 $JS.ACK.S.C.1.1.1.1800000000000000000.2 2\r\nm0\r\n",
        b"MSG s.a 1 $JS.ACK.S.C.1.2.2.1800000000000000000.1 2\r\nm1\r\n",
    ]
    assert got == b"".join(lines[:messages])


def test_of_two_that_answer_one_that_has_no_consumer_does_not_say_that_nobody_is_there(
    world: Imported,
) -> None:
    world.share(to=b"$JS.API.>")
    own = world.enable(world.user.account)
    own.recover(lambda: None)
    world.settle()

    got = world.ask(NEXT, b"1")

    assert got.startswith(b"MSG s.a 1 ")
    assert b"503" not in got


@pytest.mark.parametrize("body", [b'{"batch":1,"expires":5000000000}', b'{"batch":1,"expires":0}'])
def test_nothing_is_delivered_to_who_asked_and_is_gone(world: Imported, body: bytes) -> None:
    world.share()
    world.ask(b"js.CONSUMER.MSG.NEXT.S.C", b"3")
    world.ask(b"js.CONSUMER.MSG.NEXT.S.C", body)
    assert world.info()["num_waiting"] == 1

    world.user.account.remove(world.user.subs.pop(b"1"))
    world.publish("s.a", b"new")
    world.settle()

    info = world.info()
    assert (info["num_waiting"], info["num_pending"], info["delivered"]["consumer_seq"]) == (
        0,
        1,
        3,
    )
