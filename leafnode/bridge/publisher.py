"""Readings of one port into the stream that captures them: in order, each once, bounded.

Knows subjects, bodies and PubAcks; not ports, framings or devices. Truth: ADR-22; docs/serial.md,
"Stored, then acknowledged".

Order at the stream is kept like this. A burst is published in one turn of the loop, and the first
refusal, which this server's stream says at once, ends it: one COMMIT takes all of it or nothing.
What goes in it, `burst` says. The next one waits until every reading of this one is answered. What
was not stored is published again from the oldest on, one reading at a time until one was stored.
The id of a reading never changes, so what was stored unheard is answered as a duplicate. No client
is shown where an answer is awaited, nor can it know from another one.
tests/unit/bridge/test_publisher.py checks order and count against a stream that refuses at random.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.bridge import port_bounds, puback
from leafnode.bridge.answerer import is_own, may_answer
from leafnode.bridge.burst import Burst
from leafnode.bridge.former import LEFT, Former
from leafnode.bridge.publication import left, nothing
from leafnode.bridge.queued import GivenUp, Held, Queued, State, last_of, oldest_lives, parted
from leafnode.bridge.refusals import Newer, Refusals
from leafnode.bridge.status import Seldom
from leafnode.bridge.turns import PortTurns
from leafnode.nuid import nuid
from leafnode.routing.ask import ask

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from random import Random

    from leafnode.bridge.publication import Left, Publication
    from leafnode.bridge.reading import Life, Receipt
    from leafnode.bridge.status import PortCounters
    from leafnode.clock import Clock, Timer
    from leafnode.routing.account import Account
    from leafnode.routing.subscription import Delivery, Subscription

log = logging.getLogger(__name__)

_TOKEN_CHARS: Final = 12  # nobody guesses it (71 bits)


class Publisher:
    """The queue of one port between the wire and the COMMIT.

    `resolved` is called in the order of the readings, once each, with the receipt of a reading that
    is stored or given up. `progressed` is called after a run of those, `refused` after one that is
    not. What it takes over from an entry before it goes first: see Former. `stream`: whose answer
    alone counts, "" for any.
    """

    def __init__(  # noqa: PLR0913 -- keyword-only, the composition of one port
        self,
        account: Account,
        clock: Clock,
        random: Random,
        *,
        port: str,
        inbox: bytes,
        counters: PortCounters,
        resolved: Callable[[Receipt | None], None],
        progressed: Callable[[], None],
        refused: Callable[[], None] = lambda: None,
        stream: str = "",
        turns: PortTurns | None = None,
        whose: str = "",
    ) -> None:
        self.is_stopped = False
        self.takes_all = False  # the port ends: what was read already is taken beyond the bound
        self._held = Held()
        self.refusals = Refusals(counters, port=port, whose=whose)
        self._former: Former | None = None
        self._account = account
        self._clock = clock
        self._random = random
        self._port = port
        self._inbox = inbox
        self._counters = counters
        self._resolved = resolved
        self._progressed = progressed
        self._refused = refused
        self.stream = stream
        self._turns = turns or PortTurns(clock, port_bounds.SERIAL_BURST_NS)
        self._waits = False  # for a turn of its own
        self._entries: deque[Queued] = deque()
        self._in_flight = 0
        self._publishing = False
        self.is_pausing = False
        self._stored_some = False
        self._timer: Timer | None = None
        self._subscription: Subscription | None = None
        self._poison_log = Seldom(clock, limits.BRIDGE_LOG_INTERVAL_NS)

    @property
    def queued(self) -> int:
        return len(self._entries) + (0 if self._former is None else self._former.queued)

    @property
    def queued_bytes(self) -> int:
        return self._held.size_bytes + (0 if self._former is None else self._former.queued_bytes)

    @property
    def last_error(self) -> str:
        return self.refusals.last_error or ("" if self._former is None else self._former.last_error)

    @property
    def has_room(self) -> bool:
        return self.takes_all or (
            len(self._entries) < limits.READINGS_UNCOMMITTED_MAX
            and self._held.size_bytes < limits.READINGS_UNCOMMITTED_BYTES
        )

    @property
    def holds_up(self) -> bool:
        """Whether what is newer waits for what is here."""
        if not self._entries or self.refusals.is_silent:
            return False
        newer = self.refusals.newer
        return newer is Newer.WAITS or (newer is Newer.WENT and not self.is_pausing)

    @property
    def is_settled(self) -> bool:
        """Whether nothing waits that a stream may take yet."""
        if self._former is not None and not self._former.is_settled:
            return False
        return not self._entries or self.refusals.in_a_row >= port_bounds.SETTLE_REFUSALS

    def start(self) -> None:
        """Subscribe to the answers."""
        assert self._subscription is None, "started twice"
        self._subscription = self._account.subscribe(self._inbox + b".*", self._answered)
        self.pump()

    @property
    def takes_kept(self) -> bool:
        """Whether what boards had said under the entry before goes before what is here."""
        return not (self._entries or self.is_stopped)

    def go_on_with(self, life: Life) -> Receipt | None:
        """Take what the entry before left of a board that is here now, whatever newer a stream has
        by way of another port: what it says comes behind that. Return the last that is here of it.
        """
        released = [] if self._former is None else self._former.released(life)
        for entry in released:
            is_resolved = entry.state is State.RESOLVED
            self._append(entry.publication).state = State.RESOLVED if is_resolved else State.WAITING
            entry.state = State.RESOLVED  # here, should this come amid a burst
        return last_of(life, self._entries)

    def released(self, lives: Collection[Life]) -> list[Queued]:
        """Take out, and return, what these lives of boards had said that keep it."""
        released, rest = parted(self._entries, lives)
        if released:
            self._entries = rest
            if not self._entries:
                self.refusals.last_error = ""
            for entry in released:
                self._let_go(entry)
            if not self._publishing:
                self._settle()
        return released

    def take_over(self, before: Left) -> int:
        """Publish what an entry before left, as it said; return how many go to boards instead."""
        if self._former is None:
            self._former = Former(before, self._clock, self._beside)
        return self._former.take_over(before)

    def _beside(self, inbox: bytes, stream: str, progressed: Callable[[], None]) -> Publisher:
        """Return a queue of what was read before."""
        return Publisher(
            self._account,
            self._clock,
            self._random,
            port=self._port,
            inbox=self._inbox + inbox,
            counters=self._counters,
            resolved=self._resolved,
            progressed=progressed,
            refused=self._go_beside,
            stream=self.stream if stream == self.stream else "",
            turns=self._turns,
            whose=LEFT,
        )

    def _go_beside(self) -> None:
        """What was read before is refused once more: before there is room, see if this is, too."""
        former = self._former
        if former is None or former.is_tried:
            return
        if self._publishing or self._in_flight or not self._entries:
            former.begin_anew()
        else:
            self._end_pause()
            self.pump()

    def try_again(self, newer: Newer) -> None:
        """Try at once what pauses, if this is so, unless nobody answers."""
        if self.is_pausing and self.refusals.newer is newer and not self.refusals.is_silent:
            self._end_pause()
            self.pump()

    @property
    def answers_at_once(self) -> bool:
        """Whether this server's stream takes the oldest, or refuses it in the same turn."""
        first = next(iter(self._entries), None)
        return first is not None and is_own(self._account, first.publication.subject, self.stream)

    def give_up_oldest(self, reason: str) -> None:
        """Have one place more; it is counted, though what is in flight may be stored yet."""
        oldest = self._entries.popleft()
        self._let_go(oldest)
        self._count_poison(reason)
        if oldest.state is State.IN_FLIGHT and not self._in_flight:
            self._settle()

    def leave_oldest(self, messages: int, size_bytes: int) -> int:
        """Leave that much to its boards, and all else of theirs, which would speak for it."""
        return len(self.released(oldest_lives(self._entries, messages, size_bytes)))

    def _let_go(self, entry: Queued) -> None:
        self._in_flight -= entry.state is State.IN_FLIGHT
        self._held.remove(entry)

    def stop(self) -> Left:
        """Forget everything: what is not stored is not acknowledged to anybody either."""
        self.is_stopped = True
        waiting = (entry for entry in self._entries if entry.state is not State.RESOLVED)
        rest = left([entry.publication for entry in waiting], self.stream)
        former, self._former = self._former, None
        rest = rest if former is None else rest.behind(former.stop())
        if self._subscription is not None:
            self._account.unsubscribe(self._subscription)
            self._subscription = None
        self._set_timer(None)
        self._turns.forget(self._turn)
        self._entries.clear()
        self._held = Held()
        self._in_flight = 0
        return rest

    def offer(self, publication: Publication) -> None:
        """Queue one reading. The caller has asked for room, and calls `pump` after the last one."""
        self.offer_all([publication])

    def offer_all(self, publications: Iterable[Publication]) -> None:
        """Queue all messages of one reading. The caller has asked for room for one."""
        assert self.has_room, "the caller stops reading its port at the bound"
        for publication in publications:
            self._append(publication)

    def drop(self, life: Life) -> None:
        """Give up what this life of a board says again, of which no duplicate would be known.

        What is in flight may be stored all the same: see `is_storing`. Its receipt tells then.
        """
        if not self._held.has(life):
            return  # a hello asks all ports
        given_up = GivenUp()
        is_behind = False
        for entry in self._entries:
            publication = entry.publication
            if publication.life == life:
                is_behind = True
                entry.publication = publication._replace(through=b"")
                entry.given_up = entry.given_up or given_up
                if entry.state is State.WAITING:
                    self._resolve(entry)
            elif is_behind and publication.through:
                # It does not know any more what is stored before.
                entry.publication = publication._replace(through=b"")
        if not self._publishing:
            self._settle()

    def is_storing(self, life: Life | None = None) -> bool:
        """Say whether something that a life (None: any) says again under other ids is in flight:
        for as long no stream says truly what of it is stored. READING_ACK_TIMEOUT_NS at most.
        """
        if not (self._in_flight and self._held.has(life)):
            return False
        return any(
            entry.state is State.IN_FLIGHT and (of := entry.publication.life) and life in {None, of}
            for entry in self._entries
        )

    def pass_over(self, receipt: Receipt | None, life: Life | None = None) -> None:
        """Take a reading of which nothing is published: its device hears of it in its turn."""
        if receipt is None:
            return
        self._append(nothing(receipt, life)).state = State.RESOLVED
        if not self._publishing:
            self._settle()

    def give_up(self, receipt: Receipt | None, reason: str) -> None:
        """Take a reading that nothing could store: it is counted, and its device need not wait."""
        self._count_poison(reason)
        self.pass_over(receipt)

    def pump(self) -> None:
        """Publish the next burst, unless one is in flight or a pause is running."""
        if self._publishing or self._timer is not None or not self._has_turn():
            return
        if self._entries and self._former is not None and not self._former.tried_lets_pass():
            self._set_timer(limits.READING_RETRY_NS)
            return
        self._publish_burst()

    def _has_turn(self) -> bool:
        if self._entries and not self._waits and self._turns.is_full(self._turns.begin()):
            self._waits = True
            self._turns.wait(self._turn)
        return not self._waits

    def hurry(self) -> None:
        """The port ends: what was refused may be taken by now, and is tried at once."""
        if self._former is not None:
            self._former.hurry()
        self.refusals.begin_anew()
        if self.is_pausing:
            self._end_pause()
        self.pump()

    def _end_pause(self) -> None:
        self.is_pausing = False
        self._set_timer(None)

    def _turn(self) -> None:
        self._waits = False
        self.pump()

    def _append(self, publication: Publication) -> Queued:
        entry = Queued(publication)
        self._entries.append(entry)
        self._address(entry)
        self._held.add(entry)
        return entry

    def _address(self, entry: Queued) -> None:
        """Let its answer come where nobody knows of."""
        self._held.address(entry, nuid(self._random, _TOKEN_CHARS).encode())

    def _publish_burst(self) -> None:
        began_ns = self._turns.begin()
        self._publishing = True
        try:
            self._publish_some(lambda: self._turns.is_full(began_ns))
        finally:
            self._publishing = False
            self._turns.end(began_ns)
        self._settle()

    def _publish_some(self, is_full: Callable[[], bool]) -> None:
        burst = Burst(most=self.refusals.burst_max, is_full=is_full)
        self._stored_some = False
        for entry in self._entries:
            publication = entry.publication
            if entry.state is State.RESOLVED:
                burst.pass_over(publication)
                continue
            own = is_own(self._account, publication.subject, self.stream)
            if not burst.takes(publication, is_own=own):
                break
            if not self._publish(entry, beyond=not own) or self.refusals.reason:
                break
        if self._in_flight:
            self._set_timer(limits.READING_ACK_TIMEOUT_NS)

    def _publish(self, entry: Queued, *, beyond: bool) -> bool:
        """Publish one reading, for others than this server's streams with `beyond`; say whether
        anybody took it. The answer may come meanwhile.
        """
        entry.state = State.IN_FLIGHT
        entry.attempts += 1
        self._counters.retried += entry.attempts > 1
        self._in_flight += 1
        subject = entry.publication.subject
        header_size, body = entry.publication.told()
        reply = self._inbox + b"." + entry.token
        if ask(self._account, subject, body, header_size=header_size, reply=reply, beyond=beyond):
            return True
        if entry.state is State.IN_FLIGHT:
            self.refusals.is_silent = False
            self._refuse(entry, f"no stream captures {subject.decode(errors='replace')}")
        return False

    def _answered(self, delivery: Delivery) -> None:
        entry = self._held.by_token.get(delivery.subject[len(self._inbox) + 1 :])
        if entry is None or entry.state is State.RESOLVED:
            return  # a late second answer
        subject = entry.publication.subject
        if not may_answer(self._account, delivery.origin, subject, self.stream):
            return
        for _, header_size, body in delivery.messages:
            self._judge(entry, body[:header_size], body[header_size:])
        if not self._publishing:
            self._settle()

    def _judge(self, entry: Queued, block: bytes, payload: bytes) -> None:
        if status := puback.status(block, payload):
            self.refusals.is_silent = False
            self._refuse(entry, f"status {status}")
            return
        ack = puback.decoded(payload)
        if ack is None or (self.stream and ack.stream != self.stream):
            return  # of who answers what it hears; the stream's word may still come
        self.refusals.is_silent = False
        if ack.error is not None and ack.error.is_poison:
            self._count_poison(ack.error.description)
            self._resolve(entry)
        elif ack.error is not None:
            self._refuse(entry, f"{ack.error.description} ({ack.error.err_code})")
        elif ack.seq > 0:
            self._stored_some = True
            self._counters.stored += 1
            self._counters.duplicates += ack.duplicate
            entry.is_stored = True
            self._resolve(entry)

    def _resolve(self, entry: Queued) -> None:
        # An answer to an earlier attempt may come while none is in flight: it is as good.
        self._in_flight -= entry.state is State.IN_FLIGHT
        entry.state = State.RESOLVED

    def _refuse(self, entry: Queued, reason: str) -> None:
        if entry.state is not State.IN_FLIGHT:
            return
        self._in_flight -= 1
        entry.fell_through()
        self._address(entry)  # whoever listens to inboxes has seen the answer
        self._note_refusal(reason)

    def _note_refusal(self, reason: str) -> None:
        self.refusals.note(reason, len(self._entries))
        if self._former is not None:
            self._former.say(Newer.WAITS)

    def _settle(self) -> None:
        """Hand over what is resolved at the head, then decide when the next burst goes."""
        popped = False
        while self._entries and self._entries[0].state is State.RESOLVED:
            entry = self._entries.popleft()
            self._let_go(entry)
            popped = True
            self._resolved(entry.heard())
        if not self._in_flight:
            self._plan()
        if popped:
            self._progressed()

    def _plan(self) -> None:
        """Nothing is in flight: decide when the next burst goes."""
        stored_some, self._stored_some = self._stored_some, False
        if self.refusals.reason:
            self.is_pausing = True
            self._set_timer(self.refusals.begin_pause_ns())
            if not stored_some:  # else there may be room since
                self.refusals.newer = Newer.GOES
                self._refused()
            return
        if stored_some:
            self.is_pausing = False
            self.refusals.stored(len(self._entries))
        if not self.is_pausing:
            # Not from here: this may be amid a commit's callbacks, and every port gets its turn.
            self._set_timer(0 if self._entries else None)

    def _set_timer(self, delay_ns: int | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if delay_ns is None else self._clock.call_later(delay_ns, self._due)

    def _due(self) -> None:
        """The pause is over, or the answers did not come."""
        self._timer = None
        self.is_pausing = False
        if not self._in_flight:
            self.pump()
            return
        for entry in self._entries:
            if entry.state is State.IN_FLIGHT:
                entry.fell_through()
        self._in_flight = 0
        self.refusals.is_silent = True
        self._note_refusal("no answer from a stream: away, slow, or set to no_ack")
        self._settle()

    def _count_poison(self, reason: str) -> None:
        self._counters.poison += 1
        self._poison_log.call(
            lambda count: log.warning(
                "Reading dropped: port=%s reason=%s times=%d", self._port, reason, count
            )
        )
