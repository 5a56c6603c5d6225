"""Twenty-four sensors on bad cables at a real gateway, in real time, then an audit of its stream.

    python -m tests.faults.serial_lab --seconds 60 --seed 1

One byte in a hundred has a wrong bit, some are lost, and there are bursts of noise, in both
directions. Sixteen sensors say frames with a CRC-32 in each framing that has one, eight are boards
on the device link. Nothing wrong may be in the stream, a frame that no fault touched may be missing
only beside one that was (the place is found again within a frame), every reading of a board must be
there once and in order, and the counters of /serialz must be what was sent and stored. A sensor
without a check is the control: of it wrong readings must come.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import tty
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import nats
from nats.js.api import ConsumerConfig

from leafnode.link import const
from leafnode.link.device import REFUSE, DeviceSession
from tests.faults.test_serial_noise import KINDS, new, worn
from tests.hub.process import free_ports
from tests.unit.bridge.framing.feeding import feed

SENSORS_OF_KIND: Final = 2
BOARDS: Final = 8
EVERY_S: Final = 0.05
DRAIN_S: Final = 60.0  # for boards that repeat what was lost, on a machine that others use
_ENTRIES: Final = {
    "line": "framing { type: line, keep_first: true, max_frame: 64 }",
    "cobs": "framing { type: cobs, keep_first: true, max_frame: 64 }",
    "slip": "framing { type: slip, keep_first: true, max_frame: 64 }",
    "hdlc": "framing { type: hdlc, keep_first: true, max_frame: 64 }",
    "stx_etx": "framing { type: stx_etx, after_end: 4, max_frame: 64 }",
    "length": "framing { type: length, start: BM, length_at: 2, max_frame: 64 }",
    "fixed": 'framing { type: fixed, start: "hex:AA", end: "hex:AB", length: 18 }',
    "start_end": 'framing { type: start_end, start: "<", end: ">", after_end: 8, max_frame: 64 }',
}
_WORDS: Final = {"over_from": "from", "over_to": "to"}


class Cable:
    """One end of a pseudo-terminal; bytes are worn by whoever writes and reads."""

    def __init__(self) -> None:
        self.device, self._port = os.openpty()
        tty.setraw(self._port)
        os.set_blocking(self.device, False)
        self.path = os.ttyname(self._port)

    def say(self, data: bytes) -> int:
        try:
            return os.write(self.device, data)
        except BlockingIOError:
            return 0

    def hear(self) -> bytes:
        try:
            return os.read(self.device, 65536)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        os.close(self.device)
        os.close(self._port)


class Sensor:
    """Says a frame when it is told to, and remembers what it was."""

    def __init__(self, name: str, kind: str, seed: int) -> None:
        self.name, self.kind = name, kind
        self.cable = Cable()
        self.noise = random.Random(seed)
        self.said_bytes = 0
        self.texts: list[bytes] = []
        self.touched: set[int] = set()

    def entry(self) -> str:
        check = {"form": "little", **KINDS[self.kind][2]}
        words = ", ".join(f"{_WORDS.get(key, key)}: {value}" for key, value in check.items())
        return f"{_ENTRIES[self.kind]}, check {{ type: crc32, {words} }}, codec: raw"

    def encoded(self, text: bytes) -> bytes:
        return KINDS[self.kind][0](text)

    def text(self) -> bytes:
        number = b"%04d" % (len(self.texts) % 10_000)
        noise = self.noise.randbytes(8)
        return number + (noise.hex()[:8].encode() if self.kind == "line" else noise)

    def speak(self, *, is_worn: bool = True) -> None:
        text = self.text()
        frame = self.encoded(text)
        sent = worn(frame, self.noise) if is_worn else frame
        if sent != frame:
            self.touched.add(len(self.texts))
        self.texts.append(text)
        taken = self.cable.say(sent)
        assert taken == len(sent), f"{self.name}: the gateway does not keep up"
        self.said_bytes += taken

    def stored_form(self, text: bytes) -> bytes:
        """Return what of a text is stored: some framings hand on more of the frame."""
        (payload,) = feed(new(self.kind), self.encoded(text))
        return payload


class Unchecked(Sensor):
    """The control: lines that nothing protects."""

    def entry(self) -> str:
        return "framing { type: line, keep_first: true, max_frame: 64 }, codec: raw"

    def encoded(self, text: bytes) -> bytes:
        return text + b"\n"


class Board:
    """A board on the device link, whose cable is as bad both ways."""

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self.cable = Cable()
        self.noise = random.Random(seed)
        self.said_bytes = 0
        self.texts: list[bytes] = []
        self.session = DeviceSession(
            name,
            seed % const.BOOT_ID_MAX + 1,
            ring_messages=4096,
            ring_bytes=200_000,
            policy=REFUSE,
        )

    def entry(self) -> str:
        return "framing: link, codec: raw"

    def speak(self) -> None:
        text = b"%06d" % len(self.texts) + self.noise.randbytes(6)
        if self.session.publish("r", text, _now_ms()):
            self.texts.append(text)

    def turn(self) -> None:
        heard = self.cable.hear()
        if heard:
            self.session.receive(worn(heard, self.noise), _now_ms())
        while data := self.session.data_to_send(_now_ms()):
            self.said_bytes += self.cable.say(worn(bytes(data), self.noise))


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000 & 0x3FFFFFFF


async def _said_nothing(_: Exception) -> None:
    """It is not there yet: that is tried again."""


class Gateway:
    """A server process with all of them."""

    def __init__(self, sensors: list[Sensor], boards: list[Board], directory: Path) -> None:
        nats_port, http_port = free_ports(2)
        entries = "\n".join(
            f'{{ name: {one.name}, device: "{one.cable.path}", subject: "s.{{port}}", '
            f"{one.entry()} }}"
            for one in (*sensors, *boards)
        )
        file = directory / "lab.conf"
        file.write_text(
            f"listen: 127.0.0.1:{nats_port}, http: 127.0.0.1:{http_port}\n"
            f'jetstream {{ store_dir: "{directory}", domain: lab }}\n'
            f"serial {{ ports: [ {entries} ] }}"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-m", "leafnode", "-c", str(file)], stderr=subprocess.DEVNULL
        )
        self.url = f"nats://127.0.0.1:{nats_port}"
        self._http = f"http://127.0.0.1:{http_port}/serialz"

    async def ready(self) -> nats.NATS:
        async with asyncio.timeout(60):
            while True:
                assert self.process.poll() is None, "the gateway did not start"
                try:
                    client = await nats.connect(
                        self.url, allow_reconnect=False, error_cb=_said_nothing
                    )
                    break
                except (OSError, nats.errors.Error):
                    await asyncio.sleep(0.1)
            await client.jetstream().add_stream(name="S", subjects=["s.>"])
            while not all(row["open"] for row in await self.rows()):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        return client

    async def rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = (await asyncio.to_thread(self._page))["ports"]
        return rows

    def _page(self) -> dict[str, Any]:
        with urllib.request.urlopen(self._http, timeout=30) as answer:
            page: dict[str, Any] = json.load(answer)
        return page

    async def stop(self) -> None:
        self.process.terminate()
        await asyncio.to_thread(self.process.wait, 30)


@dataclass
class Report:
    """What the audit found. `faults` are sentences."""

    seconds: float = 0
    said: int = 0
    touched: int = 0
    stored: int = 0
    lost_untouched: int = 0
    readings: int = 0
    resent: int = 0
    bad: int = 0
    resyncs: int = 0
    wrong_unchecked: int = 0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.said:,} frames in {self.seconds:.0f} s, {self.touched:,} of them damaged: "
            f"{self.stored:,} stored, {self.lost_untouched:,} undamaged ones lost beside damaged "
            f"ones; {self.readings:,} readings of boards, each once ({self.resent:,} sent again); "
            f"{self.bad:,} bad frames, {self.resyncs:,} resyncs counted; control: "
            f"{self.wrong_unchecked:,} wrong readings without a check; {len(self.faults)} faults"
        )


async def lab(seconds: float, seed: int) -> Report:
    """Let all of them speak for so long, then audit."""
    kinds = [kind for kind in KINDS for _ in range(SENSORS_OF_KIND)]
    sensors = [
        Sensor(f"{kind}-{number}", kind, seed * 100 + number) for number, kind in enumerate(kinds)
    ]
    control = Unchecked("control", "line", seed * 100 + 90)
    boards = [Board(f"board-{number}", seed * 100 + 50 + number) for number in range(BOARDS)]
    with tempfile.TemporaryDirectory(prefix="serial-lab-") as name:
        gateway = Gateway([*sensors, control], boards, Path(name))
        try:
            client = await gateway.ready()
            begun_s = time.monotonic()
            await _speak([*sensors, control], boards, seconds)
            lasted_s = time.monotonic() - begun_s
            rows = await _settled(gateway, [*sensors, control], boards)
            stored = await _stored(client)
            await client.close()
        finally:
            await gateway.stop()
            for one in (*sensors, control, *boards):
                one.cable.close()
    report = Report(seconds=lasted_s)
    by_name = {row["name"]: row for row in rows}
    for sensor in sensors:
        _audit_sensor(sensor, stored.get(sensor.name, []), by_name[sensor.name], report)
    for board in boards:
        _audit_board(board, stored.get(board.name, []), by_name[board.name], report)
    right = set(control.texts)
    report.wrong_unchecked = sum(one not in right for one in stored.get(control.name, []))
    if not report.wrong_unchecked:
        report.faults.append("the control without a check has nothing wrong: the cable is good")
    return report


async def _speak(sensors: list[Sensor], boards: list[Board], seconds: float) -> None:
    speakers: list[Sensor | Board] = [*sensors, *boards]
    begun_s = time.monotonic()
    spoken = 0
    while (passed_s := time.monotonic() - begun_s) < seconds:
        # Each in its turn, spread over the time that all have.
        due = int(passed_s / EVERY_S * len(speakers))
        for turn in range(spoken, due):
            speakers[turn % len(speakers)].speak()
        spoken = due
        for board in boards:
            board.turn()
        await asyncio.sleep(0.002)
    for sensor in sensors:
        for _ in range(3):  # what ends a frame that lost its end
            sensor.speak(is_worn=False)


async def _settled(
    gateway: Gateway, sensors: list[Sensor], boards: list[Board]
) -> list[dict[str, Any]]:
    """Wait until boards have nothing left and all that was said is read and stored."""
    said = {sensor.name: sensor.said_bytes for sensor in sensors}
    until_s = time.monotonic() + DRAIN_S
    while time.monotonic() < until_s:
        for board in boards:
            board.turn()
        await asyncio.sleep(0.002)
        if any(board.session.unacked for board in boards):
            continue
        rows = await gateway.rows()
        if all(row["queued"] == 0 and row["bytes_in"] >= said.get(row["name"], 0) for row in rows):
            return rows
    return await gateway.rows()


async def _stored(client: nats.NATS) -> dict[str, list[bytes]]:
    """Return the payloads of every port, in the order of the stream."""
    found: dict[str, list[bytes]] = {}
    context = client.jetstream()
    count = (await context.stream_info("S")).state.messages
    pull = await context.pull_subscribe(
        "s.>", durable="audit", config=ConsumerConfig(ack_policy="none")
    )
    while count:
        messages = await pull.fetch(min(count, 1000), timeout=30)
        count -= len(messages)
        for message in messages:
            found.setdefault(message.subject.removeprefix("s."), []).append(message.data)
    return found


def _audit_sensor(sensor: Sensor, stored: list[bytes], row: dict[str, Any], report: Report) -> None:
    name, faults = sensor.name, report.faults
    right = [sensor.stored_form(text) for text in sensor.texts]
    wrong = sum(one not in set(right) for one in stored)
    if wrong:
        faults.append(f"{name}: {wrong} wrong readings are stored")
    if [text for text in right if text in set(stored)] != stored:
        faults.append(f"{name}: readings are not in order, or not each once")
    kept = set(stored)
    lost = sum(
        number not in sensor.touched and text not in kept for number, text in enumerate(right)
    )
    # A frame whose last byte is gone is whole with the next one's first, where they are the same:
    # then that one is the damaged one, and no byte tells which it was.
    healed = sum(right[number] in kept for number in sensor.touched)
    # A frame whose end is gone takes the next along: at most one for each that was touched.
    if lost > healed + (KINDS[sensor.kind][3] - 1) * len(sensor.touched):
        faults.append(f"{name}: {lost} undamaged frames lost, {len(sensor.touched)} damaged")
    if not row["frames"] == row["stored"] == len(stored):
        faults.append(f"{name}: frames {row['frames']}, stored {row['stored']} of {len(stored)}")
    if row["bytes_in"] != sensor.said_bytes:
        faults.append(f"{name}: bytes_in {row['bytes_in']} of {sensor.said_bytes}")
    report.said += len(sensor.texts)
    report.touched += len(sensor.touched)
    report.stored += len(stored)
    report.lost_untouched += lost
    report.bad += row["bad"]
    report.resyncs += row["resyncs"]


def _audit_board(board: Board, stored: list[bytes], row: dict[str, Any], report: Report) -> None:
    name, faults = board.name, report.faults
    if board.session.unacked:
        faults.append(f"{name}: {board.session.unacked} readings were not taken in time")
    if stored != board.texts[: len(stored)] or len(stored) + board.session.unacked < len(
        board.texts
    ):
        twice = sum(count - 1 for count in Counter(stored).values())
        missing = len(set(board.texts) - set(stored))
        faults.append(f"{name}: {missing} readings missing, {twice} twice, or not in order")
    if row["stored"] - row["duplicates"] != len(stored):
        faults.append(f"{name}: stored {row['stored']}, duplicates {row['duplicates']}")
    if not row["bad"]:
        faults.append(f"{name}: no bad frame was counted")
    report.readings += len(stored)
    report.resent += board.session.counters.resent
    report.bad += row["bad"]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    report = asyncio.run(lab(given.seconds, given.seed))
    print(report)
    for fault in report.faults:
        print("FAULT", fault)
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
