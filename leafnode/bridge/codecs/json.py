"""One JSON object per reading, checked and published as it came.

Knows one payload. Truth: RFC 8259; docs/serial.md, "Codecs".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from leafnode.bridge.codecs.text import decode_text
from leafnode.bridge.reading import BadReading

if TYPE_CHECKING:
    from leafnode.bridge.codecs import Fields

_OBJECT: Final = msgspec.json.Decoder(dict[str, object])


def encode_json(payload: bytes) -> bytes:
    """Return the payload unchanged. Raises BadReading where it is not one JSON object."""
    decode_json(payload)
    return payload


def decode_json(payload: bytes) -> Fields:
    """Return its fields. Raises BadReading where it is not one JSON object."""
    decode_text(payload)
    try:
        return _OBJECT.decode(payload)
    except (msgspec.DecodeError, RecursionError) as err:
        # The decoder's own words can quote the payload; logs must not.
        raise BadReading("is not a JSON object") from err
