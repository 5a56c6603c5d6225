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


class TrustedTime:
    """Wall time as far as it can be believed: judges the age of messages.

    A device without a battery-backed clock may jump by years when it learns the time. A jump of
    more than a day pauses expiry until it is an hour old. A clock that jumps back to what is no
    earlier than what was believed before was wrong until then: its time counts no more. One that
    jumps back beyond that is believed after the hour.

    `last_ns` is the time that was believed last before the start, if that is known: from there to
    now is such a jump, too. A device that was off for so long looks the same.
    """

    __slots__ = ("_believed_ns", "_clock", "_high_ns", "_offset_ns", "_paused_until_ns", "jumps")

    def __init__(self, clock: Clock, last_ns: int | None = None) -> None:
        self._clock = clock
        now_ns = clock.monotonic_ns()
        self._high_ns = clock.wall_ns()
        self._offset_ns = self._believed_ns = self._high_ns - now_ns  # wall above monotonic time
        self._paused_until_ns: int | None = None
        self.jumps = 0
        if last_ns is not None and abs(clock.wall_ns() - last_ns) > limits.CLOCK_JUMP_NS:
            self._believed_ns = last_ns - now_ns  # at least
            self._doubt(now_ns)

    def now_ns(self) -> int:
        """Return wall time that goes backward only where it was wrong; stamps messages."""
        wall_ns = self._clock.wall_ns()
        if abs(wall_ns - self._high_ns) > limits.CLOCK_JUMP_NS:
            self._look()
        self._high_ns = max(self._high_ns, wall_ns)
        return self._high_ns

    def expiry_ns(self) -> int | None:
        """Return the time to judge ages by, or None while the clock is in doubt."""
        self._look()
        return None if self._paused_until_ns is not None else self.now_ns()

    def _look(self) -> None:
        """Compare the clock with what it was at the last look."""
        now_ns, wall_ns = self._clock.monotonic_ns(), self._clock.wall_ns()
        offset_ns = wall_ns - now_ns
        step_ns, self._offset_ns = offset_ns - self._offset_ns, offset_ns
        if abs(step_ns) > limits.CLOCK_JUMP_NS:
            self._doubt(now_ns)
            if step_ns < 0 and offset_ns >= self._believed_ns - limits.CLOCK_JUMP_NS:
                self._high_ns = wall_ns
        if self._paused_until_ns is not None:
            if now_ns < self._paused_until_ns:
                return
            self._paused_until_ns = None
            if self._high_ns - wall_ns > limits.CLOCK_JUMP_NS:
                self._high_ns = wall_ns
        self._believed_ns = offset_ns

    def _doubt(self, now_ns: int) -> None:
        self.jumps += 1
        self._paused_until_ns = now_ns + limits.EXPIRY_PAUSE_NS


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

    def send(self, subject: bytes, body: bytes, *, header_size: int = 0) -> int:
        """Publish something of the server's to one reply subject; return how many got it."""
        return self.account.publish(subject, body, header_size=header_size)

    def send_status(self, subject: bytes, block: bytes) -> None:
        """Publish a header block alone: a status. Whoever asks names where it goes, and without a
        body it would be a request of the server's own there: to delete a stream, say.
        """
        if not _is_of_the_api(subject):
            self.account.publish(subject, block, header_size=len(block))


def _is_of_the_api(subject: bytes) -> bool:
    """Say whether JetStream is asked there, here or in another domain."""
    first, *rest = subject.split(b".", 3)
    return first == b"$JS" and rest[:1] not in ([b"ACK"], [b"FC"]) and b"API" in rest[:2]
