"""Both ends on one wire: the story of readings through crashes of either side."""

from leafnode.link import const
from leafnode.link.clock import DeviceClock
from leafnode.link.crc16 import crc16
from leafnode.link.device import DeviceSession
from leafnode.link.events import Reading
from leafnode.link.frame import FrameWriter
from leafnode.link.gateway import GatewaySession
from tests.unit.link.lossy import World
from tests.unit.link.talking import TalkWorld
from tests.unit.link.wire import OTHER_BOOT, Pair, new_pair, seqs


def test_readings_arrive_in_order_and_are_freed_after_the_commit():
    pair = new_pair(window=4)
    for number in range(4):
        pair.device.publish("t", b"%d" % number)
    pair.exchange()

    assert pair.payloads() == [b"0", b"1", b"2", b"3"]
    assert pair.device.unacked == 4
    pair.commit()
    pair.exchange()
    assert pair.device.unacked == 0


def test_a_gateway_that_restarts_gets_what_was_not_committed_and_only_that():
    pair = new_pair(window=4)
    for number in range(4):
        pair.device.publish("t", b"%d" % number)
    pair.exchange()
    pair.gateway.committed(2, pair.gateway.peer.boot_id)
    pair.exchange()

    pair.gateway = GatewaySession()
    pair.events = []
    pair.exchange()

    assert pair.payloads() == [b"2", b"3"]
    assert seqs(pair.events) == [3, 4]


def test_a_gateway_that_restarts_unnoticed_asks_at_the_next_reading():
    pair = new_pair()
    pair.exchange()
    pair.gateway = GatewaySession()
    pair.gateway.data_to_send(pair.now_ms)  # its question at start got lost

    pair.device.publish("t", b"after")
    pair.exchange()

    assert pair.payloads() == [b"after"]


def test_a_device_that_reboots_starts_anew_under_another_boot_id():
    pair = new_pair()
    pair.device.publish("t", b"old")
    pair.exchange()
    pair.device = DeviceSession("dev-1", OTHER_BOOT)
    pair.device.publish("t", b"new")
    pair.exchange()

    named = [(event.boot_id, event.seq) for event in pair.events if hasattr(event, "seq")]
    assert named[1] == (OTHER_BOOT, 1)
    pair.commit()
    pair.exchange()
    assert pair.device.unacked == 0


def test_a_reading_without_a_listener_waits_for_days_and_then_arrives():
    pair = new_pair()
    pair.device.publish("t", b"patient")
    for _ in range(100):
        pair.now_ms += 3600000
        pair.device.data_to_send(pair.now_ms % (1 << 29))
    pair.now_ms %= 1 << 29

    pair.now_ms += 2000
    pair.exchange()

    assert pair.payloads() == [b"patient"]


def test_a_gateway_idle_for_days_still_asks_and_answers():
    pair = new_pair()
    pair.exchange()
    day_ms = 86400000
    for _ in range(5):
        pair.now_ms += day_ms
        pair.gateway.data_to_send(pair.now_ms % (1 << 29))
    pair.now_ms %= 1 << 29

    pair.device = DeviceSession("dev-1", OTHER_BOOT)
    pair.device.publish("t", b"back")
    pair.exchange()

    assert pair.payloads() == [b"back"]
    assert pair.gateway.peer.alive


def test_idle_ends_exchange_little_more_than_a_ping_every_two_seconds():
    pair = new_pair()
    pair.exchange()
    sent_bytes = 0
    end_ms = pair.now_ms + 60000
    while pair.now_ms < end_ms:
        pair.now_ms += 100
        up = pair.device.data_to_send(pair.now_ms)
        pair.gateway.receive(up, pair.now_ms)
        down = pair.gateway.data_to_send(pair.now_ms)
        pair.device.receive(down, pair.now_ms)
        sent_bytes += len(up) + len(down)

    assert 0 < sent_bytes < 60 * 50


def test_a_lossy_wire_with_crashes_of_both_ends_loses_and_doubles_nothing():
    for seed in range(1, 13):
        world = World(seed, loss_percent=15, crash_permille=5)
        world.run(publish_until_ms=8000)
        world.check()
        assert world.stored > 50


def test_a_gateway_that_gathers_gets_all_that_is_said_until_its_commit():
    pair = new_pair(window=4, ring_messages=64)
    pair.gateway = GatewaySession(gathers=True)
    pair.exchange()
    for seq in range(1, 51):
        assert pair.device.publish("t", b"") == seq
        pair.now_ms += 20
        pair.exchange()

    assert seqs(pair.events) == list(range(1, 51))
    assert pair.gateway.uncommitted == pair.device.unacked == 50
    assert pair.device.counters.resent == 0
    pair.commit()
    pair.exchange()
    assert pair.device.unacked == 0


