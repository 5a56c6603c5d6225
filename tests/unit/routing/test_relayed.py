"""One message through a few service imports, behind each of which are many: in turns."""

from __future__ import annotations

import pytest

from leafnode.limits import DELIVERY_WORK, RECEIVERS_MAX, TURN_WORK
from leafnode.routing import parked
from tests.sim.imports import Slices
from tests.sim.peers import FakePeer
from tests.sim.services import World

IMPORTS = 6
RECEIVERS = RECEIVERS_MAX * 3 // 4  # not so many as are wide


class Served:
    """A requester in I, and a service `q` in each of a few accounts, with many who serve it."""

    def __init__(self, *, through: str = "") -> None:
        """`through`: an account by way of which I imports them, in place of doing so itself."""
        self.world = World()
        for number in range(IMPORTS):
            self.world.import_(through or "I", self.world.export(f"E{number}", b"q"))
        if through:
            self.world.import_("I", self.world.export(through, b"q"))
        self.responders = [
            FakePeer(self.world.account(f"E{number}"), 10 + number) for number in range(IMPORTS)
        ]
        self.requester = FakePeer(self.world.account("I"), 1)
        self.requester.no_responders = True
        self.requester.subscribe(b"inbox.*", b"1")
        self.slices = Slices(self.world.outbox)

    def serve(self) -> None:
        for responder in self.responders:
            for sid in range(RECEIVERS):
                responder.subscribe(b"q", b"%d" % sid)

    def counts(self) -> list[int]:
        return [responder.got().count(b"MSG q ") for responder in self.responders]

    def turns(self, data: bytes) -> int:
        """Have these bytes read; return how many turns that took, each of bounded work."""
        self.requester.lane.feed(data)
        count, starved = 0, True
        while starved:
            self.world.outbox.renew_work()
            self.requester.lane.next_line()
            assert self.world.outbox.work_left > -TURN_WORK
            starved = self.requester.lane.starved
            count += 1
        return count


@pytest.mark.parametrize("through", ["", "M"])
def test_no_turn_serves_more_than_goes_through_an_import_and_one_beyond_it(through: str) -> None:
    served = Served(through=through)
    served.serve()
    served.world.outbox.renew_work()

    turns = served.turns(b"PUB q inbox.1 0\r\n\r\n")

    assert turns >= IMPORTS * RECEIVERS * DELIVERY_WORK // (2 * TURN_WORK)
    assert served.counts() == [RECEIVERS] * IMPORTS
    assert b"503" not in served.requester.got()


@pytest.mark.parametrize("through", ["", "M"])
@pytest.mark.parametrize("work", [1, TURN_WORK])
def test_who_asks_nobody_behind_several_imports_is_told_so(work: int, through: str) -> None:
    served = Served(through=through)
    served.requester.lane.feed(b"PUB q inbox.1 0\r\n\r\n")

    served.world.outbox.work_left = work
    served.requester.lane.next_line()
    served.requester.says(b"")

    assert served.requester.got().count(b"503") == 1


def test_the_next_message_of_the_same_peer_overtakes_nothing() -> None:
    served = Served()
    for responder in served.responders:
        responder.headers = False
        responder.subscribe(b"q", b"1")

    served.requester.lane.feed(b"PUB q 1\r\na\r\nPUB q 1\r\nb\r\n")
    for _ in range(4 * IMPORTS):
        served.world.outbox.work_left = 1
        served.requester.lane.next_line()

    for responder in served.responders:
        assert responder.got() == b"MSG q 1 1\r\na\r\nMSG q 1 1\r\nb\r\n"


def test_what_ends_in_between_gets_nothing_and_a_publisher_that_goes_leaves_nothing_out() -> None:
    served = Served()
    served.serve()
    served.requester.lane.feed(b"PUB q 0\r\n\r\n")
    served.world.outbox.renew_work()
    served.requester.lane.next_line()
    assert served.requester.parked is not None

    last = served.responders.pop()
    for sid in list(last.subs):
        last.account.remove(last.subs.pop(sid))
    parked.leave(served.requester)
    served.slices.all()

    assert served.counts() == [RECEIVERS] * (IMPORTS - 1)
    assert last.got() == b""


def test_what_the_server_sends_through_them_has_turns_too() -> None:
    served = Served()
    served.serve()
    account, outbox = served.world.account("I"), served.world.outbox
    outbox.renew_work()

    assert account.publish(b"q") == 1
    assert outbox.work_left > -TURN_WORK
    assert len(account.backlog) == 1
    served.slices.all()

    assert served.counts() == [RECEIVERS] * IMPORTS
