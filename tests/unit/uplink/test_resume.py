"""What the hub's answers mean."""

from __future__ import annotations

import pytest

from leafnode import limits
from leafnode.uplink.answers import HubMessage
from leafnode.uplink.onward import InFlight, Place
from leafnode.uplink.parting import Parting, Stretch
from leafnode.uplink.position import Acked, Known, Position
from leafnode.uplink.ranges import Ranges
from leafnode.uplink.resume import Resume
from leafnode.uplink.ways import Moved


def test_nothing_at_the_hub_means_what_is_unacknowledged() -> None:
    resume = Resume([["edge.ev.>"]], acked=4)

    resume.answer(0, None)
    ((end, subject),) = resume.open_questions
    assert subject == ">"
    resume.answer(end, None)

    assert resume.done
    assert resume.position() == Position(floor=4)


def test_the_newest_of_all_subjects_counts() -> None:
    resume = Resume([["edge.a"], ["edge.b"]], acked=0)

    resume.answer(0, HubMessage(100, 7, None))
    assert not resume.done
    resume.answer(1, HubMessage(90, 5, None))

    position = resume.position()
    assert (position.floor, position.hub_seq, position.last, position.seen) == (7, 100, 7, 100)
    assert position.stored == Ranges([(1, 7)])


def test_a_second_answer_to_a_question_changes_nothing() -> None:
    resume = Resume([["edge.a"], ["edge.b"]], acked=0)

    resume.answer(0, HubMessage(100, 7, None))
    resume.answer(0, HubMessage(200, 9, None))
    resume.answer(1, None)

    assert resume.position().last == 7


def test_strangers_are_counted_and_say_nothing() -> None:
    resume = Resume([["edge.ev.>"]], acked=3)

    resume.answer(0, HubMessage(100, None, None))
    ((end, _),) = resume.open_questions
    resume.answer(end, HubMessage(107, None, None))

    assert resume.strangers == 1
    assert resume.position() == Position(floor=3, hub_seq=107)


def test_what_was_in_flight_before_the_last_message_is_looked_up() -> None:
    resume = Resume([["edge.ev.>"]], acked=10)

    resume.answer(0, HubMessage(104, 14, InFlight(10, 100)))
    assert resume.open_probes == [100]  # is that what it says to have been acknowledged?
    resume.look(*ACKED)
    assert resume.open_probes == [101, 102, 103]
    resume.look(101, HubMessage(101, 11, None))
    resume.look(102, HubMessage(102, None, None))
    resume.look(103, HubMessage(103, 13, None))

    assert resume.done
    position = resume.position()
    assert (position.floor, position.last) == (10, 14)
    assert set(position.above) == {11, 13, 14}


ACKED = 100, HubMessage(100, 10, None)


def beyond() -> Resume:
    """Many sequences between, of which few can be ours."""
    resume = Resume([["edge.ev.>"]], acked=10)
    last = 102 + limits.UPLINK_PROBES_MAX
    resume.answer(0, HubMessage(last, 14, InFlight(10, 100)))
    resume.look(*ACKED)
    return resume


def test_sequences_are_looked_at_where_most_can_be_ours_and_else_our_subjects() -> None:
    resume = Resume([["edge.ev.>"]], acked=10)
    resume.answer(0, HubMessage(101 + 500, 510, InFlight(10, 100)))
    resume.look(*ACKED)

    assert len(resume.open_probes) == 500
    assert resume.open_walks == []
    assert beyond().open_probes == []
    assert beyond().open_walks == [(0, 101, "edge.ev.>")]


