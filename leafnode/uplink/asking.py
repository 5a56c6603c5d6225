"""Where one stream goes on: what the hub is asked for that, and what it is worth.

Knows what was sent and under which subjects; how a round of questions goes is in interview.py, what
the answers mean in resume.py. What cannot be known is said. Truth: docs/uplink.md, "After every
connect, and after every start".
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.uplink.alarm import Alarm
from leafnode.uplink.answers import EVERYTHING, ConsumerInfo, Failure, StreamInfo
from leafnode.uplink.claims import Claims, Named
from leafnode.uplink.history import History
from leafnode.uplink.interview import SILENCE, Interview
from leafnode.uplink.knock import Knock
from leafnode.uplink.local import LocalState, ask_stream
from leafnode.uplink.position import NOT_ACKED, Known, Position, Word
from leafnode.uplink.resume import Resume
from leafnode.uplink.status import Protection
from leafnode.uplink.told_no import ToldNo
from leafnode.uplink.ways import Reached

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.uplink.flight import Flight, Parts
    from leafnode.uplink.onward import InFlight, Origin, Place
    from leafnode.uplink.parting import Parting, Stretch
    from leafnode.uplink.position import Acked
    from leafnode.uplink.ways import Moved, Ways
    from leafnode.uplink.ways_store import WaysStore
    from leafnode.uplink.window import Entry

log = logging.getLogger(__name__)

_NONE = "the hub had messages up to {} and shows none of them"
_NOT_TOLD = "the local stream does not say what it has: {}"
_OTHERS = "others publish under {}: it should be this server's own"
_TOO_MUCH = "too much to look up at the hub: some messages are sent again"


def not_asked(why: Failure | str) -> str:
    return f"the hub could not be asked where to go on: {why}"


class Asking:
    """One at a time: `begin`, then `told` is called, or `failed` where it has to be asked again.

    `troubled` hears what is wrong long before that.
    """

    def __init__(
        self,
        parts: Parts,
        flight: Flight,
        ways: Ways,
        store: WaysStore,
        answered: set[str],
    ) -> None:
        """`answered`: what the hub has answered: it may be asked, so silence is no refusal."""
        self._options = parts.options
        self._link = parts.link
        self._lag = parts.lag
        self._gate = parts.gate
        self._mailbox = parts.mailbox
        self._flight = flight
        self.question = f"$JS.{self._options.domain}.API.STREAM.MSG.GET.{self._options.hub_stream}"
        self._interview = Interview(
            parts.link, parts.clock, parts.mailbox, parts.gate, self.question
        )
        self._interview.on_trouble = self._heard_trouble
        self._interview.on_silence = self._heard_nothing
        self._ways = ways
        self._store = store
        self._answered_all = answered
        self.told: Callable[[Word], None] = lambda _word: None
        self.failed: Callable[[str], None] = lambda _reason: None
        self.troubled: Callable[[str], None] = lambda _problem: None
        self.unheard: Callable[[], None] = lambda: None  # others need not wait for what is told
        self.doubted: Callable[[str], None] = lambda _problem: None  # what was told holds no more
        self._clock = parts.clock
        self._sees_others = False  # under the very subjects of this stream
        self._origin: Origin | None = None
        self._local = LocalState(StreamInfo(), ConsumerInfo())
        stream, newest = self._options.stream, self._options.newest_first
        self._claims = Claims(parts.mailbox, parts.clock, stream, is_scattered=newest)
        self._history = History(
            self._interview, parts.mailbox, parts.clock, stream, is_scattered=newest
        )
        self._round = 0
        self._knock = Knock(parts, flight)
        self._knock.heard = self._go_in
        self._waiting = Alarm(parts.clock, self._waited)
        self._parked: Resume | None = None  # answered before the hub was known to have no more
        self._asked_ns = 0
        self._all_ns = parts.clock.monotonic_ns()  # so long nothing was on its way to the stream
        self._is_settled = True  # this round began when what was in flight was worked off
        self._is_proven = False  # what is sent is found where it is asked for
        self._proves = False
        self._is_grounded = False  # the last word was the hub's
        self._told_no = ToldNo(parts, flight)
        self._clean_run = ""  # the hub's process that left nothing open, last of all
        self._had = 0  # the highest that the hub had acknowledged when it was asked
        self._had_before = 0  # up to where all was done when this run began
        self.doubt = ""  # why what was sent cannot be found

    @property
    def can_ask(self) -> bool:
        """Say whether the hub may be asked, by the configuration and by its permissions."""
        is_named = bool(self._options.hub_stream and self._options.domain)
        return is_named and self._link.lets_out(self.question.encode())

    def cancel(self) -> None:
        self._interview.cancel()
        self._claims.cancel()
        self._history.cancel()
        self._waiting.cancel()
        self._knock.cancel()
        self._told_no.end()
        self._parked = None
        self._round += 1
        self._proves = False

    def forget(self) -> None:
        """The local stream is another one, or another state of it: nothing that was told holds."""
        self._origin = None
        self._knock.forget()

    def begin(self, origin: Origin, local: LocalState) -> None:
        """`local` is how the local stream and the consumer are now."""
        if origin != self._origin:
            self._is_grounded = self._is_proven = False
            self._had_before = self._lag.acked_seq
        self._origin, self._local = origin, local
        self._proves = False
        window = self._flight.window
        if window.doubtful() or (window and self._flight.latest is None):
            self._all_ns = 0  # a former run may have sent them, too
        if not self._link.takes_headers():
            self._blind("the hub takes no headers, so no id", Protection.NONE)
        elif not self._options.hub_stream or not self._options.domain:
            self.told(Word(Position(self._acked()), Protection.WINDOW, is_blind=True))
        elif not self._link.lets_out(self.question.encode()):
            self._blind(not_asked(f"its permissions deny {self.question} to this leaf"))
        elif (known := self._known()) is not None and self._is_in_no_doubt():
            self.told(Word(known.position, Protection.ASKED, all_ns=self._all_ns))
        elif self._knock.send():
            self._waiting.set(limits.UPLINK_ASK_NS + self._gate.surplus_ns)
        else:
            self._ask(known)

    def _is_in_no_doubt(self) -> bool:
        """Say whether the hub has just what it acknowledged to this run, and takes what is sent."""
        # One that was restarted may have less: its store may be of a backup.
        doubts = self._flight.window.doubtful() or self._flight.given_up.hangs_on_word
        return not doubts and self._clean_run == self._link.hub_run() != ""

    def _go_in(self) -> None:
        """What was in flight is worked off, so what the hub says from now on is all of it."""
        self._all_ns = self._clock.monotonic_ns()
        if self._waiting.is_set:
            self._waiting.cancel()
            self._parked = None
            self._ask(self._known())

    def _waited(self) -> None:
        """Ask already, to see whether anybody is there; or take what was said for want of more."""
        resume, self._parked = self._parked, None
        if resume is None:
            self._ask(self._known())
        else:
            self._knock.cancel()
            self._weigh(resume)

    def keep(self, *, ends: bool = False) -> None:
        """Keep how far this run is: once, at its end, and each minute where nobody else may say."""
        if self._origin is None or not self._is_grounded:
            return
        is_needed = self._sees_others or self._options.newest_first  # else the consumer has a place
        if not ends and not self._store.is_due(self._origin, is_needed=is_needed):
            return
        said, latest = self._flight.window.said(), self._flight.latest
        if said.hub_seq and latest is not None:
            self._store.reached(Reached.of(self._origin, said, latest))

    def acked(self, entry: Entry) -> None:
        """The hub acknowledged this: the first time it is asked under which subject."""
        self._knock.acked(entry)
        if self._told_no.acked():
            return
        # Where the hub is asked where to go on, that is not to be disturbed: the next one does.
        may_prove = self._flight.is_on and not (self._is_proven or self._proves)
        known = self._known() if may_prove else None
        if known is not None and self._origin is not None:
            self._proves = True
            self._interview.begin(Resume.proof(known), self._origin, self._proved)

    def _acked(self) -> int:
        """Up to where all is acknowledged here, or gone, and nothing of it is to be sent still."""
        gone = self._local.stream.state.first_seq - 1
        return self._flight.window.before(max(self._lag.acked_seq, gone))

    def _blind(
        self, problem: str, protection: Protection = Protection.WINDOW, *, is_answered: bool = False
    ) -> None:
        """Go on without the hub's word: who wants it so leaves `hub_stream` out."""
        self._is_grounded, self._clean_run = False, ""
        word = Word(Position(self._acked()), protection, problem, is_blind=True, is_ailment=True)
        self.told(word._replace(is_answered=is_answered))

    # -- the questions

    def _known(self) -> Known | None:
        """Return what was acknowledged since the hub was asked last; None: nothing is known."""
        latest = self._flight.latest
        if latest is None or not latest.sent_as or not self._is_grounded:
            return None
        position = self._flight.window.known()
        if not position.hub_seq:
            return None
        names = self._ways.names(latest.sent_as.decode())
        return Known(position, latest.seq, latest.hub_seq, names)

    def _ask(self, known: Known | None) -> None:
        assert self._origin is not None, "it has begun"
        self._is_settled, self._asked_ns = not self._knock.is_out, self._clock.monotonic_ns()
        self._had, window = self._flight.hub_had, self._flight.window
        if known is not None:
            sent = dict.fromkeys(entry.sent_as.decode() for entry in window.doubtful())
            groups = [known.names, *(self._ways.names(subject) for subject in sent)]
            if sum(map(len, groups)) <= limits.UPLINK_QUESTIONS_MAX:
                doubtful = len(window.doubtful())
                resume = Resume(groups, self._acked(), known=known, doubtful=doubtful)
                self._interview.begin(resume, self._origin, self._answered)
                return
        if self._local.stream.state.num_subjects > limits.UPLINK_QUESTIONS_MAX:
            self._ask_for([])
            return
        self._round += 1
        number = self._round

        def listed(found: StreamInfo | Failure) -> None:
            if number == self._round:
                self._ask_for([] if isinstance(found, Failure) else list(found.state.subjects))

        ask_stream(self._mailbox, self._options.stream, listed, with_subjects=True)

    def _ask_for(self, held: list[str]) -> None:
        """Ask for all that may be of this stream, of which so much is known.

        `held`: the subjects that it holds, as far as is known. It may have taken others when they
        came; and where it takes any, others have newer ones under `>`.
        """
        assert self._origin is not None, "it has begun"
        window, patterns = self._flight.window, self._local.stream.patterns
        here = [entry.subject for entry in window]
        asked = held if held and patterns == EVERYTHING else patterns
        upstream = self._ways.questions(asked, [*here, *(one.encode() for one in held)])
        if upstream is None:  # too many of those
            upstream = self._ways.questions(patterns, here)
        if upstream is None:
            most = limits.UPLINK_QUESTIONS_MAX
            self._blind(f"there are more than {most} subjects to ask for")
            return
        reached, groups = self._ways.reached_of(self._origin), [(one,) for one in upstream]
        if self._is_grounded or reached is None:
            # What this run was told still holds, whatever others have put over it meanwhile.
            self._ask_with(groups, window.said() if self._is_grounded else None)
            return
        kept, server = reached.said, self._origin.server

        def judged(refuted: set[Place] | Failure) -> None:
            """It is of another history, too, where what it says to be stored waits here; but what
            went newest first was not acknowledged to the consumer, which gives it again.
            """
            is_fifo = not (kept.ranges or self._options.newest_first)
            if isinstance(refuted, Failure):
                if is_fifo:
                    self._ask_with(groups, None)  # what the consumer has says most of it
                else:
                    self.failed(_NOT_TOLD.format(refuted))
            elif refuted or (is_fifo and any(entry.seq <= kept.floor for entry in window)):
                self._store.reached(Reached())
                self._ask_with(groups, None)
            else:
                self._ask_with(groups, kept, reached.acked_as(server))

        named = Named([reached.place], {reached.place}, kept.scattered)
        self._claims.begin(named, window, self._local, judged)

    def _ask_with(
        self, groups: list[tuple[str]], kept: InFlight | None, acked: Acked = NOT_ACKED
    ) -> None:
        assert self._origin is not None, "it has begun"
        waits, newest = len(self._flight.window), self._options.newest_first
        resume = Resume(
            groups, self._acked(), doubtful=waits, kept=kept, last_acked=acked, is_scattered=newest
        )
        self._interview.begin(resume, self._origin, self._answered)

    def _heard_trouble(self, failure: Failure) -> None:
        if self._proves:
            return  # nothing waits for it
        self.troubled(not_asked(failure))
        if failure is SILENCE:
            self._link.doubt()

    def _heard_nothing(self) -> None:
        if not self._proves:
            self.unheard()

    # -- the answers

    def _answered(self, resume: Resume | Failure) -> None:
        if isinstance(resume, Failure):
            is_of_run = self.question in self._answered_all
            has_answered = is_of_run or self._ways.reached is not None
            if has_answered and not self._told_no.believes(resume, is_of_run=is_of_run):
                self.failed(not_asked(resume))
            else:
                self._told_no.answered(is_no=True)
                self._blind(not_asked(resume))
            return
        self._told_no.answered(is_no=False)
        self._answered_all.add(self.question)
        self._sees_others |= resume.strangers > 0
        if self._is_settled:
            self._weigh(resume)
        elif self._knock.is_out:
            self._parked = resume
            timeout_ns = limits.UPLINK_OVERDUE_TIMES * self._options.ack_timeout_ns
            self._waiting.set(timeout_ns + self._gate.surplus_ns)
            self.unheard()
            self.troubled(self._flight.unanswered.problem or self._knock.problem)
        else:
            self._ask(self._known())

    def _weigh(self, resume: Resume) -> None:
        """Go on where it says, or ask for more."""
        if resume.is_lost:
            self._is_grounded = False
            self._flight.lost()
            self._store.lost()
            self._ask(None)
            return
        if resume.moved is not None and self._learn(resume.moved) and resume.is_blank:
            self._ask(self._known())
            return
        if resume.seen and resume.moved is None:
            self._is_proven, self.doubt = True, ""
            self._knock.seen(self._ways.of_now(resume.seen))
        self._look_at(resume)

    def _look_at(self, resume: Resume) -> None:
        """See what of it is here, or was."""
        named = Named(resume.claims(), resume.decisive, resume.scattered)
        then = partial(self._judged, resume)
        self._claims.begin(named, self._flight.window, self._local, then)

    def _judged(self, resume: Resume, refuted: set[Place] | Failure) -> None:
        """Take what the hub has that is of another history of this stream."""
        if isinstance(refuted, Failure):
            self.failed(_NOT_TOLD.format(refuted))
            return
        resume.refute(refuted | self._ways.refuted_of(self._origin))
        is_new = self._ways.is_fresh and not self._flight.has_sent and not resume.seen
        stretch = None if is_new else resume.stretch(self._local.stream.state.last_seq)
        if stretch is not None and not (self._options.newest_first and resume.refuted):
            self._part(resume, stretch)
            return
        if not self._options.newest_first:
            waiting = {entry.seq for entry in self._flight.window}
            resume.compare(waiting, self._local.consumer.delivered.stream_seq)
        position = resume.position()
        if resume.is_blank:
            self._blind(self.doubt, is_answered=True)
        elif resume.refuted:
            self._restored(position, resume)
        elif position.last == 0 and is_new:
            self._go_on(resume, position)
        elif position.last == 0 and resume.strangers and not resume.is_certain:
            self._blind(_OTHERS.format(self._ways.now.prefix), is_answered=True)
        elif position.last == 0 and self._hub_had() and self._may_be_there():
            self._blind(_NONE.format(self._hub_had()), is_answered=True)
        else:
            self._go_on(resume, position)

    def _part(self, resume: Resume, stretch: Stretch) -> None:
        """A copy was restored, or others hide what is ours: find out what the hub has of that."""
        assert self._origin is not None, "it has begun"
        origin, here = self._origin, (self._local, self._flight.window)

        def found(parting: Parting | Failure) -> None:
            if isinstance(parting, Failure):
                self.failed(not_asked(parting))
                return
            resume.part(parting)
            if resume.done:
                self._look_at(resume)
            else:
                self._interview.begin(resume, origin, asked)

        def asked(answer: Resume | Failure) -> None:
            if isinstance(answer, Failure):
                self.failed(not_asked(answer))
            else:
                self._look_at(resume)

        self.unheard()  # it takes as long as it takes
        if self._options.newest_first:
            self.troubled("looking for what the hub has behind what others stored")
        self._history.begin(resume.subjects, stretch, origin, here, found)

    def _hub_had(self) -> int:
        """Return up to where the hub had all; what this run set aside or removed is not in it."""
        return max(self._had, self._had_before)

    def _lost(self, position: Position) -> str:
        """Say that the hub has less than it had, or nothing. Before the start is not known well."""
        last, before = position.last, self._had_before
        if last < self._had:
            return f"the hub lost messages: it ends at {last}" if last else _NONE.format(self._had)
        if not last or self._options.newest_first or last >= before:
            return ""
        less = f"the hub ends at {last}, and {before} was done here before this start"
        return f"{less}: it lost messages, or they were removed here or are dead letters"

    def _restored(self, position: Position, resume: Resume) -> None:
        """Go on behind what was acknowledged here: new messages have ids of their own."""
        problem = (
            f"the hub's sequence {resume.refuted} of this stream is not the one that is here: a "
            "copy of the store was restored, or another server has this name"
        )
        if self._options.newest_first:
            if resume.foreign is not None and self._origin is not None:
                self._store.refuted(self._origin, resume.foreign)
            self._blind(problem, is_answered=True)
            return
        self._is_grounded, self._clean_run = True, ""
        protection = Protection.RESTORED
        if resume.unverified:
            protection, problem = Protection.PARTLY, f"{problem}; {_TOO_MUCH}"
        self.told(Word(position, protection, problem, asked_ns=self._asked_ns))

    def _may_be_there(self) -> bool:
        """Say whether a former run may have sent what is here."""
        return len(self._flight.window) > 0 and not self._options.newest_first

    def _go_on(self, resume: Resume, position: Position) -> None:
        self._is_grounded = True
        end = max(position.hub_seq, position.seen)
        has_some = len(position.stored) or position.last or self._flight.latest is not None
        if self._origin is not None and not has_some and end and not resume.unverified:
            # Others may hide what is sent from now on: it will be behind what is there.
            self._store.reached(Reached(self._origin.identity, 0, end))
        protection, problem = Protection.ASKED, ""
        if self.doubt:
            protection, problem = Protection.WINDOW, self.doubt
        elif resume.unverified:
            protection = Protection.PARTLY
            problem = _TOO_MUCH
        elif resume.unseen:
            protection = Protection.PARTLY
            problem = f"the hub has nothing of this stream under {resume.unseen}, and too much else"
        # Where there are strangers, what is newer of ours may be hidden.
        lost = "" if resume.strangers or self.doubt else self._lost(position)
        self._clean_run = "" if problem else self._link.hub_run()  # what it lost is said once
        word = Word(position, protection, problem, lost=lost, is_ailment=bool(problem))
        all_ns = self._all_ns if protection is Protection.ASKED else 0
        self.told(word._replace(asked_ns=0 if self.doubt else self._asked_ns, all_ns=all_ns))

    # -- what the hub makes of subjects

    def _proved(self, resume: Resume | Failure) -> None:
        """Take how the hub stored the first message that it acknowledged."""
        self._proves = False
        self._is_proven = True  # or it cannot be known; asked once for each flight
        if isinstance(resume, Failure):
            return
        if resume.moved is not None:
            self._learn(resume.moved)
        elif resume.is_lost:
            self.doubt = "the hub does not keep what it acknowledged, or keeps it without its id"
        if self.doubt:
            self.doubted(self.doubt)

    def _learn(self, moved: Moved) -> bool:
        """Say whether it is known from now on how the hub renames what it stores."""
        if not self._ways.learn(moved.sent, moved.seen):
            self.doubt = f"the hub stores {moved.sent} as {moved.seen}: what is there is not found"
            return False
        what = (self._options.stream, moved.sent, moved.seen)
        log.info("The hub renames what it stores: stream=%s sent=%s stored=%s", *what)
        self._store.keep()
        return True
