"""What the hub has against what is here."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.uplink import answers, claims
from leafnode.uplink.answers import ConsumerInfo, Failure, StreamInfo, StreamState
from leafnode.uplink.claims import Claims, Named
from leafnode.uplink.local import LocalState
from leafnode.uplink.mailbox import Mailbox
from leafnode.uplink.onward import Place
from leafnode.uplink.position import Position
from leafnode.uplink.ranges import Ranges
from leafnode.uplink.scatter import Scatter
from leafnode.uplink.window import Entry, Window
from tests.sim.uplink_world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from leafnode.uplink.answers import Stored

COUNT = 100


def here(*, delivered: int = 0) -> LocalState:
    stream = StreamInfo(state=StreamState(first_seq=3, last_seq=COUNT))
    return LocalState(stream, ConsumerInfo(delivered=answers.Position(0, delivered)))


class Look:
    """A stream of a hundred messages, each stored a nanosecond after the one before."""

    def __init__(self, *, is_scattered: bool = False) -> None:
        self.world = World()
        for _ in range(COUNT):
            self.world.store(b"x")
            self.world.clock.advance(1)
        self.times = self.world.local.times
        mailbox = Mailbox(self.world.account, self.world.clock, random.Random(1))
        self.claims = Claims(mailbox, self.world.clock, "EV", is_scattered=is_scattered)
        self.window: Window = Window(256, 1 << 20)
        self.scattered = Ranges()
        self.decisive: set[Place] = set()
        self.said: list[set[Place] | Failure] = []

    def place(self, seq: int, late_ns: int = 0) -> Place:
        return Place.of(seq, self.times[seq] + late_ns)

    def begin(self, *places: Place, delivered: int = 0) -> None:
        named = Named([*places], self.decisive, self.scattered)
        self.claims.begin(named, self.window, here(delivered=delivered), self.said.append)

    def look(self, *places: Place, delivered: int = 0) -> set[Place] | Failure:
        self.begin(*places, delivered=delivered)
        self.world.clock.advance(limits.UPLINK_API_TIMEOUT_NS + NS_PER_S)
        (said,) = self.said
        return said


def test_the_stream_is_asked_for_what_nobody_knows() -> None:
    look = Look()
    places = [look.place(seq, late_ns=seq % 2) for seq in range(3, COUNT + 1)]

    assert look.look(*places) == set(places[::2])
    assert len(look.world.local.requests) == COUNT - 2


def test_nobody_is_asked_for_what_is_known_but_for_what_was_acknowledged() -> None:
    """A copy that was here before this one may have sent another under its sequence."""
    look = Look()
    look.window.offer(Entry(50, b"ev.a", 0, b"x", b"", look.times[50]))
    look.window.offer(Entry(51, b"ev.a", 0, b"x", b"", look.times[51]))
    gone, acked, later = Place(1, "abcde"), Place(49, "abcde"), Place(COUNT + 1, "abcde")

    other = look.place(51, 1)

    said = look.look(gone, acked, look.place(50), other, Place(60), later, delivered=51)

    assert said == {acked, other, later}
    assert len(look.world.local.requests) == 1


def test_what_waits_is_compared_though_the_stream_let_go_of_it() -> None:
    look = Look()
    look.window.offer(Entry(1, b"ev.a", 0, b"x", b"", look.times[1]))
    look.window.offer(Entry(2, b"ev.a", 0, b"x", b"", look.times[2]))

    assert look.look(look.place(1), look.place(2, 1)) == {look.place(2, 1)}
    assert look.world.local.requests == []


def test_a_message_that_is_gone_is_another_one_but_for_a_stream_that_has_no_consumer() -> None:
    for is_scattered in (False, True):
        look = Look(is_scattered=is_scattered)
        place = look.place(7)
        del look.world.local.messages[7]

        assert look.look(place, look.place(8), delivered=2) == (set() if is_scattered else {place})


def test_newest_first_what_is_done_is_compared_where_it_may_say_more_to_be_stored() -> None:
    look = Look(is_scattered=True)
    look.window = Scatter(256, 1 << 20)
    look.window.land(Position(stored=Ranges([(1, 10), (40, COUNT)])))
    other, gone = look.place(50, late_ns=1), look.place(60, late_ns=1)
    del look.world.local.messages[60]
    look.decisive = {other, gone}

    done = [look.place(seq, late_ns=1) for seq in range(70, COUNT + 1)]
    assert look.look(other, gone, *done) == {other}
    assert len(look.world.local.requests) == 2


def test_a_turn_of_the_loop_asks_for_some_also_where_the_answers_come_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    look = Look()
    asked: list[int] = []

    def at_once(
        _mailbox: Mailbox, _stream: str, seq: int, then: Callable[[Stored | None], None]
    ) -> None:
        asked.append(seq)
        then(None)

    monkeypatch.setattr(claims, "ask_message", at_once)
    look.begin(*[look.place(seq) for seq in range(3, COUNT + 1)])

    counts = [len(asked)]
    while not look.said:
        look.world.clock.turn()
        counts.append(len(asked))
    assert counts == [32, 64, 96, COUNT - 2]


def test_in_order_nobody_is_asked_for_what_is_done() -> None:
    look = Look()
    look.window.land(Position(floor=COUNT))

    assert look.look(*[look.place(seq) for seq in range(3, COUNT + 1)]) == set()
    assert look.world.local.requests == []


def test_a_message_that_is_gone_is_ours_where_it_is_kept_that_it_went_newest_first() -> None:
    look = Look()
    look.scattered = Ranges([(7, 8)])
    gone, other, unknown = look.place(7), look.place(8, late_ns=1), look.place(9)
    del look.world.local.messages[7], look.world.local.messages[9]

    assert look.look(gone, other, unknown, delivered=2) == {other, unknown}


def test_a_stream_that_does_not_answer_is_named_once_and_a_look_that_ended_says_nothing() -> None:
    look = Look()
    look.world.local.silent = True

    assert isinstance(look.look(*[look.place(seq) for seq in range(3, 90)]), Failure)
    look.begin(look.place(9))
    look.claims.cancel()
    look.world.clock.advance(limits.UPLINK_API_TIMEOUT_NS + NS_PER_S)
    assert len(look.said) == 1
