"""Codecs: the payload of a reading becomes the payload of a message, or is found bad.

A codec takes bytes and returns bytes or raises BadReading. To add one: a function, a row in CODECS,
a test, a line in docs/serial.md. Knows nothing of ports and subjects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.bridge.codecs.csv import CsvCodec
from leafnode.bridge.codecs.json import encode_json
from leafnode.bridge.codecs.text import encode_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.config.serial_options import SerialPort

    Codec = Callable[[bytes], bytes]

CODECS: Final[dict[str, Callable[[SerialPort], Codec]]] = {
    "text": lambda _: encode_text,
    "json": lambda _: encode_json,
    "csv": lambda options: CsvCodec(options.fields),
}