def test_where_much_can_be_ours_it_is_looked_for_in_several_places_at_once() -> None:
    resume = Resume([["edge.a"], ["edge.b"]], acked=10)
    resume.answer(0, HubMessage(9000, 210, InFlight(10, 1000)))
    resume.answer(1, HubMessage(500, 9, None))  # before all that is in doubt
    resume.look(1000, None)

    walks = resume.open_walks
    assert len(walks) == limits.UPLINK_PROBES_AT_ONCE
    assert [first for _, first, _ in walks[:3]] == [1001, 1251, 1501]
    assert {subject for _, _, subject in walks} == {"edge.a"}
    for number, first, _ in walks:
        resume.walk(number, first, HubMessage(first + 100, number + 20, None))
        resume.walk(number, first + 101, HubMessage(first + 250, 200, None))  # of the next place

    assert resume.done
    assert set(resume.position().above) == {*range(20, 20 + len(walks)), 210}


def test_a_walk_finds_what_is_ours_among_the_messages_of_others() -> None:
    resume = beyond()
    resume.walk(0, 101, HubMessage(400, 11, None))
    resume.walk(0, 101, HubMessage(400, 11, None))  # the answer to the question asked again
    resume.walk(0, 401, HubMessage(900, None, None))
    resume.walk(0, 901, HubMessage(905, 13, None))
    assert not resume.done
    resume.walk(0, 906, HubMessage(102 + limits.UPLINK_PROBES_MAX, 14, None))

    assert resume.done
    assert not resume.unverified
    assert set(resume.position().above) == {11, 13, 14}


def test_a_walk_ends_after_so_many_steps_and_at_an_answer_that_goes_back() -> None:
    most = limits.UPLINK_PROBES_MAX + 2 * 4  # four are in doubt
    resume, back = Resume([["edge.ev.>"]], acked=10), beyond()
    resume.answer(0, HubMessage(9000, 14, InFlight(10, 100)))
    resume.look(*ACKED)
    for step in range(most):
        resume.walk(0, 101 + step, HubMessage(101 + step, None, None))
    assert not resume.done
    resume.walk(*resume.open_walks[0][:2], HubMessage(8000, None, None))
    back.walk(0, 101, HubMessage(50, 11, None))

    assert resume.done
    assert resume.unverified
    assert back.done
    assert back.unverified
    assert set(back.position().above) == {14}


def test_behind_a_message_of_others_ours_may_be_hidden() -> None:
    resume = Resume([["edge.a"], ["edge.b"]], acked=10)
    resume.answer(0, HubMessage(104, 11, None))  # went alone: all before it is there
    resume.answer(1, HubMessage(200, None, None))

    assert resume.open_walks == [(0, 105, "edge.b")]
    resume.walk(0, 105, HubMessage(150, 12, InFlight(10, 100)))
    resume.walk(0, 151, HubMessage(200, None, None))

    position = resume.position()
    assert (position.floor, position.last, set(position.above)) == (11, 12, {12})


# -- the hub's stream was made anew since its last PubAck


def test_one_that_names_what_can_only_be_behind_it_speaks_of_a_stream_before_this_one() -> None:
    resume = Resume([["edge.ev.>"]], acked=50)
    resume.answer(0, HubMessage(4, 54, InFlight(50, 50)))
    assert resume.open_probes == [1, 2, 3]
    for hub_seq in resume.open_probes:
        resume.look(hub_seq, HubMessage(hub_seq, 50 + hub_seq, InFlight(50, 50)))

    position = resume.position()
    assert (position.floor, set(position.above)) == (50, {51, 52, 53, 54})


@pytest.mark.parametrize(
    ("at", "first"),
    [
        (HubMessage(50, 100, InFlight(50, 50)), 1),
        (HubMessage(50, None, None), 1),
        (HubMessage(50, 50, None), 51),
        (HubMessage(50, 100, InFlight(98, 48)), 51),  # of before a copy was restored
        (None, 51),  # deleted there: that says nothing
    ],
)
def test_what_it_names_is_no_message_of_its_own_flight(at: HubMessage | None, first: int) -> None:
    resume = Resume([["edge.ev.>"]], acked=50, doubtful=60)
    resume.answer(0, HubMessage(60, 110, InFlight(50, 50)))
    assert resume.open_probes == [50]

    resume.look(50, at)

    assert resume.open_probes == [*range(first, 60)]


