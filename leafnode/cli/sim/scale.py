"""Scales: one that talks all the time (Toledo continuous), one that answers (MT-SICS).

Somebody puts goods on the platform and takes them off; while it moves the weight is not stable.
Knows the two dialects; not the line. Truth: Mettler-Toledo 8530 and MT-SICS manuals; Rockwell
57C428, appendix D, for the check.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from random import Random

_GRAMS_MAX: Final = 15_000
_LINE_MAX: Final = 64  # bytes of a command without an end


class Platform:
    """What lies on it, in grams, and whether it moves."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._load = 0
        self._left = 10  # looks until somebody comes
        self._moving = 0
        self.tare = 0

    def look(self) -> tuple[int, bool]:
        """Return grams and whether they are stable; each look is a tenth of a second later."""
        self._left -= 1
        if self._left <= 0:
            self._load = 0 if self._load else self._random.randrange(200, _GRAMS_MAX, 10)
            self._left = self._random.randrange(30, 80)
            self._moving = self._random.randrange(4, 9)
        if self._moving:
            self._moving -= 1
            return max(0, self._load + self._random.randrange(-60, 61, 10)), False
        return self._load, True


class Toledo:
    """Implements Sensor: 18 bytes, ten times a second."""

    entry = "preset: toledo"
    subject = "sim.{port}"
    baud = 9600
    every_s: float | None = 0.1

    def __init__(self, random: Random) -> None:
        self._platform = Platform(random)

    def say(self, _: int) -> bytes:
        grams, is_stable = self._platform.look()
        # Word A: two decimal places; B: kilograms, motion; C: nothing. The weight is net.
        first = 0x20 | 0x08 | 0x04
        second = 0x20 | 0x10 | (0 if is_stable else 0x08) | (0x01 if self._platform.tare else 0)
        net = grams - self._platform.tare
        if net < 0:
            second |= 0x02
        frame = bytes((0x02, first, second, 0x20))
        frame += b"%6d%6d\r" % (abs(net) // 10, self._platform.tare // 10)
        return frame + bytes((-sum(frame) & 0x7F,))

    def answer(self, data: bytes, _: int) -> bytes:
        for command in data.upper():
            if command == ord("T"):
                self._platform.tare = self._platform.look()[0]
            elif command == ord("C"):
                self._platform.tare = 0
        return b""


class Sics:
    """Implements Sensor: S, SI, T, TAC and I4, each with CR LF."""

    entry = "preset: sics"
    subject = "sim.{port}"
    baud = 9600
    every_s: float | None = None

    def __init__(self, random: Random) -> None:
        self._platform = Platform(random)
        self._line = b""

    def say(self, _: int) -> bytes:
        return b""

    def answer(self, data: bytes, _: int) -> bytes:
        *lines, rest = (self._line + data).replace(b"\r", b"\n").split(b"\n")
        self._line = rest[-_LINE_MAX:]
        return b"".join(self._to(line.strip()) for line in lines if line.strip())

    def _to(self, command: bytes) -> bytes:
        grams, is_stable = self._platform.look()
        net = (grams - self._platform.tare) / 1000
        match command:
            case b"SI":
                return b"S %s %10.2f kg\r\n" % (b"S" if is_stable else b"D", net)
            case b"S":  # waits for a stable weight; this one says at once that there is none
                return b"S S %10.2f kg\r\n" % net if is_stable else b"S I\r\n"
            case b"T":
                self._platform.tare = grams
                return b"T S %10.2f kg\r\n" % (grams / 1000)
            case b"TAC":
                self._platform.tare = 0
                return b"TAC A\r\n"
            case b"I4":
                return b'I4 A "0123456789"\r\n'
        return b"ES\r\n"
