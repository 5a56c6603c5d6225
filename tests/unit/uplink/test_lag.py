"""How much waits: messages, bytes, seconds."""

from __future__ import annotations

from leafnode.clock import NS_PER_S
from leafnode.uplink.answers import ConsumerInfo, StreamInfo, StreamState
from leafnode.uplink.lag import Lag
from leafnode.uplink.window import Entry, Window


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
    lag.oldest(150 * NS_PER_S)
    assert lag.seconds(window, 200 * NS_PER_S) == 50

    window.offer(Entry(1, b"ev", 0, b"", b"", 100 * NS_PER_S))

    assert lag.seconds(window, 200 * NS_PER_S) == 100
    assert lag.seconds(window, 50 * NS_PER_S) == 0  # the clock was set back


def test_nothing_waits_no_time() -> None:
    lag = noted(messages=0, size=0, behind=0)
    lag.oldest(1)

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
