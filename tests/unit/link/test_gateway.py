"""The gateway's end, alone. Specification: docs/device-link.md, "Gateway"."""

from leafnode.link import const
from leafnode.link.errors import InvalidName, InvalidOption
from leafnode.link.events import Hello, Log
from leafnode.link.gateway import RECEIPT_MS, GatewaySession
from tests.unit.link.wire import (
    BOOT,
    OTHER_BOOT,
    START_MS,
    all_to_send,
    frames_in,
    from_device,
    from_gateway,
    hello_body,
    kinds_in,
    pub,
    raises,
    seqs,
    up_gateway,
)


def hello(boot_id=BOOT, floor=0, **body):
    return from_device(const.HELLO, boot_id, 0, floor, hello_body(b"dev-1", **body))


def numbers(gateway, now_ms=START_MS):
    """Return (kind, received, committed) of what the gateway sends."""
    return [(f[0], f[2], f[3]) for f in frames_in(all_to_send(gateway, now_ms))]


# HELLO


def test_a_new_gateway_asks_for_a_hello_once():
    gateway = GatewaySession()

    assert gateway.next_timeout_ms(START_MS) == 0
    assert frames_in(all_to_send(gateway, START_MS)) == [(const.HELLO_REQUEST, 0, 0, 0, b"")]
    assert gateway.next_timeout_ms(START_MS) is None
    assert gateway.data_to_send(START_MS + 60000) == b""


def test_hello_is_answered_with_hello_for_that_boot():
    gateway = GatewaySession("gw-7", 6)

    events = gateway.receive(hello(), START_MS)

    assert [repr(event) for event in events] == [
        f"Hello(dev-1.{BOOT} first_unacked=1 resumed=False)"
    ]
    assert frames_in(all_to_send(gateway, START_MS)) == [
        (const.HELLO, BOOT, 0, 0, b"\x01\x06\x00\x04\x00\x00\x04gw-7"),
    ]
    assert (gateway.peer.device, gateway.peer.boot_id) == ("dev-1", BOOT)
    assert gateway.peer.alive


def test_time_follows_hello_when_the_device_wants_it():
    gateway = GatewaySession(wall_ms=lambda: 1800000000250)

    gateway.receive(hello(capabilities=const.CAPABILITY_TIME), START_MS)
    frames = frames_in(all_to_send(gateway, START_MS))
    assert [frame[0] for frame in frames] == [const.HELLO, const.TIME]
    assert frames[1][4] == (1800000000).to_bytes(4, "little") + b"\xfa\x00"

    gateway.receive(hello(OTHER_BOOT), START_MS)
    assert kinds_in(all_to_send(gateway, START_MS)) == [const.HELLO]


def test_a_reading_of_an_unknown_boot_is_not_taken_but_asked_about():
    gateway = GatewaySession()
    all_to_send(gateway, START_MS)

    events = gateway.receive(pub(5, boot_id=OTHER_BOOT), START_MS)

    assert events == []
    assert gateway.counters.unknown_boots == 1
    assert frames_in(all_to_send(gateway, START_MS)) == [
        (const.HELLO_REQUEST, OTHER_BOOT, 0, 0, b"")
    ]


def test_a_stream_of_unknown_frames_is_asked_about_every_50_ms_at_most():
    gateway = GatewaySession()
    all_to_send(gateway, START_MS)
    asked = 0
    for at_ms in range(0, 200, 10):
        gateway.receive(pub(5), START_MS + at_ms)
        asked += len(kinds_in(all_to_send(gateway, START_MS + at_ms)))

    assert asked == 4


def test_a_hello_that_shows_a_floor_starts_behind_it():
    gateway = GatewaySession()
    gateway.receive(hello(floor=41), START_MS)

    assert numbers(gateway) == [(const.HELLO_REQUEST, 0, 0), (const.HELLO, 41, 41)][1:]
    assert seqs(gateway.receive(pub(42, ack=41), START_MS)) == [42]
    assert gateway.counters.missing == 0


def test_a_hello_of_another_version_is_refused():
    gateway = GatewaySession()

    assert gateway.receive(from_device(const.HELLO, body=b"\x02whatever"), START_MS) == []

    frames = frames_in(all_to_send(gateway, START_MS))
    assert frames[0][:2] == (const.REFUSE, BOOT)
    assert frames[0][4] == b"\x01this gateway speaks version 1 of the device link"


def test_malformed_hellos_are_refused():
    gateway = GatewaySession()
    all_to_send(gateway, START_MS)
    for body in (b"", b"\x01\x04", hello_body(b"a.b")):
        gateway.receive(from_device(const.HELLO, body=body), START_MS)
        assert frames_in(all_to_send(gateway, START_MS))[0][4][0] == const.REFUSED_HELLO

    gateway.receive(hello(boot_id=0), START_MS)
    assert kinds_in(all_to_send(gateway, START_MS)) == [const.REFUSE]
    assert gateway.counters.refused == 4
    assert gateway.peer is None


