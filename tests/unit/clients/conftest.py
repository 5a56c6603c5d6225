"""What the tests of a client connection share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode.clients.trace import TRACE, log

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def traced(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Return what was traced since the last call."""
    caplog.set_level(TRACE, log.name)

    def take() -> list[str]:
        found = [r.getMessage() for r in caplog.records if r.name == log.name]
        caplog.clear()
        return found

    return take
