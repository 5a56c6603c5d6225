"""The life of one port: read, publish, acknowledge, lose it, open it again."""

from __future__ import annotations

import base64
import json
import logging
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.bridge.framing.link import LinkFraming
from leafnode.bridge.port import LineErrors
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.config.serial_stage_options import CodecOptions
from leafnode.link.device import DeviceSession
from tests.unit.bridge.world import World, line_port, run

if TYPE_CHECKING:
    from leafnode.config.serial_options import SerialPort
    from leafnode.routing.subscription import Delivery


def test_a_line_becomes_a_stored_message_with_id_and_port() -> None:
    world = World(line_port())

    async def story(world: World) -> None:
        await world.opened()
        world.say(b"21.5\r\n")
        await world.until(lambda: world.runner.status().stored == 1)

    run(world, story)

    assert world.stream.subjects == [b"s.scale"]
    assert world.stream.payloads == [b"21.5"]
    assert world.stream.headers == [
        b"NATS/1.0\r\nNats-Msg-Id: scale.boot.1\r\nLeafnode-Port: scale\r\n\r\n"
    ]


def test_a_reading_that_the_codec_refuses_is_counted_and_the_next_is_stored() -> None:
    world = World(line_port(codec="csv", fields=("t", "h")))

    async def story(world: World) -> None:
        await world.opened()
        world.say(b"1\n\xff,2\n21.5,40\n")
        await world.until(lambda: world.runner.status().stored == 1)

    run(world, story)

    assert world.stream.payloads == [b'{"t":21.5,"h":40}']
    assert world.runner.status().poison == 2


def test_a_message_may_have_max_payload_and_no_byte_more() -> None:
    headers = len(b"NATS/1.0\r\nNats-Msg-Id: scale.boot.1\r\nLeafnode-Port: scale\r\n\r\n")
    world = World(line_port(), max_payload_bytes=headers + 4)

    async def story(world: World) -> None:
        await world.opened()
        world.say(b"12345\n1234\n")
        await world.until(lambda: world.runner.status().stored == 1)

    run(world, story)

    assert world.stream.payloads == [b"1234"]
    assert world.runner.status().poison == 1


def test_a_message_may_have_the_max_payload_of_now() -> None:
    world = World(line_port(), max_payload_bytes=100)

    async def story(world: World) -> None:
        await world.opened()
        world.say(b"1" * 100 + b"\n")
        await world.until(lambda: world.runner.status().poison == 1)
        world.max_payload_bytes = 200
        world.say(b"2" * 100 + b"\n")
        await world.until(lambda: world.runner.status().stored == 1)
        world.max_payload_bytes = 100
        world.say(b"3" * 100 + b"\n")
        await world.until(lambda: world.runner.status().poison == 2)

    run(world, story)

    assert world.stream.payloads == [b"2" * 100]


def test_at_the_bound_the_port_is_not_read_and_nothing_is_lost() -> None:
    world = World(line_port())
    world.stream.commits_at_once = False
    count = 4 * limits.READINGS_UNCOMMITTED_MAX
    lines = b"".join(b"%d\n" % number for number in range(count))

    async def story(world: World) -> None:
        await world.opened()
        world.say(lines)
        await world.until(lambda: world.runner.status().paused)
        await world.turns()
        status = world.runner.status()
        assert status.queued == limits.READINGS_UNCOMMITTED_MAX
        assert status.bytes_in < len(lines)
        world.stream.commits_at_once = True
        world.stream.commit()
        await world.until(lambda: world.runner.status().stored == count)

    run(world, story)

    assert world.stream.payloads == [b"%d" % number for number in range(count)]
    assert not world.runner.status().paused


