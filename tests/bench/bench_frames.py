"""CPU of a frame: from the bytes of a port to the message in the queue, for 24 ports in turn.

    .venv/bin/python -m tests.bench.bench_frames [seconds of the sensors' time]

Each row feeds 24 ports as their sensors would, a read at a time, through framing, check, codec and
mapping, and counts the loop thread's time. A stream that commits at once takes the messages, and
what it and the publisher cost is in the second column. Nothing is asserted about the figures; that
each frame became a message is.
The last rows are the slowest readings that were found for patterns at the bound of their cost.
"""

from __future__ import annotations

import re
import sys
import time
from typing import TYPE_CHECKING, Final

from leafnode.bridge.framing import new_framing
from leafnode.bridge.mapping.mapper import Mapper
from leafnode.bridge.publisher import Publisher
from leafnode.bridge.reading import Reading
from leafnode.bridge.status import PortCounters
from leafnode.config import pattern, pattern_cost, serial_bounds
from tests.sim.clock import FakeClock
from tests.unit.bridge.fake_stream import FakeStream, new_account
from tests.unit.bridge.test_presets import FRAMES
from tests.unit.config.test_serial_framing import port

if TYPE_CHECKING:
    from leafnode.bridge.publication import Publication
    from leafnode.config.serial_options import SerialPort

PORTS: Final = 24
KEEP: Final = "framing { type: line, keep_first: true }"
BCC: Final = b"\x02N+0012.34kg\x03" + bytes((0x55,))
# A row: the port's entry, a frame, frames a second of a sensor.
ROWS: Final = {
    "line + csv, 3 columns": (f"{KEEP}, codec: csv, fields: [a, b, c]", b"21.5,48,1013.2\r\n", 10),
    "line + json as it comes": (f"{KEEP}, codec: json", b'{"t":21.5,"h":48,"p":1013.2}\r\n', 10),
    "line + regex": (
        KEEP + ", codec { type: regex, pattern: 'T=(?P<t>[\\d.]+) H=(?P<h>\\d+)' }",
        b"T=21.5 H=48\r\n",
        10,
    ),
    "stx_etx + xor8 + text": (
        "framing { type: stx_etx, after_end: 1 }, check: xor8",
        BCC[:-1] + bytes((0,)),
        10,
    ),
    "pms5003": ("preset: pms5003", FRAMES["pms5003"][0], 1),
    "pms5003, mean of a minute": (
        "preset: pms5003, mapping { aggregate { every: 60s } }",
        FRAMES["pms5003"][0],
        1,
    ),
    "nmea RMC": ("preset: nmea, framing { keep_first: true }", b"", 5),
    "toledo, on change": (
        "preset: toledo, mapping { fields { weight { deadband: 0 } } }",
        FRAMES["toledo"][0],
        20,
    ),
    "dsmr": ("preset: dsmr", FRAMES["dsmr"][0], 1),
}


def frame_of(name: str, frame: bytes) -> bytes:
    if name == "nmea RMC":
        return b"$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A\r\n"
    if name.startswith("stx_etx"):
        value = 0
        for byte in frame[1:-1]:
            value ^= byte
        return frame[:-1] + bytes((value,))
    return frame


class Taking(Publisher):
    """A queue that only counts: what is left is framing, check, codec and mapping."""

    taken = 0

    def offer_all(self, publications: list[Publication]) -> None:
        self.taken += len(publications)

    def offer(self, publication: Publication) -> None:
        self.taken += 1


class Sensor:
    """One port, fed by hand."""

    def __init__(self, options: SerialPort, *, whole: bool) -> None:
        self.clock = FakeClock()
        self.counters = PortCounters()
        account = new_account()
        stream = FakeStream(account, b"s")
        stream.commits_at_once = True
        self.publisher = (Publisher if whole else Taking)(
            account,
            self.clock,
            port="p",
            inbox=b"_INBOX.x",
            counters=self.counters,
            resolved=lambda _: None,
            progressed=lambda: None,
        )
        self.publisher.start()
        self.framing = new_framing(options, b"p.boot", lambda: 0)
        self.framing.opened(0)
        self.mapper = Mapper(
            options, self.publisher, self.clock, self.counters, max_payload=lambda: 1 << 20
        )

    def take(self, data: bytes) -> int:
        frames = 0
        self.framing.receive(data, 0)
        for event in iter(self.framing.next_event, None):
            if isinstance(event, Reading):  # and not MORE
                self.mapper.offer(event)
                frames += 1
        self.publisher.pump()
        return frames


def measure(text: str, frame: bytes, count: int, *, whole: bool) -> float:
    """Return microseconds of CPU for each frame."""
    sensors = [Sensor(port(text), whole=whole) for _ in range(PORTS)]
    frames = 0
    began = time.thread_time()
    for _ in range(count):
        for sensor in sensors:
            frames += sensor.take(frame)
            sensor.clock.advance(0)
    spent = time.thread_time() - began
    assert frames == PORTS * count, (frames, count)
    assert all(sensor.counters.poison == 0 for sensor in sensors)
    return 1e6 * spent / frames


def slowest_readings() -> None:
    for text, unit in (
        (r"(?P<a>\d+),(?P<b>\d+)", "1"),
        (r".*(?P<n>\d+)x", "1"),
        (r".*(?P<n>\d+).*x", "1"),
        (r"(?P<n>(?:a|[ab]|b)*)x", "ab"),
        (r"(?P<n>(?:\w+ ?)*)!", "a"),
    ):
        tree, _ = pattern.parse(text)
        machine = pattern_cost.automaton(tree)
        size = 1
        while size < serial_bounds.PATTERN_INPUT_MAX:
            if pattern_cost.steps(machine, size + 1) > serial_bounds.PATTERN_STEPS_MAX:
                break
            size += 1
        steps = pattern_cost.steps(machine, size)
        compiled = re.compile(pattern.text(tree), re.ASCII)
        reading = (unit * size)[:size]
        spent_ms = min(timed_ms(compiled, reading) for _ in range(5))
        print(f"| `{text}` | {size} | {steps} | {spent_ms:.2f} |")


def timed_ms(compiled: re.Pattern[str], reading: str) -> float:
    began = time.thread_time()
    compiled.fullmatch(reading)
    return 1e3 * (time.thread_time() - began)


def main() -> None:
    count = 100 * int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print("| | frames/s a port | µs a frame | with queue and stream | CPU of 24 ports |")
    for name, (text, given, rate) in ROWS.items():
        frame = frame_of(name, given)
        stages = min(measure(text, frame, count, whole=False) for _ in range(3))
        whole = min(measure(text, frame, max(50, count // 5), whole=True) for _ in range(3))
        share = whole * rate * PORTS / 1e4
        print(f"| {name} | {rate} | {stages:.1f} | {whole:.1f} | {share:.2f} % |")
    slowest_readings()


if __name__ == "__main__":
    main()
