"""The device's end at its bounds: the ring, LOG, the end of the sequences.

Specification: docs/device-link.md, "Device" and "Timers and bounds".
"""

from leafnode.link import const
from leafnode.link.device import REFUSE, DeviceSession
from leafnode.link.errors import InvalidName, InvalidOption, InvalidSubject, ReadingTooLarge
from tests.unit.link.wire import (
    BOOT,
    OTHER_BOOT,
    START_MS,
    ack,
    all_to_send,
    frames_in,
    from_gateway,
    hello_body,
    new_device,
    raises,
    sent_seqs,
    up_device,
)

# The ring at its bounds


def test_a_full_ring_gives_up_the_oldest_and_says_so_to_the_gateway():
    device = up_device(window=1, ring_messages=3)
    for number in range(3):
        device.publish("t", bytes([number]))
    assert device.counters.dropped == 0

    assert device.publish("t", b"new") == 4

    assert (device.unacked, device.counters.dropped) == (3, 1)
    assert frames_in(all_to_send(device, START_MS)) == [(const.PUB, BOOT, 2, 1, b"\x01t\x01")]


def test_a_full_ring_that_refuses_returns_zero_and_keeps_what_it_has():
    device = up_device(window=1, ring_messages=2, policy=REFUSE)
    assert device.publish("t", b"1") == 1
    assert device.publish("t", b"2") == 2

    assert device.publish("t", b"3") == 0

    assert (device.unacked, device.counters.refused, device.counters.dropped) == (2, 1, 0)
    assert sent_seqs(device, START_MS) == [1]
    device.receive(ack(1), START_MS)
    assert device.publish("t", b"3") == 3


def test_the_byte_bound_gives_up_as_many_as_are_needed():
    device = up_device(ring_messages=10, ring_bytes=40)
    for _ in range(4):
        device.publish("t", b"12345678")
    assert (device.unacked_bytes, device.counters.dropped) == (40, 0)

    device.publish("t", b"123456789")

    assert (device.unacked_bytes, device.counters.dropped) == (31, 2)


def test_dropping_what_is_in_flight_does_not_confuse_the_late_ack():
    device = up_device(window=2, ring_messages=2)
    device.publish("t", b"1")
    device.publish("t", b"2")
    assert sent_seqs(device, START_MS) == [1, 2]
    device.publish("t", b"3")

    device.receive(ack(1), START_MS)
    assert device.unacked == 2
    device.receive(ack(2), START_MS)

    assert (device.unacked, device.counters.acked, device.counters.dropped) == (1, 1, 1)
    assert sent_seqs(device, START_MS) == [3]


def test_a_gateway_that_starts_from_a_floor_of_dropped_readings_is_believed():
    device = DeviceSession("dev-1", BOOT, ring_messages=1)
    for _ in range(5):
        device.publish("t", b"")

    device.receive(from_gateway(const.HELLO, seq=4, ack=4, body=hello_body()), START_MS)

    assert device.is_up
    assert sent_seqs(device, START_MS) == [5]


def test_a_reading_of_the_largest_size_is_taken_and_one_byte_more_is_refused():
    device = up_device(frame_bytes_max=100)
    largest = 100 - const.OVERHEAD_BYTES - len(b"\x01t")

    assert device.publish("t", b"x" * largest) == 1
    error = raises(ReadingTooLarge, device.publish, "t", b"x" * (largest + 1))

    assert (error.size, error.size_max) == (83, 82)
    assert len(all_to_send(device, START_MS)) > 0


def test_a_reading_that_the_empty_ring_cannot_hold_is_refused():
    device = up_device(ring_bytes=16)

    assert device.publish("t", b"x" * 14) == 1
    raises(ReadingTooLarge, device.publish, "t", b"x" * 15)
    assert device.unacked == 1


def test_invalid_subjects_names_and_options_are_refused():
    device = new_device()

    for subject in ("", "a b", "a.*", "a..b", "a\r\n"):
        raises(InvalidSubject, device.publish, subject, b"")
    raises(InvalidName, DeviceSession, "a.b", BOOT)
    raises(InvalidOption, DeviceSession, "a", 0)
    raises(InvalidOption, DeviceSession, "a", const.BOOT_ID_MAX + 1)
    raises(InvalidOption, DeviceSession, "a", BOOT, 0)
    raises(InvalidOption, DeviceSession, "a", BOOT, 9)
    raises(InvalidOption, DeviceSession, "a", BOOT, 4, 0)
    assert device.unacked == 0


# LOG, the end of the sequences


def test_log_lines_wait_for_the_link_and_the_oldest_gives_way_at_the_bound():
    device = new_device()
    for number in range(const.LOGS_MAX):
        device.log(6, f"line {number}")
    assert device.counters.logs_dropped == 0
    device.log(3, "one more")
    assert device.counters.logs_dropped == 1

    device.receive(from_gateway(const.HELLO, body=hello_body()), START_MS)
    frames = frames_in(all_to_send(device, START_MS))

    assert [frame[4] for frame in frames] == [
        b"\x06line 1",
        b"\x06line 2",
        b"\x06line 3",
        b"\x03one more",
    ]


def test_a_long_log_line_is_cut_to_the_frame():
    device = up_device(frame_bytes_max=100)

    device.log(6, "x" * 500)

    assert len(frames_in(all_to_send(device, START_MS))[0][4]) == 100 - const.OVERHEAD_BYTES


def test_sequences_end_at_their_bound_and_go_on_with_a_new_boot_id():
    device = up_device()
    device._floor = device._sent_seq = device._last_seq = const.SEQ_MAX - 1
    device._next_seq = const.SEQ_MAX
    assert device.renew_due
    assert device.publish("t", b"last") == const.SEQ_MAX
    assert not device.renew_due

    assert device.publish("t", b"too many") == 0
    assert device.counters.refused == 1
    all_to_send(device, START_MS)
    device.receive(ack(const.SEQ_MAX), START_MS)
    assert device.renew_due
    device.renew(OTHER_BOOT)

    assert not device.renew_due
    assert device.publish("t", b"first") == 1
    frames = frames_in(all_to_send(device, START_MS))
    assert [frame[:4] for frame in frames] == [(const.HELLO, OTHER_BOOT, 0, 0)]
