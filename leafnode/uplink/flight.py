"""From the hub's word where to go on until the next cut: what the window holds is sent.

Knows the window, the gate and where messages and answers go; not how a stream is opened, nor how
the hub is asked. Truth: docs/uplink.md, "What happens to a message".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from leafnode import limits
from leafnode.uplink import answers
from leafnode.uplink.alarm import Alarm
from leafnode.uplink.answers import MAX_SEQ_DIGITS, Failure, Unread
from leafnode.uplink.given_up import GivenUp
from leafnode.uplink.held_back import HeldBack
from leafnode.uplink.newest import NewestFirst
from leafnode.uplink.onward import onward
from leafnode.uplink.overdue import Overdue
from leafnode.uplink.position import Latest
from leafnode.uplink.refusal import (
    Refusal,
    closed_for,
    denied,
    larger_than,
    never_answered,
    not_taken,
    refusal,
)
from leafnode.uplink.scatter import Scatter
from leafnode.uplink.stray import Stray
from leafnode.uplink.unanswered import Unanswered
from leafnode.uplink.untaken import Untaken
from leafnode.uplink.window import Budget, Offer, Window

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clock import Clock
    from leafnode.config.options import UplinkStream
    from leafnode.routing.leaf_interest import LeafInterest
    from leafnode.uplink.answers import PubAck
    from leafnode.uplink.ceiling import Ceiling
    from leafnode.uplink.dead_letter import DeadLetters
    from leafnode.uplink.gate import Gate, Slot
    from leafnode.uplink.lag import Lag
    from leafnode.uplink.link import Link
    from leafnode.uplink.local import LocalStream
    from leafnode.uplink.mailbox import Letter, Mailbox
    from leafnode.uplink.onward import Origin
    from leafnode.uplink.position import Word
    from leafnode.uplink.status import Counters
    from leafnode.uplink.trouble import Trouble
    from leafnode.uplink.upstream import Upstream
    from leafnode.uplink.window import Entry


class Parts(NamedTuple):
    """What one stream's uplink is made of; its flight uses all of it."""

    options: UplinkStream
    clock: Clock
    link: Link
    gate: Gate
    slot: Slot
    upstream: Upstream
    mailbox: Mailbox
    local: LocalStream | NewestFirst
    dead_letters: DeadLetters | None
    counters: Counters
    lag: Lag
    trouble: Trouble
    ceiling: Ceiling
    interest: LeafInterest


