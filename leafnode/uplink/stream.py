"""One stream's way to the hub: when it is pulled, sent, acknowledged, and when all of that stops.

Knows the account, the link's state and the parts beside it; not sockets, not JetStream's inside. It
never resends before it has asked the hub, unless the hub cannot be asked. Truth: docs/uplink.md.

opening -> recovering -> asking -> running <-> refused. The link going down leads to offline; a
missing PubAck, or nobody upstream for a subject, leads to recovering after a pause. What cannot
work is blocked.
"""

from __future__ import annotations

import copy
import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.uplink import answers
from leafnode.uplink.alarm import Alarm
from leafnode.uplink.answers import ConsumerInfo, Failure, StreamInfo
from leafnode.uplink.asking import Asking
from leafnode.uplink.backlog import Backlog, Waiting
from leafnode.uplink.ceiling import Suspect
from leafnode.uplink.flight import Flight, Parts
from leafnode.uplink.former import Former
from leafnode.uplink.gate import Slot
from leafnode.uplink.lag import Lag
from leafnode.uplink.local import LocalState, LocalStream, ask_message, ask_stream
from leafnode.uplink.mailbox import Mailbox
from leafnode.uplink.onward import Origin
from leafnode.uplink.pauses import Pauses
from leafnode.uplink.status import Counters, Protection, State, UplinkStatus
from leafnode.uplink.trouble import Trouble
from leafnode.uplink.unfit import unfit
from leafnode.uplink.ways import Ways
from leafnode.uplink.ways_store import WaysStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.config.options import UplinkStream
    from leafnode.routing.subscription import Delivery, Subscription
    from leafnode.uplink.answers import Stored
    from leafnode.uplink.local import Pulled
    from leafnode.uplink.position import Word
    from leafnode.uplink.shared import Shared

log = logging.getLogger(__name__)

_AILING: Final = frozenset({State.OPENING, State.REFUSED, State.BLOCKED})
_NOT_OPEN: Final = frozenset({State.OPENING, State.BLOCKED})
_GONE: Final = "the local stream or its consumer is gone, or made anew"
_PASSED: Final = "somebody else pulls from the uplink's consumer: what they have comes back first"
_GIVEN_BEFORE: Final = "the local consumer gave messages to a former run and has yet to repeat them"


