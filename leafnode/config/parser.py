"""nats.conf text to a tree whose every node knows its file, line and column.

Knows blocks, arrays, `include` and variables; not which options exist. Reads a file only through
the function handed in. Truth: measured on nats-server 2.15.1; docs/configuration.md.
"""

from __future__ import annotations

import os.path
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from leafnode import limits
from leafnode.config.lexer import Kind, Lexer, Token
from leafnode.errors import ConfigError, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    ReadFile: TypeAlias = Callable[[str], str]

Value: TypeAlias = "str | int | float | bool | datetime | list[Node] | dict[str, Node]"

# What stands behind these keys is never repeated in an error, not even as the name of a variable:
# `password: $tr0ng` is an undefined variable and a secret. `nkey` may hold a seed inline.
SECRET_KEYS: Final = frozenset({"password", "pass", "token", "nkey", "seed"})

# What Python makes of bytes of the environment that are no UTF-8.
_NO_UNICODE: Final = re.compile("[\ud800-\udfff]")


@dataclass(slots=True, eq=False, repr=False)
class Node:
    """One value and where it stands: its key's place inside a block, else its own.

    `used` is set when a variable referred to it, so that its key need not be an option. `size`
    counts the nodes below, variables resolved. There is no repr: a node may hold a secret.
    """

    value: Value
    file: str
    line: int
    column: int
    size: int = 1
    used: bool = False

    def error(self, path: str, problem: str) -> ConfigError:
        return ConfigError(self.file, self.line, self.column, path, problem)


@dataclass(frozen=True, slots=True, repr=False)
class Tree:
    """A whole file: its outermost block, and what is allowed but probably a slip."""

    root: Node
    warnings: tuple[str, ...]


class _Within(NamedTuple):
    """What a value stands in: what closes it, and which marks end one value of it, as there."""

    closing: str
    ends: str
    wanted: str


_FILE: Final = _Within("", ",;}", 'a line end, "," or ";"')
_BRACES: Final = _Within("}", ",;", 'a line end, "," or "}"')  # of the file itself
_BLOCK: Final = _Within("}", ",;/", 'a line end, "," or "}"')
_ARRAY: Final = _Within("]", ",/", 'a line end, "," or "]"')

# nats-server takes one behind a value, or as the last of the file.
_ONE_TOO_MANY: Final = 'a "}" that closes nothing is passed over'
_SLASH: Final = 'a "/" that begins no comment is passed over'
_NO_END: Final = 'the block has no closing "}"'


def no_files(path: str) -> str:
    """The reader for a text that may include nothing."""
    raise OSError(f"{path}: includes are not allowed here")


def parse(
    text: str, file: str, *, env: Mapping[str, str] | None = None, read: ReadFile = no_files
) -> Tree:
    """Return the tree of a text. Raises ConfigError, whatever the text is.

    `env` answers variables that no enclosing block defines before their use. `read` returns the
    text of an included file or raises OSError or UnicodeDecodeError.
    """
    shared = _Shared(env or {}, read, [], chars=len(text))
    root = _Parser(text, file, shared, (os.path.realpath(file),)).document()
    return Tree(root, tuple(shared.warnings))


@dataclass(slots=True)
class _Shared:
    """What a file and the files it includes have in common."""

    env: Mapping[str, str]
    read: ReadFile
    warnings: list[str]
    chars: int
    files: int = 0
    nodes: int = 0

    def warn(self, text: str) -> None:
        if len(self.warnings) < limits.CONFIG_WARNINGS_MAX:
            self.warnings.append(text)


