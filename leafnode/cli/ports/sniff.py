"""What a line says, judged by what was heard at one speed: text, or frames with a check that holds.

Pure: bytes in, guesses out. A check that holds is worth more than any look of the bytes. Truth:
docs/serial/tools.md, "port detect"; the frames are in docs/serial/framing.md and presets.md.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from operator import xor
from typing import TYPE_CHECKING, Final

from leafnode.bridge.framing.text_lines import Line, parse
from leafnode.link.gateway import GatewaySession

if TYPE_CHECKING:
    from collections.abc import Callable

_ENOUGH_BYTES: Final = 4
_SCORE_CHECKED: Final = 90  # one frame whose check holds, at least
_SCORE_TEXT: Final = 80  # lines of nothing but printable characters, at most
_HARD: Final = 60  # below this it is noise
TEXT_LINK: Final = ("a board, in this project's text dialect", "framing: text_link")
# Lines that say what they are, by the whole line.
_TEXTS: Final = (
    (
        # A weight, or why there is none now: it moves, there is too much on it, or too little.
        re.compile(rb"(S|SI|T|TA) ([SDI+-] .*[0-9] ?[a-zA-Z]*|[I+-])"),
        "a scale (SICS)",
        "preset: sics",
    ),
    (
        re.compile(rb"\s*[-+.0-9eE]+(\s*[,;]\s*[-+.0-9eE]+)+\s*"),
        "lines of numbers",
        "",
    ),
    (
        re.compile(rb".*[A-Za-z_]\w*\s*[=:]\s*[-+]?[0-9].*"),
        "lines of name and value",
        "framing: line, codec: keyvalue",
    ),
)


@dataclass(frozen=True, slots=True)
class Guess:
    """One explanation. `options` is for a port's entry; `count` frames or lines were seen."""

    baud: int
    line: str
    what: str
    options: str
    score: int
    count: int
    sample: bytes = b""

    @property
    def is_sure(self) -> bool:
        return self.score >= _SCORE_CHECKED + 2


# What `port detect` asks a Modbus bus for: register 0 of slave 1. Its answer is known as a whole.
MODBUS_QUESTION: Final = bytes([1, 3, 0, 0, 0, 1, 0x84, 0x0A])
_MODBUS_ANSWERS: Final = ((b"\1\3\2", 7), (b"\1\x83", 5))  # how the value begins; or a refusal
_MODBUS_ENTRY: Final = (
    "modbus { slaves [ { name: slave1, address: 1, groups [ { name: registers, every: 1s, "
    "registers [ { name: register0, address: 0 } ] } ] } ] }"
)


def judge(baud: int, data: bytes, *, asked: bytes = b"", parity: str = "none") -> Guess | None:
    """Return the best explanation of what was heard at this speed; None: noise, or too little.

    `asked`: what a line that had been silent was asked, so that what came begins with its answer.
    `parity`: with which it was asked, and heard.
    """
    if asked and data.startswith(asked):
        data = data[len(asked) :]  # an adapter that hands back what was sent
    if len(data) < _ENOUGH_BYTES:
        return None
    if asked == MODBUS_QUESTION and _is_modbus_answer(data):
        what = "Modbus RTU, slave 1 answers"
        line = "8E1" if parity == "even" else "8N1"
        return Guess(baud, line, what, _MODBUS_ENTRY, _SCORE_CHECKED + 5, 1, data)
    found = []
    for line, seen in _readings(data, parity):
        for what, options, count_frames in _FRAMES:
            count = count_frames(seen)
            if count:
                score = min(_SCORE_CHECKED + count, 99)
                found.append(Guess(baud, line, what, options, score, count, seen[:64]))
        found += _as_text(baud, line, seen, is_answer=bool(asked))
    return max(found, key=lambda guess: guess.score, default=None)


def _readings(data: bytes, parity: str) -> list[tuple[str, bytes]]:
    """Return what was heard, and without the parity bit where there plainly is one."""
    if parity == "even":
        return [("8E1", data)]
    found = [("8N1", data)]
    if any(byte > 127 for byte in data) and len(data) >= 16:
        ones = [byte.bit_count() % 2 for byte in data]
        stripped = bytes(byte & 0x7F for byte in data)
        if not any(ones):
            found.append(("7E1", stripped))
        elif all(ones):
            found.append(("7O1", stripped))
    return found


def _as_text(baud: int, line: str, data: bytes, *, is_answer: bool) -> list[Guess]:
    printable = sum(32 <= byte < 127 or byte in b"\r\n\t" for byte in data)
    # The first and the last line are parts of one, unless somebody was waited for.
    rows = [row for row in re.split(rb"[\r\n]+", data)[0 if is_answer else 1 : -1] if row]
    score = _SCORE_TEXT * printable // len(data)
    if not rows:
        score -= 25
    if score < _HARD:
        return []
    kind, options = _kind_of(rows, is_answer=is_answer)
    bonus = 8 if kind != "lines of text" else 0
    sample = rows[0] if rows else data[:64]
    return [Guess(baud, line, kind, options, score + bonus, len(rows), sample[:64])]


def _kind_of(rows: list[bytes], *, is_answer: bool) -> tuple[str, str]:
    if rows and all(map(_is_json, rows)):
        return "lines of JSON", "framing: line, codec: json"
    if _is_text_link(rows, is_answer=is_answer):
        return TEXT_LINK
    for pattern, what, options in _TEXTS:
        if rows and all(map(pattern.fullmatch, rows)):
            return what, options or _columns(rows[0])
    return "lines of text", "framing: line, codec: text"


