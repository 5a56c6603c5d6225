"""What all streams of one uplink have, and what one of them is made of by its options."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from leafnode.uplink.dead_letter import DeadLetters
from leafnode.uplink.durable import Search
from leafnode.uplink.local import LocalStream
from leafnode.uplink.newest import NewestFirst
from leafnode.uplink.owner import Owner, hub_of

if TYPE_CHECKING:
    from collections.abc import Callable, Set
    from random import Random

    from leafnode.clock import Clock
    from leafnode.config.options import UplinkStream
    from leafnode.routing.account import Account
    from leafnode.uplink.ceiling import Ceiling
    from leafnode.uplink.gate import Gate
    from leafnode.uplink.link import Link
    from leafnode.uplink.mailbox import Mailbox


class Shared(NamedTuple):
    """What all streams of one uplink have."""

    name: str  # of the uplink; empty: the only one
    account: Account
    server_name: str
    clock: Clock
    random: Random
    link: Link
    gate: Gate
    # The questions that the hub has answered: it may be asked, so silence is no refusal.
    answered: set[str]
    ceiling: Ceiling
    names: Callable[[str], Set[str]]  # of the uplinks that have a stream, as configured now
    no_room: Callable[[str], str] = lambda _stream: ""  # see `Edge`
    after: Callable[[str, int], int] = lambda _stream, _seq: 0  # the same
    remote: str = ""  # one of its URLs; empty: the only one of the account
    dead_letter: str = ""  # the local stream for what the hub refuses; empty: it is held

    def dead_letters(self, mailbox: Mailbox) -> DeadLetters | None:
        """Return where what the hub refuses goes."""
        return DeadLetters(self.dead_letter, mailbox, self.clock) if self.dead_letter else None

    def local(self, options: UplinkStream, mailbox: Mailbox) -> LocalStream | NewestFirst:
        """Return what reads the local stream."""
        stream = options.stream
        if options.newest_first:
            return NewestFirst(self.clock, mailbox, stream=stream, place=self.name or "main")
        owner = Owner(self.name, hub_of(options.hub_stream, options.domain, self.remote))
        search = Search(mailbox, stream, owner, lambda: self.names(stream))
        return LocalStream(self.account, self.clock, mailbox, stream=stream, search=search)
