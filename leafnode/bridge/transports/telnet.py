"""Telnet with its com port option: bytes in, bytes out; and the client's side of it.

Sans-IO: knows no socket and no time. The other end may be wrong or hostile: whatever it sends,
memory is bounded, and what cannot be the protocol raises TelnetError. `com_port` has the server's
side. Truth: RFC 854, RFC 855, RFC 856, RFC 2217.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.bridge import port_bounds
from leafnode.errors import LeafnodeError

if TYPE_CHECKING:
    from leafnode.config.serial_options import SerialPort

SE, SB, WILL, WILL_NOT, DO, DO_NOT, IAC = 240, 250, 251, 252, 253, 254, 255
BINARY, SGA, COM_PORT = 0, 3, 44
SERVER: Final = 100  # a server's answer to a command is the command and this
SET_BAUDRATE, SET_DATASIZE, SET_PARITY, SET_STOPSIZE, SET_CONTROL = 1, 2, 3, 4, 5
LINESTATE_MASK, MODEMSTATE_MASK = 10, 11
PARITIES: Final = {"none": 1, "odd": 2, "even": 3, "mark": 4, "space": 5}
STOP_SIZES: Final = {1: 1.0, 2: 2.0, 3: 1.5}
FLOWS: Final = {"none": 1, "xonxoff": 2, "rtscts": 3}
DTR_ON, DTR_OFF, RTS_ON, RTS_OFF = 8, 9, 11, 12
_NAMES: Final = {
    SET_BAUDRATE: "baud",
    SET_DATASIZE: "data_bits",
    SET_PARITY: "parity",
    SET_STOPSIZE: "stop_bits",
}


class TelnetError(LeafnodeError, OSError):
    """The other end does not speak the com port option, refuses what we ask, or asks too much."""


class Telnet:
    """One end of one connection. `to_send` has what must be sent before anything else, and is
    emptied by whoever sends it.
    """

    def __init__(self, ours: tuple[int, ...], theirs: tuple[int, ...]) -> None:
        """`ours` are the options that we offer, `theirs` those that we want of the other end."""
        self.to_send = bytearray()
        self._ours, self._theirs = ours, theirs
        self._we_do: set[int] = set()
        self._they_do: set[int] = set()
        self._asked_we = set(ours)
        self._asked_they = set(theirs)
        self._command = 0  # IAC, or IAC and a verb, were read so far
        self._after_iac = False
        self._option: bytearray | None = None  # within a subnegotiation
        self._option_iac = False

    def start(self) -> None:
        """Offer and ask for what we want."""
        for option in self._ours:
            self._say(WILL, option)
        for option in self._theirs:
            self._say(DO, option)

    def receive(self, data: bytes) -> bytes:
        """Take what came and return what the device said. Raises TelnetError."""
        out = bytearray()
        at, end = 0, len(data)
        while at < end:
            if not self._after_iac and not self._command and self._option is None:
                found = data.find(IAC, at)
                out += data[at : found if found >= 0 else end]
                if found < 0:
                    break
                self._after_iac = True
                at = found + 1
                continue
            self._take(data[at], out)
            at += 1
        return bytes(out)

    def _take(self, byte: int, out: bytearray) -> None:
        """Take one byte of a command or a subnegotiation."""
        if self._command:
            command, self._command = self._command, 0
            self._negotiate(command, byte)
        elif self._after_iac:
            self._after_iac = False
            if byte == IAC:
                out.append(IAC)
            elif byte == SB:
                self._option = bytearray()
            elif byte >= WILL:
                self._command = byte
            # every other command has one byte and says nothing to us
        else:
            self._take_option(byte)

    def _take_option(self, byte: int) -> None:
        assert self._option is not None, "a subnegotiation began"
        if self._option_iac:
            self._option_iac = False
            if byte == SE:
                option, self._option = bytes(self._option), None
                self._subnegotiated(option)
                return
            if byte != IAC:
                raise TelnetError("a telnet subnegotiation was broken off")
        elif byte == IAC:
            self._option_iac = True
            return
        if len(self._option) >= port_bounds.TELNET_OPTION_MAX:
            raise TelnetError(
                f"a telnet subnegotiation has over {port_bounds.TELNET_OPTION_MAX} bytes"
            )
        self._option.append(byte)

    def _negotiate(self, verb: int, option: int) -> None:
        """Answer what changes something, and only that, or two ends would never stop."""
        if verb == DO:
            if option in self._asked_we:
                self._asked_we.discard(option)
                self._we_do.add(option)
                self._we_may(option)
            elif option not in self._we_do:
                self._say(WILL_NOT, option)
        elif verb == DO_NOT:
            self._asked_we.discard(option)
            self._we_do.discard(option)
            self._we_may_not(option)
        elif verb == WILL:
            if option in self._asked_they:
                self._asked_they.discard(option)
                self._they_do.add(option)
                self._they_will(option)
            elif option not in self._they_do:
                self._say(DO_NOT, option)
        else:
            self._asked_they.discard(option)
            self._they_do.discard(option)

    def _we_may(self, option: int) -> None:
        """The other end wants what we offered."""

    def _we_may_not(self, option: int) -> None:
        """The other end does not want it."""

    def _they_will(self, option: int) -> None:
        """The other end does what we asked for."""

    def _subnegotiated(self, option: bytes) -> None:
        """The other end said something within an option, whose number comes first."""
        raise NotImplementedError

    def _command_of(self, command: int, value: bytes) -> None:
        head = bytes([IAC, SB, COM_PORT, command])
        self._owe(head + escaped(value) + bytes([IAC, SE]))

    def _say(self, verb: int, option: int) -> None:
        self._owe(bytes([IAC, verb, option]))

    def _owe(self, data: bytes) -> None:
        if len(self.to_send) + len(data) > port_bounds.TELNET_ANSWERS_MAX:
            raise TelnetError("the other end asks more than it takes answers")
        self.to_send += data


class ComPortClient(Telnet):
    """The end that has the gateway."""

    def __init__(self, options: SerialPort) -> None:
        super().__init__((BINARY, SGA, COM_PORT), (BINARY, SGA))
        self._options = options
        self._confirmed: dict[int, bytes] = {}
        self._is_set = False

    @property
    def is_ready(self) -> bool:
        """Whether the server takes the com port option and has set the line as it was asked."""
        return self._is_set and all(command in self._confirmed for command in _NAMES)

    def _we_may(self, option: int) -> None:
        if option == COM_PORT:
            self._set_line()

    def _we_may_not(self, option: int) -> None:
        if option == COM_PORT:
            raise TelnetError("the server does not do the com port option of RFC 2217")

    def _set_line(self) -> None:
        options = self._options
        self._is_set = True
        self._command_of(SET_BAUDRATE, options.baud.to_bytes(4, "big"))
        self._command_of(SET_DATASIZE, bytes([options.data_bits]))
        self._command_of(SET_PARITY, bytes([PARITIES[options.parity]]))
        self._command_of(SET_STOPSIZE, bytes([options.stop_bits]))
        self._command_of(SET_CONTROL, bytes([FLOWS[options.flow]]))
        self._command_of(SET_CONTROL, bytes([DTR_ON if options.dtr else DTR_OFF]))
        if options.flow != "rtscts":
            self._command_of(SET_CONTROL, bytes([RTS_ON if options.rts else RTS_OFF]))
        # Nobody here wants to hear of every change of a line.
        self._command_of(LINESTATE_MASK, b"\0")
        self._command_of(MODEMSTATE_MASK, b"\0")

    def _subnegotiated(self, option: bytes) -> None:
        if len(option) < 2 or option[0] != COM_PORT:
            return
        command, value = option[1] - SERVER, option[2:]
        if command not in _NAMES:
            return
        wanted = self._wanted(command)
        got = int.from_bytes(value, "big")
        if got != wanted:
            is_, asked = _word(command, got), _word(command, wanted)
            raise TelnetError(f"the server sets {_NAMES[command]} to {is_} and not to {asked}")
        self._confirmed[command] = value

    def _wanted(self, command: int) -> int:
        options = self._options
        return {
            SET_BAUDRATE: options.baud,
            SET_DATASIZE: options.data_bits,
            SET_PARITY: PARITIES[options.parity],
            SET_STOPSIZE: options.stop_bits,
        }[command]


def _word(command: int, number: int) -> str:
    """Return what a number of RFC 2217 is in a configuration; one that it has not, as it is."""
    if command == SET_PARITY:
        return next((name for name, one in PARITIES.items() if one == number), str(number))
    if command == SET_STOPSIZE and number in STOP_SIZES:
        return f"{STOP_SIZES[number]:g}"
    return str(number)


def escaped(data: bytes) -> bytes:
    """Return the bytes as they stand on the wire."""
    return data.replace(b"\xff", b"\xff\xff")
