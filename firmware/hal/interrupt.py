"""Ctrl-C on a line that carries the link: frames may hold the byte 3, so it cannot end a program.

What does is a carriage return or a 3, then a 3, right behind a delimiter, at the start, or behind a
silence: what mpremote sends, and a person who presses Ctrl-C twice. A frame from the gateway never
looks like that: its first byte is a COBS code, the second its kind, and kind 3 (PUB) goes the other
way. A silence ends what is no frame: an Enter, a modem's `AT`, for which no delimiter comes. The
gateway writes a frame in one go, so within one nobody falls silent for so long.
Knows bytes and milliseconds. Truth: docs/device-link.md, "Table of frames".
"""

_DELIMITER = 0
_CTRL_C = 3
_RETURN = 13
_SILENCE_MS = 500
_PERIOD_MASK = 0x1FFFFFFF  # at which ticks wrap, see link/ticks.py


class Interrupt:
    """Takes every byte that comes, and each look that found none; says when a program ends."""

    def __init__(self) -> None:
        self._before = _DELIMITER
        self._may_be = False  # the byte before followed a delimiter and was a return or a 3
        self._quiet_ms = -1  # since when nothing came, as far as somebody looked

    def quiet(self, now_ms: int) -> None:
        """Nothing had come until now. Bytes that nobody looked for may be older than they seem."""
        if self._quiet_ms < 0:
            self._quiet_ms = now_ms
        elif (now_ms - self._quiet_ms) & _PERIOD_MASK >= _SILENCE_MS:
            self._before = _DELIMITER

    def take(self, byte: int) -> bool:
        self._quiet_ms = -1
        if byte == _CTRL_C and self._may_be:
            return True
        self._may_be = self._before == _DELIMITER and byte in (_CTRL_C, _RETURN)
        self._before = byte
        return False
