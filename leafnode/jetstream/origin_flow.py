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

    def is_unheard(self, question: bytes, may_come: Callable[[int], bool]) -> bool:
        """A heartbeat repeats a question: say whether that came too often.

        Counted are those that left the origin behind the answer. `may_come`: what was sent here
        before that time may still be on its way.
        """
        if question != self._question or may_come(self._answered_ns):
            return False
        self._repeats += 1
        if self._repeats <= limits.ORIGIN_REPEATS:
            return False
        self.error = _UNHEARD
        return True
