"""What the header of a request becomes that went through service imports.

Knows headers and what they say of the requester; not how requests travel. Truth: nats-server 2.15.1
server/client.go processServiceImport; measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from leafnode.protocol import header
from leafnode.protocol.client_info import encode
from leafnode.routing.tracing import without_trace

if TYPE_CHECKING:
    from leafnode.protocol.client_info import ClientInfo
    from leafnode.routing.account import Account
    from leafnode.routing.route import Message

REQUEST_INFO: Final = b"Nats-Request-Info"


def renamed(message: Message, requesting: Account) -> Message:
    """Return a request to a service as it leaves over a leaf link: who asks is named as a hub knows
    the account, which may have another one of the same name (nats-server
    checkLeafClientInfoHeader).
    """
    info, name = message.passed[-1].info, requesting.name_at_hub
    if not (name and message.reply) or info is None or info.acc in {name, ""}:
        return message
    told = encode(msgspec.structs.replace(info, acc=name))
    block = header.replaced(message.body[: message.header_size], REQUEST_INFO, told)
    body = block + message.body[message.header_size :]
    return message._replace(header_size=len(block), body=body, sizes=b"")


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