class StreamUplink:
    """Publishes one local stream upstream, in order, and acknowledges it here."""

    def __init__(self, options: UplinkStream, shared: Shared) -> None:
        account, clock, gate = shared.account, shared.clock, shared.gate
        self._options = options
        self._shared = shared
        self._clock = clock
        self._link = shared.link
        self._gate = gate
        ways = Ways(options, options.subject_prefix or f"{shared.server_name}.")
        self._upstream = ways.now
        self._mailbox = Mailbox(account, clock, shared.random, shared.link.is_hub)
        self._local = shared.local(options, self._mailbox)
        self._local.ended, self._local.passed = self._pull_ended, self._passed
        self._former = Former(clock, self._local if isinstance(self._local, LocalStream) else None)
        self._alarm = Alarm(clock, self._go_on)  # the pause before the next step of a state
        self._lag_alarm = Alarm(clock, self._refresh_lag)
        self._state = State.STOPPED
        self._protection = Protection.UNKNOWN
        self._created = ""  # when the stream was made that was opened
        self._here = LocalState(StreamInfo(), ConsumerInfo())
        self._counters = Counters()
        after = partial(shared.after, options.stream)
        self._lag = Lag(after, is_scattered=options.newest_first)
        self._backlog = Backlog(options.stream, clock, self._local.unsent, self._counters)
        self._trouble = Trouble(options.stream, clock)
        self._pauses = Pauses()
        self._is_answered = True  # by the hub, when it was asked last
        self._slot = Slot(options.priority, is_urgent=options.urgent, wake=self._wake)
        gate.join(self._slot)
        parts = Parts(
            options=options,
            clock=clock,
            link=shared.link,
            gate=gate,
            slot=self._slot,
            upstream=self._upstream,
            mailbox=self._mailbox,
            local=self._local,
            dead_letters=shared.dead_letters(self._mailbox),
            counters=self._counters,
            lag=self._lag,
            trouble=self._trouble,
            ceiling=shared.ceiling,
            interest=account.leaf_interest,
        )
        self._flight = Flight(parts, cut=self._cut)
        self._flight.untaken.wanted = self._wanted
        self._store = WaysStore(ways, self._mailbox, clock, stream=options.stream)
        self._store.kept = self._kept
        self._store.goes = lambda one: shared.link.asks_for(self._upstream.subject(one))
        self._asking = self._new_asking(ways)
        self._news: Subscription | None = None  # that the local stream was made
        self._is_made = False  # since it was looked for last

    def _new_asking(self, ways: Ways) -> Asking:
        parts, answered = self._flight.parts, self._shared.answered
        asking = Asking(parts, self._flight, ways, self._store, answered)
        asking.told, asking.failed, asking.unheard = self._told, self._cut, self._unanswered
        asking.troubled, asking.doubted = self._trouble.say, self._doubted
        self._flight.acked = asking.acked
        self._flight.is_ready = self._store.is_ready
        return asking

    def start(self) -> None:
        assert self._state is State.STOPPED
        self._lag_alarm.set(limits.UPLINK_LAG_REFRESH_NS)
        made = b"$JS.EVENT.ADVISORY.STREAM.CREATED.%b" % self._options.stream.encode()
        self._news = self._shared.account.subscribe(made, self._made, is_private=True)
        self._open()

    def stop(self) -> None:
        """End everything; what is not acknowledged stays in the stream."""
        self._state = State.STOPPED
        if self._news is not None:
            self._shared.account.unsubscribe(self._news)
        self._flight.untaken.clear()
        self._alarm.cancel()
        self._lag_alarm.cancel()
        self._asking.cancel()
        self._flight.end()
        self._asking.keep(ends=True)
        self._local.close()
        self._mailbox.close()

    def link_changed(self) -> None:
        """The leaf link came or went."""
        self._flight.link_changed()
        if self._link.is_connected():
            self._pauses.begin()
            if self._state is State.OFFLINE:
                self._trouble.is_over()
                self._recover()
            elif self._state is State.RECOVERING and self._alarm.is_set:
                self._alarm.set(0)  # whatever it waited for may be different now
            elif self._state is State.BLOCKED:
                self._alarm.set(0)  # the hub may allow more
        elif self._flight.is_on or self._state is State.ASKING:
            self._cut("the link to the hub was lost")

    def suspect(self) -> Suspect | None:
        """Return what the hub has to answer first of what this flight sent."""
        flight = self._flight
        entry = flight.window.oldest_in_flight() if flight.is_on else None
        if entry is None:
            return None
        # Without all of the hub's word it may be stored, and what is behind it to blame.
        flying = flight.window.flying() if flight.has_all else [entry]
        own_bytes = sum(one.sent_size for one in flying)
        what = (self._options.stream, entry.seq, entry.sent_size, own_bytes)
        return Suspect(*what, is_sure=flight.has_all)

    def status(self) -> UplinkStatus:
        window, lag, trouble = self._flight.window, self._lag, self._trouble
        return UplinkStatus(
            uplink=self._shared.name,
            account=self._shared.account.name,
            stream=self._options.stream,
            hub_stream=self._options.hub_stream,
            domain=self._options.domain,
            prefix=self._upstream.prefix,
            priority=self._options.priority,
            order="newest_first" if self._options.newest_first else "oldest_first",
            state=State.REFUSED if self._flight.is_refused else self._state,
            held=self._slot.held.why if self._slot.held is not None else lag.held,
            backlog=self._backlog.words,
            protection=self._protection,
            lag_messages=lag.messages(window),
            lag_bytes=lag.bytes(window),
            lag_seconds=lag.seconds(window, self._clock.wall_ns()),
            window_messages=len(window),
            window_bytes=window.size,
            in_flight=window.in_flight if self._flight.is_on else 0,
            problem=self._ailment(),
            acked_seq=lag.acked(window),
            counters=copy.copy(self._counters),
            last_ack_ns=self._flight.last_ack_ns,
            last_error=trouble.now,
            former_error=trouble.former,
            former_error_ns=trouble.former_ns,
        )

    def _ailment(self) -> str:
        """Say what keeps this stream from a hub that is there, or may double there; or nothing."""
        state = State.REFUSED if self._flight.is_refused else self._state
        error = self._flight.stray.problem or self._trouble.now
        if state in _AILING:
            return f"is {state.value}: {error}"
        if state in {State.OFFLINE, State.STOPPED}:
            return ""
        if error in {"", self._trouble.lasting} and not self._trouble.is_ailment:
            return f"is {state.value}: {self._lag.held}" if self._lag.held else ""
        return f"is {state.value}: {error}"

    # -- opening

    def _open(self) -> None:
        self._state, self._is_made = State.OPENING, False
        self._local.open(self._options.window_msgs, self._opened)

    def _made(self, delivery: Delivery) -> None:
        """Without a consumer an interest stream keeps nothing of what comes."""
        if delivery.origin is not self._shared.account.system:
            return  # any client may say so
        self._is_made = True
        if self._state not in _NOT_OPEN:
            self._begin_anew(_GONE)  # what is acknowledged now may be of the other one
        elif self._state is not State.OPENING:
            self._lag_alarm.set(0)
        if self._state is State.OPENING and self._alarm.is_set:
            self._alarm.set(0)

    def _opened(self, local: LocalState | Failure) -> None:
        if self._state is not State.OPENING:
            return
        if isinstance(local, Failure):
            self._trouble.say(str(local))
            self._pause()
            return
        self._note(local)
        problem = unfit(self._options, self._upstream.prefix, local.stream) or self._unheard()
        if problem:
            self._block(problem)
            return
        self._trouble.is_over()
        self._store.open(self._local.place, lambda: self._remembered(local.stream))

    def _remembered(self, stream: StreamInfo) -> None:
        """It is known under which subjects messages went before, or it cannot be."""
        if self._state is not State.OPENING:
            return
        self._trouble.recorded(self._store.problem)
        identity = self._store.identify(stream)
        origin = Origin(self._shared.server_name, self._options.stream, identity)
        if origin != self._flight.origin or stream.created != self._created:
            self._flight.forget()
            self._asking.forget()
            self._pauses.forget()
        self._flight.origin, self._created = origin, stream.created
        self._local.is_sure = True
        self._former.opened(stream.state.messages)
        self._recover()

    def _kept(self) -> None:
        """It is kept what subjects messages have, or it cannot be."""
        self._trouble.recorded(self._store.problem)
        self._flight.wake()

    def _wanted(self) -> None:
        """The hub asks for what nobody there took."""
        if self._state is State.RECOVERING:
            self._alarm.hasten(limits.UPLINK_RETRY_NS)

    def _unheard(self) -> str:
        """Say why no answer of the hub can come, neither to a question nor a PubAck, or nothing."""
        if not self._link.is_connected() or self._link.lets_in(self._mailbox.inbox):
            return ""
        return "the hub's permissions let this leaf hear no answer: allow it to subscribe _INBOX.>"

    def _block(self, problem: str) -> None:
        if self._state is State.BLOCKED:
            return
        self._halt()
        self._state = State.BLOCKED
        self._trouble.say(problem)
        self._alarm.set(limits.UPLINK_RETRY_MAX_NS)

    def _halt(self) -> None:
        self._asking.cancel()
        self._alarm.cancel()
        self._flight.end()

    # -- recovering: all that was delivered and not acknowledged must be in the window

    def _recover(self) -> None:
        self._state = State.RECOVERING
        self._local.look(self._looked)

    def _looked(self, local: LocalState | Failure) -> None:
        if self._state is not State.RECOVERING:
            return
        if isinstance(local, Failure):
            self._trouble.say(str(local))
            self._open_again()
            return
        origin = self._flight.origin
        if origin is None or self._is_another(local):
            self._open_again()
            return
        window = self._flight.window
        self._note(local)
        self._here = local  # its subjects change while it runs
        held = window.held_from(local.stream.state.first_seq)
        pending = local.consumer.num_ack_pending
        is_full = len(window) > pending + self._options.window_msgs
        if not self._former.is_back(pending, held, is_full=is_full):
            if not self._lag.held:
                what = _PASSED if self._former.is_passed else _GIVEN_BEFORE
                self._trouble.wait(what, limits.UPLINK_GIVEN_BEFORE_NS)
            if self._state is State.RECOVERING:
                self._alarm.set(limits.UPLINK_RETRY_NS)
            return
        self._former.is_passed = False
        self._trouble.waited()
        if self._link.is_connected():
            self._ask(origin)
        else:
            self._state = State.OFFLINE

    def _is_another(self, local: LocalState | Failure) -> bool:
        """Say whether the stream that was opened, or its consumer, is gone; there may be another of
        the same name.
        """
        if isinstance(local, Failure):
            return local.err_code in {answers.NO_CONSUMER_FOUND, answers.NO_STREAM_FOUND}
        return local.stream.created != self._created

    def _begin_anew(self, problem: str) -> None:
        self._halt()
        self._trouble.say(problem)
        self._open_again()

    def _open_again(self) -> None:
        self._trouble.waited()
        self._backlog.not_seen()
        self._state, self._local.is_sure = State.OPENING, False
        self._pause()

    # -- asking

    def _ask(self, origin: Origin) -> None:
        if problem := self._unheard():
            self._block(problem)
            return
        self._state = State.ASKING
        # What is less urgent waits for the answer, too, where one may be expected.
        self._settle(wants=self._is_answered and self._lag.messages(self._flight.window) > 0)
        self._asking.begin(origin, self._here)

    def _settle(self, *, wants: bool) -> None:
        self._gate.settle(self._slot, self._lag.bytes(self._flight.window), wants=wants)

    def _unanswered(self) -> None:
        """The hub's stream may have no leader; those of others may have one."""
        self._is_answered = False
        self._settle(wants=False)

    def _told(self, word: Word) -> None:
        """Go on, where the hub said; where others store it or newest first not without its word."""
        self._is_answered |= not word.is_blind
        is_stray = bool(self._flight.stray.problem) and self._asking.can_ask
        if word.is_blind and (is_stray or self._options.newest_first):
            self._cut(word.problem, is_answered=word.is_answered)
        else:
            self._fly(word)

    # -- running

    def _fly(self, word: Word) -> None:
        if word.protection is not self._protection:
            what = (self._options.stream, word.protection.value)
            log.info("Uplink goes on: stream=%s protection=%s", *what)
        self._protection = word.protection
        self._trouble.begin_flight(word.problem, is_ailment=word.is_ailment)
        if word.lost:
            self._trouble.say(word.lost)  # until the first PubAck, or at once
        self._state = State.RUNNING
        self._flight.begin(word)
        self._backlog.told(word)

    def _doubted(self, problem: str) -> None:
        """What was sent in this flight cannot be found, should it be cut."""
        self._protection = Protection.WINDOW
        self._trouble.begin_flight(problem, is_ailment=True)

    def _wake(self) -> None:
        self._flight.wake()

    def _pull_ended(self, pulled: Pulled) -> None:
        problem = _GONE if pulled.gone else pulled.refusal
        if problem and self._state is not State.OPENING:
            self._begin_anew(problem)
            return
        self._flight.pulled(too_large=pulled.too_large)

    def _passed(self) -> None:
        """Somebody else has what the consumer gave: nothing is sent before it is back."""
        self._flight.window.passed()
        self._former.passed()
        if self._state in {State.ASKING, State.RUNNING}:
            self._cut(_PASSED)

    # -- stopping and going on

    def _cut(self, reason: str, *, is_answered: bool = False) -> None:
        """Stop sending. What is open stays in the window until the hub said what it has."""
        if self._flight.has_progress:
            self._flight.has_progress = False
            self._pauses.begin()
        self._halt()
        self._trouble.say(reason)
        if self._link.is_connected():
            self._state = State.RECOVERING
            self._pause(is_answered=is_answered)
        else:
            self._state = State.OFFLINE

    def _pause(self, *, is_answered: bool = False) -> None:
        is_made = self._state is State.OPENING and self._is_made
        is_answered |= self._flight.unanswered.stores_nothing
        pause_ns = 0 if is_made else self._pauses.next(is_answered=is_answered)
        if not self._asking.can_ask:
            pause_ns = max(pause_ns, self._flight.stray.pause_ns)
        self._alarm.set(pause_ns)

    def _go_on(self) -> None:
        match self._state:
            case State.OPENING | State.BLOCKED:
                self._open()
            case State.RECOVERING:
                self._recover()
            case _:
                raise AssertionError(f"no alarm is set in state {self._state}")

    # -- lag

    def _note(self, local: LocalState) -> None:
        window, lag = self._flight.window, self._lag
        held = window.held_from(local.stream.state.first_seq)
        lag.note(local.stream, local.consumer, held)
        window.came_back(local.consumer.ack_floor.stream_seq)
        no_room, some = self._shared.no_room(self._options.stream), lag.messages(window) > 0
        self._backlog.note(local, Waiting(no_room, some=some, is_sent=self._flight.is_on))

    def _refresh_lag(self) -> None:
        self._lag_alarm.set(limits.UPLINK_LAG_REFRESH_NS)
        if self._state is not State.OPENING:
            self._local.look(self._lag_looked)
            return
        # There is no consumer to look at, but what it would bring waits all the same.
        ask_stream(self._mailbox, self._options.stream, self._stream_looked)

    def _stream_looked(self, stream: StreamInfo | Failure) -> None:
        if self._state is State.OPENING and isinstance(stream, StreamInfo):
            window = self._flight.window
            held = window.held_from(stream.state.first_seq)
            self._lag.note_stream(stream, window.floor, held)
            self._look_oldest()

    def _look_oldest(self) -> None:
        if self._lag.behind and (self._options.newest_first or not len(self._flight.window)):
            self._look_at(self._lag.acked_seq + 1, self._lag.oldest)

    def _look_at(self, seq: int, then: Callable[[Stored | None], None]) -> None:
        """Give the first message that is here from `seq` on; nothing where that cannot be said."""

        def found(message: Stored | Failure | None) -> None:
            if not isinstance(message, Failure) and self._state is not State.STOPPED:
                then(message)

        ask_message(self._mailbox, self._options.stream, seq, found)

    def _lag_looked(self, local: LocalState | Failure) -> None:
        if self._state is State.STOPPED:
            return
        if self._state not in _NOT_OPEN and self._is_another(local):
            self._begin_anew(_GONE)
            return
        if isinstance(local, Failure):
            return
        has_others = local.stream.patterns != self._here.stream.patterns
        if has_others and self._state is State.RECOVERING and self._alarm.is_set:
            self._alarm.set(0)  # the hub is asked for others, too
        self._note(local)
        self._look_oldest()
        self._asking.keep()
        self._flight.noted()
        given_up = self._flight.given_up
        if (stuck := given_up.stuck) is not None:
            self._look_at(stuck.seq, lambda first: given_up.removed(stuck, first))
        if self._slot.held is not None:
            self._flight.wake()  # so much may wait by now that it is worth it
