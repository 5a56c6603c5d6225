"""A bus as a Framing: asks slaves in turn, one request at a time, and makes readings of answers.

Sans-IO, time is a parameter. Knows requests, time and what is on the line; not ports and subjects.
Truth: docs/serial/modbus.md; "MODBUS over Serial Line" V1.02, section 2.4.

An answer has no number that names its request. So after a request that was not answered nothing
else is asked of that slave until a late answer cannot come any more: it would be taken for the
answer to the next request. tests/unit/bridge/modbus/test_master.py has the case.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec

from leafnode.bridge.modbus.jobs import fields_of_blocks, reading_job
from leafnode.bridge.modbus.line import Line
from leafnode.bridge.modbus.schedule import Schedule
from leafnode.bridge.modbus.wire import BROADCAST, Wire
from leafnode.bridge.reading import FrameCounts, Reading, SlaveAnswer, SlaveNews
from leafnode.clock import NS_PER_MS
from leafnode.config import serial_bounds

if TYPE_CHECKING:
    from leafnode.bridge.modbus.jobs import Job
    from leafnode.bridge.modbus.schedule import GroupState, SlaveState
    from leafnode.bridge.modbus.wire import Answer, Request
    from leafnode.bridge.reading import Receipt
    from leafnode.config.serial_options import SerialPort

# As many bytes as the answer has came, and are wrong: with so much silence more it was that. An
# adapter hands over what it has every 16 ms.
_SETTLE_MS: Final = 20
EXCEPTIONS: Final = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "the device failed",
    5: "acknowledge",
    6: "the device is busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "the device behind the gateway does not answer",
}


class ModbusFraming:
    """Implements Framing. Raises ImportError where pymodbus is missing."""

    def __init__(self, port: SerialPort, msg_id_prefix: bytes) -> None:
        assert port.modbus is not None, "a bus has its block"
        self._options = port.modbus
        self._line = Line(port)
        self._echo = port.modbus.echo or (port.rs485 is not None and port.rs485.rx_during_tx)
        self._msg_id_prefix = msg_id_prefix
        self._timeout_ms = -(-port.modbus.timeout_ns // NS_PER_MS)
        self._turnaround_ms = -(-port.modbus.turnaround_ns // NS_PER_MS)
        self.wire = Wire()
        self.schedule = Schedule(port.modbus)
        # A reading and what is new of its slave; nothing is asked while any is left.
        self._events: deque[Reading | SlaveNews | SlaveAnswer] = deque()
        self._job: Job | None = None
        self._asked: Job | None = None  # by somebody, and not begun
        self._polls_next = False  # so that who asks all the time does not stop the readings
        self._sent: Request | None = None  # its answer is awaited until `_deadline_ms`
        self._deadline_ms = 0
        self._late_ms = 0  # until then the answer to any attempt may come
        self._buffer = bytearray()
        self._echoed = True  # what was sent has come back, or never does
        self._spoilt = False  # the answer came, and is wrong
        self._free_ms = 0  # the line is free from then on
        self._burst_ms = 0  # bytes came since then without a silence
        self._last_ms = 0
        self._held = False
        self._stale = False  # an answer was given up unread
        self._lost = False
        self.polls = 0
        self.retries = 0
        self.missed = 0
        self._bytes_in = 0
        self._frames = 0
        self._noise_bytes = 0
        self._resyncs = 0

    def opened(self, now_ms: int) -> None:
        self._drop()
        self.schedule.opened(now_ms)
        self._wait_for_late(now_ms)

    def hold(self, *, on: bool, now_ms: int) -> None:
        """Ask nothing while the port is not read; what is asked already is asked again later."""
        if on and not self._held:
            self._stale = self._sent is not None
            self._drop()
        elif not on and self._stale:
            self._stale = False
            self._wait_for_late(now_ms)
        self._held = on

    def receive(self, data: bytes, now_ms: int) -> None:
        self._bytes_in += len(data)
        if data:
            self._wait_for_silence(now_ms)
            if self._sent is None:
                self._noise(len(data))
                return
            self._buffer += data
            self._look(self._sent, now_ms)
        if self._sent is not None and now_ms >= self._deadline_ms:
            self._expired(now_ms)

    def next_event(self) -> Reading | SlaveNews | SlaveAnswer | None:
        return self._events.popleft() if self._events else None

    def committed(self, receipt: Receipt) -> None:  # noqa: ARG002
        raise AssertionError("a register has no receipt")

    def data_to_send(self, now_ms: int) -> bytes:
        if self._sent is not None and now_ms >= self._deadline_ms:
            self._expired(now_ms)
        if self._sent is not None or self._held or self._events or now_ms < self._free_ms:
            return b""
        if self._job is None:
            self._job = self._next(now_ms)
        if self._job is None or now_ms < self._job.not_before_ms:
            return b""
        request = self._sent = self._job.request
        self._buffer.clear()
        self._spoilt = False
        self._echoed = not self._echo
        self._job.attempts += 1
        self._job.unanswered += 1
        line_ms = self._line.bytes_ms(len(request.frame) + request.answer_bytes)
        self._deadline_ms = now_ms + line_ms + self._timeout_ms
        self._late_ms = self._deadline_ms + self._timeout_ms
        if request.slave == BROADCAST:
            self._broadcast(self._job, now_ms + self._line.bytes_ms(len(request.frame)))
        return request.frame

    def next_timeout_ms(self, now_ms: int) -> int | None:
        if self._held:
            return None
        if self._events:
            return 0  # somebody has to take them, though there is nothing to read
        if self._sent is not None:
            return max(0, self._deadline_ms - now_ms)
        times = [self._job.not_before_ms] if self._job else self._next_times()
        return max(0, min(times) - now_ms, self._free_ms - now_ms) if times else None

    def ask(self, job: Job) -> None:
        """Do this before anything that is due; a SlaveAnswer says what became of it."""
        assert self._asked is None, "one at a time"
        self._asked = job

    def forget(self, number: int) -> None:
        """Nobody waits for this job any more; what is sent is sent."""
        if self._asked is not None and self._asked.number == number:
            self._asked = None

    def counts(self) -> FrameCounts:
        return FrameCounts(
            self._bytes_in,
            self._frames,
            bad=sum(slave.bad for slave in self.schedule.slaves),
            noise_bytes=self._noise_bytes,
            resyncs=self._resyncs,
        )

    def numbers(self) -> dict[str, int]:
        """Return the counts of the bus, for monitoring."""
        slaves = self.schedule.slaves
        return {
            "polls": self.polls,
            "missed": self.missed,
            "retries": self.retries,
            "timeouts": sum(slave.timeouts for slave in slaves),
            "exceptions": sum(slave.exceptions for slave in slaves),
            "slaves": len(slaves),
            "slaves_failing": sum(slave.failing for slave in slaves),
        }

    def slaves(self) -> list[dict[str, object]]:
        """Return how each slave is now, for monitoring."""
        return [slave.status() for slave in self.schedule.slaves]

    def _next_times(self) -> list[int]:
        """Return when something may be asked."""
        asked = [] if self._asked is None else [self._asked.slave.hold_ms]
        due_ms = self.schedule.first_ms()
        return asked if due_ms is None else [*asked, due_ms]

    def _next(self, now_ms: int) -> Job | None:
        """Return what is done now: what somebody asks, but not twice before what is due."""
        if self._polls_next:
            job = self._next_job(now_ms) or self._next_asked(now_ms)
        else:
            job = self._next_asked(now_ms) or self._next_job(now_ms)
        self._polls_next = job is not None and job.group is None
        return job

    def _next_asked(self, now_ms: int) -> Job | None:
        if self._asked is None or now_ms < self._asked.slave.hold_ms:
            return None
        job, self._asked = self._asked, None
        return job

    def _broadcast(self, job: Job, sent_ms: int) -> None:
        """Nobody answers: all is done once the slaves had time for it."""
        self._sent = None
        self._free_ms = sent_ms + self._turnaround_ms
        job.values.append([])
        self._end(job, sent_ms, "")

    def _next_job(self, now_ms: int) -> Job | None:
        due = self.schedule.due(now_ms)
        if due is None:
            return None
        slave, group = due
        self.polls += 1
        # Whoever failed the last time is asked once: others wait behind it.
        retries = 0 if slave.failing else self._options.retries
        return reading_job(self.wire, slave, group.blocks, group=group, retries=retries)

    def _look(self, request: Request, now_ms: int) -> None:
        """Look for the answer in what came."""
        if not self._echoed and (at := self._buffer.find(request.frame)) >= 0:
            self._echoed = True
            self._noise(at)
            del self._buffer[: at + len(request.frame)]
        # Before it has come back nothing is an answer: that to a write looks the same.
        answer = self.wire.find(request, bytes(self._buffer)) if self._echoed else None
        if answer is not None:
            self._noise(len(self._buffer) - answer.size)
            self._buffer.clear()
            self._answered(answer, now_ms)
            return
        if (
            self._echoed
            and len(self._buffer) >= request.answer_bytes
            and request.head[:2] in self._buffer
        ):
            self._spoilt = True
            settle_ms = now_ms + max(_SETTLE_MS, self._line.gap_ms)
            self._deadline_ms = min(self._deadline_ms, settle_ms)
        if len(self._buffer) > serial_bounds.MODBUS_BUFFER_MAX:
            self._noise(len(self._buffer) - serial_bounds.MODBUS_BUFFER_MAX)
            del self._buffer[: -serial_bounds.MODBUS_BUFFER_MAX]

    def _answered(self, answer: Answer, now_ms: int) -> None:
        job, self._sent = self._job, None
        assert job is not None, "a request is of a job"
        self._frames += 1
        self._resyncs += self._lost
        self._lost = False
        slave = job.slave
        slave.answers += 1
        job.unanswered -= 1
        if job.unanswered:
            # The answer may be that to an earlier attempt, and this one's may still come.
            slave.hold_ms = job.not_before_ms = self._late_ms
        if self.schedule.answered(slave):
            self._events.append(SlaveNews(slave.slave.name, ""))
        if answer.exception:
            slave.exceptions += 1
            code = answer.exception
            reason = f"exception {code} ({EXCEPTIONS.get(code, 'unknown')}) at {job.what}"
            self._end(job, now_ms, reason, exception=code)
            return
        job.values.append(answer.values)
        job.attempts = job.unanswered = 0
        if job.is_done:
            self._end(job, now_ms, "")

    def _expired(self, now_ms: int) -> None:
        """The answer did not come, or not as it was sent."""
        job, self._sent = self._job, None
        assert job is not None, "a request is of a job"
        slave = job.slave
        if self._buffer:
            slave.bad += 1
            reason = f"a wrong answer at {job.what}"
        else:
            slave.timeouts += 1
            reason = f"no answer at {job.what}"
        self._noise(len(self._buffer))
        self._buffer.clear()
        self._free_ms = max(self._free_ms, now_ms + self._line.gap_ms)
        job.unanswered -= self._spoilt
        if job.unanswered:
            slave.hold_ms = self._late_ms
        if job.attempts <= job.retries:
            self.retries += 1
            return
        slave.last_error = reason
        if self.schedule.failed(slave, now_ms):
            self._events.append(SlaveNews(slave.slave.name, reason))
        self._end(job, now_ms, reason)

    def _end(self, job: Job, now_ms: int, reason: str, *, exception: int = 0) -> None:
        """A job is done, or cannot be."""
        self._job = None
        group = job.group
        if group is None:
            self._events.append(SlaveAnswer(job.number, job.values, exception, reason))
            return
        self.missed += group.done(now_ms)
        if reason:
            job.slave.last_error = reason
        else:
            self._read(job.slave, group, job.values)
        if group.trouble != reason and not job.slave.failing:
            self._events.append(SlaveNews(job.slave.slave.name, reason, group.group.name))
        group.trouble = "" if job.slave.failing else reason

    def _read(self, slave: SlaveState, group: GroupState, values: list[list[int]]) -> None:
        payload = msgspec.json.encode(fields_of_blocks(group.blocks, values))
        msg_id = b"%b.%d" % (self._msg_id_prefix, self._frames)
        self._events.append(
            Reading(msg_id, payload, slave.slave.name.encode(), group.group.name.encode())
        )

    def _wait_for_late(self, now_ms: int) -> None:
        """What was asked before, by whomever, may still be answered: let it pass."""
        self._free_ms = now_ms + max(self._line.gap_ms, self._timeout_ms)

    def _wait_for_silence(self, now_ms: int) -> None:
        """Bytes came: the line is free a gap behind them, but for one that is never silent."""
        gap_ms = self._line.gap_ms
        if now_ms - self._last_ms >= gap_ms:
            self._burst_ms = now_ms
        self._last_ms = now_ms
        if now_ms - self._burst_ms <= self._timeout_ms:
            self._free_ms = max(self._free_ms, now_ms + gap_ms)

    def _drop(self) -> None:
        """Forget what is asked: nobody is to blame."""
        self._noise(len(self._buffer))
        self._buffer.clear()
        job, self._sent, self._job = self._job, None, None
        if job is not None and job.group is None:
            reason = "the port is not read: nobody knows whether it was done"
            self._events.append(SlaveAnswer(job.number, job.values, 0, reason))

    def _noise(self, count: int) -> None:
        self._noise_bytes += count
        self._lost = self._lost or count > 0