def test_on_a_lossy_wire_with_crashes_a_gateway_that_gathers_loses_nothing():
    for seed in range(1, 13):
        world = World(seed, loss_percent=15, crash_permille=5, gather_steps=100)
        world.run(publish_until_ms=8000)
        world.check()
        assert world.stored > 50


def test_a_slow_line_is_learned_and_not_flooded_with_repetitions():
    pair = new_pair(window=8, ring_messages=1000, ring_bytes=65536)
    for _ in range(200):
        pair.device.publish("temperature", b'{"n":12345,"v":21.5}')
    up = down = b""
    turns = 0
    while pair.device.unacked:
        turns += 1
        assert turns < 6000
        pair.now_ms += 10
        # 9600 baud carries 9.6 bytes in 10 ms; a reading takes 55 ms, a window 440 ms.
        up = up or pair.device.data_to_send(pair.now_ms)
        down = down or pair.gateway.data_to_send(pair.now_ms)
        for event in pair.gateway.receive(up[:9], pair.now_ms):
            pair.events.append(event)
            pair.commit()
        pair.device.receive(down[:9], pair.now_ms)
        up = up[9:]
        down = down[9:]

    assert seqs(pair.events) == list(range(1, 201))
    assert pair.device.counters.resent <= 20


# Boards without binascii


def test_a_board_with_a_crc16_is_answered_with_one():
    device = DeviceSession("dev-1", OTHER_BOOT, crc16=True)
    pair = Pair(device, GatewaySession())
    device.publish("t", b"21")

    pair.exchange()
    pair.commit()
    pair.exchange()

    assert pair.payloads() == [b"21"]
    assert device.unacked == 0
    assert pair.gateway.peer.is16


def test_a_gateway_that_restarts_under_a_crc16_asks_in_its_format():
    pair = Pair(DeviceSession("dev-1", OTHER_BOOT, crc16=True), GatewaySession())
    pair.exchange()
    pair.gateway = GatewaySession()
    pair.gateway.data_to_send(pair.now_ms)

    pair.device.publish("t", b"after")
    pair.exchange()

    assert pair.payloads() == [b"after"]


def test_a_known_boot_in_the_other_format_is_not_believed():
    pair = new_pair()
    pair.exchange()
    writer = FrameWriter(256, 0, crc16)
    writer.body[:3] = b"\x01tX"
    writer.put(const.PUB, pair.device.boot_id, 1, 0, 3)

    assert pair.gateway.receive(writer.take(), pair.now_ms) == []
    assert pair.gateway.counters.bad_frames == 1


# Time


def test_stamps_of_a_synchronised_board_are_those_of_the_gateways_clock():
    clock = DeviceClock()
    device = DeviceSession("dev-1", OTHER_BOOT, clock=clock)
    pair = Pair(device, GatewaySession(wall_ms=lambda: 1_800_000_000_000 + pair.now_ms))
    device.publish("t", b"early", pair.now_ms)
    pair.now_ms += 700
    pair.exchange()
    device.publish("t", b"late", pair.now_ms)
    pair.exchange()

    stamps = [event.stamp_ms for event in pair.events if isinstance(event, Reading)]
    assert stamps == [1_800_000_001_000, 1_800_000_001_700]


def test_a_gateway_whose_clock_is_set_tells_it():
    clock = DeviceClock()
    device = DeviceSession("dev-1", OTHER_BOOT, clock=clock)
    wall = [1000]
    pair = Pair(device, GatewaySession(wall_ms=lambda: wall[0] + pair.now_ms))
    pair.exchange()
    assert clock.wall_ms(pair.now_ms) == 1000 + pair.now_ms

    wall[0] = 1_800_000_000_000
    pair.exchange()

    assert clock.wall_ms(pair.now_ms) == 1_800_000_000_000 + pair.now_ms


# Messages and requests


def test_on_a_perfect_wire_all_that_is_asked_is_done_once():
    world = TalkWorld(1)
    world.run(publish_until_ms=10000, settle_ms=4000)
    world.check()

    assert world.messages_seen > 50
    assert len(world.answers) > 20
    assert [0] in list(world.asked.values())


def test_on_a_lossy_wire_with_crashes_nothing_is_done_twice():
    for seed in range(4):
        world = TalkWorld(seed, 20, 5, 1 + seed, crc16=seed == 3)
        world.run(publish_until_ms=8000)
        world.check()
        assert world.messages_seen > 0