def _is_text_link(rows: list[bytes], *, is_answer: bool) -> bool:
    """Whether all are lines of the text dialect; `hello` and `log` are words of others, too."""
    lines = [line for line in map(parse, rows) if isinstance(line, Line)]
    is_plain = is_answer or any(line.verb not in {b"hello", b"log"} for line in lines)
    return bool(rows) and len(lines) == len(rows) and is_plain


def _columns(row: bytes) -> str:
    """Return the options for lines of columns, with names that say nothing yet."""
    separator = ";" if b";" in row else ","
    count = row.count(separator.encode()) + 1
    names = ", ".join(f"column{number}" for number in range(1, count + 1))
    if separator == ",":
        return f"framing: line, codec: csv, fields: [{names}]"
    return f'framing: line, codec {{ type: csv, separator: ";", fields: [{names}] }}'


def _is_json(row: bytes) -> bool:
    try:
        return isinstance(json.loads(row), dict)
    except (ValueError, RecursionError):
        return False


def _nmea(data: bytes) -> int:
    found = re.findall(rb"[$!]([ -)+-~]{5,80})\*([0-9A-Fa-f]{2})", data)
    return sum(reduce(xor, body) == int(digits, 16) for body, digits in found)


def _pms(data: bytes) -> int:
    return sum(
        sum(frame[:-2]) == int.from_bytes(frame[-2:], "big")
        for match in re.finditer(rb"(?=BM\x00[\x14\x1c])", data)
        if len(frame := _slice(data, match.start(), 4 + data[match.start() + 3])) > 4
    )


def _sds011(data: bytes) -> int:
    return sum(
        sum(body) & 0xFF == check
        for body, check in (
            (match[1], match[2][0])
            for match in re.finditer(rb"\xaa\xc0(.{6})(.)\xab", data, re.DOTALL)
        )
    )


def _mhz19(data: bytes) -> int:
    frames = (match[1] for match in re.finditer(rb"(?=(\xff\x86.{7}))", data, re.DOTALL))
    return sum((0xFF - (sum(frame[1:8]) & 0xFF) + 1) & 0xFF == frame[8] for frame in frames)


def _vedirect(data: bytes) -> int:
    ends = [match.end() for match in re.finditer(rb"\r\nChecksum\t.", data, re.DOTALL)]
    return sum(sum(data[start:end]) % 256 == 0 for start, end in pairwise(ends))


def _dsmr(data: bytes) -> int:
    found = re.finditer(rb"(/[^/!]{4,4096}!)([0-9A-F]{4})\r\n", data)
    return sum(_crc_arc(match[1]) == int(match[2], 16) for match in found)


def _toledo(data: bytes) -> int:
    """Count telegrams of a scale that talks all the time; two make sure."""
    found = list(re.finditer(rb"\x02[ -\x7f]{3}[0-9 .]{6}[0-9 .]{6}\r", data))
    return len(found) if len(found) > 1 else 0


def _modbus(data: bytes) -> int:
    """Count answers to reads; one may be chance, so two are asked for."""
    count = at = 0
    while at < len(data) - 5:
        if data[at + 1] in (3, 4) and 0 < data[at + 2] <= 250 and not data[at + 2] % 2:
            frame = _slice(data, at, data[at + 2] + 5)
            if frame and _crc_modbus(frame[:-2]) == int.from_bytes(frame[-2:], "little"):
                count += 1
                at += len(frame)
                continue
        at += 1
    return count if count > 1 else 0


def _link(data: bytes) -> int:
    """Count frames of this project's device link."""
    session = GatewaySession()
    session.receive(data, 0)
    return session.counters.frames


def _text_link(data: bytes) -> int:
    """Count lines of this project's text dialect whose checksum holds."""
    lines = (parse(row) for row in re.split(rb"[\r\n]+", data))
    return sum(isinstance(line, Line) and line.is_checked for line in lines)


def _is_modbus_answer(data: bytes) -> bool:
    is_right = _crc_modbus(data[:-2]) == int.from_bytes(data[-2:], "little")
    return is_right and any(
        data.startswith(head) and len(data) == size for head, size in _MODBUS_ANSWERS
    )


def _slice(data: bytes, start: int, size: int) -> bytes:
    """Return so many bytes, or none when there are fewer."""
    frame = data[start : start + size]
    return frame if len(frame) == size else b""


def _crc_reflected(data: bytes, crc: int) -> int:
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def _crc_arc(data: bytes) -> int:
    return _crc_reflected(data, 0)


def _crc_modbus(data: bytes) -> int:
    return _crc_reflected(data, 0xFFFF)


_FRAMES: Final[tuple[tuple[str, str, Callable[[bytes], int]], ...]] = (
    ("NMEA 0183", "preset: nmea", _nmea),
    ("particles, PMS5003 or alike", "preset: pms5003", _pms),
    ("particles, SDS011", "preset: sds011", _sds011),
    ("carbon dioxide, MH-Z19", "preset: mhz19", _mhz19),
    ("VE.Direct", "preset: vedirect", _vedirect),
    ("smart meter, DSMR P1", "preset: dsmr", _dsmr),
    ("scale, Toledo continuous", "preset: toledo", _toledo),
    (
        "Modbus RTU, somebody else polls",
        "framing: idle, check: crc16_modbus, codec: raw",
        _modbus,
    ),
    ("this project's device link", "framing: link", _link),
    (*TEXT_LINK, _text_link),
)
