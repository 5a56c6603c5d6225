"""The device's end, alone: states, window, timers, ring. Specification: docs/device-link.md,
"Device".
"""

from leafnode.link import const
from leafnode.link.device import DeviceSession
from tests.unit.link.wire import (
    BOOT,
    OTHER_BOOT,
    START_MS,
    ack,
    all_to_send,
    frames_in,
    from_device,
    from_gateway,
    hello_body,
    kinds_in,
    new_device,
    sent_seqs,
    up_device,
)

# HELLO


def test_the_first_thing_a_device_says_is_hello_with_its_name_and_floor():
    device = new_device()
    device.publish("t", b"kept")

    data = device.data_to_send(START_MS)

    assert frames_in(data) == [
        (const.HELLO, BOOT, 0, 0, b"\x01\x04\x00\x01\x02\x00\x05dev-1"),
    ]


def test_hello_is_repeated_at_doubling_intervals_up_to_two_seconds():
    device = new_device()
    now_ms = START_MS
    waits = []
    for _ in range(8):
        assert kinds_in(all_to_send(device, now_ms)) == [const.HELLO]
        waits.append(device.next_timeout_ms(now_ms))
        now_ms += waits[-1]

    assert waits == [50, 100, 200, 400, 800, 1600, 2000, 2000]


def test_no_reading_is_sent_before_the_gateways_hello():
    device = new_device()
    device.publish("t", b"1")

    assert kinds_in(all_to_send(device, START_MS)) == [const.HELLO]
    device.receive(from_gateway(const.HELLO, body=hello_body()), START_MS)
    assert sent_seqs(device, START_MS) == [1]


def test_a_hello_for_another_boot_is_ignored():
    device = new_device()

    device.receive(from_gateway(const.HELLO, OTHER_BOOT, body=hello_body()), START_MS)

    assert not device.is_up
    assert device.counters.stale_frames == 1


def test_a_hello_of_another_version_is_a_bad_frame():
    device = new_device()

    device.receive(from_gateway(const.HELLO, body=b"\x02"), START_MS)

    assert not device.is_up
    assert device.counters.bad_frames == 1


def test_the_smaller_window_of_both_ends_holds():
    device = DeviceSession("dev-1", BOOT, 8)
    for _ in range(10):
        device.publish("t", b"")
    device.receive(from_gateway(const.HELLO, body=hello_body(window=3)), START_MS)

    assert sent_seqs(device, START_MS) == [1, 2, 3]


def test_ones_own_echo_is_counted_and_starts_nothing():
    device = new_device()

    device.receive(device.data_to_send(START_MS), START_MS)

    assert not device.is_up
    assert device.counters.echoes == 1


def test_hello_tells_the_gateway_what_is_received_already_so_it_is_not_sent_again():
    device = up_device()
    for _ in range(3):
        device.publish("t", b"")
    all_to_send(device, START_MS)
    device.receive(from_gateway(const.HELLO_REQUEST), START_MS)

    device.receive(from_gateway(const.HELLO, seq=2, ack=1, body=hello_body()), START_MS)

    assert sent_seqs(device, START_MS) == [3]
    assert device.unacked == 2


def test_a_hello_request_with_boot_zero_or_ones_own_is_answered_with_hello():
    for boot_id in (0, BOOT):
        device = up_device()

        device.receive(from_gateway(const.HELLO_REQUEST, boot_id), START_MS)

        assert not device.is_up
        assert kinds_in(all_to_send(device, START_MS)) == [const.HELLO]


def test_a_hello_request_for_another_boot_is_ignored():
    device = up_device()

    device.receive(from_gateway(const.HELLO_REQUEST, OTHER_BOOT), START_MS)

    assert device.is_up


def test_a_refused_device_keeps_its_readings_says_why_and_tries_every_two_seconds():
    device = up_device()
    device.publish("t", b"1")

    device.receive(from_gateway(const.REFUSE, body=b"\x01speak version 2"), START_MS)

    assert device.refused_by_gateway == "speak version 2 (code 1)"
    assert device.unacked == 1
    assert device.data_to_send(START_MS) == b""
    assert device.next_timeout_ms(START_MS) == 2000
    assert kinds_in(all_to_send(device, START_MS + 2000)) == [const.HELLO]
    device.receive(from_gateway(const.HELLO, body=hello_body()), START_MS + 2000)
    assert device.refused_by_gateway == ""


# Readings and acks


def test_sequences_start_at_one_and_rise_by_one():
    device = new_device()

    assert [device.publish("t", b"") for _ in range(3)] == [1, 2, 3]


def test_a_reading_is_kept_until_its_ack():
    device = up_device()
    device.publish("a.b", b"21.5")

    assert frames_in(all_to_send(device, START_MS)) == [
        (const.PUB, BOOT, 1, 0, b"\x03a.b21.5"),
    ]
    assert device.unacked == 1
    device.receive(ack(1), START_MS)
    assert device.unacked == 0
    assert device.counters.acked == 1


