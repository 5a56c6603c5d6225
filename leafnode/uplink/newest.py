"""A local stream read newest first: what comes now goes before what waits.

Has the face of LocalStream, without a consumer: which messages the hub has is known by it, and
those are not asked for here. What waits is read in blocks, the newest block first, ascending within
a block; what is stored meanwhile goes before the next message of a block. Knows JetStream as any
client does. Truth: docs/uplink.md, "Newest first".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.go_time import parse_time
from leafnode.uplink.alarm import Alarm
from leafnode.uplink.answers import ConsumerInfo, Failure, Position, StreamInfo
from leafnode.uplink.local import LocalState, Pulled, ask_message, ask_stream
from leafnode.uplink.unsent import UnsentNewest
from leafnode.uplink.window import Entry

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clock import Clock
    from leafnode.uplink.answers import Stored
    from leafnode.uplink.mailbox import Mailbox
    from leafnode.uplink.scatter import Scatter
    from leafnode.uplink.window import Budget


class NewestFirst:
    """One stream. `taken` gets each message, `ended` the end of a pull that failed."""

    def __init__(self, clock: Clock, mailbox: Mailbox, *, stream: str, place: str) -> None:
        """`place`: what its place in the stream is kept under."""
        self.place = place
        self._mailbox = mailbox
        self._stream = stream
        self._alarm = Alarm(clock, self._poll)
        self._soon = Alarm(clock, self._read)  # the rest of a pull
        self.window: Callable[[], Scatter] | None = None  # what is done and what is here
        self._wanted = 0
        self._room = 0  # bytes
        self._asking = False
        self._reading = False
        self._round = 0  # of asking; an answer to an earlier one is not read
        self._rests = 0
        self._created = ""  # which stream it is
        self._first = 1  # of it
        self._last = 0
        self._last_ns = 0  # when that one was stored
        self._live = 0  # what comes from here on goes first; 0: the next look decides
        self._messages = 0  # that it holds
        self._block = (1, 0)  # what is left of a block, both ends in it
        self._span = limits.UPLINK_BLOCK_MSGS  # of the next block; grows where nothing is
        self._whole = 0  # where that block begins; 0: something was found in it
        self.is_sure = True  # nothing hangs on it here: nothing is acknowledged
        self.unsent = UnsentNewest()
        self.taken: Callable[[Entry, int], None] = lambda _entry, _pending: None
        self.ended: Callable[[Pulled], None] = lambda _pulled: None
        self.passed: Callable[[], None] = lambda: None  # never: nobody else has what it reads

    def close(self) -> None:
        self.rest()

    def rest(self) -> None:
        """Read nothing more; the next pull begins with the newest."""
        self._wanted = 0
        self._live = 0
        self._block = (1, 0)
        self._asking = False
        self._round += 1
        self._rests += 1
        self._alarm.cancel()
        self._soon.cancel()

    @property
    def is_pulling(self) -> bool:
        return self._wanted > 0

    def open(self, window_msgs: int, then: Callable[[LocalState | Failure], None]) -> None:
        """Look the stream up. There is no consumer to make that would need a bound."""
        del window_msgs
        self._created = ""
        self.look(then)

    def look(self, then: Callable[[LocalState | Failure], None]) -> None:
        """Say where the stream is, and how much of it is not done."""

        def looked(stream: StreamInfo | Failure) -> None:
            if isinstance(stream, Failure):
                then(Failure(stream.err_code, f"stream {self._stream}: {stream.text}"))
                return
            if not self._created:
                self._created = stream.created
                self.unsent.open(stream)
            if stream.created == self._created:  # else nothing is known of it
                self._note(stream)
            floor = self._window.done.floor()
            consumer = ConsumerInfo(ack_floor=Position(0, floor), num_pending=self.pending())
            then(LocalState(stream, consumer))

        ask_stream(self._mailbox, self._stream, looked)

    def pull(self, budget: Budget) -> None:
        """Read so many messages, and bytes until they are reached."""
        assert not self.is_pulling, "the last pull is still open"
        self._wanted, self._room = budget.msgs, budget.size
        if not self._alarm.is_set:
            self._alarm.set(limits.UPLINK_POLL_NS)
        self._read()

    def ack(self, entry: Entry) -> None:
        """There is nothing to acknowledge here: the hub knows what it has."""

    @property
    def last_seq(self) -> int:
        """Of the stream, as far as `pending` knows."""
        return self._last

    @property
    def _window(self) -> Scatter:
        assert self.window is not None, "the flight has one"
        return self.window()

    def _note(self, stream: StreamInfo) -> None:
        """Take where it begins and ends; what is gone need not be sent."""
        self._first = max(1, stream.state.first_seq)
        self._last = stream.state.last_seq
        self._last_ns = parse_time(stream.state.last_ts) or 0
        self._messages = stream.state.messages
        self._let_go(1, self._first - 1)

    def _let_go(self, first: int, last: int) -> None:
        self.unsent.gone(first, self._window.let_go(first, last))

    def pending(self) -> int:
        """Return how many are neither done nor here; where the stream has holes, at most so many.

        What is done may be gone from the stream, and so may what is not, and what is here.
        """
        window = self._window
        missing = self._last - window.looked_at.count(1, self._last)
        return max(0, min(missing, self._messages - window.held))

    # -- which one is next

    def _next(self) -> tuple[int, int] | None:
        """Return the range that the next message is to be looked for in; None: nothing waits."""
        window = self._window
        waiting = self._last + 1 - self._live
        # One gap more, unless there are too many: then what is behind the last one goes first.
        has_room = len(window.done) < limits.UPLINK_RANGES_MAX
        if not self._live or (has_room and waiting > 2 * limits.UPLINK_BLOCK_MSGS):
            self._live = self._last + 1 if has_room else window.done.top() + 1
            self._block = (1, 0)
            window.live_from = self._live
        if self._live <= self._last:
            return self._live, self._last
        while self._block[0] <= self._block[1]:
            if self._block[0] not in window.looked_at:
                return self._block
            self._block = (self._block[0] + 1, self._block[1])
        return self._next_block()

    def _next_block(self) -> tuple[int, int] | None:
        gap = self._window.looked_at.gap_below(self._live - 1)
        if gap is None:
            return None
        first, last = gap
        self._whole = max(first, last - self._span + 1)
        self._block = (self._whole, last)
        return self._block

    # -- reading

    def _read(self) -> None:
        """Ask for one message after the other; an answer may come at once, or later. After so many
        at once others have their turn.
        """
        if self._reading or self._soon.is_set:
            return
        self._reading = True
        count = 0
        while self._wanted and not self._asking:
            if count == limits.UPLINK_READS_PER_TURN:
                self._soon.set(0)
                break
            wanted = self._next()
            if wanted is None:
                break  # the next look may find something
            self._ask_for(wanted)
            count += 1
        self._reading = False

    def _ask_for(self, wanted: tuple[int, int]) -> None:
        self._asking = True
        self._round += 1
        number = self._round

        def got(message: Stored | Failure | None) -> None:
            if number == self._round:  # else it rested meanwhile
                self._got(wanted, message)

        ask_message(self._mailbox, self._stream, wanted[0], got)

    def _got(self, wanted: tuple[int, int], message: Stored | Failure | None) -> None:
        self._asking = False
        if isinstance(message, Failure):
            self._end()
            return
        if message is not None and message.seq <= self._last and message.stored_ns > self._last_ns:
            self._verify(wanted, message)
        else:
            self._accept(wanted, message)

    def _verify(self, wanted: tuple[int, int], message: Stored) -> None:
        """It was stored after the last one: is it of a stream that was made anew meanwhile?"""
        self._asking = True
        number = self._round

        def looked(state: LocalState | Failure) -> None:
            if number != self._round:
                return
            self._asking = False
            if isinstance(state, Failure) or state.stream.created != self._created:
                self._end()
            else:
                self._accept(wanted, message)

        self.look(looked)

    def _end(self) -> None:
        """There is no such stream any more, or it is another one."""
        self._wanted = 0
        self.ended(Pulled(gone=True))

    def _accept(self, wanted: tuple[int, int], message: Stored | None) -> None:
        first, last = wanted
        found = last + 1 if message is None else message.seq
        self._let_go(first, min(found, last + 1) - 1)
        if first == self._live:
            self._live = min(found, last) + 1
        elif self._is_too_wide(wanted, found):
            self._block = (1, 0)  # the newest of what is in it goes first
            self._read()
            return
        else:
            self._block = (min(found, last) + 1, last)
        if message is not None and found <= last and found not in self._window.looked_at:
            self._take(message)
        self._read()

    def _is_too_wide(self, wanted: tuple[int, int], found: int) -> bool:
        """Say whether a block that grew over a hole has reached what is behind it.

        Holes may be millions of sequences wide: each block without anything doubles the next one.
        """
        first, last = wanted
        least = limits.UPLINK_BLOCK_MSGS
        if found > last:
            if first == self._whole:
                self._span *= 2
            return False
        self._whole = 0
        if last - first < least:
            self._span = least
            return False
        self._span = max(least, (last - first + 1) // 2)
        return True

    def _take(self, message: Stored) -> None:
        entry = Entry(
            message.seq, message.subject, message.header_size, message.body, b"", message.stored_ns
        )
        self._wanted -= 1
        self._room -= entry.size
        if self._room <= 0:
            self._wanted = 0
        self.taken(entry, max(0, self.pending() - 1))

    def _poll(self) -> None:
        """See whether something new is there, for as long as anything is to be sent."""
        number = self._rests

        def looked(state: LocalState | Failure) -> None:
            if number != self._rests:
                return
            if isinstance(state, Failure) or state.stream.created != self._created:
                self._end()
                return
            self._alarm.set(limits.UPLINK_POLL_NS)
            self._read()

        self.look(looked)