def test_a_boot_id_of_an_earlier_life_is_refused():
    gateway = up_gateway()
    gateway.receive(pub(1, ack=0) + pub(2, ack=0), START_MS)
    gateway.committed(2, BOOT)
    gateway.receive(pub(3, ack=2), START_MS)
    all_to_send(gateway, START_MS)

    events = gateway.receive(hello(floor=0), START_MS)

    assert events == []
    assert frames_in(all_to_send(gateway, START_MS))[0][4][0] == const.REFUSED_BOOT


def test_names_and_windows_out_of_range_are_refused():
    raises(InvalidName, GatewaySession, "a b")
    raises(InvalidOption, GatewaySession, "gw", 0)
    raises(InvalidOption, GatewaySession, "gw", 9)


# Readings


def test_a_reading_becomes_an_event_with_all_that_names_it():
    gateway = up_gateway()

    (event,) = gateway.receive(pub(1, b"21.5", subject=b"a.b"), START_MS)

    assert (event.device, event.boot_id, event.seq) == ("dev-1", BOOT, 1)
    assert (event.subject, event.payload) == ("a.b", b"21.5")


def test_a_reading_is_not_acked_before_it_is_committed():
    gateway = up_gateway()
    gateway.receive(pub(1), START_MS)

    assert all_to_send(gateway, START_MS) == b""
    gateway.committed(1, BOOT)
    assert gateway.next_timeout_ms(START_MS) == 0
    assert numbers(gateway) == [(const.ACK, 1, 1)]


def test_a_commit_that_takes_its_time_is_preceded_by_a_receipt():
    gateway = up_gateway()
    gateway.receive(pub(1) + pub(2), START_MS)

    assert gateway.next_timeout_ms(START_MS) == RECEIPT_MS
    assert frames_in(all_to_send(gateway, START_MS + 24)) == []
    assert frames_in(all_to_send(gateway, START_MS + 25)) == [(const.ACK, BOOT, 2, 0, b"")]
    assert frames_in(all_to_send(gateway, START_MS + 900)) == []

    gateway.receive(pub(3), START_MS + 1000)
    gateway.committed(3, BOOT)
    assert frames_in(all_to_send(gateway, START_MS + 1001)) == [(const.ACK, BOOT, 3, 3, b"")]
    assert frames_in(all_to_send(gateway, START_MS + 1100)) == []


def test_one_ack_covers_all_that_was_committed_before_it():
    gateway = up_gateway()
    gateway.receive(pub(1) + pub(2) + pub(3), START_MS)

    gateway.committed(1, BOOT)
    gateway.committed(3, BOOT)

    assert numbers(gateway) == [(const.ACK, 3, 3)]
    assert gateway.uncommitted == 0


def test_a_commit_of_an_earlier_boot_acks_nothing():
    gateway = up_gateway()
    gateway.receive(pub(1) + pub(2), START_MS)
    gateway.receive(hello(OTHER_BOOT), START_MS)
    gateway.receive(pub(1, boot_id=OTHER_BOOT), START_MS)
    all_to_send(gateway, START_MS)

    gateway.committed(2, BOOT)

    assert all_to_send(gateway, START_MS) == b""
    assert gateway.uncommitted == 1


def test_a_commit_without_a_device_is_ignored():
    gateway = GatewaySession()
    all_to_send(gateway, START_MS)

    gateway.committed(2, BOOT)

    assert gateway.data_to_send(START_MS) == b""


def test_a_duplicate_is_no_event_and_tells_the_device_what_is_here():
    gateway = up_gateway()
    gateway.receive(pub(1) + pub(2), START_MS)
    gateway.committed(1, BOOT)
    all_to_send(gateway, START_MS)

    assert gateway.receive(pub(1) + pub(2), START_MS) == []

    assert numbers(gateway) == [(const.ACK, 2, 1)]
    assert gateway.counters.duplicates == 2


def test_a_reading_ahead_of_the_missing_one_is_ignored():
    gateway = up_gateway()

    assert seqs(gateway.receive(pub(2) + pub(3), START_MS)) == []
    assert seqs(gateway.receive(pub(1) + pub(2) + pub(3), START_MS)) == [1, 2, 3]
    assert gateway.counters.out_of_order == 2


def test_readings_that_the_device_gave_up_are_counted_and_passed_over():
    gateway = up_gateway()
    gateway.receive(pub(1), START_MS)

    assert seqs(gateway.receive(pub(6, ack=5), START_MS)) == [6]
    assert gateway.counters.missing == 4


def test_no_more_readings_than_the_window_are_uncommitted():
    gateway = up_gateway(window=2)

    assert seqs(gateway.receive(pub(1) + pub(2), START_MS)) == [1, 2]
    assert seqs(gateway.receive(pub(3), START_MS)) == []
    assert gateway.counters.window_full == 1
    gateway.committed(1, BOOT)
    assert seqs(gateway.receive(pub(3), START_MS)) == [3]


def test_what_the_store_holds_already_is_told_after_hello_and_not_asked_for():
    gateway = GatewaySession()
    all_to_send(gateway, START_MS)
    gateway.receive(hello(floor=3), START_MS)

    gateway.committed(5, BOOT)

    assert numbers(gateway) == [(const.HELLO, 5, 5)]
    assert seqs(gateway.receive(pub(5, ack=3) + pub(6, ack=3), START_MS)) == [6]


