"""The text dialect's grammar: one line of a board, or of a person at a terminal.

Knows bytes; not numbers' meaning, nor who listens. What is no line of the dialect is noise: boot
banners, a REPL, a print. Truth: docs/device-link.md, "The text dialect".
"""

from __future__ import annotations

import re
from math import isinf
from typing import Final, NamedTuple

from leafnode.bridge.framing.text_wrong import Wrong

_NUMBER_MAX: Final = 0x3FFFFFFF  # as link.const.SEQ_MAX
_WORDS: Final = {  # how many words follow the verb, before what may hold blanks
    b"hello": 1,
    b"pt": 1,
    b"pub": 1,
    b"log": 0,
    b"sub": 1,
    b"serve": 1,
    b"unsub": 1,
    b"req": 3,
    b"rep": 1,
    b"err": 1,
}
_NUMBERED: Final = frozenset({b"pt", b"pub"})
_CHECKED: Final = re.compile(rb"\*([0-9A-Fa-f]{2})\Z")
_CHECKED_BYTES: Final = 3
_SEQ: Final = re.compile(rb"#([0-9]{1,10}) +")
_LONG_FIRST: Final = sorted(_WORDS, key=len, reverse=True)  # `sub` ends `unsub`
_NUMBER_BEFORE: Final = re.compile(rb"#(?=[0-9]{1,10} +\0)")
# Without a checksum: a line that is said again, and what a board says that was reset amid one.
_ANOTHER: Final = re.compile(rb"#[0-9]{1,10} +(?:pt|pub) |hello [^ ]+(?: +[0-9]{1,10})? *\Z")
_VERB: Final = re.compile(rb"(?:pt|pub) ")
# Python prints 21 places of a float below a thousandth.
_VALUE: Final = re.compile(rb"([+-]?[0-9]{1,18}(?:\.[0-9]{1,24})?(?:[eE][+-]?[0-9]{1,3})?)")
_UNIT: Final = re.compile(rb"[!#-\[\]-~]{1,16}")  # printable, without a blank, `"` and `\`
_LEVELS: Final = {b"error": 3, b"warning": 4, b"info": 6, b"debug": 7}
_CONTROL: Final = bytes({*range(32), 0x7F} - {0x09})
_PIECE_BYTES: Final = 4096
KNOWN_BY_BYTES: Final = 1024  # of a line that can be no reading


class Line(NamedTuple):
    """One line, taken apart. `seq` 0: not numbered. `is_checked`: it ended with a checksum."""

    verb: bytes
    words: list[bytes]
    rest: bytes
    seq: int
    is_checked: bool


def checksum(line: bytes) -> int:
    """Return what stands behind the `*`: all bytes before it, xor."""
    # Pieces upon each other, then one half upon the other until one byte is left: a line may have
    # 64 KiB: 0.1 ms so, and 2 byte by byte.
    total, size = 0, min(_PIECE_BYTES, len(line))
    for at in range(0, len(line), _PIECE_BYTES):
        total ^= int.from_bytes(line[at : at + _PIECE_BYTES], "little")
    while size > 1:
        size = (size + 1) // 2
        total = total >> 8 * size ^ total & (1 << 8 * size) - 1
    return total


def has_control(line: bytes) -> bool:
    """Say whether there is a control character in it, but for tabs."""
    return len(line.translate(None, _CONTROL)) < len(line)  # a fifth of what a pattern takes


def sealed(line: bytes) -> bytes:
    """Return a line with its checksum."""
    return line + b"*%02X" % checksum(line)


def parse(line: bytes) -> Line | Wrong:
    """Take a line apart, without its end."""
    found = _CHECKED.search(line, max(0, len(line) - _CHECKED_BYTES))  # not at each `*` of it
    body, seq = line if found is None else line[: found.start()], 0
    is_right = found is not None and int(found[1], 16) == checksum(body)
    number = _SEQ.match(body)
    if number is not None:
        seq, body = int(number[1]), body[number.end() :]
    verb, _, rest = body.partition(b" ")
    if verb not in _WORDS:
        return Wrong.NOISE
    if found is not None and not is_right:
        return Wrong.CHECKSUM
    if has_control(line):
        return Wrong.CONTROL
    if number is not None and (not 0 < seq <= _NUMBER_MAX or verb not in _NUMBERED):
        return Wrong.NUMBER
    words = rest.split(b" ", _WORDS[verb])
    count = _WORDS[verb]
    if len(words) < count or not all(words[:count]):
        return Wrong.WORDS
    tail = words[count] if len(words) > count else b""
    return Line(verb, words[:count], tail, seq, found is not None)


