"""Whether what waits for the hub has no room, so that something is lost or refused.

Knows what looks at a stream say, and the log. Truth: docs/uplink.md, "Lag".
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from leafnode.uplink.answers import ConsumerInfo, StreamInfo
    from leafnode.uplink.local import LocalState

log = logging.getLogger(__name__)

_REFUSED: Final = "what comes is refused"


def full(stream: StreamInfo, consumer: ConsumerInfo) -> str:
    """Return why there is no room for more, empty while there is.

    A stream that also keeps what the hub has is full of that first. With `discard: old` what goes
    then is no loss; with `discard: new` what comes is refused all the same.
    """
    config, state = stream.config, stream.state
    if not state.messages:
        return ""
    if 0 < config.max_msgs <= state.messages:
        bound = f"max_msgs {config.max_msgs}"
    elif 0 < config.max_bytes < state.bytes + state.bytes // state.messages:
        bound = f"max_bytes {config.max_bytes}"
    else:
        return ""
    if state.first_seq <= consumer.ack_floor.stream_seq <= state.last_seq:
        return f"the stream is full: {bound}, {_REFUSED}" if config.discard == "new" else ""
    lost = _REFUSED if config.discard == "new" else "the oldest are lost"
    return f"the backlog is full: {bound} of messages that the hub does not have, {lost}"


class Backlog:
    """Of one stream, as of the last look at it. The log is told once of what lasts."""

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._tells_full = True  # the log was not told
        self.words = ""  # empty: all is well

    def note(self, local: LocalState, *, no_room: str, waits: bool) -> None:
        """Take a look at the stream. `no_room`: which bound beside its own is used up; `waits`:
        there is something that the hub does not have.
        """
        self.words = full(local.stream, local.consumer)
        if no_room:  # then the oldest do not make room either
            self.words = f"JetStream is full: {no_room}, {_REFUSED}"
        if self.words and self._tells_full:
            self._tells_full = False  # until all is upstream: at the bound it comes and goes
            log.warning("Uplink problem: stream=%s problem=%s", self._stream, self.words)
        elif not self.words and not waits:
            self._tells_full = True
