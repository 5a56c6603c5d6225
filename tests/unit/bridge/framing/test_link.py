"""The link session in the bridge's words: readings with ids, receipts that reach the device.

Both ends are the real sessions of leafnode.link; the wire between them is a variable.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from leafnode.bridge.framing.link import PIECE_BYTES, LinkFraming
from leafnode.bridge.reading import MORE, DeviceHello, DeviceLog, Event, Presence, Reading, Receipt
from leafnode.link.channel import Channel
from leafnode.link.device import DeviceSession
from leafnode.link.events import Gone
from leafnode.link.messages import Messages

BOOT = 77


def events(framing: LinkFraming) -> list[Event]:
    seen = []
    while (event := framing.next_event()) is not None:
        if event is not MORE:
            seen.append(event)
    return seen


def exchange(device: DeviceSession, framing: LinkFraming, now_ms: int) -> list[Event]:
    """Let both ends talk until they have nothing to say."""
    seen = []
    for _ in range(20):
        while data := framing.data_to_send(now_ms):
            device.receive(data, now_ms)
        while data := device.data_to_send(now_ms):
            framing.receive(data, now_ms)
        seen += events(framing)
    return seen


def connected() -> tuple[DeviceSession, LinkFraming]:
    device, framing = DeviceSession("node1", BOOT), LinkFraming()
    exchange(device, framing, 0)
    return device, framing


def test_a_hello_is_reported() -> None:
    device, framing = DeviceSession("node1", BOOT), LinkFraming()

    assert framing.board(0) is None
    assert exchange(device, framing, 0) == [
        DeviceHello("node1", BOOT, resumed=False, window=4, frame_bytes=256, capabilities=("log",))
    ]
    assert framing.board(0) == Presence("node1", 0, is_there=True)


def test_what_a_board_says_again_elsewhere_and_nobody_took_is_not_there_any_more() -> None:
    device, framing = connected()
    for number in range(3):
        assert device.publish("t", b"%d" % number, 0)
    framing.receive(device.data_to_send(0), 0)
    assert isinstance(framing.next_event(), Reading)

    framing.said_elsewhere((b"node1", BOOT))  # here: it said hello before them
    assert isinstance(framing.next_event(), Reading)
    framing.forget("node1")
    framing.said_elsewhere((b"node1", BOOT + 1))
    assert len(framing._events) == 1
    framing.said_elsewhere((b"node1", BOOT))

    assert events(framing) == []


def test_a_board_whose_name_another_has_now_says_hello_before_it_is_heard() -> None:
    device, framing = connected()
    framing.forget("other")
    assert framing.board(0) is not None

    framing.forget("node1")
    framing.admits = lambda _: False
    device.publish("tank.level", b"21.5", 10)

    assert framing.board(10) is None
    assert exchange(device, framing, 10) == []
    framing.admits = None
    assert [type(one) for one in exchange(device, framing, 20_000)] == [DeviceHello, Reading]


def test_a_board_says_what_it_is() -> None:
    device, framing = DeviceSession("node1", BOOT, about="pico 0.1.0"), LinkFraming()

    (hello,) = exchange(device, framing, 0)

    assert isinstance(hello, DeviceHello)
    assert hello.about == "pico 0.1.0"
    assert hello.capabilities == ("log",)


def test_a_name_that_is_not_admitted_is_refused_and_no_reading_of_it_comes() -> None:
    device, framing = DeviceSession("node1", BOOT), LinkFraming()
    framing.admits = lambda name: name != "node1"
    device.publish("tank.level", b"21.5", 0)

    assert exchange(device, framing, 0) == []
    assert framing.board(0) is None
    framing.admits = None
    assert [type(one) for one in exchange(device, framing, 10_000)] == [DeviceHello, Reading]


def test_a_reading_has_an_id_of_device_boot_and_sequence() -> None:
    device, framing = connected()

    device.publish("tank.level", b"21.5")

    assert exchange(device, framing, 10) == [
        Reading(b"node1.77.1", b"21.5", b"node1", b"tank.level", Receipt((b"node1", BOOT), 1))
    ]


def test_the_device_keeps_a_reading_until_it_is_committed() -> None:
    device, framing = connected()
    device.publish("t", b"1")
    exchange(device, framing, 10)
    assert device.counters.acked == 0

    framing.committed(Receipt((b"node1", BOOT), 1))
    exchange(device, framing, 20)

    assert device.counters.acked == 1


def test_what_waits_already_when_a_board_says_hello_is_not_taken_again() -> None:
    device, framing = connected()
    for _ in range(3):
        device.publish("t", b"1")
    exchange(device, framing, 10)

    framing = LinkFraming()
    device.receive(framing.data_to_send(20), 20)  # who is there?
    framing.receive(device.data_to_send(20), 20)
    events(framing)
    framing.taken(Receipt((b"node2", BOOT), 3))
    framing.taken(Receipt((b"node1", BOOT), 2))
    again = exchange(device, framing, 30)
    framing.committed(Receipt((b"node1", BOOT), 3))
    exchange(device, framing, 40)

    assert [event.receipt.seq for event in again if isinstance(event, Reading)] == [3]
    assert (device.counters.acked, framing.counts().missing) == (3, 0)


def test_a_receipt_of_an_earlier_boot_acks_nothing() -> None:
    _, framing = connected()
    rebooted = DeviceSession("node1", BOOT + 1)
    exchange(rebooted, framing, 10)
    rebooted.publish("t", b"1")
    exchange(rebooted, framing, 20)

    framing.committed(Receipt((b"node1", BOOT), 1))
    exchange(rebooted, framing, 30)

    assert rebooted.counters.acked == 0


def test_a_receipt_of_another_board_with_the_same_boot_id_acks_and_rewinds_nothing() -> None:
    device, framing = connected()
    device.publish("t", b"1")
    exchange(device, framing, 10)
    other = DeviceSession("node2", BOOT)
    exchange(other, framing, 20)
    other.publish("t", b"2")
    exchange(other, framing, 30)

    framing.committed(Receipt((b"node1", BOOT), 1))
    framing.untaken(Receipt((b"node1", BOOT), 1))
    assert exchange(other, framing, 40) == []
    assert other.counters.acked == 0
    framing.committed(Receipt((b"node2", BOOT), 1))
    exchange(other, framing, 50)
    assert other.counters.acked == 1


def test_a_log_line_is_reported() -> None:
    device, framing = connected()

    device.log(4, "sensor missing")

    assert exchange(device, framing, 10) == [DeviceLog("node1", 4, "sensor missing")]


def test_opening_the_port_again_goes_on_with_the_session() -> None:
    device, framing = connected()
    device.publish("t", b"1")
    exchange(device, framing, 10)

    framing.opened(20)
    device.publish("t", b"2")

    assert exchange(device, framing, 20) == [
        Reading(b"node1.77.2", b"2", b"node1", b"t", Receipt((b"node1", BOOT), 2))
    ]


def test_counts_are_those_of_the_session() -> None:
    device, framing = connected()
    before = framing.counts()

    framing.receive(b"boot banner\r\n\x00", 10)
    device.publish("t", b"1")
    exchange(device, framing, 10)
    after = framing.counts()

    assert after.frames > before.frames
    assert after.noise_bytes >= len(b"boot banner\r\n")
    assert after.bytes_in > before.bytes_in


@given(st.integers(1, 7), st.data())
def test_any_chunking_gives_the_same_events(count: int, data: st.DataObject) -> None:
    device, framing = connected()
    wire = b""
    for number in range(count):
        device.publish("t", b"%d" % number)
        wire += device.data_to_send(10)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=20)))

    seen = []
    for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        framing.receive(wire[start:end], 10)
        seen += events(framing)
    _, whole = connected()
    whole.receive(wire, 10)

    assert seen == events(whole)
    assert whole.counts().frames == framing.counts().frames


def test_a_read_is_taken_in_pieces_one_for_each_event_that_is_asked_for() -> None:
    device, framing = connected()
    device.log(6, "x" * 50)
    frame = device.data_to_send(10)
    before = framing.counts().frames
    framing.receive(frame * 40, 10)
    assert framing.counts().frames == before

    assert isinstance(framing.next_event(), DeviceLog)

    assert framing.counts().frames - before <= PIECE_BYTES // len(frame)
    assert len(events(framing)) == 39


def test_bytes_without_an_event_are_taken_in_pieces_too() -> None:
    _, framing = connected()
    framing.receive(b"\x01\0" * PIECE_BYTES, 10)
    before = framing.counts().noise_bytes

    assert framing.next_event() is MORE

    assert framing.counts().noise_bytes - before == PIECE_BYTES // 2
    assert framing.next_event() is None
    assert framing.counts().noise_bytes - before == PIECE_BYTES


def test_what_waits_to_be_taken_does_not_ask_for_time_over_and_over() -> None:
    device, framing = connected()
    device.log(6, "x")
    framing.receive(device.data_to_send(10) * 2, 10)
    assert framing.next_event() is not None

    framing.data_to_send(10)

    assert framing.next_timeout_ms(10) == 2000  # the PING, as without the second one


def test_a_board_was_heard_when_its_frames_were_read_however_late_they_are_taken() -> None:
    device, framing = connected()
    device.log(6, "x" * 100)
    framing.receive(device.data_to_send(10) * 8, 10)
    assert framing.next_event() is not None

    framing.receive(b"", 5000)  # time passes
    events(framing)

    assert framing.board(5000) == Presence("node1", 10, is_there=True)


def test_of_a_board_that_fell_silent_somebody_hears_at_once_and_once() -> None:
    channel = Channel()
    Messages(channel).subscribe("led", lambda _: None)
    device, framing = DeviceSession("node1", BOOT, channel=channel), LinkFraming()
    framing.channel.allows = lambda *_: True
    exchange(device, framing, 0)

    framing.data_to_send(7000)
    assert framing.next_timeout_ms(7000) == 0
    framing.receive(b"", 7000)

    assert framing.next_timeout_ms(7000) is None
    assert [type(event) for event in events(framing)] == [Gone]


@given(st.lists(st.binary(max_size=100), max_size=20))
def test_garbage_gives_no_event_and_raises_nothing(chunks: list[bytes]) -> None:
    framing = LinkFraming()

    for chunk in chunks:
        framing.receive(chunk, 0)
        framing.data_to_send(0)

    assert all(not isinstance(event, Reading) for event in events(framing))