class Flight:
    """One at a time, again and again: `begin`, then `end` when it is cut.

    `cut` is called with a reason when nothing can be sent any more.
    """

    def __init__(self, parts: Parts, *, cut: Callable[[str], None]) -> None:
        self.parts = self._parts = parts
        self._options = parts.options
        self._clock = parts.clock
        self._cut = cut
        self.window = self._empty()
        self.origin: Origin | None = None
        self.is_on = False
        self.is_refused = False  # the hub says no to a message, which is tried again and again
        self.is_asked = False  # the hub said where to go on
        self.has_all = False  # it did so when all that was sent before was worked off
        self.last_ack_ns = 0  # wall time
        self.latest: Latest | None = None
        self.hub_had = 0  # the highest sequence that the hub acknowledged
        self.has_sent = False  # anything of this stream
        self.acked: Callable[[Entry], None] = lambda _entry: None  # called after each PubAck
        self.is_ready: Callable[[bytes], bool] = lambda _subject: True  # asked before it is sent
        self._too_large = False
        self._retried = 0  # the refused message that was sent again
        self._retry_pause_ns = limits.UPLINK_REFUSED_NS
        self._retry_alarm = Alarm(parts.clock, self._retry_refused)
        self._soon = Alarm(parts.clock, self.pump)
        self.stray, self.unanswered = Stray(parts.options), Unanswered(parts.options.hub_stream)
        self.given_up = GivenUp(parts, self)
        self._held_back = HeldBack(parts, self)
        self._hub_top = 0  # the hub's sequence of what it stored last
        self._overdue = Overdue(parts, self, cut=cut, go_on=self.pump)
        self.has_progress = False  # the hub acknowledged something, or it is kept here
        self._forgotten = -1
        self._series = b""  # of answers: those to messages of a former stream are no more
        self.untaken = Untaken(parts.link, parts.interest)
        parts.mailbox.on(b"p", self._heard)
        parts.local.taken = self.take
        if isinstance(parts.local, NewestFirst):
            parts.local.window = self._scatter

    def _empty(self) -> Window:
        kind = Scatter if self._options.newest_first else Window
        return kind(self._options.window_msgs, self._options.window_bytes)

    def _scatter(self) -> Scatter:
        assert isinstance(self.window, Scatter), "it was made so"
        return self.window

    def forget(self) -> None:
        """It is another stream now: what the window holds is not of it."""
        self.window = self._empty()
        self.latest = None
        self.unanswered = Unanswered(self._options.hub_stream)
        self.hub_had = 0
        self.has_sent = False
        self._forgotten += 1
        self._series = b"%d" % self._forgotten if self._forgotten else b""

    def lost(self) -> None:
        """The hub's stream is another one: what was acknowledged is not there."""
        if self.latest is not None:
            self.latest = self.latest._replace(is_there=False)

    def begin(self, word: Word) -> None:
        self.is_on = True
        self.is_asked, self.has_all = not word.is_blind, word.all_ns > 0
        self._too_large = False
        # What it stores new is behind that, or its stream is another one.
        self._hub_top = max(self._hub_top, word.position.hub_seq, word.position.seen)
        stored = self.window.land(word.position)
        self.has_progress = len(stored) > 0
        if isinstance(self._parts.local, NewestFirst):
            # Before the hub's word all of it seemed to wait, and less urgent streams with it.
            self._parts.lag.count(self._parts.local.pending(), self._parts.local.last_seq)
        self._parts.counters.skipped += len(stored)
        for entry in stored:
            self.stray.is_over()
            self.hub_had = max(self.hub_had, entry.seq)
            self._parts.local.ack(entry)
        if not self._held_back.begin(word.asked_ns):
            return
        if self.is_asked and (letters := self.given_up.told(word.all_ns)):
            self._bury_all(letters)
            return
        self.is_refused = self.window.first_refused() is not None
        if self.is_refused:
            self._retry_refused()
            return
        if no_ack := self.unanswered.no_ack:
            self._parts.trouble.say(no_ack)
        elif len(self.window) == 0:
            self._parts.trouble.is_over()  # else the next PubAck shows it
        self.pump()

    def end(self) -> None:
        """Nothing is sent any more; what is open stays in the window."""
        if self.is_on and self.window.in_flight:
            self._parts.counters.cuts += 1
            self.stray.overdue()
        self.is_on = self.is_refused = False
        self._overdue.end()
        self.given_up.rest()
        self._held_back.end()
        self._soon.cancel()
        self._retry_alarm.cancel()
        self._parts.local.rest()
        for entry in self.window:
            if size := entry.arrived():
                self._parts.gate.cut(size)
        self._settle(wants=False)

    def ask_anew(self, reason: str) -> None:
        """Have the hub asked, without a pause: nothing is wrong."""
        self.has_progress = True
        self._cut(reason)

    def noted(self) -> None:
        """It is known anew how much waits: what was counted may have gone out of the stream."""
        if self._may_send():
            self._settle(wants=self._wants())

    def link_changed(self) -> None:
        self.untaken.clear()
        self.unanswered.link_changed(self.window, self._clock.monotonic_ns())

    # -- sending

    def wake(self) -> None:
        """What was held may go now."""
        if not self.is_refused:
            self.pump()
        elif not self._retry_alarm.is_set:
            self._retry_refused()

    def pump(self) -> None:
        """Send what is in the window, then ask for as much as it still takes."""
        unsent = self.window.unsent() if self._may_send() else []
        self._settle(wants=self._wants())
        for count, entry in enumerate(unsent):
            if count == limits.UPLINK_SENDS_PER_TURN:
                self._pump_soon()
                return
            if self._is_held(entry):
                return  # nothing more is pulled: it would come back every ack wait
            if not self.is_ready(entry.subject):
                return
            self._send(entry)
            if not self._may_send():
                return
        self._pull()
        self._settle(wants=self._wants())

    def _wants(self) -> bool:
        """Say whether anything may go soon: not what is behind a window full of what is awaited."""
        if self.window.has_unsent or not self._parts.lag.behind or self._parts.lag.held:
            return self.window.has_unsent
        budget = self.window.budget()
        has_room = budget is not None and self._is_worth_it(budget)
        return has_room or self.window.oldest_in_flight() is not None

    def _may_send(self) -> bool:
        return self.is_on and not self.is_refused and not self._overdue.is_in_doubt

    def _is_held(self, entry: Entry) -> bool:
        size = len(entry.subject) + len(entry.body) + limits.UPLINK_LINE_BYTES
        return self._parts.gate.hold(self._parts.slot, size) is not None

    def _settle(self, *, wants: bool) -> None:
        waiting_bytes = self.window.size + self._parts.lag.bytes_behind()
        wants = wants and self._may_send()
        self._parts.gate.settle(self._parts.slot, waiting_bytes, wants=wants)

    def _pull(self) -> None:
        if not self._may_send() or self._parts.local.is_pulling:
            return
        budget = self.window.budget()
        if self._too_large and len(self.window) == 0:
            self._too_large = False
            budget = Budget(1, 0)
        if budget is not None and not self._too_large and self._is_worth_it(budget):
            self._parts.local.pull(budget)

    def _is_worth_it(self, budget: Budget) -> bool:
        """Half a window at once: a request for each message would cost as much as the message."""
        return len(self.window) == 0 or (
            budget.msgs * 2 >= self._options.window_msgs
            and budget.size * 2 >= self._options.window_bytes
        )

    def take(self, entry: Entry, pending: int) -> None:
        """Take a message that the local consumer delivered."""
        offer, lag, local = self.window.offer(entry), self._parts.lag, self._parts.local
        if self.is_on:
            counted = local.last_seq if isinstance(local, NewestFirst) else entry.seq + pending
            lag.count(pending, counted)
        elif offer is not Offer.HELD:
            lag.took(entry.seq)  # `pending` leaves out what a former run was given
        if offer is Offer.STORED:
            self._parts.counters.skipped += 1
            self._parts.local.ack(entry)
        self._pump_soon()

    def _pump_soon(self) -> None:
        """Once for all that comes in this turn: messages of a pull, PubAcks of a read."""
        if self._may_send() and not self._soon.is_set:
            self._soon.set(0)

    def pulled(self, *, too_large: bool) -> None:
        """A pull request ended; with `too_large` the next message does not fit into the window."""
        self._too_large = too_large
        if self._may_send():
            self.pump()

    def _send(self, entry: Entry) -> None:
        assert self.origin is not None, "it was opened"
        parts = self._parts
        self.unanswered.sending(entry)
        in_flight = self.window.send(entry, self._clock.monotonic_ns())
        more = self.stray.headers() + (() if in_flight is None else (in_flight.line(),))
        header_size, body = onward(
            self.origin.msg_id(entry.place), entry.header_size, entry.body, more
        )
        max_bytes = parts.link.max_payload_bytes()
        if max_bytes and len(body) > max_bytes:
            self._refuse(entry, larger_than(len(body), max_bytes))
            return
        learned_bytes = parts.ceiling.max_bytes(self._clock.monotonic_ns())
        if learned_bytes and len(body) > learned_bytes:
            self._refuse(entry, closed_for(len(body), is_proven=parts.ceiling.is_proven))
            return
        entry.sent_size = len(body)
        subject = entry.sent_as = parts.upstream.subject(entry.subject)
        topic = b"%b.%d" % (self._series, entry.seq) if self._series else b"%d" % entry.seq
        reply = parts.mailbox.address(b"p", topic)
        if not parts.link.send(subject, body, header_size=header_size, reply=reply):
            self._not_taken(entry, subject)
            return
        self.untaken.taken(subject)
        self.has_sent = True
        parts.counters.resent += entry.attempts > 1
        self._overdue.sent(entry)
        entry.wire_size = len(subject) + len(reply) + len(body)
        entry.ahead_bytes = parts.gate.sent(parts.slot, entry.subject, entry.wire_size)

    def _not_taken(self, entry: Entry, subject: bytes) -> None:
        """Nobody upstream wants it, not yet or never; or it may not be sent there."""
        if not self._parts.link.lets_out(subject):
            self._refuse(entry, denied(subject))
            return
        now_ns = self._clock.monotonic_ns()
        waiting = (one.subject for one in self.window if one.sent_ns is None)
        behind = map(self._parts.upstream.subject, waiting)
        since_ns = self.untaken.not_taken(subject, behind, now_ns)
        is_late = since_ns + limits.UPLINK_UNTAKEN_NS <= min(now_ns, self._held_back.asked_ns)
        if is_late and self.is_asked and self._parts.dead_letters is not None:
            self._refuse(entry, not_taken(subject))
            return
        self.window.unsend(entry)
        self._cut(not_taken(subject).text)

    # -- answers

    def _heard(self, letter: Letter) -> None:
        series, _, topic = letter.topic.rpartition(b".")
        if series != self._series or not topic.isdigit() or len(topic) > MAX_SEQ_DIGITS:
            return
        seq, parts = int(topic), self._parts
        ack = answers.pub_ack(letter.body[letter.header_size :])
        if not letter.from_hub:
            return  # a client of ours, or who hangs below us, made it up
        if isinstance(ack, Unread):
            parts.trouble.say(f"somebody upstream answers beside the stream: {ack.text}")
            return
        if isinstance(ack, Failure):
            self._heard_no(seq, ack)
            return
        if wrong := self.stray.take(ack):
            self._overdue.ended(seq)
            parts.trouble.say(wrong)
            return
        self._note_top(ack)
        entry = self.window.settle(seq, ack.seq)
        if entry is None:
            return
        self.latest = Latest(seq, ack.seq, entry.sent_as, entry.place.mark)
        self.hub_had = max(self.hub_had, seq)
        parts.counters.uplinked += 1
        parts.counters.duplicates += ack.duplicate
        parts.ceiling.acked(entry.sent_size)
        self.has_progress = True
        self.last_ack_ns = self._clock.wall_ns()
        parts.local.ack(entry)
        self.unanswered.answered(entry)
        if self.is_on and not ack.duplicate:
            self.unanswered.stored(entry)
        self._overdue.acked(seq, is_duplicate=ack.duplicate)
        if entry.sent_ns is not None:
            size = entry.arrived()
            cost = len(letter.body) + limits.UPLINK_LINE_BYTES
            sent_ns, ahead = entry.sent_ns, entry.ahead_bytes
            parts.gate.acked(entry.subject, size, sent_ns, cost, ahead_bytes=ahead)
        self._acked(seq)
        self.acked(entry)

    def _heard_no(self, seq: int, why: Failure) -> None:
        entry = self.window.get(seq)
        if why.err_code == answers.IN_PROCESS and entry is not None:
            self.unanswered.answered(entry)  # its answer is still to come, to a sending before
            return
        self._overdue.ended(seq)
        if entry is not None and not self.stray.is_refusal(why):
            self.unanswered.answered(entry)
            self._refuse(entry, refusal(why))

    def _note_top(self, ack: PubAck) -> None:
        """See whether the hub's stream lost its end: what it stores new comes behind all else."""
        if not ack.duplicate:
            if ack.seq <= self._hub_top:
                self.window.ends_before(ack.seq)
            self._hub_top = ack.seq

    def _acked(self, seq: int) -> None:
        if self.is_refused and seq == self._retried:
            self._retry_pause_ns = limits.UPLINK_REFUSED_NS
            self._retry_refused()
        elif self._may_send():
            if not self.unanswered.is_open:
                self._parts.trouble.is_over()
            self._pump_soon()

    # -- refused

    def _refuse(self, entry: Entry, why: Refusal) -> None:
        """The hub says no. What it will never take goes to the dead letters, the rest is held."""
        if entry.is_leaving:
            return
        self.window.refuse(entry)
        self._land(entry)
        self._parts.counters.refused += 1
        # What was sent of it before may come to be stored, unless it was refused for the same.
        is_all = why.of_all or not entry.is_doubtful or self._held_back.is_over(entry)
        if self._parts.dead_letters is None or not (why.for_good and is_all):
            self._parts.trouble.say(f"the hub refuses sequence {entry.seq}: {why.text}")
            self._hold(entry)
            return
        self._parts.trouble.say(f"dead letters: {why.text}")  # not for each: there may be many
        self._bury(entry, why)

    def _bury_all(self, entries: list[Entry]) -> None:
        """They were never answered. What is behind them goes on when they are kept, or not."""
        self.is_refused, self._retried = True, entries[0].seq
        self._settle(wants=False)
        for entry in entries:
            entry.is_leaving = True  # all of them before one is kept, at once maybe
        for entry in entries:
            self._bury(entry, never_answered())

    def _bury(self, entry: Entry, why: Refusal) -> None:
        letters = self._parts.dead_letters
        assert letters is not None, "it is configured"
        assert self.origin is not None, "it was opened"
        entry.is_leaving = True
        upstream = self._parts.upstream.subject(entry.subject)
        letters.keep(entry, self.origin, why, upstream, lambda problem: self._kept(entry, problem))

    def _kept(self, entry: Entry, problem: str) -> None:
        """The dead letter is stored here, or it is not; then the message stays refused."""
        entry.is_leaving = False
        if problem:
            self._parts.trouble.say(f"sequence {entry.seq} is no dead letter: {problem}")
            self._hold(entry)
            return
        self.unanswered.left(entry)
        if not self.window.set_aside(entry):
            return
        self._parts.counters.dead_letters += 1
        self.has_progress = True
        self._parts.local.ack(entry)
        if self.is_refused:
            self._retry_refused()
        elif self.is_on:
            self._parts.trouble.is_over()
            self._pump_soon()

    def _hold(self, entry: Entry) -> None:
        if self.is_on and not self.is_refused:
            self.is_refused = True
            self._retry_pause_ns = limits.UPLINK_REFUSED_NS
            self._retry_alarm.set(self._retry_pause_ns)
            self._settle(wants=False)
        elif self.is_refused and not self._retry_alarm.is_set and entry.seq == self._retried:
            self._retry_pause_ns = min(self._retry_pause_ns * 2, limits.UPLINK_REFUSED_MAX_NS)
            self._retry_alarm.set(self._retry_pause_ns)

    def _retry_refused(self) -> None:
        """Send the first refused message alone; nothing new goes out before it is stored."""
        entry, tried = self.window.first_refused(), self.window.get(self._retried)
        if entry is None and self.is_refused and tried is not None and tried.sent_ns is not None:
            return  # what comes of it is waited for
        if entry is None:
            self.is_refused = False
            self._retry_alarm.cancel()
            self._parts.trouble.is_over()
            self.pump()
            return
        self._retried = entry.seq
        if not self._is_held(entry) and self.is_ready(entry.subject):
            self._send(entry)

    def go_on(self) -> None:
        """What was in the way is gone."""
        if self.is_refused:
            self._retry_alarm.cancel()
            self._retry_refused()
        elif self.is_on:
            self.pump()

    def _land(self, entry: Entry) -> None:
        """It is not on the way any more."""
        if size := entry.arrived():
            self._parts.gate.landed(size)
