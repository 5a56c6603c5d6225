"""When a port is open: it is opened, lost, waited for, opened again, and lent to somebody.

Knows nothing of what its bytes mean: `Served` does. Opening and closing run in a worker thread.
Truth: docs/serial/ports.md, "Losing a port" and "Lending a port".
"""

from __future__ import annotations

import asyncio
import logging
import threading
from dataclasses import replace
from enum import Enum, auto
from functools import partial
from operator import add
from typing import TYPE_CHECKING, Protocol

from leafnode import limits
from leafnode.bridge import port_bounds
from leafnode.bridge.aside import aside
from leafnode.bridge.loan import Loan
from leafnode.bridge.port import LineErrors
from leafnode.bridge.status import Seldom
from leafnode.clock import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.bridge.port import FindPath, OpenPort, OpenSerial
    from leafnode.bridge.status import PortCounters
    from leafnode.clock import Clock
    from leafnode.config.serial_options import SerialPort

log = logging.getLogger(__name__)


class Trouble(Enum):
    """Why a port is not open, as far as the log is concerned."""

    NONE = auto()
    ABSENT = auto()  # lost, or not there yet
    REFUSED = auto()  # there, and somebody has it, or it is none


class Served(Protocol):
    """Who works with the port while it is open."""

    def opened(self, port: OpenPort) -> None:
        """Begin to use it. What it raises ends this opening."""
        ...

    def closed(self, port: OpenPort) -> None:
        """Take the hands off its descriptor: it is closed next."""
        ...


