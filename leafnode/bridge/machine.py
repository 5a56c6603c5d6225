"""Which machine this is, for who asks a server for a port and then opens its path here.

Knows one file of the kernel. Truth: docs/serial/tools.md, "Requests".
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


def this_machine(source: Path = _BOOT_ID) -> str:
    """Return what no other machine has, until it is started anew; "" where nothing says."""
    with contextlib.suppress(OSError, ValueError):
        return source.read_text("ascii").strip()
    return ""
