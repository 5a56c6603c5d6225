"""The server's side of telnet's com port option: a client sets a line and hears of it.

Sans-IO: the line is a protocol, see `Line`; knows no socket. A client may be wrong or hostile:
memory is bounded by `telnet`, and what a line refuses stays as it was. Truth: RFC 2217, section 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from leafnode import __version__
from leafnode.bridge.transports import telnet

if TYPE_CHECKING:
    from collections.abc import Callable

_SIGNATURE, _SUSPEND, _RESUME, _PURGE = 0, 8, 9, 12
_ASK_MODEMSTATE, _NOTIFY_MODEMSTATE = 7, 107
_MODEM_LINES: Final = 0xF0
_ASK_BREAK, _BREAK_ON, _BREAK_OFF = 4, 5, 6
_ASK_DTR, _ASK_RTS, _ASK_INBOUND, _NO_INBOUND = 7, 10, 13, 14
_INBOUND: Final = range(_ASK_INBOUND, 17)
_PARITY_NAMES: Final = {number: name for name, number in telnet.PARITIES.items()}
_FLOW_NAMES: Final = {number: name for name, number in telnet.FLOWS.items()}


class Line(Protocol):
    """A serial line. Setting what it cannot do raises OSError and changes nothing."""

    baud: int
    data_bits: int
    parity: str
    stop_bits: float
    flow: str
    dtr: bool
    rts: bool
    sends_break: bool

    def purge(self, *, received: bool, unsent: bool) -> None:
        """Throw away what was received and not read, or written and not sent."""
        ...

    def modem_state(self) -> int:
        """Return RFC 2217's upper four bits: CD, RI, DSR, CTS."""
        ...


class ComPortServer(telnet.Telnet):
    """One client of one line. Call `look` now and then: modem lines change by themselves."""

    def __init__(self, line: Line) -> None:
        options = (telnet.BINARY, telnet.SGA, telnet.COM_PORT)
        super().__init__(options, options)
        self._line = line
        self._modem_mask = _MODEM_LINES  # RFC 2217: until the client says otherwise
        self._modem_state = 0
        self._is_agreed = False
        self.is_suspended = False  # the client wants nothing for a while

    def look(self) -> None:
        """Tell the client which modem lines have changed."""
        if not self._modem_mask or not self._is_agreed:
            return
        state = self._line.modem_state()
        changed = (state ^ self._modem_state) & self._modem_mask
        if changed:
            self._modem_state = state
            self._tell_modem_state(changed >> 4)

    def _tell_modem_state(self, deltas: int) -> None:
        state = self._modem_state & self._modem_mask | deltas
        self._command_of(_NOTIFY_MODEMSTATE, bytes([state]))

    def _they_will(self, option: int) -> None:
        if option == telnet.COM_PORT:
            self._agree()

    def _agree(self) -> None:
        """The client speaks of its line: it hears how that is."""
        if not self._is_agreed:
            self._is_agreed = True
            self._modem_state = self._line.modem_state()
            self._tell_modem_state(0)

    def _subnegotiated(self, option: bytes) -> None:
        if len(option) < 2 or option[0] != telnet.COM_PORT:
            return
        # pyserial's client does not say so where our wish was faster than its own offer.
        self._agree()
        command, value = option[1], option[2:]
        match command:
            case telnet.SET_BAUDRATE if len(value) == 4:
                self._set("baud", int.from_bytes(value, "big"))
                self._answer(command, self._line.baud.to_bytes(4, "big"))
            case telnet.SET_DATASIZE if len(value) == 1:
                self._set("data_bits", value[0])
                self._answer(command, bytes([self._line.data_bits]))
            case telnet.SET_PARITY if len(value) == 1:
                self._set("parity", _PARITY_NAMES.get(value[0]))
                self._answer(command, bytes([telnet.PARITIES[self._line.parity]]))
            case telnet.SET_STOPSIZE if len(value) == 1:
                self._set("stop_bits", telnet.STOP_SIZES.get(value[0]))
                sizes = {size: number for number, size in telnet.STOP_SIZES.items()}
                self._answer(command, bytes([sizes[self._line.stop_bits]]))
            case telnet.SET_CONTROL if len(value) == 1:
                self._answer(command, bytes([self._controlled(value[0])]))
            case _:
                self._on_rest(command, value)

    def _on_rest(self, command: int, value: bytes) -> None:
        match command:
            case telnet.LINESTATE_MASK if len(value) == 1:
                self._answer(command, b"\0")  # a tty tells us of no errors
            case telnet.MODEMSTATE_MASK if len(value) == 1:
                self._modem_mask = value[0] & _MODEM_LINES
                self._answer(command, value)
            case _ if command == _ASK_MODEMSTATE:
                self._modem_state = self._line.modem_state()
                self._tell_modem_state(0)
            case _ if command == _PURGE and len(value) == 1:
                self._line.purge(received=value[0] in {1, 3}, unsent=value[0] in {2, 3})
                self._answer(command, value)
            case _ if command == _SUSPEND:
                self.is_suspended = True
            case _ if command == _RESUME:
                self.is_suspended = False
            case _ if command == _SIGNATURE and not value:
                self._answer(command, f"leafnode {__version__}".encode())

    def _controlled(self, value: int) -> int:
        """Move or ask for a line; return how it is."""
        if value in _INBOUND:
            return _NO_INBOUND
        for ask, on, attribute in (
            (_ASK_BREAK, _BREAK_ON, "sends_break"),
            (_ASK_DTR, telnet.DTR_ON, "dtr"),
            (_ASK_RTS, telnet.RTS_ON, "rts"),
        ):
            if ask <= value <= on + 1:
                if value != ask:
                    self._set(attribute, value == on)
                return on if getattr(self._line, attribute) else on + 1
        if value:
            self._set("flow", _FLOW_NAMES.get(value))
        return telnet.FLOWS[self._line.flow]

    def _set(self, attribute: str, value: object) -> None:
        """Set it, unless it is only asked for (0), or is nothing that a line has."""
        if value is None or (value == 0 and not isinstance(value, bool)):
            return
        _attempt(lambda: setattr(self._line, attribute, value))

    def _answer(self, command: int, value: bytes) -> None:
        self._command_of(command + telnet.SERVER, value)


def _attempt(change: Callable[[], None]) -> None:
    """Do it, or leave it: the client hears how the line is."""
    try:
        change()
    except OSError:
        return
