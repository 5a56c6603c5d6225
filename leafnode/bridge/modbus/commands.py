"""Commands for the slaves of a bus: read a group now, or write what the configuration allows.

Knows slaves, groups and writes; not requests and not who asks. What a subject may do is decided by
its name: each group and each write has one. Truth: docs/serial/modbus.md, "Commands".
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from leafnode import limits
from leafnode.bridge.answer_bound import AnswerBound
from leafnode.bridge.commands import CommandQueue, Order, Refused
from leafnode.bridge.modbus.jobs import Job, fields_of_blocks, reading_job
from leafnode.bridge.modbus.values import BadValue, registers_of, written
from leafnode.bridge.reading import SlaveAnswer

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.bridge.modbus.master import ModbusFraming
    from leafnode.bridge.modbus.schedule import GroupState, SlaveState
    from leafnode.bridge.reading import Event
    from leafnode.clock import Clock
    from leafnode.config.modbus_options import BusCommandOptions, Write
    from leafnode.config.serial_options import SerialPort
    from leafnode.routing.account import Account


class _Work(NamedTuple):
    """A job that is made when it begins, and what its answer becomes."""

    make: Callable[[int], Job]
    answer: Callable[[list[list[int]]], bytes]


class BusCommands:
    """Implements PortCommands for one bus. `send` is called when there is news to send."""

    def __init__(
        self,
        port: SerialPort,
        bus: ModbusFraming,
        options: BusCommandOptions,
        account: Account,
        clock: Clock,
        *,
        send: Callable[[], None],
        max_payload: Callable[[], int] = lambda: limits.MAX_PAYLOAD_BYTES,
    ) -> None:
        assert port.modbus is not None, "a bus has its block"
        self._bus = bus
        self._retries = port.modbus.retries
        self._number = 0
        subjects = {}
        for slave in bus.schedule.slaves:
            filled = options.subject.replace("{port}", port.name)
            filled = filled.replace("{device}", slave.slave.name)
            for group in slave.groups:
                name = filled.replace("{name}", group.group.name).encode()
                subjects[name] = (partial(self._reading, slave, group), options.timeout_ns)
            for write in slave.slave.writes:
                name = filled.replace("{name}", write.register.name).encode()
                subjects[name] = (partial(self._writing, slave, write), options.timeout_ns)
        self._queue: CommandQueue[_Work] = CommandQueue(
            account,
            clock,
            subjects,
            bound=AnswerBound(port.name, clock, max_payload),
            changed=send,
            expired=self._expired,
        )

    def start(self) -> None:
        self._queue.start()

    def end(self) -> None:
        self._queue.end()

    def opened(self) -> None:
        self._queue.opened()

    def closed(self) -> None:
        self._queue.closed()
        self._bus.forget(self._number)

    def counts(self) -> dict[str, int]:
        return self._queue.counts()

    def data_to_send(self, now_ms: int) -> bytes:
        if self._queue.current is None and (order := self._queue.begin()) is not None:
            self._number += 1
            self._bus.ask(order.work.make(self._number))
        return self._bus.data_to_send(now_ms)

    def next_timeout_ms(self, now_ms: int) -> int | None:
        return self._bus.next_timeout_ms(now_ms)

    def took(self, event: Event) -> bool:
        if not isinstance(event, SlaveAnswer):
            return False
        order = self._queue.current
        if order is None or event.number != self._number:
            self._queue.stats.late += 1
        elif event.exception:
            self._queue.fail(502, event.reason)
        elif event.reason:
            self._queue.unanswered(504, event.reason)
        else:
            self._queue.finish(order.work.answer(event.values))
        return True

    def _expired(self, _: Order[_Work]) -> None:
        self._bus.forget(self._number)

    def _reading(self, slave: SlaveState, group: GroupState, payload: bytes) -> _Work:
        if payload.strip():
            raise Refused(400, "expected an empty payload: this reads")

        def make(number: int) -> Job:
            wire = self._bus.wire
            return reading_job(wire, slave, group.blocks, number=number, retries=self._retries)

        def answer(values: list[list[int]]) -> bytes:
            return msgspec.json.encode(fields_of_blocks(group.blocks, values))

        return _Work(make, answer)

    def _writing(self, slave: SlaveState, write: Write, payload: bytes) -> _Work:
        """Prepare a write. It is tried once: whether an attempt was heard nobody knows."""
        try:
            value = msgspec.json.decode(payload)
            words = registers_of(write, value)
        except (msgspec.DecodeError, RecursionError):
            raise Refused(400, "expected a value in JSON, like 12.5 or true") from None
        except BadValue as err:
            raise Refused(400, err.text) from None
        register = write.register

        def make(number: int) -> Job:
            request = self._bus.wire.write(
                slave.slave.address,
                register.table,
                register.address,
                words,
                multiple=write.multiple,
            )
            return Job(slave, [(request, f"{register.table} {register.address}")], number=number)

        said = msgspec.json.encode({register.name: written(write, value, words)})
        return _Work(make, lambda _: said)