class PortLife:
    """One port of the configuration, for as long as the gateway runs."""

    def __init__(
        self,
        options: SerialPort,
        clock: Clock,
        open_serial: OpenSerial,
        find_path: FindPath,
        served: Served,
        counters: PortCounters,
    ) -> None:
        self._options = options
        self._clock = clock
        self._open_serial = open_serial
        self._find_path = find_path
        self._served = served
        self._counters = counters
        self.is_open = False
        self.path = ""  # of what is open, or was last, or was found when it was lent
        self._is_found = False  # that is where its name leads: it was open a moment ago
        self.last_error = ""
        self._port: OpenPort | None = None  # that is open
        self._line_errors = LineErrors()  # of former openings
        self._ending: asyncio.Future[None] | None = None  # of this opening
        self._waking: asyncio.Future[bool] | None = None  # of this pause
        self._said = Trouble.NONE
        self._notes = Seldom(clock, limits.BRIDGE_LOG_INTERVAL_NS, port_bounds.PORT_NOTES_MAX)
        self.loan: Loan | None = None
        self._said_lease: str | None = None  # of the lending that the log knows of
        self._is_back = False  # from a lending, and not open yet
        self._ended_lease = ""  # that was given back last: no renewal begins it anew
        self._lent: list[Callable[[], None]] = []  # who waits until the descriptor is closed

    async def run(self) -> None:
        """Open the port, again and again, until cancelled."""
        wait_ns = limits.PORT_REOPEN_NS
        while True:
            await self._lending()
            bound_ns = limits.PORT_POLL_NS
            port = None
            try:
                port = await self._open()
            except Exception as err:  # noqa: BLE001 -- boundary: serial port
                self._counters.open_failures += 1
                trouble = Trouble.ABSENT
                if not isinstance(err, FileNotFoundError):  # it is there, and will not
                    bound_ns = limits.PORT_REOPEN_MAX_NS
                    trouble = Trouble.REFUSED
                if trouble is not self._said:  # it came just now, or went
                    wait_ns = limits.PORT_REOPEN_NS
                self._say(trouble, "Serial port cannot be opened", err)
            if port is not None:
                if self.loan is not None:  # somebody asked for it meanwhile
                    self.path, self._is_found = port.path, True
                    await self._close(port)
                    continue
                opened_ns = self._clock.monotonic_ns()
                await self._serve(port)
                if self._clock.monotonic_ns() - opened_ns >= limits.PORT_STABLE_NS:
                    wait_ns = limits.PORT_REOPEN_NS
            if self.loan is not None:
                continue
            woken = await self._pause(min(wait_ns, bound_ns))
            wait_ns = limits.PORT_REOPEN_NS if woken else min(2 * wait_ns, bound_ns)

    def lose(self, err: Exception) -> bool:
        """End this opening; say whether there was one to end."""
        if self._ending is None or self._ending.done():
            return False
        self._ending.set_exception(err)
        return True

    @property
    def is_ending(self) -> bool:
        return self._ending is None or self._ending.done()

    @property
    def line_errors(self) -> LineErrors:
        """Return what drivers counted since start."""
        if self._port is None:
            return self._line_errors
        return LineErrors(*map(add, self._line_errors, self._port.line_errors()))

    def came(self) -> None:
        """A device was plugged in somewhere: do not wait any longer."""
        if self.loan is None:
            self._wake()

    def lend(
        self, duration_ns: int, lent: Callable[[], None], *, lease: str = "", holder: str = ""
    ) -> str:
        """Close the port for so long; `lent` is called once its descriptor is closed.

        One that is lent by this lease is lent for so long from now, and one by none, as now, at
        least: it may be somebody else's. Return why not: another lease is out, or too many ask.
        """
        now_ns = self._clock.monotonic_ns()
        loan = self.loan
        if lease and lease == self._ended_lease:
            return "this lending was ended"
        if loan is not None and loan.lease != lease and loan.is_out(now_ns):
            return loan.refusal(now_ns)
        if len(self._lent) >= limits.PORT_LENDERS_MAX:
            return "the port does not close, and others wait for it already"
        until_ns = now_ns + duration_ns
        if loan is not None and not lease and not loan.is_returned:
            until_ns = max(until_ns, loan.until_ns)
        self.loan = Loan(until_ns, lease, holder)
        self._lent.append(lent)
        if not self.is_ending:
            assert self._ending is not None, "it is open"
            self._ending.set_result(None)
        self._wake()
        return ""

    def take_back(self, lease: str | None = None) -> bool:
        """End the lending now, whichever or this one; say whether it was lent."""
        loan = self.loan
        if loan is None or (lease is not None and loan.lease != lease):
            return False
        self._ended_lease = loan.lease
        self.loan = replace(loan, until_ns=self._clock.monotonic_ns(), is_returned=True)
        self._wake()
        return True

    def go_on_lending(self, before: PortLife) -> None:
        """Be lent as the port was whose entry this one's replaces; not before it runs."""
        self.loan = before.loan
        self._said_lease = before._said_lease
        self._ended_lease = before._ended_lease
        self._lent, before._lent = before._lent, []
        self.path = before.path

    @property
    def lent_ns(self) -> int:
        """For how long it is lent yet."""
        if self.loan is None:
            return 0
        return max(1, self.loan.until_ns - self._clock.monotonic_ns())

    async def _lending(self) -> None:
        """Wait while it is lent."""
        while self.loan is not None:
            if self._lent:
                await self._find()
            loan, now_ns = self.loan, self._clock.monotonic_ns()
            told, self._lent = self._lent, []
            if told and loan.lease != self._said_lease:
                self._said_lease = loan.lease
                seconds, name = loan.seconds(now_ns), self._options.name
                self._note(
                    "Serial port lent: port=%s seconds=%d holder=%r", name, seconds, loan.holder
                )
            for tell in told:
                tell()
            if not loan.is_out(now_ns):
                self.loan = self._said_lease = None
                self._is_back = True
                self._note(
                    "Serial port taken back: port=%s reason=%s", self._options.name, loan.why_over
                )
                return
            await self._pause(loan.until_ns - now_ns)

    async def _find(self) -> None:
        """See where the device is now: its path of before may be another one's."""
        if not self._is_found:
            try:
                self.path = await aside(
                    partial(self._find_path, self._options), name=self._thread_name
                )
            except OSError as err:
                self.path, self.last_error = "", str(err)
        self._is_found = False

    async def _open(self) -> OpenPort:
        """Open it in a thread, for as long as the driver takes: a second attempt would wait too."""
        opening = _Opening(self._open_serial, self._options)
        try:
            return await aside(opening.run, name=self._thread_name)
        except asyncio.CancelledError:
            # The thread cannot be stopped: it closes what nobody wants any more by itself.
            port = opening.abandon()
            if port is not None:
                await self._close(port)
            raise

    async def _serve(self, port: OpenPort) -> None:
        try:
            await self._attend(port)
            self._is_found = True
        except OSError as err:
            self._say(Trouble.ABSENT, "Serial port lost", err)
        except Exception as err:  # boundary: serial port
            self.last_error = repr(err)
            log.exception("Serial port failed: port=%s", self._options.name)

    async def _attend(self, port: OpenPort) -> None:
        """Serve an open port until it is lent. Raises what ended it else."""
        self._ending = asyncio.get_running_loop().create_future()
        self._port = port
        try:
            self._opened(port)
            self._served.opened(port)
            await self._ending
        finally:
            self.is_open = False
            self._line_errors = self.line_errors
            self._port = None
            self._served.closed(port)
            port.stop()
            await self._close(port)

    def _opened(self, port: OpenPort) -> None:
        self.is_open = True
        self.path = port.path
        self._counters.opens += 1
        self.last_error = ""
        self._said = Trouble.NONE
        say, self._is_back = self._note if self._is_back else log.info, False
        say(
            "Serial port opened: port=%s device=%s %s",
            self._options.name,
            self._options.device,
            port.describe(),
        )

    async def _close(self, port: OpenPort) -> None:
        """Close it in a thread; one that takes longer is left to that thread.

        Raises nothing: who is cancelled closes it, and shall end as cancelled.
        """
        closing = aside(port.close, name=self._thread_name)
        _, pending = await asyncio.wait([closing], timeout=limits.PORT_CLOSE_TIMEOUT_NS / NS_PER_S)
        if pending:
            log.warning("Serial port does not close: port=%s", self._options.name)
        elif (err := closing.exception()) is not None:
            self.last_error = str(err)
            log.warning(
                "Serial port does not close well: port=%s reason=%r", self._options.name, err
            )

    def _note(self, text: str, *words: object) -> None:
        """Log what a client may cause as often as it likes, by lending and giving back."""
        self._notes.call(lambda _: log.info(text, *words))

    @property
    def _thread_name(self) -> str:
        return f"serial {self._options.name}"

    def _say(self, trouble: Trouble, what: str, err: Exception) -> None:
        """Log what keeps the port closed, once: until it is open, or something else does."""
        self.last_error = str(err)
        if self._said is not trouble:
            self._said = trouble
            bug = None if isinstance(err, OSError) else err
            log.warning("%s: port=%s reason=%s", what, self._options.name, err, exc_info=bug)

    async def _pause(self, delay_ns: int) -> bool:
        """Wait for so long, or until woken; say whether it was woken."""
        self._waking = asyncio.get_running_loop().create_future()
        timer = self._clock.call_later(delay_ns, lambda: self._wake(by_time=True))
        try:
            return await self._waking
        finally:
            timer.cancel()
            self._waking = None

    def _wake(self, *, by_time: bool = False) -> None:
        if self._waking is not None and not self._waking.done():
            self._waking.set_result(not by_time)


class _Opening:
    """One attempt to open a port in a worker thread, which may outlive the wish for it."""

    def __init__(self, open_serial: OpenSerial, options: SerialPort) -> None:
        self._open_serial = open_serial
        self._options = options
        self._lock = threading.Lock()
        self._port: OpenPort | None = None
        self._abandoned = False

    def run(self) -> OpenPort:
        """Open it. In the worker thread."""
        port = self._open_serial(self._options)
        with self._lock:
            self._port = port
            abandoned = self._abandoned
        if abandoned:
            port.close()
        return port

    def abandon(self) -> OpenPort | None:
        """Return the port if it is open already; the caller closes it. On the loop."""
        with self._lock:
            self._abandoned = True
            return self._port
