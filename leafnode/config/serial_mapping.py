"""`mapping` and `subject` of a serial port: their keys, and what must hold among them.

Knows fields by their names; not what becomes of readings. Truth: docs/serial/mapping.md.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from leafnode.config import convert, serial_bounds
from leafnode.config.place import Block, Place, Row, no_duplicates
from leafnode.config.serial_codec import KNOW_FIELDS, names_of
from leafnode.config.serial_stage_options import FieldOptions, MappingOptions
from leafnode.errors import quoted

if TYPE_CHECKING:
    from leafnode.config.place import Given
    from leafnode.config.serial_options import SerialPort

_PLACE: Final = re.compile(r"\{([^{}]*)\}")
_FIELD_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HEADER_NAME: Final = re.compile(r"[!-9;-~]{1,64}")
_OF_BOARD: Final = frozenset({"device", "name"})
_FUNCTIONS: Final = ("min", "max", "mean", "last", "count")
_HEADERS_MAX: Final = 16


def mapping(place: Place) -> MappingOptions:
    given = _MAPPING.read(place)
    values = given.values
    aggregate: dict[str, Any] = values.pop("aggregate", {})
    if aggregate:
        for key in ("min_interval_ns", "max_silence_ns", "ignore_repeats_ns"):
            if key in values:
                raise given.places[key].error("has no place beside aggregate")
        if any(field.deadband is not None for field in values.get("fields", ())):
            raise given.places["fields"].error("a deadband has no place beside aggregate")
    return MappingOptions(**values, **aggregate)


def check(port: SerialPort, given: Given) -> None:
    """Check what mapping, codec, framing and subject must agree on."""
    where = given.places.get("mapping") or given.place
    if problem := template_problem(port):
        raise given.places["subject"].error(problem)
    known = names_of(port.codec)
    _check_frame(port, given)
    if port.codec.type not in KNOW_FIELDS and needs_fields(port):
        raise where.error(f"codec {port.codec.type} knows no fields")
    if port.mapping.every_ns and "{field}" in port.subject:
        raise where.error("aggregate publishes whole readings: expected no {field} in subject")
    for _, value in port.mapping.headers:
        if problem := _places_problem(value, port, "a header"):
            raise where.error(problem)
    if known is not None:
        for name in (*port.mapping.select, *(field.name for field in port.mapping.fields)):
            if name not in known:
                raise where.error(f"the codec has no field {quoted(name)}")
    renamed = {field.name: field.rename or field.name for field in port.mapping.fields}
    published = dict.fromkeys(port.mapping.select or (*(known or ()), *renamed))
    if len({renamed.get(name, name) for name in published}) != len(published):
        raise where.error("two fields have the same name")


def _check_frame(port: SerialPort, given: Given) -> None:
    """What takes a frame in one go and looks at each byte has no time for a large one."""
    most, size = serial_bounds.CODEC_FRAME_MAX, port.framing.max_frame_bytes
    if size <= most:
        return
    where = given.places.get("framing") or given.place
    if port.framing.type == "text_link":
        raise where.error(f"text_link takes lines of {most} bytes at most, and max_frame is {size}")
    if port.codec.type in KNOW_FIELDS and port.codec.type != "exec":
        raise where.error(
            f"codec {port.codec.type} takes frames of {most} bytes at most, and max_frame is "
            f"{size}: raw, text and exec take larger ones"
        )


def needs_fields(port: SerialPort) -> bool:
    """Say whether anything asks for the fields of a reading."""
    mapping = port.mapping
    texts = (port.subject, *(value for _, value in mapping.headers))
    places = {name for text in texts for name in _PLACE.findall(text)}
    return bool(
        mapping.select
        or mapping.fields
        or mapping.every_ns
        or mapping.timestamp == "field"
        or places - _OF_BOARD - {"port"}
    )


def template_problem(port: SerialPort) -> str:
    """Say what is wrong with a port's subject, or return "".

    The first token must be the configuration's own: a device that could choose it could publish to
    `$JS.` or to somebody's inbox.
    """
    if problem := _places_problem(port.subject, port, "a subject"):
        return problem
    # What stands in the place of a field is one word, as a board's name may be.
    plain = _PLACE.sub(lambda place: place[0] if place[1] == "port" else "{name}", port.subject)
    return convert.template_problem(plain, port.name, framing="link")


def _places_problem(text: str, port: SerialPort, what: str) -> str:
    """Say what is wrong with the places of a template, or return ""."""
    known = names_of(port.codec)
    for name in _PLACE.findall(text):
        if name == "port" or (name == "field" and what == "a subject"):
            continue
        if name in _OF_BOARD:
            if port.framing.type not in convert.NAMING_FRAMINGS:
                return "{device} and {name} need modbus, link or text_link: others name neither"
        elif not _FIELD_NAME.fullmatch(name) or name == "field":
            return f"{{{name}}} is unknown: use {{port}}, {{device}}, {{name}} or a field"
        elif port.codec.type not in KNOW_FIELDS:
            return f"{{{name}}} is a field, and codec {port.codec.type} knows none"
        elif known is not None and name not in known:
            return f"{{{name}}} is no field of the codec"
    return ""


def _fields(place: Place) -> tuple[FieldOptions, ...]:
    entries = place.entries()
    if len(entries) > serial_bounds.READING_FIELDS_MAX:
        raise place.error(f"expected at most {serial_bounds.READING_FIELDS_MAX} fields")
    return tuple(
        FieldOptions(name, **_FIELD.read(place.child(name, node)).values)
        for name, node in entries.items()
        if not node.used
    )


def _headers(place: Place) -> tuple[tuple[str, str], ...]:
    headers = []
    for name, node in place.entries().items():
        where = place.child(name, node)
        if not _HEADER_NAME.fullmatch(name):
            raise where.error("expected a header name: printable ASCII without blank and colon")
        if name.lower().startswith(("nats-", "leafnode-")):
            raise where.error("Nats- and Leafnode- are not for headers of a configuration")
        headers.append((name, convert.text(where)))
    if len(headers) > _HEADERS_MAX:
        raise place.error(f"expected at most {_HEADERS_MAX} headers")
    return tuple(headers)


def _functions(place: Place) -> tuple[str, ...]:
    functions = convert.list_of(convert.one_of(*_FUNCTIONS), "functions")(place)
    if isinstance(place.node.value, list):
        no_duplicates(place, list(functions), "function")
    return functions


def _aggregate(place: Place) -> dict[str, Any]:
    given = _AGGREGATE.read(place)
    given.need("every_ns", "every, how long readings are gathered")
    return given.values


def _timestamp(place: Place) -> str:
    return convert.one_of("field", "header")(place)


def number(place: Place) -> float:
    value = place.node.value
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise place.expected("a number")
    return value


def number_but_zero(place: Place) -> float:
    value = number(place)
    if not value:
        raise place.error("expected a number other than zero")
    return value


def _not_negative(place: Place) -> float:
    value = number(place)
    if value < 0:
        raise place.error("expected zero or more")
    return value


_FIELD: Final = Block(
    (
        Row(("rename",), "rename", convert.text),
        Row(("unit",), "unit", convert.text),
        Row(("scale",), "scale", number_but_zero),
        Row(("offset",), "offset", number),
        Row(("digits",), "digits", convert.number(0, 12, "digits")),
        Row(("deadband",), "deadband", _not_negative),
    )
)
_AGGREGATE: Final = Block(
    (
        Row(("every",), "every_ns", convert.duration),
        Row(("functions",), "functions", _functions),
    )
)
_MAPPING: Final = Block(
    (
        Row(("select",), "select", convert.list_of(convert.text, "field names")),
        Row(("fields",), "fields", _fields),
        Row(("min_interval",), "min_interval_ns", convert.wait),
        Row(("max_silence",), "max_silence_ns", convert.duration),
        Row(("ignore_repeats",), "ignore_repeats_ns", convert.wait),
        Row(("aggregate",), "aggregate", _aggregate),
        Row(("timestamp",), "timestamp", _timestamp),
        Row(("headers",), "headers", _headers),
    )
)
