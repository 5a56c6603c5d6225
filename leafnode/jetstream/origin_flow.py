"""Whether an origin hears what it is answered when it asks how far its reader is.

Pure; times are monotonic. Who may not publish `$JS.FC.>` to where the origin is answers in vain: a
consumer repeats its question in its heartbeats, and sends no more behind a full window. Truth:
nats-server 2.15.1 server/consumer.go sendIdleHeartbeat.
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

    __slots__ = ("_answered_ns", "_question", "_repeats", "error")

    def __init__(self) -> None:
        """A new link: nothing is known of it."""
        self.error: dict[str, Any] | None = None  # for stream info: an answer went in vain
        self.begin()

    def begin(self) -> None:
        """A new consumer."""
        self._question = b""
        self._answered_ns = 0
        self._repeats = 0

    def answered(self, question: bytes, now_ns: int) -> None:
        """Remember when a question was answered first."""
        if question != self._question:
            self._question, self._answered_ns, self._repeats = question, now_ns, 0

    def is_news(self, question: bytes, may_come: Callable[[int], bool]) -> bool:
        """The origin waits for this answer, or for none (empty): say whether that is news: it hears
        no answers, or hears them again. `error` says which.

        Repetitions count that left it behind the answer. `may_come`: what was sent here before that
        time may still be on its way.
        """
        if question != self._question:
            was_unheard = bool(self._question) and self.error is not None
            if was_unheard:
                self.error = None
            return was_unheard
        if not question or may_come(self._answered_ns):
            return False
        self._repeats += 1
        if self._repeats <= limits.ORIGIN_REPEATS:
            return False
        self.error = _UNHEARD
        return True
