"""What holds for all inputs. CPython only: hypothesis does not run on MicroPython."""

from hypothesis import given
from hypothesis import strategies as st

from leafnode.link import cobs, const, verbs
from leafnode.link.counters import LineCounters
from leafnode.link.crc import crc32, crc32_portable
from leafnode.link.device import DeviceSession
from leafnode.link.frame import FrameReader
from leafnode.link.gateway import GatewaySession
from leafnode.link.ticks import elapsed_ms
from tests.unit.link.lossy import World
from tests.unit.link.talking import TalkWorld
from tests.unit.link.wire import (
    BOOT,
    START_MS,
    all_to_send,
    frames_in,
    from_board,
    from_device,
    from_gateway,
    hello_body,
    on_channel,
    pub,
    up_board,
    up_channel,
)


@given(st.binary(max_size=1100))
def test_cobs_round_trip_without_a_zero_byte(data):
    target = bytearray(cobs.encoded_bytes_max(len(data)))
    size = cobs.encode_into(bytearray(data), len(data), target, 0)
    stuffed = bytes(target[:size])
    plain = bytearray(size)

    assert b"\x00" not in stuffed
    assert bytes(plain[: cobs.decode_into(bytearray(stuffed), size, plain)]) == data


@given(st.binary(max_size=600))
def test_cobs_decode_takes_any_bytes_and_stays_in_its_target(data):
    target = bytearray(len(data))

    assert -1 <= cobs.decode_into(bytearray(data), len(data), target) <= len(data)
    assert len(target) == len(data)


@given(st.binary(max_size=200))
def test_the_portable_crc_agrees_with_binascii(data):
    assert crc32_portable(data) == crc32(data)


@given(
    kind=st.integers(0, 255),
    boot_id=st.integers(0, 2**32 - 1),
    seq=st.integers(0, 2**32 - 1),
    ack=st.integers(0, 2**32 - 1),
    body=st.binary(max_size=const.FRAME_BYTES_MAX - const.OVERHEAD_BYTES),
)
def test_frames_round_trip(kind, boot_id, seq, ack, body):
    data = from_device(kind, boot_id, seq, ack, body)

    assert frames_in(data) == [(kind, boot_id, seq, ack, body)]


@given(st.integers(0, 2**62), st.integers(-(2**28) + 1, 2**28 - 1), st.sampled_from([29, 30, 62]))
def test_elapsed_is_right_across_any_wrap(then_ms, difference_ms, period_bits):
    mask = (1 << period_bits) - 1

    assert elapsed_ms((then_ms + difference_ms) & mask, then_ms & mask) == difference_ms


def readings_line():
    noise = b"\r\nboot\r\n>>> "
    hello = from_device(const.HELLO, body=hello_body(b"dev-1"))
    log = from_device(const.LOG, body=b"\x06hi")
    return noise + hello + pub(1, b"one") + noise + pub(3) + pub(2, b"\x00\x00") + log + pub(3)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=40))
def test_any_chunking_gives_the_same_events_and_the_same_answer(sizes):
    line = readings_line()
    whole = GatewaySession()
    expected = [repr(event) for event in whole.receive(line, START_MS)]
    gateway = GatewaySession()
    events = []
    at = 0
    while at < len(line):
        size = sizes[at % len(sizes)]
        events += [repr(event) for event in gateway.receive(line[at : at + size], START_MS)]
        at += size

    assert events == expected
    assert len(events) == 5
    assert vars(gateway.counters) == vars(whole.counters)
    assert all_to_send(gateway, START_MS) == all_to_send(whole, START_MS)


@given(st.lists(st.binary(max_size=60), max_size=30))
def test_neither_end_minds_garbage(chunks):
    device = DeviceSession("dev-1", BOOT)
    gateway = GatewaySession()
    for chunk in chunks:
        assert gateway.receive(chunk, START_MS) == []
        device.receive(chunk, START_MS)
        all_to_send(gateway, START_MS)
        all_to_send(device, START_MS)

    assert gateway.peer is None
    assert not device.is_up


@given(
    st.lists(
        st.tuples(
            st.integers(0, 12),
            st.sampled_from([0, BOOT, 5]),
            st.integers(0, 12),
            st.integers(0, 12),
            st.binary(max_size=20) | st.just(hello_body(b"dev-1")),
            st.sampled_from([0, 1, 49, 2000, 6000]),
        ),
        max_size=30,
    )
)
def test_any_sequence_of_valid_frames_is_taken_without_an_exception(frames):
    device = DeviceSession("dev-1", BOOT, 4, 8, 200)
    gateway = GatewaySession(wall_ms=lambda: 1_800_000_000_000)
    now_ms = START_MS
    for kind, boot_id, seq, ack, body, wait_ms in frames:
        device.publish("t", b"x")
        device.receive(from_gateway(kind, boot_id, seq, ack, body), now_ms)
        for event in gateway.receive(from_device(kind, boot_id, seq, ack, body), now_ms):
            assert event.device == "dev-1"
        now_ms += wait_ms
        all_to_send(device, now_ms)
        all_to_send(gateway, now_ms)
        # The numbers never run ahead of what happened, whatever the peer claims.
        assert device.counters.acked <= device.counters.sent
        assert device.unacked <= 8
        assert gateway.uncommitted <= const.WINDOW_MAX
        assert device.next_timeout_ms(now_ms) >= 0


