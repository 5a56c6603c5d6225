"""What the durable consumer gave to a former run: all of it has to be here before anything new.

The consumer repeats it when its ack wait is over, before anything that is new. So one request that
is made after that brings all of it, and nothing new is asked for until then. Its number alone would
say nothing: messages go out of a stream while they wait, by its limits or because somebody deletes
them, from the window or before they are repeated. Newest first there is no consumer: what a former
run may have sent has as long to arrive at the hub. Truth: docs/uplink.md, "After every connect".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode import limits

if TYPE_CHECKING:
    from leafnode.clock import Clock
    from leafnode.uplink.local import LocalStream

_DUE_NS: Final = limits.UPLINK_ACK_WAIT_NS + limits.UPLINK_RETRY_NS


class Former:
    """Asked again and again until it says that all of it is back."""

    def __init__(self, clock: Clock, local: LocalStream | None) -> None:
        """None: the stream is read without a consumer."""
        self._clock = clock
        self._local = local
        self._is_back = False
        self.is_passed = False  # somebody else was given what has to come back
        self._is_asked_for = False
        self._due_ns = 0

    def opened(self, messages: int) -> None:
        """It was opened: who had it before may have been given messages until now, of so many that
        there are.
        """
        self._is_back = not messages
        self._wait()

    def passed(self) -> None:
        """Somebody else was given messages: they have to come back as those of a former run."""
        self._is_back, self.is_passed = False, True
        self._wait()

    def _wait(self) -> None:
        self._is_asked_for = False
        self._due_ns = self._clock.monotonic_ns() + _DUE_NS

    def is_back(self, pending: int, held: int, *, is_full: bool = False) -> bool:
        """Say whether all that the consumer gave and had no acknowledgement for is here.

        `pending` is how much that is, `held` how much is here. Asks for it when it is due; not with
        a window more than full of what the stream let go of: that has to go first.
        """
        if is_full:
            return True
        if self._local is None:
            return self._is_back or self._clock.monotonic_ns() >= self._due_ns
        if pending == 0:
            self._is_back = True
        if self._is_back and pending <= held:
            return True
        if self._is_back:
            self._is_back = False
            self._wait()  # somebody else pulls from it
        is_due = self._clock.monotonic_ns() >= self._due_ns
        if self._local.is_pulling:
            # What is due comes to the open request as it would to another one.
            self._is_back = is_due and pending <= held
            return self._is_back
        if self._is_asked_for:
            self._is_back = pending <= held
            if not self._is_back:
                self._wait()
            return self._is_back
        if is_due:
            self._is_asked_for = True
            self._local.collect(pending)
        return False
