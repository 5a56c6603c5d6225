"""Microseconds per message of the hot lane alone: parsing, routing and the bytes for each receiver.

    .venv/bin/python -m tests.bench.bench_lane [messages]

No sockets, no loop: what is measured is `lane`, `route` and `sublist`. Figures depend on the
machine, so nothing is asserted about them; that each message arrived is.
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from leafnode.limits import MAX_CONTROL_LINE_BYTES, MAX_PAYLOAD_BYTES, READ_CHUNK_BYTES, TURN_WORK
from leafnode.routing.account import Account
from leafnode.routing.lane import Lane
from leafnode.routing.peer import Kind, Outbox, Peer
from leafnode.routing.subscription import Subscription

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from leafnode.routing.subscription import Delivery

MESSAGES: Final = 100_000
ROUNDS: Final = 5
SIZES: Final = (8, 16, 40, 64, 100, 128, 200, 256, 333, 512)
SUBJECTS: Final = 1000
COLD_SUBJECTS: Final = 50_000  # more than every cache holds
INBOXES: Final = 50_000


class World:
    """One account, one publisher, and receivers whose bytes are counted and thrown away."""

    def __init__(self) -> None:
        self.account = Account("$G", Outbox(lambda: None))
        self.publisher = self._peer(1)
        self.lane = Lane(
            self.publisher,
            max_payload_bytes=MAX_PAYLOAD_BYTES,
            max_control_line_bytes=MAX_CONTROL_LINE_BYTES,
        )
        self.receivers: list[Peer] = []
        self.handled = 0

    def _peer(self, cid: int) -> Peer:
        peer = Peer(cid, Kind.CLIENT, self.account.system.outbox)
        peer.account = self.account
        return peer

    def receiver(self, *subjects: bytes, queue: bytes = b"") -> None:
        peer = self._peer(len(self.receivers) + 2)
        self.receivers.append(peer)
        for number, subject in enumerate(subjects):
            self.account.insert(Subscription(peer, subject, sid=b"%d" % number, queue=queue))

    def stream(self, subject: bytes) -> None:
        """A handler of the server's, as a stream is one."""
        self.account.subscribe(subject, self._handle)

    def _handle(self, delivery: Delivery) -> None:
        self.handled += len(delivery.messages)

    def arrived(self) -> int:
        return self.handled + sum(peer.traffic.out_msgs for peer in self.receivers)

    def run(self, chunks: list[bytes]) -> float:
        """Route all chunks and return the seconds it took; each is one read of a connection."""
        outbox = self.account.system.outbox
        started = time.process_time()
        for chunk in chunks:
            outbox.scheduled = True
            self.lane.feed(chunk)
            outbox.work_left = TURN_WORK
            while self.lane.next_line() is not None or self.lane.starved:
                outbox.work_left = TURN_WORK
            outbox.flush()
        return time.process_time() - started


def reads(messages: Iterator[bytes]) -> list[bytes]:
    """Cut a stream of messages as reads would, not at the ends of messages."""
    stream = b"".join(messages)
    return [stream[at : at + READ_CHUNK_BYTES] for at in range(0, len(stream), READ_CHUNK_BYTES)]


def pub(subject: bytes, size: int, reply: bytes = b"") -> bytes:
    middle = reply + b" " if reply else b""
    return b"PUB %b %b%d\r\n%b\r\n" % (subject, middle, size, b"x" * size)


@dataclass(frozen=True)
class Case:
    """One row: who receives, and what is published."""

    name: str
    receive: Callable[[World], None]
    message: Callable[[int], bytes]
    deliveries: int = 1  # of each message


def mixed(number: int) -> bytes:
    return pub(b"line.%d.press" % (number * 7 % SUBJECTS), SIZES[number % len(SIZES)])


def ten_receivers(world: World) -> None:
    for _ in range(10):
        world.receiver(b"a.b")


def ten_members(world: World) -> None:
    for _ in range(10):
        world.receiver(b"work", queue=b"workers")


def many_inboxes(world: World) -> None:
    world.receiver(*(b"_INBOX.%d" % number for number in range(INBOXES)), b"line.>")


CASES: Final = (
    Case("same line, nobody listens", lambda world: None, lambda _: pub(b"a.b", 16), 0),
    Case("same line, 1 receiver", lambda world: world.receiver(b"a.b"), lambda _: pub(b"a.b", 128)),
    Case(
        "same line, 10 receivers",
        ten_receivers,
        lambda _: pub(b"a.b", 128),
        10,
    ),
    Case("mixed sizes and subjects", lambda world: world.receiver(b"line.>"), mixed),
    Case(
        "mixed, with a reply",
        lambda world: world.receiver(b"line.>"),
        lambda n: pub(b"line.%d" % (n % SUBJECTS), 64, b"_INBOX.%d" % n),
    ),
    Case(
        "cold subjects",
        many_inboxes,
        lambda n: pub(b"line.%d.press" % (n * 7 % COLD_SUBJECTS), 64),
    ),
    Case("queue group of 10", ten_members, lambda _: pub(b"work", 128)),
    Case(
        "stream, same line with a reply",
        lambda world: world.stream(b"s.>"),
        lambda n: pub(b"s.a", 64, b"_INBOX.%d" % n),
    ),
)


def measure(case: Case, count: int) -> float:
    """Return the median of microseconds per message."""
    chunks = reads(case.message(number) for number in range(count))
    seconds = []
    for _ in range(ROUNDS):
        world = World()
        case.receive(world)
        seconds.append(world.run(chunks))
        assert world.arrived() == count * case.deliveries, case.name
    return statistics.median(seconds) / count * 1e6


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else MESSAGES
    print(f"{'case':34}{'us/message':>12}")
    for case in CASES:
        print(f"{case.name:34}{measure(case, count):12.2f}", flush=True)


if __name__ == "__main__":
    main()
