"""One byte instead of a subject: in the ring, on the line, at a gateway that does not know it."""

from leafnode.link import const, verbs
from leafnode.link.aliases import Aliases
from leafnode.link.channel import Channel
from leafnode.link.device import DeviceSession
from leafnode.link.events import Reading
from leafnode.link.gateway import GatewaySession
from tests.unit.link.wire import (
    BOOT,
    START_MS,
    Pair,
    all_to_send,
    frames_in,
    from_gateway,
    hello_body,
    kinds_in,
    on_channel,
)

OK = bytes([verbs.STATUS_OK])


def new_board(count_max=16, **options):
    channel = Channel()
    aliases = Aliases(channel, count_max)
    return DeviceSession("dev-1", BOOT, channel=channel, aliases=aliases, **options), aliases


def up(device, epoch=1):
    all_to_send(device, START_MS)
    hello = hello_body(capabilities=const.CAPABILITY_CHANNEL, tail=bytes([epoch, 8]))
    device.receive(from_gateway(const.HELLO, body=hello), START_MS)


def bodies(device, now_ms=START_MS):
    """Return the bodies of the readings that are sent now."""
    return [f[4] for f in frames_in(all_to_send(device, now_ms)) if f[0] == const.PUB]


def test_a_subject_is_told_once_and_goes_by_its_number_once_that_is_known():
    device, _ = new_board()
    up(device)
    device.publish("temperature", b"21")
    frames = frames_in(all_to_send(device, START_MS))
    assert [(f[0], f[4]) for f in frames] == [
        (verbs.REG, b"\x01\x01\x00\x01temperature"),
        (const.PUB, b"\x0btemperature21"),
    ]

    device.receive(on_channel(verbs.TAKEN, 1, OK), START_MS)
    device.publish("temperature", b"22")

    assert bodies(device) == [b"\x00\x0122"]


def test_the_ring_keeps_the_number_also_before_it_is_known():
    device, _ = new_board()

    device.publish("temperature", b"21")

    assert device.unacked_bytes == 2 + 2


def test_a_reading_that_wraps_around_the_ring_gets_its_subject_back():
    device, _ = new_board(ring_messages=4, ring_bytes=20)
    for number in range(9):
        device.publish("temp", b"%06d" % number)
    up(device)

    assert bodies(device) == [b"\x04temp000007", b"\x04temp000008"]


def test_after_the_next_hello_numbers_are_told_again_before_they_are_used():
    device, aliases = new_board()
    up(device)
    device.publish("temperature", b"21")
    all_to_send(device, START_MS)
    device.receive(on_channel(verbs.TAKEN, 1, OK), START_MS)
    assert aliases.is_known(1)

    device.receive(from_gateway(const.HELLO_REQUEST), START_MS)
    up(device, epoch=2)

    assert not aliases.is_known(1)
    assert bodies(device) == [b"\x0btemperature21"]


def test_at_a_gateway_without_a_channel_subjects_are_spelled_out():
    device, _ = new_board()
    device.publish("temperature", b"21")
    all_to_send(device, START_MS)

    device.receive(from_gateway(const.HELLO, body=hello_body()), START_MS)

    assert bodies(device) == [b"\x0btemperature21"]


def test_the_bound_holds_and_further_subjects_are_spelled_out():
    device, _ = new_board(count_max=2)
    for subject in ("aa", "bb", "cc"):
        device.publish(subject, b"")

    assert device.unacked_bytes == 2 + 2 + 3


def test_a_subject_of_one_character_gains_nothing_and_gets_no_number():
    device, _ = new_board()
    device.publish("t", b"")
    up(device)

    assert kinds_in(all_to_send(device, START_MS)) == [const.PUB]


def test_a_gateway_that_refuses_a_number_gets_subjects_until_the_next_hello():
    device, aliases = new_board()
    up(device)
    device.publish("aa", b"1")
    all_to_send(device, START_MS)

    device.receive(on_channel(verbs.TAKEN, 1, bytes([verbs.STATUS_REFUSED])), START_MS)
    device.publish("aa", b"2")

    assert bodies(device) == [b"\x02aa2"]
    assert aliases.refused == 1
    assert kinds_in(all_to_send(device, START_MS)) == []


def test_both_ends_agree_and_a_gateway_that_restarts_asks_for_the_numbers_again():
    device, _ = new_board()
    pair = Pair(device, GatewaySession())
    for value in range(3):
        device.publish("temperature", b"%d" % value)
        pair.exchange()
    pair.commit()
    pair.exchange()
    pair.gateway = GatewaySession()
    pair.gateway.data_to_send(pair.now_ms)  # its question at start got lost

    device.publish("temperature", b"3")
    pair.exchange()

    readings = [event for event in pair.events if isinstance(event, Reading)]
    assert [event.subject for event in readings] == ["temperature"] * 4
    assert [event.payload for event in readings] == [b"0", b"1", b"2", b"3"]
