"""How long one stream's uplink waits until it tries again.

Pure. Where the hub has answered and nothing can be sent all the same, it would say the same for
long, and some hundred questions may be asked each time. Truth: docs/uplink.md, "When something is
in the way", and "A copy that was restored".
"""

from __future__ import annotations

from leafnode import limits


class Pauses:
    """Each is twice the one before: from a quarter of a second up to half a minute, and after an
    answer from a minute up to an hour, whatever else went wrong between two of those.
    """

    __slots__ = ("_answered_ns", "_next_ns")

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """There is another link, or the hub took something: all of it may be well now."""
        self._next_ns = limits.UPLINK_RETRY_NS
        self.forget()

    def forget(self) -> None:
        """The local stream is another one: what the hub said was not of that."""
        self._answered_ns = limits.UPLINK_TOLD_NO_NS

    def next(self, *, is_answered: bool) -> int:
        if is_answered:
            pause_ns = self._answered_ns
            self._answered_ns = min(2 * pause_ns, limits.UPLINK_TOLD_NO_MAX_NS)
        else:
            pause_ns = self._next_ns
            self._next_ns = min(2 * pause_ns, limits.UPLINK_RETRY_MAX_NS)
        return pause_ns
