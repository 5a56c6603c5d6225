"""A board on a port: what it says and hears besides readings, through losses of either side."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import random
from dataclasses import replace
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.bridge.bridge import Bridge
from leafnode.bridge.framing.text_lines import sealed
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.config.serial_options import SerialOptions, SerialPort
from leafnode.config.serial_stage_options import CodecOptions, MappingOptions, MessageOptions
from leafnode.go_time import format_time
from leafnode.link import const
from leafnode.link.aliases import Aliases
from leafnode.link.channel import Channel
from leafnode.link.clock import DeviceClock
from leafnode.link.device import DeviceSession
from leafnode.link.messages import Message, Messages
from leafnode.protocol import header
from tests.sim.clock import WALL_START_NS, FakeClock
from tests.unit.bridge.fake_stream import FakeStream, new_account
from tests.unit.bridge.world import FakeLine, World, line_port, run

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from leafnode.bridge.reading import Reading
    from leafnode.routing.account import Account
    from leafnode.routing.subscription import Delivery

MESSAGES = MessageOptions(("cmd.{device}.{name}",), "svc.{name}")


def port(framing: str = "link", messages: MessageOptions = MESSAGES) -> SerialPort:
    return replace(line_port(subject="s.{device}.{name}", framing=framing), messages=messages)


class Board:
    """A board with all parts of the real device session, at the far end of a line."""

    def __init__(self, line: FakeLine, clock: FakeClock) -> None:
        self.line = line
        self.clock = clock
        channel = Channel()
        self.time = DeviceClock()
        self.session = DeviceSession(
            "node1", 77, clock=self.time, channel=channel, aliases=Aliases(channel)
        )
        self.messages = Messages(channel)
        self.heard: list[bytes] = []
        self.replies: list[tuple[int, bytes]] = []

    @property
    def now_ms(self) -> int:
        return self.clock.monotonic_ns() // NS_PER_MS

    def turn(self) -> None:
        assert self.line.device is not None
        with contextlib.suppress(BlockingIOError):  # nothing is there
            self.session.receive(self.line.device.recv(65536), self.now_ms)
        while data := self.session.data_to_send(self.now_ms):
            self.line.device.sendall(data)

    def serve_led(self) -> None:
        def on_led(message: Message) -> bytes:
            self.heard.append(message.payload)
            return b"was " + message.payload

        self.messages.serve("led", on_led)

    def ask(self, subject: str) -> None:
        def on_reply(status: int, payload: bytes) -> None:
            self.replies.append((status, payload))

        assert self.messages.request(subject, b"?", 1000, on_reply, self.now_ms)


class Requester:
    """Somebody who asks and notes what comes."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.answers: list[bytes] = []
        self.codes: list[bytes | None] = []
        account.subscribe(b"_INBOX.me", self._on)

    def ask(self, subject: bytes, payload: bytes) -> int:
        return self.account.publish(subject, payload, reply=b"_INBOX.me")

    def _on(self, delivery: Delivery) -> None:
        for _, size, body in delivery.messages:
            self.answers.append(body[size:])
            self.codes.append(header.get(body[:size], b"Nats-Service-Error-Code"))


async def until(world: World, board: Board, condition: Callable[[], bool]) -> None:
    await world.until(lambda: bool(board.turn()) or condition())


def subscriptions(world: World) -> int:
    return world.runner.status().board["subscriptions"]


def test_a_board_is_asked_and_answers() -> None:
    world = World(port())
    requester = Requester(world.account)

    async def story(world: World) -> None:
        board = Board(world.line, world.clock)
        board.serve_led()
        await world.opened()
        await until(world, board, lambda: subscriptions(world) == 1)
        assert requester.ask(b"cmd.node1.led", b"on") == 1
        await until(world, board, lambda: bool(requester.answers))

    run(world, story)

    assert requester.answers == [b"was on"]
    assert world.account.listens(b"cmd.node1.led") is False