def test_a_port_that_is_closed_pauses_until_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "READINGS_UNCOMMITTED_MAX", 2)
    world = World(line_port())
    world.stream.commits_at_once = False

    async def story(world: World) -> None:
        await world.opened()
        world.say(b"1\n2\n3\n")
        await world.until(lambda: world.runner.status().paused)
        world.runner.life.lend(NS_PER_S, lambda: None, lease="1", holder="pump")
        await world.until(lambda: not world.runner.status().open)
        assert world.runner.status().paused
        world.stream.commits_at_once = True
        world.stream.commit()
        await world.until(lambda: not world.runner.status().queued)
        assert (world.runner.status().open, world.runner.status().paused) == (False, False)

    run(world, story)


def test_a_full_queue_that_is_stored_at_once_does_not_stop_its_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A stream may answer before the burst that filled it is over."""
    monkeypatch.setattr(limits, "READINGS_UNCOMMITTED_MAX", 8)
    world = World(line_port())

    async def story(world: World) -> None:
        await world.opened()
        for number in range(1, 4):
            world.say(b"1\n" * 20)
            await world.turns()
            assert world.runner.status().stored == 20 * number
            assert not world.runner.status().paused

    run(world, story)


def test_an_unplugged_port_is_opened_again_and_goes_on() -> None:
    world = World(line_port())

    async def story(world: World) -> None:
        await world.opened()
        world.say(b"a\nhalf")
        await world.until(lambda: world.runner.status().stored == 1)
        world.line.unplug()
        await world.until(lambda: not world.runner.status().open)
        await world.until(lambda: world.line.closes == 1)
        await world.until(lambda: world.clock.pending() == 1)
        assert world.runner.status().last_error == "the other end hung up"
        world.clock.advance(limits.PORT_REOPEN_NS)
        await world.opened()
        world.say(b"b\n")
        await world.until(lambda: world.runner.status().stored == 2)

    run(world, story)

    assert world.stream.payloads == [b"a", b"b"]
    assert world.stream.ids == [b"scale.boot.1", b"scale.boot.2"]
    status = world.runner.status()
    assert (status.opens, status.reopens, status.last_error) == (2, 1, "")


def test_readings_in_the_queue_survive_the_loss_of_the_port() -> None:
    world = World(line_port())
    world.stream.commits_at_once = False

    async def story(world: World) -> None:
        await world.opened()
        world.say(b"a\nb\n")
        await world.until(lambda: world.stream.staged == 2)
        world.line.unplug()
        await world.until(lambda: not world.runner.status().open)
        world.stream.commit()

    run(world, story)

    assert world.runner.status().stored == 2


def test_a_port_that_cannot_be_opened_is_tried_with_growing_pauses_and_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "leafnode")
    world = World(line_port())
    world.line.refusal = FileNotFoundError(2, "No such file or directory")

    async def story(world: World) -> None:
        pause_ns = limits.PORT_REOPEN_NS
        for attempt in range(1, 9):
            await world.until(lambda wanted=attempt: world.runner.status().open_failures == wanted)
            await world.until(lambda: world.clock.pending() == 1)
            world.clock.advance(pause_ns - 1)
            await world.turns()
            assert world.runner.status().open_failures == attempt
            world.line.refusal = None if attempt == 8 else world.line.refusal
            world.clock.advance(1)
            pause_ns = min(2 * pause_ns, limits.PORT_POLL_NS)
        await world.opened()

    run(world, story)

    assert [record.getMessage() for record in caplog.records] == [
        "Serial port cannot be opened: port=scale reason=[Errno 2] No such file or directory",
        "Serial port opened: port=scale device=/dev/fake baud=115200",
    ]


def test_a_port_that_stayed_open_is_opened_again_after_the_short_pause() -> None:
    world = World(line_port())

    async def story(world: World) -> None:
        for cycle in range(1, 8):
            await world.until(lambda wanted=cycle: world.line.opens == wanted)
            await world.opened()
            world.clock.advance(limits.PORT_STABLE_NS)
            world.line.unplug()
            await world.until(lambda wanted=cycle: world.line.closes == wanted)
            await world.until(lambda: world.clock.pending() == 1)
            world.clock.advance(limits.PORT_REOPEN_NS)
        await world.opened()

    run(world, story)

    assert world.line.opens == world.line.closes == 8


def test_a_wrong_baud_rate_is_reported_as_a_failure_to_open() -> None:
    world = World(line_port())
    world.line.refusal = ValueError("Invalid baud rate: -1")

    async def story(world: World) -> None:
        await world.until(lambda: world.runner.status().open_failures == 1)

    run(world, story)

    assert world.runner.status().last_error == "Invalid baud rate: -1"


def test_a_bug_ends_one_opening_is_logged_with_its_traceback_and_the_port_comes_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(line_port())
    codec = world.runner._mapper._codec
    broken = True

    def codec_with_a_bug(payload: bytes) -> bytes:
        if broken:
            raise ZeroDivisionError
        return codec(payload)

    world.runner._mapper._codec = codec_with_a_bug

    async def story(world: World) -> None:
        nonlocal broken
        await world.opened()
        world.say(b"a\n")
        await world.until(lambda: world.line.closes == 1)
        broken = False
        await world.until(lambda: world.clock.pending() == 1)
        world.clock.advance(limits.PORT_REOPEN_NS)
        await world.until(lambda: world.line.opens == 2)
        await world.opened()
        world.say(b"b\n")
        await world.until(lambda: world.runner.status().stored == 1)

    run(world, story)

    failures = [record for record in caplog.records if record.exc_info]
    assert [record.getMessage() for record in failures] == ["Serial port failed: port=scale"]
    assert world.stream.payloads == [b"b"]


def test_a_port_that_is_lost_already_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    world = World(line_port())

    def gone() -> None:
        raise OSError(5, "Input/output error")

    async def story(world: World) -> None:
        await world.opened()
        world.runner._guard(gone)
        world.runner._guard(gone)  # a write behind the read that found it lost
        await world.until(lambda: world.runner.status().last_error != "")

    run(world, story)

    assert [record.getMessage() for record in caplog.records] == [
        "Serial port lost: port=scale reason=[Errno 5] Input/output error"
    ]


def test_stopping_closes_the_port_and_leaves_no_timer() -> None:
    world = World(line_port())

    async def story(world: World) -> None:
        await world.opened()

    run(world, story)
    world.runner.leave()

    assert world.line.closes == 1
    assert world.clock.pending() == 0
    assert world.account.local_interest == {(b"s.>", b""): 1}


def test_a_port_that_opens_after_the_stop_is_closed_by_its_thread() -> None:
    world = World(line_port())
    stopped, entered = threading.Event(), threading.Event()
    open_line = world.runner.life._open_serial

    def open_slowly(options: SerialPort) -> object:
        entered.set()
        assert stopped.wait(10)
        return open_line(options)

    world.runner.life._open_serial = open_slowly

    async def story(world: World) -> None:
        await world.until(entered.is_set)

    run(world, story)
    stopped.set()  # the loop did not wait for the driver
    for thread in threading.enumerate():
        if thread.name.startswith("serial "):
            thread.join(10)

    assert (world.line.opens, world.line.closes) == (1, 1)
    assert world.line.device is not None
    world.line.device.close()


def test_a_port_that_ends_while_it_waits_for_another_stores_what_it_had_read() -> None:
    world = World(line_port())

    async def story(world: World) -> None:
        await world.opened()
        world.runner.wait_for(World(line_port()).runner)
        world.say(b"1\n2\n")
        await world.until(lambda: world.runner.status().bytes_in == 4)
        assert world.runner.status().frames == 0

    run(world, story)

    assert world.stream.payloads == [b"1", b"2"]


def test_silence_is_counted_from_the_last_byte() -> None:
    world = World(line_port())

    async def story(world: World) -> None:
        await world.opened()
        world.clock.advance(NS_PER_S)
        assert world.runner.status().silent_ns == NS_PER_S
        world.say(b"x")
        await world.until(lambda: world.runner.status().bytes_in == 1)
        world.clock.advance(NS_PER_MS)

    run(world, story)

    assert world.runner.status().silent_ns == NS_PER_MS


class Board:
    """A board with the real device session at the far end of the line."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.session = DeviceSession("node1", 77)

    def turn(self) -> None:
        now_ms = self.world.clock.monotonic_ns() // NS_PER_MS
        self.session.receive(self.world.hear(), now_ms)
        while data := self.session.data_to_send(now_ms):
            self.world.say(data)


