"""What is done with one port while it is open: read, publish, acknowledge.

Knows all stages of one port and nothing of the other ports; `port_life` opens it. Reading and
writing are one bounded call per turn of the loop. Truth: docs/serial.md.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

from leafnode.bridge.boards import Boards
from leafnode.bridge.devices import Slaves
from leafnode.bridge.frame_commands import FrameCommands
from leafnode.bridge.framing import new_framing
from leafnode.bridge.framing.frames import Frames
from leafnode.bridge.framing.link import LinkFraming
from leafnode.bridge.framing.text_link import TextLinkFraming
from leafnode.bridge.mapping.mapper import Mapper
from leafnode.bridge.modbus.commands import BusCommands
from leafnode.bridge.modbus.master import ModbusFraming
from leafnode.bridge.output import PortOutput
from leafnode.bridge.port_life import PortLife
from leafnode.bridge.port_log import PortLog
from leafnode.bridge.publication import lasting
from leafnode.bridge.publisher import Publisher
from leafnode.bridge.reading import MORE, Reading, SlaveAnswer, SlaveNews
from leafnode.bridge.status import PortCounters, PortStatus
from leafnode.bridge.taps import Taps
from leafnode.bridge.turns import PortTurns
from leafnode.clock import NS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.bridge.commands import PortCommands
    from leafnode.bridge.port import OpenPort
    from leafnode.bridge.publication import Left
    from leafnode.bridge.reading import Event, Receipt
    from leafnode.bridge.seams import BridgeSeams
    from leafnode.config.serial_options import SerialPort

log = logging.getLogger(__name__)


class PortRunner:
    """One port of the configuration, for as long as its entry stays as it is."""

    def __init__(self, options: SerialPort, seams: BridgeSeams, *, boot: str, inbox: bytes) -> None:
        """`boot` and `inbox`: no other runner has these."""
        self._options = options
        self._clock = seams.clock
        self._framing = new_framing(options, f"{options.name}.{boot}".encode(), self._wall_ms)
        self._counters = PortCounters()
        self._publisher = self._new_publisher(seams, inbox)
        self._turns = seams.turns or PortTurns(seams.clock)
        self._mapper = Mapper(
            options,
            self._publisher,
            seams.clock,
            self._counters,
            max_payload=seams.max_payload,
            show=self._show,
            progress=self._progressed,
            turns=self._turns,
        )
        self._log = PortLog(options.name, seams.clock)
        self._boards: Boards | None = None
        if isinstance(self._framing, LinkFraming | TextLinkFraming):
            self._boards = Boards(
                options,
                self._framing,
                seams,
                counters=self._counters,
                log=self._log,
                inbox=inbox,
                stored=self._resumed,
                says_again=self._mapper.says_again,
                is_storing=self._mapper.is_storing,
                goes_on=self._mapper.goes_on,
                send=self._spoken_to,
            )
        self._bus = self._framing if isinstance(self._framing, ModbusFraming) else None
        self._devices = seams.devices
        self._slaves = None if self._bus is None else Slaves(options)
        self._commands = self._new_commands(seams)
        self._asker = self._who_asks()
        self._port: OpenPort | None = None
        self._reading = False
        self._draining = False
        self._is_drained = False  # when it was moved last
        self._deferred = False  # frames wait for another turn
        self._rested: asyncio.Event | None = None  # no longer, at the port's end
        self._ended = False
        self._awaited: set[PortRunner] = set()  # whose function is not done yet
        self._paused = False
        self._last_byte_ns = self._clock.monotonic_ns()
        self._reopened = False  # the framing has not heard of it yet
        self.taps = Taps(seams.clock, seams.account.publish)
        self._output = PortOutput(
            seams.clock,
            self.taps,
            again=lambda: self._guard(self._send),
            due=lambda: self._guard(self._time_passed),
        )
        self.life = PortLife(
            options, seams.clock, seams.open_serial, seams.find_path, self, self._counters
        )

    def _new_publisher(self, seams: BridgeSeams, inbox: bytes) -> Publisher:
        return Publisher(
            seams.account,
            seams.clock,
            seams.random,
            port=self._options.name,
            inbox=inbox,
            counters=self._counters,
            resolved=self._resolved,
            progressed=self._progressed,
            stream=self._options.stream,
            turns=seams.bursts,
        )

    def _new_commands(self, seams: BridgeSeams) -> PortCommands | None:
        """Return who takes commands for the device, None where the port has none."""
        options, framing = self._options, self._framing
        if self._bus is not None and options.modbus is not None and options.modbus.commands:
            return BusCommands(
                options,
                self._bus,
                options.modbus.commands,
                seams.account,
                seams.clock,
                send=self._spoken_to,
                max_payload=seams.max_payload,
            )
        if options.commands and isinstance(framing, Frames):
            return FrameCommands(
                options,
                framing,
                seams.account,
                seams.clock,
                send=self._spoken_to,
                max_payload=seams.max_payload,
            )
        return None

    def _who_asks(self) -> FrameCommands | Frames | ModbusFraming | None:
        """Return who asks the device by itself, and has to know while the port is not read."""
        if isinstance(self._commands, FrameCommands):
            return self._commands
        return self._framing if isinstance(self._framing, Frames | ModbusFraming) else None

    @property
    def name(self) -> str:
        return self._options.name

    @property
    def device(self) -> str:
        return self._options.device

    @property
    def rs485(self) -> str:
        """Who switches between speaking and listening; "" where it is no RS-485."""
        return self._options.rs485.mode if self._options.rs485 is not None else ""

    async def run(self) -> None:
        """Serve the port until cancelled."""
        self._publisher.start()
        self._mapper.begin()
        if self._commands is not None:
            self._commands.start()
        if self._boards is not None:
            self._boards.begin()
        if self._devices is not None and self._slaves is not None:
            self._devices.join(self._slaves)
        try:
            await self.life.run()
        finally:
            if self._boards is not None:
                self._boards.give_up()
            try:
                self._awaited.clear()  # it has read already what it has read
                self._mapper.take_all()
                self._guard(self._work)
                if self._deferred:
                    self._rested = asyncio.Event()
                    await self._rested.wait()
            finally:
                self._end()

    def _end(self) -> None:
        self._ended = True
        self._turns.forget(self._go_on)
        self._mapper.end()  # its function, and the publisher, go on by themselves until `leave`
        self._publisher.hurry()
        if self._boards is not None:
            self._boards.end()
        if self._devices is not None and self._slaves is not None:
            self._devices.leave(self._slaves)
        if self._commands is not None:
            self._commands.end()

    @property
    def is_decided(self) -> bool:
        """Whether the rest may be handed on: see Mapper.is_done."""
        return self._mapper.is_done

    @property
    def is_settled(self) -> bool:
        """Whether nothing waits that the function, a turn or a stream may take yet."""
        return self.is_decided and self._publisher.is_settled

    def leave(self) -> Left:
        """Publish no more, once it has ended; return what was not stored."""
        lost = self._mapper.stop()
        if self._boards is not None:
            self._boards.leave()
        return self._publisher.stop()._replace(lost=lost)

    def wait_for(self, ended: PortRunner) -> None:
        """Read nothing until this one's readings are inherited: they go before."""
        self._awaited.add(ended)

    def inherit(self, ended: PortRunner) -> int:
        """Publish what was read under the entry that this one replaces, or under this one, which
        loses it; return how many readings are lost.
        """
        left = ended.leave()
        lost, count = left.lost, len(left.kept)
        # Only where it goes before what is newer, as what a board says again.
        kept = lasting(left.kept, ended._options, self._options)
        left = left._replace(kept=kept if self._publisher.takes_kept else ())
        if self._publisher.is_stopped:
            lost += len(left.publications)
        elif left.publications or left.kept:
            count += self._publisher.take_over(left)
        ended._log.lost(lost)
        ended._log.left(count - len(left.kept))
        if ended in self._awaited:
            self._awaited.remove(ended)
            self._guard(self._work)
        return lost

    def status(self) -> PortStatus:
        """Return how the port is now."""
        counters, framing = self._counters, self._framing
        counts = framing.counts()
        return PortStatus(
            name=self._options.name,
            device=self._options.device,
            path=self.life.path,
            open=self.life.is_open,
            lent_ns=self.life.lent_ns,
            lent_to="" if self.life.loan is None else self.life.loan.holder,
            low_latency=self._port is not None and self._port.is_low_latency,
            monitors=len(self.taps),
            paused=self._paused,
            silent_ns=self._clock.monotonic_ns() - self._last_byte_ns,
            last_error=self._last_error,
            bytes_in=counts.bytes_in,
            frames=counts.frames,
            bad=counts.bad,
            overlong=counts.overlong,
            noise_bytes=counts.noise_bytes,
            missing=counts.missing,
            resyncs=counts.resyncs,
            queued=self._publisher.queued,
            queued_bytes=self._publisher.queued_bytes,
            stored=counters.stored,
            duplicates=counters.duplicates,
            retried=counters.retried,
            refused=counters.refused,
            poison=counters.poison,
            filtered=counters.filtered,
            windows=counters.windows,
            windows_early=counters.windows_early,
            device_logs=counters.device_logs,
            names_refused=counters.names_refused,
            pauses=counters.paused,
            opens=counters.opens,
            reopens=max(0, counters.opens - 1),
            open_failures=counters.open_failures,
            line=self.life.line_errors._asdict(),
            board={} if self._boards is None else self._boards.counts(),
            function=self._mapper.counts(),
            text=framing.wrong.counts() if isinstance(framing, TextLinkFraming) else {},
            modbus={} if self._bus is None else self._bus.numbers(),
            commands={} if self._commands is None else self._commands.counts(),
            slaves=[] if self._bus is None else self._bus.slaves(),
        )

    @property
    def _last_error(self) -> str:
        return self._publisher.last_error or self._mapper.last_error or self.life.last_error

    def opened(self, port: OpenPort) -> None:
        """Begin to read and write it."""
        self._port = port
        self._reopened = True
        self._output.opened(port)
        if self._boards is not None:
            self._boards.opened()
        if self._commands is not None:
            self._commands.opened()
        self._guard(self._work)
        if self._reading:
            self._guard(self._read)  # what came while it was opened

    def closed(self, port: OpenPort) -> None:
        """Read and write it no longer."""
        asyncio.get_running_loop().remove_reader(port.fileno())
        self._output.closed(port)
        self._port = None
        self._reading = False
        if self._boards is not None:
            self._boards.closed()
        if self._commands is not None:
            self._commands.closed()

    def _guard(self, step: Callable[[], object]) -> None:
        """Run one step of an event. What it raises ends this opening of the port, nothing else."""
        try:
            step()
        except Exception as err:  # boundary: serial port
            if self.life.lose(err):
                self._set_reading(on=False)
            elif not isinstance(err, OSError):  # one that is going fails once more
                log.exception("Serial port failed: port=%s", self._options.name)

    def _readable(self) -> None:
        self._guard(self._read)

    def _read(self) -> None:
        assert self._port is not None, "the reader is removed with the port"
        data = self._port.read()
        if data:
            self._last_byte_ns = self._clock.monotonic_ns()
            if self.taps:
                self.taps.read(data)
            began_ns = self._turns.begin()
            self._framing.receive(data, self._now_ms())
            self._turns.end(began_ns)
            self._work()

    def _resolved(self, receipt: Receipt | None) -> None:
        if receipt is not None:
            assert self._boards is not None, "a plain frame has no receipt"
            self._guard(partial(self._boards.committed, receipt))

    def _progressed(self) -> None:
        """Readings left the queue: there is room again, and the device may hear of it."""
        self._mapper.progressed()
        if not self._draining:
            self._guard(self._work)

    def _work(self) -> None:
        """Do all that is possible now: queue readings, publish, answer the device."""
        drained = self._drain()
        if self._port is None:
            if drained:
                self._note_pause(paused=False)
            return
        if drained and self._reopened:
            # Not before: what it holds of the last opening are whole readings.
            self._reopened = False
            self._framing.opened(self._now_ms())
        if self._asker is not None and not self._deferred:
            # For a turn that has to wait no question is dropped: its answer is read soon.
            self._asker.hold(on=not drained, now_ms=self._now_ms())
        self._set_reading(on=drained)
        self._send()

    @property
    def _has_room(self) -> bool:
        return not self._awaited and self._publisher.has_room and self._mapper.has_room

    @property
    def _is_held_up(self) -> bool:
        """Whether a stream or a function has it wait, and not turns of the loop alone."""
        has_room = self._publisher.has_room and self._mapper.has_room
        return not (has_room and all(one._mapper.has_decided for one in self._awaited))

    @property
    def _is_asking(self) -> bool:
        return self._boards is not None and self._boards.is_asking

    def _drain(self) -> bool:
        """Move whole readings from the framing to the queue; say whether none is left."""
        if self._deferred or self._ended:
            return False
        began_ns = self._turns.begin()
        self._draining = True
        try:
            self._is_drained = self._move(began_ns)
        finally:
            self._draining = False
            self._publisher.pump()  # what is stored at once makes room: the rest is moved, too
            self._turns.end(began_ns)
        return self._is_drained

    def _move(self, began_ns: int) -> bool:
        """Beyond the share of a turn readings wait for another one."""
        while self._has_room and not (self._is_asking or self._mapper.is_behind):
            if self._turns.is_full(began_ns):
                self._deferred = True
                self._turns.wait(self._go_on)
                return False
            event = self._framing.next_event()
            if event is None:
                return True
            if event is MORE:
                continue
            try:
                self._take(event)
            except Exception:
                if isinstance(event, Reading) and self._boards is not None:
                    self._boards.untaken(event)
                raise
        return False

    def _go_on(self) -> None:
        """Go on with what had to wait for another turn."""
        self._deferred = False
        self._guard(self._work)
        if self._rested is not None and not self._deferred:
            self._rested.set()

    def _take(self, event: Event) -> None:
        if self._commands is not None and self._commands.took(event):
            return
        match event:
            case Reading():
                if self._boards is not None:
                    if self._boards.leaves(event):
                        return
                    self._boards.read(event)
                self._mapper.offer(event)
            case SlaveAnswer():
                raise AssertionError("only commands ask slaves")
            case SlaveNews():
                self._log.news(event)
            case _:
                assert self._boards is not None, "its framing has boards"
                self._boards.take(event)

    def _spoken_to(self) -> None:
        """Somebody has something for the board."""
        if self._port is not None and not self._draining and not self._output.is_sending:
            self._guard(self._send)

    def _resumed(self, receipt: Receipt | None, msg_id: bytes) -> None:
        self._mapper.resumed(msg_id)
        if receipt is not None:
            self._guard(partial(self._framing.committed, receipt))
        self._progressed()

    def _show(self, subject: bytes, payload: bytes) -> None:
        """Let those see it who watch the port."""
        if self.taps:
            self.taps.published(subject, payload)

    def _set_reading(self, *, on: bool) -> None:
        """Read the port, or leave its bytes with the kernel."""
        if self._port is None or (on and self.life.is_ending):
            return
        loop = asyncio.get_running_loop()
        if on and not self._reading:
            loop.add_reader(self._port.fileno(), self._readable)
        elif not on and self._reading:
            loop.remove_reader(self._port.fileno())
        self._reading = on
        self._note_pause(paused=not on and self._is_held_up)

    def _note_pause(self, *, paused: bool) -> None:
        if paused and not self._paused:
            self._counters.paused += 1
            what = "function" if self._publisher.has_room else "stream"
            self._log.paused(what, self._publisher.queued)
        self._paused = paused

    def _send(self) -> None:
        # A command waits where its answer would not be read.
        self._output.send(self._commands if self._commands and self._reading else self._framing)

    def _time_passed(self) -> None:
        self._framing.receive(b"", self._now_ms())
        self._work()

    def _wall_ms(self) -> int:
        return self._clock.wall_ns() // NS_PER_MS

    def _now_ms(self) -> int:
        return self._clock.monotonic_ns() // NS_PER_MS
