"""One port's function at work: a bounded queue of readings, one frame at a time in its process.

Whatever the function does costs this port's readings only. A frame that it does not answer in time,
or on which its process ends, is a bad reading; the process is started again after a pause that
grows. Knows readings and what they become; not what is published. Truth: docs/serial/exec.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections import deque
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

import msgspec

from leafnode import limits
from leafnode.bridge import port_bounds
from leafnode.bridge.exec import pipe
from leafnode.bridge.exec.process import Process
from leafnode.bridge.reading import BadReading
from leafnode.bridge.status import Seldom

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.bridge.exec.process import Pipes, Running, Start
    from leafnode.bridge.reading import Life, Reading
    from leafnode.clock import Clock, Timer
    from leafnode.config.serial_stage_options import CodecOptions

    # What a reading became: fields, a payload, nothing, or a bad reading.
    Outcome = dict[str, object] | bytes | None | BadReading

log = logging.getLogger(__name__)

_FIELDS: Final = msgspec.json.Decoder(dict[str, object])
_READ_BYTES: Final = 64 * limits.KIB


class State(Enum):
    """Of the process."""

    ABSENT = auto()  # not wanted, or its pause runs
    STARTING = auto()  # asked for; it has not said that it is ready
    READY = auto()  # waits for a frame
    BUSY = auto()  # has one
    LEAVING = auto()  # has a frame, and ends by itself behind its answer
    LEFT = auto()  # has answered, and ends by itself
    ENDING = auto()  # was killed; its end is not known yet


_HAS_FRAME: Final = frozenset({State.BUSY, State.LEAVING})


class Function:
    """The readings of one port on their way through its function.

    `decided` gets each reading, in order, with what became of it. `has_room` says whether one more
    can be decided now.
    """

    def __init__(
        self,
        options: CodecOptions,
        clock: Clock,
        *,
        port: str,
        decided: Callable[[Reading, Outcome], None],
        has_room: Callable[[], bool],
        start: Start = Process,
    ) -> None:
        self._options = options
        self._clock = clock
        self._port = port
        self._decided = decided
        self._downstream_has_room = has_room
        self._start = start
        self.last_error = ""
        self._state = State.ABSENT
        self._queue: deque[Reading] = deque()
        self._queued_bytes = 0
        self._running: Running | None = None
        self._pipes: Pipes | None = None
        self._answers = pipe.Answers()
        self._out = b""
        self._timer: Timer | None = None
        self._pause_ns = port_bounds.EXEC_RESTART_NS
        self._is_pumping = False
        self._in_vain = 0  # processes in a row that ended without a word on a frame
        self.takes_all = False  # the port ends: what was read already is taken beyond the bound
        self._wanted = False
        # Landlock's version, and whether calls are filtered; 0 and False: the kernel has none.
        self._shut_in: tuple[int, bool] | None = None
        self._starts = self._failures = self._errors = 0
        self._log = Seldom(clock, limits.BRIDGE_LOG_INTERVAL_NS)

    @property
    def has_room(self) -> bool:
        return self.takes_all or (
            len(self._queue) < port_bounds.EXEC_QUEUE_MAX
            and self._queued_bytes < port_bounds.EXEC_QUEUE_BYTES
        )

    def counts(self) -> dict[str, int]:
        """Return what is shown of it."""
        return {
            "running": int(self._state is State.READY or self._state in _HAS_FRAME),
            "starts": self._starts,
            "failures": self._failures,
            "errors": self._errors,
            "queued": len(self._queue),
            "landlock": self._shut_in[0] if self._shut_in else 0,
            "seccomp": int(self._shut_in is not None and self._shut_in[1]),
        }

    def begin(self) -> None:
        """Start the process."""
        self._wanted = True
        if self._state is State.ABSENT:
            self._start_it()

    @property
    def is_done(self) -> bool:
        """Whether nothing waits that the function may decide yet."""
        return not self._queue or self._in_vain >= port_bounds.SETTLE_FAILURES

    def undecided(self, life: Life) -> list[Reading]:
        """Return what of this life of a board is to be decided yet, in order."""
        return [reading for reading in self._queue if reading.life == life]

    def hurry(self) -> None:
        """The port ends: a process that failed may work by now, and is started at once."""
        self._in_vain = 0
        self._pause_ns = port_bounds.EXEC_RESTART_NS
        if self._queue and self._state is State.ABSENT and self._timer is not None:
            self._set_timer(None)
            self._start_it()

    def stop(self) -> int:
        """End the process at once. Return how many readings it had not decided, and nobody has."""
        lost = sum(reading.receipt is None for reading in self._queue)
        self._wanted = False
        self._queue.clear()
        self._queued_bytes = 0
        self._set_timer(None)
        self._kill()
        return lost

    def offer(self, reading: Reading) -> None:
        """Queue one reading. The caller has asked for room."""
        assert self.has_room, "the caller stops reading its port at the bound"
        self._queue.append(reading)
        self._queued_bytes += len(reading.payload)
        self.pump()

    def pump(self) -> None:
        """Give the function its next frame, if it waits for one and there is room behind it."""
        if self._is_pumping:
            return  # what was decided made room: the one below goes on
        self._is_pumping = True
        try:
            self._pump()
        finally:
            self._is_pumping = False

    def _pump(self) -> None:
        while self._state is State.READY and self._running is not None:
            if not self._queue or not self._downstream_has_room():
                return
            if not self._queue[0].wrong:
                break
            self._settle(BadReading(self._queue[0].wrong))
        else:
            return
        self._state = State.BUSY
        self._out = pipe.request(self._queue[0].payload)
        self._set_timer(self._options.timeout_ns)
        self._write()

    def _start_it(self) -> None:
        self._state = State.STARTING
        self._starts += 1
        self._answers = pipe.Answers()
        self._set_timer(port_bounds.EXEC_START_NS)
        self._running = self._start(self._options, self._began, self._ended)

    def _began(self, pipes: Pipes) -> None:
        self._pipes = pipes
        if self._state is not State.STARTING:  # it was killed meanwhile
            self._close()
            return
        asyncio.get_running_loop().add_reader(pipes.from_it, self._readable)

    def _readable(self) -> None:
        assert self._pipes is not None, "the reader is removed with it"
        try:
            data = os.read(self._pipes.from_it, _READ_BYTES)
        except BlockingIOError:
            return
        if not data:  # its end follows; until it is known nothing is read any more
            asyncio.get_running_loop().remove_reader(self._pipes.from_it)
            return
        try:
            for answer in self._answers.receive(data):
                self._take(answer)
        except pipe.PipeError as err:
            self._fail(str(err))

    def _take(self, answer: pipe.Answer) -> None:
        """Take one answer. Raises PipeError where none is due, or another one."""
        match self._state, answer.kind:
            case State.STARTING, pipe.READY:
                self._note_shut_in(answer.body)
                self._state = State.READY
                self._set_timer(None)
                if self.last_error:
                    log.info("The function works again: port=%s", self._port)
                self.last_error = ""
                self.pump()
            case State.STARTING, pipe.NOT_LOADED:
                text = answer.body[: port_bounds.EXEC_REASON_BYTES].decode("utf-8", "replace")
                self._fail(f"it cannot be loaded: {_printable(text)}")
            case State.BUSY, pipe.LEAVING:
                self._state = State.LEAVING
            case State.BUSY | State.LEAVING, (pipe.FIELDS | pipe.BYTES | pipe.NOTHING | pipe.BAD):
                outcome = self._outcome(answer)
                self._state = State.READY if self._state is State.BUSY else State.LEFT
                is_left = self._state is State.LEFT
                self._set_timer(port_bounds.EXEC_END_NS if is_left else None)
                self._pause_ns = port_bounds.EXEC_RESTART_NS
                self._decide(outcome)
            case _:
                raise pipe.PipeError("it wrote what nobody asked for")

    def _note_shut_in(self, body: bytes) -> None:
        """Say once how far the function is shut in: it depends on the kernel."""
        words = body.split(b" ")
        if len(body) > len(b"255 1") or len(words) != 2 or not all(map(bytes.isdigit, words)):
            raise pipe.PipeError("it wrote what is no answer")
        shut_in = int(words[0]), words[1] == b"1"
        if shut_in != self._shut_in:
            self._shut_in = shut_in
            by = [f"Landlock {shut_in[0]}"] if shut_in[0] else []
            by += ["a filter of calls"] if shut_in[1] else []
            what = " and ".join(by) or "limits alone, the kernel has neither Landlock nor seccomp"
            log.info("A function is shut in by %s: port=%s", what, self._port)

    def _outcome(self, answer: pipe.Answer) -> Outcome:
        match answer.kind:
            case pipe.FIELDS:
                try:
                    return _FIELDS.decode(answer.body)
                except (msgspec.DecodeError, RecursionError):
                    raise pipe.PipeError("its answer is no JSON object") from None
            case pipe.BYTES:
                return answer.body
            case pipe.NOTHING:
                return None
        self._errors += 1
        text = answer.body[: port_bounds.EXEC_REASON_BYTES].decode("utf-8", "replace")
        return BadReading(f"the function raised {_printable(text)}")

    def _decide(self, outcome: Outcome) -> None:
        """Hand over what became of the oldest reading, then take the next."""
        self._settle(outcome)
        self.pump()

    def _settle(self, outcome: Outcome) -> None:
        self._in_vain = 0
        reading = self._queue.popleft()
        self._queued_bytes -= len(reading.payload)
        self._decided(reading, outcome)

    def _write(self) -> None:
        """Write what the pipe takes; the rest when it takes more."""
        if self._pipes is None:
            return
        loop = asyncio.get_running_loop()
        try:
            self._out = self._out[os.write(self._pipes.to_it, self._out) :]
        except BlockingIOError:
            pass
        except BrokenPipeError:
            self._out = b""  # it ended, as will be told
        if self._out:
            loop.add_writer(self._pipes.to_it, self._write)
        else:
            loop.remove_writer(self._pipes.to_it)

    def _due(self) -> None:
        self._timer = None
        match self._state:
            case State.STARTING:
                self._fail("it does not begin to work")
            case State.BUSY | State.LEAVING:
                ms = self._options.timeout_ns // 1_000_000
                self._fail(f"it did not answer within {ms} ms")
            case State.LEFT:
                self._fail("it does not end")
            case State.ABSENT:
                self._start_it()

    def _fail(self, reason: str) -> None:
        """Do no longer with this process; the frame that it has is lost."""
        state = self._state
        if state is State.ENDING:
            return
        self._kill()
        self._failed(reason, state)

    def _failed(self, reason: str, state: State) -> None:
        self._failures += 1
        self._in_vain += 1
        self.last_error = f"the function failed: {reason}"
        self._log.call(
            lambda count: log.warning(
                "The function of a serial port failed: port=%s function=%s reason=%s times=%d",
                self._port,
                self._options.function,
                reason,
                count,
            )
        )
        if state in _HAS_FRAME:
            self._decide(BadReading(f"the function failed on it: {reason}"))

    def _kill(self) -> None:
        self._set_timer(None)
        if self._state not in {State.ABSENT, State.ENDING}:
            self._state = State.ENDING
        self._close()
        if self._running is not None:
            self._running.kill()

    def _close(self) -> None:
        """Let go of the pipes."""
        pipes, self._pipes = self._pipes, None
        self._out = b""
        if pipes is not None:
            loop = asyncio.get_running_loop()
            loop.remove_reader(pipes.from_it)
            loop.remove_writer(pipes.to_it)
            pipes.close()

    def _ended(self, reason: str) -> None:
        """The process is gone."""
        self._running = None
        self._take_the_rest()
        state, self._state = self._state, State.ABSENT
        self._close()
        self._set_timer(None)
        if not self._wanted:
            return
        if state is State.LEFT:
            self._start_it()
            return
        if state is not State.ENDING:
            self._failed(reason, state)
        self._set_timer(self._pause_ns)
        self._pause_ns = min(2 * self._pause_ns, port_bounds.EXEC_RESTART_MAX_NS)

    def _take_the_rest(self) -> None:
        """Read what it said before it ended."""
        while self._pipes is not None:
            try:
                data = os.read(self._pipes.from_it, _READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                return
            with contextlib.suppress(pipe.PipeError):
                for answer in self._answers.receive(data):
                    self._take(answer)

    def _set_timer(self, delay_ns: int | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if delay_ns is None else self._clock.call_later(delay_ns, self._due)


def _printable(text: str) -> str:
    """Return a text of the function's as it may stand in a log."""
    return "".join(char if char.isprintable() else "?" for char in text)
