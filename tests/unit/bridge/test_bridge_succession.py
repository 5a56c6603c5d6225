"""leafnode.bridge.bridge: reloads that come while what the bridge before left is handed on."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from leafnode.bridge.bridge import Bridge
from leafnode.clock import NS_PER_S
from leafnode.config.serial_options import SerialOptions, SerialPort
from leafnode.config.serial_stage_options import (
    CodecOptions,
    FieldOptions,
    FramingOptions,
    MappingOptions,
)
from leafnode.protocol import header
from tests.sim.clock import FakeClock
from tests.unit.bridge.fake_stream import NO_SPACE, FakeStream, new_account
from tests.unit.bridge.world import FakeLine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from leafnode.bridge.runner import PortRunner
    from leafnode.routing.account import Account

NAMES = "abcdefgh"
TEXT = FramingOptions("text_link", keep_first=True)


class Site:
    """Eight ports, and bridges that serve them one after the other."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.accounts: dict[int, Account] = {}
        self.lines = {name: FakeLine() for name in NAMES}
        lines = FramingOptions(keep_first=True)
        self.ports = [
            SerialPort(device=name, name=name, subject="s.{port}", framing=lines) for name in NAMES
        ]

    def bridge(self, seed: int, ports: list[SerialPort] | None = None) -> Bridge:
        account = self.accounts[seed] = new_account()
        return Bridge(
            SerialOptions(ports=tuple(ports or self.ports)),
            account,
            self.clock,
            random.Random(seed),
            open_serial=lambda options: self.lines[options.device].open(options),
        )

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self.clock.advance(0)
                await asyncio.sleep(0)

    def close(self) -> None:
        for line in self.lines.values():
            assert line.device is not None
            line.device.close()


