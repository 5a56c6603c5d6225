"""What all plain framings share: ids, counts and polls."""

from __future__ import annotations

import pytest

from leafnode.bridge.framing import FRAMINGS, SPLITTERS
from leafnode.bridge.framing.frames import READ_MOST_MS, READ_MS, Frames
from leafnode.bridge.reading import Reading, Receipt
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.config.parser import parse
from leafnode.config.place import Place
from leafnode.config.serial_check import check
from leafnode.config.serial_framing import framing as framing_option
from leafnode.errors import ConfigError
from leafnode.limits import SERIAL_READ_BYTES
from tests.unit.bridge.framing.feeding import feed, framing_of


def test_every_reading_has_an_id_of_its_own() -> None:
    framing = framing_of("start_end", start=b"<", end=b">")
    framing.receive(b"<same><same>", 0)

    assert framing.next_event() == Reading(b"scale.boot.1", b"same")
    assert framing.next_event() == Reading(b"scale.boot.2", b"same")


@pytest.mark.parametrize("kind", ["line", "idle", "raw"])
def test_a_polled_sensor_is_asked_at_once_and_then_at_its_interval(kind: str) -> None:
    framing = framing_of(kind, poll=b"SI\r\n", poll_every_ns=5 * NS_PER_S)
    framing.opened(1000)

    assert framing.next_timeout_ms(1000) == 0
    assert framing.data_to_send(1000) == b"SI\r\n"
    assert framing.data_to_send(1000) == b""
    assert framing.next_timeout_ms(2000) == 4000
    assert framing.data_to_send(5999) == b""
    assert framing.data_to_send(6000) == b"SI\r\n"


def test_a_sensor_is_asked_again_when_its_port_was_opened_again() -> None:
    framing = framing_of("line", poll=b"?", poll_every_ns=5 * NS_PER_S)
    framing.opened(0)
    framing.data_to_send(0)

    framing.opened(100)

    assert framing.data_to_send(100) == b"?"


def test_questions_that_were_missed_are_not_made_up_for() -> None:
    framing = framing_of("line", poll=b"?", poll_every_ns=NS_PER_S)
    framing.opened(0)

    assert [framing.data_to_send(now_ms) for now_ms in (60_000, 60_000, 60_999)] == [b"?", b"", b""]


def test_while_the_port_is_not_read_nothing_is_asked_and_no_answer_is_given_up() -> None:
    framing = framing_of("line", poll=b"?", poll_every_ns=5 * NS_PER_S, keep_first=True)
    assert isinstance(framing, Frames)
    framing.opened(0)
    assert framing.data_to_send(0) == b"?"

    framing.hold(on=True, now_ms=100)
    assert framing.data_to_send(60_000) == b""
    assert framing.next_timeout_ms(60_000) is None
    framing.hold(on=False, now_ms=60_000)

    assert framing.awaits_ms(60_000) == READ_MS
    assert framing.next_timeout_ms(60_000) == READ_MS
    framing.receive(b"1\n2\n", 60_001)
    assert framing.next_event() is not None
    assert framing.next_event() is not None
    assert framing.awaits_ms(60_001) == 0


@pytest.mark.parametrize("every_s", [5, 0.2])
def test_an_answer_is_awaited_behind_one_pause_and_not_behind_each(every_s: float) -> None:
    framing = framing_of("line", poll=b"?", poll_every_ns=int(every_s * NS_PER_S), keep_first=True)
    assert isinstance(framing, Frames)
    framing.opened(0)
    assert framing.data_to_send(0) == b"?"
    framing.hold(on=True, now_ms=100)
    framing.hold(on=False, now_ms=120)
    left_ms = min(880, int(every_s * 1000) - 120)
    assert framing.awaits_ms(120) == max(left_ms, READ_MS)

    for now_ms in (2_000, 3_000):
        framing.hold(on=True, now_ms=now_ms)
        framing.hold(on=False, now_ms=now_ms + 400)
        assert framing.awaits_ms(now_ms + 400) == (
            READ_MS if now_ms == 2_000 and every_s == 5 else 0
        )


def asked_before_a_pause(kind: str = "line", **options: int) -> Frames:
    """What waits with the kernel then is read in several goes, with a pause behind each."""
    every_ns = 300 * NS_PER_S
    framing = framing_of(kind, poll=b"?", poll_every_ns=every_ns, keep_first=True, **options)
    assert isinstance(framing, Frames)
    framing.opened(0)
    assert framing.data_to_send(0) == b"?"
    framing.hold(on=True, now_ms=100)
    framing.hold(on=False, now_ms=60_000)
    return framing


def reads_and_pauses(framing: Frames, size: int, now_ms: int) -> None:
    feed(framing, b"x" * (size - 1) + b"\n", now_ms=now_ms)
    framing.hold(on=True, now_ms=now_ms)
    framing.hold(on=False, now_ms=now_ms + 10)


