"""Regular expressions of a configuration: a safe part of Python's language, parsed into a tree.

Knows patterns; not what is matched. What this parser does not know is refused, and `text` writes a
pattern anew from the tree: what runs is what was understood. Truth: docs/serial/codecs.md,
"Patterns"; docs/adr on regular expressions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from leafnode.config import serial_bounds

if TYPE_CHECKING:
    from collections.abc import Iterable

# A set of characters as bits: one for each below 256, and one for all others together.
OTHERS: Final = 1 << 256
ALL: Final = (1 << 257) - 1


class PatternError(Exception):
    """What is wrong with a pattern, and at which character, counted from 0."""

    def __init__(self, problem: str, at: int) -> None:
        super().__init__(problem, at)
        self.problem = problem
        self.at = at


@dataclass(frozen=True, slots=True)
class Chars:
    """One character out of a set."""

    mask: int
    text: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """One behind the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of them."""

    branches: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """`most` None: any number of times."""

    node: Node
    least: int
    most: int | None
    lazy: bool = False


@dataclass(frozen=True, slots=True)
class Named:
    """A group whose text is a field."""

    name: str
    node: Node


Node = Chars | Sequence | Choice | Repeat | Named


def _bits(codes: Iterable[int]) -> int:
    mask = 0
    for code in codes:
        mask |= 1 << code if code < 256 else OTHERS
    return mask


_DIGITS: Final = _bits(range(ord("0"), ord("9") + 1))
_WORD: Final = _DIGITS | _bits(map(ord, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"))
_SPACE: Final = _bits(map(ord, " \t\n\r\f\v"))
_CLASSES: Final = {
    "d": _DIGITS,
    "w": _WORD,
    "s": _SPACE,
    "D": ALL & ~_DIGITS,
    "W": ALL & ~_WORD,
    "S": ALL & ~_SPACE,
}
_CONTROLS: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v"}
_SPECIAL: Final = frozenset("\\.^$*+?{}[]()|")
_NAME: Final = re.compile(r"\?P<([A-Za-z_][A-Za-z0-9_]{0,63})>")
_COUNTS: Final = re.compile(r"\{([0-9]{0,4})(,?)([0-9]{0,4})\}")
_HEX: Final = re.compile(r"[0-9A-Fa-f]{2}")


def parse(pattern: str) -> tuple[Node, tuple[str, ...]]:
    """Return the tree of a pattern that must match the whole reading, and the names of its fields.

    Raises PatternError.
    """
    parser = _Parser(pattern)
    tree = parser.choice(0)
    if parser.at < len(pattern):
        raise PatternError("a ) that nothing opened", parser.at)
    if not parser.names:
        raise PatternError("no (?P<name>…): nothing would be taken from a reading", 0)
    return tree, tuple(parser.names)


def text(node: Node) -> str:
    """Return the pattern that Python's `re` gets for a tree. Flags: ASCII."""
    match node:
        case Chars(_, written):
            return written
        case Sequence(parts):
            return "".join(map(text, parts))
        case Choice(branches):
            return f"(?:{'|'.join(map(text, branches))})"
        case Named(name, inner):
            return f"(?P<{name}>{text(inner)})"
        case Repeat(inner, least, most, lazy):
            counts = f"{{{least},{'' if most is None else most}}}"
            body = text(inner) if isinstance(inner, Chars | Named) else f"(?:{text(inner)})"
            return body + counts + ("?" if lazy else "")


