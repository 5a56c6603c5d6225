"""leafnode.server.room: bounds that nobody configured."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING

from leafnode.config.options import JetStreamOptions
from leafnode.server.room import disk_bytes, memory_bytes, with_room

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_what_is_not_configured_is_three_quarters_of_what_there_is() -> None:
    options = with_room(JetStreamOptions(), memory_bytes=1000, disk_bytes=4000)

    assert (options.max_memory_bytes, options.max_file_bytes) == (750, 3000)


def test_what_is_configured_stays() -> None:
    configured = JetStreamOptions(max_memory_bytes=0, max_file_bytes=9999)

    assert with_room(configured, memory_bytes=1000, disk_bytes=4000) == configured


def test_what_is_not_known_bounds_nothing() -> None:
    assert with_room(JetStreamOptions(), memory_bytes=0, disk_bytes=0) == JetStreamOptions()


def test_a_control_group_counts_where_it_has_less(tmp_path: Path) -> None:
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    cgroup = tmp_path / "memory.max"
    seen = []
    for text in ("123456789\n", "max\n", f"{machine * 2}\n"):
        cgroup.write_text(text)
        seen.append(memory_bytes(cgroup))

    assert [*seen, memory_bytes(tmp_path / "none")] == [123456789, machine, machine, machine]


def test_what_is_stored_is_room_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(bytes(1 << 20))
    (tmp_path / "b").write_bytes(bytes(5))
    disk = SimpleNamespace(f_bavail=3, f_frsize=4096)
    monkeypatch.setattr(os, "statvfs", lambda _: disk)

    assert disk_bytes(tmp_path) == 3 * 4096 + (1 << 20) + 5
    assert disk_bytes(tmp_path / "none") == 0
