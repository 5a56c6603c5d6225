"""Sensors of paper: an I2C device with registers, one with commands, a 1-Wire bus, a serial line.

Runs on CPython and MicroPython, so no pytest here. They know what a datasheet says of the wire, and
nothing of the adapters that they test.
"""


class Registers:
    """An I2C device with 256 registers and a pointer that goes up."""

    def __init__(self, address):
        self.address = address
        self.bytes = bytearray(256)
        self.written = []  # (register, value)
        self.absent = False

    def put(self, register, data):
        self.bytes[register : register + len(data)] = data

    def write(self, address, data):
        self._must_answer(address)
        for at in range(0, len(data), 2):
            self.bytes[data[at]] = data[at + 1]
            self.written.append((data[at], data[at + 1]))

    def write_read(self, address, data, into):
        self._must_answer(address)
        for index in range(len(into)):
            into[index] = self.bytes[data[0] + index]

    def _must_answer(self, address):
        if self.absent or address != self.address:
            raise OSError(19)


class Commands:
    """An I2C device that takes two-byte commands; `answers` holds what each is answered with."""

    def __init__(self, address, answers):
        self.address = address
        self.answers = answers
        self.heard = []
        self.refused = set()
        self._pending = b""

    def write(self, address, data):
        command = bytes(data)
        if address != self.address or command in self.refused:
            raise OSError(19)
        self.heard.append(command)
        self._pending = self.answers.get(command, b"")

    def read_into(self, address, into):
        if address != self.address or len(self._pending) < len(into):
            raise OSError(19)
        into[:] = self._pending[: len(into)]


class Thermometer:
    """A DS18B20: a ROM and a scratchpad of nine bytes."""

    def __init__(self, rom, scratchpad):
        self.rom = rom
        self.scratchpad = scratchpad
        self.conversions = 0


class OneWire:
    """A wire with DS18B20s. Each bit on it is the AND of all, as open drains make it."""

    def __init__(self, devices):
        self.devices = devices
        self._selected = []
        self._mode = ""
        self._byte = 0
        self._bits = 0
        self._at = 0
        self._rom = bytearray()

    def reset(self):
        self._selected = list(self.devices)
        self._mode = "command"
        self._byte = self._bits = self._at = 0
        return len(self.devices) > 0

    def write_bit(self, bit):
        if self._mode == "search":
            self._selected = [one for one in self._selected if _bit(one.rom, self._at // 3) == bit]
            self._at += 1
            return
        self._byte |= bit << self._bits
        self._bits += 1
        if self._bits == 8:
            byte, self._byte, self._bits = self._byte, 0, 0
            self._take(byte)

    def read_bit(self):
        if self._mode == "search":
            turn = self._at % 3
            self._at += 1
            bits = [_bit(one.rom, self._at // 3) ^ turn for one in self._selected]
        else:
            bits = [_bit(one.scratchpad, self._at) for one in self._selected]
            self._at += 1
        return min([1] + bits)  # noqa: RUF005 -- MicroPython has no star in a display

    def _take(self, byte):
        if self._mode == "match":
            self._rom.append(byte)
            if len(self._rom) == 8:
                self._selected = [one for one in self._selected if one.rom == bytes(self._rom)]
                self._mode = "function"
        elif self._mode == "command":
            self._mode = {0xF0: "search", 0x55: "match", 0xCC: "function"}[byte]
            self._rom = bytearray()
        elif byte == 0x44:
            for one in self._selected:
                one.conversions += 1
        else:
            assert byte == 0xBE


def _bit(data, at):
    return data[at >> 3] >> (at & 7) & 1


class Line:
    """A serial line: what has come, and what was written."""

    def __init__(self, incoming=b""):
        self.incoming = incoming
        self.written = b""

    def read(self):
        data, self.incoming = self.incoming, b""
        return data

    def write(self, data):
        self.written += bytes(data)
        return len(data)
