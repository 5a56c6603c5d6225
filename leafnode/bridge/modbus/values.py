"""What the registers of a slave mean: numbers of one to four registers, texts, bits.

Knows one register's options; not where its bytes came from. Truth: docs/serial/modbus.md,
"Registers"; Modbus itself defines a register of 16 bits and no more, so the rest is an option.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Final

from leafnode.bridge.mapping.fields import rounded
from leafnode.bridge.modbus.plan import BIT_TABLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leafnode.config.modbus_options import Register

_LAYOUTS: Final = {
    "u16": ">H",
    "i16": ">h",
    "u32": ">I",
    "i32": ">i",
    "u64": ">Q",
    "i64": ">q",
    "f32": ">f",
    "f64": ">d",
}


def fields_of(register: Register, values: Sequence[int]) -> dict[str, object]:
    """Return the fields of one register; no value is None."""
    if register.table in BIT_TABLES:
        return {register.name: bool(values[0])}
    data = _ordered(register, struct.pack(f">{len(values)}H", *values))
    if register.bits:
        word = int.from_bytes(data, "big")
        return {name: bool(word >> bit & 1) for bit, name in enumerate(register.bits) if name}
    if register.type == "string":
        text = data.partition(b"\0")[0].decode("utf-8", "replace")
        return {register.name: text.rstrip()}
    return {register.name: _number(register, data)}


def _number(register: Register, data: bytes) -> float | None:
    if register.absent is not None and int.from_bytes(data, "big") == register.absent:
        return None
    layout = _LAYOUTS[register.type]
    value: float = struct.unpack(layout, data)[0]
    if isinstance(value, float):
        if not math.isfinite(value):
            return None  # JSON has none of them
        if layout == ">f":
            value = _shortest(value)
    if register.scale != 1 or register.offset:
        value = rounded(value * register.scale + register.offset)
    return value if register.digits is None else round(value, register.digits)


def _shortest(value: float) -> float:
    """Return the number of fewest digits that is the same in 32 bits: 230.1, not 230.10000610."""
    for digits in range(6, 10):
        short = float(f"{value:.{digits}g}")
        if abs(short) <= _F32_MAX and struct.pack(">f", short) == struct.pack(">f", value):
            return short
    return value


_F32_MAX: Final = struct.unpack(">f", b"\x7f\x7f\xff\xff")[0]


def _ordered(register: Register, data: bytes) -> bytes:
    """Return the bytes with the highest first, whatever order the slave has; or turn them back."""
    words = [data[at : at + 2] for at in range(0, len(data), 2)]
    if not register.big_bytes:
        words = [word[::-1] for word in words]
    if not register.big_words and register.type != "string":
        words.reverse()
    return b"".join(words)
