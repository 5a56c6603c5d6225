"""What ports with a user's function had read when they end: decided and stored, or told as lost."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import TYPE_CHECKING

from leafnode.bridge import port_bounds
from leafnode.bridge.bridge import Bridge
from leafnode.clock import NS_PER_S
from leafnode.config.serial_options import SerialOptions
from leafnode.config.serial_stage_options import CodecOptions, MappingOptions
from tests.unit.bridge.fake_stream import FakeStream, new_account
from tests.unit.bridge.test_bridge import PORT, Reloaded

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from leafnode.config.serial_options import SerialPort

COUNT = 300  # lines of one read; the function has 64 of them at a time
HANGS = "while True: pass"
NEW = MappingOptions(headers=(("V", "new"),))


def of_function(directory: Path, body: str = "return frame") -> SerialPort:
    path = directory / "convert.py"
    path.write_text(f"def decode(frame):\n    {body}\n")
    codec = CodecOptions("exec", function=f"{path}:decode", timeout_ns=60 * NS_PER_S)
    return replace(PORT, codec=codec)


class Site(Reloaded):
    """One port with a function, of which so many lines were read and none is decided."""

    def __init__(self, port: SerialPort) -> None:
        super().__init__(port)
        self.stream = FakeStream(self.account, b"s.>")
        self.stream.commits_at_once = True

    async def begin(self) -> asyncio.Task[None]:
        running = asyncio.create_task(self.bridge.run())
        await self.until(lambda: self.status.open)
        self.say(range(COUNT))
        await self.until(lambda: self.status.bytes_in > 0)
        assert self.stream.payloads == []  # its process has not begun
        return running

    def say(self, numbers: range) -> None:
        assert self.line.device is not None
        self.line.device.sendall(b"".join(b"%d\n" % number for number in numbers))

    async def settled(self) -> int:
        """Wait as a server does that ends; return how long it took."""
        settling = asyncio.create_task(self.bridge.settle())
        began_ns = self.clock.monotonic_ns()
        while not settling.done():
            self.clock.advance(port_bounds.SERIAL_LOOK_NS)
            await asyncio.sleep(0)
        return self.clock.monotonic_ns() - began_ns

    async def seen_off(self) -> None:
        """Let the time pass that a port which ended has."""
        for _ in range(port_bounds.SERIAL_SETTLE_NS // port_bounds.SERIAL_LOOK_NS + 1):
            self.clock.advance(port_bounds.SERIAL_LOOK_NS)
            await asyncio.sleep(0)

    async def end(self, running: asyncio.Task[None]) -> None:
        running.cancel()
        await asyncio.wait([running])

    def close(self) -> None:
        for line in (self.line, self.other):
            if line.device is not None:
                line.device.close()


def numbers(stop: int, start: int = 0) -> list[bytes]:
    return [b"%d" % number for number in range(start, stop)]


def test_what_waits_for_a_function_is_stored_before_the_server_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site(of_function(tmp_path))

    async def story() -> None:
        await site.end(await site.begin())
        settling = asyncio.create_task(site.bridge.settle())
        await site.until(lambda: len(site.stream.payloads) == COUNT)
        assert not settling.done()
        site.clock.advance(port_bounds.SERIAL_LOOK_NS)
        await settling

    asyncio.run(story())
    site.close()

    assert site.stream.payloads == numbers(COUNT)
    assert site.bridge.lost == 0
    assert "went with their port" not in caplog.text
    assert site.clock.pending() == 0


def test_what_a_function_does_not_decide_before_the_server_ends_is_counted_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site(of_function(tmp_path, HANGS))
    took_ns: list[int] = []

    async def story() -> None:
        await site.end(await site.begin())
        took_ns.append(await site.settled())

    asyncio.run(story())
    site.close()

    assert took_ns == [port_bounds.SERIAL_SETTLE_NS + port_bounds.SERIAL_LOOK_NS]
    assert site.bridge.lost == COUNT
    assert caplog.text.count("went with their port") == 1
    assert f"went with their port: port=scale count={COUNT}" in caplog.text
    assert site.clock.pending() == 0


def test_what_waits_for_the_function_of_an_entry_that_changes_goes_before_what_is_new(
    tmp_path: Path,
) -> None:
    site = Site(of_function(tmp_path))

    async def story() -> None:
        running = await site.begin()
        await site.reload(mapping=NEW)
        await site.until(lambda: site.status.open)
        site.say(range(COUNT, COUNT + 5))
        await site.until(lambda: len(site.stream.payloads) == COUNT)
        assert site.status.bytes_in == 0
        site.clock.advance(port_bounds.SERIAL_LOOK_NS)
        await site.until(lambda: len(site.stream.payloads) == COUNT + 5)
        await site.end(running)
        await site.settled()

    asyncio.run(story())
    site.close()

    assert site.stream.payloads == numbers(COUNT + 5)
    assert [b"V: new" in block for block in site.stream.headers] == [False] * COUNT + [True] * 5
    assert site.bridge.lost == 0


def test_a_function_that_hangs_holds_the_entry_that_follows_up_for_a_while_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site(of_function(tmp_path, HANGS))

    async def story() -> None:
        running = await site.begin()
        await site.reload(codec=CodecOptions("text"))
        await site.until(lambda: site.status.open)
        site.say(range(5))
        await site.seen_off()
        await site.until(lambda: len(site.stream.payloads) == 5)
        await site.end(running)
        await site.settled()

    asyncio.run(story())
    site.close()

    assert site.bridge.lost == COUNT
    assert caplog.text.count("went with their port") == 1
    assert f"went with their port: port=scale count={COUNT}" in caplog.text


def test_what_waits_for_a_function_goes_first_though_the_entry_changes_again_and_its_name(
    tmp_path: Path,
) -> None:
    site = Site(of_function(tmp_path))

    async def story() -> None:
        running = await site.begin()
        await site.reload(mapping=NEW)
        await site.reload(name="balance")
        await site.reload(baud=9600)
        await site.until(lambda: site.status.open)
        site.say(range(COUNT, COUNT + 5))
        await site.until(lambda: len(site.stream.payloads) == COUNT)
        assert site.status.bytes_in == 0
        site.clock.advance(port_bounds.SERIAL_LOOK_NS)
        await site.until(lambda: len(site.stream.payloads) == COUNT + 5)
        await site.end(running)
        await site.settled()

    asyncio.run(story())
    site.close()

    assert site.stream.payloads == numbers(COUNT + 5)


def test_what_no_stream_takes_of_a_function_that_is_done_is_the_next_entrys(
    tmp_path: Path,
) -> None:
    site = Site(of_function(tmp_path))
    site.stream.close()

    async def story() -> None:
        running = await site.begin()
        await site.reload(mapping=NEW)
        await site.until(lambda: all(ended.is_decided for ended in site.bridge._leaving))
        site.clock.advance(port_bounds.SERIAL_LOOK_NS)
        await site.until(lambda: site.status.queued == COUNT)
        await site.end(running)
        await site.settled()

    asyncio.run(story())
    site.close()

    assert site.bridge.lost == COUNT


def test_a_server_that_ends_while_a_function_is_busy_stores_what_it_decides_yet(
    tmp_path: Path,
) -> None:
    """It ends right behind a reload that changed the entry, and one that took it away."""
    site = Site(of_function(tmp_path))

    async def story(*, is_gone: bool) -> None:
        running = await site.begin()
        if is_gone:
            await site.bridge.change(SerialOptions(ports=()))
        else:
            await site.reload(mapping=NEW)
        await site.end(running)
        settling = asyncio.create_task(site.bridge.settle())
        await site.until(lambda: len(site.stream.payloads) == COUNT)
        while not settling.done():
            site.clock.advance(port_bounds.SERIAL_LOOK_NS)
            await asyncio.sleep(0)

    for is_gone in (False, True):
        site = Site(of_function(tmp_path))
        asyncio.run(story(is_gone=is_gone))
        site.close()
        assert site.stream.payloads == numbers(COUNT)
        assert site.bridge.lost == 0


def test_a_bridge_of_another_account_has_what_a_function_was_not_done_with(tmp_path: Path) -> None:
    site = Site(of_function(tmp_path))
    site.stream.close()  # nobody captures the readings in the first account
    account = new_account()
    stream = FakeStream(account, b"s.>")
    stream.commits_at_once = True
    heir = Bridge(
        SerialOptions(ports=(site.port,)),
        account,
        site.clock,
        random.Random(2),
        open_serial=site._open,
        find_path=site.line.find,
    )

    async def story() -> None:
        await site.end(await site.begin())
        site.bridge.lost = 7
        heir.succeed(site.bridge)
        running = asyncio.create_task(heir.run())
        await site.until(lambda: heir.status()[0].open)
        site.say(range(COUNT, COUNT + 5))
        await site.until(lambda: all(ended.is_decided for ended in heir._leaving))
        assert heir.status()[0].bytes_in == 0
        site.clock.advance(port_bounds.SERIAL_LOOK_NS)
        await site.until(lambda: len(stream.payloads) == COUNT + 5)
        await site.end(running)
        await heir.settle()

    asyncio.run(story())
    site.close()

    assert stream.payloads == numbers(COUNT + 5)
    assert heir.lost == 7
