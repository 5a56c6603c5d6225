"""How much waits: messages, bytes, seconds."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.uplink.answers import ConsumerInfo, Stored, StreamInfo, StreamState
from leafnode.uplink.lag import Lag
from leafnode.uplink.window import Entry, Window
from tests.sim.uplink_world import OPTIONS, World, numbers

if TYPE_CHECKING:
    from leafnode.config.options import UplinkStream

ORDERS = [OPTIONS, replace(OPTIONS, newest_first=True)]


def noted(*, messages: int, size: int, behind: int) -> Lag:
    lag = Lag()
    stream = StreamInfo(state=StreamState(messages=messages, bytes=size, last_seq=messages))
    lag.note(stream, ConsumerInfo(num_pending=behind), held=0)
    return lag


def test_what_is_behind_the_window_has_the_mean_size_of_the_stream() -> None:
    lag = noted(messages=10, size=1000, behind=4)
    window = Window(10, 1000)
    window.offer(Entry(1, b"ev", 0, b"x" * 48, b"", 100 * NS_PER_S))

    assert lag.messages(window) == 5
    assert lag.bytes(window) == 400 + 50


def test_the_oldest_message_says_how_many_seconds() -> None:
    lag = noted(messages=10, size=1000, behind=4)
    window = Window(10, 1000)
    assert lag.seconds(window, 200 * NS_PER_S) == 0
    lag.oldest(Stored(5, b"ev", 0, b"", 150 * NS_PER_S))
    lag.oldest(None)
    assert lag.seconds(window, 200 * NS_PER_S) == 50

    window.offer(Entry(1, b"ev", 0, b"", b"", 100 * NS_PER_S))

    assert lag.seconds(window, 200 * NS_PER_S) == 100
    assert lag.seconds(window, 50 * NS_PER_S) == 0  # the clock was set back


def test_nothing_waits_no_time() -> None:
    lag = noted(messages=0, size=0, behind=0)
    lag.oldest(Stored(5, b"ev", 0, b"", 1))

    assert lag.seconds(Window(10, 1000), 200 * NS_PER_S) == 0


def test_without_a_consumer_what_is_stored_behind_the_last_ack_waits() -> None:
    lag, window = Lag(), Window(10, 1000)
    window.offer(Entry(5, b"ev", 0, b"x" * 48, b"", 100 * NS_PER_S))
    stream = StreamInfo(state=StreamState(messages=10, bytes=1000, last_seq=10))

    lag.note_stream(stream, 4, 1)
    assert (lag.acked_seq, lag.behind, lag.messages(window)) == (4, 5, 6)

    gaps = StreamInfo(state=StreamState(messages=3, bytes=300, last_seq=10))
    lag.note_stream(gaps, 4, 0)
    assert lag.behind == 3


def test_what_came_since_it_was_counted_is_in_it() -> None:
    stored = [*range(1, 11)]
    lag, window = Lag(lambda seq: sum(one > seq for one in stored)), Window(10, 1000)
    assert lag.messages(window) == 10  # nothing was counted yet
    lag.note(StreamInfo(state=StreamState(10, 1000, last_seq=10)), ConsumerInfo(), held=0)
    assert (lag.messages(window), lag.bytes(window)) == (0, 0)

    stored += [11, 12, 13]
    assert (lag.messages(window), lag.bytes(window)) == (3, 300)
    lag.count(2, 12)
    assert lag.messages(window) == 3
    lag.count(2, 5)  # of an older one
    assert lag.messages(window) == 3
    lag.took(13)
    assert lag.messages(window) == 2
    lag.took(11)
    lag.took(12)
    assert lag.messages(window) == 0


@pytest.mark.parametrize("options", ORDERS)
def test_what_was_just_stored_is_in_the_lag(options: UplinkStream) -> None:
    """A script that waits for 0 before it cuts the power saw it for up to 2.7 s too early."""
    world = World(options)
    world.start()
    world.store(*numbers(1, 300))
    assert world.status.lag_messages == 300
    world.clock.advance(5 * NS_PER_S)
    assert world.status.lag_messages == 0

    world.link_down()
    world.store(*numbers(301, 600))
    assert world.status.lag_messages == 300


@pytest.mark.parametrize("options", ORDERS)
@pytest.mark.parametrize("seed", range(10))
def test_the_lag_is_0_only_when_the_hub_has_all(seed: int, options: UplinkStream) -> None:
    rng, world, stored = random.Random(seed), World(options), 0
    world.start()
    zeros = 0
    for _ in range(300):
        match rng.randrange(6):
            case 0 | 1:
                burst = numbers(stored + 1, stored + rng.choice((1, 1, 5, 90)))
                world.store(*burst)
                stored += len(burst)
            case 2 if world.hub.is_connected():
                world.link_down()
            case 2 | 3:
                world.link_up() if not world.hub.is_connected() else None
            case 4 if stored and rng.random() < 0.3:
                world.restart()
        for _ in range(rng.randrange(8)):
            world.clock.advance(rng.choice((1, 7, 40, 300, 900)) * NS_PER_MS)
            has_all = len(set(world.hub.payloads())) == stored
            zeros += world.status.lag_messages == 0
            assert has_all or world.status.lag_messages > 0
    world.link_down()
    world.link_up()
    world.clock.advance(60 * NS_PER_S)
    assert (world.status.lag_messages, zeros > 0) == (0, True)
