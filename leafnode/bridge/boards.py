"""The boards of one port: who is there, under which name, and what of it is stored already.

Of framings whose boards say who they are. Knows names, hellos and what else a board says but
readings; not frames and the queue. Truth: docs/serial/messages.md, docs/device-link.md.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, assert_never

from leafnode.bridge import port_bounds
from leafnode.bridge.board_messages import BoardMessages
from leafnode.bridge.devices import Devices
from leafnode.bridge.framing.link import msg_id
from leafnode.bridge.mapping.template import device_pattern
from leafnode.bridge.reading import DeviceHello, DeviceLog, WrongLine
from leafnode.bridge.resume import Resume
from leafnode.clock import NS_PER_MS
from leafnode.link import events

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from leafnode.bridge.board_messages import Talking
    from leafnode.bridge.devices import Port
    from leafnode.bridge.port_log import PortLog
    from leafnode.bridge.reading import BoardNews, Life, Presence, Reading, Receipt
    from leafnode.bridge.seams import BridgeSeams
    from leafnode.bridge.status import PortCounters
    from leafnode.clock import Timer
    from leafnode.config.serial_options import SerialPort


class Boards:
    """Implements devices.Port. `stored` gets what of a board that said hello is stored, with its
    id, None where nothing is; `says_again` which boot of which board says again what is not, and
    `is_storing` tells whether that may be stored yet; `goes_on` gets which boot of which board is
    here, and returns up to which reading all waits already; `send` is called when there is
    something new for a board.
    """

    def __init__(  # noqa: PLR0913 -- keyword-only but for what it is of
        self,
        options: SerialPort,
        framing: Talking,
        seams: BridgeSeams,
        *,
        counters: PortCounters,
        log: PortLog,
        inbox: bytes,
        stored: Callable[[Receipt | None, bytes], None],
        says_again: Callable[[Life], None],
        is_storing: Callable[[Life], bool],
        goes_on: Callable[[Life], Receipt | None],
        send: Callable[[], None],
    ) -> None:
        self._options = options
        self._framing = framing
        self._clock = seams.clock
        self._counters = counters
        self._log = log
        self._stored = stored
        self._says_again = says_again
        self._is_storing = is_storing
        self._goes_on = goes_on
        self._send = send
        self._devices = seams.devices or Devices(seams.clock)
        self._messages = BoardMessages(
            options,
            framing,
            seams.account,
            seams.clock,
            inbox=inbox + b".ask",
            send=send,
            permissions=seams.permissions,
            max_payload=seams.max_payload,
        )
        self._resume = Resume(
            seams.account,
            seams.clock,
            seams.random,
            inbox=inbox + b".last",
            stream=options.stream,
            by_field="{field}" in options.subject,
            done=self._resumed,
        )
        self.is_asking = False  # what is stored: its readings wait for the answer
        self._look: Timer | None = None  # whether it may be asked
        self._is_ending = False
        self._gave_up = False  # to wait for it
        self._is_open = False
        framing.admits = self._admits

    @property
    def name(self) -> str:
        """The port's."""
        return self._options.name

    def begin(self) -> None:
        self._devices.join(self)

    def leave(self) -> None:
        """Nothing of what the port had read is to be stored here any more."""
        self._devices.leave(self)

    def give_up(self) -> None:
        """The port ends: what its board keeps is left to it where nobody knows what is stored."""
        self._is_ending = True
        self._gave_up, self.is_asking = self.is_asking, False
        self._stop_asking()

    def leaves(self, reading: Reading) -> bool:
        """Say whether a reading is its board's to say again, under the entry that follows."""
        return self._gave_up and reading.receipt is not None

    def end(self) -> None:
        self._devices.end(self)
        self._stop_asking()
        self._messages.end()

    def _stop_asking(self) -> None:
        if self._look is not None:
            self._look.cancel()
            self._look = None
        self._resume.stop()

    def opened(self) -> None:
        self._is_open = True

    def closed(self) -> None:
        self._devices.look()
        self._is_open = False
        self._messages.closed()

    def counts(self) -> dict[str, int]:
        return self._messages.counts()

    def board(self) -> Presence | None:
        """Return the board that said hello last, None where the port is closed."""
        if not self._is_open:
            return None
        return self._framing.board(self._clock.monotonic_ns() // NS_PER_MS)

    def named(self) -> Collection[str]:
        """Return the port's name while a board speaks under it."""
        if not self._is_open:
            return ()
        is_nameless = self._framing.is_nameless(self._clock.monotonic_ns() // NS_PER_MS)
        return (self.name,) if is_nameless else ()

    def pattern(self, name: str) -> bytes:
        return device_pattern(self._options.subject, self.name, name)

    def forget(self, name: str) -> None:
        """A board on another port has this name now."""
        self._framing.forget(name)
        self._send()

    def says_again(self, name: str, boot_id: int) -> None:
        """This life of a board says again, on some port, what is not stored."""
        if self._options.mapping.every_ns:  # else a stream knows a duplicate
            self._framing.said_elsewhere((name.encode(), boot_id))
        self._says_again((name.encode(), boot_id))

    def is_storing(self, name: str, boot_id: int) -> bool:
        """Say whether some of that is on its way to a stream, and may be stored yet."""
        return self._is_storing((name.encode(), boot_id))

    def read(self, reading: Reading) -> None:
        """Count a reading."""
        self._devices.read(self.name, reading.device.decode())

    def committed(self, receipt: Receipt) -> None:
        """A board's readings are stored up to this one."""
        self._devices.stored(receipt)
        self._framing.committed(receipt)

    def untaken(self, reading: Reading) -> None:
        """It was lost on its way, and comes again where its board keeps it."""
        if reading.receipt is not None:
            self._framing.untaken(reading.receipt)

    def take(self, event: BoardNews) -> None:
        """Do what a board says besides readings."""
        match event:
            case DeviceHello():
                self._meet(event)
            case WrongLine():
                self._log.wrong_line(event)
            case DeviceLog():
                self._counters.device_logs += 1
                self._log.said(event)
            case (
                events.Subscribe()
                | events.Unsubscribe()
                | events.Request()
                | events.Answer()
                | events.Gone()
            ):
                self._messages.take(event)
            case _:
                assert_never(event)

    def _admits(self, name: str) -> bool:
        """Say whether the board that says hello may have this name."""
        refusal = self._devices.refusal(self.name, name, self._options.boards)
        if refusal:
            self._counters.names_refused += 1
            self._log.name_refused(name, refusal)
        return not refusal

    def _meet(self, hello: DeviceHello) -> None:
        """A board is there: ask what of it is stored already, before its readings are taken."""
        self._log.hello(hello)
        self._devices.met(self.name, self._options.framing.type, hello)
        if hello.resumed:
            return
        if self._is_ending:
            self._gave_up = True
        else:
            self._go_on((hello.device.encode(), hello.boot_id))
            self.is_asking = True
            self._ask(hello, self._devices.say_again(hello))

    def _go_on(self, life: Life) -> None:
        """What waits of a board that was here before is not taken again; with `every_ns` it goes
        instead, and is.
        """
        if not self._options.mapping.every_ns and (taken := self._goes_on(life)) is not None:
            self._framing.taken(taken)

    def _ask(self, hello: DeviceHello, ports: list[Port]) -> None:
        """Ask, once no port has on its way to a stream what the answer would not tell of."""
        self._look = None
        if any(port.is_storing(hello.device, hello.boot_id) for port in ports):
            again = partial(self._ask, hello, ports)
            self._look = self._clock.call_later(port_bounds.SERIAL_LOOK_NS, again)
        else:
            known = self._devices.stored_through(hello.device, hello.boot_id)
            self._resume.ask(self.pattern(hello.device), hello.device, hello.boot_id, known=known)

    def _resumed(self, receipt: Receipt | None) -> None:
        # The board sends no reading before it heard our hello, so none up to this one is here yet.
        self.is_asking = False
        self._stored(receipt, b"" if receipt is None else msg_id(receipt))
