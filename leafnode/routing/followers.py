"""Who waits for somebody to listen on one subject: parts of the server that send there.

Knows literal subjects and what to call; not who listens, and not what is sent. A subscription to a
literal costs one look-up, whoever waits for others. Truth: nats-server 2.15.1 server/consumer.go
updateDeliveryInterest, where it is a notification of the sublist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.protocol import subject as subjects

if TYPE_CHECKING:
    from collections.abc import Callable


class Followers:
    """What is called when interest in a subject may have begun or ended, in one account."""

    __slots__ = ("_by_subject",)

    def __init__(self) -> None:
        self._by_subject: dict[bytes, list[Callable[[], None]]] = {}

    def __len__(self) -> int:
        return len(self._by_subject)

    def follow(self, subject: bytes, call: Callable[[], None]) -> None:
        """Have it called on each change, in the middle of it: look at the interest later."""
        self._by_subject.setdefault(subject, []).append(call)

    def leave(self, subject: bytes, call: Callable[[], None]) -> None:
        """Call it no more; leaving twice does nothing."""
        calls = self._by_subject.get(subject, [])
        if call in calls:
            calls.remove(call)
            if not calls:
                del self._by_subject[subject]

    def changed(self, pattern: bytes) -> int:
        """Somebody began or ceased to listen there; return how many subjects were looked at."""
        if subjects.is_literal(pattern):
            self._call(pattern)
            return 1
        for subject in list(self._by_subject):
            if subjects.matches(pattern, subject):
                self._call(subject)
        return len(self._by_subject)

    def _call(self, subject: bytes) -> None:
        for call in tuple(self._by_subject.get(subject, ())):
            call()
