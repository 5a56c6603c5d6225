"""Markers: an empty message tells that the last message of a subject has aged (ADR-43).

Knows one stream; which message is the last one is the store's to say. A message whose marker finds
no room stays until there is some. A marker ages too, and leaves none; nor does a key that was
purged. Remembers the sequences of both, so it is bounded by the
stream. Truth: measured on nats-server 2.15.1; server/filestore.go handleRemovalOrSdm, sdm.go.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from leafnode.clock import NS_PER_S
from leafnode.errors import StoreError, StoreFailed
from leafnode.go_time import format_duration
from leafnode.protocol import header

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from leafnode.jetstream.stream import Stream


class Markers:
    """The markers of one stream, if its configuration wants them."""

    __slots__ = ("_quiet", "_stream")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._quiet: set[int] = set()  # what leaves no marker

    @property
    def wanted(self) -> bool:
        return self._stream.config.subject_delete_marker_ttl > 0

    def rolled_back(self) -> None:
        """The store went back to what is on disk: what was never committed leaves nothing."""
        newest = self._stream.store.committed_seq()
        self._quiet = {seq for seq in self._quiet if seq <= newest}

    def note(self, seq: int, fields: dict[bytes, bytes]) -> None:
        """Note a stored message by its header."""
        if b"Nats-Marker-Reason" in fields or fields.get(b"KV-Operation") == b"PURGE":
            self._quiet.add(seq)

    def last_of(self, seqs: Iterable[int]) -> dict[bytes, int]:
        """Return the subjects of messages that are about to go, with the newest of each that
        should leave a marker. Raises StoreError.
        """
        found: dict[bytes, int] = {}
        store = self._stream.store
        for seq in seqs:
            subject = store.subject_of(seq)
            if subject is None:
                continue
            if seq in self._quiet:
                found.pop(subject, None)
            else:
                found[subject] = seq
        return found

    def going(self, seqs: Iterable[int]) -> None:
        """The removal of these is staged."""
        quiet = self._quiet.intersection(seqs)
        if quiet:
            self._stream.root.after_commit(partial(self._gone, quiet))

    def _gone(self, quiet: set[int], error: StoreError | None) -> None:
        if error is None:
            self._quiet -= quiet

    def make_room(self, subjects: Collection[bytes]) -> bool:
        """See to it that a marker for each goes into one transaction with what is staged before
        it; False where there is no room for that now. Raises StoreFailed.
        """
        try:
            if subjects:
                self._stream.root.reserve(len(subjects), len(subjects) * len(self._block()))
        except StoreFailed:
            raise
        except StoreError as error:
            self._stream.trouble.note("Marker not stored yet", error)
            return False
        return True

    def write(self, subjects: Iterable[bytes], now_ns: int) -> None:
        """Store a marker for each that has no message left. Raises StoreError."""
        stream, block = self._stream, self._block()
        ttl_ns = stream.config.subject_delete_marker_ttl
        written = False
        for subject in subjects:
            if not any(stream.store.names(subject)):  # not its state, which may be read from disk
                seq = stream.store.append(subject, len(block), block, now_ns)
                self._quiet.add(seq)
                stream.ages.add_ttl(seq, now_ns, ttl_ns)
                written = True
        if written:
            stream.last_msg_id = b""
            stream.root.after_commit(self._on_written)

    def _block(self) -> bytes:
        ttl_ns = self._stream.config.subject_delete_marker_ttl
        return header.build(
            [
                (b"Nats-Marker-Reason", b"MaxAge"),
                (b"Nats-TTL", format_duration(ttl_ns).encode()),
                (b"Nats-Rollup", b"sub"),
            ]
        )

    def _on_written(self, error: StoreError | None) -> None:
        if error is None:
            self._stream.committed()


def raised(header_size: int, body: bytes, ttl_ns: int) -> tuple[int, bytes]:
    """Return a message that has a TTL with another one, in whole seconds, as its last line."""
    block = body[:header_size]
    start = block.find(b"\r\nNats-TTL:")
    end = block.find(b"\r\n", start + 2)
    block = block[:start] + block[end:-2] + b"Nats-TTL: %d\r\n\r\n" % -(-ttl_ns // NS_PER_S)
    return len(block), block + body[header_size:]
