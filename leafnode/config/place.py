"""A node together with its dotted path, and the one way a block is read: by a table of rows.

Knows nodes and errors; not any option. Adding an option is a row in bind.py and a field in
options.py. Truth: docs/configuration.md, "Errors".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from leafnode import limits
from leafnode.config.options import Idle
from leafnode.errors import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from leafnode.config.parser import Node
    from leafnode.errors import ConfigError

_LIKE_CHARS_MAX: Final = 40  # the search for a similar key is quadratic in its length


@dataclass(slots=True)
class Notes:
    """What is said of a file that is taken all the same.

    `deprecated` is what nats-server warns of, and `-t` refuses there; `idle` has no effect.
    """

    warnings: list[str] = field(default_factory=list)
    deprecated: list[str] = field(default_factory=list)
    idle: list[Idle] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Place:
    """One value of the tree, as a converter sees it. `path` is what errors call it."""

    node: Node
    path: str
    notes: Notes = field(default_factory=Notes, compare=False, repr=False)

    @property
    def where(self) -> str:
        """Return `file:line:column`."""
        return f"{self.node.file}:{self.node.line}:{self.node.column}"

    @property
    def name(self) -> str:
        """Return the key alone."""
        return self.path.rpartition(".")[2]

    def warn(self, problem: str) -> None:
        """Say something of a value that is taken."""
        if len(self.notes.warnings) < limits.CONFIG_WARNINGS_MAX:
            self.notes.warnings.append(f"{self.where}: {self.path}: {problem}")

    def deprecate(self, problem: str) -> None:
        """Say, with nats-server's text, that a value should be written in another way."""
        if len(self.notes.deprecated) < limits.CONFIG_WARNINGS_MAX:
            text = f"invalid use of field {quoted(self.name)}: {problem}"
            self.notes.deprecated.append(f"{self.where}: {text}")

    def error(self, problem: str) -> ConfigError:
        return self.node.error(self.path, problem)

    def expected(self, what: str) -> ConfigError:
        """Say what was expected and what came; for secrets use `error`."""
        return self.error(f"expected {what}, got {shown(self.node)}")

    def items(self, what: str) -> Iterator[Place]:
        """Return the places of an array's values. Raises ConfigError for anything else."""
        value = self.node.value
        if not isinstance(value, list):
            raise self.error(f"expected an array of {what}, got {_kind(self.node)}")
        return (
            Place(node, f"{self.path}[{index}]", self.notes) for index, node in enumerate(value)
        )

    def entries(self) -> dict[str, Node]:
        value = self.node.value
        if not isinstance(value, dict):
            # Only the kind: `authorization: s3cret` must not be repeated.
            raise self.error(f"expected a block, got {_kind(self.node)}")
        return value

    def child(self, key: str, node: Node) -> Place:
        return Place(node, f"{self.path}.{key}" if self.path else key, self.notes)


class Taken(NamedTuple):
    """A key without effect: what its value must be, and why nothing comes of it.

    An empty `reason`: nobody misses anything, and no warning is due. `name` is given where
    nats-server refuses to change it in a reload: its name for it; `default` is its value then.
    """

    convert: Callable[[Place], object]
    reason: str = ""
    name: str = ""
    default: object = ""


class Row(NamedTuple):
    """One option: its keys, the usual one first, the field it fills, and what makes the value."""

    keys: tuple[str, ...]
    field: str
    convert: Callable[[Place], object]


@dataclass(frozen=True, slots=True)
class Given:
    """What a block said: values by field, and where each came from, in the order of the text."""

    place: Place
    values: dict[str, Any] = field(repr=False)
    places: dict[str, Place] = field(repr=False)

    def need(self, name: str, what: str) -> None:
        """Raise ConfigError unless the field was given."""
        if name not in self.values:
            raise self.place.error(f"expected {what}")

    def exclude(self, one: str, other: str, problem: str) -> None:
        """Raise ConfigError, at the later of the two, when both were given."""
        if one in self.values and other in self.values:
            later = max(list(self.places).index(one), list(self.places).index(other))
            raise list(self.places.values())[later].error(problem)


@dataclass(frozen=True, slots=True)
class Block:
    """The keys one kind of block may hold, those that are taken without effect, and those that are
    refused with a reason.
    """

    rows: tuple[Row, ...]
    refused: Mapping[str, str] = field(default_factory=dict)
    taken: Mapping[str, Taken] = field(default_factory=dict)

    def read(self, place: Place) -> Given:
        """Convert every entry. Keys know no case; the last one for a field stands.

        Raises ConfigError for the first entry that is unknown, refused or malformed.
        """
        by_key = {key: row for row in self.rows for key in row.keys}
        given = Given(place, {}, {})
        for written, node in place.entries().items():
            key = written.lower()
            row = by_key.get(key)
            if row is None:
                self._no_option(place, key, written, node)
                continue
            where = place.child(key, node)
            if row.field in given.places:
                where.warn(f"replaces {quoted(given.places[row.field].name)}")
            for kept in (given.values, given.places):
                kept.pop(row.field, None)  # order is that of the last mention
            given.values[row.field] = row.convert(where)
            given.places[row.field] = where
        return given

    def _no_option(self, place: Place, key: str, written: str, node: Node) -> None:
        if taken := self.taken.get(key):
            where = place.child(key, node)
            value = taken.convert(where)
            if taken.name:
                where.notes.idle.append(Idle(taken.name, value, taken.default))
            if taken.reason:
                where.warn(f"taken without effect: {taken.reason}")
            return
        if key in self.refused:
            raise place.child(key, node).error(self.refused[key])
        if node.used:
            return  # a variable's definition
        problem = f"unknown field {quoted(written)}"
        if near := self._near(key):
            problem += f", did you mean {quoted(near)}?"
        raise node.error(place.path, problem)

    def _near(self, key: str) -> str:
        from difflib import get_close_matches  # only a wrong file pays for it

        keys = [known for row in self.rows for known in row.keys]
        keys += [*self.taken, *self.refused]
        found = get_close_matches(key[:_LIKE_CHARS_MAX], keys, n=1, cutoff=0.7)
        return found[0] if found else ""


def no_duplicates(place: Place, names: list[str], what: str) -> None:
    """Raise ConfigError at the second of two equal names of an array's values."""
    seen: set[str] = set()
    for item, name in zip(place.items(what), names, strict=True):
        if name in seen:
            raise item.error(f"the {what} {quoted(name)} stands twice")
        seen.add(name)


def shown(node: Node) -> str:
    """Return what a node is, for an error: a short value itself, else its kind."""
    value = node.value
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return _kind(node)


def _kind(node: Node) -> str:
    value = node.value
    if isinstance(value, dict):
        return "a block"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, bool):
        return "a boolean"
    return "a number" if isinstance(value, int | float) else "a date"
