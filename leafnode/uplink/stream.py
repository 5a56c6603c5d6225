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
from typing import TYPE_CHECKING, Protocol

from leafnode import limits
from leafnode.nuid import hash8
from leafnode.protocol import subject as subjects
from leafnode.uplink import answers
from leafnode.uplink.alarm import Alarm
from leafnode.uplink.answers import MAX_SEQ_DIGITS, Failure
from leafnode.uplink.interview import Interview
from leafnode.uplink.local import LocalStream
from leafnode.uplink.mailbox import Mailbox
from leafnode.uplink.onward import Origin, onward
from leafnode.uplink.resume import Position, Resume, questions
from leafnode.uplink.status import Counters, Protection, State, UplinkStatus
from leafnode.uplink.window import Budget, Offer, Window

if TYPE_CHECKING:
    from random import Random

    from leafnode.clock import Clock
    from leafnode.config.options import UplinkStream
    from leafnode.routing.account import Account
    from leafnode.uplink.local import LocalState, Pulled
    from leafnode.uplink.mailbox import Letter
    from leafnode.uplink.window import Entry

log = logging.getLogger(__name__)


class Link(Protocol):
    """What an uplink wants to know of the leaf link."""

    def is_connected(self) -> bool:
        """Say whether the hub has accepted us and exchanged interest."""
        ...

    def max_payload_bytes(self) -> int:
        """What the hub takes at most, header block included; 0: not known."""
        ...


_FLYING = frozenset({State.RUNNING, State.REFUSED})


