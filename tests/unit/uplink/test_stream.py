"""One stream's way to the hub: order, resume, refusals, the bound of the window.

Truth: docs/uplink.md. The hub behaves as measured on nats-server 2.15.1.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.config.options import UplinkStream
from leafnode.routing.account import Account
from leafnode.routing.peer import Outbox
from leafnode.uplink.status import Protection, State
from leafnode.uplink.stream import StreamUplink
from tests.sim.clock import FakeClock
from tests.sim.hub import DUPLICATE_WINDOW_NS, FakeHub
from tests.sim.local_jetstream import LocalJetStream

if TYPE_CHECKING:
    from leafnode.uplink.status import UplinkStatus

OPTIONS = UplinkStream(stream="EV", hub_stream="AGG", domain="hub")
OUTAGE_NS = DUPLICATE_WINDOW_NS + 60 * NS_PER_S


class World:
    """An edge with one stream, a hub behind a link, and time that passes when told to."""

    def __init__(
        self,
        options: UplinkStream = OPTIONS,
        *,
        subjects: tuple[str, ...] = ("ev.>",),
        hub_subjects: tuple[bytes, ...] = (b"edge.>",),
    ) -> None:
        self.clock = FakeClock()
        outbox = Outbox(lambda: None)
        outbox.wake = lambda: self._soon(outbox)
        self.account = Account("$G", outbox)
        self.options = options
        self.local = LocalJetStream(self.account, self.clock, subjects=subjects)
        self.hub = FakeHub(self.account, self.clock, subjects=hub_subjects)
        self._runs = 0
        self.uplink = self._new()

    def _soon(self, outbox: Outbox) -> None:
        self.clock.call_later(0, outbox.flush)

    def _new(self) -> StreamUplink:
        self._runs += 1
        return StreamUplink(
            self.options,
            account=self.account,
            server_name="edge",
            consumer="leafnode-uplink-EV",
            clock=self.clock,
            random=random.Random(self._runs),
            link=self.hub,
        )

    def start(self) -> None:
        self.uplink.start()
        self.clock.advance(NS_PER_S)

    def restart(self) -> None:
        """The process dies and comes back; the store is what it was."""
        self.uplink.stop()
        self.local.forget_pulls()
        self.uplink = self._new()
        self.uplink.start()

    def store(self, *payloads: bytes) -> None:
        for payload in payloads:
            self.local.store(payload)

    def link_down(self) -> None:
        self.hub.down()
        self.uplink.link_changed()

    def link_up(self) -> None:
        self.hub.up()
        self.uplink.link_changed()

    @property
    def status(self) -> UplinkStatus:
        return self.uplink.status()

    @property
    def pending(self) -> list[int]:
        return sorted(self.local.consumers["leafnode-uplink-EV"].pending)


def numbers(first: int, last: int) -> list[bytes]:
    return [b"%d" % number for number in range(first, last + 1)]


def test_stored_messages_reach_the_hub_in_order_under_the_prefix_and_are_acknowledged() -> None:
    world = World()
    world.store(b"1", b"2")
    world.start()

    world.local.store(b"3", b"ev.b")
    world.clock.advance(NS_PER_S)

    assert world.hub.payloads() == [b"1", b"2", b"3"]
    assert world.hub.stored[3].subject == b"edge.ev.b"
    assert world.local.acks == [1, 2, 3]
    assert world.status.state is State.RUNNING
    assert world.status.protection is Protection.ASKED
    assert world.status.lag_messages == 0
    assert world.status.counters.uplinked == 3


def test_nothing_is_acknowledged_here_before_the_hub_acknowledged_it() -> None:
    world = World()
    world.hub.loses_acks = True
    world.store(b"1")
    world.uplink.start()

    world.clock.advance(4 * NS_PER_S)

    assert world.hub.payloads() == [b"1"]
    assert world.local.acks == []


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


def test_what_the_hub_has_shows_at_once_and_stays_while_the_link_is_down() -> None:
    world = World()
    world.start()
    world.clock.advance(limits.UPLINK_LAG_REFRESH_NS // 2)

    world.store(b"1", b"2", b"3")
    world.clock.advance(100 * NS_PER_MS)
    assert world.status.acked_seq == 3

    world.link_down()
    world.store(b"4")
    world.clock.advance(100 * NS_PER_MS)
    assert world.status.acked_seq == 3


def test_a_gap_holds_back_up_to_where_everything_is_said_to_be_at_the_hub() -> None:
    world = World()
    world.hub.refuses.add(b"bad")
    world.store(b"1", b"bad", b"3")

    world.start()

    assert world.hub.payloads() == [b"1", b"3"]
    assert world.status.acked_seq == 1


def test_an_error_that_is_over_is_a_former_one_with_the_time_of_its_end() -> None:
    world = World()
    world.start()
    assert (world.status.last_error, world.status.former_error_ns) == ("", 0)

    world.link_down()
    assert world.status.last_error == "the link to the hub was lost"
    world.clock.advance(60 * NS_PER_S)
    assert world.status.former_error == ""

    world.link_up()
    world.clock.advance(NS_PER_S)
    assert world.status.last_error == ""
    assert world.status.former_error == "the link to the hub was lost"
    assert world.clock.wall_ns() - world.status.former_error_ns <= NS_PER_S


def test_an_error_stays_while_nothing_shows_that_it_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(UplinkStream(stream="EV"))
    world.start()
    world.hub.loses_acks = True
    world.store(b"1")

    world.clock.advance(OPTIONS.ack_timeout_ns + NS_PER_S)
    for _ in range(60):
        world.clock.advance(NS_PER_S)
        assert world.status.last_error == "the hub did not acknowledge in time"

    assert caplog.text.count("did not acknowledge in time") == 1


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


def test_the_hub_is_asked_for_each_subject_of_the_stream() -> None:
    world = World(subjects=("ev.*", "alarm.>"))

    world.start()

    asked = [question["last_by_subj"] for question in world.hub.questions]
    assert asked == ["edge.ev.*", "edge.alarm.>"]


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
    assert "this stream ends before it" in world.status.last_error


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


def test_a_refused_message_is_tried_again_with_growing_pauses_and_never_dropped() -> None:
    world = World()
    world.hub.refuses.add(b"bad")
    world.store(b"1", b"bad", b"3")
    world.start()
    assert world.status.state is State.REFUSED
    assert world.hub.payloads() == [b"1", b"3"]
    assert "sequence 2: message size exceeds maximum (10054)" in world.status.last_error

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


def test_the_window_holds_no_more_than_its_number_of_messages() -> None:
    world = World(UplinkStream(stream="EV", hub_stream="AGG", domain="hub", window_msgs=4))
    world.start()
    world.hub.loses_acks = True

    world.store(*numbers(1, 5))
    world.clock.advance(NS_PER_S)

    assert world.hub.payloads() == numbers(1, 4)
    assert world.status.in_flight == 4
    assert world.pending == [1, 2, 3, 4]


def test_the_window_holds_no_more_than_its_bytes() -> None:
    options = UplinkStream(stream="EV", hub_stream="AGG", domain="hub", window_bytes=1000)
    world = World(options)
    world.hub.loses_acks = True

    world.store(*[b"x" * 240] * 5)
    world.start()

    assert len(world.hub.payloads()) == 4
    assert world.status.window_bytes == 4 * (240 + len(b"ev.a"))


def test_one_message_larger_than_the_window_goes_alone() -> None:
    options = UplinkStream(stream="EV", hub_stream="AGG", domain="hub", window_bytes=100)
    world = World(options)

    world.store(b"1", b"x" * 500, b"3")
    world.start()

    assert world.hub.payloads() == [b"1", b"x" * 500, b"3"]


def test_a_local_stream_that_captures_the_upstream_subjects_is_named_and_blocks() -> None:
    world = World(subjects=(">",))

    world.store(b"1")
    world.start()

    assert world.status.state is State.BLOCKED
    assert world.status.last_error == "stream EV would capture its own > again"
    assert world.hub.received == []


def test_a_pub_ack_of_this_server_blocks() -> None:
    world = World()
    world.account.subscribe(
        b"edge.>",
        lambda delivery: (
            world.account.publish(
                delivery.messages[0][0], b'{"stream":"MINE","domain":"edge","seq":1}'
            )
            and None
        ),
    )

    world.store(b"1")
    world.start()

    assert world.status.state is State.BLOCKED
    assert world.status.last_error == "stream MINE of this server captures edge.>"
    assert world.local.acks == []


def test_a_pub_ack_of_another_hub_stream_does_not_count() -> None:
    world = World()
    world.start()
    world.hub.stream = "OTHER"

    world.store(b"1")
    world.clock.advance(NS_PER_S)

    assert world.local.acks == []
    assert "stored by stream OTHER of domain 'hub' instead" in world.status.last_error


def test_the_domain_of_the_hub_must_not_be_our_own() -> None:
    world = World(UplinkStream(stream="EV", hub_stream="AGG", domain="edge"))

    world.start()

    assert world.status.state is State.BLOCKED
    assert world.status.last_error == "domain edge is this server's own, not the hub's"


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


def test_a_missing_local_stream_is_waited_for() -> None:
    world = World()
    world.local.name = "LATER"
    world.start()
    assert world.status.state is State.OPENING
    assert world.status.last_error == "stream EV: stream not found (10059)"

    world.local.name = "EV"
    world.store(b"1")
    world.clock.advance(limits.UPLINK_RETRY_MAX_NS)

    assert world.hub.payloads() == [b"1"]


def test_a_consumer_that_was_deleted_is_made_anew() -> None:
    world = World()
    world.start()
    consumer = world.local.consumers.pop("leafnode-uplink-EV")
    inbox = consumer.pulls[0].inbox
    block = b"NATS/1.0 409 Consumer Deleted\r\n\r\n"

    world.account.publish(inbox, block, header_size=len(block))
    world.store(b"1")
    world.clock.advance(2 * NS_PER_S)

    assert world.hub.payloads() == [b"1"]


def test_offline_the_lag_counts_what_waits() -> None:
    world = World()
    world.start()
    world.link_down()

    world.store(*numbers(1, 300))
    world.clock.advance(limits.UPLINK_LAG_REFRESH_NS)

    assert world.status.state is State.OFFLINE
    assert world.status.lag_messages == 300
    assert world.hub.received == []


def test_the_backlog_flows_within_two_seconds_of_the_link() -> None:
    world = World()
    world.start()
    world.link_down()
    world.store(*numbers(1, 1000))
    world.clock.advance(OUTAGE_NS)

    world.link_up()
    world.clock.advance(2 * NS_PER_S)

    assert world.hub.payloads() == numbers(1, 1000)


def test_a_stopped_uplink_leaves_no_timer_and_no_interest() -> None:
    world = World()
    world.start()
    world.store(b"1")

    world.uplink.stop()
    world.local.forget_pulls()
    world.clock.advance(60 * NS_PER_S)

    assert world.clock.pending() == 0
    assert not any(subject.startswith(b"_INBOX.") for subject, _ in world.account.local_interest)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_link_does_every_message_is_at_the_hub_once(seed: int) -> None:
    rng = random.Random(seed)
    world = World(UplinkStream(stream="EV", hub_stream="AGG", domain="hub", window_msgs=16))
    world.uplink.start()
    sent = 0
    for _ in range(60):
        for _ in range(rng.randrange(8)):
            sent += 1
            world.store(b"%d" % sent)
        world.clock.advance(rng.randrange(1, 60) * NS_PER_MS)
        match rng.randrange(8):
            case 0:
                world.link_down()
                world.clock.advance(rng.choice([NS_PER_MS, NS_PER_S, OUTAGE_NS]))
                world.link_up()
            case 1:
                world.restart()
            case 2:
                world.hub.refuses = {b"%d" % rng.randrange(sent + 5)}
            case 3:
                world.hub.refuses = set()
            case 4:
                world.hub.loses_acks = not world.hub.loses_acks
            case 5:
                world.hub.loses_answers = not world.hub.loses_answers
            case 6:
                world.hub.publish(b"edge.other", b"stranger")
    world.hub.refuses = set()
    world.hub.loses_acks = world.hub.loses_answers = False
    world.clock.advance(200 * NS_PER_S)

    arrived = [payload for payload in world.hub.payloads() if payload != b"stranger"]
    assert sorted(arrived, key=int) == numbers(1, sent)
    assert world.pending == []
