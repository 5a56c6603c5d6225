"""A text is a number where it is plainly one.

Knows one text. Truth: docs/serial/codecs.md, "Numbers".
"""

from __future__ import annotations

import math
import re
from typing import Final

# A leading zero makes a code of it, not a number: 00123 must stay as printed on the box.
# 18 digits fit a signed 64-bit integer with room to spare, and bound what int() is given. Python
# prints 21 places of a float below a thousandth.
_INTEGER: Final = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,17})", re.ASCII)
_DECIMAL: Final = re.compile(
    r"[+-]?(?:[0-9]{1,18}\.[0-9]{0,24}|\.[0-9]{1,24})(?:[eE][+-]?[0-9]{1,3})?"
    r"|[+-]?[0-9]{1,18}[eE][+-]?[0-9]{1,3}",
    re.ASCII,
)
_PLAIN: Final = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{0,24})?|[+-]?\.[0-9]{1,24}", re.ASCII)


def typed(column: str) -> int | float | str | None:
    """Return a number where the column is plainly one, None where it is empty, else the text."""
    text = column.strip()
    if not text:
        return None
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return text


def number(text: str) -> int | float | None:
    """Return the number that must stand there, leading zeros allowed; None where none does."""
    if not _PLAIN.fullmatch(text):
        return None
    return float(text) if "." in text else int(text)
