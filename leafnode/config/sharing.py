"""`exports` and `imports` of an account: streams to receive, services to ask.

Knows the keys of one entry; import_check knows which imports make sense. Truth: nats-server 2.15.1
server/opts.go parseExportStreamOrService, parseImportStreamOrService (measured).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from leafnode.config import convert
from leafnode.config.account_options import (
    LatencyOptions,
    ResponseType,
    ServiceExport,
    ServiceImport,
    StreamExport,
    StreamImport,
)
from leafnode.config.place import Block, Given, Place, Row
from leafnode.errors import quoted

if TYPE_CHECKING:
    from collections.abc import Callable

_ALL_PERCENT: Final = 100
_PERCENTAGE: Final = re.compile("[0-9]+%?")
_TOKENS_MAX: Final = 255
_RESPONSES: Final = {
    "single": ResponseType.SINGLETON,
    "singleton": ResponseType.SINGLETON,
    "stream": ResponseType.STREAM,
    "chunk": ResponseType.CHUNKED,
    "chunked": ResponseType.CHUNKED,
}
_OF_SERVICES: Final = {
    "response_type": "response",
    "threshold_ns": "response",
    "latency": "latency",
    "allow_trace": "allow_trace",
}


def exports(place: Place) -> tuple[StreamExport | ServiceExport, ...]:
    return tuple(_export(item) for item in place.items("exports"))


def imports(place: Place) -> tuple[StreamImport | ServiceImport, ...]:
    return tuple(_import(item) for item in place.items("imports"))


def percent(low: int) -> Callable[[Place], int]:
    """Return a converter of percentages up to 100, as `50` or `"50%"`."""

    def convert_percent(place: Place) -> int:
        value = place.node.value
        if isinstance(value, str) and _PERCENTAGE.fullmatch(value):
            value = int(value.removesuffix("%")[:4])
        if (
            not isinstance(value, int)
            or isinstance(value, bool)
            or not low <= value <= _ALL_PERCENT
        ):
            raise place.expected(f"a percentage from {low} to {_ALL_PERCENT}")
        return value

    return convert_percent


def _export(place: Place) -> StreamExport | ServiceExport:
    given = _EXPORT.read(place)
    given.exclude("stream", "service", "expected a stream or a service, not both")
    values = given.values
    if "stream" in values:
        for name, directive in _OF_SERVICES.items():
            if name in values:
                raise given.places[name].error(f"Detected {directive} directive on non-service")
        export: StreamExport | ServiceExport = StreamExport(values.pop("stream"), **values)
    elif "service" in values:
        export = ServiceExport(values.pop("service"), **values)
    else:
        raise place.error("expected a stream or a service")
    _check_token_position(given, export)
    if isinstance(export, ServiceExport):
        _check_latency(given, export)
    return export


def _check_latency(given: Given, export: ServiceExport) -> None:
    """Only one answer can be measured."""
    latency = export.latency
    if latency is None or export.response_type is ResponseType.SINGLETON:
        return
    subjects = f"{quoted(export.subject)} on subject {quoted(latency.subject)}"
    problem = f"Error adding service latency sampling for {subjects}: bad service response type"
    raise given.places["latency"].error(problem)


def _check_token_position(given: Given, export: StreamExport | ServiceExport) -> None:
    """Where the importer's name stands must be one wildcard of the subject."""
    position = export.account_token_position
    if not position:
        return
    where = given.places["account_token_position"]
    if export.accounts is not None:
        raise where.error("expected accounts or account_token_position, not both")
    tokens = export.subject.split(".")
    if position > len(tokens) or tokens[position - 1] != "*":
        raise where.expected(f"the position of a * in {export.subject}")


def _accounts(place: Place) -> tuple[str, ...] | None:
    """Return who may import; an empty list is everybody, as nats-server has it."""
    return tuple(convert.text(item) for item in place.items("accounts")) or None


def _response_type(place: Place) -> ResponseType:
    return _RESPONSES[convert.one_of(*_RESPONSES)(place)]


def _latency(place: Place) -> LatencyOptions:
    if not isinstance(place.node.value, dict):
        return LatencyOptions(convert.literal_subject(place))
    given = _LATENCY.read(place)
    given.need("subject", "subject, where the measurements go")
    return LatencyOptions(**given.values)


def _sampling(place: Place) -> int:
    value = place.node.value
    if isinstance(value, str) and value.strip().lower() == "headers":
        return 0
    return percent(1)(place)


def _import(place: Place) -> StreamImport | ServiceImport:
    given = _IMPORT.read(place)
    given.exclude("stream", "service", "expected a stream or a service, not both")
    values = given.values
    for key in ("prefix", "to"):
        if not values.get(key):
            values.pop(key, None)  # an empty one asks for nothing
    if "stream" in values:
        # From run to run nats-server refuses that or has `prefix` win: it goes by a map's order.
        given.exclude("prefix", "to", "Stream import can not have a 'prefix' and a 'to' property")
        prefix = values.get("prefix", "")
        if prefix and not convert.is_literal_subject(prefix.removesuffix(".")):
            where = given.places["prefix"]
            raise where.error("stream import prefix can not contain wildcard tokens")
        values.pop("share", None)  # nats-server takes it and it has no meaning
        return StreamImport(**values.pop("stream"), **values, node=place.node)
    if "service" not in values:
        raise place.error("expected a stream or a service")
    if "allow_trace" in values:
        raise given.places["allow_trace"].error("Detected allow_trace directive on a non-stream")
    values.pop("prefix", None)  # the same
    return ServiceImport(**values.pop("service"), **values, node=place.node)


def _from(place: Place) -> dict[str, Any]:
    given = _FROM.read(place)
    if len(given.values) < len(_FROM.rows):
        raise place.error("Expect an account name and a subject")
    return given.values


def _subject_or_none(place: Place) -> str:
    return "" if place.node.value == "" else convert.subject(place)


_LATENCY: Final = Block(
    (
        Row(("subject",), "subject", convert.literal_subject),
        Row(("sampling",), "sampling_percent", _sampling),
    )
)
_EXPORT: Final = Block(
    (
        Row(("stream",), "stream", convert.subject),
        Row(("service",), "service", convert.subject),
        Row(("accounts",), "accounts", _accounts),
        Row(("response", "response_type"), "response_type", _response_type),
        Row(
            ("threshold", "response_threshold", "response_max_time", "response_time"),
            "threshold_ns",
            convert.duration,
        ),
        Row(("latency",), "latency", _latency),
        Row(
            ("account_token_position",),
            "account_token_position",
            convert.number(0, _TOKENS_MAX, "a position"),
        ),
        Row(("allow_trace",), "allow_trace", convert.boolean),
    )
)
_FROM: Final = Block(
    (
        Row(("account",), "account", convert.text),
        Row(("subject",), "subject", convert.subject),
    )
)
_IMPORT: Final = Block(
    (
        Row(("stream",), "stream", _from),
        Row(("service",), "service", _from),
        Row(("to",), "to", _subject_or_none),
        Row(("prefix",), "prefix", convert.text_or("")),
        Row(("share",), "share", convert.boolean),
        Row(("allow_trace",), "allow_trace", convert.boolean),
    )
)
