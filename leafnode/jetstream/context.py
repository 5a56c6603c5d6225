"""What every part of one account's JetStream is given: stores, clock, random, server facts.

Knows no rules. Truth: docs/ARCHITECTURE.md, "Time".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.jetstream.open_batches import Tally
from leafnode.jetstream.rounds import Rounds
from leafnode.jetstream.server_bounds import ServerBounds
from leafnode.nuid import nuid

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from leafnode.clock import Clock
    from leafnode.jetstream.trusted_time import TrustedTime
    from leafnode.protocol.client_info import ClientInfo
    from leafnode.routing.account import Account
    from leafnode.routing.peer import Peer
    from leafnode.store.api import Store


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What JetStream says about the server. Bounds: -1 is none."""

    name: str
    id: str = ""
    domain: str = ""
    max_memory_bytes: int = -1
    max_file_bytes: int = -1
    max_payload: Callable[[], int] = lambda: limits.MAX_PAYLOAD_BYTES  # a reload may change it


def _unknown(peer: Peer) -> ClientInfo | None:
    del peer
    return None


@dataclass(frozen=True, slots=True)
class Context:
    """The surroundings of one account's streams and consumers."""

    account: Account
    file_store: Store
    memory_store: Store
    clock: Clock
    random: Random
    facts: ServerFacts
    time: TrustedTime = field(repr=False)
    open_atomic: Tally = field(default_factory=Tally, repr=False)  # of all accounts
    open_fast: Tally = field(default_factory=Tally, repr=False)
    answers: Tally = field(default_factory=Tally, repr=False)  # that wait for a COMMIT
    rounds: Rounds = field(default_factory=Rounds, repr=False)  # of answers of several messages
    bounds: ServerBounds = field(default_factory=ServerBounds, repr=False)  # of all accounts
    client_info: Callable[[Peer], ClientInfo | None] = _unknown  # all that is known of who asks

    def store_of(self, storage: str) -> Store:
        """Return the store for a stream's `storage`."""
        return self.memory_store if storage == "memory" else self.file_store

    def nuid(self) -> str:
        """Return a new unique name."""
        return nuid(self.random)

    def send(self, reply: bytes, body: bytes, *, header_size: int = 0) -> int:
        """Answer to the reply that a request named; return how many got it."""
        return self.account.answer(reply, body, header_size=header_size)

    def send_status(self, reply: bytes, block: bytes) -> None:
        """Answer with a header block alone: a status."""
        self.account.answer(reply, block, header_size=len(block))
