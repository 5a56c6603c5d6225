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


def test_too_much_to_look_up_counts_as_missing() -> None:
    most = limits.UPLINK_PROBES_MAX
    resume = Resume(["edge.ev.>"], acked=10)
    beyond = Resume(["edge.ev.>"], acked=10)

    resume.answer(0, HubMessage(101 + most, 14, InFlight(10, 100)))
    beyond.answer(0, HubMessage(102 + most, 14, InFlight(10, 100)))

    assert len(resume.open_probes) == most
    assert beyond.open_probes == []
    assert beyond.unverified
    assert set(beyond.position().above) == {14}
