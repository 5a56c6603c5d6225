"""Two kinds of what is old, of which no stream takes any, and says so late: what is newer goes."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from leafnode import limits
from leafnode.bridge.publication import Left, Publication
from leafnode.bridge.reading import Receipt
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.protocol import header
from leafnode.routing.peer import Kind, Peer
from tests.unit.bridge.fake_stream import FakeStream
from tests.unit.bridge.test_former import Small, apart, kept_by, left
from tests.unit.bridge.test_publisher import FULL, World, numbers


class Late(Small):
    """A hub's: its answers take a while."""

    def __init__(self, world: World, pattern: bytes, after_ns: int) -> None:
        hub = Peer(9, Kind.LEAF, world.account.system.outbox)
        hub.account = world.account
        super().__init__(world.account, pattern, "HUB", origin=hub)
        self.commits_at_once = True
        self._clock = world.clock
        self._after_ns = after_ns

    def _answer(self, reply: bytes, answer: dict[str, object]) -> None:
        say = super()._answer
        self._clock.call_later(self._after_ns, lambda: say(reply, answer))


def of_a_board_that_is_away() -> tuple[Publication, ...]:
    return tuple(one._replace(subject=b"k.a") for one in kept_by(b"uno", 1))


def of_a_board_that_is_here(number: int) -> Publication:
    block = header.build([(b"Nats-Msg-Id", b"due.7.%d" % number)])
    receipt = Receipt((b"due", 7), number + 1)
    return Publication(b"n.a", len(block), block + b"%d" % number, receipt, is_kept=True)


def none_waited_too_long(new: FakeStream, said: int) -> bool:
    """Of `said` readings, one each second from 0 on."""
    return len(new.payloads) >= said - limits.READING_ACK_TIMEOUT_NS // NS_PER_S


@pytest.mark.parametrize("after_s", [(8, 8), (8, 7), (7, 8), (8, 3), (9, 9), (8, 12), (12, 12)])
@pytest.mark.parametrize("apart_s", range(13))
def test_what_two_late_streams_refuse_holds_up_nothing_newer_for_long(
    apart_s: int, after_s: tuple[int, int]
) -> None:
    world = World()
    plain, kept = (
        Late(world, pattern, after * NS_PER_S)
        for pattern, after in zip([b"s.>", b"k.>"], after_s, strict=True)
    )
    new = FakeStream(world.account, b"n.>")
    new.commits_at_once = True
    world.publisher.take_over(left(0, 3))
    world.clock.advance(apart_s * NS_PER_S)
    world.publisher.take_over(Left([], "", kept=of_a_board_that_is_away()))

    held_up = []
    for number in range(200):
        world.offer([number], b"n.a")
        world.clock.advance(NS_PER_S)
        held_up += [] if none_waited_too_long(new, number + 1) else [number]

    assert held_up == []
    assert numbers(new) == list(range(len(new.payloads)))
    assert max(plain.received, kept.received) <= 200 // 5


@pytest.mark.parametrize("apart_s", [0, 5, 7])
@pytest.mark.parametrize("after_s", [(5, 5), (8, 8), (9, 9)])
def test_what_two_late_streams_refuse_does_not_slow_down_what_a_hub_takes_one_by_one(
    after_s: tuple[int, int], apart_s: int
) -> None:
    """A reading goes when the one before is answered, so a burst is one."""
    world = World()
    for pattern, after in zip([b"s.>", b"k.>"], after_s, strict=True):
        Late(world, pattern, after * NS_PER_S)
    new = Late(world, b"n.>", NS_PER_S // 20)
    new.room = 1000
    world.publisher.take_over(left(0, 3))
    world.clock.advance(apart_s * NS_PER_S)
    world.publisher.take_over(Left([], "", kept=of_a_board_that_is_away()))

    for number in range(200):
        world.publisher.offer(of_a_board_that_is_here(number))
        world.publisher.pump()
        world.clock.advance(NS_PER_S)

    assert len(new.payloads) >= 200 - limits.READING_ACK_TIMEOUT_NS // NS_PER_S


@pytest.mark.parametrize("every_ms", [50, 200, 1000])
def test_what_this_server_s_stream_refuses_late_is_not_tried_with_each_newer_one(
    every_ms: int,
) -> None:
    """A COMMIT fails."""
    world = World()
    old = Small(world.account, b"s.>")
    old.is_far = True
    new = FakeStream(world.account, b"n.>")
    new.commits_at_once = True
    world.publisher.take_over(apart(0, 20))

    said = 60_000 // every_ms
    for number in range(said):
        world.offer([number], b"n.a")
        world.clock.advance(50 * NS_PER_MS)
        old.commit()
        world.clock.advance((every_ms - 50) * NS_PER_MS)

    assert numbers(new) == list(range(said))
    assert old.received <= 20 + 60


def test_what_is_newer_goes_no_longer_once_something_older_is_stored() -> None:
    world = World()
    old = Small(world.account, b"s.>")
    new = FakeStream(world.account, b"n.>")
    new.commits_at_once = True
    world.publisher.take_over(apart(0, 3))
    world.offer([3], b"n.a")
    world.clock.advance(NS_PER_S)
    assert numbers(new) == [3]

    old.room = 3
    while not old.payloads:
        world.clock.advance(NS_PER_S // 10)
        old.commit()
    world.offer([4], b"n.a")
    world.clock.advance(NS_PER_S)
    assert numbers(new) == [3]
    old.commit()
    world.clock.advance(NS_PER_S)

    assert (numbers(old), numbers(new)) == ([0, 1, 2], [3, 4])


@pytest.mark.parametrize("after_ms", [50, 2000, 8000])
@pytest.mark.parametrize("every_ms", [3000, 7000])
@pytest.mark.parametrize("seed", range(5))
def test_while_a_late_one_is_awaited_what_has_room_meanwhile_goes_first(
    seed: int, every_ms: int, after_ms: int
) -> None:
    """A full stream of this server of which a consumer takes one message now and then."""
    random = Random(seed)
    world = World()
    stream = Small(world.account, b"s.>")
    stream.commits_at_once = True
    Late(world, b"k.>", after_ms * NS_PER_MS)
    world.publisher.take_over(apart(0, 20))
    world.clock.advance(random.randrange(13_000) * NS_PER_MS)
    world.publisher.take_over(Left([], "", kept=of_a_board_that_is_away()))

    for number in range(20, 320):
        world.offer([number])
        for _ in range(10):
            stream.room += random.randrange(every_ms) < 100
            world.clock.advance(100 * NS_PER_MS)

    assert numbers(stream) == list(range(len(stream.payloads)))
    assert len(stream.payloads) > 20


async def test_what_is_newer_and_gets_no_turn_behind_what_is_refused_goes_in_the_next() -> None:
    world = World()
    old = FakeStream(world.account, b"s.>")
    new = FakeStream(world.account, b"n.>")
    old.refusal = new.refusal = FULL
    new.commits_at_once = True
    world.publisher.take_over(left(0, 1))
    world.offer([1], b"n.a")
    for _ in range(60):
        world.clock.advance(NS_PER_S)
        await asyncio.sleep(0)
    tries = old.received

    new.refusal = None
    world.is_slow(1)  # to refuse what is old takes all of a turn
    while old.received == tries:
        world.clock.advance(NS_PER_S // 10)
    assert numbers(new) == []
    await asyncio.sleep(0)

    assert numbers(new) == [1]
