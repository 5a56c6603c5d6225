"""Calls to the disk that fail make no answer untrue: some here, all with `make failing`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.failing import preloaded
from tests.faults.test_powercut import compiler

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["compiler"]  # the fixture

RUNS = 40  # and a full disk
SEED = 11  # fixed: what is found by chance is found with `make failing`


@pytest.mark.faults
@pytest.mark.usefixtures("compiler")
def test_no_answer_is_untrue_when_calls_to_the_disk_fail(tmp_path: Path) -> None:
    done = preloaded(RUNS, SEED, tmp_path)

    assert done.returncode == 0, done.stdout
    assert "write with an error told" in done.stdout
    assert "sync with an error told" in done.stdout


@pytest.mark.faults
@pytest.mark.usefixtures("compiler")
def test_a_store_that_says_done_all_the_same_is_caught(tmp_path: Path) -> None:
    done = preloaded(10, SEED, tmp_path, "--lie")

    assert done.returncode == 1
    assert "is lost" in done.stdout
