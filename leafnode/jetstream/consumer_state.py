"""A consumer's position as bytes: what the store keeps between restarts.

Pure. Deadlines are stored as wall time, so that an ack wait that ends while the server is down is
over. Format: msgpack list, first item the version; sequences as differences, so that most take one
byte.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate
from operator import sub
from typing import TYPE_CHECKING, Final

import msgspec

from leafnode import limits
from leafnode.errors import StoreCorrupt
from leafnode.jetstream.pending import Position
from leafnode.store.api import SEQ_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_VERSION: Final = 1
_NOWHERE: Final = Position(0, 0)
_Parts = tuple[int, int, int, int, int, list[int], list[int], list[int], dict[int, int], list[int]]
_NS_PER_DEADLINE: Final = 1_000_000  # milliseconds are enough


@dataclass(slots=True)
class ConsumerState:
    """What a consumer must remember. Entries are (stream sequence, consumer sequence, deadline)."""

    delivered: Position = _NOWHERE
    floor: Position = _NOWHERE
    entries: list[tuple[int, int, int]] = field(
        default_factory=list
    )  # deadline in wall nanoseconds
    counts: dict[int, int] = field(default_factory=dict)
    listed: list[int] = field(default_factory=list)


def encode(
    positions: tuple[int, int, int, int],
    columns: tuple[Sequence[int], Sequence[int], Sequence[int]],
    to_wall_ns: int,
    counts: dict[int, int],
    listed: Iterable[int],
) -> bytes:
    """Return the compact form. `positions`: delivered and floor; `columns`: stream sequences,
    consumer sequences and deadlines of what is pending, by a clock that is so far behind wall time.

    Not of a ConsumerState: to put 65,536 pending messages together would take 20 ms more.
    """
    seqs, places, deadlines = columns
    rounded = [(deadline + to_wall_ns) // _NS_PER_DEADLINE for deadline in deadlines]
    return msgspec.msgpack.encode(
        [
            _VERSION,
            *positions,
            _steps(seqs),
            _steps(places),
            _steps(rounded),
            counts,
            _steps(list(listed)),
        ]
    )


def decode(data: bytes) -> ConsumerState:
    """Return what `encode` was given. Raises StoreCorrupt for anything else."""
    if not data:
        return ConsumerState()
    try:
        parts = msgspec.msgpack.decode(data, type=_Parts)
        version, *numbers = parts[:5]
        seqs, consumer_seqs, deadlines, counts, listed = parts[5:]
        if version != _VERSION:
            raise StoreCorrupt(f"consumer state has version {version}, expected {_VERSION}")
        entries = [
            (seq, consumer_seq, deadline * _NS_PER_DEADLINE)
            for seq, consumer_seq, deadline in zip(
                accumulate(seqs), accumulate(consumer_seqs), accumulate(deadlines), strict=True
            )
        ]
        return ConsumerState(
            Position(numbers[0], numbers[1]),
            Position(numbers[2], numbers[3]),
            entries,
            dict(counts),
            list(accumulate(listed)),
        )
    except (msgspec.DecodeError, ValueError, TypeError) as error:
        raise StoreCorrupt("consumer state cannot be read") from error


def check_state(data: bytes) -> None:
    """Raise StoreCorrupt for a position that no consumer can have."""
    state = decode(data)
    places = [*state.delivered, *state.floor, *state.listed, *state.counts, *state.counts.values()]
    for seq, consumer_seq, _ in state.entries:
        places += (seq, consumer_seq)
    if min(places) < 0 or max(places) > SEQ_MAX or len(state.entries) > limits.ACK_PENDING_MAX:
        raise StoreCorrupt("consumer state cannot be")


def _steps(values: Sequence[int]) -> list[int]:
    """Return the first value and the differences that follow."""
    return [*values[:1], *map(sub, values[1:], values)]
