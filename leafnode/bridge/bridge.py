"""All serial ports of a configuration, each in a task of its own.

Knows the configuration and what its ports share. Truth: docs/serial.md.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.bridge import port_bounds
from leafnode.bridge.control import PortControl
from leafnode.bridge.devices import Devices
from leafnode.bridge.hotplug import Hotplug
from leafnode.bridge.runner import PortRunner
from leafnode.bridge.seams import BridgeSeams
from leafnode.bridge.transports.opener import Opener
from leafnode.bridge.turns import PortTurns
from leafnode.clock import NS_PER_S
from leafnode.nuid import nuid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from random import Random

    from leafnode.bridge.port import FindPath, OpenSerial
    from leafnode.bridge.status import PortStatus
    from leafnode.clock import Clock
    from leafnode.config.serial_options import SerialOptions, SerialPort
    from leafnode.routing.account import Account
    from leafnode.routing.permissions import Permissions

log = logging.getLogger(__name__)


class Bridge:
    """The `serial { … }` block at work."""

    def __init__(  # noqa: PLR0913 -- keyword-only but for what it is of
        self,
        options: SerialOptions,
        account: Account,
        clock: Clock,
        random: Random,
        *,
        max_payload: Callable[[], int] = lambda: limits.MAX_PAYLOAD_BYTES,
        permissions: Callable[[], Permissions | None] = lambda: None,
        open_serial: OpenSerial | None = None,
        find_path: FindPath | None = None,
    ) -> None:
        opener = Opener(clock)
        self.devices = Devices(clock)
        self._seams = BridgeSeams(
            account,
            clock,
            random,
            open_serial or opener,
            find_path or opener.find,
            max_payload,
            permissions,
            self.devices,
            turns := PortTurns(clock),
            bursts := PortTurns(clock, port_bounds.SERIAL_BURST_NS),
        )
        self._turns = turns, bursts
        self.hotplug = Hotplug(self._came, clock)
        self.account = account
        self._control: PortControl | None = None
        self._whose = options.control
        self._random = random
        self._runners = {port: self._runner(port) for port in options.ports}
        self._running: dict[SerialPort, asyncio.Task[None]] = {}
        self._ports: asyncio.TaskGroup | None = None  # while it runs
        # What ended: to be handed on, or seen off. Of the bridge that this one succeeds, too.
        self._before: deque[PortRunner] = deque()
        # Have ended, and go on by themselves: what they had read is decided and stored yet. With
        # who has the rest then.
        self._leaving: dict[PortRunner, PortRunner | None] = {}
        self._known: frozenset[str] = frozenset()  # names of ports before the last change
        self.lost = 0  # readings that were read, and went with their port

    def answer_requests(self, server_name: str) -> None:
        """Let clients ask for ports, lend them and look on, as far as the options allow."""
        self._control = PortControl(self.account, self._seams.clock, server_name, self)

    @property
    def replies_refused(self) -> int:
        """How many requests to ports had a reply that is no inbox."""
        return 0 if self._control is None else self._control.replies_refused

    @property
    def deferred(self) -> int:
        """How often the frames of a port, or what they publish, waited for another turn."""
        return sum(turns.deferred for turns in self._turns)

    def _runner(self, port: SerialPort) -> PortRunner:
        # An id of its own: an entry that changed counts its readings from 1 again.
        inbox = f"_INBOX.{nuid(self._random)}".encode()
        return PortRunner(port, self._seams, boot=nuid(self._random), inbox=inbox)

    async def run(self) -> None:
        """Serve all ports until cancelled. A port that fails disturbs no other."""
        self.hotplug.start()
        self._allow(self._whose)
        try:
            async with asyncio.TaskGroup() as ports:
                self._ports = ports
                try:
                    for ended in self._before:
                        self._lend_on(ended)
                    await self._follow()
                    self._begin_all()
                    await asyncio.Event().wait()  # ports may be added for as long as it runs
                finally:
                    self._ports = None
        finally:
            self.hotplug.stop()
            if self._control is not None:
                self._control.stop()

    async def change(self, options: SerialOptions) -> None:
        """Serve these ports from now on; those whose options are the same are not disturbed."""
        self._allow(options.control)
        ended = [port for port in self._runners if port not in options.ports]
        ending = {port: task for port in ended if (task := self._running.pop(port, None))}
        tasks = ending.values()
        for task in tasks:
            task.cancel()
        if tasks:
            # A device is closed before it may be opened again; one that hangs holds no other.
            _, pending = await asyncio.wait(tasks, timeout=limits.TASK_END_NS / NS_PER_S)
            for task in pending:
                log.error("A serial port did not end in time: port=%s", task.get_name())
        before = self._runners
        runners = await self._runners_of(options.ports)
        self._known = frozenset(port.name for port in before)
        self._runners = runners
        for port in ended:
            self._lend_on(before[port])
        late = [port for port, task in ending.items() if not task.done()]
        for port in late:
            ending[port].add_done_callback(partial(self._end_late, before[port]))
        over = [before[port] for port in ended if port not in late]
        # A reload before this one took these away, and this one brings them back.
        back = [one for one, heir in self._leaving.items() if heir is None and self._heir(one)]
        for one in back:
            del self._leaving[one]
        self._before += [*back, *over]
        await self._follow()
        self._begin_all()

    async def _runners_of(self, ports: Iterable[SerialPort]) -> dict[SerialPort, PortRunner]:
        """Return who serves these ports.

        A new one in a turn: a bus may have thousands of groups.
        """
        runners = {}
        for port in ports:
            runner = self._runners.get(port)
            if runner is None:
                runner = self._runner(port)
                await asyncio.sleep(0)
            runners[port] = runner
        return runners

    def succeed(self, before: Bridge) -> None:
        """Have what was lent, and not stored, when the bridge of another account ended. At start.

        Who sees that no stream captures a port's readings may have named the wrong account.
        """
        self._before.extend([*before._leaving, *before._runners.values(), *before._before])
        self.lost = before.lost
        self._known = frozenset(one.name for one in self._before)

    async def settle(self) -> None:
        """Let what the ports had read be stored, once they have ended and nobody follows them.

        Of a function or a stream that does not answer no longer than SERIAL_SETTLE_NS; the log says
        what is lost.
        """
        await self._follow()
        end_ns = self._end_ns()
        async with asyncio.TaskGroup() as tasks:
            for one in self._leaving:
                tasks.create_task(self._leave_one(one, end_ns), name=one.name)
        runners = self._runners.values()
        await self._wait(lambda: all(runner.is_settled for runner in runners), end_ns)
        for runner in runners:
            self._hand_on(runner, None)

    def _end_ns(self) -> int:
        """Return until when those go on who begin to go now."""
        return self._seams.clock.monotonic_ns() + port_bounds.SERIAL_SETTLE_NS

    async def _wait(self, is_over: Callable[[], bool], end_ns: int) -> None:
        clock = self._seams.clock
        while clock.monotonic_ns() < end_ns and not is_over():
            looked = asyncio.get_running_loop().create_future()
            timer = clock.call_later(port_bounds.SERIAL_LOOK_NS, partial(looked.set_result, None))
            try:
                await looked
            finally:
                timer.cancel()

    async def _leave_one(self, one: PortRunner, end_ns: int) -> None:
        """Let a port go on until it is settled, or its heir can have the rest. Whoever ends this
        before finds it with the others.
        """

        def is_over() -> bool:
            if one not in self._leaving:
                return True
            return one.is_settled or (self._leaving[one] is not None and one.is_decided)

        await self._wait(is_over, end_ns)
        if one in self._leaving:
            self._hand_on(one, self._leaving.pop(one))

    def _heir(self, ended: PortRunner) -> PortRunner | None:
        """Return the port that has its name now, or else its device by a name that is new."""
        if (same := self.port(ended.name)) is not None:
            return same
        new = (port for port in self._runners if port.name not in self._known)
        return next((self._runners[port] for port in new if port.device == ended.device), None)

    def _lend_on(self, ended: PortRunner) -> None:
        """A port stays lent, before it is opened."""
        if (heir := self._heir(ended)) is not None:
            heir.life.go_on_lending(ended.life)

    def _hand_on(self, ended: PortRunner, heir: PortRunner | None) -> None:
        """What a port had not stored is published by the one that follows it."""
        self.lost += (heir or ended).inherit(ended)

    def _end_late(self, ended: PortRunner, _: object) -> None:
        """A port that a reload did not wait for has ended."""
        self._follow_one(ended)

    async def _follow(self) -> None:
        """Hand on what ended ports had not stored, and see those off that nobody follows.

        Thousands of readings may wait: those of one port in a turn of the loop. Who ends this
        before its end finds the others.
        """
        while self._before:
            self._follow_one(self._before.popleft())
            await asyncio.sleep(0)

    def _follow_one(self, ended: PortRunner) -> None:
        heir = self._heir(ended)
        for older in [older for older, its_heir in self._leaving.items() if its_heir is ended]:
            self._leave_to(older, heir)
        if heir is not None and ended.is_decided:
            self._hand_on(ended, heir)
            return
        self._leave_to(ended, heir)
        if self._ports is not None:
            task = self._leave_one(ended, self._end_ns())
            self._ports.create_task(task, name=ended.name)

    def _leave_to(self, one: PortRunner, heir: PortRunner | None) -> None:
        """A port goes on by itself; then its heir has what is left of it."""
        self._leaving[one] = heir
        if heir is not None:
            heir.wait_for(one)

    def _begin_all(self) -> None:
        """Serve the ports that are not served yet: a reload may come before the first are."""
        if self._ports is None:
            return  # it has ended meanwhile
        for port, runner in self._runners.items():
            if port not in self._running:
                self._running[port] = self._ports.create_task(runner.run(), name=port.name)

    def port(self, name: str) -> PortRunner | None:
        """Return the port of this name."""
        return next((one for one in self._runners.values() if one.name == name), None)

    def _allow(self, whose: str) -> None:
        if self._control is not None:
            self._control.allow(whose)

    def _came(self) -> None:
        for runner in self._runners.values():
            runner.life.came()

    def status(self) -> list[PortStatus]:
        """Return how each port is now, in the order of the configuration."""
        return [runner.status() for runner in self._runners.values()]
