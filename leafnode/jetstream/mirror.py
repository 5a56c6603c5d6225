"""A mirror: the messages of one origin under their own sequences, with their times and headers.

Where it stands is what its store holds, so nothing else has to be remembered. Knows one stream and
its reader; not how messages come. Truth: nats-server 2.15.1 server/stream.go
(processInboundMirrorMsg); measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from leafnode.errors import JetStreamError, StoreError
from leafnode.jetstream.direct_get import DirectGet
from leafnode.jetstream.origin_message import Transforms, kept
from leafnode.jetstream.origin_reader import OriginReader
from leafnode.jetstream.takeover import take_over
from leafnode.jetstream.trouble import Trouble

if TYPE_CHECKING:
    from leafnode.jetstream.api_types import StreamSource
    from leafnode.jetstream.ingest import Ingest
    from leafnode.jetstream.origin_reader import Arrived
    from leafnode.jetstream.stream import Stream

_CAUGHT_UP: Final = 10  # with fewer to come, it answers Direct Get for its origin


class Mirror:
    """The one origin of a stream that mirrors it."""

    kind = "MIRROR"

    def __init__(self, stream: Stream, ingest: Ingest, origin: StreamSource) -> None:
        self._stream = stream
        self._ingest = ingest
        self.origin = origin
        self.seq = stream.store.last_seq()
        self._transforms = Transforms(origin, stream.context.random)
        self.reader = OriginReader(stream, origin, self)
        self._direct = DirectGet(stream, origin.name)
        where = f"stream={stream.name} mirror={origin.name}"
        self._trouble = Trouble(stream.context.clock, where)

    def open(self) -> None:
        self.reader.open()

    def close(self, *, for_good: bool) -> None:
        """Read no more; see OriginReader.close."""
        self.reader.close(for_good=for_good)
        self._direct.close()

    def rolled_back(self) -> None:
        """The store went back to what is on disk: read that again."""
        self.seq = self._stream.store.last_seq()
        self.reader.restart()

    def update(self) -> None:
        """Only whether it answers for its origin can change."""
        if not self._stream.config.mirror_direct:
            self._direct.close()

    def answers_for(self, name: str) -> bool:
        """Say whether it has caught up enough to answer for an origin of that name."""
        return self._direct.is_open and name == self.origin.name

    def take(self, messages: list[Arrived]) -> bool:
        """Implements Receiver: store each under its own sequence."""
        subject = self._transforms.apply(messages[0].subject)
        whole = True
        for _, header_size, body, place in messages:
            try:
                take_over(
                    self._stream,
                    self._ingest,
                    subject,
                    kept(header_size, body),
                    place.ts_ns,
                    seq=place.stream_seq,
                )
            except (JetStreamError, StoreError) as error:
                self._trouble.note("Not mirrored", error)
                whole = False
                break
            self.seq = place.stream_seq
        self._ingest.end_run(subject)
        if self._stream.config.mirror_direct and messages[-1].place.pending < _CAUGHT_UP:
            self._direct.open()
        return whole

    def recreated(self) -> None:
        """A mirror does not ask which stream it was."""

    def begins_behind(self, seq: int) -> bool:
        """Stand where the origin's consumer does: what is made of the mirror goes on from there."""
        if seq > self.seq:
            try:
                self._stream.store.end_at(seq, 0)
            except StoreError as error:
                self._trouble.note("Not mirrored", error)
                return False
            self.seq = seq
        return True

    def shown(self) -> dict[str, Any]:
        """Return what stream info says about it."""
        return shown(self.origin, self.reader)


def shown(origin: StreamSource, reader: OriginReader | None, *, seq: int = 0) -> dict[str, Any]:
    """Return StreamSourceInfo, field by field as the server orders it; before the first question
    without a reader.
    """
    out: dict[str, Any] = {"name": origin.name}
    if origin.external is not None:
        out["external"] = {"api": origin.external.api, "deliver": origin.external.deliver}
    out["lag"] = reader.lag if reader is not None else 0
    if seq:
        out["seq"] = seq
    out["active"] = reader.active_ns() if reader is not None else -1
    if reader is not None and reader.error is not None:
        out["error"] = reader.error
    if origin.filter_subject:
        out["filter_subject"] = origin.filter_subject
    if origin.subject_transforms:
        out["subject_transforms"] = [
            {"src": one.src, "dest": one.dest} for one in origin.subject_transforms
        ]
    return out