def is_number(word: bytes) -> bool:
    """Say whether it is one: of a boot, a request or a time."""
    return word.isdigit() and len(word) <= 10


def leveled(rest: bytes) -> tuple[int, bytes]:
    """Return the level of a log line, as in syslog, and its text: without one it is `info`."""
    word, _, text = rest.partition(b" ")
    level = _LEVELS.get(word)
    return (_LEVELS[b"info"], rest) if level is None else (level, text)


def is_torn(line: bytes, *, is_checked: bool) -> bool:
    """Say whether another line may begin in the payload of a numbered one, behind a torn one. That
    changes no sum where the torn one's own is zero, and only there.
    """
    number = _SEQ.match(line)
    if number is None:
        return False
    if not is_checked:
        return _ANOTHER.search(line, number.end()) is not None
    # A byte that is zero in both: the sum of what is before it, and where another line may begin.
    at = number.end()
    sums, begins = _sums(line)[at:-1], _begins(line)[at + 1 :]
    both = int.from_bytes(sums, "little") | int.from_bytes(begins, "little")
    return 0 in both.to_bytes(len(begins), "little")


def _sums(line: bytes) -> bytes:
    """Return for each byte the checksum of all up to it."""
    size, shift = 8 * len(line), 8
    total = int.from_bytes(line, "little")
    while shift < size:  # 0.5 ms for 64 KiB; a loop over bytes takes 5
        total ^= total << shift
        shift *= 2
    return (total & (1 << size) - 1).to_bytes(len(line), "little")


def _begins(line: bytes) -> bytes:
    """Return a line, which has no NUL, with one wherever another line may begin in it."""
    for verb in _LONG_FIRST:  # a pattern that is tried at each of 64 Ki places takes 100 ms
        line = line.replace(verb + b" ", b"\0" + verb[1:] + b" ")
    return _NUMBER_BEFORE.sub(b"\0", line)


class Passed:
    """A line that is no reading, whole or in pieces: what its board needs to hear of it.

    `is_whole`: its end has come.
    """

    def __init__(self) -> None:
        self.is_whole = False
        self.begins = b""  # by so much it is known again
        self._end = b""  # as long as a checksum
        self._sum = 0
        self._has_nul = False

    def take(self, piece: bytes) -> None:
        """Take more of it."""
        self.begins += piece[: KNOWN_BY_BYTES - len(self.begins)]
        self._sum ^= checksum(piece)
        self._has_nul |= 0 in piece
        self._end = (self._end + piece[-_CHECKED_BYTES:])[-_CHECKED_BYTES:]

    def is_sure(self) -> bool:
        """Say whether its checksum tells that it is as the board said it.

        A NUL that a glitch put into it changes no sum.
        """
        return self.is_right() and not self._has_nul

    def is_right(self) -> bool:
        """Say whether its checksum is that of the rest."""
        found = _CHECKED.match(self._end)
        return found is not None and int(found[1], 16) == self._sum ^ checksum(self._end)

    def number(self) -> int:
        """Return its number, 0 for none."""
        number = _SEQ.match(self.begins)
        if number is None or (
            not self.is_sure() and _VERB.match(self.begins, number.end()) is None
        ):
            return 0
        seq = int(number[1])
        return seq if seq <= _NUMBER_MAX else 0


def point(rest: bytes) -> bytes | Wrong:
    """Return `VALUE [UNIT]` as a JSON object. What a float cannot hold is no number: it is one that
    readers of JSON refuse, or take for infinite.
    """
    value, _, unit = rest.strip(b" ").partition(b" ")
    if _VALUE.fullmatch(value) is None or isinf(float(value)):
        return Wrong.VALUE
    number = _json_number(value)
    if not unit:
        return b'{"v":%b}' % number
    if _UNIT.fullmatch(unit) is None:
        return Wrong.UNIT
    return b'{"v":%b,"unit":"%b"}' % (number, unit)


def _json_number(value: bytes) -> bytes:
    """JSON has no plus sign and no zeros in front."""
    sign = b"-" if value.startswith(b"-") else b""
    digits = value.lstrip(b"+-").lstrip(b"0")
    return sign + (digits if digits[:1].isdigit() else b"0" + digits)
