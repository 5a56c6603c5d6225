"""Whether what waits for the hub has no room, or went before the hub had it.

Knows what looks at a stream say, and the log. Truth: docs/uplink.md, "Lag".
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode.uplink.losses import Losses, bound_of

if TYPE_CHECKING:
    from leafnode.clock import Clock
    from leafnode.uplink.answers import ConsumerInfo, StreamInfo
    from leafnode.uplink.local import LocalState
    from leafnode.uplink.position import Word
    from leafnode.uplink.status import Counters
    from leafnode.uplink.unsent import Unsent, UnsentNewest

log = logging.getLogger(__name__)

_REFUSED: Final = "what comes is refused"


def full(stream: StreamInfo, consumer: ConsumerInfo) -> str:
    """Return why there is no room for more, empty while there is.

    A stream that also keeps what the hub has is full of that first. With `discard: old` what goes
    then is no loss; with `discard: new` what comes is refused all the same.
    """
    config, state = stream.config, stream.state
    bound = bound_of(stream)
    if not bound:
        return ""
    if state.first_seq <= consumer.ack_floor.stream_seq <= state.last_seq:
        return f"the stream is full: {bound}, {_REFUSED}" if config.discard == "new" else ""
    lost = _REFUSED if config.discard == "new" else "the oldest are lost"
    return f"the backlog is full: {bound} of messages that the hub does not have, {lost}"


class Waiting(NamedTuple):
    """What a look at a stream showed beside its own state."""

    no_room: str  # which bound beside its own is used up
    some: bool  # there is something that the hub does not have
    is_sent: bool  # it is on its way there, or will be when something comes


class Backlog:
    """Of one stream, as of the last look at it. The log is told once of what lasts."""

    def __init__(
        self, stream: str, clock: Clock, unsent: Unsent | UnsentNewest, counters: Counters
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._unsent = unsent
        self._counters = counters
        self._full = ""
        self._tells_full = True  # the log was not told
        self._losses = Losses(stream)

    @property
    def words(self) -> str:
        """Say what is wrong with it; empty: nothing."""
        return "; ".join(filter(None, (self._full, self._losses.words)))

    def told(self, word: Word) -> None:
        """The hub said what it has, unless it could not be asked."""
        has = word.position
        if not word.is_blind and self._unsent.told(max((has.floor, *has.above))):
            self._losses.forget()

    def not_seen(self) -> None:
        """The stream cannot be looked at, or is another one: what it lost stays lost."""
        self._full = ""

    def note(self, local: LocalState, waiting: Waiting) -> None:
        """Take a look at the stream."""
        self._full = full(local.stream, local.consumer)
        if waiting.no_room:  # then the oldest do not make room either
            self._full = f"JetStream is full: {waiting.no_room}, {_REFUSED}"
        if self._full and self._tells_full:
            self._tells_full = False  # until all is upstream: at the bound it comes and goes
            log.warning("Uplink problem: stream=%s problem=%s", self._stream, self._full)
        elif not self._full and not waiting.some:
            self._tells_full = True
        is_over = waiting.is_sent and not waiting.some
        lost = self._unsent.take()
        self._counters.removed += lost
        self._losses.note(local.stream, lost, self._clock.wall_ns(), is_over=is_over)