def test_a_board_asks_and_is_answered() -> None:
    world = World(port())
    world.account.subscribe(
        b"svc.zone",
        lambda delivery: world.account.publish(delivery.messages[0][0], b"CET") and None,
    )

    async def story(world: World) -> None:
        board = Board(world.line, world.clock)
        await world.opened()
        await until(world, board, lambda: board.session.is_up)
        board.ask("zone")
        await until(world, board, lambda: bool(board.replies))
        assert board.replies == [(0, b"CET")]

    run(world, story)


def test_why_a_line_of_a_text_board_is_not_taken_is_counted_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(port("text_link"))

    async def story(world: World) -> None:
        await world.opened()
        world.say(b"hello uno 5\npt temp hot\npt temp cold\npt temp 21 deg C\n")
        await world.until(lambda: world.runner.status().bad == 3)

    run(world, story)

    said = [line for line in caplog.messages if "is not taken" in line]
    assert [line.partition(" it=")[2] for line in said] == [
        "has no number behind its subject times=1",
        "has a unit that is not 1 to 16 printable characters of ASCII, without blanks times=1",
    ]
    text = world.runner.status().text
    assert (text["value"], text["unit"], text["checksum"]) == (2, 1, 0)


def test_when_an_unplugged_board_was_heard_last_is_known_though_nobody_asked() -> None:
    world = World(port("text_link"))
    heard: list[int] = []

    async def story(world: World) -> None:
        assert world.runner._boards is not None
        await world.opened()
        world.say(b"hello uno 5\n")
        await world.until(lambda: b"ok hello" in world.hear())
        world.clock.advance(5 * NS_PER_S)
        world.say(b"pt temp hot\n")
        await world.until(lambda: world.runner.status().bad == 1)
        heard.append(world.clock.monotonic_ns() // NS_PER_MS)
        world.clock.advance(NS_PER_S)
        world.line.unplug()
        await world.until(lambda: not world.runner.status().open)
        world.clock.advance(NS_PER_S)
        heard.extend(one.seen_ns // NS_PER_MS for one in world.runner._boards._devices.devices())

    run(world, story)

    assert heard == [heard[0]] * 2


def test_when_a_text_board_was_heard_last_is_known_though_another_is_plugged_in_its_place() -> None:
    world = World(port("text_link"))
    heard: list[int] = []

    async def story(world: World) -> None:
        assert world.runner._boards is not None
        await world.opened()
        world.say(b"hello uno 5\n")
        await world.until(lambda: b"ok hello" in world.hear())
        world.clock.advance(5 * NS_PER_S)
        world.say(b"pt temp hot\n")
        await world.until(lambda: world.runner.status().bad == 1)
        heard.append(world.clock.monotonic_ns() // NS_PER_MS)
        world.clock.advance(NS_PER_S)
        world.say(b"hello due 6\n")
        await world.until(lambda: b"ok hello" in world.hear())
        due, uno = world.runner._boards._devices.devices()
        heard.append(uno.seen_ns // NS_PER_MS)
        assert (due.up, uno.up) == (True, False)

    run(world, story)

    assert heard == [heard[0]] * 2


def test_when_a_board_that_went_silent_was_heard_last_is_known_though_nobody_asked_then() -> None:
    world = World(port("text_link"))
    heard: list[int] = []

    async def story(world: World) -> None:
        assert world.runner._boards is not None
        await world.opened()
        world.say(b"hello uno 5\n")
        await world.until(lambda: b"ok hello" in world.hear())
        world.clock.advance(5 * NS_PER_S)
        world.say(b"pt temp hot\n")
        await world.until(lambda: world.runner.status().bad == 1)
        heard.append(world.clock.monotonic_ns() // NS_PER_MS)
        world.clock.advance(120 * NS_PER_S)
        (uno,) = world.runner._boards._devices.devices()
        heard.append(uno.seen_ns // NS_PER_MS)
        assert not uno.up

    run(world, story)

    assert heard == [heard[0]] * 2


def test_all_numbered_lines_of_a_text_board_are_gathered_and_then_acknowledged() -> None:
    gather = MappingOptions(every_ns=60 * NS_PER_S, functions=("max", "count"))
    options = replace(port("text_link"), mapping=gather, codec=CodecOptions("json"))
    world = World(options)

    async def story(world: World) -> None:
        await world.opened()
        world.say(b"hello uno 5\n")
        await world.until(lambda: b"ok hello" in world.hear())
        for number in range(1, 21):
            world.say(b"#%d pt temp %d\n" % (number, number))
            heard = b"got %d\n" % number
            await world.until(lambda: world.hear() == heard)  # noqa: B023
        assert world.stream.payloads == []
        world.clock.advance(60 * NS_PER_S)
        await world.until(lambda: b"ok 20" in world.hear())

    run(world, story)

    assert world.stream.payloads == [b'{"v":20,"count":20}']


def test_what_a_board_says_beyond_max_payload_is_not_published() -> None:
    """Its answers, why it failed, and what it asks; each at the bound, and one byte beyond."""
    world = World(port("text_link"), max_payload_bytes=200)
    requester, asked = Requester(world.account), list[int]()
    world.account.subscribe(
        b"svc.zone",
        lambda delivery: asked.extend(len(body) for _, _, body in delivery.messages) or None,
    )
    headers = len(
        header.build(
            [(b"Nats-Service-Error", b"the board failed"), (b"Nats-Service-Error-Code", b"500")]
        )
    )

    async def story(world: World) -> None:
        await world.opened()
        world.say(b"hello uno 5\nserve led\n")
        await world.until(lambda: subscriptions(world) == 1)
        answers = (b"rep", 200), (b"rep", 201), (b"err", 200 - headers), (b"err", 201 - headers)
        for number, (verb, size) in enumerate(answers, 1):
            requester.ask(b"cmd.uno.led", b"on")
            await world.turns()
            world.say(b"%b %d %b\n" % (verb, number, b"x" * size))
            await world.until(lambda: len(requester.answers) == number)  # noqa: B023
        world.hear()
        for number, size in (1, 200), (2, 201):
            world.say(b"req %d 1000 zone %b\n" % (number, b"x" * size))
            await world.turns()
        assert world.hear() == b"rep 2 too-large\n"

    run(world, story)

    assert [len(answer) for answer in requester.answers] == [200, 0, 200 - headers, 0]
    assert requester.codes == [None, b"413", b"500", b"500"]
    assert asked == [200]
    board = world.runner.status().board
    assert (board["too_large"], board["asked_in_vain"]) == (3, 1)


def test_an_unplugged_board_has_no_subscriptions_and_has_them_again_when_it_is_back() -> None:
    world = World(port())
    requester = Requester(world.account)

    async def story(world: World) -> None:
        board = Board(world.line, world.clock)
        board.serve_led()
        await world.opened()
        await until(world, board, lambda: subscriptions(world) == 1)
        world.line.unplug()
        await world.until(lambda: not world.runner.status().open)
        assert requester.ask(b"cmd.node1.led", b"lost") == 0
        await world.until(lambda: world.line.closes == 1)
        await world.until(lambda: world.clock.pending() >= 1)
        world.clock.advance(limits.PORT_POLL_NS)
        await world.opened()
        await until(world, board, lambda: subscriptions(world) == 1)
        assert requester.ask(b"cmd.node1.led", b"on") == 1
        await until(world, board, lambda: bool(requester.answers))
        assert board.heard == [b"on"]

    run(world, story)

    assert requester.answers == [b"was on"]


def test_a_board_that_goes_silent_loses_its_subscriptions_though_no_byte_comes() -> None:
    world = World(port(messages=replace(MESSAGES, timeout_ns=2 * const.DEAD_MS * NS_PER_MS)))
    requester = Requester(world.account)

    async def story(world: World) -> None:
        board = Board(world.line, world.clock)
        board.messages.serve("led", lambda message: None)
        await world.opened()
        await until(world, board, lambda: subscriptions(world) == 1)
        requester.ask(b"cmd.node1.led", b"on")
        for _ in range(2 + const.DEAD_MS // 500):
            world.clock.advance(500 * NS_PER_MS)
            await world.turns(5)
        assert subscriptions(world) == 0

    run(world, story)

    assert requester.codes[-1] == b"503"


def test_a_reading_has_the_time_at_which_it_was_measured() -> None:
    world = World(port())

    async def story(world: World) -> None:
        board = Board(world.line, world.clock)
        board.session.publish("temperature", b"1", board.now_ms)
        world.clock.advance(90_000 * NS_PER_MS)
        await world.opened()
        await until(world, board, lambda: world.runner.status().stored == 1)

    run(world, story)

    block = world.stream.headers[0]
    assert header.get(block, b"Leafnode-Time") == format_time(WALL_START_NS).encode()


def test_a_text_board_hears_ok_after_the_commit() -> None:
    world = World(port("text_link"))
    world.stream.commits_at_once = False

    async def story(world: World) -> None:
        await world.opened()
        heard = bytearray()
        world.say(sealed(b"hello uno 5") + b"\n" + sealed(b"#1 pt temp 21.5") + b"\n")
        await world.until(lambda: world.stream.staged == 1)
        heard += world.hear()
        assert b"ok 1" not in heard
        world.stream.commit()
        await world.until(lambda: b"ok 1" in bytes(heard + world.hear()))

    run(world, story)

    assert world.stream.ids == [b"uno.5.1"]
    assert world.stream.payloads == [b'{"v":21.5}']


def _fails_once(world: World, at: int = 1) -> list[bytes]:
    """Let the mapper lose its first reading, or a later one; return what it was offered."""
    offer, offered = world.runner._mapper.offer, list[bytes]()

    def failing(reading: Reading) -> None:
        offered.append(reading.msg_id)
        if len(offered) == at:
            raise ArithmeticError
        offer(reading)

    world.runner._mapper.offer = failing  # type: ignore[method-assign]
    return offered


async def _opened_again(world: World) -> None:
    def reopened() -> bool:
        world.clock.advance(50 * NS_PER_MS)
        status = world.runner.status()
        return status.open and status.opens == 2

    await world.until(reopened)


def test_a_reading_that_an_error_lost_is_taken_when_a_text_board_repeats_it() -> None:
    world = World(port("text_link"))
    offered = _fails_once(world)

    async def story(world: World) -> None:
        await world.opened()
        lines = b"hello uno 5\n#1 pt temp 21.5\n#2 pt temp 22\n"
        world.say(lines)
        await _opened_again(world)
        assert offered == [b"uno.5.1"]
        world.say(lines)
        await world.until(lambda: len(world.stream.ids) == 2)

    run(world, story)

    assert world.stream.ids == [b"uno.5.1", b"uno.5.2"]


def test_what_one_board_said_acknowledges_nothing_of_another_with_its_boot_number() -> None:
    """A boot number may be a counter, and two boards that are swapped at the same one."""
    world = World(port("text_link"))
    world.stream.commits_at_once = False

    async def story(world: World) -> None:
        await world.opened()
        world.say(b"hello uno 5\n#8 pt temp 1\n")
        await world.until(lambda: world.stream.received == 1)
        world.say(b"hello due 5\n#1 pt temp 2\n")
        await world.until(lambda: world.runner.status().queued == 2)
        world.hear()
        world.stream.commit()
        await world.until(lambda: world.stream.received == 2)
        assert world.hear() == b""
        world.stream.commit()
        await world.turns()
        assert world.hear() == b"ok 1\n"

    run(world, story)

    assert world.stream.ids == [b"uno.5.8", b"due.5.1"]


def test_a_reading_that_an_error_lost_is_sent_again_by_a_board_with_the_link() -> None:
    world = World(port())
    offered = _fails_once(world)

    async def story(world: World) -> None:
        await world.opened()
        board = Board(world.line, world.clock)
        board.session.publish("temp", b"1", board.now_ms)
        board.session.publish("temp", b"2", board.now_ms)

        def failed() -> bool:
            board.turn()
            return bool(offered)

        await world.until(failed)
        await _opened_again(world)

        def stored() -> bool:
            world.clock.advance(50 * NS_PER_MS)
            board.turn()
            return len(world.stream.ids) >= 2

        await world.until(stored)

    run(world, story)

    assert world.stream.ids == [b"node1.77.1", b"node1.77.2"]


def test_what_was_gathered_before_an_error_is_not_gathered_twice() -> None:
    gather = MappingOptions(every_ns=3600 * NS_PER_S, functions=("max", "count"))
    world = World(replace(port(), codec=CodecOptions("json"), mapping=gather))
    offered = _fails_once(world, at=3)

    async def story(world: World) -> None:
        await world.opened()
        board = Board(world.line, world.clock)

        def turned(count: int) -> bool:
            world.clock.advance(50 * NS_PER_MS)
            board.turn()
            return len(offered) == count

        for number in (1, 2):
            board.session.publish("temp", b'{"t":%d}' % number, board.now_ms)
        await world.until(lambda: turned(2))
        board.session.publish("temp", b'{"t":3}', board.now_ms)
        await world.until(lambda: turned(3))
        await _opened_again(world)
        await world.until(lambda: turned(4))
        world.clock.advance(3600 * NS_PER_S)
        await world.until(lambda: len(world.stream.payloads) == 1)

    run(world, story)

    assert offered == [b"node1.77.1", b"node1.77.2", b"node1.77.3", b"node1.77.3"]
    assert world.stream.payloads == [b'{"t":3,"count":3}']


def test_a_text_board_is_asked_and_answers() -> None:
    world = World(port("text_link"))
    requester = Requester(world.account)

    async def story(world: World) -> None:
        await world.opened()
        world.say(b"hello uno\nserve led\n")
        await world.until(lambda: subscriptions(world) == 1)
        requester.ask(b"cmd.uno.led", b"on")
        heard = bytearray()

        def asked() -> bool:
            heard.extend(world.hear())
            return b"req 1 led on\n" in heard

        await world.until(asked)
        world.say(b"rep 1 done\n")
        await world.until(lambda: bool(requester.answers))

    run(world, story)

    assert requester.answers == [b"done"]


def test_a_reload_that_takes_messages_away_ends_what_boards_subscribed_to() -> None:
    line = FakeLine()
    account, clock = new_account(), FakeClock()
    FakeStream(account, b"s.>")
    bridge = Bridge(
        SerialOptions(ports=(port(),)), account, clock, random.Random(1), open_serial=line.open
    )

    async def story() -> None:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(bridge.run())
            board = Board(line, clock)
            board.serve_led()

            async def turns(condition: Callable[[], bool]) -> None:
                async with asyncio.timeout(10):
                    while not condition():
                        if line.device is not None and bridge.status()[0].open:
                            board.turn()
                        clock.advance(10 * NS_PER_MS)
                        await asyncio.sleep(0)

            await turns(lambda: account.listens(b"cmd.node1.led"))
            await bridge.change(SerialOptions(ports=(port(messages=MessageOptions()),)))
            assert not account.listens(b"cmd.node1.led")
            await turns(lambda: board.messages.subs_refused == 1)
            assert not account.listens(b"cmd.node1.led")
            running.cancel()

    asyncio.run(story())
    if line.device is not None:
        line.device.close()


def test_a_board_takes_no_name_of_a_board_on_another_port_while_that_is_there() -> None:
    clock, account = FakeClock(), new_account()
    stream = FakeStream(account, b"s.>")
    stream.commits_at_once = True
    lines = {name: FakeLine() for name in ("a", "b")}
    ports = [replace(port(), name=name, device=f"/dev/{name}") for name in lines]
    bridge = Bridge(
        SerialOptions(tuple(ports)),
        account,
        clock,
        random.Random(1),
        open_serial=lambda options: lines[options.name].open(options),
    )
    boards: list[Board] = []

    async def story() -> None:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(bridge.run())

            async def turns(condition: Callable[[], bool]) -> None:
                async with asyncio.timeout(20):
                    while not condition():
                        clock.advance(5 * NS_PER_MS)
                        for board in boards:
                            board.turn()
                        await asyncio.sleep(0)

            await turns(lambda: all(one.open for one in bridge.status()))
            boards.append(Board(lines["a"], clock))
            await turns(lambda: [one.up for one in bridge.devices.devices()] == [True])
            boards.append(Board(lines["b"], clock))
            boards[1].session.publish("t", b"2", boards[1].now_ms)
            await turns(lambda: bridge.status()[1].names_refused > 0)
            assert [(one.name, one.port) for one in bridge.devices.devices()] == [("node1", "a")]
            assert stream.payloads == []
            del boards[0]
            lines["a"].unplug()
            await turns(lambda: stream.payloads == [b"2"])
            up = [(one.port, one.up) for one in bridge.devices.devices()]
            assert up == [("a", False), ("b", True)]
            running.cancel()

    asyncio.run(story())
    for line in lines.values():
        if line.device is not None:
            line.device.close()


def test_a_board_has_only_a_name_that_its_port_gives_it() -> None:
    world = World(replace(port(), boards=("press", "saw")))

    async def story(world: World) -> None:
        await world.opened()
        board = Board(world.line, world.clock)
        board.session.publish("t", b"1", board.now_ms)
        await until(world, board, lambda: world.runner.status().names_refused > 0)
        assert world.stream.payloads == []

    run(world, story)


def test_a_text_board_with_a_name_that_is_not_its_own_is_nobody() -> None:
    world = World(replace(port("text_link"), boards=("uno",)))

    async def story(world: World) -> None:
        await world.opened()
        world.say(b"hello uno 7\n#1 pt t 1\n")
        await world.until(lambda: world.runner.status().stored == 1)
        world.say(b"hello due 8\n#1 pt t 2\npt t 3\n")
        await world.until(lambda: world.runner.status().stored == 2)
        assert world.runner.status().names_refused == 1

    run(world, story)

    assert world.stream.subjects == [b"s.uno.t", b"s.scale.t"]
    assert world.stream.payloads == [b'{"v":1}', b'{"v":3}']


def test_a_silent_text_board_whose_name_another_has_is_nobody_when_it_speaks_again() -> None:
    world = World(port("text_link"))

    async def story(world: World) -> None:
        await world.opened()
        world.say(b"hello uno 7\n#1 pt t 1\n")
        await world.until(lambda: world.runner.status().stored == 1)
        assert world.runner._boards is not None
        world.runner._boards.forget("uno")
        world.say(b"#2 pt t 2\npt t 3\n")
        await world.until(lambda: world.runner.status().stored == 2)
        assert world.hear().endswith(b"hello?\n")

    run(world, story)

    assert world.stream.subjects == [b"s.uno.t", b"s.scale.t"]


def test_what_was_read_while_the_stream_is_asked_is_stored_when_the_port_ends() -> None:
    """But for what the board keeps: nobody knows whether that is stored."""
    world = World(replace(port("text_link"), stream="S"))
    asked: list[bytes] = []
    world.account.subscribe(
        b"$JS.API.STREAM.MSG.GET.S", lambda delivery: asked.append(delivery.subject)
    )

    async def story(world: World) -> None:
        await world.opened()
        world.say(
            b"hello node1 77\npt temp 21.5\n" + sealed(b"#1 pt temp 21.6") + b"\npt temp 21.7\n"
        )
        await world.turns(40)
        assert world.stream.payloads == []

    run(world, story)

    assert asked
    assert world.stream.payloads == [b'{"v":21.5}', b'{"v":21.7}']


def test_what_was_read_behind_another_hello_is_stored_too_when_the_port_ends() -> None:
    world = World(replace(port("text_link"), stream="S"))
    asked: list[bytes] = []
    world.account.subscribe(
        b"$JS.API.STREAM.MSG.GET.S", lambda delivery: asked.append(delivery.subject)
    )

    async def story(world: World) -> None:
        await world.opened()
        world.say(b"hello node1 77\npt temp 21.5\nhello node1 78\n#1 pt temp 21.6\npt temp 21.7\n")
        await world.turns(40)

    run(world, story)

    assert len(asked) == 1
    assert world.stream.payloads == [b'{"v":21.5}', b'{"v":21.7}']
    assert world.clock.pending() == 0


def answering(world: World, *former: bytes) -> None:
    """Have the stream asked for the last message, one of a former gateway in the end."""

    def answer(delivery: Delivery) -> None:
        block = [*former, *world.stream.headers][-1]
        message = {"seq": 1, "hdrs": base64.b64encode(block).decode()}
        text = json.dumps({"message": message}).encode()
        world.account.publish(delivery.messages[0][0], text)

    world.account.subscribe(b"$JS.API.STREAM.MSG.GET.S", answer)


def test_a_line_that_is_repeated_after_an_outage_is_stored_once_behind_those_without_a_number() -> (
    None
):
    before, after = (World(replace(port("text_link"), stream="S")) for _ in range(2))
    before.account.subscribe(b"$JS.API.STREAM.MSG.GET.S", lambda _: None)

    async def said(world: World) -> None:
        await world.opened()
        world.say(b"hello node1 77\n")
        await world.turns(40)
        world.clock.advance(limits.RESUME_TIMEOUT_NS)
        world.say(b"#1 pt t 1\npt t 2\npt t 3\n")
        await world.until(lambda: world.runner.status().stored == 3)

    async def repeated(world: World) -> None:
        await world.opened()
        world.say(b"hello node1 77\npt t 4\n#1 pt t 1\n#2 pt t 5\n")
        await world.until(lambda: world.runner.status().stored == 2)

    run(before, said)
    answering(after, *before.stream.headers)
    run(after, repeated)

    assert before.stream.payloads == [b'{"v":1}', b'{"v":2}', b'{"v":3}']
    assert after.stream.payloads == [b'{"v":4}', b'{"v":5}']
    told = header.get(after.stream.headers[0], b"Leafnode-Through")
    assert told == b"node1.77.1"  # what is stored is known of it for the next time, too


def test_what_a_stream_holds_under_another_subject_is_no_message_of_a_board() -> None:
    """A consumer pushes it to the board's subject: no part of its name is what the board hears."""
    world = World(port("text_link"))

    async def story(world: World) -> None:
        await world.opened()
        world.say(b"hello node1 77\nsub led\n")
        await world.turns(40)
        world.hear()
        for stored in (b"orders.new.2026", b"a.b", b"kv.\xff\xff.abcdefgh\xff"):
            world.account.deliver(b"cmd.node1.led", [(stored, b"", 0, b"x")])
        await world.turns(40)

        assert world.hear() == b""

    run(world, story)


def test_a_text_board_that_serves_is_asked_who_it_is_by_a_gateway_that_begins_anew() -> None:
    """It heard nothing: requests to it had no responders, its readings the port's name."""
    world = World(port("text_link"))

    async def story(world: World) -> None:
        await world.opened()
        await world.turns(5)
        assert b"hello?\n" in world.hear()
        world.clock.advance(5 * NS_PER_S)
        await world.turns(5)
        assert b"hello?\n" in world.hear()
        world.say(b"hello node1 77\nserve led\npt t 1\n")
        await world.until(lambda: world.runner.status().stored == 1)
        world.clock.advance(3600 * NS_PER_S)
        await world.turns(5)
        assert world.hear() == b"ok hello\nok sub led\n"

    run(world, story)

    assert world.stream.subjects == [b"s.node1.t"]