def test_an_answer_is_awaited_until_all_that_came_in_its_time_was_read() -> None:
    framing = asked_before_a_pause()

    reads_and_pauses(framing, SERIAL_READ_BYTES, 60_010)
    assert framing.awaits_ms(60_020) >= READ_MS
    reads_and_pauses(framing, SERIAL_READ_BYTES - 1, 60_030)  # a tty has no more at once
    assert framing.awaits_ms(60_040) >= READ_MS
    reads_and_pauses(framing, 100, 60_050)
    assert framing.awaits_ms(60_060) == 0


def test_no_answer_is_awaited_without_end_of_a_device_that_never_stops() -> None:
    framing = asked_before_a_pause()

    reads_and_pauses(framing, SERIAL_READ_BYTES, 60_000 + READ_MOST_MS - 100)
    assert framing.awaits_ms(60_000 + READ_MOST_MS - 90) > 0
    reads_and_pauses(framing, SERIAL_READ_BYTES, 60_000 + READ_MOST_MS)
    assert framing.awaits_ms(60_000 + READ_MOST_MS + 10) == 0


@pytest.mark.parametrize(("kind", "option"), [("idle", "gap_ns"), ("raw", "every_ns")])
def test_an_answer_is_awaited_until_the_time_that_ends_it_is_over(kind: str, option: str) -> None:
    ends_ms = 300
    framing = asked_before_a_pause(kind, **{option: ends_ms * NS_PER_MS})
    assert framing.awaits_ms(60_000) == READ_MS + ends_ms
    framing.receive(b"1", 60_010)
    framing.hold(on=False, now_ms=60_010)

    assert framing.next_event() is None
    assert framing.awaits_ms(60_010 + ends_ms) > 0
    assert feed(framing, b"", now_ms=60_010 + ends_ms) == [b"1"]
    assert framing.awaits_ms(60_010 + ends_ms) == 0


@pytest.mark.parametrize(("kind", "option"), [("idle", "gap_ns"), ("raw", "every_ns")])
def test_no_answer_is_awaited_for_a_minute_that_a_frame_may_take(kind: str, option: str) -> None:
    framing = asked_before_a_pause(kind, **{option: 60 * NS_PER_S})

    assert framing.awaits_ms(60_000) == READ_MOST_MS


def test_an_answer_is_awaited_until_all_of_it_is_there() -> None:
    framing = asked_before_a_pause()

    assert feed(framing, b"answer ", now_ms=60_010) == []
    framing.hold(on=False, now_ms=60_010)
    assert framing.awaits_ms(60_010) > 0
    assert feed(framing, b"to it\n", now_ms=60_020) == [b"answer to it"]
    assert framing.awaits_ms(60_020) == 0


@pytest.mark.parametrize("kind", ["line", "raw"])
def test_an_answer_is_awaited_as_long_as_it_comes_but_not_beyond_the_next_poll(kind: str) -> None:
    framing = framing_of(kind, poll=b"?", poll_every_ns=5 * NS_PER_S)
    assert isinstance(framing, Frames)
    framing.opened(0)
    framing.data_to_send(0)
    framing.sent(200)

    awaited = []
    for now_ms in range(200, 5200, 800):
        framing.receive(b"\x00", now_ms)
        awaited.append(framing.awaits_ms(now_ms))

    assert awaited == [1000] * 5 + [800, 0]


def test_without_a_poll_nothing_is_sent() -> None:
    framing = framing_of("line")

    assert framing.data_to_send(0) == b""
    assert framing.next_timeout_ms(0) is None


def test_a_plain_frame_has_no_receipt() -> None:
    with pytest.raises(AssertionError):
        framing_of("line").committed(Receipt((b"b", 1), 1))


def test_noise_before_the_first_frame_is_no_lost_place() -> None:
    framing = framing_of("line")

    assert feed(framing, b"tail\n1\n") == [b"1"]
    assert (framing.counts().noise_bytes, framing.counts().resyncs) == (4, 0)


@pytest.mark.parametrize("kind", [*SPLITTERS, *FRAMINGS])
def test_every_framing_is_a_word_of_the_configuration(kind: str) -> None:
    place = Place(parse(f"framing: {kind}", "x").root.value["framing"], "framing")  # type: ignore[index]
    try:
        assert framing_option(place).type == kind
    except ConfigError as err:
        assert "expected length" in str(err) or "expected start" in str(err)  # noqa: PT017


def test_a_check_is_a_word_of_the_configuration() -> None:
    place = Place(parse("check: lrc", "x").root.value["check"], "check")  # type: ignore[index]

    assert check(place).type == "lrc"
