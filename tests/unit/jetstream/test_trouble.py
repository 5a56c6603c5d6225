"""What the store refuses is counted each time and logged once a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.errors import StoreBusy
from leafnode.jetstream.trouble import Trouble
from tests.sim.clock import FakeClock

if TYPE_CHECKING:
    import pytest


def test_many_failures_are_one_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    trouble = Trouble(clock, "stream=S")

    for _ in range(3):
        trouble.note("Delivery stopped", StoreBusy("4096 reads wait for the disk"))
    clock.advance(limits.TROUBLE_LOG_NS)
    trouble.note("Delivery stopped", StoreBusy("4096 reads wait for the disk"))

    line = "Delivery stopped: stream=S reason=4096 reads wait for the disk times="
    assert caplog.messages == [line + "1", line + "4"]
    assert trouble.count == 4
