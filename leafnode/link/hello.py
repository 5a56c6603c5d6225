"""The body of HELLO: who one is and what one takes.

Knows its layout; not when it is sent. Bytes behind the name are ignored: a later version may add
fields. Truth: docs/device-link.md, "HELLO".
"""

import struct

from .const import FRAME_BYTES_MAX, FRAME_BYTES_MIN, HELLO_BYTES, HELLO_FORMAT, PROTOCOL_VERSION
from .subject import is_name


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


def write_hello(
    body: memoryview, window: int, frame_bytes_max: int, capabilities: int, name: bytes
) -> int:
    """Write a HELLO to `body`; return its size."""
    struct.pack_into(
        HELLO_FORMAT, body, 0, PROTOCOL_VERSION, window, frame_bytes_max, capabilities, len(name)
    )
    body[HELLO_BYTES : HELLO_BYTES + len(name)] = name
    return HELLO_BYTES + len(name)


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
    return HelloBody(version, window, frame_bytes_max, capabilities, name.decode())
