"""The device at the other end of a gateway's link, for one boot.

Knows what its HELLO said; not its readings. Truth: docs/device-link.md, "Gateway".
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hello import HelloBody


class Peer:
    """The device at the other end, as its last HELLO said."""

    def __init__(self, boot_id: int, hello: "HelloBody", *, is16: bool) -> None:
        self.device = hello.name
        self.boot_id = boot_id
        self.window = hello.window
        self.frame_bytes_max = hello.frame_bytes_max
        self.capabilities = hello.capabilities
        self.about = hello.about
        self.is16 = is16  # its frames end with a CRC-16, and ours to it
        self.alive = True  # heard within DEAD_MS