class _Parser:
    """Reads a pattern from the left."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.names: list[str] = []

    def choice(self, depth: int) -> Node:
        if depth > serial_bounds.PATTERN_DEPTH_MAX:
            raise PatternError("too many brackets inside of each other", self.at)
        branches = [self._sequence(depth)]
        while self._peek() == "|":
            self.at += 1
            branches.append(self._sequence(depth))
        return branches[0] if len(branches) == 1 else Choice(tuple(branches))

    def _peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def _sequence(self, depth: int) -> Node:
        parts: list[Node] = []
        while (char := self._peek()) and char not in "|)":
            if char == "^" and self.at == 0:
                self.at += 1  # the whole reading is matched anyway
            elif char == "$" and self.at == len(self.pattern) - 1:
                self.at += 1
            else:
                parts.append(self._repeated(self._atom(depth)))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _atom(self, depth: int) -> Node:
        char, start = self._peek(), self.at
        self.at += 1
        if char == "(":
            return self._group(start, depth)
        if char == "[":
            return self._set(start)
        if char == ".":
            return Chars(ALL & ~(1 << ord("\n")), ".")
        if char == "\\":
            return self._escape()
        if char in _SPECIAL:
            raise PatternError(f"{char} here; for the character itself write \\{char}", start)
        return _one(char)

    def _group(self, start: int, depth: int) -> Node:
        name = ""
        if match := _NAME.match(self.pattern, self.at):
            name = match[1]
            if name in self.names:
                raise PatternError(f"the name {name} stands twice", start)
            self.names.append(name)
            self.at = match.end()
        elif self.pattern.startswith("?:", self.at):
            self.at += 2
        elif self._peek() == "?":
            raise PatternError("of the (?…) only (?P<name>…) and (?:…) may be used", start)
        inner = self.choice(depth + 1)
        if self._peek() != ")":
            raise PatternError("a ( without its )", start)
        self.at += 1
        return Named(name, inner) if name else inner

    def _repeated(self, node: Node) -> Node:
        start = self.at
        char = self._peek()
        if char in {"*", "+", "?"} and char:
            self.at += 1
            least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[char]
        elif char == "{":
            least, most = self._counts(start)
        else:
            return node
        lazy = self._peek() == "?"
        self.at += lazy
        if self._peek() in {"*", "+", "?", "{"} and self._peek():
            raise PatternError("a repetition of a repetition", self.at)
        return Repeat(node, least, most, lazy)

    def _counts(self, start: int) -> tuple[int, int | None]:
        match = _COUNTS.match(self.pattern, self.at)
        if match is None or not (match[1] or match[3]):
            raise PatternError("a { that begins no {m}, {m,} or {m,n}; for itself write \\{", start)
        self.at = match.end()
        least = int(match[1] or 0)
        most = least if not match[2] else int(match[3]) if match[3] else None
        if most is not None and (most < least or most == 0):
            raise PatternError("a repetition that allows nothing", start)
        return least, most

    def _escape(self) -> Node:
        start = self.at - 1
        char = self._peek()
        if char in _CLASSES and char:
            self.at += 1
            return Chars(_CLASSES[char], "\\" + char)
        return _one(self._escaped(start))

    def _escaped(self, start: int) -> str:
        """Return the character behind the backslash that was just taken."""
        char = self._peek()
        self.at += 1
        if char in _CONTROLS and char:
            return _CONTROLS[char]
        if char == "x" and (match := _HEX.match(self.pattern, self.at)):
            self.at = match.end()
            return chr(int(match[0], 16))
        if not char or char.isalnum() or not char.isascii():
            raise PatternError(f"\\{char} may not be used", start)
        return char

    def _set(self, start: int) -> Node:
        negated = self._peek() == "^"
        self.at += negated
        mask, written, first = 0, "", True
        while first or self._peek() != "]":
            first = False
            if not self._peek():
                raise PatternError("a [ without its ]", start)
            bits, item = self._item()
            mask |= bits
            written += item
        self.at += 1
        if negated:
            return Chars(ALL & ~(mask & ~OTHERS), f"[^{written}]")
        return Chars(mask, f"[{written}]")

    def _item(self) -> tuple[int, str]:
        """Take one character, class or range of a set."""
        start = self.at
        if self._peek() == "\\":
            self.at += 1
            char = self._peek()
            if char in _CLASSES and char:
                self.at += 1
                return _CLASSES[char], "\\" + char
            low = self._escaped(start)
        else:
            low = self._peek()
            self.at += 1
        if self._peek() != "-" or self.pattern[self.at + 1 : self.at + 2] in {"]", ""}:
            return _bits((ord(low),)), _written(low)
        self.at += 1
        high = self._peek()
        self.at += 1
        if high == "\\":
            high = self._escaped(self.at - 1)
        if high < low:
            raise PatternError("a range that runs backwards", start)
        mask = _bits(range(ord(low), min(ord(high), 255) + 1))
        return mask | (OTHERS if ord(high) > 255 else 0), f"{_written(low)}-{_written(high)}"


def _one(char: str) -> Chars:
    return Chars(_bits((ord(char),)), _written(char))


def _written(char: str) -> str:
    """Return a character so that nothing in it can mean anything else."""
    return char if char.isascii() and char.isalnum() else f"\\U{ord(char):08x}"
