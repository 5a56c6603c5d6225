"""Many ports at once, and ports that come and go, on real terminals and in real time.

`LEAFNODE_UNPLUGS=100` unplugs a hundred times instead of five and prints what a return took.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.bridge.transports.opener import Opener
from leafnode.clock import NS_PER_S, SystemClock
from tests.interop.test_bridge_pty import Cable, World, descriptors, line_port
from tests.unit.bridge.transports.test_rfc2217 import Server

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from leafnode.bridge.port import OpenPort
    from leafnode.config.serial_options import SerialPort

UNPLUGS = int(os.environ.get("LEAFNODE_UNPLUGS", "5"))
SPEEDS = (1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600)
PORTS = 24


def test_a_port_that_floods_one_that_hangs_and_one_that_waits_slow_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cables = [Cable(tmp_path / f"p{number}") for number in range(PORTS)]
    ports = [
        replace(line_port(cable, f"p{number}"), baud=SPEEDS[number % len(SPEEDS)])
        for number, cable in enumerate(cables)
    ]
    ports[2] = replace(ports[2], subject="nobody.{port}")  # no stream captures it
    released = threading.Event()
    open_real = Opener.__call__

    def open_or_hang(self: Opener, options: SerialPort) -> OpenPort:
        if options.name == "p1":
            released.wait(60)
        return open_real(self, options)

    monkeypatch.setattr(Opener, "__call__", open_or_hang)
    world = World(*ports)
    rest = range(3, PORTS)
    flood = b"".join(b"%d\n" % number for number in range(1000))

    async def story() -> None:
        await world.until(lambda: all(world.status(number).open for number in (0, 2, *rest)))
        for number in range(2000):
            cables[2].say(b"%d\n" % number)
        for round_ in range(1, 31):
            for number in rest:
                assert cables[number].say(b"%d.%d\n" % (number, round_)) > 0
            while any(world.status(number).stored < round_ for number in rest):
                cables[0].say(flood)
                await asyncio.sleep(0)
        assert not world.status(1).open
        released.set()
        await world.until(lambda: world.status(1).open)
        # At its end a port takes what it has read, too.
        assert world.status(2).queued <= limits.READINGS_UNCOMMITTED_MAX

    world.run(story)

    said = dict.fromkeys(rest, 0)
    for subject, payload in zip(world.stream.subjects, world.stream.payloads, strict=True):
        number = int(subject.removeprefix(b"s.p"))
        if number in said:
            said[number] += 1
            assert payload == b"%d.%d" % (number, said[number])
    assert set(said.values()) == {30}
    assert world.status(0).stored > 30  # the flood had its turns, too
    assert world.status(2).stored == 0
    for cable in cables:
        cable.unplug()


def test_a_device_comes_back_under_its_name_each_time_and_leaves_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cable = Cable(tmp_path / "by-id")
    world = World(line_port(cable))
    clock = SystemClock()
    returns_ns: list[int] = []
    seen: list[tuple[int, int]] = []
    threads: list[int] = []
    blocks: list[int] = []

    async def story() -> None:
        for cycle in range(1, UNPLUGS + 1):
            await world.until(lambda wanted=cycle: world.status().opens == wanted)
            cable.say(b"%d\r\nhalf of a li" % cycle)
            await world.until(lambda wanted=cycle: world.status().stored == wanted)
            seen.append((descriptors(), len(asyncio.all_tasks())))
            threads.append(threading.active_count())
            gc.collect()
            blocks.append(sys.getallocatedblocks())
            cable.unplug()
            await world.until(lambda: not world.status().open)
            # Some time without it, different each time.
            await asyncio.sleep(0.03 * (cycle % 20))
            plugged_ns = clock.monotonic_ns()
            cable.plug()
            await world.until(lambda: world.status().open)
            returns_ns.append(clock.monotonic_ns() - plugged_ns)

    before = descriptors()
    world.run(story)

    assert world.stream.payloads == [b"%d" % cycle for cycle in range(1, UNPLUGS + 1)]
    assert world.status().reopens == UNPLUGS
    assert len(set(seen[2:])) == 1
    assert max(threads) <= 2  # that which opened it may not have ended quite
    assert descriptors() == before
    growth = (blocks[-1] - blocks[2]) / (len(blocks) - 3)
    assert growth < 100, "blocks of memory for each return"  # a reading that is kept here is ten
    with capsys.disabled():
        if UNPLUGS > 5:
            worst_s = max(returns_ns) / NS_PER_S
            mean_s = sum(returns_ns) / len(returns_ns) / NS_PER_S
            print(f"\n{UNPLUGS} returns: mean {mean_s:.2f} s, worst {worst_s:.2f} s, "
                  f"{growth:.0f} blocks of memory each")  # fmt: skip
    cable.unplug()


def test_readings_come_from_the_network_and_again_after_the_converter_was_away() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"socket://127.0.0.1:{listener.getsockname()[1]}"
    world = World(replace(line_port(Nowhere(address)), device=address))

    async def story() -> None:
        for cycle in range(1, 4):
            await world.until(lambda wanted=cycle: world.status().opens == wanted)
            line, _ = listener.accept()
            line.sendall(b"%d\n" % cycle)
            await world.until(lambda wanted=cycle: world.status().stored == wanted)
            line.close()
            await world.until(lambda: not world.status().open)

    world.run(story)
    listener.close()

    assert world.stream.payloads == [b"1", b"2", b"3"]


def test_readings_come_from_a_tty_of_another_machine() -> None:
    server = Server()
    address = f"rfc2217://127.0.0.1:{server.name.port}"
    world = World(replace(line_port(Nowhere(address)), device=address, baud=19_200, parity="odd"))

    async def story() -> None:
        await world.until(lambda: world.status().open)
        server.say(b"21.5\xff\r\n")
        server.say(b"22.5\r\n")
        await world.until(lambda: world.status().stored == 1)

    world.run(story)
    server.close()

    assert (server.line.baudrate, server.line.parity) == (19_200, "O")
    assert world.stream.payloads == [b"22.5"]
    assert world.status().poison == 1  # not UTF-8, but the right bytes


class Nowhere:
    """Stands where a cable does, for a port without one."""

    def __init__(self, path: str) -> None:
        self.path = path
