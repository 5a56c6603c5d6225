"""How many bytes a push consumer sends before its receiver has answered.

Pure; `now_ns` is monotonic. To a client the window is nats-server's: 2 MiB, twice as much
with each answer. To a server that mirrors or sources over a link of unknown width it follows them:
what waits in front of a thin link holds up its PINGs, and three of those unanswered end it
(measured: 1.2 MB on 512 kbit/s, every second drain lost its link). Truth: docs/compatibility.md.
"""

from __future__ import annotations

from leafnode import limits


class FlowWindow:
    """`size` is in bytes. Tell it of each question and of its answer."""

    __slots__ = ("_asked_ns", "_follows", "size")

    def __init__(self, *, follows: bool) -> None:
        """`follows`: the window follows how long answers take."""
        self._follows = follows
        self._asked_ns = 0
        self.size = limits.FLOW_WINDOW_BYTES_MIN if follows else limits.FLOW_WINDOW_BYTES

    def asked(self, now_ns: int) -> None:
        """The question went out, behind half a window."""
        self._asked_ns = now_ns

    def answered(self, now_ns: int) -> None:
        """Its answer came."""
        took_ns = now_ns - self._asked_ns
        if not self._follows or took_ns <= limits.FLOW_ANSWER_QUICK_NS:
            self.size = min(2 * self.size, limits.FLOW_WINDOW_BYTES_MAX)
        elif took_ns > limits.FLOW_ANSWER_SLOW_NS:
            self.size = max(self.size // 2, limits.FLOW_WINDOW_BYTES_MIN)
