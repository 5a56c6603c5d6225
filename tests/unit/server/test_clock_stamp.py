"""leafnode.server.clock_stamp: times are there again, and what is no time is none."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from leafnode.jetstream.trusted_time import Doubt, Noted
from leafnode.server.clock_stamp import FILE_NAME, ClockStamp

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_800_000_000_000_000_000


@pytest.mark.parametrize(
    ("noted", "text"),
    [
        (Noted(NOW), b"1800000000000000000"),
        (Noted(NOW, Doubt(NOW + 5, 60)), b"1800000000000000000 1800000000000000005 60"),
        (Noted(NOW, Doubt(2**63 - 1, 10**18)), b"%d %d %d" % (NOW, 2**63 - 1, 10**18)),
    ],
)
def test_what_was_written_last_is_read(tmp_path: Path, noted: Noted, text: bytes) -> None:
    ClockStamp(tmp_path).write(Noted(5))
    ClockStamp(tmp_path).write(noted)

    assert (tmp_path / FILE_NAME).read_bytes() == text
    assert ClockStamp(tmp_path).read() == noted
    assert [one.name for one in tmp_path.iterdir()] == [FILE_NAME]
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "text",
    [
        *(None, b"", b"-5", b"x", b"1\n", b"9" * 20, b"\xff", b"1 2", b"1 x", b"1 ", b" 1"),
        *(b"1 2 x", b"1 2 -3", b"1 2 3 4", b"1  3", b"1 2 " + b"9" * 20),
    ],
)
def test_what_is_no_time_is_none(tmp_path: Path, text: bytes | None) -> None:
    if text is not None:
        (tmp_path / FILE_NAME).write_bytes(text)

    assert ClockStamp(tmp_path).read() is None


def test_a_pipe_is_no_time_and_is_waited_for_by_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / FILE_NAME)
    os.mkfifo(tmp_path / (FILE_NAME + ".new"))

    assert ClockStamp(tmp_path).read() is None
    ClockStamp(tmp_path).write(Noted(NOW))

    assert ClockStamp(tmp_path).read() == Noted(NOW)