def test_an_ack_is_cumulative():
    device = up_device()
    for _ in range(4):
        device.publish("t", b"")
    all_to_send(device, START_MS)

    device.receive(ack(3), START_MS)

    assert device.unacked == 1
    assert device.counters.acked == 3


def test_received_is_not_committed():
    device = up_device()
    device.publish("t", b"")
    all_to_send(device, START_MS)

    device.receive(ack(0, received=1), START_MS)

    assert device.unacked == 1


def test_an_ack_of_what_was_never_sent_is_a_bad_frame_and_frees_nothing():
    device = up_device(window=1)
    device.publish("t", b"")
    device.publish("t", b"")
    all_to_send(device, START_MS)

    device.receive(ack(2), START_MS)

    assert device.unacked == 2
    assert device.counters.bad_frames == 1


def test_an_ack_for_another_boot_frees_nothing():
    device = up_device()
    device.publish("t", b"")
    all_to_send(device, START_MS)

    device.receive(from_gateway(const.ACK, OTHER_BOOT, 1, 1), START_MS)

    assert device.unacked == 1


def test_the_window_holds_and_moves_with_the_acks():
    device = up_device(window=2)
    for _ in range(5):
        device.publish("t", b"")

    assert sent_seqs(device, START_MS) == [1, 2]
    assert sent_seqs(device, START_MS) == []
    device.receive(ack(1), START_MS)
    assert sent_seqs(device, START_MS) == [3]


def test_a_reading_tells_the_gateway_what_the_device_no_longer_keeps():
    device = up_device()
    device.publish("t", b"")
    all_to_send(device, START_MS)
    device.receive(ack(1), START_MS)
    device.publish("t", b"")

    assert frames_in(all_to_send(device, START_MS)) == [(const.PUB, BOOT, 2, 1, b"\x01t")]


def test_data_to_send_gives_two_readings_at_a_time_until_nothing_is_left():
    device = up_device(window=8)
    for _ in range(5):
        device.publish("t", b"x" * 200)

    sizes = [len(frames_in(device.data_to_send(START_MS))) for _ in range(4)]

    assert sizes == [2, 2, 1, 0]


# Retransmission


def test_an_unacked_reading_is_sent_again_after_50_ms_then_at_doubling_intervals():
    device = up_device()
    device.publish("t", b"")
    assert sent_seqs(device, START_MS) == [1]
    now_ms = START_MS
    waits = []
    for _ in range(5):
        before = now_ms
        while not sent_seqs(device, now_ms):
            now_ms += max(1, device.next_timeout_ms(now_ms))
            # Pings keep the link up; only the retry timer is looked at here.
            device.receive(from_gateway(const.PONG), now_ms)
        waits.append(now_ms - before)

    assert waits == [50, 100, 200, 400, 800]
    assert device.counters.resent == 5
    assert device.counters.sent == 1


def test_the_retry_interval_never_exceeds_two_seconds():
    device = up_device()
    device.publish("t", b"")
    now_ms = START_MS
    last_ms = START_MS
    longest_ms = 0
    while now_ms < START_MS + 20000:
        if sent_seqs(device, now_ms):
            longest_ms = max(longest_ms, now_ms - last_ms)
            last_ms = now_ms
        device.receive(from_gateway(const.PONG), now_ms)
        now_ms += 10

    assert longest_ms == 2000


def test_going_back_resends_everything_after_what_the_gateway_holds():
    device = up_device()
    for _ in range(4):
        device.publish("t", b"")
    assert sent_seqs(device, START_MS) == [1, 2, 3, 4]
    device.receive(ack(1, received=2), START_MS + 10)

    now_ms = START_MS + 10 + 2000

    assert sent_seqs(device, now_ms) == [3, 4]


def test_what_the_gateway_holds_is_asked_about_rather_than_sent_again():
    device = up_device()
    device.publish("t", b"")
    all_to_send(device, START_MS)
    device.receive(ack(0, received=1), START_MS)

    assert kinds_in(all_to_send(device, START_MS + 50)) == [const.PING]
    assert device.counters.resent == 0


def test_a_gateway_that_takes_back_its_word_gets_the_reading_again():
    device = up_device()
    device.publish("t", b"")
    all_to_send(device, START_MS)
    device.receive(ack(0, received=1), START_MS)

    device.receive(ack(0, received=0), START_MS + 10)

    assert sent_seqs(device, START_MS + 50) == [1]