@given(data=st.data())
def test_a_damaged_frame_is_never_accepted_as_something_else(data):
    frame = bytearray(pub(7, b"21.5 degrees", ack=6))
    flips = data.draw(st.lists(st.integers(0, 8 * len(frame) - 1), min_size=1, max_size=6))
    for bit in flips:
        frame[bit // 8] ^= 1 << bit % 8

    found = frames_in(bytes(frame) + b"\x00")

    assert found in ([], frames_in(pub(7, b"21.5 degrees", ack=6)))


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=80))
def test_the_ring_keeps_its_bounds_and_the_newest_readings(steps):
    device = DeviceSession("dev-1", BOOT, 1, 5, 60)
    kept = []
    for size, up in steps:
        payload = b"x" * size
        seq = device.publish("t", payload)
        kept.append((seq, size + 2))
        while len(kept) > 5 or sum(bytes_ for _, bytes_ in kept) > 60:
            kept.pop(0)
        if up:
            all_to_send(device, START_MS)

        assert device.unacked == len(kept)
        assert device.unacked_bytes == sum(bytes_ for _, bytes_ in kept)
    assert device.counters.dropped == len(steps) - len(kept)


@given(
    seed=st.integers(0, 2**32 - 1),
    loss_percent=st.integers(0, 40),
    crash_permille=st.integers(0, 30),
    window=st.integers(1, 8),
)
def test_a_lossy_wire_with_crashes_loses_and_doubles_nothing(
    seed, loss_percent, crash_permille, window
):
    world = World(seed, loss_percent, crash_permille, window)
    world.run(publish_until_ms=3000)
    world.check()
    assert not world.dropped


@given(seed=st.integers(0, 2**32 - 1), window=st.integers(1, 8), messages=st.integers(1, 6))
def test_a_small_ring_on_a_lossy_wire_loses_only_what_it_counts(seed, window, messages):
    world = World(seed, 20, 5, window, (messages, 100))
    world.run(publish_until_ms=3000)
    world.check()


@given(st.binary(max_size=3000), st.integers(0, 200))
def test_a_babbling_line_never_costs_more_than_one_frame_of_memory(noise, at):
    counters = LineCounters()
    reader = FrameReader(const.FRAME_BYTES_MIN, counters)
    frame = from_device(const.PING)
    data = noise[:at] + noise[at:] + frame
    position = 0
    kinds = []
    while position < len(data):
        position = reader.feed(data, position)
        if reader.ready:
            kinds.append(reader.kind)

    assert kinds[-1] == const.PING
    assert len(reader._line) == cobs.encoded_bytes_max(const.FRAME_BYTES_MIN)


@given(
    seed=st.integers(0, 2**32 - 1),
    loss_percent=st.integers(0, 40),
    crash_permille=st.integers(0, 20),
    window=st.integers(1, 8),
    crc16=st.booleans(),
)
def test_a_lossy_wire_with_crashes_does_nothing_twice_that_was_asked(
    seed, loss_percent, crash_permille, window, crc16
):
    world = TalkWorld(seed, loss_percent, crash_permille, window, crc16)
    world.run(publish_until_ms=3000)
    world.check()


@given(
    st.lists(
        st.tuples(
            st.integers(9, 17),
            st.integers(0, 3),
            st.integers(0, 4),
            st.binary(max_size=12)
            | st.sampled_from([b"\x01\x01led", b"\x07\x00\xe8\x03\x01z", b"\x01\x01tx", b"\x01aa"]),
            st.sampled_from([0, 1, 49, 2000, 6000]),
        ),
        max_size=30,
    )
)
def test_any_sequence_of_channel_frames_is_taken_without_an_exception(frames):
    device, messages = up_board()
    messages.serve("led", lambda message: message.payload)
    gateway = up_channel()
    now_ms = START_MS
    for kind, epoch, number, body, wait_ms in frames:
        messages.request("z", b"", 100, lambda status, payload: None, now_ms)
        device.receive(on_channel(kind, number, body, epoch), now_ms)
        for event in gateway.receive(from_board(kind, number, body, epoch), now_ms):
            assert event.device == "dev-1"
        gateway.channel.message(1, "led", b"on")
        gateway.channel.request(1, "led", b"on")
        now_ms += wait_ms
        all_to_send(device, now_ms)
        all_to_send(gateway, now_ms)
        assert gateway.channel.waiting <= verbs.MESSAGES_MAX + 3 * verbs.REQUESTS_MAX
        assert device.next_timeout_ms(now_ms) >= 0
