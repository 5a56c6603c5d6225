"""What all streams together may hold where the configuration does not say: three quarters of what
the machine has.

Knows memory, a directory and its disk; not streams. Truth: nats-server 2.15.1 server/jetstream.go
dynJetStreamConfig, server/disk_avail.go. There, what is stored already is not counted as room, so
that the bound shrinks with each start.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from leafnode.config.options import JetStreamOptions

_CGROUP: Final = Path("/sys/fs/cgroup/memory.max")


def with_room(options: JetStreamOptions, *, memory_bytes: int, disk_bytes: int) -> JetStreamOptions:
    """Return the options with bounds where they have none; what is not known (0) bounds nothing."""
    memory, disk = options.max_memory_bytes, options.max_file_bytes
    return dataclasses.replace(
        options,
        max_memory_bytes=memory_bytes // 4 * 3 if memory < 0 < memory_bytes else memory,
        max_file_bytes=disk_bytes // 4 * 3 if disk < 0 < disk_bytes else disk,
    )


def memory_bytes(cgroup: Path = _CGROUP) -> int:
    """Return the memory of the machine, or of the control group if that has less."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(machine, int(cgroup.read_text()))
    except (OSError, ValueError):  # not in one, or its bound is `max`
        return machine


def disk_bytes(directory: Path) -> int:
    """Return how much of a disk is free or holds files of this directory; 0 where it is not there
    yet.
    """
    try:
        disk = os.statvfs(directory)
        stored = sum(entry.stat().st_size for entry in os.scandir(directory))
    except OSError:
        return 0
    return disk.f_bavail * disk.f_frsize + stored