def test_the_first_interval_follows_a_slow_gateways_round_trip():
    device = up_device(window=1)
    now_ms = START_MS
    for seq in range(1, 8):
        device.publish("t", b"")
        all_to_send(device, now_ms)
        now_ms += 300
        # Not polled meanwhile, so that nothing is sent twice and each round trip counts.
        device.receive(ack(seq), now_ms)
    device.publish("t", b"")
    all_to_send(device, now_ms)

    assert device.next_timeout_ms(now_ms) > 300


def test_a_round_trip_in_which_readings_were_sent_again_is_not_believed():
    device = up_device()
    now_ms = START_MS
    for seq in (1, 2):
        device.publish("t", b"")
        all_to_send(device, now_ms)
        now_ms += 5
        device.receive(ack(seq), now_ms)
    for seq in range(3, 9):
        device.publish("t", b"")
        for _ in range(4):  # all of these tries arrive, and the answers to three are lost
            all_to_send(device, now_ms)
            now_ms += device.next_timeout_ms(now_ms)
        device.receive(ack(seq), now_ms)
    device.publish("t", b"")
    all_to_send(device, now_ms)

    assert device.next_timeout_ms(now_ms) == const.RETRY_MS


def test_with_a_known_round_trip_the_retry_interval_doubles_once():
    device = up_device()
    device.publish("t", b"")
    all_to_send(device, START_MS)
    now_ms = START_MS + 5
    device.receive(ack(1), now_ms)
    device.publish("t", b"")
    assert sent_seqs(device, now_ms) == [2]

    waits = []
    for _ in range(5):
        wait_ms = device.next_timeout_ms(now_ms)
        now_ms += wait_ms
        waits.append(wait_ms)
        assert sent_seqs(device, now_ms) == [2]

    assert waits == [50, 100, 100, 100, 100]


def test_a_reading_just_sent_is_not_sent_again_when_the_one_before_it_is_late():
    device = up_device()
    device.publish("t", b"")
    all_to_send(device, START_MS)
    device.receive(ack(0, received=1), START_MS + 5)
    device.publish("t", b"")
    assert sent_seqs(device, START_MS + 50) == [2]

    assert sent_seqs(device, START_MS + 60) == []
    assert device.next_timeout_ms(START_MS + 60) == 40


def test_a_commit_is_asked_for_at_doubling_intervals():
    device = up_device()
    device.publish("t", b"")
    all_to_send(device, START_MS)
    device.receive(ack(0, received=1), START_MS + 5)
    now_ms = START_MS + 5
    waits = []
    for _ in range(7):
        wait_ms = device.next_timeout_ms(now_ms)
        now_ms += wait_ms
        waits.append(wait_ms)
        assert kinds_in(all_to_send(device, now_ms)) == [const.PING]
        device.receive(ack(0, received=1), now_ms)

    assert waits == [50, 100, 200, 400, 800, 1600, 2000]


# Silence


def test_a_silent_gateway_is_pinged_after_two_seconds_and_taken_for_dead_after_six():
    device = up_device()

    assert device.next_timeout_ms(START_MS) == 2000
    assert device.data_to_send(START_MS + 1999) == b""
    assert kinds_in(all_to_send(device, START_MS + 2000)) == [const.PING]
    assert kinds_in(all_to_send(device, START_MS + 4000)) == [const.PING]
    assert device.is_up
    assert kinds_in(all_to_send(device, START_MS + 6000)) == [const.HELLO]
    assert not device.is_up
    assert device.counters.links_lost == 1


def test_anything_from_the_gateway_puts_the_ping_off():
    device = up_device()

    device.receive(from_gateway(const.ACK), START_MS + 1500)

    assert device.data_to_send(START_MS + 2000) == b""
    assert device.next_timeout_ms(START_MS + 2000) == 1500


def test_a_ping_is_answered_with_pong():
    device = up_device()

    device.receive(from_gateway(const.PING), START_MS)

    assert device.next_timeout_ms(START_MS) == 0
    assert kinds_in(all_to_send(device, START_MS)) == [const.PONG]


def test_timers_pass_the_wrap_of_the_ticks():
    wrap = 1 << 29
    device = DeviceSession("dev-1", BOOT)
    device.receive(from_gateway(const.HELLO, body=hello_body()), wrap - 20)
    device.publish("t", b"")
    assert sent_seqs(device, wrap - 20) == [1]

    assert device.next_timeout_ms(wrap - 20) == 50
    assert sent_seqs(device, 29) == []
    assert sent_seqs(device, 30) == [1]


def test_an_unknown_kind_is_counted_and_ignored():
    device = up_device()

    device.receive(from_gateway(0x7F, body=b"later"), START_MS)

    assert device.counters.unknown_frames == 1
    assert device.is_up


def test_frames_of_a_device_are_not_taken_for_the_gateways():
    device = up_device()

    device.receive(from_device(const.ACK, ack=1), START_MS)

    assert device.counters.echoes == 1