def link_port() -> SerialPort:
    return line_port(subject="s.{device}.{name}", framing="link")


def test_a_board_hears_of_a_reading_only_once_it_is_stored() -> None:
    world = World(link_port())
    world.stream.commits_at_once = False

    async def story(world: World) -> None:
        board = Board(world)
        await world.opened()
        board.session.publish("temp", b"21.5")
        await world.until(lambda: bool(board.turn()) or world.stream.staged == 1)
        for _ in range(20):
            await world.turns(2)
            board.turn()
        assert board.session.counters.acked == 0
        world.stream.commit()
        await world.until(lambda: bool(board.turn()) or board.session.counters.acked == 1)

    run(world, story)

    assert world.stream.subjects == [b"s.node1.temp"]
    assert world.stream.ids == [b"node1.77.1"]


def test_a_reading_that_can_never_be_stored_does_not_block_its_board() -> None:
    world = World(link_port())

    async def story(world: World) -> None:
        board = Board(world)
        await world.opened()
        board.session.publish("temp", b"\xff")
        board.session.publish("temp", b"2")
        await world.until(lambda: bool(board.turn()) or board.session.counters.acked == 2)

    run(world, story)

    assert world.stream.payloads == [b"2"]
    assert world.runner.status().poison == 1


def test_log_lines_of_a_board_are_logged_up_to_their_bound(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "leafnode.bridge.port_log")
    world = World(link_port())
    count = limits.DEVICE_LOGS_MAX + 5

    async def story(world: World) -> None:
        board = Board(world)
        await world.opened()
        await world.until(lambda: bool(board.turn()) or board.session.counters.hellos > 0)
        for number in range(1, count + 1):
            board.session.log(4, f"line {number}")
            await world.until(
                lambda wanted=number: (
                    bool(board.turn()) or world.runner.status().device_logs == wanted
                )
            )

    run(world, story)

    said = [record.getMessage() for record in caplog.records if "Device" in record.getMessage()]
    assert "Device says: port=scale device=node1 text=line 1" in said
    assert len(said) == limits.DEVICE_LOGS_MAX


