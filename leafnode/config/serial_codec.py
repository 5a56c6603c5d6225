"""`codec` of a serial port: for each type a table of its keys, and the rules among them.

Knows codecs by their options; not what they decode. Truth: docs/serial/codecs.md.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.config import convert, pattern, pattern_cost, serial_bounds, serial_exec
from leafnode.config.place import Row, no_duplicates
from leafnode.config.serial_stage_options import CodecOptions
from leafnode.config.variant import TYPE, variant

if TYPE_CHECKING:
    from leafnode.config.place import Given, Place

# Those that return fields, and those whose fields the configuration names.
KNOW_FIELDS: Final = frozenset(
    {
        *("csv", "keyvalue", "regex", "struct", "cbor", "nmea", "toledo", "sics", "dsmr", "gs1"),
        *("json", "exec"),
    }
)
_NAMED: Final = frozenset({"csv", "struct"})
_LAYOUT: Final = re.compile(r"[<>!](?:[0-9]{0,4}[xcbB?hHiIlLqQefds ])+")


def codec(place: Place) -> CodecOptions:
    given = variant(place, TABLES)
    values = given.values
    if values[TYPE] == "regex":
        _compile(given)
    if values[TYPE] == "exec":
        serial_exec.complete(given)
    return CodecOptions(**values)


def with_fields(options: CodecOptions, names: tuple[str, ...], place: Place) -> CodecOptions:
    """Return the codec with the names that stand beside it. Raises where it has no use for them."""
    from dataclasses import replace

    if options.type not in _NAMED:
        raise place.error("expected codec csv or struct beside fields")
    if options.fields:
        raise place.error("expected fields only once: they also stand in codec")
    return replace(options, fields=names)


def check(options: CodecOptions, place: Place) -> None:
    """Check what holds once all names are known."""
    if options.type in _NAMED and not options.fields:
        what = "columns" if options.type == "csv" else "values"
        raise place.error(f"expected fields, the names of the {what}, beside codec {options.type}")
    if options.type == "struct":
        if not options.layout:
            raise place.error('expected a block with format, like "<Hf"')
        count = len(struct.unpack(options.layout, bytes(struct.calcsize(options.layout))))
        if count != len(options.fields):
            raise place.error(f"expected {count} fields for this format, got {len(options.fields)}")


def fields(place: Place) -> tuple[str, ...]:
    names = convert.list_of(convert.text, "column names")(place)
    if len(names) > serial_bounds.READING_FIELDS_MAX:
        raise place.error(f"expected at most {serial_bounds.READING_FIELDS_MAX} names")
    if isinstance(place.node.value, list):
        no_duplicates(place, list(names), "field")
    return names


def names_of(options: CodecOptions) -> tuple[str, ...] | None:
    """Return the names of the fields where the configuration knows all of them."""
    return options.fields or None


def _compile(given: Given) -> None:
    """Check what the pattern may cost, and keep it as it was understood."""
    given.need("pattern", "pattern, a regular expression with (?P<name>…)")
    place = given.places["pattern"]
    text, size = given.values["pattern"], given.values.get("max_input", CodecOptions().max_input)
    try:
        tree, names = pattern.parse(text)
        built = pattern_cost.automaton(tree)
        cost = pattern_cost.steps(built, size)
    except pattern.PatternError as err:
        raise place.error(f"{err.problem}, at character {err.at + 1}") from err
    if cost > serial_bounds.PATTERN_STEPS_MAX:
        raise place.error(_too_costly(built, size))
    given.values["pattern"] = pattern.text(tree)
    given.values["fields"] = names


def _too_costly(built: pattern_cost.Automaton, size: int) -> str:
    """Say for which size of readings the pattern could be taken."""
    low, high = 0, size
    while high - low > 1:
        middle = (low + high) // 2
        if pattern_cost.steps(built, middle) > serial_bounds.PATTERN_STEPS_MAX:
            high = middle
        else:
            low = middle
    most = serial_bounds.PATTERN_STEPS_MAX
    return (
        f"a reading of {size} characters may take more than {most} steps: "
        f"set max_input to at most {low}, or let what follows a repetition differ from it"
    )


def _layout(place: Place) -> str:
    value = convert.text(place)
    if not _LAYOUT.fullmatch(value):
        raise place.expected("a format of struct that begins with <, > or !, like <Hf")
    try:
        size = struct.calcsize(value)
    except struct.error as err:
        raise place.error(f"expected a format of struct: {err}") from err
    if not 0 < size <= limits.MIB:
        raise place.expected("a format of 1 byte to 1 MiB")
    return value


def _separator(place: Place) -> str:
    value = place.node.value
    if not isinstance(value, str) or not 1 <= len(value) <= serial_bounds.FRAME_MARK_BYTES_MAX:
        raise place.expected("1 to 64 characters")
    return value


def _column_separator(place: Place) -> str:
    value = _separator(place)
    if len(value) != 1 or value in '"\r\n ' or not value.isascii():
        raise place.expected("one character that is no quote, blank or line end")
    return value


_FIELDS: Final = Row(("fields",), "fields", fields)

TABLES: Final[dict[str, tuple[Row, ...]]] = {
    "text": (),
    "raw": (),
    "json": (),
    "csv": (_FIELDS, Row(("separator",), "separator", _column_separator)),
    "keyvalue": (
        Row(("separator",), "separator", _separator),
        Row(("assign",), "assign", _separator),
    ),
    "regex": (
        Row(("pattern",), "pattern", convert.text),
        Row(
            ("max_input",),
            "max_input",
            convert.number(1, serial_bounds.PATTERN_INPUT_MAX, "characters"),
        ),
    ),
    "struct": (_FIELDS, Row(("format",), "layout", _layout)),
    "cbor": (),
    "nmea": (),
    "toledo": (),
    "sics": (),
    "dsmr": (),
    "gs1": (),
    "exec": serial_exec.ROWS,
}
