"""A framing fed with pieces of a line, and a buffer that counts what is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from leafnode.bridge.framing import new_framing
from leafnode.bridge.framing.split import SplitFraming
from leafnode.bridge.reading import MORE, Reading
from leafnode.config.serial_options import SerialPort
from leafnode.config.serial_stage_options import CheckOptions, FramingOptions

if TYPE_CHECKING:
    from leafnode.bridge.reading import Framing


def framing_of(
    kind: str, *, check: CheckOptions | None = None, baud: int = 9600, **options: Any
) -> Framing:
    given = FramingOptions(kind, **options)
    port = SerialPort("/dev/x", "scale", "s", baud, given, check or CheckOptions())
    return new_framing(port, b"scale.boot", lambda: 0)


def feed(framing: Framing, *chunks: bytes, now_ms: int = 0) -> list[bytes]:
    payloads = []
    for chunk in chunks:
        framing.receive(chunk, now_ms)
        while (event := framing.next_event()) is not None:
            if event is not MORE:
                assert isinstance(event, Reading)
                payloads.append(event.payload)
    return payloads


def cut(stream: bytes, data: st.DataObject) -> list[bytes]:
    """The same bytes in pieces."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    return [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


class Counting(bytearray):
    """A buffer that counts the bytes that are searched or copied. No time is measured."""

    steps = 0

    def find(self, sub: Any, start: Any = 0, end: Any = None, /) -> int:
        found = super().find(sub, start, len(self) if end is None else end)
        stop = found if found >= 0 else min(len(self), len(self) if end is None else end)
        self.steps += max(1, stop - start)
        return found

    def rfind(self, sub: Any, start: Any = 0, end: Any = None, /) -> int:
        last = min(len(self), len(self) if end is None else end)
        self.steps += max(1, last - start)
        return super().rfind(sub, start, last)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            self.steps += len(range(*index.indices(len(self))))
        return super().__getitem__(index)


def steps_of(framing: Framing, stream: bytes, chunk_bytes: int) -> int:
    """Feed a stream in pieces; return how many bytes were looked at for it."""
    assert isinstance(framing, SplitFraming)
    buffer = Counting()
    framing._buffer = buffer
    for at in range(0, len(stream), chunk_bytes):
        feed(framing, stream[at : at + chunk_bytes])
    assert framing._buffer is buffer
    return buffer.steps
