"""What tests of commands need of the process that they run in."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def heeds_signals() -> Iterator[None]:
    """Ignore none of those that end a command, as a background or nohup would have it."""
    before = {one: signal.getsignal(one) for one in ENDS}
    for one in ENDS:
        signal.signal(one, signal.default_int_handler)
    yield
    for one, handler in before.items():
        signal.signal(one, handler)
