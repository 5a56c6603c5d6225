"""Peers without connections: what they would have been sent is read from them."""

from __future__ import annotations

from leafnode.limits import TURN_WORK
from leafnode.routing import parked
from leafnode.routing.account import Account
from leafnode.routing.lane import Lane
from leafnode.routing.peer import Kind, Outbox, Peer
from leafnode.routing.subscription import Subscription


def outbox() -> Outbox:
    """An outbox that nobody flushes."""
    return Outbox(lambda: None)


def account(name: str = "$G") -> Account:
    """An account of a server without connections."""
    return Account(name, outbox())


class FakePeer(Peer):
    """A peer bound to an account, with the words of a protocol session as methods."""

    __slots__ = ("lane",)

    def __init__(self, bound_to: Account, cid: int = 1, kind: Kind = Kind.CLIENT) -> None:
        super().__init__(cid, kind, bound_to.system.outbox)
        self.account: Account = bound_to
        self.lane = Lane(self, max_payload_bytes=1024, max_control_line_bytes=512)

    def subscribe(self, subject: bytes, sid: bytes, queue: bytes = b"") -> Subscription:
        while self.outbox.work_left <= 0 or self.parked is not None:
            self.outbox.renew_work()  # no SUB is read in a turn that is over,
            parked.go_on(self)  # nor before all that the last one brought about
        sub = Subscription(self, subject, sid=sid, queue=queue)
        self.subs[sid] = sub
        self.account.insert(sub)
        return sub

    def says(self, data: bytes) -> list[bytes]:
        """Read bytes as from the wire; return the lines that are no messages."""
        self.lane.feed(data)
        lines = []
        while True:
            self.outbox.work_left = TURN_WORK
            line = self.lane.next_line()
            if line is not None:
                lines.append(line)
            elif not self.lane.starved:
                return lines

    def got(self) -> bytes:
        """Everything that would have been written to this peer since the last call."""
        return b"".join(self.take())