@asynccontextmanager
async def running(bridge: Bridge) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(bridge.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def filled(site: Site) -> Bridge:
    """A bridge that has ended; each of its ports had three readings that no stream took."""
    bridge = site.bridge(0)
    async with running(bridge):
        await site.until(lambda: all(port.open for port in bridge.status()))
        for line in site.lines.values():
            assert line.device is not None
            line.device.sendall(b"1\n2\n3\n")
        await site.until(lambda: all(port.queued == 3 for port in bridge.status()))
    return bridge


def test_a_reload_that_comes_while_ports_are_handed_on_begins_each_port_once() -> None:
    site = Site()

    async def story() -> None:
        second = site.bridge(1)
        second.succeed(await filled(site))
        async with running(second) as task:
            for _ in range(3):
                await asyncio.sleep(0)
            changed = [*site.ports[:-1], replace(site.ports[-1], subject="other")]
            await second.change(SerialOptions(ports=tuple(changed)))
            await site.until(lambda: all(port.open for port in second.status()))
            assert not task.done()
            assert [port.queued for port in second.status()] == [3] * len(NAMES)

    asyncio.run(story())
    site.close()


def test_the_end_of_a_bridge_that_hands_on_lets_all_of_it_be_stored() -> None:
    site = Site()

    async def story() -> None:
        second = site.bridge(1)
        second.succeed(await filled(site))
        async with running(second):
            for _ in range(3):
                await asyncio.sleep(0)
        stream = FakeStream(site.accounts[1], b"s.>")
        stream.commits_at_once = True
        settling = asyncio.create_task(second.settle())
        for _ in range(100):
            site.clock.advance(NS_PER_S // 20)
            await asyncio.sleep(0)
        await settling
        assert len(stream.payloads) == 3 * len(NAMES)

    asyncio.run(story())
    site.close()


def test_what_was_not_handed_on_yet_is_the_next_ones_or_is_seen_off() -> None:
    site = Site()

    async def story() -> None:
        second, third = site.bridge(1), site.bridge(2)
        second.succeed(await filled(site))
        async with running(second):
            for _ in range(3):
                await asyncio.sleep(0)
        third.succeed(second)
        async with running(third):
            await site.until(lambda: [port.queued for port in third.status()] == [3] * len(NAMES))

    asyncio.run(story())
    site.close()


def test_a_port_that_one_reload_takes_away_and_the_next_brings_back_has_what_waits() -> None:
    site = Site()
    kept = site.ports[:-1]

    async def story() -> None:
        bridge = site.bridge(0)
        async with running(bridge):
            await site.until(lambda: all(port.open for port in bridge.status()))
            line = site.lines["h"]
            assert line.device is not None
            line.device.sendall(b"1\n2\n3\n")
            await site.until(lambda: bridge.status()[-1].queued == 3)

            await bridge.change(SerialOptions(ports=tuple(kept)))
            await bridge.change(SerialOptions(ports=tuple(site.ports)))
            await site.until(lambda: bridge.status()[-1].open)
            line.device.sendall(b"4\n")
            for _ in range(30):
                site.clock.advance(NS_PER_S)
                await asyncio.sleep(0)
            assert bridge.status()[-1].queued == 4
            assert bridge.lost == 0
            stream = FakeStream(site.accounts[0], b"s.>")
            stream.commits_at_once = True
            for _ in range(100):
                site.clock.advance(NS_PER_S)
                await asyncio.sleep(0)
            assert stream.payloads == [b"1", b"2", b"3", b"4"]

    asyncio.run(story())
    site.close()


def test_a_port_that_comes_back_before_the_bridge_began_is_read() -> None:
    site = Site()

    async def story() -> None:
        bridge = site.bridge(0)
        await bridge.change(SerialOptions(ports=tuple(site.ports[:-1])))
        await bridge.change(SerialOptions(ports=tuple(site.ports)))
        async with running(bridge):
            await site.until(lambda: all(port.open for port in bridge.status()))
            line = site.lines["h"]
            assert line.device is not None
            line.device.sendall(b"1\n")
            await site.until(lambda: bridge.status()[-1].queued == 1)

    asyncio.run(story())
    site.close()


async def test_new_ports_of_a_reload_are_made_one_in_a_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A bus may have thousands of groups: 24 of 247 slaves took 170 ms."""
    site = Site()
    bridge = site.bridge(1, site.ports[:1])
    made: list[int] = []
    turn = 0
    new = bridge._runner

    def note(port: SerialPort) -> PortRunner:
        made.append(turn)
        return new(port)

    monkeypatch.setattr(bridge, "_runner", note)
    async with asyncio.TaskGroup() as tasks:
        options = SerialOptions(ports=tuple(site.ports))
        changing = tasks.create_task(bridge.change(options))
        while not changing.done():
            turn += 1
            await asyncio.sleep(0)

    assert len(made) == len(set(made)) == 7
    assert [status.name for status in bridge.status()] == list(NAMES)


async def says_fifty(site: Site, bridge: Bridge, line: FakeLine) -> None:
    """A board that keeps 8 lines: of what no stream takes it gives up the oldest."""
    await site.until(lambda: bool(bridge.status()) and bridge.status()[0].open)
    assert line.device is not None
    line.device.sendall(b"hello uno 7\n")
    for number in range(1, 51):
        line.device.sendall(b"#%d pt t %d\n" % (number, number))
    await site.until(lambda: bridge.status()[0].queued == 50)


async def says_the_last_again(site: Site, bridge: Bridge, line: FakeLine) -> None:
    await site.until(lambda: bridge.status()[0].open)
    assert line.device is not None
    line.device.sendall(b"hello uno 7\n#43 pt t 43\n")
    for number in range(43, 51):
        line.device.sendall(b"#%d pt t %d\n" % (number, number))
    for _ in range(200):
        site.clock.advance(NS_PER_S // 20)
        await asyncio.sleep(0)


def test_what_a_board_gave_up_is_stored_behind_a_reload_and_before_what_it_says_again() -> None:
    site = Site()
    line = site.lines["a"]
    port = replace(site.ports[0], subject="s.{device}", framing=TEXT)

    async def story() -> None:
        bridge = site.bridge(0, [port])
        async with running(bridge):
            await says_fifty(site, bridge, line)
            await bridge.change(SerialOptions(ports=(replace(port, baud=9600),)))
            await says_the_last_again(site, bridge, line)
            stream = FakeStream(site.accounts[0], b"s.>")
            stream.commits_at_once = True
            for _ in range(500):
                site.clock.advance(NS_PER_S // 20)
                await asyncio.sleep(0)
            assert stream.payloads == [b'{"v":%d}' % number for number in range(1, 51)]
            assert line.device is not None
            assert b"ok 50" in line.device.recv(65536)

    asyncio.run(story())
    assert line.device is not None
    line.device.close()


def test_what_is_left_to_the_boards_by_a_reload_to_another_subject_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    site = Site()
    line = site.lines["a"]
    port = replace(site.ports[0], subject="s.{device}", framing=TEXT)

    async def story() -> None:
        bridge = site.bridge(0, [port])
        async with running(bridge):
            await says_fifty(site, bridge, line)
            await bridge.change(SerialOptions(ports=(replace(port, subject="t.{device}"),)))
            await site.until(lambda: bridge.status()[0].open)
            assert bridge.status()[0].queued == 0

    asyncio.run(story())
    assert line.device is not None
    line.device.close()

    assert "left to the boards, which may have given it up: port=a count=50" in caplog.text


RENAMED = MappingOptions(fields=(FieldOptions("v", rename="w"),))


@pytest.mark.parametrize(
    ("changed", "subjects"),
    [
        ({"baud": 9600}, [b"s.uno.v"] * 50),
        ({"mapping": RENAMED}, [b"s.uno.w"] * 8),  # all that the board has
        ({"codec": CodecOptions("json", max_input=300)}, [b"s.uno.v"] * 8),
    ],
)
def test_what_may_have_fields_of_other_names_now_is_not_stored_under_two(
    changed: dict[str, Any], subjects: list[bytes]
) -> None:
    site = Site()
    line = site.lines["a"]
    port = replace(
        site.ports[0], subject="s.{device}.{field}", framing=TEXT, codec=CodecOptions("json")
    )

    async def story() -> None:
        bridge = site.bridge(0, [port])
        async with running(bridge):
            await says_fifty(site, bridge, line)
            await bridge.change(SerialOptions(ports=(replace(port, **changed),)))
            await says_the_last_again(site, bridge, line)
            stream = FakeStream(site.accounts[0], b"s.>")
            stream.commits_at_once = True
            for _ in range(500):
                site.clock.advance(NS_PER_S // 20)
                await asyncio.sleep(0)
            assert stream.subjects == subjects

    asyncio.run(story())
    assert line.device is not None
    line.device.close()


class Boards:
    """Two boards, one after the other on a port; a stream captures the second's readings alone."""

    def __init__(self) -> None:
        self.site = Site()
        self._line = self.site.lines["a"]
        self._port = replace(self.site.ports[0], subject="s.{device}", framing=TEXT, stream="S")
        self._bauds = iter(range(9600, 9700))
        self.bridge = self.site.bridge(0, [self._port])
        self.stream = FakeStream(self.site.accounts[0], b"s.new")
        self.stream.commits_at_once = True

    def play(self, story: Callable[[], Awaitable[None]]) -> None:
        async def main() -> None:
            async with running(self.bridge):
                await self.opens()
                await story()

        asyncio.run(main())
        assert self._line.device is not None
        self._line.device.close()

    async def opens(self) -> None:
        bridge = self.bridge
        await self.site.until(lambda: bool(bridge.status()) and bridge.status()[0].open)
        await self.passes(1)

    async def says(self, name: bytes, *numbers: int) -> None:
        assert self._line.device is not None
        self._line.device.sendall(b"hello %b 7\n" % name)
        await self.passes(5)
        for number in numbers:
            self._line.device.sendall(b"#%d pt t %d\n" % (number, number))
            await self.passes(5)

    async def passes(self, duration_s: int) -> None:
        for _ in range(20 * duration_s):
            self.site.clock.advance(NS_PER_S // 20)
            await asyncio.sleep(0)

    async def reload(self) -> None:
        port = replace(self._port, baud=next(self._bauds))
        await self.bridge.change(SerialOptions(ports=(port,)))
        await self.opens()

    def heard(self) -> bytes:
        assert self._line.device is not None
        return self._line.device.recv(65536)

    @property
    def queued(self) -> int:
        return self.bridge.status()[0].queued


def values(*numbers: int) -> list[bytes]:
    return [b'{"v":%d}' % number for number in numbers]


def test_what_no_stream_takes_of_a_board_holds_up_no_other_board_behind_a_reload() -> None:
    boards = Boards()

    async def story() -> None:
        await boards.says(b"old", 1, 2, 3)
        await boards.reload()
        await boards.says(b"new", 4, 5, 6)
        assert boards.stream.payloads == values(4, 5, 6)
        assert boards.queued == 3
        assert boards.bridge.status()[0].last_error == (
            "what the entry before left: no stream captures s.old"
        )

        for _ in range(3):
            await boards.reload()  # and who said it says nothing any more
        old = FakeStream(boards.site.accounts[0], b"s.old")
        old.commits_at_once = True
        await boards.passes(30)
        assert old.payloads == values(1, 2, 3)
        assert boards.queued == 0

    boards.play(story)


def test_what_two_boards_had_said_goes_on_with_who_says_hello_behind_a_reload() -> None:
    boards = Boards()

    async def story() -> None:
        await boards.says(b"old", 1, 2, 3)
        await boards.says(b"new", 1, 2, 3, 4, 5, 6)
        assert boards.stream.payloads == []
        await boards.reload()
        await boards.says(b"new", 5, 6, 7)  # it keeps three
        await boards.passes(30)
        assert boards.stream.payloads == values(1, 2, 3, 4, 5, 6, 7)
        assert boards.queued == 3

        await boards.says(b"old", 2, 3)  # holds up the port, as without a reload
        await boards.says(b"new", 8)
        assert boards.stream.payloads == values(1, 2, 3, 4, 5, 6, 7)
        old = FakeStream(boards.site.accounts[0], b"s.old")
        old.commits_at_once = True
        await boards.passes(30)
        assert old.payloads == values(1, 2, 3)
        assert boards.stream.payloads == values(1, 2, 3, 4, 5, 6, 7, 8)
        assert boards.bridge.status()[0].last_error == ""

    boards.play(story)


def test_what_is_on_its_way_of_a_board_that_says_hello_is_stored_once_and_in_order() -> None:
    boards = Boards()
    boards.stream.commits_at_once = False

    async def story() -> None:
        await boards.says(b"new", 1)
        await boards.says(b"old", 1)
        await boards.says(b"new", 2, 3)
        await boards.reload()  # 1 may be stored, the answer is nobody's
        await boards.says(b"new", 2, 3, 4)
        boards.stream.commits_at_once = True
        boards.stream.commit()
        await boards.passes(60)
        assert boards.stream.payloads == values(1, 2, 3, 4)
        assert boards.queued == 1

    boards.play(story)


def test_what_goes_on_behind_a_reload_is_not_missing_of_what_its_board_says_next() -> None:
    boards = Boards()

    async def story() -> None:
        await boards.says(b"new", *range(1, 11))
        boards.stream.refusal = NO_SPACE
        await boards.says(b"new", *range(11, 31))  # it keeps eight
        await boards.reload()
        await boards.says(b"new", 23, 24, 31, 33)
        assert boards.queued == 22
        boards.stream.refusal = None
        await boards.passes(30)
        assert boards.stream.payloads == values(*range(1, 32), 33)
        assert boards.heard().splitlines()[-1] == b"ok 33"
        assert boards.bridge.status()[0].missing == 1

    boards.play(story)


def test_what_goes_on_behind_a_reload_is_stored_though_newer_is_by_way_of_another_port() -> None:
    """Its board gave it up, so nobody else has it; what is stored already is a duplicate."""
    boards = Boards()
    account = boards.site.accounts[0]
    block = base64.b64encode(header.build([(b"Nats-Msg-Id", b"new.7.43")])).decode()
    last = json.dumps({"message": {"seq": 1, "hdrs": block}}).encode()
    account.subscribe(
        b"$JS.API.STREAM.MSG.GET.S", lambda asked: account.publish(asked.messages[0][0], last)
    )

    async def story() -> None:
        await boards.says(b"old", 1)
        await boards.says(b"new", 44, 45, 46)
        await boards.reload()
        newer = base64.b64encode(header.build([(b"Nats-Msg-Id", b"new.7.53")])).decode()
        nonlocal last
        last = json.dumps({"message": {"seq": 2, "hdrs": newer}}).encode()
        await boards.says(b"new", 54)
        await boards.passes(30)
        assert boards.stream.payloads == values(44, 45, 46, 54)

    boards.play(story)
