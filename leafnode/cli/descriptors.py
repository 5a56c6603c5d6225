"""Standard descriptors that are closed, as daemonizers leave them, lead nowhere instead.

Else the next file that is opened is number 2, and what was meant for a terminal is written into it;
Python's `sys.stderr` is None then. Knows descriptors alone. Truth: Go's runtime does so at start.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from io import TextIOWrapper

_STANDARD: Final = (0, 1, 2)


def hold_standard() -> None:
    """Open the null device in the place of each standard descriptor that is closed."""
    for descriptor in _STANDARD:
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    if sys.stdout is None:
        sys.stdout = _writer(1)
    if sys.stderr is None:
        sys.stderr = _writer(2)


def _writer(descriptor: int) -> TextIOWrapper:
    return os.fdopen(descriptor, "w", errors="backslashreplace", closefd=False)