class _Parser:
    """Parses one text. Recursion is bounded by CONFIG_DEPTH_MAX and CONFIG_INCLUDE_DEPTH_MAX."""

    def __init__(
        self, text: str, file: str, shared: _Shared, open_files: tuple[str, ...], depth: int = 0
    ) -> None:
        self._lexer = Lexer(text, file)
        self._file = file
        self._shared = shared
        self._open_files = open_files
        self._scopes: list[dict[str, Node]] = []
        self._depth = depth

    def document(self) -> Node:
        lexer = self._lexer
        self._deeper(0)
        entries: dict[str, Node] = {}
        self._scopes.append(entries)
        lexer.skip_comments()
        while not lexer.at_end():
            if lexer.take("{"):
                self._braces(entries)
            elif entries and lexer.take_last_brace():
                self._warn(lexer.pos - 1, _ONE_TOO_MANY)
            else:
                self._entry(entries, _FILE)
                self._end_of_value(_FILE)
            lexer.skip_comments()
        self._scopes.pop()
        self._depth -= 1
        return self._node(entries, 0, size=1 + sum(node.size for node in entries.values()))

    def from_environment(self, names: tuple[str, ...]) -> Node:
        """Parse the text as one value. `names` are the variables being resolved."""
        lexer = self._lexer
        lexer.skip_spaces()  # not comments: "#1" is a value here, as it is behind a key
        if self._has_no_value(_FILE, is_marked=True):
            node = self._node("", 0)
        else:
            node = self._value(lexer.value(), 0, key="", names=names)
        self._end_of_value(_FILE)
        lexer.skip_comments()
        if not lexer.at_end():
            raise lexer.error(lexer.pos, "expected one value")
        return node

    def _braces(self, entries: dict[str, Node]) -> None:
        """Take what stands in braces without a key: entries of the file, as in JSON. Braces may
        stand in braces, and the end of the file ends them all behind the end of a value.
        """
        lexer = self._lexer
        opening = lexer.pos - 1
        level = 1
        while level:
            lexer.skip_comments()
            if lexer.at_end():
                self._warn(opening, _NO_END)
                return
            if lexer.take("{"):
                level += 1
                continue
            if lexer.take("}"):
                level -= 1
                ended = not level or self._end_of_braces()
            else:
                self._entry(entries, _BRACES)
                ended = self._end_of_value(_BRACES)
            if not ended and lexer.at_end():
                raise lexer.error(opening, _NO_END)

    def _map(self, start: int) -> Node:
        """Take what stands between the braces, the closing one too."""
        lexer = self._lexer
        self._deeper(start)
        entries: dict[str, Node] = {}
        self._scopes.append(entries)
        lexer.skip_comments()
        while not lexer.take("}"):
            if lexer.at_end():
                raise lexer.error(start, _NO_END)
            self._entry(entries, _BLOCK)
            self._end_of_value(_BLOCK)
            lexer.skip_comments()
        self._scopes.pop()
        self._depth -= 1
        return self._node(entries, start, size=1 + sum(node.size for node in entries.values()))

    def _entry(self, entries: dict[str, Node], within: _Within) -> None:
        lexer = self._lexer
        key = lexer.key(in_map=within is _BLOCK)
        if lexer.is_include(key):
            for name, included in self._include().items():
                self._put(entries, name, included)
            return
        is_marked = lexer.separator(in_map=within is _BLOCK)
        name = str(key.value)
        if self._has_no_value(within, is_marked=is_marked):
            node = self._node("", key.offset)
        else:
            node = self._value(lexer.value(), key.offset, key=name, names=())
        self._put(entries, name, node)

    def _has_no_value(self, within: _Within, *, is_marked: bool) -> bool:
        """Say whether what ends a value comes at once: that is an empty text, as there."""
        lexer = self._lexer
        if within is _BLOCK:
            return lexer.peek() == ";"
        return is_marked if lexer.at_end() else lexer.peek() in ",;}"

    def _put(self, entries: dict[str, Node], key: str, node: Node) -> None:
        """Enter the value; the last one of a key stands, as it does on nats-server."""
        old = entries.pop(key, None)
        if old is not None:
            place = f"{old.file}:{old.line}:{old.column}"
            self._shared.warn(
                f"{node.file}:{node.line}:{node.column}: {quoted(key)} replaces the one of {place}"
            )
        entries[key] = node

    def _warn(self, offset: int, problem: str) -> None:
        line, column = self._lexer.place(offset)
        self._shared.warn(f"{self._file}:{line}:{column}: {problem}")

    def _array(self, start: int) -> Node:
        lexer = self._lexer
        self._deeper(start)
        items: list[Node] = []
        while True:
            lexer.skip_comments()
            if lexer.take("]"):
                break
            if lexer.at_end():
                raise lexer.error(start, 'the array has no closing "]"')
            offset = lexer.pos
            items.append(self._value(lexer.value(in_array=True), offset, key="", names=()))
            self._end_of_value(_ARRAY)
        self._depth -= 1
        return self._node(items, start, size=1 + sum(node.size for node in items))

    def _end_of_value(self, within: _Within) -> bool:
        """Take what ends a value: the line's end or one of the marks; a closing one is left.

        Say whether there was one. A mark on the next line would be a value of its own.
        """
        lexer = self._lexer
        while True:
            lexer.skip_spaces()
            if lexer.skip_comment():
                continue
            if lexer.at_end() or lexer.peek() == within.closing:
                return False
            if lexer.take("\n") or lexer.take("\r"):
                return True
            mark = lexer.peek()
            if mark != "/" and mark not in within.ends:
                problem = f"expected {within.wanted} after the value, got {quoted(mark)}"
                raise lexer.error(lexer.pos, problem)
            lexer.take(mark)
            if mark in "/}":
                self._warn(lexer.pos - 1, _SLASH if mark == "/" else _ONE_TOO_MANY)
            if mark in within.ends:
                return True

    def _end_of_braces(self) -> bool:
        """Take what stands behind the end of braces that lie in braces, as an end of a value."""
        lexer = self._lexer
        while True:
            lexer.skip_spaces()
            if lexer.skip_comment() or lexer.take(",") or lexer.take(";"):
                return True
            if lexer.at_end() or lexer.peek() == "}":
                return False
            if not (lexer.take("\n") or lexer.take("\r") or lexer.take("/")):
                problem = f'expected "," or "}}" behind the braces, got {quoted(lexer.peek())}'
                raise lexer.error(lexer.pos, problem)

    def _value(self, token: Token, offset: int, *, key: str, names: tuple[str, ...]) -> Node:
        """Return the node of the value that begins with `token`; its place is that of `offset`."""
        if token.kind is Kind.MAP:
            node = self._map(token.offset)
        elif token.kind is Kind.ARRAY:
            node = self._array(token.offset)
        elif token.kind is Kind.VARIABLE:
            return self._variable(token, offset, secret=key.lower() in SECRET_KEYS, names=names)
        else:
            return self._node(token.value, offset)
        node.line, node.column = self._lexer.place(offset)
        return node

    def _variable(self, token: Token, offset: int, *, secret: bool, names: tuple[str, ...]) -> Node:
        name = str(token.value)
        shown = "here" if secret else f"${name}"
        for scope in reversed(self._scopes):
            if name in scope:
                found = scope[name]
                found.used = True
                return self._node(found.value, offset, size=found.size)
        if name in names:
            raise self._lexer.error(token.offset, f"the variable {shown} refers to itself")
        text = self._shared.env.get(name)
        if text is None:
            raise self._lexer.error(
                token.offset,
                f"the variable {shown} is not defined: set it in the environment or above in this "
                "file; a text that begins with $ needs quotes",
            )
        if _NO_UNICODE.search(text):
            raise self._lexer.error(
                token.offset, f"the environment's value of the variable {shown} is not UTF-8"
            )
        try:
            inner = _Parser(text, self._file, self._shared, (), self._depth + 1)
            found = inner.from_environment((*names, name))
        except ConfigError as err:
            # Its text stays out of the message: such variables carry secrets.
            problem = f"the environment's value of the variable {shown} cannot be parsed as a value"
            raise self._lexer.error(
                token.offset, f"{problem}; put quotes inside it when it is text"
            ) from err
        return self._node(found.value, offset, size=found.size)

    def _include(self) -> dict[str, Node]:
        """Return the entries of the file named next. It does not see the variables of this one."""
        lexer = self._lexer
        token = lexer.include_path()
        path = os.path.join(os.path.dirname(self._file), str(token.value))  # noqa: PTH118, PTH120 -- keeps "./" out of messages
        real = os.path.realpath(path)
        if real in self._open_files:
            raise lexer.error(token.offset, f"{quoted(path)} includes itself")
        self._shared.files += 1
        if len(self._open_files) > limits.CONFIG_INCLUDE_DEPTH_MAX:
            raise lexer.error(token.offset, "files are included too deeply")
        if self._shared.files > limits.CONFIG_FILES_MAX:
            raise lexer.error(token.offset, "too many files are included")
        text = self._read(path, token)
        self._shared.chars += len(text)
        if self._shared.chars > limits.CONFIG_BYTES_MAX:
            most = f"at most {limits.CONFIG_BYTES_MAX} bytes are read"
            raise lexer.error(token.offset, f"the configuration is too large with it, {most}")
        inner = _Parser(text, path, self._shared, (*self._open_files, real), self._depth)
        entries = inner.document().value
        assert isinstance(entries, dict), "a document is a block"
        return entries

    def _read(self, path: str, token: Token) -> str:
        try:
            return self._shared.read(path)
        except OSError as err:
            problem = f"cannot read {quoted(path)}: {err.strerror or err}"
        except UnicodeDecodeError:
            problem = f"{quoted(path)} is not UTF-8"
        raise self._lexer.error(token.offset, problem)

    def _deeper(self, offset: int) -> None:
        self._depth += 1
        if self._depth > limits.CONFIG_DEPTH_MAX:
            raise self._lexer.error(offset, "blocks and arrays are nested too deeply")

    def _node(self, value: Value, offset: int, *, size: int = 1) -> Node:
        self._shared.nodes += 1
        if size > limits.CONFIG_NODES_MAX or self._shared.nodes > limits.CONFIG_NODES_MAX:
            raise self._lexer.error(offset, "the configuration has too many values")
        line, column = self._lexer.place(offset)
        return Node(value, self._file, line, column, size)