def test_newest_first_that_is_in_its_ranges() -> None:
    resume = Resume([["edge.ev.>"]], acked=0, is_scattered=True)
    resume.answer(0, HubMessage(60, 110, InFlight(10, 50, b"1-10,90-100")))
    resume.look(50, HubMessage(50, 95, None))

    assert resume.open_probes == [*range(51, 60)]


def test_a_stranger_there_says_nothing_where_what_was_kept_says_the_same() -> None:
    resume = Resume([["edge.ev.>"]], acked=0, kept=InFlight(0, 50))
    resume.answer(0, HubMessage(54, 4, InFlight(0, 50)))
    resume.look(50, HubMessage(50, None, None))

    assert resume.open_probes == [51, 52, 53]


# -- within one run

KNOWN = Known(Position(floor=10, hub_seq=100, above={12: 104}), 12, 104, ["edge.a"])


def within(*groups: list[str], doubtful: int = 2, known: Known = KNOWN) -> Resume:
    return Resume([["edge.a"], *groups], acked=10, known=known, doubtful=doubtful)


def test_what_was_sent_is_looked_for_behind_what_was_acknowledged() -> None:
    resume = within(["edge.b"])
    resume.answer(0, HubMessage(9000, None, None))  # of somebody else, and newer than all of ours
    assert not resume.done
    resume.answer(1, HubMessage(90, 4, None))
    assert resume.open_probes == [104]
    resume.look(104, HubMessage(104, 12, None, "edge.a"))
    resume.answer(resume.open_questions[0][0], HubMessage(9500, None, None))

    assert resume.open_walks == [(0, 101, "edge.a")]
    resume.walk(0, 101, HubMessage(104, 12, None))
    resume.walk(0, 105, HubMessage(7000, 13, None))
    resume.walk(0, 7001, HubMessage(9000, None, None))
    position = resume.position()
    assert (position.floor, position.hub_seq, set(position.above)) == (10, 100, {12, 13})
    assert resume.moved is None


@pytest.mark.parametrize("there", [HubMessage(104, 14, None), HubMessage(104, None, None)])
def test_what_was_acknowledged_last_has_to_be_where_it_was(there: HubMessage) -> None:
    """Else it is a stream that was made anew since, and longer by now than the one before."""
    resume = within()
    resume.answer(0, HubMessage(106, 15, InFlight(10, 100)))
    for hub_seq in resume.open_probes:
        resume.look(hub_seq, there if hub_seq == 104 else None)

    assert resume.is_lost


def test_and_it_is_not_asked_for_where_the_one_that_is_in_doubt_is_there() -> None:
    resume = within(doubtful=1)
    resume.answer(0, HubMessage(102, 15, InFlight(10, 100)))
    assert 104 in resume.open_probes  # before that, it cannot be the newest
    resume = within(doubtful=1)
    resume.answer(0, HubMessage(106, 15, InFlight(10, 100)))
    assert 104 not in resume.open_probes
    resume = within(doubtful=1)
    resume.answer(0, HubMessage(104, 15, InFlight(10, 100)))
    assert resume.is_lost


def test_what_an_answer_shows_is_not_asked_for_again() -> None:
    """It may be large."""
    resume = within(["edge.b"], doubtful=3)
    resume.answer(0, HubMessage(104, 12, None, "edge.a"))
    resume.answer(1, HubMessage(106, 15, InFlight(10, 100)))

    assert 104 not in resume.open_probes
    assert not resume.is_lost


def test_with_nothing_in_doubt_one_answer_is_enough() -> None:
    resume = within(doubtful=0)
    resume.answer(0, HubMessage(104, 12, InFlight(10, 100)))

    assert resume.done
    assert resume.position().above == {12: 104}