class StreamUplink:
    """Publishes one local stream upstream, in order, and acknowledges it here."""

    def __init__(
        self,
        options: UplinkStream,
        *,
        account: Account,
        server_name: str,
        consumer: str,
        clock: Clock,
        random: Random,
        link: Link,
    ) -> None:
        self._options = options
        self._account = account
        self._server_name = server_name
        self._clock = clock
        self._link = link
        self._prefix = options.subject_prefix or f"{server_name}."
        self._mailbox = Mailbox(account, clock, random)
        self._mailbox.on(b"p", self._pub_acked)
        self._local = LocalStream(
            account, clock, self._mailbox, stream=options.stream, consumer=consumer
        )
        self._local.taken = self._taken
        self._local.ended = self._pull_ended
        api = f"$JS.{options.domain}.API.STREAM.MSG.GET.{options.hub_stream}"
        self._interview = Interview(account, clock, self._mailbox, api)
        self._window = Window(options.window_msgs, options.window_bytes)
        self._alarm = Alarm(clock, self._go_on)  # the pause before the next step of a state
        self._ack_alarm = Alarm(clock, self._ack_overdue)
        self._lag_alarm = Alarm(clock, self._refresh_lag)
        self._state = State.STOPPED
        self._protection = Protection.UNKNOWN
        self._origin = Origin(server_name, options.stream, "")
        self._patterns: list[str] = []
        self._counters = Counters()
        self._acked = 0
        self._local_last = 0
        self._behind = 0  # messages of the stream after the newest one pulled
        self._pause_ns = limits.UPLINK_RETRY_NS
        self._refused_pause_ns = limits.UPLINK_REFUSED_NS
        self._retried = 0  # the refused message that was sent again
        self._too_large = False
        self._last_ack_ns = 0
        self._last_error = ""
        self._flight_error = ""  # what stays wrong for as long as this flight lasts
        self._former_error = ""
        self._former_error_ns = 0
        self._logged_error = ""

    def start(self) -> None:
        assert self._state is State.STOPPED
        self._lag_alarm.set(limits.UPLINK_LAG_REFRESH_NS)
        self._open()

    def stop(self) -> None:
        """End everything; what is not acknowledged stays in the stream."""
        self._state = State.STOPPED
        for alarm in (self._alarm, self._ack_alarm, self._lag_alarm):
            alarm.cancel()
        self._interview.cancel()
        self._local.close()
        self._mailbox.close()

    def link_changed(self) -> None:
        """The leaf link came or went."""
        if self._link.is_connected():
            self._pause_ns = limits.UPLINK_RETRY_NS
            if self._state is State.OFFLINE:
                self._recover()
        elif self._state in _FLYING or self._state is State.ASKING:
            self._cut("the link to the hub was lost")

    def status(self) -> UplinkStatus:
        return UplinkStatus(
            stream=self._options.stream,
            hub_stream=self._options.hub_stream,
            domain=self._options.domain,
            prefix=self._prefix,
            state=self._state,
            protection=self._protection,
            lag_messages=self._behind + len(self._window),
            window_messages=len(self._window),
            window_bytes=self._window.size,
            in_flight=self._window.in_flight if self._state in _FLYING else 0,
            acked_seq=max(self._acked, self._window.floor),
            counters=copy.copy(self._counters),
            last_ack_ns=self._last_ack_ns,
            last_error=self._last_error,
            former_error=self._former_error,
            former_error_ns=self._former_error_ns,
        )

    # -- opening

    def _open(self) -> None:
        self._state = State.OPENING
        self._local.open(self._options.window_msgs, self._opened)

    def _opened(self, local: LocalState | Failure) -> None:
        if self._state is not State.OPENING:
            return
        if isinstance(local, Failure):
            self._fail(str(local))
            self._pause()
            return
        problem = self._problem(local)
        if problem:
            self._block(problem)
            return
        identity = hash8(local.stream.created)
        if identity != self._origin.identity:
            # Another stream than before under this name: what the window holds is not of it.
            self._window = Window(self._options.window_msgs, self._options.window_bytes)
        self._origin = Origin(self._server_name, self._options.stream, identity)
        self._patterns = local.stream.patterns
        self._recover()

    def _problem(self, local: LocalState) -> str:
        """Say why this configuration can never work, or nothing."""
        if not subjects.is_valid_literal(f"{self._prefix}x".encode()):
            return f"subject_prefix {self._prefix!r} is not the start of a subject"
        if self._options.domain and self._options.domain == local.stream.domain:
            return f"domain {self._options.domain} is this server's own, not the hub's"
        for pattern in local.stream.patterns:
            upstream = (self._prefix + pattern).encode()
            for own in local.stream.config.subjects:
                if subjects.collides(upstream, own.encode()):
                    return f"stream {self._options.stream} would capture its own {own} again"
        return ""

    def _block(self, problem: str) -> None:
        self._halt()
        self._state = State.BLOCKED
        self._fail(problem)
        self._alarm.set(limits.UPLINK_RETRY_MAX_NS)

    def _halt(self) -> None:
        self._interview.cancel()
        self._ack_alarm.cancel()
        self._alarm.cancel()

    # -- recovering: all that was delivered and not acknowledged must be in the window

    def _recover(self) -> None:
        self._state = State.RECOVERING
        self._local.look(self._looked)

    def _looked(self, local: LocalState | Failure) -> None:
        if self._state is not State.RECOVERING:
            return
        if isinstance(local, Failure):
            self._fail(str(local))
            self._open_again()
            return
        if hash8(local.stream.created) != self._origin.identity:
            self._open_again()
            return
        self._note(local)
        missing = local.consumer.num_ack_pending - len(self._window)
        if missing > 0:
            # A former run had them. They come back when their ack wait is over.
            if not self._local.is_pulling:
                self._local.pull(Budget(missing, 0))
            if self._state is State.RECOVERING:
                self._alarm.set(limits.UPLINK_RETRY_NS)
            return
        if self._link.is_connected():
            self._ask()
        else:
            self._state = State.OFFLINE

    def _note(self, local: LocalState) -> None:
        self._acked = local.consumer.ack_floor.stream_seq
        self._local_last = local.stream.state.last_seq
        unseen = local.consumer.num_ack_pending - len(self._window)
        self._behind = local.consumer.num_pending + max(0, unseen)

    def _open_again(self) -> None:
        self._state = State.OPENING
        self._pause()

    # -- asking

    def _ask(self) -> None:
        self._state = State.ASKING
        upstream = questions(self._prefix, self._patterns)
        if not self._options.hub_stream or not self._options.domain or upstream is None:
            self._fly(Position(floor=self._acked), Protection.WINDOW)
            return
        self._interview.begin(Resume(upstream, self._acked), self._origin, self._answered)

    def _answered(self, resume: Resume | Failure) -> None:
        unknown = Position(floor=self._acked)
        if isinstance(resume, Failure):
            problem = f"the hub could not be asked where to go on: {resume}"
            self._fly(unknown, Protection.WINDOW, problem)
            return
        position = resume.position()
        if position.last > self._local_last:
            # A restored backup of the stream: its sequences will be used a second time.
            problem = f"the hub has sequence {position.last}, this stream ends before it"
            self._fly(unknown, Protection.WINDOW, problem)
        elif position.last == 0 and resume.strangers:
            problem = f"others publish under {self._prefix}: it should be this server's own"
            self._fly(unknown, Protection.WINDOW, problem)
        else:
            lost = position.last and position.last < self._acked
            problem = f"the hub lost messages: it ends at {position.last}" if lost else ""
            if resume.unverified:
                log.warning(
                    "Uplink resends what it cannot look up: stream=%s", self._options.stream
                )
            self._fly(position, Protection.ASKED, problem)

    # -- running

    def _fly(self, position: Position, protection: Protection, problem: str = "") -> None:
        if protection is not self._protection:
            log.info(
                "Uplink goes on: stream=%s protection=%s", self._options.stream, protection.value
            )
        self._protection = protection
        self._flight_error = problem
        if problem:
            self._fail(problem)
        self._state = State.RUNNING
        self._too_large = False
        stored = self._window.land(position)
        self._counters.skipped += len(stored)
        for entry in stored:
            self._local.ack(entry)
        if self._window.first_refused() is not None:
            self._state = State.REFUSED
            self._retry_refused()
        else:
            if len(self._window) == 0:
                self._recovered()  # else the next PubAck shows it
            self._pump()

    def _pump(self) -> None:
        """Send what is in the window, then ask for as much as it still takes."""
        for entry in self._window.unsent():
            if self._state is not State.RUNNING or not self._send(entry):
                return
        if self._state is not State.RUNNING or self._local.is_pulling:
            return
        budget = self._window.budget()
        if self._too_large and len(self._window) == 0:
            self._too_large = False
            budget = Budget(1, 0)
        if budget is not None and not self._too_large and self._is_worth_it(budget):
            self._local.pull(budget)

    def _is_worth_it(self, budget: Budget) -> bool:
        """Half a window at once: a request for each message would cost as much as the message."""
        return len(self._window) == 0 or (
            budget.msgs * 2 >= self._options.window_msgs
            and budget.size * 2 >= self._options.window_bytes
        )

    def _taken(self, entry: Entry, pending: int) -> None:
        self._behind = pending
        offer = self._window.offer(entry)
        if offer is Offer.STORED:
            self._counters.skipped += 1
            self._local.ack(entry)
        if self._state is State.RUNNING:
            self._pump()

    def _pull_ended(self, pulled: Pulled) -> None:
        if pulled.gone and self._state is not State.OPENING:
            if self._state in _FLYING:
                self._counters.cuts += 1
            self._halt()
            self._fail("the local consumer is gone")
            self._open_again()
            return
        self._too_large = pulled.too_large
        if self._state is State.RUNNING:
            self._pump()

    def _send(self, entry: Entry) -> bool:
        in_flight = self._window.send(entry, self._clock.monotonic_ns())
        header_size, body = onward(
            self._origin, entry.seq, entry.header_size, entry.body, in_flight
        )
        max_bytes = self._link.max_payload_bytes()
        if max_bytes and len(body) > max_bytes:
            # Sending it would make the hub close the link, for everybody on it.
            self._refuse(entry.seq, f"{len(body)} bytes, the hub takes at most {max_bytes}")
            return False
        if entry.attempts > 1:
            self._counters.resent += 1
        if not self._ack_alarm.is_set:
            self._ack_alarm.set(self._options.ack_timeout_ns)
        subject = self._prefix.encode() + entry.subject
        reply = self._mailbox.address(b"p", b"%d" % entry.seq)
        if self._account.publish(subject, body, header_size=header_size, reply=reply):
            return True
        self._window.unsend(entry)
        self._cut(f"nobody upstream takes {subject.decode('utf-8', 'replace')}")
        return False

    def _pub_acked(self, letter: Letter) -> None:
        topic = letter.topic
        if not topic.isdigit() or len(topic) > MAX_SEQ_DIGITS or self._state is State.BLOCKED:
            return
        seq = int(topic)
        ack = answers.pub_ack(letter.body[letter.header_size :])
        if not letter.from_leaf:
            if not isinstance(ack, Failure):
                self._block(f"stream {ack.stream} of this server captures {self._prefix}>")
            return
        if isinstance(ack, Failure):
            self._refuse(seq, str(ack))
            return
        other_domain = self._options.domain and ack.domain != self._options.domain
        other_stream = self._options.hub_stream and ack.stream != self._options.hub_stream
        if other_domain or other_stream:
            self._fail(f"stored by stream {ack.stream} of domain {ack.domain!r} instead")
            return
        entry = self._window.settle(seq, ack.seq)
        if entry is None:
            return
        self._counters.uplinked += 1
        self._counters.duplicates += ack.duplicate
        self._last_ack_ns = self._clock.wall_ns()
        self._pause_ns = limits.UPLINK_RETRY_NS
        self._local.ack(entry)
        if self._state is State.REFUSED and seq == self._retried:
            self._refused_pause_ns = limits.UPLINK_REFUSED_NS
            self._retry_refused()
        elif self._state is State.RUNNING:
            self._recovered()
            self._pump()

    # -- refused

    def _refuse(self, seq: int, reason: str) -> None:
        entry = self._window.refuse(seq)
        if entry is None:
            return
        self._counters.refused += 1
        self._fail(f"the hub refuses sequence {seq}: {reason}")
        if self._state is State.RUNNING:
            self._state = State.REFUSED
            self._refused_pause_ns = limits.UPLINK_REFUSED_NS
            self._alarm.set(self._refused_pause_ns)
        elif self._state is State.REFUSED and not self._alarm.is_set and seq == self._retried:
            self._refused_pause_ns = min(self._refused_pause_ns * 2, limits.UPLINK_REFUSED_MAX_NS)
            self._alarm.set(self._refused_pause_ns)

    def _retry_refused(self) -> None:
        """Send the first refused message alone; nothing new goes out before it is stored."""
        entry = self._window.first_refused()
        if entry is None:
            self._state = State.RUNNING
            self._recovered()
            self._pump()
            return
        self._retried = entry.seq
        self._send(entry)

    # -- stopping and going on

    def _ack_overdue(self) -> None:
        oldest_ns = self._window.oldest_sent_ns()
        if self._state not in _FLYING or oldest_ns is None:
            return
        left_ns = oldest_ns + self._options.ack_timeout_ns - self._clock.monotonic_ns()
        if left_ns > 0:
            self._ack_alarm.set(left_ns)
        else:
            self._cut("the hub did not acknowledge in time")

    def _cut(self, reason: str) -> None:
        """Stop sending. What is open stays in the window until the hub said what it has."""
        if self._window.in_flight:
            self._counters.cuts += 1
        self._halt()
        self._fail(reason)
        if self._link.is_connected():
            self._state = State.RECOVERING
            self._pause()
        else:
            self._state = State.OFFLINE

    def _pause(self) -> None:
        self._alarm.set(self._pause_ns)
        self._pause_ns = min(self._pause_ns * 2, limits.UPLINK_RETRY_MAX_NS)

    def _go_on(self) -> None:
        match self._state:
            case State.OPENING | State.BLOCKED:
                self._open()
            case State.RECOVERING:
                self._recover()
            case State.REFUSED:
                self._retry_refused()
            case _:
                raise AssertionError(f"no alarm is set in state {self._state}")

    def _refresh_lag(self) -> None:
        self._lag_alarm.set(limits.UPLINK_LAG_REFRESH_NS)
        if self._state is not State.OPENING:
            self._local.look(self._lag_looked)

    def _lag_looked(self, local: LocalState | Failure) -> None:
        if not isinstance(local, Failure) and self._state is not State.STOPPED:
            self._note(local)

    def _fail(self, error: str) -> None:
        """Keep and log an error; the same one again is not logged again."""
        if error != self._logged_error:
            log.warning("Uplink problem: stream=%s problem=%s", self._options.stream, error)
        self._last_error = self._logged_error = error

    def _recovered(self) -> None:
        """What was wrong is over: keep it for who asks later, and show what is still wrong."""
        if self._last_error != self._flight_error:
            self._former_error = self._last_error
            self._former_error_ns = self._clock.wall_ns()
            self._last_error = self._flight_error
