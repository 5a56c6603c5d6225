"""The whole way of a reading: pty, bridge, JetStream, SQLite, COMMIT; only then the board's ack.

Everything is real but the board's hardware: its end is the device session of leafnode.link.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
from functools import partial
from typing import TYPE_CHECKING

from leafnode.bridge.bridge import Bridge
from leafnode.clock import NS_PER_MS, NS_PER_S, SystemClock
from leafnode.config.serial_options import SerialOptions, SerialPort
from leafnode.config.serial_stage_options import CodecOptions, FramingOptions
from leafnode.jetstream.context import Context, ServerFacts
from leafnode.jetstream.jetstream import AccountJetStream
from leafnode.jetstream.trusted_time import TrustedTime
from leafnode.link.device import DeviceSession
from leafnode.protocol import header
from leafnode.store.memory import MemoryStore
from leafnode.store.sqlite import SqliteStore, StoreSeams
from tests.interop.test_bridge_pty import Cable
from tests.unit.bridge.fake_stream import new_account

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

TIMEOUT_S = 30
# Shorter than any of the outages here, so that it protects from nothing.
DUPLICATE_WINDOW_NS = 100 * NS_PER_MS


class Gateway:
    """One life of the gateway on one directory."""

    def __init__(self, directory: Path, port: SerialPort) -> None:
        self.directory = directory
        self.port = port
        self.account = new_account()
        self.clock = SystemClock()
        self.bridge: Bridge | None = None

    def live(self, story: Callable[[Gateway], Coroutine[object, object, None]]) -> None:
        asyncio.run(self._main(story))

    async def _main(self, story: Callable[[Gateway], Coroutine[object, object, None]]) -> None:
        loop = asyncio.get_running_loop()
        store = SqliteStore.open(
            self.directory,
            StoreSeams(
                self.clock, loop.call_soon, loop.call_soon_threadsafe, on_damage=lambda *_: None
            ),
        )
        jetstream = AccountJetStream(
            Context(
                account=self.account,
                file_store=store,
                memory_store=MemoryStore(),
                clock=self.clock,
                random=random.Random(1),
                facts=ServerFacts("edge"),
                time=TrustedTime(self.clock),
            )
        )
        ready = asyncio.Event()
        jetstream.recover(ready.set)
        await ready.wait()
        self.bridge = Bridge(
            SerialOptions(ports=(self.port,)), self.account, self.clock, random.Random()
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                bridge = tasks.create_task(self.bridge.run())
                await story(self)
                bridge.cancel()
        finally:
            jetstream.shut_down()
            closed = asyncio.Event()
            store.close(closed.set)
            await closed.wait()

    async def ask(self, subject: bytes, request: object) -> dict[str, object]:
        answers: list[bytes] = []
        inbox = b"_INBOX.test." + str(self.clock.monotonic_ns()).encode()
        self.account.subscribe(inbox, lambda run: answers.extend(m[2] for m in run.messages))
        self.account.publish(subject, json.dumps(request).encode(), reply=inbox)
        await self.until(lambda: bool(answers))
        answer = json.loads(answers[0])
        assert isinstance(answer, dict)
        return answer

    def readings_stored(self) -> int:
        assert self.bridge is not None
        return self.bridge.status()[0].stored

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            while not condition():  # noqa: ASYNC110 -- a kernel has no event for us to wait on
                await asyncio.sleep(0.001)

    async def msg_id(self, seq: int) -> bytes:
        answer = await self.ask(b"$JS.API.STREAM.MSG.GET.READINGS", {"seq": seq})
        message = answer["message"]
        assert isinstance(message, dict)
        return header.get(base64.b64decode(message["hdrs"]), b"Nats-Msg-Id") or b""

    async def payload(self, seq: int) -> object:
        answer = await self.ask(b"$JS.API.STREAM.MSG.GET.READINGS", {"seq": seq})
        message = answer["message"]
        assert isinstance(message, dict)
        return json.loads(base64.b64decode(message["data"]))

    async def stored(self) -> int:
        info = await self.ask(b"$JS.API.STREAM.INFO.READINGS", None)
        state = info["state"]
        assert isinstance(state, dict)
        return int(state["messages"])


def turn(cable: Cable, board: DeviceSession, gateway: Gateway) -> bool:
    """Let the board hear and speak; its uart is the cable."""
    now_ms = gateway.clock.monotonic_ns() // NS_PER_MS
    board.receive(cable.hear(), now_ms)
    while data := board.data_to_send(now_ms):
        cable.say(data)
    return False


def hear_nothing(cable: Cable, board: DeviceSession, gateway: Gateway) -> bool:
    """Let the board speak with a broken wire to its ear."""
    now_ms = gateway.clock.monotonic_ns() // NS_PER_MS
    cable.hear()
    while data := board.data_to_send(now_ms):
        cable.say(data)
    return False


async def create_stream(gateway: Gateway) -> None:
    config = {
        "name": "READINGS",
        "subjects": ["s.>"],
        "duplicate_window": DUPLICATE_WINDOW_NS,
        "storage": "file",
    }
    created = await gateway.ask(b"$JS.API.STREAM.CREATE.READINGS", config)
    assert "error" not in created, created


def test_a_reading_whose_ack_was_lost_is_not_stored_again_after_the_duplicate_window(
    tmp_path: Path,
) -> None:
    cable = Cable(tmp_path / "by-id")
    port = SerialPort(
        device=str(cable.path),
        name="node",
        subject="s.{device}.{name}",
        framing=FramingOptions("link"),
    )
    board = DeviceSession("node1", 77)
    ids: list[bytes] = []

    async def first_life(gateway: Gateway) -> None:
        await create_stream(gateway)
        speak = partial(turn, cable, board, gateway)
        for number in range(1, 6):
            board.publish("temp", b"%d" % number)
            await gateway.until(lambda n=number: speak() or board.counters.acked == n)
        for number in range(6, 9):
            board.publish("temp", b"%d" % number)
        deaf = partial(hear_nothing, cable, board, gateway)
        await gateway.until(lambda: deaf() or gateway.readings_stored() == 8)

    async def second_life(gateway: Gateway) -> None:
        speak = partial(turn, cable, board, gateway)
        for number in range(9, 12):
            board.publish("temp", b"%d" % number)
        await gateway.until(lambda: speak() or board.counters.acked == 11)
        for seq in range(1, await gateway.stored() + 1):
            ids.append(await gateway.msg_id(seq))

    Gateway(tmp_path / "data", port).live(first_life)
    asyncio.run(asyncio.sleep(3 * DUPLICATE_WINDOW_NS / NS_PER_S))
    Gateway(tmp_path / "data", port).live(second_life)
    cable.unplug()

    assert ids == [b"node1.77.%d" % number for number in range(1, 12)]


def test_lines_reach_the_disk_in_order_however_fast_they_come(tmp_path: Path) -> None:
    cable = Cable(tmp_path / "by-id")
    port = SerialPort(
        device=str(cable.path), name="scale", subject="s.{port}",
        codec=CodecOptions("csv", ("n", "kg")),
        framing=FramingOptions(keep_first=True),
    )  # fmt: skip
    count = 3000
    lines = b"".join(b"%d,1.5\r\n" % number for number in range(1, count + 1))
    payloads: list[object] = []

    async def story(gateway: Gateway) -> None:
        await create_stream(gateway)
        said = 0
        while said < len(lines):
            said += cable.say(lines[said : said + 1000])
            await asyncio.sleep(0)
        await gateway.until(lambda: gateway.readings_stored() == count)
        for seq in (1, 2, count // 2, count):
            payloads.append(await gateway.payload(seq))

    Gateway(tmp_path / "data", port).live(story)
    cable.unplug()

    assert payloads == [{"n": n, "kg": 1.5} for n in (1, 2, count // 2, count)]
