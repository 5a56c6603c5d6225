"""What entries before left waits beside what is new, and goes first where a stream takes it."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.bridge.port_bounds import READINGS_LEFT_BYTES, READINGS_LEFT_MAX
from leafnode.bridge.publication import Left, Publication
from leafnode.bridge.reading import Receipt
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.protocol import header
from tests.unit.bridge.fake_stream import FakeStream
from tests.unit.bridge.test_publisher import FULL, World, numbers

if TYPE_CHECKING:
    from leafnode.routing.subscription import Delivery


def left(first: int, count: int) -> Left:
    block = header.build([(b"Nats-Msg-Id", b"a")])
    made = [
        Publication(b"s.a", len(block), block + b"%d" % number, None)
        for number in range(first, first + count)
    ]
    return Left(made, "")


def test_what_a_device_keeps_is_left_apart() -> None:
    world = World()
    kept = left(1, 1).publications[0]._replace(is_kept=True)

    world.publisher.offer(kept)
    world.publisher.offer_all(left(2, 2).publications)
    world.publisher.pass_over(Receipt((b"b", 7), 9))

    assert world.publisher.stop() == left(2, 2)._replace(kept=(kept,))


def kept_by(name: bytes, *seqs: int) -> tuple[Publication, ...]:
    """Two messages of each reading."""
    first = left(0, 1).publications[0]._replace(is_kept=True)
    whole = (first._replace(receipt=Receipt((name, 7), seq)) for seq in seqs)
    return tuple(one for last in whole for one in (first, last))


def test_what_an_entry_before_had_of_a_board_waits_beside_what_is_new_until_it_is_here() -> None:
    world = World()
    plain, newer = left(0, 2).publications, left(2, 1).publications
    world.publisher.take_over(Left(plain, "", kept=kept_by(b"uno", 1, 2) + kept_by(b"due", 1)))
    world.publisher.offer_all(newer)

    assert world.publisher.queued == 2 + 6 + 1
    assert world.publisher.go_on_with((b"uno", 8)) is None
    assert world.publisher.go_on_with((b"uno", 7)) == Receipt((b"uno", 7), 2)
    world.publisher.offer_all(list(kept_by(b"uno", 3)))
    assert world.publisher.queued == 2 + 6 + 1 + 2
    rest = world.publisher.stop()

    assert rest.publications == [*plain, *newer]
    assert rest.kept == kept_by(b"due", 1) + kept_by(b"uno", 1, 2, 3)


def test_what_is_known_to_be_stored_of_a_board_stays_so_when_it_is_here() -> None:
    world = World()
    due, uno = kept_by(b"due", 1), kept_by(b"uno", 1)
    world.publisher.take_over(Left([], "", kept=due + uno))
    former = world.publisher._former
    assert former is not None
    for entry in list(former._kept._entries)[2:]:
        former._kept._resolve(entry)

    world.publisher.go_on_with((b"uno", 7))

    world.publisher.pump()
    assert world.resolved == [1]
    assert world.publisher.stop().kept == due


def test_an_error_of_what_goes_on_with_its_board_is_told_no_longer() -> None:
    world = World()
    world.publisher.take_over(Left([], "", kept=kept_by(b"uno", 1)))
    assert world.publisher.last_error.startswith("what the entry before left: ")

    world.publisher.go_on_with((b"uno", 7))

    assert world.publisher.last_error == ""


def test_of_what_reloads_left_the_oldest_beyond_the_bound_is_given_up_and_counted() -> None:
    world = World()

    world.publisher.take_over(left(0, READINGS_LEFT_MAX))
    assert world.counters.poison == 0
    world.publisher.take_over(left(READINGS_LEFT_MAX, 3))

    assert world.counters.poison == 3
    assert world.publisher.queued == READINGS_LEFT_MAX
    assert world.publisher.stop().publications == left(3, READINGS_LEFT_MAX).publications


def test_what_is_given_up_in_flight_is_not_waited_for() -> None:
    world = World()
    stream = FakeStream(world.account, b"s.>")
    world.publisher.take_over(apart(0, READINGS_LEFT_MAX))
    in_flight = stream.staged

    world.publisher.take_over(apart(READINGS_LEFT_MAX, in_flight))
    world.clock.advance(0)

    assert stream.staged == 2 * in_flight > 0
    stream.commit()
    assert numbers(stream) == list(range(2 * in_flight))


def test_what_reloads_left_is_bounded_in_bytes_too() -> None:
    world = World()
    half = left(0, 1).publications[0]._replace(body=bytes(READINGS_LEFT_BYTES // 2), header_size=0)

    world.publisher.take_over(Left([half, half], ""))
    assert world.counters.poison == 0
    world.publisher.take_over(left(1, 1))

    assert (world.counters.poison, world.publisher.queued) == (1, 2)


@pytest.mark.parametrize(("stream", "counts"), [("S", True), ("T", False), ("", True)])
def test_the_stream_that_was_named_before_counts_unless_another_is_named_now(
    stream: str, counts: bool
) -> None:
    world = World(stream=stream)
    FakeStream(world.account, b"s.>", "S").commits_at_once = True

    world.publisher.take_over(left(0, 1)._replace(stream=stream))

    assert (world.publisher.queued == 0) is counts


def test_what_entries_of_two_streams_left_is_answered_by_either() -> None:
    world = World(stream="S")
    FakeStream(world.account, b"s.>", "T").silent = True
    [first], [second] = (left(number, 1).publications for number in (0, 1))

    world.publisher.take_over(Left([first], "S"))
    world.publisher.take_over(Left([second], "T"))

    assert world.publisher.stop() == Left([first, second], "")


def test_what_a_full_stream_refuses_holds_up_nothing_for_another() -> None:
    world = World()
    old = FakeStream(world.account, b"s.>", "OLD")
    old.refusal = FULL
    new = FakeStream(world.account, b"n.>", "NEW")
    new.commits_at_once = True
    world.publisher.take_over(left(0, 3))

    world.offer([3, 4], b"n.a")
    world.clock.advance(limits.READING_RETRY_NS)

    assert numbers(new) == [3, 4]
    assert world.publisher.queued == 3
    assert world.publisher.last_error == (
        "what the entry before left: maximum messages exceeded (10077)"
    )


def test_what_a_full_stream_refuses_goes_first_once_there_is_room() -> None:
    world = World()
    stream = FakeStream(world.account, b"s.>")
    stream.commits_at_once = True
    stream.refusal = FULL
    world.publisher.take_over(left(0, 1))
    world.offer(range(1, 4))
    world.clock.advance(120 * NS_PER_S)
    assert (stream.payloads, world.publisher.queued) == ([], 4)

    stream.refusal = None
    world.clock.advance(120 * NS_PER_S)

    assert numbers(stream) == [0, 1, 2, 3]


def test_who_ends_tries_at_once_what_was_refused_for_long() -> None:
    world = World()
    stream = FakeStream(world.account, b"s.>")
    stream.refusal = FULL
    world.publisher.take_over(left(0, 1))
    world.offer([1, 2])
    world.clock.advance(60 * NS_PER_S)
    assert world.publisher.is_settled

    world.publisher.hurry()
    assert not world.publisher.is_settled
    world.clock.advance(2 * NS_PER_S)
    assert world.publisher.is_settled  # it is refused as before
    assert world.publisher.queued == 3

    stream.refusal = None  # somebody has made room
    world.publisher.hurry()
    for _ in range(5):
        stream.commit()
        world.clock.advance(NS_PER_S // 5)
    assert world.publisher.queued == 0


def test_it_is_not_settled_before_what_the_entry_before_left_is() -> None:
    world = World()
    stream = FakeStream(world.account, b"s.>")
    world.publisher.take_over(left(0, 1))
    assert not world.publisher.is_settled
    stream.refusal = FULL
    world.offer([1])
    world.clock.advance(60 * NS_PER_S)
    assert world.publisher.is_settled  # the new one is held up by the old one, for ever
    assert world.publisher.queued == 2


def test_what_no_stream_takes_keeps_nothing_of_a_board_from_its_stream() -> None:
    world = World()
    FakeStream(world.account, b"s.a").commits_at_once = True
    nowhere = left(0, 1).publications[0]._replace(subject=b"s.nowhere")

    world.publisher.take_over(Left([nowhere], "", kept=kept_by(b"uno", 1, 2)))
    world.clock.advance(60 * NS_PER_S)

    assert (world.counters.stored, world.publisher.queued) == (4, 1)
    assert world.publisher.last_error == (
        "what the entry before left: no stream captures s.nowhere"
    )


def test_what_no_stream_takes_of_a_board_keeps_nothing_else_from_its_stream() -> None:
    world = World()
    FakeStream(world.account, b"s.a").commits_at_once = True
    kept = tuple(one._replace(subject=b"s.uno") for one in kept_by(b"uno", 1))
    world.publisher.take_over(Left([], "", kept=kept))

    world.publisher.take_over(left(0, 3))
    world.clock.advance(60 * NS_PER_S)

    assert (world.counters.stored, world.publisher.queued) == (3, 2)


def test_beyond_the_bound_what_boards_keep_is_given_up_behind_the_rest() -> None:
    world = World()
    kept = kept_by(b"uno", *range(READINGS_LEFT_MAX // 2))

    world.publisher.take_over(left(0, 2)._replace(kept=kept))
    assert (world.counters.poison, world.publisher.queued) == (2, READINGS_LEFT_MAX)
    world.publisher.take_over(left(2, 1))

    assert world.counters.poison == 3
    assert world.publisher.stop() == Left([], "", kept=kept)


def test_of_what_boards_keep_beyond_the_bound_all_of_the_oldest_is_left_to_its_board() -> None:
    """What was behind it spoke for it: it was acknowledged, and lost."""
    world = World()
    uno, due, four = kept_by(b"uno", 1, 2), kept_by(b"due", 1), kept_by(b"four", 1)
    many = kept_by(b"many", *range(READINGS_LEFT_MAX // 2 - 4))
    assert world.publisher.take_over(Left([], "", kept=uno + due + four + many)) == 0

    assert world.publisher.take_over(Left([], "", kept=kept_by(b"new", 1))) == len(uno)

    assert world.counters.poison == 0
    assert world.publisher.go_on_with((b"uno", 7)) is None
    assert world.publisher.go_on_with((b"due", 7)) == Receipt((b"due", 7), 1)
    assert world.publisher.stop().kept == four + many + kept_by(b"new", 1) + due


def test_what_a_stream_that_was_full_refuses_of_the_old_alone_holds_up_nothing_newer() -> None:
    world = World()
    old = FakeStream(world.account, b"s.>", "S")
    new = FakeStream(world.account, b"n.>", "S")
    new.commits_at_once = True
    old.refusal = new.refusal = FULL
    world.publisher.take_over(left(0, 3))
    world.offer([3, 4], b"n.a")
    world.clock.advance(60 * NS_PER_S)
    assert world.publisher.queued == 5

    new.refusal = None
    world.clock.advance(limits.READING_RETRY_MAX_NS + NS_PER_S)

    assert numbers(new) == [3, 4]
    world.offer([5], b"n.a")
    world.clock.advance(NS_PER_S)
    assert numbers(new) == [3, 4, 5]
    assert world.publisher.queued == 3


@pytest.mark.parametrize("tenths", range(600, 660))
def test_whenever_a_stream_has_room_again_what_is_older_goes_first(tenths: int) -> None:
    world = World()
    stream = FakeStream(world.account, b"s.>")
    stream.commits_at_once = True
    stream.refusal = FULL
    world.publisher.take_over(left(0, 1))
    world.offer([1, 2])
    world.clock.advance(tenths * NS_PER_S // 10)

    stream.refusal = None
    world.clock.advance(10 * NS_PER_S)

    assert numbers(stream) == [0, 1, 2]


def test_who_says_that_nobody_is_there_holds_up_nothing_newer() -> None:
    world = World()

    def says_so(delivery: Delivery) -> None:
        for reply, _, _ in delivery.messages:
            world.account.publish(reply, b"NATS/1.0 503\r\n\r\n", header_size=16)

    world.account.subscribe(b"s.>", says_so)
    new = FakeStream(world.account, b"n.>", "NEW")
    new.commits_at_once = True
    world.publisher.take_over(left(0, 1))
    world.offer([1], b"n.a")
    world.clock.advance(NS_PER_S)

    assert numbers(new) == [1]


class Small(FakeStream):
    """Full beyond its `room`. `is_far`: it says so when it gets it, not at once."""

    room = 0
    is_far = False

    def _on_delivery(self, delivery: Delivery) -> None:
        self.refusal = FULL if not (self._has_room(self.staged) or self.is_far) else None
        super()._on_delivery(delivery)

    def commit(self) -> None:
        later = self._staged
        while later and self._has_room(0):
            self._staged, later = later[:1], later[1:]
            super().commit()
        self._staged = later
        while self._staged:
            self.refuse_first()

    def _has_room(self, count: int) -> bool:
        return len(self.payloads) + count < self.room


def apart(first: int, count: int) -> Left:
    """As `left`, each with an id of its own."""
    made = []
    for number in range(first, first + count):
        block = header.build([(b"Nats-Msg-Id", b"old.%d" % number)])
        made.append(Publication(b"s.a", len(block), block + b"%d" % number, None))
    return Left(made, "")


def test_what_comes_amid_the_pause_of_what_is_older_goes_behind_it() -> None:
    world = World()
    stream = Small(world.account, b"s.>")
    world.publisher.take_over(apart(0, 3))
    world.clock.advance(13 * NS_PER_S)

    stream.room = 100
    for number in range(3, 10):
        world.offer([number])
        stream.commit()
        world.clock.advance(NS_PER_S // 100)
    for _ in range(10):
        world.clock.advance(NS_PER_S)
        stream.commit()

    assert numbers(stream) == list(range(10))


@pytest.mark.parametrize("is_far", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_however_a_stream_gets_room_nothing_newer_goes_first(seed: int, *, is_far: bool) -> None:
    random = Random(seed)
    world = World()
    stream = Small(world.account, b"s.>")
    stream.is_far = is_far
    world.publisher.take_over(apart(0, 20))
    said = 20

    for _ in range(400):
        if random.random() < 0.1:
            world.offer([said], random.choice([b"s.a", b"s.b"]))
            said += 1
        if random.random() < 0.05:
            stream.room += random.randrange(5)
        world.clock.advance(random.choice([1, 20, 150, 2000]) * NS_PER_MS)
        if random.random() < 0.7:
            stream.commit()
    stream.room = 1000
    for _ in range(200):
        world.clock.advance(NS_PER_S // 10)
        stream.commit()

    assert numbers(stream) == list(range(said))


def test_what_is_refused_for_its_own_sake_is_tried_a_few_times_however_much_comes() -> None:
    world = World()
    old = FakeStream(world.account, b"s.>", "S")
    old.refusal = FULL
    new = FakeStream(world.account, b"n.>", "S")
    new.commits_at_once = True
    world.publisher.take_over(left(0, 3))
    world.clock.advance(60 * NS_PER_S)
    tries = old.received

    for number in range(6000):
        world.offer([number], b"n.a")
        world.clock.advance(NS_PER_S // 100)

    assert numbers(new) == list(range(6000))
    assert old.received - tries <= 2 * 60 // 5


def test_where_both_are_refused_they_are_tried_a_few_times_however_much_comes() -> None:
    world = World()
    stream = Small(world.account, b"s.>")
    world.publisher.take_over(left(0, 3))
    world.clock.advance(60 * NS_PER_S)
    tries = stream.received

    for number in range(600):
        world.offer([number])
        world.clock.advance(NS_PER_S // 10)

    assert stream.received - tries <= 4 * 60 // 5


def test_what_nobody_answers_is_not_waited_for_before_each_newer_one() -> None:
    world = World()
    FakeStream(world.account, b"s.>").silent = True
    new = FakeStream(world.account, b"n.>")
    new.commits_at_once = True
    world.publisher.take_over(left(0, 1))
    world.clock.advance(limits.READING_ACK_TIMEOUT_NS)

    for number in range(100):
        world.offer([number], b"n.a")
        assert numbers(new) == list(range(number + 1))
        world.clock.advance(NS_PER_S)


@pytest.mark.parametrize("beside", ["none", "full"])
@pytest.mark.parametrize("every_ms", [3000, 4100, 7000, 11_000])
def test_what_is_refused_of_a_board_that_is_away_lets_nothing_newer_pass_the_rest(
    every_ms: int, beside: str
) -> None:
    """A full stream of which a consumer takes one message now and then."""
    world = World()
    stream = Small(world.account, b"s.>")
    if beside == "full":
        FakeStream(world.account, b"k.>", "K").refusal = FULL
    kept = tuple(one._replace(subject=b"k.a") for one in kept_by(b"uno", 1))
    world.publisher.take_over(apart(0, 20)._replace(kept=kept))
    newer = 20
    for passed_ms in range(0, 240_000, 10):
        if passed_ms % every_ms == 0:
            stream.room += 1
        if passed_ms % 1000 == 0:
            world.offer([newer])
            newer += 1
        world.clock.advance(10 * NS_PER_MS)
        stream.commit()

    got = numbers(stream)
    assert got == sorted(got)
    assert len(got) >= 20
