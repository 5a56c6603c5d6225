"""Weights of scales that speak MT-SICS: `S S     100.00 g`.

Knows one line. Truth: Mettler-Toledo "MT-SICS reference manual", commands S, SI, SIR;
docs/serial/codecs.md, "Scales".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from leafnode.bridge.codecs.text import decode_text
from leafnode.bridge.codecs.typed import number
from leafnode.bridge.reading import BadReading

if TYPE_CHECKING:
    from leafnode.bridge.codecs import Fields

_WEIGHT: Final = re.compile(r"S ([SD]) {1,20}(-?) {0,20}([0-9.]{1,12})(?: {1,4}([^\s]{1,8}))? ?")
_LOAD: Final = {"S +": "over", "S -": "under"}


def decode_sics(payload: bytes) -> Fields:
    """Return weight, unit and whether it is stable. Raises BadReading for other answers."""
    text = decode_text(payload)
    if (load := _LOAD.get(text.rstrip())) is not None:
        return {"weight": None, "unit": None, "stable": False, "load": load}
    match = _WEIGHT.fullmatch(text)
    weight = number(match[3]) if match is not None else None
    if match is None or weight is None:
        raise BadReading("is no weight as MT-SICS has it")
    signed = -weight if match[2] else weight
    return {"weight": signed, "unit": match[4], "stable": match[1] == "S", "load": "ok"}
