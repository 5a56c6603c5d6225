"""Notes that a stream keeps of what is promised and not done yet: rows beside its consumers'.

A consumer's record whose name no consumer can have, staged and dropped like one. Knows names and
bytes; not what they promise. Truth: docs/store.md, "Notes".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leafnode.jetstream.stream import Stream

PREFIX: Final = ".todo."  # of their names; no consumer has a dot in its own


def put(stream: Stream, name: str, note: bytes) -> None:
    """Stage a note, in place of the one of that name. Raises StoreError."""
    account = stream.context.account.name
    stream.root.put_consumer(account, stream.name, name, stream.created_ns, b"{}", note)


def drop(stream: Stream, name: str) -> None:
    """Stage that a note goes. Raises StoreError."""
    stream.root.delete_consumer(stream.context.account.name, stream.name, name)


def kept(stream: Stream, prefix: str = PREFIX) -> Iterator[tuple[str, bytes]]:
    """Yield the names of all notes with this prefix and what they say."""
    for record in stream.root.consumers(stream.context.account.name, stream.name):
        if record.name.startswith(prefix):
            yield record.name, record.state


def has(stream: Stream, name: str) -> bool:
    return any(found == name for found, _ in kept(stream))
