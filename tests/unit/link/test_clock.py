"""A board's clock: told, asked for, corrected, kept; and the stamps of readings."""

from leafnode.link import const
from leafnode.link.clock import ASK_MS, ASKS_MAX, SYNC_MS, DeviceClock
from leafnode.link.device import DeviceSession
from tests.unit.link.wire import (
    BOOT,
    START_MS,
    all_to_send,
    frames_in,
    from_gateway,
    hello_body,
    raises,
)

SECONDS = 1800000000


def time_body(seconds=SECONDS, millis=250, asked_ms=None):
    body = seconds.to_bytes(4, "little") + millis.to_bytes(2, "little")
    return body if asked_ms is None else body + asked_ms.to_bytes(4, "little")


def up_with_clock(capabilities=const.CAPABILITY_CLOCK):
    clock = DeviceClock()
    device = DeviceSession("dev-1", BOOT, clock=clock)
    all_to_send(device, START_MS)
    device.receive(from_gateway(const.HELLO, body=hello_body(capabilities=capabilities)), START_MS)
    return device, clock


def asked(device, now_ms):
    """Return the cookies of the questions that the device sends now."""
    frames = frames_in(all_to_send(device, now_ms))
    return [int.from_bytes(f[4], "little") for f in frames if f[0] == const.TIME]


def sent(device, now_ms):
    """Return (flags, body) of the readings that the device sends now."""
    from leafnode.link.counters import LineCounters
    from leafnode.link.frame import FrameReader

    reader = FrameReader(const.FRAME_BYTES_MAX, LineCounters())
    data, at, found = all_to_send(device, now_ms), 0, []
    while at < len(data):
        at = reader.feed(data, at)
        if reader.ready and reader.kind == const.PUB:
            found.append((reader.flags, bytes(reader.body)))
    return found


def test_a_board_with_a_clock_says_so():
    device = DeviceSession("dev-1", BOOT, clock=DeviceClock())

    capabilities = frames_in(all_to_send(device, START_MS))[0][4][4]

    wanted = const.CAPABILITY_TIME | const.CAPABILITY_CLOCK | const.CAPABILITY_LOG
    assert capabilities == wanted


def test_time_that_the_gateway_tells_goes_on_with_the_ticks_and_past_their_wrap():
    device, clock = up_with_clock(capabilities=0)
    assert clock.wall_ms(START_MS) is None

    device.receive(from_gateway(const.TIME, body=time_body()), START_MS)
    assert clock.wall_ms(START_MS + 500) == SECONDS * 1000 + 750

    day_ms = 86400000
    now_ms = START_MS + 500
    for _ in range(24 * 10):
        now_ms += day_ms // 24
        device.data_to_send(now_ms % (1 << 29))
    assert clock.wall_ms(now_ms % (1 << 29)) == SECONDS * 1000 + 750 + 10 * day_ms


def test_a_cut_time_is_no_time():
    device, clock = up_with_clock()

    device.receive(from_gateway(const.TIME, body=b"\x01\x02"), START_MS)

    assert device.counters.unknown_frames == 1
    assert clock.wall_ms(START_MS) is None


def test_an_answer_is_corrected_by_half_its_round_trip():
    device, clock = up_with_clock()
    (cookie,) = asked(device, START_MS)
    assert cookie == START_MS

    device.receive(from_gateway(const.TIME, body=time_body(asked_ms=cookie)), START_MS + 80)

    assert clock.wall_ms(START_MS + 80) == SECONDS * 1000 + 250 + 40
    assert (clock.syncs, clock.error_ms) == (1, 40)


