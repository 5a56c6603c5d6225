"""A consumer's position as bytes: what the store keeps between restarts.

Pure. Deadlines are stored as wall time, so that an ack wait that ends while the server is down is
over; with them the wall time at which they were written, because a clock that went back meanwhile
must not make a wait longer than it was then. Format: msgpack list, first item the version;
sequences as differences, so that most take one byte. Version 1 ends before the time of writing.
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
    from collections.abc import Iterator, Sequence

_VERSION: Final = 2
_READABLE: Final = (1, _VERSION)
_NOWHERE: Final = Position(0, 0)
_NS_PER_DEADLINE: Final = 1_000_000  # milliseconds are enough


class _Parts(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """The list, item by item. Places are consumer sequences."""

    version: int
    delivered_place: int
    delivered_seq: int
    floor_place: int
    floor_seq: int
    seqs: list[int]
    places: list[int]
    deadlines: list[int]
    counts: dict[int, int]
    listed: list[int]
    written: int | None = None


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
    written_ns: int | None = None  # wall time; None: a version wrote it that did not say


def encode(
    positions: tuple[int, int, int, int],
    columns: tuple[Sequence[int], Sequence[tuple[int, int]]],
    to_wall_ns: int,
    counts: dict[int, int],
    listed: Sequence[int],
    now_ns: int,
) -> bytes:
    """Return the compact form. `positions`: delivered and floor; `columns`: stream sequences, and
    consumer sequences with deadlines, of what is pending, by a clock that is so far behind wall
    time and says `now_ns`.

    Not of a ConsumerState: to put 65,536 pending messages together would take 20 ms more.
    """
    seqs, entries = columns
    places = [place for place, _ in entries]
    rounded = [(deadline + to_wall_ns) // _NS_PER_DEADLINE for _, deadline in entries]
    return msgspec.msgpack.encode(
        [
            _VERSION,
            *positions,
            _steps(seqs),
            _steps(places),
            _steps(rounded),
            counts,
            _steps(listed),
            (now_ns + to_wall_ns) // _NS_PER_DEADLINE,
        ]
    )


def decode(data: bytes) -> ConsumerState:
    """Return what `encode` was given. Raises StoreCorrupt for anything else."""
    state, entries = begin(data)
    state.entries.extend(entries)
    return state


def begin(data: bytes) -> tuple[ConsumerState, Iterator[tuple[int, int, int]]]:
    """Return the same without its entries, and those one by one: 65,536 of them take 15 ms. Raises
    StoreCorrupt, now.
    """
    if not data:
        return ConsumerState(), iter(())
    try:
        parts = msgspec.msgpack.decode(data, type=_Parts)
    except (msgspec.DecodeError, ValueError, TypeError) as error:
        raise StoreCorrupt("consumer state cannot be read") from error
    if parts.version not in _READABLE:
        raise StoreCorrupt(f"consumer state has version {parts.version}, expected {_VERSION}")
    if not len(parts.seqs) == len(parts.places) == len(parts.deadlines):
        raise StoreCorrupt("consumer state cannot be read")
    state = ConsumerState(
        Position(parts.delivered_place, parts.delivered_seq),
        Position(parts.floor_place, parts.floor_seq),
        counts=parts.counts,
        listed=list(accumulate(parts.listed)),
        written_ns=None if parts.written is None else parts.written * _NS_PER_DEADLINE,
    )
    deadlines = map(_NS_PER_DEADLINE.__mul__, accumulate(parts.deadlines))
    return state, zip(accumulate(parts.seqs), accumulate(parts.places), deadlines, strict=True)


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
