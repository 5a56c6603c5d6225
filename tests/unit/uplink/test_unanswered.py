"""Which messages the hub never answers: by how much, for how long, and what ends it."""

from __future__ import annotations

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.uplink.unanswered import Unanswered
from leafnode.uplink.window import Entry, Window

OFTEN = limits.UPLINK_SILENT_TIMES
LONG_NS = limits.UPLINK_SILENT_NS
QUORUM_NS = limits.UPLINK_QUORUM_NS


class Asked:
    """A window of which the hub has nothing, and what is said of it each time that it is asked."""

    def __init__(self, *seqs: int, subject: bytes = b"e.b") -> None:
        self.window = Window(1000, 1_000_000)
        self.unanswered = Unanswered("AGG")
        self.now_ns = NS_PER_S
        for seq in seqs:
            self.offer(seq, subject)

    def offer(self, seq: int, subject: bytes) -> Entry:
        entry = Entry(seq, subject, 0, b"x", b"", sent_as=subject)
        self.window.offer(entry)
        return entry

    def send(self, *seqs: int) -> None:
        """Send these, one after the other."""
        for seq in seqs:
            entry = self.window.get(seq)
            assert entry is not None
            self.now_ns += 1
            self.window.send(entry, self.now_ns)

    def store(self, seq: int) -> None:
        """The hub acknowledges it, and has not before."""
        entry = self.window.settle(seq, seq)
        assert entry is not None
        self.unanswered.answered(entry)
        self.unanswered.stored(entry)

    def link_changes(self) -> None:
        self.now_ns += 1
        self.unanswered.link_changed(self.window, self.now_ns)

    def wait_ns(self, seq: int) -> int:
        """Return how long it takes until its last sending is settled."""
        entry = self.window.get(seq)
        assert entry is not None
        return max(0, self.unanswered.settled_ns(entry) - self.now_ns)

    def ask(
        self, *late: int, after_ns: int = 0, is_late: bool = True, is_all: bool = True
    ) -> tuple[list[int], list[int]]:
        """Return what is proved to be never answered, and what is gone."""
        self.now_ns += after_ns
        entries = [entry for seq in late if (entry := self.window.get(seq))]
        self.unanswered.overdue(entries, is_late=is_late)
        all_ns = self.now_ns if is_all else 0
        never, gone = self.unanswered.told(self.window, self.now_ns, all_ns)
        return [entry.seq for entry in never], [entry.seq for entry in gone]


def proved() -> Asked:
    """Sequence 3 is never answered."""
    asked = Asked(3)
    for _ in range(OFTEN - 1):
        assert asked.ask(3) == ([], [])
    assert asked.ask(3, after_ns=LONG_NS) == ([3], [])
    return asked


