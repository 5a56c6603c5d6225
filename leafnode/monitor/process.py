"""What the operating system says about this process: memory and CPU.

Knows /proc and getrusage. /proc/self is there even under systemd's ProcSubset=pid, which hides the
rest. Truth: proc(5).
"""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Final

from leafnode.clock import NS_PER_S

_STATM: Final = Path("/proc/self/statm")
_KIB: Final = 1024


def memory_bytes() -> int:
    """Return the resident memory; where /proc is missing, the most it ever was."""
    try:
        pages = int(_STATM.read_bytes().split()[1])
    except (OSError, ValueError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB
    return pages * resource.getpagesize()


def cpu_percent(uptime_ns: int) -> float:
    """Return the CPU time used so far as percent of the time since the start."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used_ns = (usage.ru_utime + usage.ru_stime) * NS_PER_S
    return round(100 * used_ns / max(1, uptime_ns), 1)


def cores() -> int:
    return os.cpu_count() or 1
