"""The lines that carry a message to a client or a leaf: MSG, HMSG and LMSG.  HOT

Knows how they are spelled; not who gets one. `route._send` spells the general way, where sizes and
blanks may be unusual. Truth: nats-server 2.15.1 server/client.go msgHeader, leaf protocol 2.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from leafnode.routing.subscription import Subscription

# Whole messages to a client: subject, sid, reply and a blank or nothing, sizes, what is carried.
MSG: Final = b"MSG %b %b %b%d\r\n%b\r\n"
HMSG: Final = b"HMSG %b %b %b%d %d\r\n%b\r\n"


def start_of(sub: Subscription, subject: bytes, *, with_header: bool) -> bytes:
    """Return what stands before the reply: the rest of a publisher's line may follow unchanged."""
    if sub.peer.is_leaf:
        return (b"HMSG %b " if with_header else b"LMSG %b ") % subject
    return (b"HMSG %b %b " if with_header else b"MSG %b %b ") % (subject, sub.sid)