def test_under_a_subject_that_the_hub_never_had_all_that_is_new_there_is_looked_at() -> None:
    resume = within(["edge.b"])
    resume.answer(0, HubMessage(104, 12, None))
    resume.answer(1, None)
    ((end, subject),) = resume.open_questions
    assert subject == ">"
    resume.answer(end, HubMessage(106, None, None))

    assert resume.open_probes == [101, 102, 103, 105, 106]  # 104 was acknowledged
    for hub_seq in resume.open_probes:
        resume.look(hub_seq, HubMessage(hub_seq, 13 if hub_seq == 105 else None, None, "other.b"))
    assert 13 in resume.position().above
    assert resume.unseen == ""


def test_and_where_that_is_too_much_it_is_said() -> None:
    resume = within(["edge.b"])
    resume.answer(0, HubMessage(104, 12, None))
    resume.answer(1, None)
    ((end, _),) = resume.open_questions
    resume.answer(end, HubMessage(102 + limits.UPLINK_PROBES_MAX, None, None))

    assert resume.unseen == "edge.b"


def test_a_hub_that_stores_under_another_subject_is_recognised() -> None:
    resume = within()
    resume.answer(0, None)
    resume.look(104, HubMessage(104, 12, None, "plant.edge.a"))
    resume.answer(resume.open_questions[0][0], HubMessage(105, None, None))

    assert resume.moved == Moved("edge.a", "plant.edge.a")
    assert resume.open_probes == [101, 102, 103, 105]  # few enough: no subject is needed
    assert not resume.is_blank


def test_one_that_lost_what_it_acknowledged_is_recognised_too() -> None:
    resume = within()
    resume.answer(0, HubMessage(90, 4, None))
    resume.look(104, HubMessage(104, None, None, "edge.a"))
    resume.answer(resume.open_questions[0][0], HubMessage(105, None, None))

    assert resume.done
    assert resume.is_lost
    assert resume.position().floor == 4  # what it has


def test_how_the_hub_stores_is_asked_with_one_look_alone() -> None:
    proof, lost = Resume.proof(KNOWN), Resume.proof(KNOWN)
    assert (proof.open_questions, proof.open_probes) == ([], [104])
    proof.look(104, HubMessage(104, 12, None, "t.a"))
    lost.look(104, None)

    assert proof.done
    assert proof.moved == Moved("edge.a", "t.a")
    assert lost.done
    assert lost.is_lost


def test_the_messages_of_a_stream_that_had_the_name_before_are_no_strangers() -> None:
    resume = Resume([["edge.ev.>"]], acked=3)
    resume.answer(0, HubMessage(100, None, None, "edge.ev.a", is_former=True))

    assert resume.strangers == 0


# -- what a former run kept

KEPT = InFlight(10, 100)


def after(
    *,
    kept: InFlight = KEPT,
    last: HubMessage | None,
    end: int = 0,
    at: HubMessage = ACKED[1],
) -> Resume:
    """`at`: what lies where what was kept says that the newest was acknowledged."""
    resume = Resume([["edge.a"]], acked=8, doubtful=1, kept=kept)
    resume.answer(0, last)
    for index, _ in resume.open_questions:
        resume.answer(index, HubMessage(end, None, None))
    for hub_seq in resume.open_probes:  # is that what was kept?
        resume.look(hub_seq, at if end >= hub_seq else None)
    return resume


def with_nothing_more(resume: Resume) -> Resume:
    for number, first, _ in resume.open_walks:
        resume.walk(number, first, None)
    for hub_seq in resume.open_probes:
        resume.look(hub_seq, None)
    return resume


def test_what_others_hide_after_a_start_is_looked_for_behind_what_was_kept() -> None:
    resume = after(last=HubMessage(9000, None, None), end=9000)
    assert resume.open_walks == [(0, 101, "edge.a")]
    resume.walk(0, 101, HubMessage(104, 11, None))
    resume.walk(0, 105, HubMessage(9000, None, None))

    position = resume.position()
    assert (position.floor, position.hub_seq, position.last) == (10, 100, 11)
    assert position.seen == 9000  # all up to the end was looked at
    assert set(position.above) == {11}


