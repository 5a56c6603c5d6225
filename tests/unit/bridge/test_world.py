"""tests.unit.bridge.world: what a test leaves behind."""

from __future__ import annotations

from tests.unit.bridge.world import FakeLine, line_port


def test_a_line_that_is_opened_behind_the_end_of_its_test_leaves_no_socket_open() -> None:
    """The collector's warning is an error of whichever test runs then, if that has no port."""
    line = FakeLine()
    line.open(line_port()).close()
    before = line.device

    line.end()
    line.open(line_port()).close()

    assert before is not None
    assert before.fileno() == -1
    assert line.device is not None
    assert line.device.fileno() == -1
