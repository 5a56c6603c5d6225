"""What is wrong with a text that is no JSON, in the server's words.

Runs only after the real decoder has refused a text, to say where and why; beyond JSON_STEPS_MAX
values and containers it says no more than that. Pure.
Truth: measured on nats-server 2.15.1 (a Go 1.26 build); offsets count bytes from 1.
"""

from __future__ import annotations

import re
from typing import Final

from leafnode.limits import JSON_STEPS_MAX

_SPACE: Final = re.compile(rb"[ \t\r\n]*")
_PLAIN: Final = re.compile(rb'(?:[^"\\\x00-\x1f]++|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*+', re.DOTALL)
_SCALARS: Final = re.compile(  # of a list: steps would take long, one by one
    rb'(?:(?:"[^"\\\x00-\x1f]*+"|-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?![0-9.eE])|true|false|null)'
    rb"[ \t\r\n]*+,[ \t\r\n]*+)*+"
)
_DIGITS: Final = re.compile(rb"[0-9]*")
_LITERALS: Final = {b"t": b"true", b"f": b"false", b"n": b"null"}
_ESCAPES: Final = b'"\\/bfnrt'
_HEX: Final = b"0123456789abcdefABCDEF"
_QUOTED: Final = {
    char: f"\\{letter}" for char, letter in zip("'\\\a\b\f\n\r\t\v", "'\\abfnrtv", strict=True)
}
_DEPTH_MAX: Final = 10_000  # Go's own bound
NOT_HELD: Final = "invalid JSON value"  # legal syntax that a decoder refuses, such as 1e999
END_STRICT: Final = "unexpected EOF"
END_LAX: Final = "unexpected end of JSON input"


class JsonSyntaxError(Exception):
    """Where a text stops being JSON: the server's wording, offset from 1 (0: the end)."""

    def __init__(self, text: str, offset: int) -> None:
        super().__init__(text, offset)
        self.text = text
        self.offset = offset

    def describe(self, *, strict: bool) -> str:
        """Return the error as the strict decoder (with an offset) or the lax one words it."""
        if not self.offset:
            return END_STRICT if strict else END_LAX
        return f"{self.text} at offset {self.offset}" if strict else self.text


class _TooLongError(JsonSyntaxError):
    """Where it stops being JSON is too far away to be looked for."""

    def __init__(self) -> None:
        super().__init__(NOT_HELD, 0)

    def describe(self, *, strict: bool) -> str:
        del strict
        return self.text


def first_error(data: bytes, at: int = 0, *, strict: bool) -> str:
    """Return what Go's decoder says about `data`, which is known not to be one JSON value from `at`
    on.
    """
    scanner = _Scanner(data)
    try:
        at = scanner.value(scanner.skip(at))
        at = scanner.skip(at)
        if at < len(data):
            where = "looking for beginning of value" if strict else "after top-level value"
            raise scanner.wrong(at, where)
    except JsonSyntaxError as error:
        return error.describe(strict=strict)
    return NOT_HELD


def end_of_value(data: bytes, at: int = 0) -> int:
    """Return where the first JSON value of `data` from `at` on ends; raises JsonSyntaxError."""
    scanner = _Scanner(data)
    return scanner.value(scanner.skip(at))


def written(data: bytes, at: int, places: list[int]) -> bytes:
    """Return a part of the value at `at` as it is written: the member or element of that place,
    of that one the next, and so on. Raises JsonSyntaxError when it is too far away.
    """
    scanner = _Scanner(data)
    at = scanner.skip(at)
    for wanted in places:
        at = scanner.part(at, wanted)
    return data[at : scanner.value(at)]


