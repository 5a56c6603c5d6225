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


# Go's unicode.IsSpace; Python's \s has four control characters more.
_BLANK: Final = r"\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_SPACES: Final = re.compile(r"[ \t]*")
_BLANKS: Final = re.compile(f"[{_BLANK}]*")
_TO_LINE_END: Final = re.compile(r"[^\r\n]*")
_LAST_BRACE: Final = re.compile(rf"}}[{_BLANK}]*\Z")
# A blank, a comma, a semicolon, a closing mark or a quote ends a bare value; `nats://h:1` is one.
_BARE: Final = re.compile(r"(?:\\.|[^ \t\r\n,;\]}'\\])*", re.DOTALL)
_BARE_KEY: Final = re.compile(f"[^:={_BLANK}]+")
_BARE_PATH: Final = re.compile(r"[^ \t\r\n;}']+")
_NO_PATH: Final = re.compile(r"[\d\-\\\[{(]")
_QUOTE_OR_ESCAPE: Final = re.compile(r"[\"\\]")
# What Go takes for a digit is all that Unicode has; then only these ten count.
_INTEGER: Final = re.compile(r"(-?\d+)(?:([kKmMgGtTpPeE])([bBiI]*))?")
_FLOAT: Final = re.compile(r"-?\d+\.\d+")
_ADDRESS: Final = re.compile(r"-?\d+\.\d+\.[\d.:-]*")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_BLOCK_END: Final = re.compile(r"\n\)(?=\n|\Z)")
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
_UNITS: Final = ("", "b", "i", "ib")
_ENDS_NUMBER: Final = frozenset(" \t\r\n,;}")  # what text goes on with is no end of it
_ENDS_VALUE: Final = _ENDS_NUMBER | frozenset("]#/")
_QUOTES_NEEDED: Final = (
    'put quotes around it: it begins like a number, with "-" or ".", and is none'
)
_NO_DIGITS: Final = "expected a number with digits from 0 to 9"
_POWERS: Final = {"k": 1, "m": 2, "g": 3, "t": 4, "p": 5, "e": 6}
# A bare bcrypt hash begins like a variable. nats-server knows $2a$ alone; others are as common.
_BCRYPT: Final = ("$2a$", "$2b$", "$2y$")
_INT64_DIGITS: Final = 19


