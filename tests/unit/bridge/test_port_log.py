"""What a port's device says and does, in the log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.bridge.port_log import PortLog
from leafnode.bridge.reading import DeviceHello, DeviceLog, SlaveNews, WrongLine
from tests.sim.clock import FakeClock

if TYPE_CHECKING:
    import pytest


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_lines_have_the_port_and_what_it_is_about(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    lines = PortLog("p", FakeClock())

    lines.hello(DeviceHello("node", 7, resumed=False))
    for level in (3, 6, 7, 99, -1):
        lines.said(DeviceLog("node", level, "hot"))
    lines.news(SlaveNews("m", "no answer at coil 3"))
    lines.news(SlaveNews("m", "exception 2", "g"))
    lines.news(SlaveNews("m", ""))
    lines.paused("stream", 5)
    lines.name_refused("node", "taken")

    assert said(caplog) == [
        ("INFO", "Device said hello: port=p device=node boot=7 resumed=False"),
        ("WARNING", "Device says: port=p device=node text=hot"),
        ("INFO", "Device says: port=p device=node text=hot"),
        ("DEBUG", "Device says: port=p device=node text=hot"),
        ("DEBUG", "Device says: port=p device=node text=hot"),
        ("WARNING", "Device says: port=p device=node text=hot"),
        ("WARNING", "Modbus: not read: port=p slave=m reason=no answer at coil 3"),
        ("WARNING", "Modbus: not read: port=p slave=m group=g reason=exception 2"),
        ("INFO", "Modbus: read again: port=p slave=m"),
        (
            "WARNING",
            "Serial port is not read, its readings wait for the stream: port=p queued=5 times=1",
        ),
        ("WARNING", "The name of a board is refused: port=p device=node reason=taken times=1"),
    ]


def test_a_device_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    clock = FakeClock()
    lines = PortLog("p", clock)

    for number in range(3 * limits.DEVICE_LOGS_MAX):
        lines.news(SlaveNews("m", str(number)))
        lines.said(DeviceLog("node", 6, "x"))
    assert len(said(caplog)) == limits.DEVICE_LOGS_MAX
    lines.paused("stream", 1)
    lines.paused("stream", 1)
    assert len(said(caplog)) == limits.DEVICE_LOGS_MAX + 1

    clock.advance(limits.BRIDGE_LOG_INTERVAL_NS)
    lines.news(SlaveNews("m", ""))
    assert len(said(caplog)) == limits.DEVICE_LOGS_MAX + 2


def test_each_cause_of_a_line_that_is_not_taken_is_said_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = FakeClock()
    lines = PortLog("p", clock)

    for reason in ("is long", "is wrong", "is long", "is long"):
        lines.wrong_line(WrongLine("node", reason))
    clock.advance(limits.BRIDGE_LOG_INTERVAL_NS)
    lines.wrong_line(WrongLine("node", "is long"))

    line = "A line of a board is not taken: port=p device=node it"
    assert caplog.messages == [
        f"{line}=is long times=1",
        f"{line}=is wrong times=1",
        f"{line}=is long times=3",
    ]


def test_what_is_left_to_the_boards_is_said_where_it_is_any(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lines = PortLog("p", FakeClock())

    lines.left(0)
    lines.left(3)

    assert caplog.messages == [
        "Not stored, and left to the boards, which may have given it up: port=p count=3"
    ]
