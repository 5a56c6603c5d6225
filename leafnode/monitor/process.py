"""What the operating system says about this process: memory, CPU, threads.

Knows /proc and getrusage. /proc/self is there even under systemd's ProcSubset=pid, which hides the
rest. Truth: proc(5).
"""

from __future__ import annotations

import gc
import os
import resource
import sys
import threading
import traceback
from pathlib import Path
from typing import Final

from leafnode.clock import NS_PER_S

_STATM: Final = Path("/proc/self/statm")
_KIB: Final = 1024
_HIDDEN: Final = "[REDACTED]"
_SECRET_FLAGS: Final = frozenset({"user", "pass", "auth", "routes", "cluster"})


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


def command_line() -> list[str]:
    """Return the command with its arguments; what stands behind a flag for a secret is hidden."""
    shown: list[str] = []
    hide = False
    for word in sys.orig_argv:
        name, equals, _ = word.partition("=")
        secret = name.startswith("-") and name.lstrip("-") in _SECRET_FLAGS
        if hide:
            shown.append(_HIDDEN)
        elif secret and equals:
            shown.append(f"{name}={_HIDDEN}")
        else:
            shown.append(word)
        hide = secret and not equals and not hide
    return shown


def memory_stats() -> dict[str, object]:
    """Return what of Go's runtime.MemStats has a meaning here: the rest is left out."""
    resident = memory_bytes()
    return {
        "Alloc": resident,
        "Sys": resident,
        "HeapObjects": len(gc.get_objects(0)),
        "NumGC": sum(generation["collections"] for generation in gc.get_stats()),
    }


def stacks() -> bytes:
    """Return where every thread is: file, line and function, no values."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    parts = []
    for ident, frame in sys._current_frames().items():
        lines = "".join(traceback.format_stack(frame))
        parts.append(f"thread {ident} [{names.get(ident, 'unknown')}]:\n{lines}")
    return "\n".join(parts).encode()
