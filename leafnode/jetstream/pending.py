"""What a consumer has delivered and not had acknowledged: ack floor, ack pending, redelivery order.

Pure: `now_ns` is a parameter (monotonic time), messages are only sequences. Truth: nats-server
2.15.1 server/consumer.go (trackPending, processAckMsg, getNextMsg), floors measured. What is
delivered again keeps the consumer sequence of its first delivery here, so that the entries are in
order of both sequences; only its reply subject has a new one.
tests/unit/jetstream/test_pending_model.py holds it against a naive model.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode import limits

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

RESTORED_PER_STEP: Final = 4096  # 0.5 us each, and as much where they are read


class Position(NamedTuple):
    """A pair of sequences: of the consumer's own count, and of the stream."""

    consumer_seq: int
    stream_seq: int


# (consumer sequence of the first delivery, deadline): a plain tuple, made once per delivery
_Entry = tuple[int, int]


class Pending:
    """Deliveries of one consumer. `backoff_ns[i]` is the wait after delivery i + 1."""

    __slots__ = (
        "_deadline_ns",
        "_entries",
        "_given_seq",
        "_gone",
        "_queue",
        "ack_wait_ns",
        "backoff_ns",
        "counts",
        "delivered",
        "floor",
        "given_up",
    )

    def __init__(self, start: int, *, ack_wait_ns: int, backoff_ns: Sequence[int] = ()) -> None:
        self.ack_wait_ns = ack_wait_ns
        self.backoff_ns = tuple(backoff_ns)  # the last one repeats
        self.delivered = Position(0, start - 1)
        self._given_seq = start - 1  # of the last delivery: `skip_to` goes beyond it
        self.floor = Position(0, start - 1)  # everything up to here is acknowledged
        self._gone = Position(0, 0)  # what was forgotten last and lifted the floor
        self.counts: dict[int, int] = {}  # deliveries of what was delivered more than once
        # In order of stream sequences, which is that of first deliveries.
        self._entries: OrderedDict[int, _Entry] = OrderedDict()
        # Out of attempts and not pending any more, as long as the stream holds them; at the bound
        # the oldest is forgotten.
        self.given_up: OrderedDict[int, None] = OrderedDict()
        # To be redelivered, first in, first out: what is refused again and again goes behind the
        # others. Not a dict: the first key of one that loses its first keys takes long to find.
        self._queue: OrderedDict[int, None] = OrderedDict()
        self._deadline_ns: int | None = None  # not later than the first ack wait that ends

    def copy(self) -> Pending:
        """Return another that is just so."""
        other = Pending(1, ack_wait_ns=self.ack_wait_ns, backoff_ns=self.backoff_ns)
        other.delivered, other.floor = self.delivered, self.floor
        other._given_seq, other._gone = self._given_seq, self._gone
        other.counts = self.counts.copy()
        other._entries = self._entries.copy()
        other.given_up = self.given_up.copy()
        other._queue = self._queue.copy()
        other._deadline_ns = self._deadline_ns
        return other

    # --- questions

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, seq: int) -> bool:
        return seq in self._entries

    @property
    def redelivered(self) -> int:
        """How many messages were delivered more than once, or given up."""
        return len(self.counts) + len(self.given_up)

    @property
    def queued(self) -> int:
        """How many messages wait for redelivery."""
        return len(self._queue)

    def deliveries(self, seq: int) -> int:
        """How often a pending message was delivered."""
        return self.counts.get(seq, 1)

    def next_deadline_ns(self) -> int | None:
        """Return when `expire` should be called, or None. May be too early, never too late."""
        return self._deadline_ns

    def last_deadline_ns(self, now_ns: int) -> int:
        """Return when the last ack wait ends, 0 without any. One that is over begins once more, as
        nats-server reckons.
        """
        ends = (
            at if at > now_ns else at + self.wait_ns(self.deliveries(seq))
            for seq, (_, at) in self._entries.items()
        )
        return max(ends, default=0)

    def first(self, seq: int) -> tuple[int, int]:
        """Return (consumer sequence of its first delivery, deliveries) of a pending message."""
        return self._entries[seq][0], self.deliveries(seq)

    def reset_seq(self) -> int:
        """Return where a consumer that starts over at its floor begins. Not with what was given
        up: nats-server shows a floor below it, and goes on behind it.
        """
        after = self.floor.stream_seq + 1
        if not any(seq >= after for seq in self.given_up):
            return after
        return max(after, next(iter(self._entries), self.delivered.stream_seq + 1))

    def delivered_ns(self, seq: int) -> int:
        """Return when a pending message was delivered last; an ack wait that was moved counts."""
        return self._entries[seq][1] - self.wait_ns(self.deliveries(seq))

    # --- deliveries

    def skip_to(self, seq: int) -> None:
        """Note that everything up to `seq` was looked at and needs no delivery. Not kept over a
        restart: with other filters it may need it.
        """
        if seq > self.delivered.stream_seq:
            self.delivered = self.delivered._replace(stream_seq=seq)
            if not self._entries:
                self.floor = self.delivered

    def forget_skipped(self) -> None:
        """Undo `skip_to`: what it went by does not hold any more."""
        self.delivered, self.floor = self.kept()

    def deliver(self, seq: int, now_ns: int, *, track: bool = True) -> int:
        """Note the first delivery of a message and return its consumer sequence.

        `track` False: nobody acknowledges, so the floor follows.
        """
        self.deliver_run([seq], now_ns, track=track)
        return self.delivered.consumer_seq

    def deliver_run(self, seqs: Sequence[int], now_ns: int, *, track: bool = True) -> None:
        """Note the first deliveries of several messages, ascending; see `deliver`."""
        consumer_seq = self.delivered.consumer_seq
        assert seqs[0] > self.delivered.stream_seq, "new messages are delivered in order"
        self.delivered = Position(consumer_seq + len(seqs), seqs[-1])
        self._given_seq = seqs[-1]
        if not track:
            self.floor = self.delivered
            return
        deadline_ns = now_ns + self.wait_ns(1)
        entries = self._entries
        for seq in seqs:
            consumer_seq += 1
            entries[seq] = (consumer_seq, deadline_ns)
        if self._deadline_ns is None or deadline_ns < self._deadline_ns:
            self._deadline_ns = deadline_ns

    def redeliver(self, seq: int, now_ns: int) -> int:
        """Note another delivery of a pending message and return that one's consumer sequence."""
        assert seq in self._entries, "only what is pending is redelivered"
        count = self.deliveries(seq) + 1
        self.counts[seq] = count
        self._queue.pop(seq, None)
        self.delivered = self.delivered._replace(consumer_seq=self.delivered.consumer_seq + 1)
        self._set_deadline(seq, self._entries[seq], now_ns + self.wait_ns(count))
        return self.delivered.consumer_seq

    def next_redelivery(self) -> int | None:
        """Return what has waited longest for redelivery, without taking it."""
        return next(iter(self._queue), None)

    def redeliveries(self) -> Collection[int]:
        """Return all that wait for it, in that order. Until something changes."""
        return self._queue

    def expire(self, now_ns: int) -> list[int]:
        """Queue messages whose ack wait has passed, in stream order, and return them: EXPIRED_TURN
        of them, the others when it is called again.
        """
        expired: list[int] = []
        soonest: int | None = None
        for seq, (_, deadline_ns) in self._entries.items():
            if seq in self._queue:
                continue
            if deadline_ns <= now_ns:
                if len(expired) == limits.EXPIRED_TURN:
                    soonest = now_ns
                    break
                expired.append(seq)
            elif soonest is None or deadline_ns < soonest:
                soonest = deadline_ns
        expired.sort()
        self._queue.update(dict.fromkeys(expired))
        self._deadline_ns = soonest
        return expired

    # --- acknowledgements

    def ack(self, seq: int) -> bool:
        """Take one message out; False when it was not pending."""
        entry = self._forget(seq)
        if entry is None:
            return False
        if not self._entries:
            self.floor = self.delivered
        elif entry[0] == self.floor.consumer_seq + 1:
            self._raise_floor()
        return True

    def ack_run(self, seqs: Sequence[int]) -> list[int]:
        """Take several messages out, as `ack` does one by one; return those that were pending."""
        entries = self._entries
        if self._queue or self.counts or not entries:
            return [seq for seq in seqs if self.ack(seq)]
        # The entries are in order, so the floor follows the first of them, or stays.
        before = next(iter(entries.values()))[0]
        acked = [seq for seq in seqs if entries.pop(seq, None) is not None]
        if not entries:
            self.floor = self.delivered
        elif before == self.floor.consumer_seq + 1:
            self._raise_floor()
        return acked

    def up_to(self, seq: int, consumer_seq: int, most: int | None = None) -> list[int]:
        """Return what `ack_all` would acknowledge, ascending; no more than the first `most`."""
        if not self._is_above_floor(seq, consumer_seq):
            return []
        return list(takewhile(lambda pending: pending <= seq, islice(self._entries, most)))

    def ack_all(self, seq: int, consumer_seq: int) -> list[int]:
        """Acknowledge everything up to a stream sequence; return what was pending of it. Both
        sequences must be above the floor: that of a second delivery lifts it over those of first
        deliveries that came before.
        """
        if not self._is_above_floor(seq, consumer_seq):
            return []
        acked = self.up_to(seq, consumer_seq)
        for pending in acked:
            self._forget(pending)
        self.floor = Position(min(consumer_seq, self.delivered.consumer_seq), seq)
        if not self._entries:
            self.floor = self.delivered
        return acked

    def ack_some(self, seqs: Sequence[int], consumer_seq: int) -> None:
        """Acknowledge the first of what `ack_all` would, not all of it: that will still do the
        rest, so the floor stays below both of its sequences.
        """
        for seq in seqs:
            self._forget(seq)
        lowest, (place, _) = next(iter(self._entries.items()))
        reached = max(self.floor.consumer_seq, min(place, consumer_seq) - 1)
        self.floor = Position(reached, max(self.floor.stream_seq, lowest - 1))

    def take_back(self, acks: Iterable[tuple[int, int, int]], now_ns: int) -> None:
        """Undo acknowledgements: (sequence, consumer sequence, deliveries), as `first` gave them.

        The messages come again.
        """
        undone = {seq: (place, tries) for seq, place, tries in acks if seq not in self._entries}
        if not undone:
            return
        entries = [*self._entries.items(), *((s, (p, now_ns)) for s, (p, _) in undone.items())]
        self._entries = OrderedDict(sorted(entries))
        self.counts.update((seq, tries) for seq, (_, tries) in undone.items() if tries > 1)
        lowest = next(iter(self._entries))
        if lowest <= self.floor.stream_seq:
            self.floor = Position(self._entries[lowest][0] - 1, lowest - 1)
        self._queue.update(dict.fromkeys(sorted(undone)))

    def nak(self, seq: int, now_ns: int, delay_ns: int = 0) -> bool:
        """Queue a message for redelivery, now or after a delay; False when it was not pending."""
        entry = self._entries.get(seq)
        if entry is None:
            return False
        if delay_ns:
            self._queue.pop(seq, None)
            self._set_deadline(seq, entry, now_ns + delay_ns)
        else:
            self._queue[seq] = None  # where it is there already it keeps its place
        return True

    def progress(self, seq: int, now_ns: int) -> bool:
        """Start the ack wait anew; False when it was not pending. What is queued stays queued."""
        entry = self._entries.get(seq)
        if entry is None:
            return False
        self._set_deadline(seq, entry, now_ns + self.wait_ns(self.deliveries(seq)))
        return True

    def give_up(self, seq: int) -> None:
        """A pending message is out of attempts: it leaves without being acknowledged."""
        self._forget(seq)
        self._remember(seq)

    def given_up_again(self, seqs: Iterable[int]) -> None:
        """Undo `gone`: the stream holds these once more."""
        self.given_up = OrderedDict.fromkeys(sorted({*self.given_up, *seqs}))

    def gone(self, seq: int) -> None:
        """The stream holds a message no more: nothing is to be remembered of it."""
        self.given_up.pop(seq, None)

    def purge(self, first_seq: int) -> bool:
        """The stream starts at `first_seq` now: nothing before it is delivered or redelivered.
        Return whether anything was pending there.
        """
        purged = self._drop_front(first_seq)
        if self.floor.stream_seq < first_seq - 1:
            self.floor = self.floor._replace(stream_seq=first_seq - 1)
        if self.delivered.stream_seq < first_seq - 1:
            self.delivered = self.delivered._replace(stream_seq=first_seq - 1)
        self._given_seq = max(self._given_seq, first_seq - 1)
        if not self._entries:
            self.floor = self.delivered
        return purged

    def before(self, first_seq: int) -> list[int]:
        """Return what is pending before `first_seq`, ascending."""
        return list(takewhile(first_seq.__gt__, self._entries))

    def drop(self, first_seq: int) -> None:
        """The stream holds nothing before `first_seq`: what is pending there counts as
        acknowledged, and the position stays.
        """
        self._forget_given_up(first_seq)
        self.ack_run(self.before(first_seq))

    def _forget_given_up(self, first_seq: int) -> None:
        for seq in [seq for seq in self.given_up if seq < first_seq]:
            del self.given_up[seq]

    def _drop_front(self, first_seq: int) -> bool:
        self._forget_given_up(first_seq)
        entries = self._entries
        gone = list(takewhile(first_seq.__gt__, entries))
        if not gone:
            return False
        last, _ = entries[gone[-1]]
        if last > self.floor.consumer_seq:
            self.floor = self.floor._replace(consumer_seq=last)
        if 2 * len(gone) > len(entries):
            self._entries = OrderedDict(islice(entries.items(), len(gone), None))
        else:
            for _ in gone:
                entries.popitem(last=False)
        for others in (self._queue, self.counts):
            if others:
                for seq in gone:
                    others.pop(seq, None)
        return True

    def seqs(self) -> list[int]:
        """Return what is pending, ascending."""
        return list(self._entries)

    def forget_gone(self, seq: int) -> None:
        """The stream holds a pending message no more; those before it stay. As on nats-server the
        floor of the consumer's own count rises over them.
        """
        entry = self._forget(seq)
        if entry is not None and entry[0] > self.floor.consumer_seq:
            self.floor = self.floor._replace(consumer_seq=entry[0])
            self._gone = Position(entry[0], seq)
        if not self._entries:
            self.floor = self.delivered

    def set_waits(self, ack_wait_ns: int, backoff_ns: Sequence[int]) -> None:
        """Wait longer or shorter from now on, for what is out already too."""
        if (ack_wait_ns, tuple(backoff_ns)) == (self.ack_wait_ns, self.backoff_ns):
            return
        before = {tries: self.wait_ns(tries) for tries in {1, *self.counts.values()}}
        self.ack_wait_ns = ack_wait_ns
        self.backoff_ns = tuple(backoff_ns)
        later = {tries: self.wait_ns(tries) - was_ns for tries, was_ns in before.items()}
        entries, tries_of = self._entries, self.counts.get
        for seq, (place, at) in entries.items():
            entries[seq] = (place, at + later[tries_of(seq, 1)])
        self._deadline_ns = min((at for _, at in entries.values()), default=None)

    def anew(self, seq: int) -> Pending:
        """Return one that starts over: `seq` is the next to be delivered, as the first one."""
        return Pending(seq, ack_wait_ns=self.ack_wait_ns, backoff_ns=self.backoff_ns)

    def wait_ns(self, deliveries: int) -> int:
        """Return how long delivery number `deliveries` waits for its acknowledgement."""
        if not self.backoff_ns:
            return self.ack_wait_ns
        return self.backoff_ns[min(deliveries, len(self.backoff_ns)) - 1]

    # --- keeping it over a restart

    def kept(self) -> tuple[Position, Position]:
        """Return `delivered` and `floor` as they are without what was only skipped."""
        given = self._given_seq
        return (
            self.delivered._replace(stream_seq=given),
            self.floor._replace(stream_seq=min(self.floor.stream_seq, given)),
        )

    def shown_floor(self, *, acks_all: bool) -> Position:
        """Return the floor that is shown. With `acks_all` what was forgotten counts there as an ack
        of all before it, though that still comes again: nats-server keeps two floors.
        """
        _, floor = self.kept()
        return self._gone if acks_all and floor.stream_seq < self._gone.stream_seq else floor

    def columns(self) -> tuple[list[int], list[tuple[int, int]]]:
        """Return stream sequences, and consumer sequences with deadlines, of what is pending."""
        return list(self._entries), list(self._entries.values())

    def kept_counts(self) -> dict[int, int]:
        """Return `counts`, and with a count of 0 what was given up."""
        return {**dict.fromkeys(self.given_up, 0), **self.counts}

    def restore(
        self,
        delivered: Position,
        floor: Position,
        entries: Sequence[tuple[int, int, int]],
        counts: dict[int, int],
    ) -> Iterator[None]:
        """Take over what was said before a restart, in steps if it is much. `floor`: as shown."""
        self.delivered = delivered
        self._given_seq = delivered.stream_seq
        self.floor = floor
        self.counts = {seq: count for seq, count in counts.items() if count}
        self.given_up.clear()
        for seq in sorted(seq for seq, count in counts.items() if not count):
            self._remember(seq)
        self._entries.clear()
        self._deadline_ns = None
        # Once the last delivery's consumer sequence was kept: it is made less than the next one's.
        below, above = delivered.consumer_seq + 1, delivered.stream_seq
        backward = iter(sorted(entries, reverse=True))
        while some := list(islice(backward, RESTORED_PER_STEP)):
            for seq, consumer_seq, deadline_ns in some:
                below = min(consumer_seq, below - 1)
                above = seq - 1 if below > floor.consumer_seq else above
                self._set_deadline(seq, (below, deadline_ns), deadline_ns)
                self._entries.move_to_end(seq, last=False)
            if len(some) == RESTORED_PER_STEP:
                yield
        self._gone, lowest = Position(0, 0), next(iter(self._entries), floor.stream_seq + 1)
        if lowest <= floor.stream_seq:
            self._gone, self.floor = floor, floor._replace(stream_seq=lowest - 1)
        elif self._entries and below <= floor.consumer_seq:  # as an older version kept it
            self._gone = Position(floor.consumer_seq, above)

    # --- inside

    def _is_above_floor(self, seq: int, consumer_seq: int) -> bool:
        floor = self.floor
        return (
            floor.stream_seq < seq <= self.delivered.stream_seq
            and consumer_seq > floor.consumer_seq
        )

    def _set_deadline(self, seq: int, entry: _Entry, deadline_ns: int) -> None:
        self._entries[seq] = (entry[0], deadline_ns)
        if self._deadline_ns is None or deadline_ns < self._deadline_ns:
            self._deadline_ns = deadline_ns

    def _remember(self, seq: int) -> None:
        while len(self.given_up) >= limits.GIVEN_UP_MAX:
            self.given_up.popitem(last=False)
        self.given_up[seq] = None

    def _forget(self, seq: int) -> _Entry | None:
        if self._queue:
            self._queue.pop(seq, None)
        if self.counts:
            self.counts.pop(seq, None)
        return self._entries.pop(seq, None)

    def _raise_floor(self) -> None:
        """Lift the floor to just below the first message that is still pending."""
        lowest, (consumer_seq, _) = next(iter(self._entries.items()))
        if consumer_seq - 1 > self.floor.consumer_seq:
            self.floor = Position(consumer_seq - 1, lowest - 1)