def sent_to_a_gateway_that_died(board: DeviceSession) -> None:
    """Readings 1 and 2 reached a gateway which stored them and died before it could say so."""
    gateway = LinkFraming()
    board.publish("temp", b"1")
    board.publish("temp", b"2")
    for _ in range(10):
        gateway.receive(board.data_to_send(0), 0)
        while gateway.next_event():
            pass
        board.receive(gateway.data_to_send(0), 0)
    assert board.counters.sent == 2
    assert board.counters.acked == 0


def test_a_board_that_waits_for_the_streams_word_costs_no_turns_of_the_loop() -> None:
    world = World(replace(link_port(), stream="S"))
    asked: list[Delivery] = []
    world.account.subscribe(b"$JS.API.STREAM.MSG.GET.S", asked.append)
    sends = 0

    async def story(world: World) -> None:
        nonlocal sends
        await world.opened()
        board = DeviceSession("node1", 77)
        hello = board.data_to_send(0)
        framing = world.runner._framing
        assert isinstance(framing, LinkFraming)
        to_send = framing.data_to_send

        def counting(now_ms: int) -> bytes:
            nonlocal sends
            sends += 1
            return to_send(now_ms)

        framing.data_to_send = counting  # type: ignore[method-assign]
        world.say(hello + hello)  # the second one waits until the stream has answered the first
        await world.until(lambda: bool(asked))
        await world.turns(5)
        sends = 0
        await world.turns(200)

    run(world, story)

    assert sends < 5


