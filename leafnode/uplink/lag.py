"""How much of a stream waits for the hub: in messages, bytes and seconds.

Pure: values in, numbers out. Truth: docs/uplink.md, "Lag".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.clock import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.uplink.answers import ConsumerInfo, Stored, StreamInfo, StreamState
    from leafnode.uplink.window import Window


class Lag:
    """What is behind the window is known by number; its bytes are that number times the mean.

    What was stored since it was counted is counted when it is asked for, so it is never 0 while
    anything waits.
    """

    def __init__(
        self, after: Callable[[int], int] = lambda _seq: 0, *, is_scattered: bool = False
    ) -> None:
        """`after`: how many messages the stream holds now behind a sequence. Scattered: the oldest
        message may be behind the window, whatever is in it.
        """
        self._after = after
        self._is_scattered = is_scattered
        self.acked_seq = 0  # everything up to it is acknowledged here
        self.last_seq = 0
        self.behind = 0  # messages after the newest one pulled, up to `last_seq`
        self.held = ""  # why the local consumer brings none
        self._mean_bytes = 0.0
        self._oldest_ns = 0  # when the first message behind was stored, if the window is empty

    def note(self, stream: StreamInfo, consumer: ConsumerInfo, held: int) -> None:
        """Take what the local JetStream says; `held` of what it has is in the window."""
        self.acked_seq = consumer.ack_floor.stream_seq
        self.held = "its consumer here is paused" if consumer.paused else ""
        behind = consumer.num_pending + max(0, consumer.num_ack_pending - held)
        self._note(stream.state, behind)

    def note_stream(self, stream: StreamInfo, acked_seq: int, held: int) -> None:
        """Take what is known without a consumer: what is stored behind `acked_seq` waits."""
        state = stream.state
        self.acked_seq = max(self.acked_seq, acked_seq)
        after = min(state.messages, max(0, state.last_seq - self.acked_seq))
        self._note(state, max(0, after - held))

    def count(self, behind: int, last_seq: int) -> None:
        """So many are behind the window, of those up to `last_seq` at least."""
        self.behind, self.last_seq = behind, max(self.last_seq, last_seq)

    def took(self, seq: int) -> None:
        """One of them came into the window; those before it did so, too."""
        if seq > self.last_seq:
            self.last_seq = seq
        else:
            self.behind = max(0, self.behind - 1)

    def _note(self, state: StreamState, behind: int) -> None:
        self.last_seq = state.last_seq
        self.behind = behind
        self._mean_bytes = state.bytes / state.messages if state.messages else 0.0
        if behind == 0:
            self._oldest_ns = 0

    def oldest(self, message: Stored | None) -> None:
        """Take the oldest message behind, if that is known."""
        if message is not None:
            self._oldest_ns = message.stored_ns

    def acked(self, window: Window) -> int:
        """Return up to which sequence the hub has all that was not removed before. What the stream
        lets go of counts as acknowledged there, and may be in the window still.
        """
        return window.before(max(self.acked_seq, window.floor))

    def messages(self, window: Window) -> int:
        return self._behind_now() + len(window)

    def _behind_now(self) -> int:
        return self.behind + self._after(self.last_seq)

    def bytes_behind(self) -> int:
        return round(self.behind * self._mean_bytes)

    def bytes(self, window: Window) -> int:
        return round(self._behind_now() * self._mean_bytes) + window.size

    def seconds(self, window: Window, wall_ns: int) -> float:
        """Return the age of the oldest message that the hub has not acknowledged."""
        oldest_ns = next((entry.stored_ns for entry in window), self._oldest_ns)
        if self._is_scattered and self._oldest_ns:
            oldest_ns = self._oldest_ns
        if not self.messages(window) or not oldest_ns:
            return 0.0
        return max(0, wall_ns - oldest_ns) / NS_PER_S
