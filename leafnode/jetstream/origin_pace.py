"""How many messages an origin elsewhere sends before the first of them is acknowledged.

Pure; times are monotonic. A nats-server sends 1 MiB before it asks whether anything came: on
40 kbit/s PING, PONG and PubAcks stand behind that for minutes. So few are asked for at first, more
where all of them came quickly behind the first, and of a quick link as many as its server likes.
Truth: docs/uplink.md, "Thin links".
"""

from __future__ import annotations

from leafnode import limits


class OriginPace:
    """Tell it when a window is asked for, when it begins to come and when it ends."""

    __slots__ = (
        "_asked_ns",
        "_at_most",
        "_began_ns",
        "_grows_ns",
        "_is_free",
        "_was_there",
        "most",
    )

    def __init__(self, *, is_free: bool) -> None:
        """`is_free`: the origin's own window is right, whatever the link."""
        self._is_free = is_free
        self.begin()

    def free(self) -> None:
        """Let it send as it likes from now on."""
        self._is_free = True
        self.most = 0

    def give_up(self) -> None:
        """Let it send as it likes over this link."""
        self.most = 0

    def is_too_large(self) -> bool:
        """Its server allows no window of this size: say whether to ask for its own instead."""
        if not self.most:
            return False
        smaller = max(1, self.most // limits.ORIGIN_AT_ONCE_STEP)
        self._at_most, self.most = smaller if smaller < self.most else 0, 0
        return True

    def is_needed(self) -> bool:
        """Its server wants a size: say whether there is one that it took."""
        self.most = self._at_most
        return self.most > 0

    def begin(self) -> None:
        """A new link: nothing is known of it."""
        self.most = 0 if self._is_free else limits.ORIGIN_AT_ONCE  # 0: the origin's own window
        self._at_most = 0  # its server allows no more and wants a size; 0: not known
        self._asked_ns = self._began_ns = 0
        self._grows_ns = 0  # not before: a larger one took long
        self._was_there = False  # all of it when the first was sent: the rest waited for the link

    def asked(self, now_ns: int) -> None:
        """A consumer was asked for, or the last window answered."""
        self._asked_ns = now_ns

    def began(self, pending: int, now_ns: int) -> None:
        """The first came, and so many were to follow it."""
        self._began_ns = now_ns
        self._was_there = pending >= self.most - 1

    def ended(self, count: int, now_ns: int) -> bool:
        """The origin waits after so many: say whether it is to be asked anew, for other windows."""
        before = self.most
        if not before or count < before or not self._was_there:
            return False
        took_ns = now_ns - self._began_ns
        # Behind a lost packet all of a slow link comes at once, but late.
        is_late = now_ns - self._asked_ns > limits.FLOW_ANSWER_QUICK_NS
        if took_ns <= limits.ORIGIN_QUICK_NS and not is_late and now_ns >= self._grows_ns:
            larger = before * limits.ORIGIN_AT_ONCE_STEP
            larger = min(larger, self._at_most or larger)
            self.most = larger if larger <= limits.ORIGIN_AT_ONCE_MAX else 0
        elif took_ns > limits.FLOW_ANSWER_SLOW_NS:
            self.most = min(before, max(limits.ORIGIN_AT_ONCE_MIN, before // 2))
            self._grows_ns = now_ns + limits.ORIGIN_GROWS_NS
        return self.most != before
