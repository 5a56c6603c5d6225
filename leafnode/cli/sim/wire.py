"""A serial line's way out: bytes at its speed, some of them with a wrong bit.

Sans-IO. Knows time and randomness as parameters; not what the bytes mean. Truth: a character of 8N1
takes ten bits; docs/serial/sim.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.clock import NS_PER_S

if TYPE_CHECKING:
    from random import Random

WAITING_BYTES_MAX: Final = 64 * 1024  # beyond the speed of the line; more is not said
_BITS_OF_CHARACTER: Final = 10


class Wire:
    """One direction. `bad` is the part of the bytes that come with a wrong bit."""

    def __init__(self, baud: int, random: Random, bad: float = 0.0) -> None:
        self._character_ns = _BITS_OF_CHARACTER * NS_PER_S // baud
        self._random = random
        self._bad = bad
        self._waiting = bytearray()
        self._free_ns = 0  # when the line has sent what it was given
        self.damaged = 0

    def send(self, data: bytes, now_ns: int) -> bool:
        """Queue what shall go out; False where the line is far behind and takes nothing."""
        if len(self._waiting) + len(data) > WAITING_BYTES_MAX:
            return False
        if not self._waiting:
            self._free_ns = max(self._free_ns, now_ns)
        self._waiting += data
        return True

    def due(self, now_ns: int) -> bytes:
        """Return what has gone over the line by now."""
        count = min((now_ns - self._free_ns) // self._character_ns, len(self._waiting))
        if count <= 0:
            return b""
        self._free_ns += count * self._character_ns
        out, self._waiting = bytes(self._waiting[:count]), self._waiting[count:]
        return self.damage(out)

    def wait_ns(self, now_ns: int) -> int | None:
        """Return when the next bytes are due, a few together; None: nothing waits."""
        if not self._waiting:
            return None
        count = min(len(self._waiting), 16)
        return max(0, self._free_ns + count * self._character_ns - now_ns)

    def damage(self, data: bytes) -> bytes:
        """Return the bytes as they come through."""
        if not self._bad:
            return data
        out = bytearray(data)
        for index in range(len(out)):
            if self._random.random() < self._bad:
                out[index] ^= 1 << self._random.randrange(8)
                self.damaged += 1
        return bytes(out)
