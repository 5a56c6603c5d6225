"""Sources: messages of other streams, stored here as if they had been published here.

How far each source is lies in the store beside the messages, written in their transaction, with the
sequence up to which that holds; what is behind that, stored in the moments before a crash, says so
itself, in `Nats-Stream-Source`. Knows one stream and
its readers; not how messages come. Truth: nats-server 2.15.1 server/stream.go
(processInboundSourceMsg, startingSequenceForSources); measured.
"""

from __future__ import annotations

import logging
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from leafnode import limits
from leafnode.errors import JetStreamError, StoreBusy, StoreCorrupt, StoreError
from leafnode.jetstream.mirror import shown
from leafnode.jetstream.origin_config import index_name
from leafnode.jetstream.origin_message import Transforms, source_of, sourced
from leafnode.jetstream.origin_reader import OriginReader
from leafnode.jetstream.takeover import take_over
from leafnode.jetstream.trouble import Trouble
from leafnode.slices import in_slices

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leafnode.jetstream.api_types import StreamSource
    from leafnode.jetstream.ingest import Ingest
    from leafnode.jetstream.origin_reader import Arrived
    from leafnode.jetstream.stream import Stream
    from leafnode.store.api import StoredMsg

log = logging.getLogger(__name__)

# Kept as a consumer of that name, which none can have.
RECORD: Final = ".sources"
_HERE: Final = ""  # in the record, and no source's name: this stream's own sequence when written
_TRANSFORMS_PER_STEP: Final = 16  # as much as a source


class Place(NamedTuple):
    """How far a source is, and in which stream of that name."""

    seq: int = 0
    identity: str = ""


def check_record(state: bytes) -> None:
    """Raise StoreCorrupt for what no stream has written down of its sources."""
    try:
        msgspec.json.decode(state, type=dict[str, Place])
    except (msgspec.DecodeError, ValueError) as error:
        raise StoreCorrupt("the sources' positions cannot be read") from error


class Source:
    """One origin of a stream."""

    kind = "SRC"

    def __init__(self, owner: Sources, origin: StreamSource, place: Place) -> None:
        stream = owner.stream
        self._owner = owner
        self._stream = stream
        self.origin = origin
        self.name = index_name(origin)
        self.seq = place.seq
        self._transforms = Transforms(origin, stream.context.random)
        self.reader = OriginReader(stream, origin, self)
        self.reader.identity = place.identity.encode()
        where = f"stream={stream.name} source={origin.name}"
        self._trouble = Trouble(stream.context.clock, where)

    def take(self, messages: list[Arrived]) -> bool:
        """Implements Receiver: store each as the newest message."""
        ingest, identity = self._owner.ingest, self.reader.identity
        original = messages[0].subject
        subject = stored = self._transforms.apply(original)
        whole = True
        for _, header_size, body, place in messages:
            message = sourced(
                header_size,
                body,
                index_name=self.name,
                seq=place.stream_seq,
                subject=original,
                identity=identity,
            )
            try:
                now_ns = self._stream.next_time_ns()
                stored = take_over(self._stream, ingest, subject, message, now_ns)
            except (JetStreamError, StoreError) as error:
                self._trouble.note("Not stored", error)
                whole = False
                break
            self.seq = place.stream_seq
        ingest.end_run(stored)
        try:
            self._owner.moved(self.name, Place(self.seq, identity.decode("utf-8", "replace")))
        except StoreError as error:
            self._trouble.note("Position not stored", error)
        return whole

    def recreated(self) -> None:
        """The origin is another stream now: all of it is new."""
        self.seq = 0

    def begins_behind(self, seq: int) -> bool:
        """What is stored has sequences of its own."""
        del seq
        return True

    def shown(self) -> dict[str, Any]:
        """Return what stream info says about it."""
        return shown(self.origin, self.reader, seq=self.seq)


