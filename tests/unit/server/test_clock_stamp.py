"""leafnode.server.clock_stamp: a time is there again, and what is no time is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode.server.clock_stamp import FILE_NAME, ClockStamp

if TYPE_CHECKING:
    from pathlib import Path


def test_the_time_written_last_is_read(tmp_path: Path) -> None:
    ClockStamp(tmp_path).write(5)
    ClockStamp(tmp_path).write(1_800_000_000_000_000_000)

    assert ClockStamp(tmp_path).read() == 1_800_000_000_000_000_000
    assert [one.name for one in tmp_path.iterdir()] == [FILE_NAME]
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", [None, b"", b"-5", b"x", b"1\n", b"9" * 20, b"\xff"])
def test_what_is_no_time_is_none(tmp_path: Path, text: bytes | None) -> None:
    if text is not None:
        (tmp_path / FILE_NAME).write_bytes(text)

    assert ClockStamp(tmp_path).read() is None
