"""What is said of messages that went before the hub had them: how many, and by what.

Knows what looks at a stream say, and the log; not how messages are counted. Truth: docs/uplink.md,
"Lag".
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Final

from leafnode.go_time import format_duration, parse_time

if TYPE_CHECKING:
    from leafnode.uplink.answers import StreamInfo

log = logging.getLogger(__name__)

_REPLACED: Final = "max_msgs_per_subject"  # the newest of each subject is what was asked for


def bound_of(stream: StreamInfo) -> str:
    """Return which bound of its own has no room for one more message, empty: none."""
    config, state = stream.config, stream.state
    if not state.messages:
        return ""
    if 0 < config.max_msgs <= state.messages:
        return f"max_msgs {config.max_msgs}"
    if 0 < config.max_bytes < state.bytes + state.bytes // state.messages:
        return f"max_bytes {config.max_bytes}"
    return ""


class Losses:
    """From the first that is lost until nothing waits any more. The log is told of both ends."""

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._counts: Counter[str] = Counter()  # by cause
        self._first_ns = 0  # when the oldest was stored that was there at the last look
        self._is_unseen = False  # by the hub's word alone something went before that

    @property
    def words(self) -> str:
        return ", ".join(
            f"{cause} removed {count} messages that the hub does not have"
            for cause, count in self._counts.items()
        )

    def forget(self) -> None:
        """What is lost next may have gone long before the last look, or have been at the hub."""
        self._first_ns, self._is_unseen = 0, True

    def note(self, stream: StreamInfo, lost: int, wall_ns: int, *, is_over: bool) -> None:
        """Take a look at the stream. `lost`: so many since the last one; `is_over`: nothing waits,
        and the hub is there for what comes.
        """
        cause = self._cause(stream, wall_ns)
        state, self._is_unseen = stream.state, False
        self._first_ns = (parse_time(state.first_ts) or 0) if state.messages else wall_ns
        if lost and cause != _REPLACED:
            is_first = not self._counts
            self._counts[cause] += lost
            if is_first:
                log.warning("Uplink problem: stream=%s problem=%s", self._stream, self.words)
        elif is_over and self._counts:
            log.warning("Uplink goes on behind a loss: stream=%s loss=%s", self._stream, self.words)
            self._counts.clear()

    def _cause(self, stream: StreamInfo, wall_ns: int) -> str:
        """Say by what messages went since the last look, as far as it shows."""
        config = stream.config
        bound = bound_of(stream)
        if bound and config.discard != "new":
            return bound
        if 0 < config.max_age <= wall_ns - self._first_ns:
            return f"max_age {format_duration(config.max_age)}"
        if config.max_msgs_per_subject > 0:
            return _REPLACED
        if config.allow_msg_ttl:
            return "a TTL or a delete"
        if self._is_unseen:
            return "a delete, a purge or a hub that lost them"
        return "a delete or a purge"