def test_of_a_round_the_answer_with_the_shortest_round_trip_holds():
    device, clock = up_with_clock()
    now_ms = START_MS
    for round_trip_ms in (100, 20, 300, 60):
        (cookie,) = asked(device, now_ms)
        told = SECONDS * 1000 + (now_ms - START_MS) + round_trip_ms // 2
        body = time_body(told // 1000, told % 1000, cookie)
        device.receive(from_gateway(const.TIME, body=body), now_ms + round_trip_ms)
        now_ms += ASK_MS

    assert (clock.syncs, clock.error_ms) == (2, 10)
    assert clock.wall_ms(now_ms) == SECONDS * 1000 + now_ms - START_MS


def test_a_round_is_four_questions_and_the_next_one_is_five_minutes_later():
    device, _ = up_with_clock()
    now_ms = START_MS
    questions = 0
    while now_ms < START_MS + 60000:
        questions += len(asked(device, now_ms))
        now_ms += 100
        device.receive(from_gateway(const.PONG), now_ms)
    assert questions == ASKS_MAX

    while now_ms < START_MS + SYNC_MS + 3 * ASK_MS:
        now_ms += 100
        device.receive(from_gateway(const.PONG), now_ms)
        questions += len(asked(device, now_ms))
    assert questions == ASKS_MAX + 1


def test_an_answer_to_a_former_question_says_nothing_of_the_round_trip():
    device, clock = up_with_clock()
    (cookie,) = asked(device, START_MS)
    asked(device, START_MS + ASK_MS)

    device.receive(from_gateway(const.TIME, body=time_body(asked_ms=cookie)), START_MS + ASK_MS + 1)

    assert not clock.is_set


def test_a_gateway_of_the_first_version_is_not_asked():
    device, _ = up_with_clock(capabilities=0)

    assert asked(device, START_MS) == []
    assert device.next_timeout_ms(START_MS) == const.PING_MS


def test_a_reading_is_stamped_with_when_it_was_measured_not_when_it_left():
    device, _ = up_with_clock()
    device.receive(from_gateway(const.TIME, body=time_body(SECONDS, 0)), START_MS)

    device.publish("t", b"21", START_MS + 1200)
    ((flags, body),) = sent(device, START_MS + 5000)

    assert flags & const.FLAG_STAMPED
    assert body == b"\x01t21" + time_body(SECONDS + 1, 200)


def test_a_reading_from_before_the_time_was_known_is_stamped_all_the_same():
    clock = DeviceClock()
    device = DeviceSession("dev-1", BOOT, clock=clock)
    device.publish("t", b"21", START_MS)
    all_to_send(device, START_MS)
    hello = hello_body(capabilities=const.CAPABILITY_CLOCK)
    device.receive(from_gateway(const.HELLO, body=hello), START_MS + 10000)
    device.receive(from_gateway(const.TIME, body=time_body(SECONDS, 0)), START_MS + 10000)

    ((_, body),) = sent(device, START_MS + 10000)

    assert body[4:] == time_body(SECONDS - 10, 0)


def test_without_time_or_without_a_gateway_that_takes_them_there_are_no_stamps():
    for capabilities, told in ((const.CAPABILITY_CLOCK, False), (0, True)):
        device, _ = up_with_clock(capabilities)
        if told:
            device.receive(from_gateway(const.TIME, body=time_body()), START_MS)
        device.publish("t", b"21", START_MS)

        assert sent(device, START_MS) == [(0, b"\x01t21")]


def test_a_reading_that_is_published_without_its_time_goes_without():
    device, _ = up_with_clock()
    device.receive(from_gateway(const.TIME, body=time_body()), START_MS)

    device.publish("t", b"21")

    assert sent(device, START_MS) == [(0, b"\x01t21")]


def test_a_stamp_counts_for_what_fits_a_frame():
    from leafnode.link.errors import ReadingTooLarge

    device = DeviceSession("dev-1", BOOT, clock=DeviceClock(), frame_bytes_max=96)
    room = 96 - const.OVERHEAD_BYTES - const.STAMP_BYTES - 2

    assert device.publish("t", bytes(room)) == 1
    raises(ReadingTooLarge, device.publish, "t", bytes(room + 1))