@pytest.mark.parametrize(
    ("subject", "pattern"),
    [
        ("s.{device}.{name}", "s.node1.>"),
        ("s.{device}.{field}", "s.node1.*"),
        ("s.{device}.{temp}.raw", "s.node1.*.raw"),
        ("s.{device}.{name}.raw", "s.node1.>"),
    ],
)
def test_after_a_long_outage_a_board_is_not_asked_for_what_is_stored_already(
    subject: str, pattern: str
) -> None:
    world = World(replace(link_port(), stream="S", subject=subject, codec=CodecOptions("json")))
    block = b"NATS/1.0\r\nNats-Msg-Id: node1.77.2\r\n\r\n"
    asked: list[bytes] = []

    def answer(delivery: Delivery) -> None:
        for reply, _, body in delivery.messages:
            asked.append(body)
            hdrs = base64.b64encode(block).decode()
            found = {"message": {"subject": "s.node1.t", "seq": 2, "hdrs": hdrs}}
            world.account.publish(reply, json.dumps(found).encode())

    world.account.subscribe(b"$JS.API.STREAM.MSG.GET.S", answer)

    async def story(world: World) -> None:
        board = Board(world)
        sent_to_a_gateway_that_died(board.session)
        for number in range(3, 5):
            board.session.publish("temp", b'{"temp":%d}' % number)
        await world.opened()
        for _ in range(1000):
            if board.session.counters.acked == 4:
                return
            board.turn()
            await world.turns(2)
            world.clock.advance(NS_PER_MS)
        pytest.fail("the board was not told that its readings are stored")

    run(world, story)

    assert asked == [b'{"last_by_subj":"%s"}' % pattern.encode()]
    field = b".temp" if "{field}" in subject else b""
    assert world.stream.ids == [b"node1.77.3" + field, b"node1.77.4" + field]


def test_readings_wait_while_it_is_asked_what_is_stored() -> None:
    world = World(replace(link_port(), stream="S"))
    world.account.subscribe(b"$JS.API.STREAM.MSG.GET.S", lambda _: None)

    async def story(world: World) -> None:
        board = Board(world)
        board.session.publish("temp", b"1")
        await world.opened()
        await world.until(lambda: bool(board.turn()) or board.session.counters.hellos > 0)
        for _ in range(50):
            await world.turns(2)
            board.turn()
        assert world.stream.received == 0
        world.clock.advance(limits.RESUME_TIMEOUT_NS)
        await world.until(lambda: bool(board.turn()) or board.session.counters.acked == 1)

    run(world, story)

    assert world.stream.ids == [b"node1.77.1"]
    assert world.runner.status().pauses == 0


def test_a_board_that_reboots_all_the_time_costs_nothing_but_its_hellos() -> None:
    world = World(link_port())
    hellos = b"".join(DeviceSession("node1", boot).data_to_send(0) for boot in range(1, 301))

    async def story(world: World) -> None:
        await world.opened()
        await world.until(lambda: bool(world.hear()))
        world.say(hellos)
        await world.until(lambda: world.runner.status().frames == 300)
        await world.turns()

    run(world, story)

    status = world.runner.status()
    assert (status.opens, status.queued) == (1, 0)


def test_what_the_driver_counted_is_shown_over_all_openings() -> None:
    world = World(line_port())

    async def story(world: World) -> None:
        await world.opened()
        world.line.errors = LineErrors(overruns=2, framing_errors=1)
        assert world.runner.status().line["overruns"] == 2
        world.line.unplug()
        await world.until(lambda: not world.runner.status().open)
        world.line.errors = LineErrors(overruns=3, breaks=1)

        def is_open_again() -> bool:
            world.clock.advance(NS_PER_S)
            return world.runner.status().open

        await world.until(is_open_again)

    run(world, story)

    assert world.runner.status().line == {
        "overruns": 5,
        "framing_errors": 1,
        "parity_errors": 0,
        "breaks": 1,
    }