def test_it_takes_so_many_answers_of_the_hub_over_so_long() -> None:
    asked = Asked(3)
    for _ in range(2 * OFTEN):
        assert asked.ask(3, after_ns=LONG_NS // OFTEN // 4) == ([], [])

    assert asked.ask(3, after_ns=LONG_NS) == ([3], [])


def test_what_may_still_come_to_be_stored_proves_nothing() -> None:
    asked = Asked(3)
    for _ in range(OFTEN):
        asked.ask(3, after_ns=LONG_NS, is_all=False)

    assert asked.ask(3, after_ns=LONG_NS) == ([], [])
    assert asked.unanswered.problem == (
        "the hub does not have sequence 3 and does not answer it, though it answers others: "
        "does stream AGG take e.b?"
    )


def test_what_was_overdue_over_a_link_that_is_gone_does_not_count() -> None:
    asked = Asked(3)
    entry = asked.window.get(3)
    assert entry is not None
    asked.unanswered.overdue([entry], is_late=True)

    asked.link_changes()

    assert asked.ask() == ([], [])
    assert (asked.unanswered.is_open, asked.unanswered.problem) == (False, "")


def test_one_that_the_hub_lost_once_is_no_news() -> None:
    asked = Asked(3)

    asked.ask(3, is_late=False)
    assert (asked.unanswered.is_open, asked.unanswered.first) == (False, 0)

    asked.ask(3, is_late=False)
    assert (asked.unanswered.is_open, asked.unanswered.first) == (True, 3)


def test_what_was_sent_last_over_a_link_that_is_gone_is_proved_by_the_links_before() -> None:
    asked = Asked(3)
    for _ in range(OFTEN):
        asked.ask(3, after_ns=NS_PER_S)
    asked.link_changes()

    assert asked.ask(after_ns=LONG_NS) == ([3], [])


def test_one_of_a_subject_that_is_known_is_as_the_others_if_what_went_behind_is_stored() -> None:
    asked = proved()
    for seq in (4, 5, 6):
        asked.offer(seq, b"e.a" if seq == 5 else b"e.b")
    asked.send(4, 5, 6)
    asked.store(5)

    assert asked.ask(4, 6) == ([3, 4], [])
    assert asked.wait_ns(4) == 0


def test_else_it_is_tried_once_more() -> None:
    """A message can be lost for many reasons."""
    asked = proved()
    asked.offer(4, b"e.b")
    asked.send(4)

    assert asked.ask(4) == ([3], [])
    assert asked.ask(4) == ([3, 4], [])


def test_what_may_be_proposed_is_settled_when_a_leader_without_followers_has_stepped_down() -> None:
    """It refuses what is sent to ask whether it is done: what was proposed may be committed."""
    asked = proved()
    asked.send(3)
    asked.ask(after_ns=NS_PER_S)

    asked.now_ns += QUORUM_NS - 1
    assert asked.wait_ns(3) == 1
    asked.ask()
    assert asked.wait_ns(3) == 1
    asked.now_ns += 1
    assert asked.wait_ns(3) == 0


def test_it_is_proposed_when_it_has_come_to_the_stream() -> None:
    """That may stand still for a while; then its answers are no whole word."""
    asked = proved()
    asked.send(3)
    asked.ask(after_ns=QUORUM_NS - 1, is_all=False)

    assert asked.wait_ns(3) == 1
    asked.ask(after_ns=NS_PER_S)
    assert asked.wait_ns(3) == QUORUM_NS


def test_what_was_sent_before_may_have_been_stored_before() -> None:
    asked = proved()
    asked.offer(4, b"e.b")
    asked.offer(5, b"e.a")
    asked.send(5, 4, 5)
    asked.store(5)

    assert asked.ask(4) == ([3], [])
    assert asked.wait_ns(4) > 0


def test_what_is_stored_of_another_link_says_nothing_of_this_one() -> None:
    asked = proved()
    asked.offer(4, b"e.b")
    asked.offer(5, b"e.a")
    asked.send(4)
    asked.link_changes()
    asked.send(5)
    asked.store(5)

    assert asked.ask(4) == ([3], [])
    assert asked.wait_ns(4) > 0


def test_what_went_over_a_link_that_is_gone_may_arrive_for_a_while() -> None:
    asked = proved()
    asked.send(3)
    asked.link_changes()
    sent_ns = asked.now_ns - 1

    asked.now_ns = sent_ns + limits.UPLINK_ADRIFT_NS - 1
    asked.ask()
    assert asked.wait_ns(3) == 1
    asked.ask(after_ns=1)
    assert asked.wait_ns(3) == QUORUM_NS
    asked.link_changes()
    assert asked.wait_ns(3) == QUORUM_NS - 1


def test_what_was_never_sent_is_not_missed() -> None:
    asked = Asked(3, 4, 5)
    asked.send(3, 5)
    asked.store(5)
    asked.link_changes()  # the first of this run

    asked.ask()
    assert asked.unanswered._silent.keys() == {3}


def test_an_answer_ends_it_for_the_subject_too() -> None:
    asked = proved()
    entry = asked.offer(4, b"e.b")
    assert entry.sent_as in asked.unanswered.suspects()

    asked.unanswered.answered(entry)

    assert not asked.unanswered.is_known(b"e.b")
    assert asked.ask(3, 4) == ([3], [])
    assert entry.sent_as in asked.unanswered.suspects()


def test_a_subject_of_which_others_are_answered_is_not_known_as_silent() -> None:
    asked = Asked(3, 4)
    asked.ask(3, 4)
    entry = asked.window.settle(4, 7)
    assert entry is not None
    asked.unanswered.answered(entry)
    for _ in range(OFTEN):
        asked.ask(3)

    assert asked.ask(3, after_ns=LONG_NS) == ([3], [])
    assert not asked.unanswered.is_known(b"e.b")
    asked.offer(5, b"e.b")
    assert asked.ask(3, 5) == ([3], [])


def test_what_is_not_in_the_window_any_more_is_forgotten() -> None:
    asked = Asked(3)
    asked.ask(3)
    asked.window.settle(3, 7)

    assert asked.ask() == ([], [])
    assert not asked.unanswered.is_open


def test_what_is_gone_here_is_given_up_when_the_hub_does_not_have_it_again() -> None:
    asked = Asked(3, 4, 9)
    asked.ask(3, 4, 9)
    asked.unanswered.let_go(3, 9)

    assert asked.ask(3, is_all=False) == ([], [3])
    assert asked.ask(9, after_ns=NS_PER_S) == ([], [3])


def test_so_many_subjects_are_known_and_no_more() -> None:
    count = limits.UPLINK_SILENT_MAX + 1
    asked = Asked()
    for seq in range(1, count + 1):
        asked.offer(seq, b"e.%d" % seq)
    seqs = range(1, count + 1)
    for _ in range(OFTEN):
        asked.ask(*seqs)

    assert asked.ask(*seqs, after_ns=LONG_NS) == ([*seqs], [])
    assert sum(asked.unanswered.is_known(b"e.%d" % seq) for seq in seqs) == count - 1


def test_one_of_a_subject_that_the_hub_takes_is_not_proved_while_it_stores_nothing() -> None:
    asked = Asked(3)
    asked.send(3)
    for _ in range(OFTEN):
        assert asked.ask(3, after_ns=LONG_NS) == ([], [])
    assert asked.unanswered.wanted == {b"e.b"}

    asked.unanswered.heard(b"e.b")
    assert asked.ask(3) == ([], [])
    assert asked.unanswered.problem == (
        "the hub does not have sequence 3 and does not answer it, though AGG takes e.b: "
        "can it store anything?"
    )
    for _ in range(OFTEN):
        assert asked.ask(3, after_ns=LONG_NS) == ([], [])
    for _ in range(2):
        assert asked.ask(3) == ([], [])
        asked.unanswered.unheard(b"e.b")

    assert asked.ask(3) == ([3], [])


def test_what_was_not_asked_to_know_it_says_nothing_of_a_subject() -> None:
    asked = Asked(3)
    asked.send(3)
    for _ in range(2):
        asked.unanswered.unheard(b"e.b")
    for _ in range(OFTEN):
        assert asked.ask(3, after_ns=LONG_NS) == ([], [])

    for _ in range(2):
        asked.unanswered.unheard(b"e.b")
        verdict = asked.ask(3)
    assert verdict == ([3], [])


def test_what_is_stored_of_what_went_behind_it_proves_the_same() -> None:
    asked = Asked(3, 4)
    asked.send(3, 4)
    asked.store(4)
    for _ in range(OFTEN - 1):
        asked.ask(3, after_ns=LONG_NS)

    assert asked.ask(3) == ([3], [])
    assert asked.unanswered.wanted == set()


def test_what_was_proved_while_the_hub_stored_nothing_is_not_proved_by_what_it_stores_later() -> (
    None
):
    asked = Asked(3, 4, 5)
    asked.send(3, 4)
    for _ in range(OFTEN):
        assert asked.ask(3, 4, after_ns=LONG_NS) == ([], [])
    asked.send(5)
    asked.store(5)

    assert asked.ask(3, 4) == ([], [])
    assert asked.unanswered.wanted == {b"e.b"}
    assert asked.ask(3, 4) == ([3, 4], [])
