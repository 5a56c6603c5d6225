"""What an uplink wants to know of the leaf link, and what it asks of it.

Knows nothing itself; `leafnode.server.uplinks` has it. Truth: docs/uplink.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from leafnode.routing.peer import Peer


class Link(Protocol):
    """What an uplink wants to know of the leaf link."""

    def is_connected(self) -> bool:
        """Say whether the hub has accepted us and exchanged interest."""
        ...

    def send(
        self, subject: bytes, body: bytes, *, header_size: int = 0, reply: bytes = b""
    ) -> bool:
        """Send a message to the hub, to nobody else; say whether anybody there asked for it."""
        ...

    def asks_for(self, subject: bytes) -> bool:
        """Say whether anybody there asks for this subject."""
        ...

    def max_payload_bytes(self) -> int:
        """What the hub takes at most, header block included; 0: not known."""
        ...

    def doubt(self) -> None:
        """Find out soon whether the hub is there at all: it does not answer."""
        ...

    def is_amid(self) -> bool:
        """Say whether a message of the hub's has begun to come and is not over: what it says behind
        that comes later.
        """
        ...

    def lets_in(self, subject: bytes) -> bool:
        """Say whether the hub may send us this, by the permissions that it told us."""
        ...

    def lets_out(self, subject: bytes) -> bool:
        """Say whether we may send it this."""
        ...

    def is_hub(self, peer: Peer) -> bool:
        """Say whether this is the other side: nobody else's answers count."""
        ...

    def hub_run(self) -> str:
        """Return what names the hub's process: another one after a restart, or on another node."""
        ...

    def takes_headers(self) -> bool:
        """Say whether the hub takes messages with headers."""
        ...
