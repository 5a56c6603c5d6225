"""Reads what a simulated sensor says with what a port's entry says: framing, check, codec."""

from __future__ import annotations

import json
from typing import Any

from leafnode.bridge.codecs import new_codec
from leafnode.bridge.framing import new_framing
from leafnode.bridge.reading import Reading
from tests.unit.config.test_serial_framing import port


def readings(entry: str, data: bytes) -> list[dict[str, Any]]:
    """Return the fields of every frame; a frame that is refused fails the test."""
    options = port(entry)
    framing, codec = new_framing(options, b"x", lambda: 0), new_codec(options)
    framing.receive(data, 0)
    found = []
    while (event := framing.next_event()) is not None:
        assert isinstance(event, Reading)
        fields = codec(event.payload)
        found.append(fields if isinstance(fields, dict) else json.loads(fields))
    assert framing.counts().bad == 0
    return found
