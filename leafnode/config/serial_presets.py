"""Presets of common sensors: what a port's entry would say, in the configuration's own language.

Knows datasheets; not how anything is read. What the entry itself says stands above its preset: a
block with a `type` in place of the preset's, any other block key by key. What a preset says of the
line is left out where a port has none. Truth: the datasheets that docs/serial/presets.md names,
with their frames in tests/unit/bridge/test_presets.py.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Final

from leafnode.config.device_name import is_socket
from leafnode.config.parser import parse
from leafnode.config.serial_line import LINE
from leafnode.config.variant import TYPE, word_of

if TYPE_CHECKING:
    from leafnode.config.parser import Node
    from leafnode.config.place import Place

PRESETS: Final[dict[str, str]] = {
    "pms5003": """
        baud: 9600
        framing { type: length, start: BM, length_at: 2, length_bytes: 2, length_add: 4,
            max_frame: 64 }
        check { type: sum16, from: 0 }
        codec { type: struct, format: ">2x12HBB", fields: [
            pm1_standard, pm2_5_standard, pm10_standard, pm1, pm2_5, pm10,
            count_0_3, count_0_5, count_1, count_2_5, count_5, count_10, version, error ] }
        mapping { fields {
            pm1 { unit: "µg/m³" }, pm2_5 { unit: "µg/m³" }, pm10 { unit: "µg/m³" } } }
    """,
    "sds011": """
        baud: 9600
        framing { type: fixed, length: 10, start: "hex:AA C0", end: "hex:AB" }
        check: sum8
        codec { type: struct, format: "<HHH", fields: [pm2_5, pm10, id] }
        mapping { fields {
            pm2_5 { scale: 0.1, unit: "µg/m³" }, pm10 { scale: 0.1, unit: "µg/m³" } } }
    """,
    "mhz19": """
        baud: 9600
        framing { type: fixed, length: 9, start: "hex:FF 86",
            poll: "hex:FF 01 86 00 00 00 00 00 79", poll_every: 10s }
        check { type: twos8, from: 1 }
        codec { type: struct, format: ">HBBxx", fields: [co2, temperature, status] }
        mapping { fields {
            co2 { unit: ppm }, temperature { offset: -40, unit: "°C" } } }
    """,
    "toledo": """
        baud: 9600
        framing { type: fixed, length: 18, start: "\\x02" }
        check { type: twos7, from: 0 }
        codec: toledo
    """,
    "sics": """
        baud: 9600
        framing { type: line, poll: "SI\\r\\n", poll_every: 1s }
        codec: sics
    """,
    "dsmr": """
        baud: 115200
        framing { type: start_end, start: "/", end: "!", after_end: 6, max_frame: 8KB }
        check { type: crc16_arc, form: hex, from: 0 }
        codec: dsmr
    """,
    "vedirect": """
        baud: 19200
        framing: vedirect
        check { type: twos8, from: 0 }
        codec { type: keyvalue, separator: "\\r\\n", assign: "\\t" }
    """,
    "gs1": """
        baud: 9600
        framing: line
        codec: gs1
    """,
    "nmea": """
        baud: 4800
        framing { type: line, max_frame: 256 }
        check: nmea
        codec: nmea
    """,
}
KEY: Final = "preset"


def with_preset(place: Place) -> Place:
    """Return a port's entry with what its preset says below it. Raises for an unknown preset."""
    for written, node in place.entries().items():
        if written.lower() == KEY:
            name = word_of(place.child(KEY, node), PRESETS)
            own = {key: one for key, one in place.entries().items() if key.lower() != KEY}
            merged = replace(place.node, value=_laid_over(_fit_for(own, _tree(name)), own))
            return replace(place, node=merged)
    return place


@cache
def _tree(name: str) -> dict[str, Node]:
    value = parse(PRESETS[name], f"preset {name}").root.value
    assert isinstance(value, dict), "a file is a block"
    return value


def _fit_for(own: dict[str, Node], preset: dict[str, Node]) -> dict[str, Node]:
    """Return what a preset says that has a place beside the entry's own device."""
    device = {key.lower(): one.value for key, one in own.items()}.get("device")
    if not is_socket(device):
        return preset
    return {key: one for key, one in preset.items() if key not in LINE}


def _laid_over(below: dict[str, Node], above: dict[str, Node]) -> dict[str, Node]:
    merged = {key.lower(): node for key, node in below.items()}
    for written, node in above.items():
        key = written.lower() if written.lower() in merged else written
        merged[key] = _over(merged[key], node) if key in merged else node
    return merged


def _over(below: Node, above: Node) -> Node:
    """Return one value over another; a block without a type changes single keys of the other's."""
    if not isinstance(above.value, dict) or any(key.lower() == TYPE for key in above.value):
        return above
    # A word is a block with that type and nothing else.
    under = below.value if isinstance(below.value, dict) else {TYPE: below}
    return replace(above, value=_laid_over(under, above.value))