class Sources:
    """All sources of one stream."""

    def __init__(self, stream: Stream, ingest: Ingest) -> None:
        self.stream = stream
        self.ingest = ingest
        self._places: dict[str, Place] = {}  # as staged; of former sources too, the last ones
        self._told: dict[str, Place] = {}  # by messages that are newer than what was written down
        self._running: dict[str, Source] = {}
        self._waiting: dict[str, StreamSource] = {}  # to be begun, in steps
        self._is_beginning = False
        self._recovered = False
        self._closed = False
        self._round = 0  # of finding out how far they are

    def open(self) -> None:
        """Find out how far every source is, then begin."""
        stream = self.stream
        root, account = stream.root, stream.context.account.name
        record = root.consumer(account, stream.name, RECORD)
        state = b"{}" if record is None else record.state
        self._places, self._told = msgspec.json.decode(state, type=dict[str, Place]), {}
        last_seq = stream.store.last_seq()
        written = min(self._places.pop(_HERE, Place()).seq, last_seq)
        self._read(self._round, max(written, last_seq - limits.DELIVER_TURN_MSGS, 0) + 1)

    def close(self, *, for_good: bool) -> None:
        """Read no more; see OriginReader.close."""
        self._closed = True
        self._stop(for_good=for_good)

    def _stop(self, *, for_good: bool) -> None:
        self._waiting.clear()
        for source in self._running.values():
            source.reader.close(for_good=for_good)
        self._running.clear()

    def configure(self) -> None:
        """Begin to read what the configuration names, in steps where that is much, and end what it
        names no more.
        """
        if not self._recovered or self._closed:
            return
        origins = {index_name(origin): origin for origin in self.stream.config.sources}
        for name in self._running.keys() - origins.keys():
            self._running.pop(name).reader.close(for_good=True)
        self._waiting = {
            name: origin for name, origin in origins.items() if name not in self._running
        }
        if self._waiting and not self._is_beginning:
            self._is_beginning = True
            call_later = self.stream.context.clock.call_later
            in_slices(call_later, self._begin_waiting(), limits.ORIGINS_PER_TURN)

    def _begin_waiting(self) -> Iterator[None]:
        """Begin one in each step, or more where it has many transforms, of those that wait by
        then.
        """
        while self._waiting and not self._closed:
            name = next(iter(self._waiting))
            origin = self._waiting.pop(name)
            source = Source(self, origin, self._places.get(name, Place()))
            self._running[name] = source
            source.reader.open()
            yield from repeat(None, 1 + len(origin.subject_transforms) // _TRANSFORMS_PER_STEP)
        self._is_beginning = False

    def moved(self, name: str, place: Place) -> None:
        """Write down with the messages that were just stored how far a source is. Raises
        StoreError.
        """
        self._places[name] = place
        origins = self._running.keys() | self._waiting.keys()
        former = [one for one in self._places if one not in origins]
        for one in former[: max(0, len(former) - limits.STREAM_SOURCES_MAX)]:
            del self._places[one]
        stream = self.stream
        stream.root.put_consumer(
            stream.context.account.name,
            stream.name,
            RECORD,
            stream.created_ns,
            b"{}",
            msgspec.json.encode(self._places | {_HERE: Place(stream.store.last_seq())}),
        )

    def rolled_back(self) -> None:
        """The store went back to what is on disk: how far each source is has to be found out anew.
        That may be further than what was told to be kept, since a failed commit may be there.
        """
        self._stop(for_good=False)
        self._recovered = False
        self._round += 1
        again = partial(self._open_again, self._round)
        self.stream.context.clock.call_later(limits.ORIGIN_RETRY_NS, again)

    def _open_again(self, number: int) -> None:
        if number == self._round and not self._closed:
            self.open()

    def shown(self) -> list[dict[str, Any]]:
        """Return what stream info says, in the configuration's order."""
        names = [(index_name(origin), origin) for origin in self.stream.config.sources]
        return [
            self._running[name].shown() if name in self._running else shown(origin, None)
            for name, origin in names
        ]

    # --- where everything was

    def _read(self, number: int, seq: int) -> None:
        if self._closed or number != self._round:
            return
        msgs, size, then = (
            limits.READ_BATCH_MSGS,
            limits.PREFETCH_BYTES,
            partial(self._on_page, number),
        )
        try:
            self.stream.store.read(seq, [], msgs, size, then)
        except StoreBusy:
            again = partial(self._read, number, seq)
            self.stream.context.clock.call_later(limits.DELIVER_RETRY_NS, again)
        except StoreError as error:
            log.warning("Sources not looked for: stream=%s reason=%s", self.stream.name, error)
            self._begin(number)

    def _on_page(self, number: int, page: list[StoredMsg]) -> None:
        if number != self._round:
            return
        for message in page:
            said = source_of(message.header) if message.header_size else None
            if said is not None:
                identity = said.identity.decode("utf-8", "replace")
                self._told[said.index_name] = Place(said.seq, identity)
        then = (
            partial(self._read, number, page[-1].seq + 1) if page else partial(self._begin, number)
        )
        self.stream.context.clock.call_later(0, then)

    def _begin(self, number: int) -> None:
        if number != self._round:
            return
        for name, told in self._told.items():
            known = self._places.get(name, Place())
            # Of an older record it is not known what it covers; of another stream than it names,
            # the newest message is right, though its number is smaller.
            if told.identity != known.identity or told.seq > known.seq:
                self._places[name] = told
        self._recovered = True
        self.configure()
