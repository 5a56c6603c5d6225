"""Which messages the hub never answers, though it answers others.

Pure: times are parameters. The subject may be one that the hub's stream takes no more while
somebody there subscribes it, or somebody on the way eats the message. Only the hub's own word
proves that: the PubAck is overdue, the stream has answered what went behind over the same link, and
the hub, asked after that, does not have it. What is proved so is of the sendings before: it is not
sent again, and judged when none of them can come to be stored any more.
Truth: docs/uplink.md, "What the hub never answers".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple
from weakref import WeakValueDictionary

from leafnode import limits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leafnode.uplink.window import Entry, Window


_NOT_TAKEN: Final = 2  # so often one under a subject was not heard, and one behind it was
_PASSED: Final = 2  # so many proofs have to be with something stored behind that sending


@dataclass(slots=True, weakref_slot=True)
class Answers:
    """What is said under one subject, for as long as there is a `Silence` of it."""

    count: int = 0  # to all messages under it
    is_heard: bool = False  # who asked under it, to know whether the stream takes it, was answered
    missed: int = 0  # or was not, so often


@dataclass(slots=True)
class Silence:
    """Of one message in the window: what was said of it since it was first overdue."""

    subject: bytes  # under which it was sent
    answers: Answers  # to all under that
    answers_before: int  # when it was first overdue
    misses: int = 0  # how often the hub did not have it when it was asked
    proofs: int = 0  # of these, so often it had worked off what was sent before
    passed: int = 0  # of those, so often something that went behind was stored
    since_ns: int = 0  # the first of those
    arrived_ns: int = 0  # when its last sending was known to have come to the stream
    is_told: bool = False  # the hub did not lose it once and no more
    is_alone_before: bool = False  # as `is_alone`, when it was proved last
    is_gone: bool = False  # the local stream does not have it any more
    is_taken: bool = False  # proved, but the hub's stream takes what is sent under its subject

    @property
    def is_alone(self) -> bool:
        """Say whether others under its subject were answered since."""
        return self.answers.count > self.answers_before

    @property
    def is_apart(self) -> bool:
        """Say whether a hub that stores nothing would not look the same: others were stored, or
        its subject is not taken.
        """
        return self.passed >= _PASSED or self.answers.missed >= _NOT_TAKEN

    def miss(self, now_ns: int, *, is_late: bool, is_all: bool, is_passed: bool) -> None:
        """It was overdue, and the hub does not have it; `is_all`: and has worked it off;
        `is_passed`: something that went behind is stored.
        """
        self.misses += 1
        self.is_told |= is_late or self.misses >= limits.UPLINK_LOST_TIMES
        if is_all:
            self.since_ns = self.since_ns if self.proofs else now_ns
            self.proofs += 1
            self.passed += is_passed
            self.is_alone_before = self.is_alone

    def doubt(self) -> None:
        """If others of its subject are answered since it was proved: maybe it would be, too."""
        if self.is_alone and not self.is_alone_before:
            self.unprove()

    def unprove(self) -> None:
        self.proofs = self.passed = 0

    def is_proved(self, now_ns: int) -> bool:
        is_long = now_ns - self.since_ns >= limits.UPLINK_SILENT_NS
        return self.proofs >= limits.UPLINK_SILENT_TIMES and is_long

    def is_never(self, now_ns: int) -> bool:
        """Say whether it is proved, and told apart from a hub that stores nothing."""
        return self.is_apart and self.is_proved(now_ns)


class Verdict(NamedTuple):
    """What need not be sent like all the rest."""

    never: list[Entry]  # is proved to be never answered; see `settled_ns`
    gone: list[Entry]  # is not answered, and gone here


class Unanswered:
    """Of one stream. `overdue` is told what had no answer in time, `told` what the hub has."""

    def __init__(self, hub_stream: str) -> None:
        self._hub_stream = hub_stream
        self._overdue: dict[int, bool] = {}  # over the link of now; is all of ack_timeout over?
        self._outlived: set[int] = set()  # passed over a link that is gone
        self._link_ns = 0  # when that came, or the one before it went
        self._passed_ns = 0  # what it was given before: one that went behind is stored
        self._silent: dict[int, Silence] = {}  # by sequence, of what is in the window
        self._answers: WeakValueDictionary[bytes, Answers] = WeakValueDictionary()
        self._subjects: set[bytes] = set()  # one was never answered, and none since
        self._news: set[bytes] = set()  # of those, what nobody was told of
        self.wanted: set[bytes] = set()  # whether the hub's stream takes these has to be known
        self._stored_ns = 0  # when the last one was sent that was stored
        self.stores_nothing = False  # the hub took what it did not answer, and stored none since
        self._unacked = 0  # so often the hub had what was overdue, since it said anything to any

    @property
    def is_open(self) -> bool:
        """Say whether something that was overdue is still not answered."""
        return any(silence.is_told for silence in self._silent.values())

    @property
    def first(self) -> int:
        """The first such sequence, or 0."""
        return min((seq for seq, one in self._silent.items() if one.is_told), default=0)

    @property
    def problem(self) -> str:
        """Say what is not answered, or nothing. The same words for as long as it is the same."""
        seq = self.first
        silence = self._silent.get(seq)
        if silence is None:
            return ""
        subject = silence.subject.decode("utf-8", "replace")
        what = f"the hub does not have sequence {seq} and does not answer it"
        if silence.is_taken:
            return f"{what}, though {self._hub_stream} takes {subject}: can it store anything?"
        others = ", though it answers others" if silence.proofs else ""
        return f"{what}{others}: does stream {self._hub_stream} take {subject}?"

    @property
    def no_ack(self) -> str:
        """Say what a hub is that stores and never answers, or nothing."""
        if self._unacked < limits.UPLINK_LOST_TIMES:
            return ""
        stores = "the hub stores what is sent and acknowledges none of it"
        return f"{stores}: does stream {self._hub_stream} have no_ack?"

    def suspects(self) -> set[bytes]:
        """Return the subjects that nobody may answer, as one before it. A walk over all of them."""
        silent = (one.subject for one in self._silent.values())
        return self._subjects.union(silent)

    def heard(self, subject: bytes) -> None:
        """The hub's stream takes this subject: who asked under it was answered."""
        if answers := self._asked(subject):
            answers.is_heard, answers.missed = True, 0

    def unheard(self, subject: bytes) -> None:
        """It had no answer, and who asked behind it under another had."""
        if answers := self._asked(subject):
            answers.missed += 1

    def _asked(self, subject: bytes) -> Answers | None:
        """Return what is noted of it where it had to be known."""
        is_wanted = subject in self.wanted
        self.wanted.discard(subject)
        return self._answers.get(subject) if is_wanted else None

    def is_known(self, subject: bytes) -> bool:
        """Say whether one under this subject was never answered, and none was since."""
        return subject in self._subjects

    def is_news(self, subject: bytes) -> bool:
        """Say once whether that is known of it."""
        is_news = subject in self._news
        self._news.discard(subject)
        return is_news

    def overdue(self, entries: Iterable[Entry], *, is_late: bool) -> None:
        """These were sent, and not answered: in time, if `is_late`, or before the hub is asked."""
        for entry in entries:
            self._overdue[entry.seq] = is_late

    def link_changed(self, window: Window, now_ns: int) -> None:
        """What is overdue may have gone with the link, but for what was passed before that."""
        self._overdue.clear()
        if self._passed_ns:
            sent = (one for one in window if one.attempts and self._link_ns <= one.last_ns)
            self._outlived.update(one.seq for one in sent if one.last_ns < self._passed_ns)
        self._link_ns, self._passed_ns = now_ns, 0

    def stored(self, entry: Entry) -> None:
        """The hub's stream took it just now, and has committed what came before. What was sent
        more than once may have come to be stored earlier than it was sent last.
        """
        self.stores_nothing = False
        if entry.attempts == 1 and entry.sent_ns is not None:
            self._stored_ns = max(self._stored_ns, entry.sent_ns)
            self._passed_ns = max(self._passed_ns, entry.sent_ns)

    def answered(self, entry: Entry) -> None:
        """The hub said yes or no to it."""
        self._unacked = -1  # what is overdue now does not count
        self._forget(entry.seq)
        self.wanted.discard(entry.sent_as)
        self._subjects.discard(entry.sent_as)
        self._news.discard(entry.sent_as)
        if answers := self._answers.get(entry.sent_as):
            answers.count += 1
            answers.is_heard, answers.missed = False, 0

    def left(self, entry: Entry) -> None:
        """It is not in the window any more."""
        self._forget(entry.seq)

    def _forget(self, seq: int) -> None:
        self._silent.pop(seq, None)
        self.stores_nothing &= bool(self._silent)  # it was said of these

    def let_go(self, first: int, end: int | None) -> None:
        """The local stream has none of these any more; `end` None: and none behind them."""
        for seq, silence in self._silent.items():
            silence.is_gone |= first <= seq and (end is None or seq < end)

    def settled_ns(self, entry: Entry) -> int:
        """Return from when on no sending of this one, which is silent, can come to be stored any
        more, or when to ask whether it has come: monotonic time, 0 for what is passed.
        """
        if self._is_passed(entry):
            return 0
        silence, behind_ns = self._silent[entry.seq], self._behind_ns(entry)
        if silence.arrived_ns >= behind_ns:
            return silence.arrived_ns + limits.UPLINK_QUORUM_NS
        return max(behind_ns, entry.last_ns + limits.UPLINK_QUORUM_NS)

    def sending(self, entry: Entry) -> None:
        """It is sent now, maybe again: what the links before were given may still be on its way."""
        if entry.attempts and entry.last_ns < self._link_ns:
            entry.adrift_ns = entry.last_ns

    def _behind_ns(self, entry: Entry) -> int:
        """Return from when on what is sent over the link of now goes behind all its sendings."""
        if entry.last_ns < self._link_ns:
            return entry.last_ns + limits.UPLINK_ADRIFT_NS
        if entry.adrift_ns:
            return max(entry.last_ns, entry.adrift_ns + limits.UPLINK_ADRIFT_NS)
        return entry.last_ns

    def _is_passed(self, entry: Entry) -> bool:
        """Say whether one that went behind all its sendings is stored."""
        return self._behind_ns(entry) < self._passed_ns

    def told(self, window: Window, now_ns: int, all_ns: int) -> Verdict:
        """The hub said what it has, and that was taken out of the window. `all_ns`: when it was
        asked and had worked off what was sent before, or 0.
        """
        overdue = dict.fromkeys(self._outlived, False) | self._overdue
        self._outlived, self._overdue = set(), {}
        self._unacked += any(late and not window.get(seq) for seq, late in overdue.items())
        for seq in overdue.keys() | self._silent:
            entry = window.get(seq)
            if entry is None:
                self._forget(seq)
            elif seq in overdue:
                is_late, is_passed = overdue[seq], self._stored_ns >= entry.last_ns
                silence = self._silence_of(entry)
                silence.miss(now_ns, is_late=is_late, is_all=all_ns > 0, is_passed=is_passed)
        self._tell_all_apart(now_ns)
        self._learn(now_ns)
        never, gone = [], []
        for entry in window:
            silent = self._silent.get(entry.seq)
            if silent is None or entry.is_leaving:
                continue
            if silent.arrived_ns < self._behind_ns(entry) <= all_ns:
                silent.arrived_ns = all_ns
            if silent.is_gone and silent.misses >= limits.UPLINK_LOST_TIMES:
                gone.append(entry)
                continue
            silent.doubt()
            if self._is_never(entry, silent, now_ns):
                never.append(entry)
        return Verdict(never, gone)

    def _tell_all_apart(self, now_ns: int) -> None:
        """See of what is proved whether a hub that stores nothing would look the same: it says no
        to what cannot be stored all the same (a full disk). The subject is asked under before.
        """
        self.wanted.clear()
        stored_none: list[Silence] = []
        for silence in self._silent.values():
            if silence.is_never(now_ns):
                silence.is_taken = False
            elif silence.is_apart:
                pass  # it is not proved yet
            elif not silence.answers.is_heard:
                if silence.proofs:
                    self.wanted.add(silence.subject)
            elif silence.is_proved(now_ns):
                stored_none.append(silence)
        for silence in stored_none:
            silence.unprove()
            silence.is_taken = self.stores_nothing = True
            silence.answers.is_heard = False  # to be asked again

    def _silence_of(self, entry: Entry) -> Silence:
        silence = self._silent.get(entry.seq)
        if silence is None:
            answers = self._answers.setdefault(entry.sent_as, Answers())
            silence = Silence(entry.sent_as, answers, answers.count)
            self._silent[entry.seq] = silence
        return silence

    def _learn(self, now_ns: int) -> None:
        """Know of more subjects that one under them is proved."""
        proved = (one for one in self._silent.values() if one.is_never(now_ns))
        found = {one.subject for one in proved if not one.is_alone} - self._subjects
        for subject in found:
            if len(self._subjects) < limits.UPLINK_SILENT_MAX:
                self._subjects.add(subject)
                self._news.add(subject)

    def _is_never(self, entry: Entry, silence: Silence, now_ns: int) -> bool:
        """Say so of one that is proved, or is as others of its subject were."""
        times = 1 if self._is_passed(entry) else limits.UPLINK_LOST_TIMES
        is_one_of_many = self.is_known(silence.subject) and silence.proofs >= times
        return is_one_of_many or silence.is_never(now_ns)
