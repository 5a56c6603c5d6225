"""What a port's device says and does, in the log: each kind of line only so often.

Knows events and words; not what else becomes of an event. Truth: docs/serial.md, "What a port
reports".
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.bridge.status import Seldom

if TYPE_CHECKING:
    from leafnode.bridge.reading import DeviceHello, DeviceLog, SlaveNews, WrongLine
    from leafnode.clock import Clock

log = logging.getLogger(__name__)

# A board's syslog level as ours. Its errors are warnings here: it is the peer that has them.
_LEVELS: Final = (logging.WARNING,) * 5 + (logging.INFO,) * 2 + (logging.DEBUG,)


class PortLog:
    """The lines of one port. What its device causes shares one bound."""

    def __init__(self, port: str, clock: Clock) -> None:
        self._port = port
        self._device = Seldom(clock, limits.BRIDGE_LOG_INTERVAL_NS, limits.DEVICE_LOGS_MAX)
        self._pause = Seldom(clock, limits.BRIDGE_LOG_INTERVAL_NS)
        self._name = Seldom(clock, limits.BRIDGE_LOG_INTERVAL_NS)
        self._clock = clock
        self._wrong: dict[str, Seldom] = {}  # by cause, of which there are a dozen

    def said(self, event: DeviceLog) -> None:
        """A board wants a line in the log."""
        self._device.call(
            lambda _: log.log(
                _LEVELS[min(max(event.level, 0), 7)],
                "Device says: port=%s device=%s text=%s",
                self._port,
                event.device,
                event.text,
            )
        )

    def hello(self, event: DeviceHello) -> None:
        """A board is there."""
        self._device.call(
            lambda _: log.info(
                "Device said hello: port=%s device=%s boot=%d resumed=%s",
                self._port,
                event.device,
                event.boot_id,
                event.resumed,
            )
        )

    def wrong_line(self, event: WrongLine) -> None:
        """A board in text says what is not taken."""
        seldom = self._wrong.get(event.reason)
        if seldom is None:
            seldom = self._wrong[event.reason] = Seldom(self._clock, limits.BRIDGE_LOG_INTERVAL_NS)
        seldom.call(
            lambda count: log.warning(
                "A line of a board is not taken: port=%s device=%s it=%s times=%d",
                self._port,
                event.device,
                event.reason,
                count,
            )
        )

    def news(self, event: SlaveNews) -> None:
        """A slave of a bus is read again, or not any more."""
        where = f"port={self._port} slave={event.slave}"
        if event.group:
            where += f" group={event.group}"
        if event.reason:
            self._device.call(
                lambda _: log.warning("Modbus: not read: %s reason=%s", where, event.reason)
            )
        else:
            self._device.call(lambda _: log.info("Modbus: read again: %s", where))

    def name_refused(self, device: str, reason: str) -> None:
        """A board says a name that it may not have."""
        self._name.call(
            lambda count: log.warning(
                "The name of a board is refused: port=%s device=%s reason=%s times=%d",
                self._port,
                device,
                reason,
                count,
            )
        )

    def lost(self, count: int) -> None:
        """The port is configured no longer, and so many of its readings were not stored."""
        if count:
            log.warning(
                "Readings that were not stored went with their port: port=%s count=%d",
                self._port,
                count,
            )

    def left(self, count: int) -> None:
        """The port ended, and so many messages that were not stored nobody has but its boards."""
        if count:
            log.warning(
                "Not stored, and left to the boards, which may have given it up: port=%s count=%d",
                self._port,
                count,
            )

    def paused(self, what: str, queued: int) -> None:
        """The port is not read: its readings wait for something."""
        self._pause.call(
            lambda count: log.warning(
                "Serial port is not read, its readings wait for the %s: port=%s queued=%d times=%d",
                what,
                self._port,
                queued,
                count,
            )
        )