@pytest.mark.parametrize("at", [HubMessage(100, 40, KEPT), ACKED[1]])
def test_what_was_kept_is_of_a_stream_before_this_one(at: HubMessage) -> None:
    """One that says that it is behind what lies where it lies itself."""
    resume = after(last=HubMessage(9000, None, None), end=9000, at=at)

    assert resume.open_walks[0][1] == (101 if at == ACKED[1] else 1)


def test_what_the_hub_shows_and_what_was_kept_the_later_one_counts() -> None:
    shown = after(last=HubMessage(150, 12, None))
    kept = with_nothing_more(after(last=HubMessage(90, 9, None), end=200))

    assert (shown.position().floor, shown.position().hub_seq) == (12, 150)
    assert (kept.position().floor, kept.position().hub_seq) == (10, 100)


def test_a_hub_stream_that_ends_before_what_was_kept_is_another_one() -> None:
    resume = after(last=HubMessage(20, None, None), end=50)

    assert resume.done
    assert resume.position() == Position(floor=8, hub_seq=50)


def test_newest_first_what_was_kept_is_the_whole_of_it() -> None:
    kept, last = InFlight(2, 100, b"1-2,8-9"), HubMessage(101, None, None)
    resume = after(kept=kept, last=last, end=101, at=HubMessage(100, 9, None))
    with_nothing_more(resume)

    assert list(resume.position().stored) == [(1, 2), (8, 9)]


def test_what_was_looked_at_in_full_is_seen_up_to_the_newest() -> None:
    resume = Resume([["edge.ev.>"]], acked=10)
    resume.answer(0, HubMessage(104, 14, InFlight(10, 100)))
    resume.look(*ACKED)
    for hub_seq in resume.open_probes:
        resume.look(hub_seq, None)
    half = beyond()
    half.walk(0, 101, HubMessage(50, 11, None))

    assert resume.position().seen == 104
    assert half.unverified
    assert half.position().seen == 100


def test_what_was_kept_newest_first_holds_for_no_later_message_of_another_history() -> None:
    for in_flight, known in ((None, 0), (InFlight(1, 80, b"1-1,7-8"), 2)):
        kept = InFlight(5, 90, b"1-5,8-9", "abcde")
        resume = Resume([["edge.ev.>"]], acked=4, kept=kept)
        resume.answer(0, HubMessage(100, 12, in_flight))
        resume.refute({Place(12)})

        assert len(resume.scattered) == known


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_message_of_another_history_from_before_what_was_kept_says_nothing(
    newest_first: bool,
) -> None:
    """Others hide what is later; and it may be of a stream before, too: it names 300."""
    kept = InFlight(50, 90, b"1-50", "abcde")
    resume = Resume([["edge.ev.>"]], acked=50, kept=kept, is_scattered=newest_first)
    resume.answer(0, HubMessage(40, 12, InFlight(11, 300), mark="other"))
    for index, _ in resume.open_questions:
        resume.answer(index, HubMessage(100, None, None))
    resume.look(90, HubMessage(90, 50, None))
    with_nothing_more(resume)
    resume.refute({Place(12, "other")})

    assert not resume.refuted
    assert resume.stretch(200) is None
    assert (resume.position().floor, resume.position().hub_seq) == (50, 90)


def test_a_record_that_is_not_so_leaves_the_word_of_the_newest() -> None:
    """The record is of the hub's stream before this one, in which there is less by now."""
    resume = Resume([["edge.ev.>"]], acked=160, kept=InFlight(100, 100))
    resume.answer(0, HubMessage(160, 260, InFlight(160, 60)))
    assert resume.open_probes == [100]
    resume.look(100, HubMessage(100, 195, InFlight(160, 60)))

    assert resume.open_probes == [*range(61, 160)]


