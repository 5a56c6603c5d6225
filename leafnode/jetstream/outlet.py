"""The way out of a consumer, as the consumer sees it: pull requests, or a push subject.

Implemented by pull.PullQueue and push.PushSubject; both know inboxes, statuses and time, and
nothing of acknowledgements. Truth: leafnode/jetstream/consumer.py calls it, in the order written
here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from leafnode.store.api import StoredMsg


class Outlet(Protocol):
    """Who takes a consumer's messages."""

    last_active_ns: int  # monotonic; when somebody last showed interest

    def open(self) -> None:
        """The consumer begins to deliver."""
        ...

    def waiting(self) -> int:
        """How many pull requests wait; those without a listener are dropped first."""
        ...

    def is_used(self) -> bool:
        """Say whether somebody wants messages now."""
        ...

    def subjects(self) -> list[bytes]:
        """Return where it sends what it is given now."""
        ...

    def request(self, inbox: bytes, block: bytes, payload: bytes) -> None:
        """Take a pull request, or answer why not."""
        ...

    def begin(self) -> None:
        """The consumer starts to deliver what it can."""
        ...

    def ready(self) -> bool:
        """Say whether somebody takes the next message."""
        ...

    def room(self) -> int:
        """How many messages `take_run` may be given now; 0 where each has to be looked at.

        Where it is not 0, somebody is ready.
        """
        ...

    def take_run(self, messages: list[tuple[bytes, bytes, int, bytes]]) -> int:
        """Hand over (subject, reply, header size, body) of no more messages than `room` said.

        Return how many were taken, of the first; one at least.
        """
        ...

    # How many who wait were passed over for the last message that `take` was given.
    passed_over: int

    def take(self, msg: StoredMsg, reply: bytes, size: int) -> bool:
        """Hand over a message; False when it was too large for who was ready."""
        ...

    def end(self, *, over: bool) -> None:
        """Send what was taken. `over`: nobody who still waits gets anything for now."""
        ...

    def shut_down(self) -> None:
        """The server stops; who waits is told what was left."""
        ...

    def close(self) -> None:
        """The consumer ends. Who waits hears nothing yet: that may fail."""
        ...

    def tell(self, status: bytes) -> None:
        """The consumer is gone for good; who waited when it closed is told so."""
        ...

    def wait_on(self, before: Outlet) -> None:
        """The consumer is there again: who waited at its outlet of before waits here."""
        ...
