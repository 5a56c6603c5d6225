"""What the hub's answers mean."""

from __future__ import annotations

from leafnode import limits
from leafnode.uplink.answers import HubMessage
from leafnode.uplink.onward import InFlight
from leafnode.uplink.ranges import Ranges
from leafnode.uplink.resume import Position, Resume


def test_nothing_at_the_hub_means_what_is_unacknowledged() -> None:
    resume = Resume(["edge.ev.>"], acked=4)

    resume.answer(0, None)
    ((end, subject),) = resume.open_questions
    assert subject == ">"
    resume.answer(end, None)

    assert resume.done
    assert resume.position() == Position(floor=4)


def test_the_newest_of_all_subjects_counts() -> None:
    resume = Resume(["edge.a", "edge.b"], acked=0)

    resume.answer(0, HubMessage(100, 7, None))
    assert not resume.done
    resume.answer(1, HubMessage(90, 5, None))

    assert resume.position() == Position(floor=7, hub_seq=100, last=7, stored=Ranges([(1, 7)]))


def test_a_second_answer_to_a_question_changes_nothing() -> None:
    resume = Resume(["edge.a", "edge.b"], acked=0)

    resume.answer(0, HubMessage(100, 7, None))
    resume.answer(0, HubMessage(200, 9, None))
    resume.answer(1, None)

    assert resume.position().last == 7


def test_strangers_are_counted_and_say_nothing() -> None:
    resume = Resume(["edge.ev.>"], acked=3)

    resume.answer(0, HubMessage(100, None, None))
    ((end, _),) = resume.open_questions
    resume.answer(end, HubMessage(107, None, None))

    assert resume.strangers == 1
    assert resume.position() == Position(floor=3, hub_seq=107)


def test_what_was_in_flight_before_the_last_message_is_looked_up() -> None:
    resume = Resume(["edge.ev.>"], acked=10)

    resume.answer(0, HubMessage(104, 14, InFlight(10, 100)))
    assert resume.open_probes == [101, 102, 103]
    resume.look(101, HubMessage(101, 11, None))
    resume.look(102, HubMessage(102, None, None))
    resume.look(103, HubMessage(103, 13, None))

    assert resume.done
    position = resume.position()
    assert (position.floor, position.last) == (10, 14)
    assert set(position.above) == {11, 13, 14}


def beyond() -> Resume:
    """Too many sequences between for looking at each."""
    resume = Resume(["edge.ev.>"], acked=10)
    last = 102 + limits.UPLINK_PROBES_MAX
    resume.answer(0, HubMessage(last, 14, InFlight(10, 100)))
    return resume


def test_as_many_sequences_as_may_be_are_looked_at_and_beyond_only_our_subjects() -> None:
    most = limits.UPLINK_PROBES_MAX
    resume = Resume(["edge.ev.>"], acked=10)
    resume.answer(0, HubMessage(101 + most, 14, InFlight(10, 100)))

    assert len(resume.open_probes) == most
    assert resume.open_walks == []
    assert beyond().open_probes == []
    assert beyond().open_walks == [(0, 101, "edge.ev.>")]


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
    resume, back = beyond(), beyond()
    ((_, first, _),) = resume.open_walks
    resume._walk_end *= 3
    for step in range(limits.UPLINK_PROBES_MAX):
        resume.walk(0, first + step, HubMessage(first + step, None, None))
    assert not resume.done
    resume.walk(*resume.open_walks[0][:2], HubMessage(first + 2000, None, None))
    back.walk(0, 101, HubMessage(50, 11, None))

    assert resume.done
    assert resume.unverified
    assert back.done
    assert back.unverified
    assert set(back.position().above) == {14}
