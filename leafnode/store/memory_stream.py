"""One stream in memory: `storage: memory`, and the model that the one on disk is checked against.

Knows messages, their sequences and subjects; not other streams. Truth: leafnode/store/api.py.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from functools import partial
from itertools import chain, filterfalse, islice
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.errors import StoreError
from leafnode.protocol.subject import is_literal
from leafnode.slices import in_slices
from leafnode.store import listing
from leafnode.store.api import SEQ_MAX, StoredMsg, StreamState, SubjectState
from leafnode.store.matched import Matched, Seqs
from leafnode.store.newest import Newest
from leafnode.store.sizes import message_bytes
from leafnode.store.subjects import Patterns

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Generator, Iterable, Iterator, Sequence

    from leafnode.errors import StoreCorrupt
    from leafnode.store.api import Counting

    CallLater = Callable[[int, Callable[[], None]], object]


_GONE_KEPT: Final = 64  # sequences of messages that are gone, beside as many as there are messages


class MemoryStream:
    """Implements leafnode.store.api.StreamStore."""

    def __init__(self, first_seq: int, call_later: CallLater | None = None) -> None:
        """`call_later`: lets what a purge of everything took go in slices."""
        self._call_later = call_later or never
        self._messages: dict[int, StoredMsg] = {}
        self._seqs = array("q")  # ascending; of some messages that are gone, too
        self._subjects: dict[bytes, Seqs] = {}
        self.matched = Matched(self._subjects)
        self._newest = Newest()
        self._first_seq = first_seq
        self._last_seq = first_seq - 1
        self._last_ts_ns = 0
        self._bytes = 0

    def append(
        self, subject: bytes, header_size: int, body: bytes, ts_ns: int, *, seq: int = 0
    ) -> int:
        seq = seq or self._last_seq + 1
        assert self._last_seq < seq <= SEQ_MAX, "sequences go up"
        if not self._messages:
            self._first_seq = seq
        self._last_seq = seq
        self._last_ts_ns = ts_ns = max(ts_ns, self._last_ts_ns)
        message = StoredMsg(seq, subject, ts_ns, header_size, body)
        self._messages[seq] = message
        self._seqs.append(seq)
        (self._subjects.get(subject) or self.matched.add(subject))[seq] = None
        self._bytes += _size(message)
        return seq

    def append_run(self, subject: bytes, bodies: Sequence[bytes], ts_ns: int) -> int:
        for body in bodies:
            self.append(subject, 0, body, ts_ns)
        return len(bodies)

    def remove(self, seqs: Sequence[int]) -> int:
        removed = sum(self._take(seq) for seq in seqs)
        self._settle()
        return removed

    def remove_below(self, seq: int, *, lazy: bool = False) -> int:  # noqa: ARG002
        if seq > SEQ_MAX:
            raise StoreError(f"sequence {seq} is beyond {SEQ_MAX}")
        if seq <= self._first_seq:
            return 0
        if seq > self._last_seq:
            return self._purge(seq)
        removed = sum(map(self._take, list(self.held(self._first_seq, seq))))
        self._first_seq = seq
        self._settle()
        return removed

    def _purge(self, seq: int) -> int:
        """Take everything away; the next message has this sequence."""
        removed = len(self._messages)
        self._first_seq, self._last_seq = seq, seq - 1
        in_slices(self._call_later, self.let_go(), limits.LET_GO_MSGS)
        return removed

    def end_at(self, last_seq: int, last_ts_ns: int) -> None:
        if last_seq > SEQ_MAX:
            raise StoreError(f"sequence {last_seq} is beyond {SEQ_MAX}")
        self._last_seq = max(self._last_seq, last_seq)
        self._last_ts_ns = max(self._last_ts_ns, last_ts_ns)
        self._settle()

    def when_erased(self, tell: Callable[[list[Sequence[int]]], None] | None) -> None:
        pass  # nothing that could be erased outlives it

    def state(self) -> StreamState:
        first = self._messages.get(self._first_seq)
        return StreamState(
            msgs=len(self._messages),
            bytes=self._bytes,
            first_seq=self._first_seq,
            first_ts_ns=first.ts_ns if first else 0,
            last_seq=self._last_seq,
            last_ts_ns=self._last_ts_ns,
            num_subjects=len(self._subjects),
            num_deleted=self._last_seq - self._first_seq + 1 - len(self._messages),
        )

    def first_seq(self) -> int:
        return self._first_seq

    def front_end(self, below_seq: int) -> int:
        if below_seq > self._last_seq:  # it lets go of all in turns of its own
            return below_seq
        return min(below_seq, self._first_seq + limits.LET_GO_MSGS)

    def last_seq(self) -> int:
        return self._last_seq

    def committed_seq(self) -> int:
        return self._last_seq

    def damage(self) -> StoreCorrupt | None:
        return None

    def subject_state(self, subject: bytes) -> SubjectState | None:
        seqs = self._subjects.get(subject)
        if seqs is None:
            return None
        return SubjectState(len(seqs), next(iter(seqs)), next(reversed(seqs)))

    def subject_of(self, seq: int) -> bytes | None:
        message = self._messages.get(seq)
        return message.subject if message is not None else None

    def is_removing(self, from_seq: int = 0) -> bool:  # noqa: ARG002
        return False

    def size_of(self, seq: int) -> int:
        message = self._messages.get(seq)
        return _size(message) if message is not None else 0

    def subjects(self, *patterns: bytes) -> Iterable[tuple[bytes, SubjectState]]:
        found: list[tuple[bytes, SubjectState]] = []
        for subject in sorted(self.matched.of(patterns)):
            state = self.subject_state(subject)
            assert state is not None
            found.append((subject, state))
        return found

    def prepare(self, *patterns: bytes, start_seq: int = 0) -> Iterator[None]:
        del start_seq  # nothing has to be read for a count
        return self.matched.prepare(patterns)

    def names(self, *patterns: bytes) -> Iterator[bytes]:
        held = self._subjects
        found = list(self.matched.of(patterns))
        return (name for name in found if name in held)

    def msgs_of(self, subject: bytes) -> int:
        return len(self._subjects.get(subject, ()))

    def approach(self, subject: bytes) -> bool:  # noqa: ARG002
        return True  # it knows all of them

    def surplus(self, seq: int, most: int, spared: Container[bytes]) -> tuple[list[int], int]:
        seqs = self.live(seq, limits.PURGE_TURN_MSGS)
        found: list[int] = []
        taken: dict[bytes, int] = {}
        for one in seqs:
            subject = self._messages[one].subject
            count = len(self._subjects[subject]) - taken.get(subject, 0)
            if count > most and subject not in spared:
                taken[subject] = taken.get(subject, 0) + 1
                found.append(one)
        return found, seqs[-1] + 1 if seqs else self._last_seq + 1

    def last_of(self, subject: bytes) -> int:
        return next(reversed(self._subjects.get(subject, {})), 0)

    def oldest(self, pattern: bytes, start_seq: int) -> int:
        best = self._last_seq + 1
        for subject in self.matched.of([pattern]):
            best = min(best, next(iter(self._subjects[subject])))
            if best < start_seq:
                break
        return best

    def newest_of(self, pattern: bytes) -> int:
        if self.matched.is_beyond(pattern):
            return 0
        return self._newest.of(
            pattern,
            self._last_seq,
            since=partial(self._newest_since, _wanted([pattern])),
            lives=self._messages.__contains__,
            search=lambda: max(self.last_seqs(pattern), default=0),
        )

    def _newest_since(self, wanted: Callable[[bytes], bool] | None, from_seq: int) -> int:
        seqs, messages = self._seqs, self._messages
        for index in range(len(seqs) - 1, bisect_left(seqs, from_seq) - 1, -1):
            message = messages.get(seqs[index])
            if message is not None and (wanted is None or wanted(message.subject)):
                return message.seq
        return 0

    def last_seqs(self, *patterns: bytes) -> list[int]:
        return [next(reversed(self._subjects[name])) for name in self.matched.of(patterns)]

    def list_last(self, *patterns: bytes) -> Generator[None, None, list[int]]:
        return listing.in_steps(_Listed(self, patterns))

    def num_pending(self, patterns: Sequence[bytes], start_seq: int) -> int:
        if start_seq <= self._first_seq:
            return self._total(patterns)
        seqs, wanted = self._seqs, self._counts(patterns)
        first, middle = bisect_left(seqs, self._first_seq), bisect_left(seqs, start_seq)
        if len(seqs) - middle <= middle - first:
            return self._count(seqs[middle:], wanted)
        return self._total(patterns) - self._count(seqs[first:middle], wanted)

    def num_subjects(self, patterns: Sequence[bytes], first_seq: int, last_seq: int) -> Counting:
        names = self.matched.of(patterns)
        if first_seq <= self._first_seq and last_seq >= self._last_seq:
            return len(names)
        count, first_seq, left = 0, max(1, first_seq), iter(tuple(names))
        while some := list(islice(left, limits.LISTED_PER_STEP)):
            for seqs in filter(None, map(self._subjects.get, some)):
                newest = next(reversed(seqs))
                if newest > last_seq:
                    newest = _upto(seqs, last_seq)
                count += newest >= first_seq
            yield
        return count

    def _total(self, patterns: Sequence[bytes]) -> int:
        names = self.matched.of(patterns)
        if len(names) == len(self._subjects):
            return len(self._messages)
        return sum(map(len, map(self._subjects.__getitem__, names)))

    def _counts(self, patterns: Sequence[bytes]) -> Callable[[bytes], bool] | None:
        names = self.matched.of(patterns)
        return None if len(names) == len(self._subjects) else names.__contains__

    def _count(self, seqs: Sequence[int], wanted: Callable[[bytes], bool] | None) -> int:
        messages = self._messages
        if wanted is None:
            return sum(map(messages.__contains__, seqs))
        return sum(1 for seq in seqs if seq in messages and wanted(messages[seq].subject))

    def missing(self, seqs: Sequence[int]) -> list[int]:
        return list(filterfalse(self._messages.__contains__, seqs))

    def deleted(self, first_seq: int, max_seqs: int, *, upto_seq: int = SEQ_MAX) -> list[int]:
        gaps: list[int] = []
        cursor = max(first_seq, self._first_seq)
        end = min(upto_seq, self._last_seq) + 1
        for seq in chain(self.held(cursor, end), [end]):
            gaps += range(cursor, min(seq, cursor + max_seqs - len(gaps)))
            if len(gaps) >= max_seqs:
                break
            cursor = seq + 1
        return gaps

    def live(self, first_seq: int, max_seqs: int) -> list[int]:
        return list(islice(self.held(first_seq), max_seqs))

    def seq_at(self, ts_ns: int) -> int:
        seqs, messages = self._seqs, self._messages
        low, high = bisect_left(seqs, self._first_seq), len(seqs)
        while low < high:
            middle = (low + high) // 2
            held = middle
            while held < high and seqs[held] not in messages:
                held += 1
            if held < high and messages[seqs[held]].ts_ns < ts_ns:
                low = held + 1
            else:
                high = middle
        from_seq = seqs[low] if low < len(seqs) else self._last_seq + 1
        return next(self.held(from_seq), self._last_seq + 1)

    def time_at(self, seq: int) -> int | None:
        return next((self._messages[held].ts_ns for held in self.held(seq)), None)

    def get(self, seq: int, done: Callable[[StoredMsg | None], None]) -> None:
        done(self._messages.get(seq))

    def read(
        self,
        start_seq: int,
        patterns: Sequence[bytes],
        max_msgs: int,
        max_bytes: int,
        done: Callable[[list[StoredMsg]], None],
    ) -> None:
        most = min(max_msgs, limits.READ_BATCH_MSGS), max_bytes
        self._scan(start_seq, patterns, most, done)

    def _scan(
        self,
        start_seq: int,
        patterns: Sequence[bytes],
        most: tuple[int, int],
        done: Callable[[list[StoredMsg]], None],
    ) -> None:
        """Look at messages from there on; where none is wanted for long, in several turns."""
        wanted = _wanted(patterns)
        page: list[StoredMsg] = []
        size = looked_at = 0
        for seq in self._candidates(start_seq, patterns):
            message = self._messages[seq]
            looked_at += 1
            if wanted is None or wanted(message.subject):
                page.append(message)
                size += len(message.body)
                if len(page) >= most[0] or size >= most[1]:
                    break
            if looked_at >= limits.SCANNED_PER_TURN and (page or self._call_later is not never):
                break
        else:
            looked_at = 0  # nothing is behind that
        if page or not looked_at:
            done(page)
        else:
            self._call_later(0, partial(self._scan, seq + 1, patterns, most, done))

    def _candidates(self, start_seq: int, patterns: Sequence[bytes]) -> Iterable[int]:
        """Return what to look at from there on: of a few literal subjects their messages alone."""
        if patterns and all(map(is_literal, patterns)):
            own = [self._subjects[name] for name in set(patterns) if name in self._subjects]
            if sum(map(len, own)) <= limits.SCANNED_PER_TURN // 4:
                return sorted(seq for seqs in own for seq in seqs if seq >= start_seq)
        return self.held(start_seq)

    def read_removed(
        self,
        start_seq: int,  # noqa: ARG002
        since_ns: int,  # noqa: ARG002
        done: Callable[[list[StoredMsg]], None],
    ) -> None:
        done([])

    def last(
        self, pattern: bytes, done: Callable[[StoredMsg | None], None], *, upto_seq: int = SEQ_MAX
    ) -> None:
        wanted, seqs = _wanted([pattern]), self._seqs
        if is_literal(pattern):
            own = reversed(self._subjects.get(pattern, {}))
            done(self._messages.get(next((seq for seq in own if seq <= upto_seq), 0)))
            return
        end = bisect_right(seqs, upto_seq)
        for index in range(end - 1, max(-1, end - 1 - limits.SCANNED_PER_TURN), -1):
            message = self._messages.get(seqs[index])
            if message is not None and (wanted is None or wanted(message.subject)):
                done(message)
                return
        newest = [  # it is far from there: fewer are looked at by subject
            _upto(self._subjects[subject], upto_seq) for subject in self.matched.of([pattern])
        ]
        done(self._messages.get(max(newest, default=0)))

    def let_go(self) -> Iterator[None]:
        """Be empty from now on; what was held goes in these steps, a message in each."""
        messages, subjects = self._messages, self._subjects
        self._messages, self._subjects, self._seqs, self._bytes = {}, {}, array("q"), 0
        self.matched = Matched(self._subjects)
        self._settle()
        return _newest_first(messages, subjects)

    # --- private

    def _take(self, seq: int) -> bool:
        message = self._messages.pop(seq, None)
        if message is None:
            return False
        seqs = self._subjects[message.subject]
        del seqs[seq]
        if not seqs:
            self.matched.drop(message.subject)
        self._bytes -= _size(message)
        return True

    def _settle(self) -> None:
        """Move first_seq to the oldest message, or behind last_seq when there is none."""
        if len(self._seqs) > 2 * len(self._messages) + _GONE_KEPT:
            self._seqs = array("q", self._messages)
        self._first_seq = next(self.held(self._first_seq), self._last_seq + 1)

    def held(self, first_seq: int, end_seq: int = SEQ_MAX + 1) -> Iterator[int]:
        """Yield the sequences of this range that hold a message, however wide it is."""
        seqs = self._seqs
        for index in range(bisect_left(seqs, first_seq), len(seqs)):
            seq = seqs[index]
            if seq >= end_seq:
                return
            if seq in self._messages:
                yield seq


def _wanted(patterns: Sequence[bytes]) -> Callable[[bytes], bool] | None:
    """Return what says whether any pattern stands for a subject; None: they stand for all."""
    if not patterns or b">" in patterns:
        return None
    if all(map(is_literal, patterns)):
        return frozenset(patterns).__contains__
    return Patterns(patterns).include


def _newest_first(messages: dict[int, StoredMsg], subjects: dict[bytes, Seqs]) -> Iterator[None]:
    while messages:
        _, message = messages.popitem()
        seqs = subjects[message.subject]
        seqs.popitem()
        if not seqs:
            del subjects[message.subject]
        yield


def _upto(seqs: Seqs, upto_seq: int) -> int:
    """Return the newest of these that is not beyond that one, 0 where there is none."""
    return next((seq for seq in reversed(seqs) if seq <= upto_seq), 0)


def never(delay_ns: int, callback: Callable[[], None]) -> None:
    """Without a loop all that is left goes when nobody holds it."""
    del delay_ns, callback


def _size(message: StoredMsg) -> int:
    return message_bytes("memory", len(message.subject), message.header_size, len(message.body))


class _Listed:
    """Subjects of a stream, by name, for `listing`."""

    def __init__(self, stream: MemoryStream, patterns: Sequence[bytes]) -> None:
        self._stream = stream
        self._names = list(stream.matched.of(patterns))
        self._wanted = _wanted(patterns)

    def keys(self) -> Iterable[bytes]:
        return self._names

    def newest(self, key: bytes) -> int:
        return self._stream.last_of(key)

    def search(self, key: bytes) -> int:
        return self._stream.last_of(key)

    def since(self, seq: int, most: int) -> tuple[set[bytes], int]:
        seqs = list(islice(self._stream.held(seq), most))
        names = map(self._stream.subject_of, seqs)
        wanted = self._wanted
        came = {one for one in names if one is not None and (wanted is None or wanted(one))}
        return came, seqs[-1] + 1 if len(seqs) == most else self.end()

    def end(self) -> int:
        return self._stream.last_seq() + 1
