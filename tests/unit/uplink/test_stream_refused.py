"""What an uplink does when the hub says no, and when its configuration cannot work.

Truth: docs/uplink.md, "When something is in the way".
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.config.options import UplinkStream
from leafnode.uplink.status import Protection, State
from tests.sim.uplink_world import OPTIONS, OUTAGE_NS, World, numbers


def test_a_gap_holds_back_up_to_where_everything_is_said_to_be_at_the_hub() -> None:
    world = World()
    world.hub.refuses.add(b"bad")
    world.store(b"1", b"bad", b"3")

    world.start()

    assert world.hub.payloads() == [b"1", b"3"]
    assert world.status.acked_seq == 1


def test_what_is_wrong_for_a_whole_flight_shows_again_when_another_error_is_over() -> None:
    world = World()
    world.hub.denies_questions = True
    world.hub.refuses.add(b"bad")
    world.store(b"bad")
    world.uplink.start()
    world.clock.advance(31 * NS_PER_S)
    assert "the hub refuses sequence 1" in world.status.last_error

    world.hub.refuses.clear()
    world.clock.advance(limits.UPLINK_REFUSED_MAX_NS)

    assert "could not be asked" in world.status.last_error
    assert "the hub refuses sequence 1" in world.status.former_error


def test_a_refused_message_is_tried_again_with_growing_pauses_and_never_dropped() -> None:
    world = World()
    world.hub.refuses.add(b"bad")
    world.store(b"1", b"bad", b"3")
    world.start()
    assert world.status.state is State.REFUSED
    assert world.hub.payloads() == [b"1", b"3"]
    assert "sequence 2: maximum bytes exceeded (10077)" in world.status.last_error

    world.store(b"4")
    world.clock.advance(60 * NS_PER_S)
    tries = sum(b".2" in msg_id for msg_id in world.hub.received)
    assert 4 <= tries <= 8
    assert world.hub.payloads() == [b"1", b"3"]
    assert world.pending == [2, 4]

    world.hub.refuses.clear()
    world.clock.advance(limits.UPLINK_REFUSED_MAX_NS + NS_PER_S)
    assert world.hub.payloads() == [b"1", b"3", b"bad", b"4"]
    assert world.pending == []
    assert world.status.state is State.RUNNING


@pytest.mark.parametrize("restarts", [False, True])
def test_a_refused_message_survives_a_cut_although_the_hub_has_later_ones(restarts: bool) -> None:
    world = World()
    world.hub.refuses.add(b"bad")
    world.start()
    world.store(b"1", b"bad", b"3", b"4")
    world.clock.advance(15 * NS_PER_MS)  # stored at the hub, no answer is back yet
    assert world.hub.payloads() == [b"1", b"3", b"4"]
    world.link_down()
    world.clock.advance(OUTAGE_NS)
    world.hub.refuses.clear()

    if restarts:
        world.hub.up()
        world.restart()
    else:
        world.link_up()
    world.clock.advance(5 * NS_PER_S)

    assert world.hub.payloads() == [b"1", b"3", b"4", b"bad"]
    assert world.pending == []


def test_a_message_larger_than_the_hub_takes_is_not_sent_at_all() -> None:
    world = World()
    world.hub.max_payload = 300
    world.start()

    world.store(b"x" * 300)
    world.clock.advance(NS_PER_S)

    assert world.hub.received == []
    assert world.status.state is State.REFUSED
    assert "the hub takes at most 300" in world.status.last_error
    assert world.pending == [1]


def test_nobody_here_gets_what_goes_to_the_hub_whatever_he_subscribes_to() -> None:
    world = World(subjects=(">",))
    heard: list[bytes] = []
    for subject in (b">", b"edge.>"):
        world.account.subscribe(subject, lambda delivery: heard.append(delivery.subject))

    world.store(b"1")
    world.start()

    assert world.hub.payloads() == [b"1"]
    assert world.status.state is State.RUNNING
    assert not [subject for subject in heard if subject.startswith((b"edge.", b"$JS.hub."))]


def test_whoever_listens_here_does_not_keep_what_no_hub_takes_from_the_dead_letters() -> None:
    world = World(hub_subjects=(), dead_letter="DEAD")
    world.account.subscribe(b">", lambda _: None)

    world.store(b"1")
    world.start()
    world.clock.advance(limits.UPLINK_UNTAKEN_NS + 30 * NS_PER_S)

    assert world.status.counters.dead_letters == 1


def test_a_pub_ack_that_somebody_here_made_up_is_ignored() -> None:
    world = World()
    world.hub.loses_acks = True
    world.start()

    world.store(b"1")
    ack = b'{"stream":"AGG","domain":"hub","seq":1}'
    for number in range(3):
        inbox = world.uplink._mailbox.address(b"p", b"%d" % number)
        world.account.publish(inbox, ack)
    world.clock.advance(NS_PER_S)

    assert world.local.acks == []
    assert world.pending == [1]


def test_a_pub_ack_of_another_hub_stream_does_not_count() -> None:
    world = World()
    world.start()
    world.hub.stream = "OTHER"

    world.store(b"1")
    world.clock.advance(NS_PER_S)

    assert world.local.acks == []
    assert "stored by stream OTHER of domain 'hub', not AGG" in world.status.last_error


def test_the_domain_of_the_hub_must_not_be_our_own() -> None:
    world = World(UplinkStream(stream="EV", hub_stream="AGG", domain="edge"))

    world.start()

    assert world.status.state is State.BLOCKED
    assert world.status.last_error == "domain edge is this server's own, not the hub's"


@pytest.mark.parametrize("prefix", ["a..", "$JS.", "_INBOX_a."])
def test_a_prefix_of_a_name_from_the_command_line_may_be_no_stream_s(prefix: str) -> None:
    world = World(UplinkStream(stream="EV", hub_stream="AGG", domain="hub", subject_prefix=prefix))

    world.start()

    assert world.status.state is State.BLOCKED
    assert world.status.last_error == (
        f"subject_prefix {prefix!r} is not the start of a stream's subject"
    )


def test_nobody_upstream_is_tried_again_until_the_hub_takes_the_subject() -> None:
    world = World(hub_subjects=(b"something.else",))
    world.store(b"1")
    world.start()
    assert world.status.last_error == "nobody upstream takes edge.ev.a"
    world.hub.down()

    world.hub.subjects = (b"edge.>",)
    world.hub.up()
    world.clock.advance(limits.UPLINK_RETRY_MAX_NS)

    assert world.hub.payloads() == [b"1"]


def test_answers_that_the_hub_lets_nobody_hear_are_told_at_once_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    world.hub.denies_inboxes = world.hub.loses_answers = world.hub.loses_acks = True
    world.store(b"1")
    world.start()
    told = "the hub's permissions let this leaf hear no answer: allow it to subscribe _INBOX.>"

    for _ in range(3):
        assert world.status.state is State.BLOCKED
        assert (world.status.last_error, world.status.lag_messages) == (told, 1)
        assert world.status.problem == f"is blocked: {told}"
        world.clock.advance(limits.UPLINK_RETRY_MAX_NS)
    assert [record.getMessage() for record in caplog.records] == [
        f"Uplink problem: stream=EV problem={told}"
    ]
    assert world.hub.received == []

    world.hub.denies_inboxes = world.hub.loses_answers = world.hub.loses_acks = False
    world.hub.down()
    world.uplink.link_changed()
    world.hub.up()
    world.uplink.link_changed()
    world.clock.advance(NS_PER_S)
    assert world.status.state is State.RUNNING
    assert world.hub.payloads() == [b"1"]
    assert (world.status.last_error, world.status.former_error) == ("", told)


def test_a_question_that_the_hub_forbids_is_named_so_and_not_waited_for() -> None:
    world = World()
    world.hub.down()
    world.hub.denies_api = True
    world.hub.up()
    world.store(b"1")

    world.start()

    assert (world.status.state, world.status.protection) == (State.RUNNING, Protection.WINDOW)
    assert world.hub.payloads() == [b"1"]
    assert world.hub.questions == []
    told = "its permissions deny $JS.hub.API.STREAM.MSG.GET.AGG to this leaf"
    assert world.status.last_error == f"the hub could not be asked where to go on: {told}"
    assert world.status.problem == f"is running: {world.status.last_error}"


def test_who_wants_no_question_is_well_without_the_right_to_it() -> None:
    world = World(UplinkStream(stream="EV"))
    world.hub.down()
    world.hub.denies_api = True
    world.hub.up()
    world.store(b"1")

    world.start()

    assert (world.status.state, world.status.protection) == (State.RUNNING, Protection.WINDOW)
    assert (world.status.last_error, world.status.problem) == ("", "")


def test_newest_first_waits_where_the_hub_forbids_the_question() -> None:
    world = World(replace(OPTIONS, newest_first=True))
    world.hub.down()
    world.hub.denies_api = True
    world.hub.up()
    world.store(b"1")

    world.start()
    world.clock.advance(limits.UPLINK_ACK_WAIT_NS)

    assert world.hub.payloads() == []
    assert "its permissions deny" in world.status.problem


def test_what_waits_in_a_stream_whose_consumer_cannot_be_made_is_its_lag() -> None:
    world = World()
    world.local.denies_consumers = True
    world.store(b"1", b"2", b"3")
    world.start()
    world.clock.advance(9 * NS_PER_S)

    assert world.status.state is State.OPENING
    assert "maximum consumers limit reached" in world.status.last_error
    assert world.status.lag_messages == 3
    assert world.status.lag_bytes == 3 * len(b"ev.a1")
    assert world.status.lag_seconds == 10

    world.local.denies_consumers = False
    world.clock.advance(limits.UPLINK_RETRY_MAX_NS)
    assert (world.status.lag_messages, world.hub.payloads()) == (0, [b"1", b"2", b"3"])


def test_what_is_acknowledged_is_no_lag_while_the_consumer_is_made_anew() -> None:
    world = World()
    world.store(b"1", b"2")
    world.start()
    assert world.hub.payloads() == [b"1", b"2"]

    world.local.consumers.clear()
    world.local.denies_consumers = True
    world.clock.advance(60 * NS_PER_S)
    assert (world.status.state, world.status.lag_messages) == (State.OPENING, 0)
    world.store(b"3")
    world.clock.advance(10 * NS_PER_S)

    assert world.status.lag_messages == 1


def test_a_subject_that_the_hubs_permissions_deny_is_named_and_held_until_they_change() -> None:
    world = World(dead_letter="DEAD")
    world.hub.denied.add(b"edge.ev.bad")
    world.start()
    world.store(b"1")
    world.store(b"2", subject=b"ev.bad")
    world.store(b"3")

    world.clock.advance(2 * limits.UPLINK_UNTAKEN_NS)

    assert world.status.state is State.REFUSED
    denied = "the hub refuses sequence 2: its permissions deny edge.ev.bad to this leaf"
    assert world.status.last_error == denied
    assert (world.hub.payloads(), world.status.counters.dead_letters) == ([b"1"], 0)
    world.hub.denied.clear()
    world.link_down()  # as permissions that change have it dialed anew
    world.link_up()
    world.clock.advance(NS_PER_S)
    assert world.hub.payloads() == [b"1", b"2", b"3"]
    assert world.status.last_error == ""


@pytest.mark.parametrize("options", [OPTIONS, replace(OPTIONS, newest_first=True)])
def test_more_than_are_remembered_each_under_a_subject_that_nobody_takes_end(
    options: UplinkStream,
) -> None:
    world = World(options, hub_subjects=(b"edge.ev.a",), dead_letter="DEAD")
    world.start()
    count = limits.UPLINK_UNTAKEN_MAX + 44
    for number in range(1, count + 1):
        world.local.store(b"x", b"ev.b.%d" % number)
        if number % 5 == 0:
            world.store(b"%d" % (number // 5))
    world.clock.advance(30 * limits.UPLINK_UNTAKEN_NS)

    assert world.status.counters.dead_letters == count
    assert sorted(world.hub.payloads(), key=int) == numbers(1, count // 5)
    assert (world.status.lag_messages, world.status.problem) == (0, "")


def test_what_is_taken_before_its_minute_is_over_is_no_dead_letter() -> None:
    world = World(hub_subjects=(b"edge.ev.a",), dead_letter="DEAD")
    world.start()
    for number in range(20):
        world.local.store(b"x%d" % number, b"ev.b.%d" % number)
    world.clock.advance(limits.UPLINK_UNTAKEN_NS // 2)
    for number in range(1, 20):
        world.hub.ask_for(b"edge.ev.b.%d" % number)
    world.clock.advance(2 * limits.UPLINK_UNTAKEN_NS)

    assert world.status.counters.dead_letters == 1
    assert world.hub.payloads() == [b"x%d" % number for number in range(1, 20)]
