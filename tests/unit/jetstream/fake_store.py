"""A store whose commits happen when a test says so: `hold()`, then `commit()` or `fail()`."""

from __future__ import annotations

import bisect
from functools import partial
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.errors import StoreError
from leafnode.protocol.subject import matches
from leafnode.store.api import (
    SEQ_MAX,
    ConsumerRecord,
    StoredMsg,
    StreamRecord,
    StreamState,
    SubjectState,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Generator, Iterable, Iterator, Sequence

    from leafnode.errors import StoreCorrupt
    from leafnode.store.api import Counting, State


def _size(msg: StoredMsg) -> int:
    return 30 + len(msg.subject) + len(msg.body) + (4 if msg.header_size else 0)


class FakeStream:
    """One stream's messages in a dict."""

    def __init__(self, root: FakeStore, first_seq: int) -> None:
        self.root = root
        self.msgs: dict[int, StoredMsg] = {}
        self.first = first_seq
        self.newest = first_seq - 1
        self.committed = first_seq - 1
        self.last_ts_ns = 0
        self.damaged: StoreCorrupt | None = None

    def check(self) -> None:
        """A damaged stream takes no change and answers no question but `state`."""
        if self.damaged is not None:
            raise self.damaged
        self.root.check()

    def append(
        self, subject: bytes, header_size: int, body: bytes, ts_ns: int, *, seq: int = 0
    ) -> int:
        self.check()
        self.newest = seq or self.newest + 1
        self.last_ts_ns = ts_ns
        self.msgs[self.newest] = StoredMsg(self.newest, subject, ts_ns, header_size, body)
        self.root.stage(len(body))
        return self.newest

    def append_run(self, subject: bytes, bodies: Sequence[bytes], ts_ns: int) -> int:
        for count, body in enumerate(bodies):
            try:
                self.append(subject, 0, body, ts_ns)
            except StoreError:
                if not count:
                    raise
                return count
        return len(bodies)

    def remove(self, seqs: Sequence[int]) -> int:
        self.check()
        count = sum(self.msgs.pop(seq, None) is not None for seq in seqs)
        self.root.stage(0)
        return count

    def remove_below(self, seq: int, *, lazy: bool = False) -> int:
        count = self.remove([one for one in self.msgs if one < seq])
        self.first = max(self.first, seq)
        self.newest = max(self.newest, seq - 1)
        return count

    def when_erased(self, tell: Callable[[list[Sequence[int]]], None] | None) -> None: ...

    def read_removed(
        self, start_seq: int, since_ns: int, done: Callable[[list[StoredMsg]], None]
    ) -> None:
        done([])

    def live(self, first_seq: int, max_seqs: int) -> list[int]:
        self.check()
        return sorted(seq for seq in self.msgs if seq >= first_seq)[:max_seqs]

    def time_at(self, seq: int) -> int | None:
        return next((self.msgs[one].ts_ns for one in self.live(seq, 1)), None)

    def end_at(self, last_seq: int, last_ts_ns: int) -> None:
        self.check()
        self.newest = max(self.newest, last_seq)
        self.last_ts_ns = max(self.last_ts_ns, last_ts_ns)
        self.root.stage(0)

    def state(self) -> StreamState:
        seqs = sorted(self.msgs)
        if not seqs:
            return StreamState(0, 0, self.newest + 1, 0, self.newest, self.last_ts_ns, 0, 0)
        size = sum(map(_size, self.msgs.values()))
        subjects = len({msg.subject for msg in self.msgs.values()})
        span = self.newest - seqs[0] + 1
        return StreamState(
            len(seqs),
            size,
            seqs[0],
            self.msgs[seqs[0]].ts_ns,
            self.newest,
            self.last_ts_ns,
            subjects,
            span - len(seqs),
        )

    def first_seq(self) -> int:
        return min(self.msgs, default=self.newest + 1)

    def front_end(self, below_seq: int) -> int:
        return min(below_seq, self.first_seq() + limits.PURGE_TURN_ROWS)

    def last_seq(self) -> int:
        return self.newest

    def committed_seq(self) -> int:
        return self.committed

    def damage(self) -> StoreCorrupt | None:
        return self.damaged

    def _ask(self) -> None:
        if self.damaged is not None:
            raise self.damaged

    def subject_state(self, subject: bytes) -> SubjectState | None:
        self._ask()
        seqs = [seq for seq, msg in self.msgs.items() if msg.subject == subject]
        return SubjectState(len(seqs), min(seqs), max(seqs)) if seqs else None

    def subject_of(self, seq: int) -> bytes | None:
        self._ask()
        msg = self.msgs.get(seq)
        return msg.subject if msg is not None else None

    def is_removing(self, from_seq: int = 0) -> bool:
        del from_seq
        return False

    def size_of(self, seq: int) -> int:
        self._ask()
        msg = self.msgs.get(seq)
        return _size(msg) if msg is not None else 0

    def subjects(self, pattern: bytes) -> Iterable[tuple[bytes, SubjectState]]:
        names = sorted({m.subject for m in self.msgs.values() if matches(pattern, m.subject)})
        for name in names:
            state = self.subject_state(name)
            assert state is not None
            yield name, state

    def prepare(self, *patterns: bytes, start_seq: int = 0) -> Iterator[None]:
        return iter(())

    def names(self, *patterns: bytes) -> Iterator[bytes]:
        self._ask()
        return iter({m.subject for m in self.msgs.values() if _wanted(patterns, m.subject)})

    def surplus(self, seq: int, most: int, spared: Container[bytes]) -> tuple[list[int], int]:
        self._ask()
        seqs = [one for one in self.msgs if one >= seq][: limits.PURGE_TURN_MSGS]
        found: list[int] = []
        for one in seqs:
            subject = self.msgs[one].subject
            taken = sum(self.msgs[other].subject == subject for other in found)
            if self.msgs_of(subject) - taken > most and subject not in spared:
                found.append(one)
        return found, seqs[-1] + 1 if seqs else self.newest + 1

    def approach(self, subject: bytes) -> bool:
        return True

    def msgs_of(self, subject: bytes) -> int:
        self._ask()
        return sum(msg.subject == subject for msg in self.msgs.values())

    def last_of(self, subject: bytes) -> int:
        state = self.subject_state(subject)
        return state.last_seq if state is not None else 0

    def oldest(self, pattern: bytes, start_seq: int) -> int:
        found = [seq for seq, m in self.msgs.items() if _wanted([pattern], m.subject)]
        return min(found, default=self.newest + 1)

    def newest_of(self, pattern: bytes) -> int:
        self._ask()
        return max(self.last_seqs(pattern), default=0)

    def last_seqs(self, *patterns: bytes) -> list[int]:
        newest = {m.subject: seq for seq, m in sorted(self.msgs.items())}
        return [seq for name, seq in newest.items() if _wanted(patterns, name)]

    def missing(self, seqs: Sequence[int]) -> list[int]:
        self._ask()
        return [seq for seq in seqs if seq not in self.msgs]

    def list_last(self, *patterns: bytes) -> Generator[None, None, list[int]]:
        yield
        return sorted(self.last_seqs(*patterns))

    def num_pending(self, patterns: Sequence[bytes], start_seq: int) -> int:
        self._ask()
        return sum(
            seq >= start_seq and _wanted(patterns, msg.subject) for seq, msg in self.msgs.items()
        )

    def num_subjects(self, patterns: Sequence[bytes], first_seq: int, last_seq: int) -> Counting:
        self._ask()
        yield
        found = [m.subject for seq, m in self.msgs.items() if first_seq <= seq <= last_seq]
        return sum(_wanted(patterns, name) for name in set(found))

    def deleted(self, first_seq: int, max_seqs: int, *, upto_seq: int = SEQ_MAX) -> list[int]:
        start, end = max(first_seq, self.state().first_seq), min(self.newest, upto_seq)
        gone = [seq for seq in range(start, end + 1) if seq not in self.msgs]
        return gone[:max_seqs]

    def seq_at(self, ts_ns: int) -> int:
        self._ask()
        seqs = sorted(self.msgs)
        at = bisect.bisect_left([self.msgs[seq].ts_ns for seq in seqs], ts_ns)
        return seqs[at] if at < len(seqs) else self.newest + 1

    def get(self, seq: int, done: Callable[[StoredMsg | None], None]) -> None:
        msg = self.msgs.get(seq) if seq <= self.committed and not self.damaged else None
        self.root.answer(lambda: done(msg))

    def read(
        self,
        start_seq: int,
        patterns: Sequence[bytes],
        max_msgs: int,
        max_bytes: int,
        done: Callable[[list[StoredMsg]], None],
    ) -> None:
        page: list[StoredMsg] = []
        size = 0
        for seq in sorted(self.msgs):
            msg = self.msgs[seq]
            if (
                self.damaged
                or not start_seq <= seq <= self.committed
                or not _wanted(patterns, msg.subject)
            ):
                continue
            page.append(msg)
            size += len(msg.body)
            if len(page) >= max_msgs or size >= max_bytes:
                break
        self.root.answer(lambda: done(page))

    def last(
        self, pattern: bytes, done: Callable[[StoredMsg | None], None], *, upto_seq: int = SEQ_MAX
    ) -> None:
        seqs = [seq for seq, msg in self.msgs.items() if matches(pattern, msg.subject)]
        newest = max((seq for seq in seqs if seq <= min(self.committed, upto_seq)), default=0)
        msg = self.msgs.get(newest)
        self.root.answer(lambda: done(msg))


class FakeStore:
    """Implements leafnode.store.api.Store in memory; restart by handing it to a new JetStream."""

    def __init__(self) -> None:
        self.holding = False
        self.watchers: list[Callable[[str, str], None]] = []
        self.slow_reads = self.crowded = False
        self.error: StoreError | None = None
        self.read_error: StoreError | None = None  # refuses reads
        self.configs: dict[tuple[str, str], tuple[int, bytes]] = {}
        self.stores: dict[tuple[str, str], FakeStream] = {}
        self.kept: dict[tuple[str, str], dict[str, ConsumerRecord]] = {}
        self.on_disk: dict[tuple[str, str], dict[str, ConsumerRecord]] = {}  # of it, while holding
        self.callbacks: list[Callable[[StoreError | None], None]] = []
        self.answers: list[Callable[[], None]] = []
        self.reserved = (0, 0)
        self.staged = 0
        self.staged_size = 0

    # --- the test's side

    def hold(self) -> None:
        self.holding = True
        self.on_disk = {key: dict(records) for key, records in self.kept.items()}

    def commit(self) -> None:
        """Everything staged is on disk."""
        self.staged = self.staged_size = 0
        if self.holding:
            self.hold()
        for stream in self.stores.values():
            stream.committed = stream.newest
        callbacks, self.callbacks = self.callbacks, []
        for callback in callbacks:
            callback(None)

    def fail(self, error: StoreError) -> None:
        """What is staged is lost, but for streams, and messages that it removed."""
        self.staged = self.staged_size = 0
        for key, records in self.on_disk.items():
            if self.holding and key in self.kept:
                self.kept[key] = dict(records)
        for stream in self.stores.values():
            for seq in range(stream.committed + 1, stream.newest + 1):
                stream.msgs.pop(seq, None)
            stream.newest = stream.committed
        for key in self.configs:
            for adopted in self.watchers:
                adopted(*key)
        callbacks, self.callbacks = self.callbacks, []
        for callback in callbacks:
            callback(error)

    def answer_reads(self) -> None:
        """Slow reads come back."""
        while self.answers:
            self.answers.pop(0)()

    # --- the streams' side

    def check(self) -> None:
        if self.error is not None:
            raise self.error

    def stage(self, size: int) -> None:
        self.check()
        self.staged += 1
        self.staged_size += size
        if not self.holding:
            self.commit()

    def answer(self, call: Callable[[], None]) -> None:
        if self.read_error is not None:
            raise self.read_error
        if self.slow_reads:
            self.answers.append(call)
        else:
            call()

    # --- Store

    def streams(self) -> list[StreamRecord]:
        return [
            StreamRecord(account, name, created, config, self.stores[account, name])
            for (account, name), (created, config) in self.configs.items()
        ]

    def held_bytes(self, account: str = "") -> int:
        mine = [one for one in self.streams() if account in {"", one.account}]
        return sum(one.store.state().bytes for one in mine)

    def has_stream(self, account: str, name: str) -> bool:
        return any((one.account, one.name) == (account, name) for one in self.streams())

    def create_stream(
        self, account: str, name: str, config: bytes, created_ns: int, first_seq: int
    ) -> FakeStream:
        self.configs[account, name] = (created_ns, config)
        self.kept[account, name] = {}
        self.stores[account, name] = stream = FakeStream(self, first_seq)
        self.stage(0)
        return stream

    def update_stream(self, account: str, name: str, config: bytes) -> None:
        self.configs[account, name] = (self.configs[account, name][0], config)
        self.stage(0)

    def rename_stream(self, account: str, name: str, new_name: str) -> None:
        self.check()
        for table in (self.configs, self.kept, self.stores):
            table[account, new_name] = table.pop((account, name))
        self.stage(0)

    def delete_stream(self, account: str, name: str) -> None:
        for table in (self.configs, self.kept, self.stores):
            del table[account, name]
        self.stage(0)

    def consumers(self, account: str, stream: str) -> list[ConsumerRecord]:
        return list(self.kept[account, stream].values())

    def consumer(self, account: str, stream: str, name: str) -> ConsumerRecord | None:
        return self.kept.get((account, stream), {}).get(name)

    def put_consumer(
        self, account: str, stream: str, name: str, created_ns: int, config: bytes, state: State
    ) -> None:
        self.kept[account, stream][name] = ConsumerRecord(name, created_ns, config, state)
        self.stage(0)

    def put_consumer_state(self, account: str, stream: str, name: str, state: State) -> None:
        old = self.kept[account, stream][name]
        self.kept[account, stream][name] = ConsumerRecord(name, old.created_ns, old.config, state)

    def delete_consumer(self, account: str, stream: str, name: str) -> None:
        del self.kept[account, stream][name]
        self.stage(0)

    def reserve(self, rows: int, size: int) -> None:
        self.check()
        self.reserved = (rows, size)

    def release(self) -> None:
        pass

    def after_commit(self, done: Callable[[StoreError | None], None]) -> None:
        if self.staged:
            self.callbacks.append(done)
        else:
            done(self.error)

    def is_last(self, done: Callable[[StoreError | None], None]) -> bool:
        return bool(self.staged and self.callbacks) and self.callbacks[-1] is done

    def watch(self, adopted: Callable[[str, str], None]) -> Callable[[], None]:
        self.watchers.append(adopted)
        return partial(self.watchers.remove, adopted)

    def set_aside(self, account: str, stream: str, problem: StoreCorrupt) -> None:
        self.stores[account, stream].damaged = problem

    def failed(self) -> StoreError | None:
        return self.error

    def is_crowded(self) -> bool:
        return self.crowded


def _wanted(patterns: Sequence[bytes], subject: bytes) -> bool:
    return not patterns or any(matches(pattern, subject) for pattern in patterns)