def test_a_record_may_name_the_place_of_a_stranger() -> None:
    """Behind which all went that came later: newest first among others, or after a copy."""
    resume = Resume([["edge.ev.>"]], acked=160, kept=InFlight(100, 100, b"1-100"))
    resume.answer(0, HubMessage(160, 260, InFlight(160, 60)))
    resume.look(100, HubMessage(100, None, None))

    assert resume.open_probes == [*range(101, 160)]


@pytest.mark.parametrize(
    ("at", "first"),
    [
        (HubMessage(90, None, None), 61),  # others lie there: another stream
        (HubMessage(90, 95, None, mark="vwxyz"), 61),  # or another of ours
        (HubMessage(90, 95, None, mark="abcde"), 101),
        (None, 101),  # the hub let go of it
    ],
)
def test_the_message_that_was_acknowledged_last_tells_whose_record_it_is(
    at: HubMessage | None, first: int
) -> None:
    acked = Acked(90, Place(95, "abcde"))
    resume = Resume([["edge.ev.>"]], 160, kept=InFlight(100, 100, b"1-100"), last_acked=acked)
    resume.answer(0, HubMessage(160, 260, InFlight(160, 60)))
    assert resume.open_probes == [90, 100]
    resume.look(100, HubMessage(100, None, None))
    resume.look(90, at)

    assert resume.open_probes == [*range(first, 160)]


def test_what_an_answer_shows_where_it_was_acknowledged_is_not_asked_for_again() -> None:
    """Others published behind it, up to where the record says."""
    kept, acked = InFlight(100, 100), Acked(90, Place(100))
    resume = Resume([["edge.ev.>"]], 100, kept=kept, last_acked=acked)
    resume.answer(0, HubMessage(90, 40, None))
    ((end, _),) = resume.open_questions
    resume.answer(end, HubMessage(200, None, None))

    assert resume.open_probes == [100]


def test_what_was_acknowledged_beyond_the_end_tells_of_another_stream() -> None:
    """Others have stored more there than was without a gap before, and less than was at all."""
    kept, acked = InFlight(50, 50), Acked(80, Place(81, "abcde"))
    resume = Resume([["edge.ev.>"]], 50, kept=kept, last_acked=acked)
    resume.answer(0, HubMessage(20, 101, InFlight(100, 1)))
    ((end, _),) = resume.open_questions
    resume.look(80, None)
    resume.look(50, HubMessage(50, None, None))
    resume.answer(end, HubMessage(60, None, None))

    assert with_nothing_more(resume).position().hub_seq == 1


def test_what_goes_after_too_much_to_look_up_is_behind_all_that_is_there() -> None:
    acked = Acked(90, Place(90, "abcde"))
    resume = Resume([["edge.ev.>"]], 90, doubtful=1, kept=InFlight(90, 90), last_acked=acked)
    resume.answer(0, HubMessage(9000, None, None))
    ((end, _),) = resume.open_questions
    resume.answer(end, HubMessage(9000, None, None))
    resume.look(90, HubMessage(90, None, None))
    while not resume.done:
        for number, first, _ in resume.open_walks:
            resume.walk(number, first, HubMessage(first, None, None))

    assert resume.unverified
    assert (resume.position().floor, resume.position().hub_seq) == (90, 9000)


def test_what_was_seen_behind_the_last_of_another_history_is_there() -> None:
    """Others hide it; nothing of what is before that is here."""
    resume = Resume([["edge.a"], ["edge.b"]], acked=10)
    resume.answer(0, HubMessage(100, 406, None, mark="other"))
    resume.answer(1, HubMessage(103, None, None))
    for hub_seq, seq in ((101, 11), (102, 12)):
        assert hub_seq in resume.open_probes
        resume.look(hub_seq, HubMessage(hub_seq, seq, None, mark="ours"))
    resume.refute({Place(406, "other")})
    assert resume.stretch(158) == Stretch(0, 100)
    resume.part(Parting(resume.subjects, Stretch(0, 1)))

    assert resume.refuted == 406
    assert list(resume.position().stored) == [(1, 12)]
