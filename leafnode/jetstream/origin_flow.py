"""Whether an origin hears what it is answered when it asks how far its reader is.

Pure; times are monotonic. Who may not publish `$JS.FC.>` to where the origin is answers in vain: a
consumer repeats its question in its heartbeats, and sends no more behind a full window. So it is
for a while, too, where the way behind the next server is thin: a second consumer is tried, and
given the time that the way took when it was asked for. Truth: nats-server 2.15.1
server/consumer.go sendIdleHeartbeat.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from leafnode import limits

if TYPE_CHECKING:
    from collections.abc import Callable

_UNHEARD: Final = {
    "code": 403,
    "err_code": 0,
    "description": "flow control answers do not reach the origin: may $JS.FC.> be published there?",
}


class FlowAnswers:
    """Tell it what is answered, and what a heartbeat repeats."""

    __slots__ = ("_answered_ns", "_in_vain", "_question", "_repeats", "_repeats_max", "error")

    def __init__(self) -> None:
        """A new link: nothing is known of it."""
        self.error: dict[str, Any] | None = None  # for stream info: answers went in vain
        self._in_vain = 0  # consumers in a row that heard none
        self.begin(0)

    def begin(self, took_ns: int) -> None:
        """A new consumer, so long after it was asked for."""
        self._question = b""
        self._answered_ns = 0
        self._repeats = 0
        self._repeats_max = limits.ORIGIN_REPEATS + 2 * took_ns // limits.ORIGIN_HEARTBEAT_NS

    def answered(self, question: bytes, now_ns: int) -> None:
        """Remember when a question was answered first."""
        if question != self._question:
            self._question, self._answered_ns, self._repeats = question, now_ns, 0

    def is_news(self, question: bytes, may_come: Callable[[int], bool]) -> bool:
        """The origin waits for this answer, or for none (empty): say whether that is news: it heard
        none for too long, or hears them again. `error` says what is known then.

        Repetitions count that left it behind the answer. `may_come`: what was sent here before that
        time may still be on its way.
        """
        if question != self._question:
            if not self._question:
                return False
            was_unheard = self.error is not None
            self.error, self._in_vain = None, 0
            return was_unheard
        if not question or may_come(self._answered_ns):
            return False
        self._repeats += 1
        if self._repeats <= self._repeats_max:
            return False
        self._in_vain += 1
        if self._in_vain > 1:
            self.error = _UNHEARD
        return True