class _Scanner:
    """Walks one value without recursion, so that depth costs memory and never the stack."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def skip(self, at: int) -> int:
        match = _SPACE.match(self.data, at)
        return match.end() if match else at

    def wrong(self, at: int, where: str) -> JsonSyntaxError:
        if at >= len(self.data):
            return JsonSyntaxError("", 0)
        size, shown = _quote(self.data, at)
        return JsonSyntaxError(f"invalid character {shown} {where}", at + size)

    def value(self, at: int) -> int:
        """Scan one value that starts at `at`, and return where it ends."""
        closers: list[bytes] = []  # of the containers that are open
        for _ in range(JSON_STEPS_MAX):
            if closers and closers[-1] == b"]" and (run := _SCALARS.match(self.data, at)):
                at = run.end()
            start = self.data[at : at + 1]
            if start in (b"{", b"["):
                if len(closers) >= _DEPTH_MAX:
                    raise JsonSyntaxError("exceeded max depth", at + 1)
                closers.append(b"}" if start == b"{" else b"]")
                at = self.skip(at + 1)
                if self.data[at : at + 1] != closers[-1]:
                    at = self._key(at) if start == b"{" else at
                    continue
            else:
                at = self._scalar(at)
                at = self.skip(at) if closers else at
            while closers:
                sign = self.data[at : at + 1]
                if sign == b",":
                    at = self.skip(at + 1)
                    at = self._key(at) if closers[-1] == b"}" else at
                    break
                if sign != closers[-1]:
                    what = "object key:value pair" if closers[-1] == b"}" else "array element"
                    raise self.wrong(at, f"after {what}")
                closers.pop()
                at = self.skip(at + 1) if closers else at + 1
            if not closers:
                return at
        raise _TooLongError

    def part(self, at: int, wanted: int) -> int:
        """Return where one of the parts of the container that starts at `at` does."""
        of_object = self.data[at : at + 1] == b"{"
        for place in range(wanted + 1):
            at = self.skip(at + 1)  # behind the bracket, or the comma
            at = self._key(at) if of_object else at
            if place < wanted:
                at = self.skip(self.value(at))
        return at

    def _key(self, at: int) -> int:
        if self.data[at : at + 1] != b'"':
            raise self.wrong(at, "looking for beginning of object key string")
        at = self.skip(self._string(at))
        if self.data[at : at + 1] != b":":
            raise self.wrong(at, "after object key")
        return self.skip(at + 1)

    def _scalar(self, at: int) -> int:
        start = self.data[at : at + 1]
        if start == b'"':
            return self._string(at)
        if start and start in b"-0123456789":
            return self._number(at)
        literal = _LITERALS.get(start)
        if literal is None:
            raise self.wrong(at, "looking for beginning of value")
        for index in range(1, len(literal)):
            if self.data[at + index : at + index + 1] != literal[index : index + 1]:
                expected = literal[index : index + 1].decode()
                where = f"in literal {literal.decode()} (expecting '{expected}')"
                raise self.wrong(at + index, where)
        return at + len(literal)

    def _string(self, at: int) -> int:
        at += 1
        while True:
            match = _PLAIN.match(self.data, at)
            at = match.end() if match else at
            sign = self.data[at : at + 1]
            if sign == b'"':
                return at + 1
            if sign != b"\\":
                raise self.wrong(at, "in string")
            at = self._escape(at)

    def _escape(self, at: int) -> int:
        kind = self.data[at + 1 : at + 2]
        if not kind:
            raise JsonSyntaxError("", 0)
        size = 6 if kind == b"u" else 2
        sequence = self.data[at : at + size]
        legal = kind in _ESCAPES
        if kind == b"u":
            legal = all(byte in _HEX for byte in sequence[2:])
        if not legal:
            shown = sequence.decode("utf-8", "replace")
            where = at + len(sequence)
            raise JsonSyntaxError(f"invalid escape sequence `{shown}` in string", where)
        if len(sequence) < size:
            raise JsonSyntaxError("", 0)
        return at + size

    def _number(self, at: int) -> int:
        at += self.data[at : at + 1] == b"-"
        if self.data[at : at + 1] == b"0":
            at += 1
        else:
            at = self._digits(at)
        if self.data[at : at + 1] == b".":
            at = self._digits(at + 1)
        if self.data[at : at + 1] in (b"e", b"E"):
            at += 1
            at += self.data[at : at + 1] in (b"+", b"-")
            at = self._digits(at)
        return at

    def _digits(self, at: int) -> int:
        match = _DIGITS.match(self.data, at)
        end = match.end() if match else at
        if end == at:
            raise self.wrong(at, "in numeric literal")
        return end


def _quote(data: bytes, at: int) -> tuple[int, str]:
    """Return how many bytes one character has, and how Go quotes it."""
    byte = data[at]
    char = data[at : at + 4].decode("utf-8", "surrogateescape")[0]
    code = ord(char)
    size = 1
    if char in _QUOTED:
        shown = _QUOTED[char]
    elif code < 0x80 or 0xDC80 <= code <= 0xDCFF:  # the latter is no UTF-8
        shown = char if char.isprintable() else f"\\x{byte:02x}"
    else:
        size = len(char.encode())
        shown = f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
        shown = char if char.isprintable() else shown
    return size, f"'{shown}'"
