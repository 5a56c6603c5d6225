"""Where a consumer reads its stream: pages ahead of its position, single messages for redelivery.

Knows the stream's store, filters and sequences; not acknowledgements or takers. Reads answer at
once or later; `on_ready` is called for those that answer later. A read that the store refuses
raises StoreError and may be tried again. Bounded by READ_BATCH_MSGS and PREFETCH_BYTES; of single
messages by GETS_IN_FLIGHT, and as many bytes once more.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.errors import StoreError
from leafnode.jetstream.waiting import Waiting
from leafnode.protocol.patterns import PatternSet
from leafnode.protocol.subject import matches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from leafnode.jetstream.stream import Stream
    from leafnode.store.api import StoredMsg


class Cursor:
    """The reading position of one consumer. `listed` are sequences to read first, one by one."""

    __slots__ = (
        "_asked",
        "_fetched",
        "_fetching",
        "_filters",
        "_generation",
        "_gets",
        "_is_doubtful",
        "_on_ready",
        "_page",
        "_patterns",
        "_read_seq",
        "_reading",
        "_root",
        "_sifted",
        "_store",
        "listed",
        "waiting",
    )

    def __init__(
        self,
        stream: Stream,
        filters: Sequence[bytes],
        start_seq: int,
        *,
        listed: Iterable[int] = (),
        on_ready: Callable[[], None],
    ) -> None:
        self._root, self._store = stream.root, stream.store
        self._filters = filters
        self._patterns = PatternSet(filters)
        self._on_ready = on_ready
        self._page: deque[StoredMsg] = deque()
        self._reading = False
        self._asked = False  # a read or a get is being asked for right now: its answer is no news
        self._generation = 0  # grows on reset: older pages are thrown away
        self._is_doubtful = False  # messages were removed that may be read ahead
        self._fetched: dict[int, StoredMsg | None] = {}
        # What was asked for, by the number of the request: one may be forgotten and asked for anew.
        self._fetching: dict[int, int] = {}
        self._gets = 0
        self._sifted: tuple[dict[int, bool], tuple[bytes, ...]] = ({}, ())
        self.listed = deque(listed)
        # The next sequence to ask the store for: behind the listed ones, which come one by one.
        self._read_seq = self.listed[-1] + 1 if self.listed else start_seq
        self.waiting = Waiting(stream.store, filters, self.listed)

    def wants(self, subject: bytes) -> bool:
        """Say whether messages of this subject are among those that it reads."""
        filters = self._filters
        if len(filters) > 1:
            return self._patterns.which(subject) is not None
        return not filters or matches(filters[0], subject)

    # --- new messages

    def is_listed(self, seq: int) -> bool:
        """Say whether this one is of those to read first. They ascend, and may be many."""
        listed = self.listed
        if not listed or not listed[0] <= seq <= listed[-1]:
            return False
        return listed[bisect_left(listed, seq)] == seq

    @property
    def exhausted(self) -> bool:
        """Say whether nothing committed is left to deliver."""
        return (
            not self._page
            and not self.listed
            and not self._reading
            and self._read_seq > self._store.committed_seq()
        )

    def peek(self) -> StoredMsg | None:
        """Return the next new message without taking it, or None when none is at hand now.

        Raises StoreError.
        """
        while self.listed:
            seq = self.listed[0]
            if seq > self._store.committed_seq():
                return None
            known, msg = self.fetch(seq, ahead=self.listed)
            if not known or msg is not None:
                return msg
            self.waiting.skip(seq)  # it was removed meanwhile
            self._fetched.pop(self.listed.popleft(), None)
        page = self._at_hand()
        return page[0] if page else None

    def take(self) -> None:
        """Take the message that `peek` returned."""
        if self.listed:
            self._fetched.pop(self.listed.popleft(), None)
        else:
            self._page.popleft()
        self.waiting.take(1)

    def peek_run(self, most: int) -> list[StoredMsg]:
        """Return up to `most` messages that are at hand, none while listed ones are left.

        Raises StoreError.
        """
        if self.listed:
            return []
        page = self._at_hand()
        return list(page) if most >= len(page) else list(islice(page, most))

    def take_run(self, count: int) -> None:
        """Take the first of the messages that `peek_run` returned."""
        page = self._page
        if count == len(page):
            page.clear()
        else:
            for _ in range(count):
                page.popleft()
        self.waiting.take(count)
        if count and not page:
            # The next page is read while this one is sent. What is refused now is asked for again.
            with suppress(StoreError):
                self._fill()

    @property
    def looked_at(self) -> int:
        """The sequence up to which everything was read and taken, or did not match."""
        return (self._page[0].seq if self._page else self._read_seq) - 1

    def _at_hand(self) -> deque[StoredMsg]:
        """Return what was read ahead, some more where nothing is left. What was removed since then
        does not count any more, so it is not delivered either. Raises StoreError.
        """
        while True:
            page, first_seq = self._page, self._store.first_seq()
            while page and page[0].seq < first_seq:  # limits took it
                page.popleft()
            if not page:
                self._fill()
            if not page or not self._is_doubtful:
                return page
            self._is_doubtful = self._reading  # what comes may hold some, too
            subject_of = self._store.subject_of
            self._page = deque(msg for msg in page if subject_of(msg.seq) is not None)
            if self._page:
                return self._page

    def _fill(self) -> None:
        last = self._store.committed_seq()
        if self._reading or self._read_seq > last:
            return
        self._reading = True
        self._asked = True
        self._is_doubtful |= self._store.is_removing(self._read_seq)
        try:
            self._store.read(
                self._read_seq,
                self._filters,
                limits.READ_BATCH_MSGS,
                limits.PREFETCH_BYTES,
                partial(self._on_page, self._generation, last),
            )
        except StoreError:
            self._reading = False
            raise
        finally:
            self._asked = False

    def _on_page(self, generation: int, last: int, page: list[StoredMsg]) -> None:
        if generation != self._generation:
            self._on_old_answer()
            return
        self._reading = False
        self._page.extend(page)
        if page:
            self._read_seq = page[-1].seq + 1
        elif self._store.damage() is None:  # a damaged stream answers nothing: that is no news
            self._read_seq = max(self._read_seq, last + 1)
        if not self._asked:
            self._on_ready()

    def _on_old_answer(self) -> None:
        """What was forgotten on its way is of no use: who waited for it asks anew."""
        if not self._reading and not self._fetching:
            self._on_ready()

    # --- single messages

    def fetch(self, seq: int, *, ahead: Iterable[int] = ()) -> tuple[bool, StoredMsg | None]:
        """Return (known, message); a known None was removed. Asks for it and some of `ahead`."""
        if seq in self._fetched:
            return True, self._fetched[seq]
        self._get(seq)
        if len(self._fetching) <= 1:
            self._get_ahead(seq, ahead)
        return seq in self._fetched, self._fetched.get(seq)

    def _get_ahead(self, first: int, ahead: Iterable[int]) -> None:
        """Ask for some of these, too, and keep nothing else: what fits beside the first one, and
        leaves room for what others need now.
        """
        fetched = self._fetched
        self._fetched = {first: fetched[first]} if first in fetched else {}
        with suppress(StoreError):  # the first one was not refused
            left = limits.PREFETCH_BYTES - self._store.size_of(first)
            for seq in islice(ahead, limits.GETS_IN_FLIGHT):
                if seq == first:
                    continue
                if left <= 0 or abs(seq - first) > limits.GETS_REACH or self._root.is_crowded():
                    break
                left -= self._store.size_of(seq)
                if left < 0 or len(self._fetching) + len(self._fetched) >= limits.GETS_IN_FLIGHT:
                    break
                if seq in fetched:
                    self._fetched[seq] = fetched[seq]
                else:
                    self._get(seq)

    def forget(self, seq: int) -> None:
        """Let go of a message that `fetch` returned, or will: what is on its way is old by now."""
        self._fetched.pop(seq, None)
        self._fetching.pop(seq, None)

    def _get(self, seq: int) -> None:
        if seq in self._fetching or seq in self._fetched:
            return
        self._gets += 1
        self._fetching[seq] = self._gets
        self._asked = True
        try:
            self._store.get(seq, partial(self._on_msg, self._gets, seq))
        except StoreError:
            self._fetching.pop(seq, None)
            raise
        finally:
            self._asked = False

    def _on_msg(self, number: int, seq: int, msg: StoredMsg | None) -> None:
        if self._fetching.get(seq) != number:
            self._on_old_answer()
            return
        del self._fetching[seq]
        if msg is not None or self._store.damage() is None:
            self._fetched[seq] = msg
        if not self._asked and not self._fetching:  # those that were asked for together come so
            self._on_ready()

    # --- counting

    @property
    def left(self) -> int:
        """How many messages wait, as of the last `num_pending` and the takes since."""
        return self.waiting.left

    def num_pending(self, next_seq: int) -> int:
        """Count how many messages that match wait from `next_seq` on. Raises StoreError."""
        return self.waiting.count(next_seq)

    def removed(self, seq: int, subject: bytes, next_seq: int) -> None:
        """The removal of one message is staged. Raises StoreCorrupt."""
        if seq >= next_seq and self.wants(subject):
            self._is_doubtful = True
            self.waiting.removed(seq, subject, next_seq)

    def removed_some(self) -> None:
        """The removal of several messages is staged, of whichever subjects."""
        self._is_doubtful = True
        self.waiting.recount()

    # --- moving

    def reset(self, next_seq: int, filters: Sequence[bytes] | None = None) -> None:
        """Read on from `next_seq`, and count what is there anew."""
        if filters is not None:
            self._filters = self.waiting.filters = filters
            self._patterns = PatternSet(filters)
            if filters:
                self._drop_unwanted()
        self._generation += 1
        self._reading = False
        self._page.clear()
        self._fetched.clear()
        self._fetching.clear()
        while self.listed and self.listed[0] < next_seq:
            self.listed.popleft()
        after_listed = self.listed[-1] + 1 if self.listed else 0
        self._read_seq = max(next_seq, self._store.first_seq(), after_listed)
        self.waiting.recount()

    def list_again(self, seqs: Sequence[int]) -> None:
        """These were delivered, and come again: first, while others are listed. nats-server leaves
        those out.
        """
        if self.listed:
            again = sorted({*seqs, *self.listed})
            self.listed.clear()
            self.listed.extend(again)

    def sift(self, filters: Sequence[bytes]) -> Iterator[None]:
        """Look in steps at which of the listed ones other filters match: `reset` with those is
        cheap then. Raises StoreError.
        """
        if not self.listed or not filters or list(filters) == list(self._filters):
            return
        patterns, sifted, left = PatternSet(filters), dict[int, bool](), iter(tuple(self.listed))
        while some := list(islice(left, limits.SIFTED_PER_STEP)):
            for seq in some:
                name = self._store.subject_of(seq)
                sifted[seq] = name is not None and patterns.which(name) is not None
            yield
        self._sifted = sifted, tuple(filters)

    def _drop_unwanted(self) -> None:
        """What was to be delivered first is not when the filters do not match it any more."""
        (sifted, filters), self._sifted = self._sifted, ({}, ())
        if filters != tuple(self._filters):
            sifted = {}
        kept: list[int] = []
        for seq in self.listed:
            is_wanted = sifted.get(seq)
            if is_wanted is None:
                name = self._store.subject_of(seq)
                is_wanted = name is not None and self.wants(name)
            if is_wanted:
                kept.append(seq)
        self.listed.clear()
        self.listed.extend(kept)

    def close(self) -> None:
        """Throw away what is still on its way, for good."""
        self._generation += 1
        self._page.clear()
        self._fetched.clear()
        self._fetching.clear()
        self._on_ready = _nobody


def _nobody() -> None:
    """Nobody waits for what was asked for."""
