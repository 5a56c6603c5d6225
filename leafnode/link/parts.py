"""What a DeviceSession and its Channel ask of their parts. For type checkers: no device loads it.

Truth: docs/device-link.md, "Parts of a device".
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from .device import DeviceSession
    from .hello import HelloBody

    class Part(Protocol):
        """What a board may leave out. It has frames of its own, while the link is up."""

        capabilities: int

        def on_up(self, hello: HelloBody, now_ms: int) -> None: ...

        def on_down(self) -> None: ...

        def on_frame(self, kind: int, body: memoryview, now_ms: int) -> bool:
            """Take a frame of the gateway; return False for a kind of somebody else."""
            ...

        def put_next(self, session: DeviceSession, now_ms: int) -> bool:
            """Put one frame if one is due; return whether there was one."""
            ...

        def next_timeout_ms(self, now_ms: int) -> "int | None": ...

    class Source(Protocol):
        """What uses the channel: it offers one frame at a time."""

        def opened(self) -> None: ...

        def closed(self) -> None: ...

        def begin(self) -> int:
            """Choose the next frame and return its kind, 0 for none.

            It stays the same until `taken`.
            """
            ...

        def write_into(self, body: memoryview, at: int) -> int:
            """Write that frame's body from `at` on; return where it ends."""
            ...

        def taken(self, status: int) -> None: ...

    class Listener(Protocol):
        """Who takes what the gateway sends over the channel, and has times of its own."""

        def on_frame(self, kind: int, body: memoryview) -> bool: ...

        def next_timeout_ms(self, now_ms: int) -> "int | None": ...

        def on_time(self, now_ms: int) -> None: ...
