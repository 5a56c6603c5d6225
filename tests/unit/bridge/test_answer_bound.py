"""What a device says to somebody who asked is bounded by max_payload."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.bridge.answer_bound import AnswerBound
from tests.sim.clock import FakeClock

if TYPE_CHECKING:
    import pytest


def test_at_the_bound_it_fits_and_one_byte_more_is_counted_and_logged_once_a_while(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = FakeClock()
    allowed = 100
    bound = AnswerBound("p", clock, lambda: allowed)

    assert bound.fits(100)
    assert (bound.refused, caplog.messages) == (0, [])

    assert not any(bound.fits(101) for _ in range(3))
    clock.advance(limits.BRIDGE_LOG_INTERVAL_NS)
    assert not bound.fits(102)
    allowed = 102  # by a reload
    assert bound.fits(102)

    assert bound.refused == 4
    said = "A device said more than max_payload to somebody who asked, or asked so: port=p"
    assert caplog.messages == [
        f"{said} bytes=101 max_payload=100 times=1",
        f"{said} bytes=102 max_payload=100 times=3",
    ]
