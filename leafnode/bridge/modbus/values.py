"""What the registers of a slave mean: numbers of one to four registers, texts, bits.

Knows one register's options; not where its bytes came from. Truth: docs/serial/modbus.md,
"Registers"; Modbus itself defines a register of 16 bits and no more, so the rest is an option.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Final

from leafnode.bridge.mapping.decimals import scaled, unscaled
from leafnode.bridge.modbus.plan import BIT_TABLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leafnode.config.modbus_options import Register, Write

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
        value = scaled(value, register.scale, register.offset)
    return value if register.digits is None else round(value, register.digits)


def _shortest(value: float) -> float:
    """Return the number of fewest digits that is the same in 32 bits: 230.1, not 230.10000610."""
    for digits in range(6, 10):
        short = float(f"{value:.{digits}g}")
        if abs(short) <= _F32_MAX and struct.pack(">f", short) == struct.pack(">f", value):
            return short
    return value


class BadValue(Exception):  # noqa: N818 -- a condition of the value, not of the program
    """A value that cannot be written. `text` never repeats it."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def registers_of(write: Write, value: object) -> list[int]:
    """Return the registers, or bits, that say this value. Raises BadValue."""
    if write.count == 1:
        return _words(write, value)
    if not isinstance(value, list) or len(value) != write.count:
        raise BadValue(f"expected an array of {write.count} values")
    return [word for one in value for word in _words(write, one)]


def written(write: Write, value: object, words: Sequence[int]) -> object:
    """Return the value that these registers say, which is what a slave that was told `value` has:
    a number is rounded to the steps of its register.
    """
    register = write.register
    if register.table in BIT_TABLES or register.type == "string":
        return value
    size = len(words) // write.count
    numbers = [
        fields_of(register, words[at : at + size])[register.name]
        for at in range(0, len(words), size)
    ]
    return numbers if write.count > 1 else numbers[0]


def _words(write: Write, value: object) -> list[int]:
    register = write.register
    if register.table in BIT_TABLES:
        if not isinstance(value, int) or value not in {0, 1}:
            raise BadValue("expected true or false")
        return [int(value)]
    if register.type == "string":
        if not isinstance(value, str) or len(value.encode("utf-8", "replace")) > 2 * register.size:
            raise BadValue(f"expected a string of at most {2 * register.size} bytes")
        data = value.encode("utf-8", "replace").ljust(2 * register.size, b"\0")
    else:
        data = _packed(write, value)
    data = _ordered(register, data)
    return [*struct.unpack(f">{len(data) // 2}H", data)]


def _packed(write: Write, value: object) -> bytes:
    register, layout = write.register, _LAYOUTS[write.register.type]
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise BadValue("expected a number")
    low, high = write.least, write.most
    if (low is not None and value < low) or (high is not None and value > high):
        limits = [f"at least {low:g}" if low is not None else ""]
        limits.append(f"at most {high:g}" if high is not None else "")
        raise BadValue(f"expected {' and '.join(filter(None, limits))}")
    unfit = BadValue(f"expected a number that fits {register.type}")
    try:
        if register.scale != 1 or register.offset:
            value = unscaled(value, register.scale, register.offset)
        if not register.type.startswith("f"):
            value = round(value)
        data = struct.pack(layout, value)
    except (struct.error, OverflowError, ValueError):
        raise unfit from None
    if not math.isfinite(value):  # by its scale
        raise unfit
    return data


_F32_MAX: Final = struct.unpack(">f", b"\x7f\x7f\xff\xff")[0]


def _ordered(register: Register, data: bytes) -> bytes:
    """Return the bytes with the highest first, whatever order the slave has; or turn them back."""
    words = [data[at : at + 2] for at in range(0, len(data), 2)]
    if not register.big_bytes:
        words = [word[::-1] for word in words]
    if not register.big_words and register.type != "string":
        words.reverse()
    return b"".join(words)
