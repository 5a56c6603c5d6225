"""What the header of a request becomes that went through service imports.

Knows headers and what they say of the requester; not how requests travel. Truth: nats-server 2.15.1
server/client.go processServiceImport; measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode.protocol import header
from leafnode.protocol.client_info import encode
from leafnode.routing.tracing import without_trace

if TYPE_CHECKING:
    from leafnode.protocol.client_info import ClientInfo

REQUEST_INFO: Final = b"Nats-Request-Info"


class RequestHeader(NamedTuple):
    """It says who asks, if that is to be said, and asks for no trace any more where it did: what
    says so stands behind who asks where the last import still traced it (measured).
    """

    info: ClientInfo | None
    is_traced: bool
    was_traced: bool = False  # up to an import before

    def of(self, block: bytes) -> bytes:
        """Return the header that stands in the place of this one."""
        if self.was_traced and not self.is_traced:
            block = without_trace(block)
        if self.info is not None:
            block = header.replaced(block, REQUEST_INFO, encode(self.info))
        if self.is_traced:
            block = without_trace(block)  # other servers would not know where the notes go
        return block
