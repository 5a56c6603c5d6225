"""A machine has a name of its own until it is started anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.bridge.machine import this_machine

if TYPE_CHECKING:
    from pathlib import Path


def test_the_kernel_says_it_and_where_it_does_not_there_is_none(tmp_path: Path) -> None:
    source = tmp_path / "boot_id"
    assert this_machine(source) == ""
    source.write_text("6f0d\n")
    assert this_machine(source) == "6f0d"
    source.write_bytes(b"\xff")
    assert this_machine(source) == ""
