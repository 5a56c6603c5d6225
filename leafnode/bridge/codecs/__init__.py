"""Codecs: the payload of a reading becomes the payload of a message, or fields, or is found bad.

A codec takes bytes and returns bytes, which are published as they are, or a dict of fields, which
mapping makes a JSON object of; or it raises BadReading. `exec` is none of them: its answer comes
later, see bridge/exec. To add one: a function, a row in CODECS, a row in config/serial_codec.py, a
test, a section in docs/serial/codecs.md. Knows nothing of ports and subjects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from leafnode.bridge.codecs.cbor import decode_cbor
from leafnode.bridge.codecs.csv import CsvCodec
from leafnode.bridge.codecs.dsmr import decode_dsmr
from leafnode.bridge.codecs.gs1 import decode_gs1
from leafnode.bridge.codecs.json import decode_json, encode_json
from leafnode.bridge.codecs.keyvalue import KeyValueCodec
from leafnode.bridge.codecs.nmea import decode_nmea
from leafnode.bridge.codecs.raw import encode_raw
from leafnode.bridge.codecs.regex import RegexCodec
from leafnode.bridge.codecs.sics import decode_sics
from leafnode.bridge.codecs.struct import StructCodec
from leafnode.bridge.codecs.text import encode_text
from leafnode.bridge.codecs.toledo import decode_toledo
from leafnode.config.serial_mapping import needs_fields

Fields = dict[str, object]
Codec = Callable[[bytes], bytes | Fields]

if TYPE_CHECKING:
    from leafnode.config.serial_options import SerialPort
    from leafnode.config.serial_stage_options import CodecOptions

CODECS: Final[dict[str, Callable[[CodecOptions], Codec]]] = {
    "text": lambda _: encode_text,
    "raw": lambda _: encode_raw,
    "json": lambda _: encode_json,
    "csv": lambda options: CsvCodec(options.fields, options.separator),
    "keyvalue": lambda options: KeyValueCodec(options.separator, options.assign),
    "regex": lambda options: RegexCodec(options.pattern, options.max_input),
    "struct": lambda options: StructCodec(options.layout, options.fields),
    "cbor": lambda _: decode_cbor,
    "nmea": lambda _: decode_nmea,
    "toledo": lambda _: decode_toledo,
    "sics": lambda _: decode_sics,
    "dsmr": lambda _: decode_dsmr,
    "gs1": lambda _: decode_gs1,
}


def new_codec(port: SerialPort, *, wants_fields: bool = False) -> Codec:
    """Return the codec of a port. JSON is decoded only where somebody needs its fields."""
    if port.codec.type == "json" and (wants_fields or needs_fields(port)):
        return decode_json
    return CODECS[port.codec.type](port.codec)
