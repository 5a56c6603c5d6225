"""Ctrl-C on a line that carries the link: frames may hold the byte 3, so it cannot end a program.

What does is a carriage return or a 3, then a 3, right behind a delimiter or at the start: what
mpremote sends, and a person who presses Ctrl-C twice. A frame from the gateway never looks like
that: its first byte is a COBS code, the second its kind, and kind 3 (PUB) goes the other way.
Knows bytes. Truth: docs/device-link.md, "Table of frames".
"""

_DELIMITER = 0
_CTRL_C = 3
_RETURN = 13


class Interrupt:
    """Takes every byte that comes and says when a program shall end."""

    def __init__(self) -> None:
        self._before = _DELIMITER
        self._may_be = False  # the byte before followed a delimiter and was a return or a 3

    def take(self, byte: int) -> bool:
        if byte == _CTRL_C and self._may_be:
            return True
        self._may_be = self._before == _DELIMITER and byte in (_CTRL_C, _RETURN)
        self._before = byte
        return False
