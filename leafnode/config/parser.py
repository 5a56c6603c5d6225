"""nats.conf text to a tree whose every node knows its file, line and column.

Knows blocks, arrays, `include` and variables; not which options exist. Reads a file only through
the function handed in. Truth: measured on nats-server 2.15.1; docs/configuration.md.
"""

from __future__ import annotations

import os.path
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

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


# nats-server takes one behind a value, or as the last of the file.
_ONE_TOO_MANY: Final = 'a "}" that closes nothing is passed over'
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
        lexer.skip_comments()
        if not lexer.take("{"):
            return self._map(0, closing="")
        # JSON: the whole file is one block.
        root = self._map(lexer.pos - 1, closing="}")
        lexer.skip_comments()
        while lexer.take("}"):
            self._warn(lexer.pos - 1, _ONE_TOO_MANY)
            lexer.skip_comments()
        if not lexer.at_end():
            raise lexer.error(lexer.pos, "expected nothing behind the outermost block")
        return root

    def from_environment(self, names: tuple[str, ...]) -> Node:
        """Parse the text as one value. `names` are the variables being resolved."""
        lexer = self._lexer
        lexer.skip_blanks()  # not comments: "#1" is a value here, as it is behind a key
        if lexer.at_end():
            return self._node("", 0)
        node = self._value(lexer.value(), 0, key="", names=names)
        lexer.skip_comments()
        if not lexer.at_end():
            raise lexer.error(lexer.pos, "expected one value")
        return node

    def _map(self, start: int, *, closing: str) -> Node:
        """Take what stands between the braces, the closing one too."""
        lexer = self._lexer
        self._deeper(start)
        entries: dict[str, Node] = {}
        self._scopes.append(entries)
        while True:
            lexer.skip_comments()
            if closing and lexer.take(closing):
                break
            if lexer.at_end():
                if closing and not (entries and self._is_outermost):
                    raise lexer.error(start, _NO_END)
                if closing:  # as there, behind a value that has an end of its own
                    self._warn(start, _NO_END)
                break
            if entries and not closing and lexer.take_last("}"):
                self._warn(lexer.pos - 1, _ONE_TOO_MANY)
                continue
            self._entry(entries, in_map=bool(closing))
            if not self._end_of_value(closing) and closing and lexer.at_end():
                raise lexer.error(start, _NO_END)
        self._scopes.pop()
        self._depth -= 1
        return self._node(entries, start, size=1 + sum(node.size for node in entries.values()))

    def _entry(self, entries: dict[str, Node], *, in_map: bool) -> None:
        lexer = self._lexer
        key = lexer.key()
        if lexer.is_include(key):
            for name, included in self._include().items():
                self._put(entries, name, included)
            return
        is_marked = lexer.separator(in_map=in_map)
        name = str(key.value)
        if self._has_no_value(in_map=in_map, is_marked=is_marked):
            node = self._node("", key.offset)
        else:
            node = self._value(lexer.value(), key.offset, key=name, names=())
        self._put(entries, name, node)

    @property
    def _is_outermost(self) -> bool:
        """Whether the block that is read is the file itself, in braces or not."""
        return len(self._scopes) == 1

    def _has_no_value(self, *, in_map: bool, is_marked: bool) -> bool:
        """Say whether what ends a value comes at once: that is an empty text, as there."""
        lexer = self._lexer
        if lexer.at_end():
            return is_marked and not in_map
        return lexer.peek() in ",;" or (is_marked and self._is_outermost and lexer.peek() == "}")

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
            items.append(self._value(lexer.value(), offset, key="", names=()))
            self._end_of_value("]")
        self._depth -= 1
        return self._node(items, start, size=1 + sum(node.size for node in items))

    def _end_of_value(self, closing: str) -> bool:
        """Take one separator: line end, comma, outside arrays a semicolon. Leave the closing mark;
        out of blocks it is a separator, too. Says whether there was one.
        """
        lexer = self._lexer
        line_ended = lexer.skip_comments()
        if lexer.take(",") or (closing != "]" and lexer.take(";")) or line_ended:
            return True
        if lexer.at_end():
            return False
        if not closing and lexer.take("}"):
            self._warn(lexer.pos - 1, _ONE_TOO_MANY)
            return True
        if not closing or lexer.peek() != closing:
            wanted = f'a line end, "," or "{closing}"' if closing else 'a line end, "," or ";"'
            raise lexer.error(
                lexer.pos, f"expected {wanted} after the value, got {quoted(lexer.peek())}"
            )
        return False

    def _value(self, token: Token, offset: int, *, key: str, names: tuple[str, ...]) -> Node:
        """Return the node of the value that begins with `token`; its place is that of `offset`."""
        if token.kind is Kind.MAP:
            node = self._map(token.offset, closing="}")
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
            hint = "put a value that begins with $ in quotes"
            raise self._lexer.error(token.offset, f"the variable {shown} is not defined; {hint}")
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
