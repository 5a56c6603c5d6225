"""What the store could not do for one stream or consumer: counted, and logged now and then.

Knows names and a clock; not what is done about it. Truth: docs/store.md, "When the disk says no".
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from leafnode import limits

if TYPE_CHECKING:
    from leafnode.clock import Clock
    from leafnode.errors import JetStreamError, StoreError

log = logging.getLogger(__name__)


class Trouble:
    """One log line in TROUBLE_LOG_NS, however often something fails."""

    __slots__ = ("_clock", "_quiet_until_ns", "_where", "count")

    def __init__(self, clock: Clock, where: str) -> None:
        self._clock = clock
        self._where = where
        self._quiet_until_ns = 0
        self.count = 0

    def note(self, what: str, error: StoreError | JetStreamError) -> None:
        """Count a failure, and log it unless one was logged lately."""
        self.count += 1
        now_ns = self._clock.monotonic_ns()
        if now_ns >= self._quiet_until_ns:
            self._quiet_until_ns = now_ns + limits.TROUBLE_LOG_NS
            log.error("%s: %s reason=%s times=%d", what, self._where, error, self.count)
