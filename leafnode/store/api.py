"""What a store is: the seam between JetStream's rules and where bytes are kept.

Two implementations hold to it, one on SQLite and one in memory; tests/contract/test_store.py runs
both. All calls are made on the loop's thread, and all callbacks come on it. Staged changes are
seen at once by `state()`, `last_seq()` and `subject_state()` (ingest decides on them), by reads
only once committed.

What raises what: changes raise StoreFull (no room), StoreBusy (too much waits), StoreFailed (until
the store was reopened, and for a deleted stream) or StoreCorrupt (the stream is quarantined), with
nothing changed. Questions raise StoreCorrupt, and StoreBusy when something they need cannot be read
just now: ask again. Reads: see `StreamStore.get`. Truth: docs/store.md, "Rules"; docs/adr/0003.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Generator, Iterable, Iterator, Sequence

    from leafnode.errors import StoreCorrupt, StoreError

    Counting = Generator[None, None, int]
    State = bytes | Callable[[], bytes]  # of a consumer: it, or what makes it, anywhere and once

# SQLite's integers end at 2**63 - 1. From the largest sequence that a caller may name there is room
# for 2**32 messages more, so appending does not have to look.
SEQ_MAX: Final = 2**63 - 1 - 2**32


def unfinished_name(name: str, token: str) -> str:
    """Return what a stream is called while it is being built: no finished one has a dot.

    Nobody serves it, and whoever opens the store deletes what a crash has left of it.
    """
    return f"{name}.{token}"


def is_unfinished(name: str) -> bool:
    """Say whether a stream of that name was never finished."""
    return "." in name


def deleted_name(name: str, stream_id: int) -> str:
    """Return what a stream is called while it is taken apart; it is not told of any more."""
    return f"{name}..{stream_id}"


def is_deleted(name: str) -> bool:
    """Say whether a stream of that name is being taken apart."""
    return ".." in name


class StoredMsg(NamedTuple):
    """One message as stored. `body` is header block and payload in one piece, as they came."""

    seq: int
    subject: bytes
    ts_ns: int
    header_size: int
    body: bytes

    @property
    def header(self) -> bytes:
        return self.body[: self.header_size]

    @property
    def payload(self) -> bytes:
        return self.body[self.header_size :]


class SubjectState(NamedTuple):
    """How many messages a subject has, and its oldest and newest sequence."""

    msgs: int
    first_seq: int
    last_seq: int


@dataclass(slots=True)
class StreamState:
    """Counts of one stream as staged. `bytes` counts as nats-server's file store does.

    Empty: first_seq == last_seq + 1 (a new stream: 1 and 0), first_ts_ns 0. `last_ts_ns` is that of
    the message that was stored last, also where it is gone; 0 where none ever was.
    """

    msgs: int
    bytes: int
    first_seq: int
    first_ts_ns: int
    last_seq: int
    last_ts_ns: int
    num_subjects: int
    num_deleted: int


class StreamStore(Protocol):
    """One stream's messages. Sequences start at 1 and never go back, whatever is removed."""

    def append(
        self, subject: bytes, header_size: int, body: bytes, ts_ns: int, *, seq: int = 0
    ) -> int:
        """Stage one message and return its sequence, `last_seq + 1`.

        `seq`: the sequence it gets instead, beyond `last_seq` and at most SEQ_MAX; what lies
        between holds nothing. A mirror asks for that.
        A time before that of the message stored last is raised to it, also where that one is gone.
        Raises StoreFull, StoreBusy, StoreFailed or StoreCorrupt.
        """
        ...

    def append_run(self, subject: bytes, bodies: Sequence[bytes], ts_ns: int) -> int:
        """Stage messages without headers on one subject, at least the first; return how many.

        Ask again for the others. As `append`, one after the other; raises what it raises for the
        first.
        """
        ...

    def remove(self, seqs: Sequence[int]) -> int:
        """Stage the removal of these sequences and return how many were there.

        Raises StoreFailed, StoreCorrupt, or StoreBusy when what describes old messages cannot be
        read just now.
        """
        ...

    def remove_below(self, seq: int, *, lazy: bool = False) -> int:
        """Stage the removal of everything before `seq`; return how many messages that were.

        Moves first_seq to at least `seq`, also past last_seq (a purge to beyond the end).
        `lazy`: the caller removes it again at the next start if a crash undoes it (limits, ages);
        saves one page write for each commit. Any other removal, and an orderly close, make it last.
        Raises as `remove` does, and a plain StoreError for a sequence beyond SEQ_MAX.
        """
        ...

    def when_erased(self, tell: Callable[[list[Sequence[int]]], None] | None) -> None:
        """Call `tell` whenever a change is staged with which rows of removed messages leave the
        file: their sequences, ascending runs that do not overlap, some of which hold nothing.

        What it stages goes into the same transaction. None ends that.
        """
        ...

    def end_at(self, last_seq: int, last_ts_ns: int) -> None:
        """Stage that the next message comes behind `last_seq` and is not older than `last_ts_ns`.

        Either is left as it is where it is greater. Raises as `append` does, StoreFull excepted,
        and a plain StoreError for a sequence beyond SEQ_MAX.
        """
        ...

    def state(self) -> StreamState:
        """Return the counts. Where the time of the first message has to be read and cannot be just
        now, it is that of an older one; raises StoreCorrupt where it is damaged. A quarantined
        stream gives times 0.
        """
        ...

    def first_seq(self) -> int:
        """The oldest staged sequence, or the next one where there is none."""
        ...

    def front_end(self, below_seq: int) -> int:
        """Up to where one turn of the loop removes what is before that."""
        ...

    def last_seq(self) -> int:
        """The newest staged sequence."""
        ...

    def committed_seq(self) -> int:
        """The newest sequence whose COMMIT has returned. Consumers get nothing beyond it."""
        ...

    def damage(self) -> StoreCorrupt | None:
        """Why this stream is quarantined, or None. It can be deleted, nothing else."""
        ...

    def subject_state(self, subject: bytes) -> SubjectState | None:
        """Counts of one literal subject, or None when it has no message."""
        ...

    def subject_of(self, seq: int) -> bytes | None:
        """The subject of a staged message, or None where there is none. Raises as `remove` does."""
        ...

    def is_removing(self, from_seq: int = 0) -> bool:
        """Whether a removal is staged that reads do not know of yet: False only where none is of
        messages from there on.
        """
        ...

    def size_of(self, seq: int) -> int:
        """What a staged message counts for in `state().bytes`, 0: none. Raises as `remove`."""
        ...

    def subjects(self, *patterns: bytes) -> Iterable[tuple[bytes, SubjectState]]:
        """Every subject that matches any pattern (none given: all), in byte order."""
        ...

    def prepare(self, *patterns: bytes, start_seq: int = 0) -> Iterator[None]:
        """Steps that make the first question with these patterns cheap, and the first count of what
        matches from `start_seq` on, whatever happens between two of them.
        """
        ...

    def names(self, *patterns: bytes) -> Iterator[bytes]:
        """The subjects that match any pattern (none given: all) now, in no order, each once; those
        that go or come before it is their turn may be left out.
        """
        ...

    def msgs_of(self, subject: bytes) -> int:
        """How many staged messages a subject has."""
        ...

    def approach(self, subject: bytes) -> bool:
        """Look for a subject's oldest message in one place; True: it is known. Raises StoreBusy."""
        ...

    def surplus(self, seq: int, most: int, spared: Container[bytes]) -> tuple[list[int], int]:
        """Messages from there on that subjects but those have beyond `most`; where to go on."""
        ...

    def last_of(self, subject: bytes) -> int:
        """The sequence of a subject's newest staged message, 0 without any. Raises as `remove`."""
        ...

    def oldest(self, pattern: bytes, start_seq: int) -> int:
        """The first sequence that matches, or any before `start_seq`; last_seq + 1: none does."""
        ...

    def newest_of(self, pattern: bytes) -> int:
        """The newest sequence that matches, 0: none. Asked again it costs what came meanwhile.
        Raises as `remove` does.
        """
        ...

    def last_seqs(self, *patterns: bytes) -> list[int]:
        """The newest sequence of each subject that matches any pattern, in no order."""
        ...

    def list_last(self, *patterns: bytes) -> Generator[None, None, list[int]]:
        """The same in steps, ascending, as of the last; some of what goes between two may be in it.
        Raises as `remove` does.
        """
        ...

    def num_pending(self, patterns: Sequence[bytes], start_seq: int) -> int:
        """How many messages from `start_seq` on match any pattern (none given: all)."""
        ...

    def num_subjects(self, patterns: Sequence[bytes], first_seq: int, last_seq: int) -> Counting:
        """How many subjects that match have one in that range, in steps; of what goes some."""
        ...

    def missing(self, seqs: Sequence[int]) -> list[int]:
        """Which of these, which ascend, hold no message. Raises as `remove` does."""
        ...

    def deleted(self, first_seq: int, max_seqs: int, *, upto_seq: int = SEQ_MAX) -> list[int]:
        """Sequences from `first_seq` to `upto_seq` that hold no message, ascending."""
        ...

    def live(self, first_seq: int, max_seqs: int) -> list[int]:
        """Sequences that hold a staged message, ascending, from `first_seq` on. Costs the same
        however far they are from each other. Raises as `remove` does.
        """
        ...

    def seq_at(self, ts_ns: int) -> int:
        """The first sequence stored at or after that time; last_seq + 1 when there is none."""
        ...

    def time_at(self, seq: int) -> int | None:
        """When the first staged message from there on was stored. Raises as `remove` does."""
        ...

    def get(self, seq: int, done: Callable[[StoredMsg | None], None]) -> None:
        """Hand over one committed message, or None when there is none.

        For all reads: raises StoreBusy when too many wait. A read that the disk refuses for a
        reason that may pass is tried again until it succeeds, and counts as waiting for as long: so
        `done` never says "not there" of what could not be read. Only what is damaged reads as None
        or an empty list, and then `damage()` says so before `done` is called. A read that waits
        while the store is closed is dropped: its `done` is not called. One that is asked for from
        then on, and needs the disk, raises StoreFailed.
        """
        ...

    def read(
        self,
        start_seq: int,
        patterns: Sequence[bytes],
        max_msgs: int,
        max_bytes: int,
        done: Callable[[list[StoredMsg]], None],
    ) -> None:
        """Hand over committed messages from `start_seq` on that match any pattern, ascending.

        At most `max_msgs` (and READ_BATCH_MSGS), and stops once `max_bytes` of body are reached,
        but gives at least one where there is one. An empty list means: nothing committed matches
        up to now. `done` may be called before `read` returns when the newest messages answer from
        memory. Fails as `get` does.
        """
        ...

    def read_removed(
        self, start_seq: int, since_ns: int, done: Callable[[list[StoredMsg]], None]
    ) -> None:
        """Hand over some removed messages that are still in the file, ascending, from `start_seq`
        on; an empty list means that there are no more.

        Older ones than `since_ns` may be among them. Whose subject is forgotten has none, and no
        checksum of it was looked at. Fails as `get` does.
        """
        ...

    def last(
        self, pattern: bytes, done: Callable[[StoredMsg | None], None], *, upto_seq: int = SEQ_MAX
    ) -> None:
        """Hand over the newest committed message whose subject matches, or None.

        `upto_seq`: no later one counts. What is replaced meanwhile does not lack. Fails as `get`.
        """
        ...


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """A stream as it was left: what recovery starts from. `config` is JSON as accepted."""

    account: str
    name: str
    created_ns: int
    config: bytes
    store: StreamStore


