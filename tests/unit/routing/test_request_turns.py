"""A request through a chain of service imports: its header is written once, each import has a
turn where it is long, and who asks is told of nobody whenever that is found out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.limits import HEADER_TURN_BYTES, MIB, TURN_WORK
from leafnode.protocol import header
from leafnode.routing.latency import Latency
from leafnode.routing.request_header import REQUEST_INFO
from tests.sim.peers import FakePeer
from tests.sim.services import World

if TYPE_CHECKING:
    import pytest

HOPS = 5


class Chain:
    """`q` of account 0, imported by 1 of it, by 2 of that, and so on to the requester's."""

    def __init__(self, latency: Latency | None = None) -> None:
        self.world = World()
        for hop in range(HOPS):
            self.world.import_(f"A{hop + 1}", self.world.export(f"A{hop}", b"q", latency=latency))
        self.requester = FakePeer(self.world.account(f"A{HOPS}"), 1)
        self.requester.no_responders = True
        self.requester.lane.limit_payload(2 * MIB)
        self.requester.subscribe(b"inbox.*", b"1")
        self.responder = FakePeer(self.world.account("A0"), 2)

    def ask(self, size: int, *, work: int = TURN_WORK) -> int:
        """Ask with a header of this size; return how many turns of so much work that took."""
        block = header.build([(b"a", b"v" * size)])
        self.requester.lane.feed(
            b"HPUB q inbox.1 %d %d\r\n%b\r\n" % (len(block), len(block), block)
        )
        turns, starved = 0, True
        while starved:
            self.world.outbox.work_left = work
            self.requester.lane.next_line()
            starved = self.requester.lane.starved
            turns += 1
        return turns

    @property
    def owed(self) -> int:
        return sum(len(services.responses) for services in self.world.services.values())


def test_a_long_header_is_written_once_and_each_import_has_a_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written: list[int] = []
    real = header.replaced

    def replaced(block: bytes, name: bytes, value: bytes) -> bytes:
        written.append(len(block))
        return real(block, name, value)

    monkeypatch.setattr(header, "replaced", replaced)
    chain = Chain()
    chain.responder.subscribe(b"q", b"1")

    turns = chain.ask(MIB - 64)

    assert turns > HOPS
    assert len(written) == 1
    line, _, message = chain.responder.got().partition(b"\r\n")
    block = message[: int(line.split()[-2])]
    assert header.parse(block)[0] == (b"a", b"v" * (MIB - 64))
    assert header.get(block, REQUEST_INFO) == b'{"acc":"A5","svc":"A1"}'
    assert chain.owed == HOPS


def test_a_short_header_takes_no_turn_of_its_own() -> None:
    chain = Chain()
    chain.responder.subscribe(b"q", b"1")

    assert chain.ask(100, work=1) == 2  # the second finds that all is done
    assert chain.ask(HEADER_TURN_BYTES, work=1) > HOPS


def test_who_asks_nobody_behind_imports_in_turns_is_told_so_once() -> None:
    chain = Chain(Latency(b"lat", 100))

    chain.ask(MIB - 64)

    assert chain.requester.got().count(b"NATS/1.0 503\r\nNats-Subject: q\r\n") == 1
    assert chain.owed == 0
    assert [one.outcome[0] for _, _, one in chain.world.measurements] == [503] * HOPS


def test_one_of_two_ways_that_ends_nowhere_is_no_answer() -> None:
    chain = Chain()
    chain.world.import_(f"A{HOPS}", chain.world.export("B", b"q"))
    other = FakePeer(chain.world.account("B"), 3)
    other.subscribe(b"q", b"1")

    chain.ask(MIB - 64)

    assert other.got().count(b"HMSG q ") == 1
    assert b"503" not in chain.requester.got()
    assert chain.owed == 1  # of the one that was asked
    chain.world.services["B"].account.remove(other.subs.pop(b"1"))
    chain.ask(MIB - 64)
    assert chain.requester.got().count(b"503") == 1
