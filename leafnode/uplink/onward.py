"""What a stored message looks like on its way to the hub, and its name there.

Pure: bytes in, bytes out. Knows header names and the form of `Nats-Msg-Id`; not accounts, not time.
Truth: docs/uplink.md; which headers instruct a stream: nats-server 2.15.1 server/stream.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode.nuid import ALPHABET
from leafnode.protocol import header
from leafnode.uplink import ranges
from leafnode.uplink.ranges import Ranges

if TYPE_CHECKING:
    from collections.abc import Iterable

MSG_ID: Final = b"Nats-Msg-Id"
IN_FLIGHT: Final = b"Leafnode-In-Flight"

# These told the local stream what to do, and it did. The hub would refuse the message for them
# (10060, 10070, 10071, 10111, 10165, 10166, 10168, 10188, 10212, 10227), take it for part of a
# batch that never ends, or trace it in the name of the leaf's user and not store it. They travel on
# as Leafnode-…, so that nothing a device wrote is lost.
_INSTRUCTIONS: Final = frozenset(
    {
        MSG_ID,
        b"Nats-Expected-Stream",
        b"Nats-Expected-Last-Msg-Id",
        b"Nats-Expected-Last-Sequence",
        b"Nats-Expected-Last-Subject-Sequence",
        b"Nats-Expected-Last-Subject-Sequence-Subject",
        b"Nats-Rollup",
        b"Nats-TTL",
        b"Nats-Incr",
        b"Nats-Stream-Source",
        b"Nats-Batch-Id",
        b"Nats-Batch-Sequence",
        b"Nats-Batch-Commit",
        b"Nats-Schedule",
        b"Nats-Schedule-Next",
        b"Nats-Schedule-TTL",
        b"Nats-Schedule-Target",
        b"Nats-Schedule-Source",
        b"Nats-Schedule-Time-Zone",
        b"Nats-Schedule-Rollup",
        b"Nats-Scheduler",
        b"Nats-Required-Api-Level",
        b"Nats-Trace-Dest",
        b"Nats-Trace-Only",
        b"Nats-Trace-Hop",
        b"Nats-Trace-Origin-Account",
    }
)
_MARK: Final = 5  # characters: one of 900 million
_END: Final = b"\r\n\r\n"
_PREFIX: Final = b"Nats-"
_PREFIX_ONWARD: Final = b"Leafnode-"


class InFlight(NamedTuple):
    """What the hub had acknowledged when a message was sent behind others that it had not yet.

    Everything up to local sequence `floor` is stored at the hub, at most at its sequence `hub_seq`.
    Where some went newest first it is what `ranges` hold, and all else is stored behind `hub_seq`
    or not at all.
    `mark` is that of the highest sequence in them, if it is known: where that is another message,
    they are of another history of the stream.
    """

    floor: int
    hub_seq: int
    ranges: bytes = b""
    mark: str = ""

    def line(self) -> tuple[bytes, bytes]:
        """Return it as a header."""
        words = (b"%d %d" % self[:2], self.ranges, self.mark.encode())
        return IN_FLIGHT, b" ".join(words).rstrip()

    def holds(self, seq: int) -> bool:
        """Say whether it says that one of this sequence is stored."""
        return seq <= self.floor or seq in self.stored

    @property
    def stored(self) -> Ranges:
        """All that it says to be stored."""
        read = ranges.parse(self.ranges) if self.ranges else None
        return Ranges([(1, self.floor)]) if read is None else read

    @property
    def scattered(self) -> Ranges:
        """The same, where some of it went newest first."""
        return self.stored if self.ranges else Ranges()

    @property
    def top(self) -> Place | None:
        """The highest message in the ranges; None where that is not known."""
        last = self.ranges.replace(b"-", b",").rpartition(b",")[2]
        return _place(b"%b-%b" % (last, self.mark.encode())) if self.mark else None


class Place(NamedTuple):
    """A message of a stream. `mark` tells two apart that had the same sequence: a stream whose copy
    was restored gives its sequences a second time.
    """

    seq: int
    mark: str = ""  # of the time at which it was stored; empty: of an older version, not known

    @classmethod
    def of(cls, seq: int, stored_ns: int) -> Place:
        return cls(seq, "".join(ALPHABET[stored_ns // 62**power % 62] for power in range(_MARK)))


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose messages these are. `identity` tells two streams apart that had the same name.

    Without it a stream that was deleted and made anew would start at sequence 1 again, and the
    hub's memory of the old one would swallow the new one's messages.
    """

    server: str
    stream: str
    identity: str

    def msg_id(self, place: Place) -> bytes:
        mark = f"-{place.mark}" if place.mark else ""
        return f"{self.server}.{self.stream}.{self.identity}.{place.seq}{mark}".encode()

    def place_of(self, msg_id: bytes) -> Place | None:
        """Return the message that the id names, or None when it is not one of this stream's."""
        name, _, rest = msg_id.rpartition(b".")
        if name != f"{self.server}.{self.stream}.{self.identity}".encode():
            return None
        return _place(rest)

    def is_former(self, msg_id: bytes) -> bool:
        """Say whether it is the id of a stream that had this name before it was made anew."""
        name, _, seq = msg_id.rpartition(b".")
        former, _, identity = name.rpartition(b".")
        same_name = former == f"{self.server}.{self.stream}".encode()
        return same_name and identity != self.identity.encode() and _place(seq) is not None


def onward(
    msg_id: bytes, header_size: int, body: bytes, more: Iterable[tuple[bytes, bytes]]
) -> tuple[int, bytes]:
    """Return (header size, header and payload) of the message as it is published again.

    `more`: headers that this server adds.
    """
    lines = [header.VERSION, MSG_ID + b": " + msg_id]
    lines += [name + b": " + value for name, value in more]
    # Line by line, not parsed and built anew: what a device wrote keeps its bytes. So does what is
    # behind an empty line, where a stream looks for its instructions and nobody for anything else.
    for line in body[:header_size].removesuffix(_END).split(b"\r\n")[1:]:
        name, colon, _ = line.partition(b":")
        if colon and name in _INSTRUCTIONS:
            lines.append(_PREFIX_ONWARD + line[len(_PREFIX) :])
        elif name != IN_FLIGHT:  # of an uplink further out; it speaks of another hub
            lines.append(line)
    block = b"\r\n".join(lines) + _END
    return len(block), block + body[header_size:]


def in_flight_of(block: bytes, seq: int) -> InFlight | None:
    """Read what `onward` wrote on message `seq`, or None."""
    value = header.get(block, IN_FLIGHT)
    if value is None:
        return None
    words = value.split(b" ", 3)
    numbers = [_number(word) for word in words[:2]]
    if len(numbers) < 2 or numbers[0] is None or numbers[1] is None or numbers[0] >= seq:
        return None
    _, _, ranges, mark, *_ = (*words, b"", b"")
    return InFlight(numbers[0], numbers[1], ranges, mark.decode("ascii", "replace"))


def _place(text: bytes) -> Place | None:
    number, dash, mark = text.partition(b"-")
    seq = _number(number)
    if seq is None or (dash and not (len(mark) == _MARK and mark.isalnum())):
        return None
    return Place(seq, mark.decode())


def _number(text: bytes) -> int | None:
    """Return a decimal number of at most 20 digits (2^64), or None."""
    return int(text) if text.isdigit() and len(text) <= 20 else None