@dataclass(slots=True)
class ConsumerRecord:
    """A consumer as it was left. `state` is opaque to the store."""

    name: str
    created_ns: int
    config: bytes
    made: State

    @property
    def state(self) -> bytes:
        """What was given, or what that makes: once, where it is asked for first."""
        state = self.made
        if not isinstance(state, bytes):
            self.made = state = state()
        return state


class Store(Protocol):
    """All streams of one server in one file, with one writer and one batch in flight.

    Whatever is staged in one turn of the loop goes into one transaction, in order.
    """

    def streams(self) -> list[StreamRecord]:
        """Every stream found at open, with its store."""
        ...

    def held_bytes(self, account: str = "") -> int:
        """What an account's streams hold; all streams where none is named. Reads nothing."""
        ...

    def has_stream(self, account: str, name: str) -> bool:
        """Whether there is one of this name."""
        ...

    def create_stream(
        self, account: str, name: str, config: bytes, created_ns: int, first_seq: int
    ) -> StreamStore:
        """Stage a new stream. Raises StoreFailed, or a plain StoreError for a `first_seq` beyond
        SEQ_MAX.
        """
        ...

    def update_stream(self, account: str, name: str, config: bytes) -> None: ...

    def rename_stream(self, account: str, name: str, new_name: str) -> None:
        """Stage another name for a stream, which no other has; its messages and consumers stay."""
        ...

    def delete_stream(self, account: str, name: str) -> None:
        """Stage the removal of the stream with its messages and consumers: with that commit it is
        gone. The room that a large one takes is given back in later ones.
        """
        ...

    def consumers(self, account: str, stream: str) -> list[ConsumerRecord]: ...

    def consumer(self, account: str, stream: str, name: str) -> ConsumerRecord | None:
        """One of them as it is now; None where it, or its stream, is not there."""
        ...

    def put_consumer(
        self, account: str, stream: str, name: str, created_ns: int, config: bytes, state: State
    ) -> None:
        """Stage a consumer's config and state, replacing what was there. A state that is to be made
        is made by the thread that writes, of the last one in a batch.
        """
        ...

    def put_consumer_state(self, account: str, stream: str, name: str, state: State) -> None:
        """Remember a new state; written with the next batch, or after CONSUMER_FLUSH_NS."""
        ...

    def delete_consumer(self, account: str, stream: str, name: str) -> None: ...

    def reserve(self, rows: int, size: int) -> None:
        """See to it that the next `rows` appends, `size` bytes of body, get into one transaction.
        They must follow in this turn of the loop, and then `release`. Raises StoreBusy, StoreFull
        or StoreFailed, and then none of them may follow.
        """
        ...

    def release(self) -> None:
        """What follows may be cut off from what was stored, as ever."""
        ...

    def after_commit(self, done: Callable[[StoreError | None], None]) -> None:
        """Call `done` once everything staged so far is on disk, or with the error that prevented
        it, in the order of registration. With nothing staged and no older callback due, it is
        called at once.
        """
        ...

    def is_last(self, done: Callable[[StoreError | None], None]) -> bool:
        """Say whether `done`, registered before, is the last to be called once everything staged so
        far is on disk: then it need not be registered again.
        """
        ...

    def watch(self, adopted: Callable[[str, str], None]) -> Callable[[], None]:
        """Call `adopted(account, stream)` for every stream there is, each time the store's state
        was read from disk again because a commit failed. What is returned ends that; call it once.

        It means: forget all that you know of this stream beyond `committed_seq()`, and take
        `streams()` and `consumers()` for what exists; a stream may be back whose deletion failed,
        or be there although its creation was reported as failed. One that is not named is gone.
        After StoreFull and StoreCorrupt it comes before the callbacks of the failed batches; after
        StoreFailed once the file was opened and read, while those callbacks came at the failure. In
        both cases `last_seq()` and `state()` are right by then, and no append was accepted since
        the failure. Nothing may be staged from within it. Never called while the store closes, and
        never by a store in memory.
        """
        ...

    def set_aside(self, account: str, stream: str, problem: StoreCorrupt) -> None:
        """Serve and change a stream no more that nobody can make sense of; it can be deleted. As
        with what fails its checksum, the next start tries again.
        """
        ...

    def failed(self) -> StoreError | None:
        """Why nothing can be stored at present, or None. Monitoring shows it."""
        ...

    def is_crowded(self) -> bool:
        """Whether so many reads wait that nothing should be asked for before it is needed."""
        ...

    def stats(self) -> StoreStats: ...

    def close(self, done: Callable[[], None]) -> None:
        """Commit what is staged, then close, and call `done`; callbacks still come before that.

        Nothing may be staged from now on but by those callbacks. Blocks nobody.
        """
        ...


@dataclass(slots=True)
class StoreStats:
    """Counters since start, for monitoring."""

    commits: int = 0
    rows: int = 0
    bytes: int = 0
    failures: int = 0
    commit_ns_total: int = 0
    commit_ns_max: int = 0
    file_bytes: int = 0
    refused: int = 0  # appends turned away because too much was staged
    reads_refused: int = 0
    hot_hits: int = 0  # messages asked for one by one that were in memory, though not new
    hot_bytes: int = 0  # of such messages that are in memory now
    scrubs: int = 0  # rounds through everything that is stored
    scrubbed_bytes: int = 0
    damaged: int = 0  # streams set aside
