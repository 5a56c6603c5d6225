"""What is wrong now, and what was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.clock import NS_PER_S
from leafnode.uplink.trouble import Trouble
from tests.sim.clock import FakeClock

if TYPE_CHECKING:
    import pytest


def test_the_same_error_again_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    trouble = Trouble("EV", FakeClock())

    trouble.say("no hub")
    trouble.say("no hub")

    assert caplog.text.count("no hub") == 1
    assert trouble.now == "no hub"


def test_what_is_over_is_the_former_error_and_what_the_flight_has_stays() -> None:
    clock = FakeClock()
    trouble = Trouble("EV", clock)
    trouble.begin_flight("cannot ask")
    trouble.say("refused")

    trouble.is_over()

    assert (trouble.now, trouble.former) == ("cannot ask", "refused")
    assert trouble.former_ns == clock.wall_ns()
    trouble.is_over()
    assert trouble.former == "refused"


def test_what_is_waited_for_is_told_when_it_takes_long_and_is_over_when_it_came() -> None:
    clock = FakeClock()
    trouble = Trouble("EV", clock)

    trouble.wait("a bus", 4 * NS_PER_S)
    clock.advance(4 * NS_PER_S - 1)
    trouble.wait("a bus", 4 * NS_PER_S)
    assert trouble.now == ""
    clock.advance(1)
    trouble.wait("a bus", 4 * NS_PER_S)
    assert trouble.now == "a bus"

    trouble.waited()

    assert (trouble.now, trouble.former) == ("", "a bus")
    trouble.wait("a bus", 4 * NS_PER_S)  # anew
    assert trouble.now == ""


def test_the_end_of_a_wait_ends_nothing_that_is_wrong_besides() -> None:
    trouble = Trouble("EV", FakeClock())
    trouble.wait("a bus", 0)
    trouble.wait("a bus", 0)
    trouble.say("no hub")

    trouble.waited()

    assert trouble.now == "no hub"


def test_a_record_that_cannot_be_written_hides_nothing_and_ends_nothing_but_itself(
    caplog: pytest.LogCaptureFixture,
) -> None:
    trouble = Trouble("EV", FakeClock())
    trouble.begin_flight("too much", is_ailment=True)
    trouble.recorded("no bucket")
    assert (trouble.now, trouble.lasting, trouble.is_ailment) == ("too much", "too much", True)
    trouble.say("refused")
    trouble.recorded("")
    assert (trouble.now, trouble.former) == ("refused", "")
    trouble.begin_flight("")
    trouble.is_over()
    trouble.recorded("no bucket")
    assert trouble.now == "no bucket"
    trouble.recorded("")

    assert (trouble.now, trouble.former) == ("", "no bucket")
    assert caplog.text.count("no bucket") == 2
