"""Readings that wait for their ack: a ring of bounded count and bounded bytes, allocated once.

Knows records of bytes; not sequences, frames or time. The owner asks has_room and decides what
gives way.
"""

from array import array


class Ring:
    """First in, first out. A record may wrap around the buffer's end, so every byte is usable."""

    def __init__(self, messages_max: int, bytes_max: int) -> None:
        self.messages_max = messages_max
        self.bytes_max = bytes_max
        self.count = 0
        self.used_bytes = 0
        self._data = bytearray(bytes_max)
        self._view = memoryview(self._data)
        self._starts = array("I", bytes(4 * messages_max))
        self._sizes = array("H", bytes(2 * messages_max))
        self._first = 0  # index of the oldest record
        self._end = 0  # where the next byte goes

    def has_room(self, size: int) -> bool:
        return self.count < self.messages_max and self.used_bytes + size <= self.bytes_max

    def append(
        self, head: "bytes | bytearray", payload: "bytes | bytearray", tail: bytes = b""
    ) -> None:
        """Add the record head + payload + tail. The caller has asked has_room."""
        size = len(head) + len(payload) + len(tail)
        assert self.has_room(size)
        slot = (self._first + self.count) % self.messages_max
        self._starts[slot] = self._end
        self._sizes[slot] = size
        self._write(head)
        self._write(payload)
        self._write(tail)
        self.count += 1
        self.used_bytes += size

    def copy_into(self, index: int, target: memoryview) -> int:
        """Copy the record that is `index` places behind the oldest; return its size."""
        assert 0 <= index < self.count
        slot = (self._first + index) % self.messages_max
        start = self._starts[slot]
        size = self._sizes[slot]
        until_end = self.bytes_max - start
        if size <= until_end:
            target[:size] = self._view[start : start + size]
        else:
            target[:until_end] = self._view[start:]
            target[until_end:size] = self._view[: size - until_end]
        return size

    def drop(self) -> None:
        """Forget the oldest record."""
        assert self.count > 0
        self.used_bytes -= self._sizes[self._first]
        self._first = (self._first + 1) % self.messages_max
        self.count -= 1

    def _write(self, data: "bytes | bytearray") -> None:
        size = len(data)
        until_end = self.bytes_max - self._end
        if size < until_end:
            self._data[self._end : self._end + size] = data
            self._end += size
        else:
            self._data[self._end :] = data[:until_end]
            self._data[: size - until_end] = data[until_end:]
            self._end = size - until_end
