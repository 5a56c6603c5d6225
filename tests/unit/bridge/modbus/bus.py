"""A bus in virtual time: slaves for which pymodbus's server side speaks, and a bad line.

The slaves answer from registers that a test sets, after a delay that it chooses. `spoil` turns what
a slave sends into what arrives.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU

from leafnode.bridge.modbus.master import ModbusFraming
from leafnode.bridge.reading import Reading, SlaveNews
from leafnode.config.bind import bind
from leafnode.config.parser import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from pymodbus.pdu import ModbusPDU

    from leafnode.config.serial_options import SerialPort

START_MS = 1_000_000
TABLES = {1: "coil", 2: "discrete", 3: "holding", 4: "input", 5: "coil", 6: "holding"}
TABLES |= {15: "coil", 16: "holding"}


def port(modbus: str, more: str = "") -> SerialPort:
    text = f"""serial {{ ports [ {{ device: /d, name: bus, subject: "s.{{device}}.{{name}}"
        baud: 9600
        {more}
        modbus {{ {modbus} }} }} ] }}"""
    serial = bind(parse(text, "x.conf")).serial
    assert serial is not None
    return serial.ports[0]


def slave(name: str, address: int, registers: str, *, every: str = "1s", more: str = "") -> str:
    group = f"{{ name: g, every: {every}, registers [ {registers} ] }}"
    return f"{{ name: {name}, address: {address}, {more} groups [ {group} ] }}"


def at_once(answering: Coroutine[None, None, ModbusPDU]) -> ModbusPDU:
    """Return what a coroutine returns that waits for nothing."""
    try:
        answering.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits for something")


class FakeSlaves:
    """Implements what pymodbus's requests read and write."""

    def __init__(self) -> None:
        self.registers: dict[tuple[int, str, int], int] = {}
        self.deaf: set[int] = set()
        self.requests: list[tuple[int, int, int, int]] = []  # slave, function, address, count
        self._framer = FramerRTU(DecodePDU(is_server=True))

    def set(self, address: int, first: int, *values: int, table: str = "holding") -> None:
        for index, value in enumerate(values):
            self.registers[address, table, first + index] = value

    async def async_getValues(  # noqa: N802
        self, address: int, function: int, first: int, count: int
    ) -> list[int] | ExcCodes:
        keys = [(address, TABLES[function], first + index) for index in range(count)]
        if any(key not in self.registers for key in keys):
            return ExcCodes.ILLEGAL_ADDRESS
        return [self.registers[key] for key in keys]

    async def async_setValues(  # noqa: N802
        self, address: int, function: int, first: int, values: list[int]
    ) -> ExcCodes | None:
        if (address, TABLES[function], first) not in self.registers and address:
            return ExcCodes.ILLEGAL_ADDRESS
        self.set(address, first, *map(int, values), table=TABLES[function])
        return None

    def answer(self, frame: bytes) -> bytes:
        used, request = self._framer.handleFrame(frame, 0, 0)
        assert used == len(frame), frame.hex()
        assert request is not None, frame.hex()
        self.requests.append(
            (request.dev_id, request.function_code, request.address, request.count)
        )
        if request.dev_id in self.deaf:
            return b""
        answer = at_once(request.datastore_update(self, request.dev_id))  # type: ignore[arg-type]
        if not request.dev_id:
            return b""  # a broadcast
        answer.dev_id = request.dev_id
        return self._framer.buildFrame(answer)


class Bus:
    """A master and its slaves, and what is on its way between them."""

    def __init__(self, options: SerialPort) -> None:
        self.master = ModbusFraming(options, b"bus.boot")
        self.slaves = FakeSlaves()
        self.now_ms = START_MS
        self.sent: list[tuple[int, bytes]] = []
        self.readings: list[tuple[str, dict[str, object]]] = []
        self.news: list[SlaveNews] = []
        self.events: list[object] = []
        self.delay_ms: Callable[[int], int] = lambda _: 10  # of the answer to the n-th request
        self.spoil: Callable[[bytes], bytes] = lambda data: data
        self._arrivals: list[tuple[int, bytes]] = []
        self.master.opened(self.now_ms)

    def say(self, data: bytes, after_ms: int = 0) -> None:
        """Let these bytes come."""
        self._arrivals.append((self.now_ms + after_ms, data))

    def run(self, duration_ms: int) -> None:
        """Let so much time pass, from one thing that happens to the next."""
        end_ms = self.now_ms + duration_ms
        for _ in range(100_000):
            self._turn()
            due_ms = self.master.next_timeout_ms(self.now_ms)
            times = [at for at, _ in self._arrivals]
            if due_ms is not None:
                times.append(self.now_ms + due_ms)
            next_ms = min(times, default=end_ms)
            if next_ms >= end_ms:
                self.now_ms = end_ms
                return
            self.now_ms = next_ms
        raise AssertionError("it asks for another turn again and again")

    def _turn(self) -> None:
        """Do what a port does when it has a turn."""
        arrived = [data for at, data in self._arrivals if at <= self.now_ms]
        self._arrivals = [(at, data) for at, data in self._arrivals if at > self.now_ms]
        for data in arrived or [b""]:
            self.master.receive(data, self.now_ms)
        while (event := self.master.next_event()) is not None:
            if isinstance(event, Reading):
                where = f"{event.device.decode()}.{event.name.decode()}"
                self.readings.append((where, json.loads(event.payload)))
            elif isinstance(event, SlaveNews):
                self.news.append(event)
            else:
                self.events.append(event)
        data = self.master.data_to_send(self.now_ms)
        if data:
            self.sent.append((self.now_ms, data))
            answer = self.spoil(self.slaves.answer(data))
            if answer:
                self.say(answer, self.delay_ms(len(self.sent) - 1))