def test_a_hello_of_the_same_boot_keeps_what_the_application_holds():
    gateway = up_gateway()
    gateway.receive(pub(1) + pub(2), START_MS)

    (event,) = gateway.receive(hello(), START_MS)

    assert isinstance(event, Hello)
    assert event.resumed
    assert numbers(gateway) == [(const.HELLO, 2, 0)]
    assert seqs(gateway.receive(pub(1) + pub(2) + pub(3), START_MS)) == [3]


def test_what_the_application_has_taken_before_a_hello_is_known_and_not_committed():
    gateway = up_gateway()

    gateway.taken(1, BOOT + 1)
    gateway.taken(2, BOOT)
    gateway.taken(1, BOOT)

    assert seqs(gateway.receive(pub(1) + pub(2) + pub(3), START_MS)) == [3]
    assert numbers(gateway) == [(const.ACK, 3, 0)]
    gateway.committed(3, BOOT)
    assert numbers(gateway) == [(const.ACK, 3, 3)]


def test_rewind_asks_again_for_a_reading_and_those_behind_it():
    gateway = up_gateway()
    gateway.receive(pub(1) + pub(2) + pub(3) + pub(4), START_MS)
    gateway.committed(1, BOOT)

    gateway.rewind(3, BOOT)

    assert numbers(gateway) == [(const.ACK, 2, 1)]
    assert gateway.uncommitted == 1
    assert seqs(gateway.receive(pub(2) + pub(3) + pub(4), START_MS)) == [3, 4]
    gateway.committed(2, BOOT)
    assert gateway.uncommitted == 2


def test_rewind_of_what_is_not_held_changes_nothing():
    gateway = up_gateway()
    gateway.receive(pub(1) + pub(2), START_MS)
    gateway.committed(1, BOOT)
    all_to_send(gateway, START_MS)

    gateway.rewind(1, BOOT)
    gateway.rewind(3, BOOT)
    gateway.rewind(2, BOOT + 1)

    assert gateway.data_to_send(START_MS) == b""


def test_a_subject_that_nats_could_misread_ends_the_session():
    for subject in (b"a b", b"a.>", b"a\r\nPUB x 0", b""):
        gateway = up_gateway()

        assert gateway.receive(pub(1, subject=subject), START_MS) == []

        frames = frames_in(all_to_send(gateway, START_MS))
        assert frames[0][0] == const.REFUSE
        assert frames[0][4] == b"\x04invalid subject"
        assert gateway.peer is None


def test_a_reading_whose_subject_runs_past_the_frame_is_refused():
    for body in (b"", b"\x05abc"):
        gateway = up_gateway()

        assert gateway.receive(from_device(const.PUB, seq=1, body=body), START_MS) == []

        assert kinds_in(all_to_send(gateway, START_MS)) == [const.REFUSE]


# LOG, silence, the rest


def test_a_log_line_becomes_an_event_that_cannot_forge_another_line():
    gateway = up_gateway()

    (event,) = gateway.receive(from_device(const.LOG, body=b"\x03a\r\nb"), START_MS)

    assert isinstance(event, Log)
    assert (event.device, event.level, event.text) == ("dev-1", 3, "a??b")
    assert gateway.receive(from_device(const.LOG), START_MS) == []


def test_a_ping_is_answered_with_pong_that_carries_both_numbers():
    gateway = up_gateway()
    gateway.receive(pub(1) + pub(2), START_MS)
    gateway.committed(1, BOOT)
    gateway.receive(from_device(const.PING), START_MS)

    assert numbers(gateway) == [(const.PONG, 2, 1)]


def test_a_silent_device_is_pinged_and_then_not_alive_until_it_is_heard_again():
    gateway = up_gateway()

    assert gateway.next_timeout_ms(START_MS) == 2000
    assert kinds_in(all_to_send(gateway, START_MS + 2000)) == [const.PING]
    assert kinds_in(all_to_send(gateway, START_MS + 4000)) == [const.PING]
    assert gateway.peer.alive
    assert gateway.data_to_send(START_MS + 6000) == b""
    assert not gateway.peer.alive
    assert gateway.counters.links_lost == 1
    assert gateway.next_timeout_ms(START_MS + 6000) is None

    gateway.receive(from_device(const.PONG), START_MS + 9000)
    assert gateway.peer.alive


def test_an_unknown_kind_is_counted_and_ignored():
    gateway = up_gateway()

    assert gateway.receive(from_device(0x7F, body=b"later"), START_MS) == []

    assert gateway.counters.unknown_frames == 1
    assert gateway.peer.alive


def test_ones_own_echo_is_counted_and_ignored():
    gateway = up_gateway()

    gateway.receive(from_gateway(const.HELLO, OTHER_BOOT, body=hello_body()), START_MS)

    assert gateway.counters.echoes == 1
    assert gateway.peer.boot_id == BOOT
