"""What a device says to somebody who asked is bounded as what clients publish: by max_payload.

Knows sizes; not who asked for what. Clients are told that no message is larger, and a hub that
takes no more ends the link over which one comes. Truth: docs/serial/commands.md, "Errors".
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.bridge.status import Seldom

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clock import Clock

log = logging.getLogger(__name__)

TOO_LARGE: Final = "the answer is larger than max_payload"


class AnswerBound:
    """Judges what the device of one port answers or asks. `max_payload` returns the bytes of a
    message that are allowed now: a reload may change them.
    """

    def __init__(self, port: str, clock: Clock, max_payload: Callable[[], int]) -> None:
        self._port = port
        self._max_payload = max_payload
        self._log = Seldom(clock, limits.BRIDGE_LOG_INTERVAL_NS)
        self.refused = 0

    def fits(self, size: int) -> bool:
        """Say whether a message of so many bytes, its headers with it, may be published."""
        largest = self._max_payload()
        if size <= largest:
            return True
        self.refused += 1
        self._log.call(
            lambda count: log.warning(
                "A device said more than max_payload to somebody who asked, or asked so: "
                "port=%s bytes=%d max_payload=%d times=%d",
                self._port,
                size,
                largest,
                count,
            )
        )
        return False
