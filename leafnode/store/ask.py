"""What the reader's thread is asked for when memory does not have it.

Knows where an index says that messages are; not what is read. Truth: docs/store.md, "Reads".
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.store import lookup
from leafnode.store.reader import NO_SEGMENT_LIMIT, ReadRequest

if TYPE_CHECKING:
    from leafnode.store.index import StreamIndex


def request(
    stream_id: int,
    index: StreamIndex,
    seqs: tuple[int, int],
    sids: frozenset[int] | None,
    most: tuple[int, int],
    *,
    backward: bool = False,
) -> ReadRequest:
    """Ask for messages of these subjects from the first to the last of two sequences, or backward;
    `most` are messages and bytes.
    """
    segments = index.segments
    position = index.segment_index(seqs[1] if backward else seqs[0]) + backward
    if backward and position >= len(segments):
        no = NO_SEGMENT_LIMIT
    else:
        no = segments[position].no if position >= 0 and segments else 0
    reached = segments[:position] if backward else segments[max(0, position) :]
    return ReadRequest(
        stream_id=stream_id,
        no=no,
        first_seq=seqs[0],
        last_seq=seqs[1],
        sids=sids,
        max_msgs=most[0],
        max_bytes=most[1],
        names=index.subjects.names,
        backward=backward,
        others=lookup.without(reached, sids),
    )


def for_removed(
    stream_id: int, index: StreamIndex, seqs: tuple[int, int], since_ns: int
) -> ReadRequest | None:
    """Ask for removed messages that are still in the file, or for nothing where there are none.

    Segments that got their last message before `since_ns` are left out.
    """
    others = frozenset(
        segment.no
        for segment in index.segments
        if segment.last_ts_ns < since_ns
        or not (segment.dead_count or segment.first_seq < index.first_seq)
    )
    if len(others) == len(index.segments):
        return None
    asked = request(stream_id, index, seqs, None, (limits.READ_BATCH_MSGS, limits.PREFETCH_BYTES))
    return replace(asked, others=others, removed_below=max(1, index.first_seq))