class Lexer:
    """Reads a text from the left. A method starts at `pos` and leaves it behind what it took."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.pos = 0
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
        if text.startswith("\ufeff"):
            raise self.error(0, "a byte order mark: save the file as UTF-8 without one")
        if "\0" in text:
            raise self.error(text.index("\0"), "a NUL byte does not belong into a configuration")

    def place(self, offset: int) -> tuple[int, int]:
        """Return line and column of an offset, both counted from 1."""
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def error(self, offset: int, problem: str) -> ConfigError:
        return ConfigError(self.file, *self.place(offset), "", problem)

    def at_end(self) -> bool:
        return self.pos >= len(self.text)

    def peek(self) -> str:
        """Return the next character, empty at the end."""
        return self.text[self.pos : self.pos + 1]

    def skip_spaces(self) -> None:
        """Skip what stands between words of one line."""
        self._skip(_SPACES)

    def skip_comment(self) -> bool:
        """Skip a comment that is next, up to its line's end."""
        if not self.text.startswith(("#", "//"), self.pos):
            return False
        self._skip(_TO_LINE_END)
        return True

    def skip_comments(self) -> None:
        """Skip blanks, line ends and comments."""
        self._skip(_BLANKS)
        while self.skip_comment():
            self._skip(_BLANKS)

    def take(self, mark: str) -> bool:
        """Take the mark if it is next."""
        if self.peek() != mark:
            return False
        self.pos += 1
        return True

    def take_last_brace(self) -> bool:
        """Take a closing brace that is next and the last of the text."""
        if _LAST_BRACE.match(self.text, self.pos) is None:
            return False
        self.pos += 1
        return True

    def key(self, *, in_map: bool) -> Token:
        """Take a key; what separates it from its value is left. `in_map`: inside a block, where
        `,` and `;` belong to it, as there.
        """
        start = self.pos
        quote = self.peek()
        if quote and quote in "'\"":
            return Token(Kind.SCALAR, self._until(quote), start)
        match = _BARE_KEY.match(self.text, self.pos)
        if match is None:
            raise self.error(start, f"expected a key, got {self._shown()}")
        key = match.group()
        if odd := next((c for c in key if c in "{}[]" or (c in ",;" and not in_map)), None):
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

    def value(self, *, in_array: bool = False) -> Token:
        """Take a scalar or a variable, or the mark that opens a block or an array.

        `in_array`: a closing bracket ends a number, too. On nats-server the text "2]" is the last
        value of `[1, 2]`, and the array goes on.
        """
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
        if first in {".", "-"} or first.isdecimal():
            return Token(Kind.SCALAR, self._numeric(start, in_array=in_array), start)
        word, quote_ends = self._bare(start)
        if not word and not quote_ends:
            raise self.error(start, f"expected a value, got {self._shown()}")
        if in_array and word[:1] == "/":
            raise self.error(start, 'put quotes around a value of an array that begins with "/"')
        if "\\" in word:
            return Token(Kind.SCALAR, self._unescaped(word, start), start)
        if quote_ends:
            return Token(Kind.SCALAR, word, start)
        if word[0] == "$" and not word.startswith(_BCRYPT):
            return Token(Kind.VARIABLE, word[1:], start)
        return Token(Kind.SCALAR, _BOOLEANS.get(word.lower(), word), start)

    def include_path(self) -> Token:
        """Take the path behind `include`, quoted or bare. Nothing in it is an escape."""
        self._skip(_SPACES)
        start = self.pos
        quote = self.peek()
        if quote and quote in "'\"":
            return Token(Kind.SCALAR, self._until(quote), start)
        match = _BARE_PATH.match(self.text, self.pos)
        if match is None or _NO_PATH.match(self.text, self.pos):
            raise self.error(start, f"expected a file to include, got {self._shown()}")
        self.pos = match.end()
        self.take("'")  # as behind a bare value
        return Token(Kind.SCALAR, match.group(), start)

    def is_include(self, key: Token) -> bool:
        """Say whether the key just taken is the word `include`, and not an option of that name."""
        bare = self.text[key.offset : self.pos]
        return bare.lower() == "include" and self.peek() not in {"", ":", "="}

    def _bare(self, start: int) -> tuple[str, bool]:
        """Take the bare text from there on, and say whether a quote ends it."""
        match = _BARE.match(self.text, start)
        assert match is not None, "the pattern matches the empty string"
        self.pos = match.end()
        if not self.take("'"):
            return match.group(), False
        if not self.at_end() and self.peek() not in _ENDS_VALUE:
            problem = "a quote inside a bare value: put the whole value in quotes"
            raise self.error(match.end(), problem)
        return match.group(), True

    def _numeric(self, start: int, *, in_array: bool) -> str | int | float | datetime:
        """Take what begins like a number; an address or a duration is text."""
        if match := _ADDRESS.match(self.text, start):
            return self._complete(match).group()
        if match := _FLOAT.match(self.text, start):
            return self._float(self._complete(match).group(), start)
        if match := _DATE.match(self.text, start):
            return self._date(self._complete(match).group(), start)
        match = _INTEGER.match(self.text, start)
        if match is None:
            raise self.error(start, _QUOTES_NEEDED)
        end = match.end()
        after, has_suffix = self.text[end : end + 1], match.group(2) is not None
        if match.group(1)[0] == "-" and not has_suffix:
            return self._integer(self._complete(match), start)
        if not after or after in _ENDS_NUMBER or (in_array and after == "]"):
            self.pos = end
            return self._integer(match, start)
        if after in "-." and not has_suffix:
            raise self.error(start, _QUOTES_NEEDED)
        # The one behind digits belongs to the text, whatever it is: `1]` and `1'` are as there.
        begin = end if has_suffix else end + 1
        rest, _ = self._bare(begin)
        return self.text[start:begin] + self._unescaped(rest, begin)

    def _complete(self, match: re.Match[str]) -> re.Match[str]:
        """Take it; it is an error if it is only the beginning of a word."""
        self.pos = match.end()
        if not self.at_end() and self.peek() not in _ENDS_VALUE:
            raise self.error(match.start(), _QUOTES_NEEDED)
        return match

    def _float(self, word: str, start: int) -> float:
        if not word.isascii():
            raise self.error(start, _NO_DIGITS)
        number = float(word)
        if number in (float("inf"), float("-inf")):
            raise self.error(start, "the number is too large")
        return number

    def _integer(self, match: re.Match[str], start: int) -> int:
        digits, power, unit = match.groups()
        if not digits.isascii():
            raise self.error(start, _NO_DIGITS)
        if unit and unit.lower() not in _UNITS:
            raise self.error(start, "expected a size like 1K, 1KB, 1Ki or 1KiB")
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
