"""What tests of ports leave to no other test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.bridge.world import FakeLine

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def no_line_stays_open() -> Iterator[None]:
    yield
    for line in FakeLine.lines:
        line.end()
    FakeLine.lines.clear()
