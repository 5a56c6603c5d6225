"""The client side of telnet's com port option: bytes in, bytes out, and a line that is set.

Sans-IO: knows no socket and no time. A server is a peer that may be wrong or hostile: whatever it
sends, memory is bounded, and what cannot be the protocol raises TelnetError. Truth: RFC 854,
RFC 855, RFC 856, RFC 2217.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.bridge import port_bounds
from leafnode.errors import LeafnodeError

if TYPE_CHECKING:
    from leafnode.config.serial_options import SerialPort

_SE, _SB, _WILL, _WONT, _DO, _DONT, _IAC = 240, 250, 251, 252, 253, 254, 255
_NOP: Final = 241
_BINARY, _SGA, _COM_PORT = 0, 3, 44
_SERVER: Final = 100  # a server's answer to a command is the command and this
_SET_BAUDRATE, _SET_DATASIZE, _SET_PARITY, _SET_STOPSIZE, _SET_CONTROL = 1, 2, 3, 4, 5
_LINESTATE_MASK, _MODEMSTATE_MASK = 10, 11
_PARITIES: Final = {"none": 1, "odd": 2, "even": 3, "mark": 4, "space": 5}
_FLOWS: Final = {"none": 1, "xonxoff": 2, "rtscts": 3}
_DTR_ON, _DTR_OFF, _RTS_ON, _RTS_OFF = 8, 9, 11, 12
_NAMES: Final = {
    _SET_BAUDRATE: "baud",
    _SET_DATASIZE: "data_bits",
    _SET_PARITY: "parity",
    _SET_STOPSIZE: "stop_bits",
}
# What we offer, and what we want of the server.
_OURS: Final = (_BINARY, _SGA, _COM_PORT)
_THEIRS: Final = (_BINARY, _SGA)


class TelnetError(LeafnodeError, OSError):
    """The other end does not speak the com port option, or refuses what we ask."""


class ComPortClient:
    """One connection. `to_send` has what must be sent before anything else, and is emptied by
    whoever sends it.
    """

    def __init__(self, options: SerialPort) -> None:
        self._options = options
        self.to_send = bytearray()
        self._we_do: set[int] = set()
        self._they_do: set[int] = set()
        self._asked_we = set(_OURS)
        self._asked_they = set(_THEIRS)
        self._confirmed: dict[int, bytes] = {}
        self._is_set = False
        self._command = 0  # IAC, or IAC and a verb, were read so far
        self._after_iac = False
        self._option: bytearray | None = None  # within a subnegotiation
        self._option_iac = False

    def start(self) -> None:
        """Ask for a binary line and for the com port option."""
        for option in _OURS:
            self._say(_WILL, option)
        for option in _THEIRS:
            self._say(_DO, option)

    @property
    def is_ready(self) -> bool:
        """Whether the server takes the com port option and has set the line as it was asked."""
        return self._is_set and all(command in self._confirmed for command in _NAMES)

    def receive(self, data: bytes) -> bytes:
        """Take what came and return what the device said. Raises TelnetError."""
        out = bytearray()
        at, end = 0, len(data)
        while at < end:
            if not self._after_iac and not self._command and self._option is None:
                found = data.find(_IAC, at)
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
            if byte == _IAC:
                out.append(_IAC)
            elif byte == _SB:
                self._option = bytearray()
            elif byte >= _WILL:
                self._command = byte
            # every other command has one byte and says nothing to us
        else:
            self._take_option(byte)

    def _take_option(self, byte: int) -> None:
        assert self._option is not None, "a subnegotiation began"
        if self._option_iac:
            self._option_iac = False
            if byte == _SE:
                option, self._option = bytes(self._option), None
                self._subnegotiated(option)
                return
            if byte != _IAC:
                raise TelnetError("a telnet subnegotiation was broken off")
        elif byte == _IAC:
            self._option_iac = True
            return
        if len(self._option) >= port_bounds.TELNET_OPTION_MAX:
            raise TelnetError(
                f"a telnet subnegotiation has over {port_bounds.TELNET_OPTION_MAX} bytes"
            )
        self._option.append(byte)

    def _negotiate(self, verb: int, option: int) -> None:
        """Answer what changes something, and only that, or two ends would never stop."""
        if verb == _DO:
            if option in self._asked_we:
                self._asked_we.discard(option)
                self._we_do.add(option)
                if option == _COM_PORT:
                    self._set_line()
            elif option not in self._we_do:
                self._say(_WONT, option)
        elif verb == _DONT:
            self._asked_we.discard(option)
            self._we_do.discard(option)
            if option == _COM_PORT:
                raise TelnetError("the server does not do the com port option of RFC 2217")
        elif verb == _WILL:
            if option in self._asked_they:
                self._asked_they.discard(option)
                self._they_do.add(option)
            elif option not in self._they_do:
                self._say(_DONT, option)
        else:
            self._asked_they.discard(option)
            self._they_do.discard(option)

    def _set_line(self) -> None:
        options = self._options
        self._is_set = True
        self._command_of(_SET_BAUDRATE, options.baud.to_bytes(4, "big"))
        self._command_of(_SET_DATASIZE, bytes([options.data_bits]))
        self._command_of(_SET_PARITY, bytes([_PARITIES[options.parity]]))
        self._command_of(_SET_STOPSIZE, bytes([options.stop_bits]))
        self._command_of(_SET_CONTROL, bytes([_FLOWS[options.flow]]))
        self._command_of(_SET_CONTROL, bytes([_DTR_ON if options.dtr else _DTR_OFF]))
        if options.flow != "rtscts":
            self._command_of(_SET_CONTROL, bytes([_RTS_ON if options.rts else _RTS_OFF]))
        # Nobody here wants to hear of every change of a line.
        self._command_of(_LINESTATE_MASK, b"\0")
        self._command_of(_MODEMSTATE_MASK, b"\0")

    def _subnegotiated(self, option: bytes) -> None:
        if len(option) < 2 or option[0] != _COM_PORT:
            return
        command, value = option[1] - _SERVER, option[2:]
        if command not in _NAMES:
            return
        wanted = self._wanted(command)
        got = int.from_bytes(value, "big")
        if got != wanted:
            name = _NAMES[command]
            raise TelnetError(f"the server sets {name} to {got} and not to {wanted}")
        self._confirmed[command] = value

    def _wanted(self, command: int) -> int:
        options = self._options
        return {
            _SET_BAUDRATE: options.baud,
            _SET_DATASIZE: options.data_bits,
            _SET_PARITY: _PARITIES[options.parity],
            _SET_STOPSIZE: options.stop_bits,
        }[command]

    def _command_of(self, command: int, value: bytes) -> None:
        head = bytes([_IAC, _SB, _COM_PORT, command])
        self._owe(head + escaped(value) + bytes([_IAC, _SE]))

    def _say(self, verb: int, option: int) -> None:
        self._owe(bytes([_IAC, verb, option]))

    def _owe(self, data: bytes) -> None:
        if len(self.to_send) + len(data) > port_bounds.TELNET_ANSWERS_MAX:
            raise TelnetError("the server asks more than it takes answers")
        self.to_send += data


def escaped(data: bytes) -> bytes:
    """Return the bytes as they stand on the wire."""
    return data.replace(b"\xff", b"\xff\xff")
