"""The blocks of a configuration: for each a table of its keys, and the rules among its values.

Knows jetstream, store and serial; not the options outside of blocks, nor the
blocks with a file of their own, and not what an option does. Truth: nats-server 2.15.1 for its keys
(measured), for ours docs/configuration.md.
"""

from __future__ import annotations

from typing import Any, Final

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.config import convert, refused, taken
from leafnode.config.options import (
    JetStreamLimits,
    JetStreamOptions,
    SerialOptions,
    SerialPort,
    StoreOptions,
)
from leafnode.config.place import Block, Place, Row, no_duplicates

_BAUD_MAX: Final = 12_000_000  # the fastest USB adapters


# --- jetstream


def jetstream(place: Place) -> JetStreamOptions:
    value = place.node.value
    if isinstance(value, bool):
        return JetStreamOptions(enabled=value)
    if isinstance(value, str):
        word = convert.one_of("enabled", "enable", "disabled", "disable")(place)
        return JetStreamOptions(enabled=word.startswith("enable"))
    return JetStreamOptions(**_JETSTREAM.read(place).values)


def _limits(place: Place) -> JetStreamLimits:
    values = _LIMITS.read(place).values
    return JetStreamLimits(**{**values.pop("batch", {}), **values})


def _batch(place: Place) -> dict[str, Any]:
    return _BATCH.read(place).values


def _ha_assets(place: Place) -> int:
    place.warn("taken without effect: there is no cluster")
    return _BOUND(place)


_BOUND: Final = convert.number(0, 2**31 - 1, "a count", below=0)
_BATCH: Final = Block(
    (
        Row(("max_inflight_per_stream",), "batches_of_stream", _BOUND),
        Row(("max_inflight_total",), "batches", _BOUND),
        Row(
            ("max_msgs",),
            "batch_msgs",
            # The whole batch is staged at once.
            convert.number(0, limits.STAGED_ROWS_MAX, "a count", below=0),
        ),
        Row(("timeout",), "batch_timeout_ns", convert.interval()),
    )
)
_LIMITS: Final = Block(
    (
        Row(("max_request_batch",), "max_request_batch", _BOUND),
        Row(("max_ack_pending",), "max_ack_pending", _BOUND),
        Row(("max_ha_assets",), "max_ha_assets", _ha_assets),
        Row(("duplicate_window",), "duplicate_window_ns", convert.interval()),
        Row(
            ("default_max_consumers",),
            "default_max_consumers",
            convert.number(0, 2**31 - 1, "a count", below=-1),
        ),
        Row(("batch",), "batch", _batch),
    )
)
_STORE_DIR: Final = JetStreamOptions().store_dir
_JETSTREAM: Final = Block(
    (
        Row(("enabled", "enable"), "enabled", convert.boolean),
        Row(("store_dir", "storedir", "store"), "store_dir", convert.text_or(_STORE_DIR)),
        Row(("domain",), "domain", convert.or_default("", convert.name_of("domain"))),
        Row(("max_memory_store", "max_mem_store", "max_mem"), "max_memory_bytes", convert.storage),
        Row(("max_file_store", "max_file"), "max_file_bytes", convert.storage),
        Row(("limits",), "limits", _limits),
        Row(("strict",), "strict", convert.boolean),
    ),
    refused.JETSTREAM,
    taken.JETSTREAM,
)


# --- store


def store(place: Place) -> StoreOptions:
    return StoreOptions(**_STORE.read(place).values)


def _commit_interval(place: Place) -> int:
    interval_ns = convert.duration(place)
    if interval_ns > limits.COMMIT_INTERVAL_MAX_NS:
        raise place.expected(f"at most {limits.COMMIT_INTERVAL_MAX_NS // NS_PER_S}s")
    return interval_ns


_STORE: Final = Block(
    (
        Row(("commit_interval",), "commit_interval_ns", _commit_interval),
        Row(("scrub_rate",), "scrub_rate", convert.number(0, 1 << 40, "bytes a second")),
    )
)


# --- serial


def serial(place: Place) -> SerialOptions:
    given = _SERIAL.read(place)
    given.need("ports", "ports, an array of serial ports")
    return SerialOptions(**given.values)


def _serial_ports(place: Place) -> tuple[SerialPort, ...]:
    ports = tuple(_serial_port(item) for item in place.items("ports"))
    if not ports:
        raise place.error("expected at least one port, got an empty array")
    no_duplicates(place, [port.device for port in ports], "device")
    no_duplicates(place, [port.name for port in ports], "name")
    return ports


def _serial_port(place: Place) -> SerialPort:
    given = _SERIAL_PORT.read(place)
    given.need("device", "device, like /dev/serial/by-id/…")
    given.need("name", "name, one token that subjects and status may use")
    given.need("subject", "subject, where readings are published")
    port = SerialPort(**given.values)
    if problem := convert.template_problem(port.subject, port.name, framing=port.framing):
        raise given.places["subject"].error(problem)
    if port.codec == "csv":
        given.need("fields", "fields, the names of the columns, beside codec csv")
    elif port.fields:
        raise given.places["fields"].error("expected codec csv beside fields")
    if port.keep_first and port.framing != "line":
        raise given.places["keep_first"].error("expected framing line beside keep_first")
    return port


def _fields(place: Place) -> tuple[str, ...]:
    fields = convert.list_of(convert.text, "column names")(place)
    if isinstance(place.node.value, list):
        no_duplicates(place, list(fields), "field")
    return fields


_SERIAL_PORT: Final = Block(
    (
        Row(("device",), "device", convert.text),
        Row(("name",), "name", convert.name_of("port name")),
        Row(("subject",), "subject", convert.text),
        Row(("baud",), "baud", convert.number(1, _BAUD_MAX, "a baud rate")),
        Row(("framing",), "framing", convert.one_of("line", "link")),
        Row(("codec",), "codec", convert.one_of("text", "json", "csv")),
        Row(("fields",), "fields", _fields),
        Row(
            ("max_frame", "max_frame_bytes"),
            "max_frame_bytes",
            convert.number(1, limits.MIB, "a size"),
        ),
        Row(("stream",), "stream", convert.name_of("stream name")),
        Row(("keep_first",), "keep_first", convert.boolean),
    )
)
_SERIAL: Final = Block(
    (
        Row(("ports",), "ports", _serial_ports),
        Row(("account",), "account", convert.text),
    )
)
