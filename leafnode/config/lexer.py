"""nats.conf text cut into keys, values and marks, each with its place.

Knows characters; not blocks, variables' values, files or options. The grammar decides by position
what a word is (after a key comes a value, whatever it looks like), so the parser asks for what it
expects. Truth: measured on nats-server 2.15.1 with `-t` and /varz; docs/configuration.md says where
this one is stricter.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode.errors import ConfigError, quoted

if TYPE_CHECKING:
    from datetime import datetime


class Kind(Enum):
    """What begins where a value is expected."""

    MAP = auto()
    ARRAY = auto()
    SCALAR = auto()
    VARIABLE = auto()


class Token(NamedTuple):
    """One lexeme. `value` is the scalar, or the name of a variable or key."""

    kind: Kind
    value: str | int | float | bool | datetime
    offset: int


_SPACES: Final = re.compile(r"[ \t]*")
_BLANKS: Final = re.compile(r"\s*")
_TO_LINE_END: Final = re.compile(r"[^\r\n]*")
_LINE_END: Final = re.compile(r"[\r\n]")
# A blank, a comma, a semicolon or a closing mark ends a bare value; `nats://h:1` and `a#b` are one.
_BARE: Final = re.compile(r"(?:\\.|[^ \t\r\n,;\]}\\])+")
_BARE_KEY: Final = re.compile(r"[^\s:=]+")
_BARE_PATH: Final = re.compile(r"[^ \t\r\n;,}\]{\[(]+")
_QUOTE_OR_ESCAPE: Final = re.compile(r"[\"\\]")
_INTEGER: Final = re.compile(r"(-?[0-9]+)(?:([kmgtpe])(b|ib?)?)?", re.ASCII | re.IGNORECASE)
_FLOAT: Final = re.compile(r"-?[0-9]+\.[0-9]+", re.ASCII)
# What Go takes for a number: its digits are all that Unicode has, and then only these ten count.
_NUMBER: Final = re.compile(r"-?\d+(\.\d+|[kmgtpe](b|ib?)?)?", re.IGNORECASE)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)
_BLOCK_END: Final = re.compile(r"\n\)(?=\r?\n|\r?\Z)")
_ESCAPE: Final = re.compile(r"\\(x[0-9a-fA-F]{2}|.|\Z)", re.DOTALL)
_ESCAPES: Final = {"t": b"\t", "n": b"\n", "r": b"\r", '"': b'"', "\\": b"\\"}
_BOOLEANS: Final = {
    "true": True,
    "yes": True,
    "on": True,
    "false": False,
    "no": False,
    "off": False,
}
_POWERS: Final = {"k": 1, "m": 2, "g": 3, "t": 4, "p": 5, "e": 6}
# A bare bcrypt hash begins like a variable. nats-server knows $2a$ alone; others are as common.
_BCRYPT: Final = ("$2a$", "$2b$", "$2y$")
_INT64_DIGITS: Final = 19


class Lexer:
    """Reads a text from the left. A method starts at `pos` and leaves it behind what it took."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.pos = 1 if text.startswith("\ufeff") else 0
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
        if "\0" in text:
            raise self.error(text.index("\0"), "a NUL byte does not belong into a configuration")

    def place(self, offset: int) -> tuple[int, int]:
        """Return line and column of an offset, both counted from 1."""
        line = bisect_right(self._line_starts, offset)
        column = offset - self._line_starts[line - 1] + 1
        bom = 1 if line == 1 and self.text.startswith("\ufeff") else 0
        return line, max(1, column - bom)

    def error(self, offset: int, problem: str) -> ConfigError:
        return ConfigError(self.file, *self.place(offset), "", problem)

    def at_end(self) -> bool:
        return self.pos >= len(self.text)

    def peek(self) -> str:
        """Return the next character, empty at the end."""
        return self.text[self.pos : self.pos + 1]

    def skip_blanks(self) -> None:
        self._skip(_BLANKS)

    def skip_comments(self) -> bool:
        """Skip blanks, line ends and comments; return whether a line ended."""
        start = self.pos
        while True:
            self._skip(_BLANKS)
            if not self.text.startswith(("#", "//"), self.pos):
                break
            self._skip(_TO_LINE_END)
        return _LINE_END.search(self.text, start, self.pos) is not None

    def take(self, mark: str) -> bool:
        """Take the mark if it is next."""
        if self.peek() != mark:
            return False
        self.pos += 1
        return True

    def take_last(self, mark: str) -> bool:
        """Take the mark if it is next, and nothing but blanks behind it."""
        if self.peek() != mark or self.text[self.pos + 1 :].strip():
            return False
        self.pos += 1
        return True

    def key(self) -> Token:
        """Take a key; what separates it from its value is left."""
        start = self.pos
        quote = self.peek()
        if quote and quote in "'\"":
            return Token(Kind.SCALAR, self._until(quote), start)
        match = _BARE_KEY.match(self.text, self.pos)
        if match is None:
            raise self.error(start, f"expected a key, got {self._shown()}")
        key = match.group()
        if odd := next((c for c in key if c in "{}[],;()\"'"), None):
            where = start + key.index(odd)
            if odd in "{[" and where > start:
                raise self.error(where, f'put a space or ":" between the key and "{odd}"')
            raise self.error(where, f"expected a key, got {quoted(odd)}")
        if key.startswith("/"):
            raise self.error(start, 'expected a key, got "/" (a comment begins with # or //)')
        self.pos = match.end()
        return Token(Kind.SCALAR, key, start)

    def separator(self, *, in_map: bool) -> bool:
        """Take what stands between key and value: blanks with or without `:` or `=`, and say
        whether there is such a mark.

        Without a mark the value may stand on the next line. After a mark it may do so only inside a
        block; so it is on nats-server, and an empty `key:` does not eat the next line's key.
        """
        self._skip(_BLANKS)
        if self.peek() not in (":", "="):
            return False
        self.pos += 1
        self._skip(_BLANKS if in_map else _SPACES)
        return True

    def value(self) -> Token:
        """Take a scalar or a variable, or the mark that opens a block or an array."""
        start = self.pos
        first = self.peek()
        if first == "{":
            self.pos += 1
            return Token(Kind.MAP, first, start)
        if first == "[":
            self.pos += 1
            return Token(Kind.ARRAY, first, start)
        if first == "(":
            return Token(Kind.SCALAR, self._block_string(), start)
        if first and first in "'\"":
            return Token(Kind.SCALAR, self._quoted(first), start)
        match = _BARE.match(self.text, self.pos)
        if match is None:
            raise self.error(start, f"expected a value, got {self._shown()}")
        self.pos = match.end()
        return self._bare(match.group(), start)

    def include_path(self) -> Token:
        """Take the path behind `include`, quoted or bare. Nothing in it is an escape."""
        self._skip(_SPACES)
        start = self.pos
        quote = self.peek()
        if quote and quote in "'\"":
            return Token(Kind.SCALAR, self._until(quote), start)
        match = _BARE_PATH.match(self.text, self.pos)
        if match is None:
            raise self.error(start, f"expected a file to include, got {self._shown()}")
        self.pos = match.end()
        return Token(Kind.SCALAR, match.group(), start)

    def is_include(self, key: Token) -> bool:
        """Say whether the key just taken is the word `include`, and not an option of that name."""
        bare = self.text[key.offset : self.pos]
        return bare.lower() == "include" and self.peek() in (" ", "\t")

    def _bare(self, word: str, start: int) -> Token:
        if "'" in word:
            where = start + word.index("'")
            raise self.error(where, "a quote inside a bare value: put the whole value in quotes")
        if "\\" in word:
            return Token(Kind.SCALAR, self._unescaped(word, start), start)
        if word[0] == "$" and not word.startswith(_BCRYPT):
            return Token(Kind.VARIABLE, word[1:], start)
        if word[0] == "-" or word[0].isdecimal():
            return Token(Kind.SCALAR, self._number(word, start), start)
        return Token(Kind.SCALAR, _BOOLEANS.get(word.lower(), word), start)

    def _number(self, word: str, start: int) -> str | int | float | datetime:
        """Return what a word that begins with a digit is; an address or a duration stays text."""
        if match := _INTEGER.fullmatch(word):
            return self._integer(match, start)
        if _FLOAT.fullmatch(word):
            number = float(word)
            if number in (float("inf"), float("-inf")):
                raise self.error(start, "the number is too large")
            return number
        if _DATE.fullmatch(word):
            return self._date(word, start)
        if _NUMBER.fullmatch(word):
            raise self.error(
                start, f"expected a number with digits from 0 to 9, got {quoted(word)}"
            )
        return word

    def _integer(self, match: re.Match[str], start: int) -> int:
        digits, power, unit = match.groups()
        # K is 1000, and KB, Ki and KiB are 1024: measured for every suffix from k to e.
        factor = (1024 if unit else 1000) ** _POWERS[power.lower()] if power else 1
        significant = digits.lstrip("-0") or "0"  # int() refuses thousands of digits, even zeros
        if len(significant) <= _INT64_DIGITS:
            number = int(significant) * factor * (-1 if digits[0] == "-" else 1)
            if -(2**63) <= number < 2**63:
                return number
        raise self.error(start, "the number does not fit 64 bits")

    def _date(self, word: str, start: int) -> datetime:
        from datetime import UTC, datetime  # few files hold a date, every start would pay for it

        try:
            return datetime.strptime(word, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        except ValueError as err:
            raise self.error(start, f"there is no such date: {word}") from err

    def _quoted(self, quote: str) -> str:
        """Take a quoted value. Only double quotes know escapes."""
        start = self.pos
        if quote == "'":
            return self._until(quote)
        end = start + 1
        while match := _QUOTE_OR_ESCAPE.search(self.text, end):
            if match.group() == quote:
                self.pos = match.end()
                return self._unescaped(self.text[start + 1 : match.start()], start + 1)
            end = match.end() + 1
        raise self.error(start, "the string has no closing quote")

    def _until(self, quote: str) -> str:
        start = self.pos
        end = self.text.find(quote, start + 1)
        if end < 0:
            raise self.error(start, "the string has no closing quote")
        self.pos = end + 1
        return self.text[start + 1 : end]

    def _unescaped(self, raw: str, start: int) -> str:
        """Return the text with its escapes resolved. They stand for bytes that must be UTF-8."""
        if "\\" not in raw:
            return raw
        out = bytearray()
        done = 0
        for match in _ESCAPE.finditer(raw):
            out += raw[done : match.start()].encode("utf-8", "surrogatepass")
            done = match.end()
            code = match.group(1)
            if code in _ESCAPES:
                out += _ESCAPES[code]
            elif len(code) == 3 and code != "x00":
                out.append(int(code[1:], 16))
            else:
                allowed = 'expected \\xNN (not 00), \\t, \\n, \\r, \\" or \\\\'
                raise self.error(start + match.start(), f"a bad escape: {allowed}")
        out += raw[done:].encode("utf-8", "surrogatepass")
        try:
            return out.decode()
        except UnicodeDecodeError as err:
            raise self.error(start, "the escapes do not make UTF-8") from err

    def _block_string(self) -> str:
        """Take `(` … `)`, closed by the mark alone on a line; nothing in it is special."""
        start = self.pos
        match = _BLOCK_END.search(self.text, start)
        if match is None:
            raise self.error(start, 'the block string has no ")" alone on a line')
        self.pos = match.end()
        return self.text[start + 1 : match.start() + 1]

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.pos)
        assert match is not None, "the pattern matches the empty string"
        self.pos = match.end()

    def _shown(self) -> str:
        """Name the next character for an error; never more, it may be a secret's beginning."""
        char = self.peek()
        if not char:
            return "the end of the file"
        return "the end of the line" if char in "\r\n" else quoted(char)
