"""The body of HELLO: who one is and what one takes.

Knows its layout; not when it is sent. Bytes behind the name are ignored: a later version may add
fields, as the channel's two bytes were. Truth: docs/device-link.md, "HELLO".
"""

import struct

from .const import (
    ABOUT_BYTES_MAX,
    CAPABILITY_ABOUT,
    CAPABILITY_CHANNEL,
    FRAME_BYTES_MAX,
    FRAME_BYTES_MIN,
    HELLO_BYTES,
    HELLO_FORMAT,
    HELLO_TAIL_BYTES,
    PROTOCOL_VERSION,
)
from .subject import is_name, printable


class HelloBody:
    """A HELLO as it was read."""

    def __init__(
        self, version: int, window: int, frame_bytes_max: int, capabilities: int, name: str
    ) -> None:
        self.version = version
        self.window = window
        self.frame_bytes_max = frame_bytes_max
        self.capabilities = capabilities
        self.name = name
        self.epoch = 0  # of the channel; 0: the other end has none
        self.message_window = 0
        self.about = ""  # which board and firmware, where the device says it


def write_hello(
    body: memoryview,
    window: int,
    frame_bytes_max: int,
    capabilities: int,
    name: bytes,
    tail: bytes = b"",
) -> int:
    """Write a HELLO to `body`; return its size. `tail`: epoch and message window of a channel, and
    what the device is.
    """
    struct.pack_into(
        HELLO_FORMAT, body, 0, PROTOCOL_VERSION, window, frame_bytes_max, capabilities, len(name)
    )
    end = HELLO_BYTES + len(name)
    body[HELLO_BYTES:end] = name
    body[end : end + len(tail)] = tail
    return end + len(tail)


def read_hello(body: memoryview) -> "HelloBody | None":
    """Return what `body` says, or None when it is malformed. Of another version only `version`
    counts.
    """
    if len(body) == 0:
        return None
    if body[0] != PROTOCOL_VERSION:
        return HelloBody(body[0], 0, 0, 0, "")
    if len(body) < HELLO_BYTES:
        return None
    version, window, frame_bytes_max, capabilities, size = struct.unpack_from(HELLO_FORMAT, body, 0)
    name = bytes(body[HELLO_BYTES : HELLO_BYTES + size])
    if len(name) != size or not is_name(name) or window == 0:
        return None
    if not FRAME_BYTES_MIN <= frame_bytes_max <= FRAME_BYTES_MAX:
        return None
    hello = HelloBody(version, window, frame_bytes_max, capabilities, name.decode())
    tail = body[HELLO_BYTES + size :]
    if capabilities & CAPABILITY_CHANNEL:
        if len(tail) < HELLO_TAIL_BYTES or tail[0] == 0 or tail[1] == 0:
            return None
        hello.epoch = tail[0]
        hello.message_window = tail[1]
        tail = tail[HELLO_TAIL_BYTES:]
    if capabilities & CAPABILITY_ABOUT and len(tail) > 0:
        hello.about = printable(bytes(tail[1 : 1 + min(tail[0], ABOUT_BYTES_MAX)]))
    return hello
