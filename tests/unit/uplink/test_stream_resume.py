"""Where an uplink goes on after an outage, a restart, a stream or a consumer made anew.

Truth: docs/uplink.md, "After every connect, and after every start".
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.config.options import UplinkStream
from leafnode.uplink.status import Protection, State
from tests.sim.uplink_world import OPTIONS, OUTAGE_NS, World, numbers

if TYPE_CHECKING:
    from tests.sim.local_jetstream import LocalJetStream


def test_a_restart_after_the_duplicate_window_does_not_store_again_what_the_hub_has() -> None:
    world = World()
    world.start()
    world.hub.loses_acks = True
    world.store(b"1", b"2", b"3")
    world.clock.advance(NS_PER_S)
    assert world.hub.payloads() == [b"1", b"2", b"3"]
    world.link_down()
    world.clock.advance(OUTAGE_NS)

    world.hub.loses_acks = False
    world.hub.up()
    world.restart()
    world.store(b"4")
    world.clock.advance(5 * NS_PER_S)

    assert world.hub.payloads() == [b"1", b"2", b"3", b"4"]
    assert world.pending == []
    assert world.status.counters.skipped == 3


def test_a_reconnect_after_the_duplicate_window_does_not_store_again_what_the_hub_has() -> None:
    world = World()
    world.start()
    world.hub.loses_acks = True
    world.store(*numbers(1, 50))
    world.clock.advance(NS_PER_S)
    world.link_down()
    world.store(*numbers(51, 60))
    world.clock.advance(OUTAGE_NS)
    world.hub.loses_acks = False

    world.link_up()
    world.clock.advance(2 * NS_PER_S)

    assert world.hub.payloads() == numbers(1, 60)
    assert world.status.counters.skipped == 50
    assert world.status.counters.duplicates == 0


def test_without_the_question_the_same_outage_stores_twice() -> None:
    # The control: it shows that the two tests above fail when the resume step is left out.
    world = World(UplinkStream(stream="EV"))
    world.start()
    world.hub.loses_acks = True
    world.store(b"1")
    world.clock.advance(NS_PER_S)
    world.link_down()
    world.clock.advance(OUTAGE_NS)
    world.hub.loses_acks = False

    world.link_up()
    world.clock.advance(2 * NS_PER_S)

    assert world.hub.payloads() == [b"1", b"1"]
    assert world.status.protection is Protection.WINDOW


def test_a_link_that_breaks_in_the_middle_loses_and_doubles_nothing() -> None:
    world = World(UplinkStream(stream="EV", hub_stream="AGG", domain="hub", window_msgs=8))
    world.store(*numbers(1, 100))
    world.uplink.start()

    for _ in range(40):
        world.clock.advance(33 * NS_PER_MS)
        world.link_down()
        world.clock.advance(OUTAGE_NS)
        world.link_up()
    world.clock.advance(10 * NS_PER_S)

    assert world.hub.payloads() == numbers(1, 100)
    assert world.pending == []


def test_a_lost_pub_ack_leads_to_the_question_and_not_to_a_blind_resend() -> None:
    world = World()
    world.start()
    world.hub.questions.clear()
    world.hub.loses_acks = True
    world.store(b"1")
    world.clock.advance(NS_PER_S)
    world.hub.loses_acks = False

    world.clock.advance(OPTIONS.ack_timeout_ns + NS_PER_S)

    assert world.hub.received == [world.hub.received[0]]
    assert world.hub.questions == [{"last_by_subj": "edge.ev.>"}]
    assert world.local.acks == [1]
    assert world.status.counters.resent == 0
    assert world.status.last_error == ""
    assert world.status.former_error == "the hub did not acknowledge in time"


def test_the_hub_is_asked_for_each_subject_of_the_stream() -> None:
    world = World(subjects=("ev.*", "alarm.>"))

    world.start()

    asked = [question["last_by_subj"] for question in world.hub.questions]
    assert asked == ["edge.ev.*", "edge.alarm.>", ">"]


def test_another_stream_under_the_same_prefix_does_not_hide_where_this_one_is() -> None:
    world = World()
    world.start()
    world.hub.loses_acks = True
    world.store(b"1")
    world.clock.advance(NS_PER_S)
    world.hub.publish(b"edge.other", b"of another stream")
    world.link_down()
    world.clock.advance(OUTAGE_NS)
    world.hub.loses_acks = False

    world.link_up()
    world.clock.advance(NS_PER_S)

    assert world.hub.payloads() == [b"1", b"of another stream"]


def _cut_among_others(others: int, *, subject: bytes = b"edge.zz") -> World:
    """PubAcks are lost, others publish between ours, and the outage outlasts the window."""
    world = World()
    world.start()
    world.hub.loses_acks = True
    world.store(b"1")
    world.clock.advance(NS_PER_S)
    for _ in range(others):
        world.hub.publish(subject, b"other")
    world.store(b"2", b"3")
    world.clock.advance(NS_PER_S)
    world.link_down()
    world.clock.advance(OUTAGE_NS)
    world.hub.loses_acks = False
    world.link_up()
    world.clock.advance(OUTAGE_NS)
    return world


def test_however_much_others_publish_between_nothing_is_doubled() -> None:
    world = _cut_among_others(2 * limits.UPLINK_PROBES_MAX)

    assert [one for one in world.hub.payloads() if one != b"other"] == [b"1", b"2", b"3"]
    assert world.status.protection is Protection.ASKED
    assert world.status.last_error == ""


def test_where_others_publish_too_much_under_our_subjects_the_state_says_so() -> None:
    world = _cut_among_others(limits.UPLINK_PROBES_MAX + 7, subject=b"edge.ev.a")

    assert world.status.protection is Protection.PARTLY
    assert "too much to look up" in world.status.last_error
    assert "too much to look up" in world.status.problem


def test_up_to_there_others_may_publish_under_our_subjects() -> None:
    world = _cut_among_others(limits.UPLINK_PROBES_MAX, subject=b"edge.ev.a")

    assert [one for one in world.hub.payloads() if one != b"other"] == [b"1", b"2", b"3"]
    assert world.status.protection is Protection.ASKED


def test_a_stream_made_anew_under_the_old_name_is_sent_from_its_first_message() -> None:
    world = World()
    world.start()
    world.store(*numbers(1, 5))
    world.clock.advance(NS_PER_S)
    world.uplink.stop()

    world.local.messages.clear()
    world.local.last_seq = 0
    world.local.consumers.clear()
    world.local.created = "2026-02-02T00:00:00Z"
    world.store(b"new 1", b"new 2")
    world.restart()
    world.clock.advance(2 * NS_PER_S)

    assert world.hub.payloads()[5:] == [b"new 1", b"new 2"]


def test_a_consumer_made_anew_sends_nothing_twice() -> None:
    world = World()
    world.store(*numbers(1, 5))
    world.start()
    world.uplink.stop()
    world.local.consumers.clear()
    world.clock.advance(OUTAGE_NS)

    world.restart()
    world.store(b"6")
    world.clock.advance(2 * NS_PER_S)

    assert world.hub.payloads() == numbers(1, 6)
    assert world.pending == []


def test_a_hub_that_is_ahead_of_the_stream_does_not_swallow_new_messages() -> None:
    world = World()
    world.store(*numbers(1, 5))
    world.start()
    world.uplink.stop()
    world.clock.advance(OUTAGE_NS)

    # A backup from when the stream ended at 2.
    world.local.last_seq = 2
    world.local.consumers.clear()
    for seq in (3, 4, 5):
        del world.local.messages[seq]
    world.store(b"other 3")
    world.restart()
    world.clock.advance(2 * NS_PER_S)

    assert b"other 3" in world.hub.payloads()
    assert "a copy of the store was restored" in world.status.last_error


def copy_of(local: LocalJetStream) -> dict[str, Any]:
    names = ("messages", "times", "last_seq", "consumers", "_size")
    return copy.deepcopy({name: getattr(local, name) for name in names})


@pytest.mark.parametrize("is_work_queue", [False, True])
@pytest.mark.parametrize("new", [1, 5, 50])  # fewer than the hub has, as many, more
@pytest.mark.parametrize("pause_ns", [NS_PER_S, OUTAGE_NS])  # in the duplicate window and after it
def test_a_copy_that_was_restored_loses_and_doubles_nothing_that_comes_after_it(
    is_work_queue: bool, new: int, pause_ns: int
) -> None:
    world = World()
    world.local.is_work_queue = is_work_queue
    world.start()
    world.store(*numbers(1, 10))
    world.clock.advance(5 * NS_PER_S)
    saved = copy_of(world.local)
    world.store(*numbers(11, 15))
    world.clock.advance(5 * NS_PER_S)

    for time in range(2):  # and the same copy once more
        world.uplink.stop()
        world.clock.advance(pause_ns)
        vars(world.local).update(copy.deepcopy(saved))
        world.store(*[b"new %d.%d" % (time, number) for number in range(new)])
        world.restart()
        world.clock.advance(5 * NS_PER_S)

    later = [b"new %d.%d" % (time, number) for time in range(2) for number in range(new)]
    assert world.hub.payloads() == [*numbers(1, 15), *later]
    assert world.pending == []
    assert "a copy of the store was restored" in world.status.former_error + world.status.last_error

    world.uplink.stop()
    world.clock.advance(OUTAGE_NS)
    world.store(b"last")
    world.restart()
    world.clock.advance(5 * NS_PER_S)
    assert world.hub.payloads() == [*numbers(1, 15), *later, b"last"]
    assert world.status.last_error == ""
    assert world.status.protection is Protection.ASKED


def test_a_server_that_died_before_its_consumer_was_on_disk_is_no_copy() -> None:
    world = World()
    world.start()
    world.store(*numbers(1, 5))
    world.clock.advance(5 * NS_PER_S)
    saved = copy_of(world.local)
    world.store(*numbers(6, 9))
    world.clock.advance(5 * NS_PER_S)

    world.uplink.stop()
    world.clock.advance(OUTAGE_NS)
    world.local.consumers = saved["consumers"]
    world.restart()
    world.clock.advance(5 * NS_PER_S)

    assert world.hub.payloads() == numbers(1, 9)
    assert world.status.last_error == ""
    assert world.status.counters.skipped == 4


def test_newest_first_says_that_a_copy_was_restored_and_sends_nothing() -> None:
    world = World(replace(OPTIONS, newest_first=True))
    world.start()
    world.store(*numbers(1, 5))
    world.clock.advance(5 * NS_PER_S)
    saved = copy_of(world.local)
    world.store(*numbers(6, 9))
    world.clock.advance(5 * NS_PER_S)

    world.uplink.stop()
    vars(world.local).update(saved)
    world.store(*[b"new"] * 8)
    world.restart()
    world.clock.advance(5 * NS_PER_S)

    assert world.hub.payloads() == numbers(1, 9)
    assert "a copy of the store was restored" in world.status.last_error
    assert world.status.lag_messages >= 8


def test_newest_first_what_was_kept_here_of_another_history_is_nobodys() -> None:
    world = World(replace(OPTIONS, newest_first=True))
    world.start()
    world.store(*numbers(1, 5))
    world.clock.advance(5 * NS_PER_S)
    saved = copy_of(world.local)
    world.store(*numbers(6, 9))
    world.clock.advance(5 * NS_PER_S)

    world.uplink.stop()
    vars(world.local).update(saved)
    world.hub.stored.clear()  # and says nothing
    world.clock.advance(OUTAGE_NS)
    world.store(*[b"new"] * 8)
    world.restart()
    world.clock.advance(5 * NS_PER_S)

    assert world.hub.payloads() == [*numbers(1, 5), *[b"new"] * 8]


def test_a_former_run_is_collected_before_anything_new_is_sent() -> None:
    world = World()
    world.start()
    world.link_down()
    world.store(b"1", b"2")
    world.clock.advance(NS_PER_S)
    assert world.pending == [1, 2]

    world.hub.up()
    world.restart()
    world.store(b"3")
    world.clock.advance(limits.UPLINK_ACK_WAIT_NS + NS_PER_S)

    assert world.hub.payloads() == [b"1", b"2", b"3"]


def test_what_goes_out_of_the_stream_meanwhile_is_not_taken_for_what_a_former_run_had() -> None:
    world = World()
    world.start()
    world.link_down()
    world.store(b"alarm", b"a", b"b", b"c")
    world.clock.advance(NS_PER_S)
    assert world.pending == [1, 2, 3, 4]

    world.hub.up()
    world.restart()
    for number in range(30):  # a stream of last values: each one takes the one before out
        world.store(b"%d" % number)
        if number:
            world.local.delete(world.local.last_seq - 1)
        world.clock.advance(NS_PER_S // 10)
    world.clock.advance(5 * NS_PER_S)

    assert world.hub.payloads()[:4] == [b"alarm", b"a", b"b", b"c"]
    assert world.hub.payloads()[-1] == b"29"
    assert world.status.lag_messages == 0


def test_what_a_former_run_had_may_be_gone_when_it_comes_back() -> None:
    world = World()
    world.start()
    world.link_down()
    world.store(*numbers(1, 5))
    world.clock.advance(NS_PER_S)

    world.hub.up()
    world.restart()
    world.clock.advance(NS_PER_S)
    world.local.delete(1, 2, 3, 4, 5)
    world.store(b"6")
    world.clock.advance(3 * NS_PER_S)

    assert world.hub.payloads() == [b"6"]
    assert world.status.state is State.RUNNING


def test_what_somebody_else_pulls_is_waited_for() -> None:
    world = World()
    world.start()
    world.link_down()
    world.store(b"1", b"2")
    world.clock.advance(NS_PER_S)
    world.hub.up()
    world.restart()
    world.clock.advance(NS_PER_S)

    consumer = world.local.consumers["leafnode-uplink-EV"]
    consumer.pending[1] += 5 * NS_PER_S  # given to a client that took it for its own
    world.clock.advance(3 * NS_PER_S)
    assert world.hub.payloads() == []
    assert "has yet to repeat them" in world.status.last_error

    world.clock.advance(8 * NS_PER_S)
    assert world.hub.payloads() == [b"1", b"2"]


def test_a_hub_that_may_not_be_asked_leaves_only_the_duplicate_window() -> None:
    world = World()
    world.hub.denies_questions = True
    world.store(b"1")
    world.uplink.start()

    world.clock.advance(20 * NS_PER_S)
    assert world.hub.payloads() == []
    assert world.status.state is State.ASKING

    world.clock.advance(10 * NS_PER_S)
    assert world.hub.payloads() == [b"1"]
    assert world.status.protection is Protection.WINDOW
    assert "could not be asked" in world.status.last_error


def test_a_hub_without_that_stream_is_named_while_it_is_still_asked() -> None:
    world = World(UplinkStream(stream="EV", hub_stream="NOPE", domain="hub"))
    world.start()
    world.store(b"1")

    world.clock.advance(NS_PER_S)

    problem = "the hub could not be asked where to go on: stream not found (10059)"
    assert world.status.state is State.ASKING
    assert world.status.last_error == problem
    assert world.status.problem == f"is asking: {problem}"


def test_where_no_answer_ever_came_it_goes_on_and_is_not_well() -> None:
    """It may be the right that is missing: who wants it so leaves `hub_stream` out."""
    world = World()
    world.hub.denies_questions = True
    world.start()
    world.clock.advance(30 * NS_PER_S)
    world.store(b"1")
    world.clock.advance(30 * NS_PER_S)  # it is asked once more when it acknowledges something

    assert world.hub.payloads() == [b"1"]
    assert world.status.state is State.RUNNING
    words = "the hub could not be asked where to go on: the hub does not answer"
    assert world.status.last_error == words
    assert world.status.problem == f"is running: {words}"


def test_a_link_that_is_away_is_no_problem_of_the_uplink_and_over_when_it_is_back() -> None:
    world = World()
    world.start()
    world.clock.advance(NS_PER_S)
    world.link_down()
    away = world.status
    world.hub.loses_answers = True
    world.link_up()
    world.clock.advance(NS_PER_S)

    assert (away.last_error, away.problem) == ("the link to the hub was lost", "")
    assert world.status.state is State.ASKING
    assert (world.status.last_error, world.status.problem) == ("", "")
    assert world.status.former_error == "the link to the hub was lost"
    assert world.hub.doubts == 0
    world.clock.advance(4 * NS_PER_S)
    assert world.status.problem.endswith("where to go on: the hub does not answer")
    assert world.hub.doubts == 1  # it may be the link


def test_a_stream_that_is_there_at_last_is_no_problem_any_more() -> None:
    world = World(UplinkStream(stream="LATE", hub_stream="AGG", domain="hub"))
    world.start()
    world.clock.advance(NS_PER_S)

    assert world.status.problem == "is opening: stream LATE: stream not found (10059)"


def test_a_hub_that_answered_before_is_asked_until_it_answers_again() -> None:
    """As one whose stream is without a leader: it may have stored what it did not acknowledge."""
    world = World()
    world.start()
    world.store(b"1")
    world.clock.advance(NS_PER_S)
    world.hub.loses_acks = True
    world.store(b"2")
    world.clock.advance(NS_PER_S)
    world.link_down()
    world.hub.loses_answers = True
    world.link_up()
    world.clock.advance(OUTAGE_NS)

    assert world.hub.payloads() == [b"1", b"2"]
    assert "could not be asked where to go on: the hub does not answer" in world.status.problem
    world.hub.loses_acks = world.hub.loses_answers = False
    world.clock.advance(limits.UPLINK_RETRY_MAX_NS + 30 * NS_PER_S)

    assert world.hub.payloads() == [b"1", b"2"]
    assert world.status.protection is Protection.ASKED
    assert (world.status.lag_messages, world.status.problem) == (0, "")


def test_the_backlog_flows_within_two_seconds_of_the_link() -> None:
    world = World()
    world.start()
    world.link_down()
    world.store(*numbers(1, 1000))
    world.clock.advance(OUTAGE_NS)

    world.link_up()
    world.clock.advance(2 * NS_PER_S)

    assert world.hub.payloads() == numbers(1, 1000)


def late_redelivery() -> World:
    """A restart with three messages in flight that the local consumer keeps back for an hour."""
    world = World()
    world.start()
    world.hub.loses_acks = True
    world.store(*numbers(1, 3))
    world.clock.advance(NS_PER_S)
    world.hub.loses_acks = False
    pending = world.local.consumers["leafnode-uplink-EV"].pending
    for seq in pending:
        pending[seq] += 3600 * NS_PER_S
    world.restart()
    return world


def test_what_the_local_consumer_keeps_back_is_told_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = late_redelivery()
    world.clock.advance(130 * NS_PER_MS)  # between two looks
    world.store(b"4")  # comes again and again
    world.clock.advance(3 * NS_PER_S)
    assert (world.status.state, world.status.problem) == (State.RECOVERING, "")

    lags = set()
    for _ in range(20):
        world.clock.advance(100 * NS_PER_MS)
        lags.add(world.status.lag_messages)

    assert lags == {4}
    assert "gave messages to a former run" in world.status.problem
    assert caplog.text.count("gave messages to a former run") == 1


def test_what_the_local_consumer_gave_back_is_no_problem_any_more() -> None:
    world = late_redelivery()
    world.clock.advance(10 * NS_PER_S)
    pending = world.local.consumers["leafnode-uplink-EV"].pending
    for seq in pending:
        pending[seq] = 0
    world.local.store(b"4")
    world.hub.loses_answers = True

    world.clock.advance(NS_PER_S)

    assert world.status.state is State.ASKING
    assert (world.status.problem, world.status.last_error) == ("", "")
    assert "gave messages to a former run" in world.status.former_error
