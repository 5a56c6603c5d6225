"""leafnode.routing.tracing: which messages are traced, and what is noted of them."""

from __future__ import annotations

import random

import pytest

from leafnode.limits import NOTE_WORK, TRACE_NOTES_MAX, TURN_WORK
from leafnode.protocol import header
from leafnode.protocol.errors import MaxPayloadViolation
from leafnode.routing.account import Account
from leafnode.routing.imports import StreamImports
from leafnode.routing.mapping import MappedSubject, Mappings, Weighted
from leafnode.routing.peer import Kind
from leafnode.routing.permissions import Permissions, Rules
from leafnode.routing.tracing import DEST, DISABLED, without_trace
from tests.sim.imports import Slices, stream_import
from tests.sim.peers import FakePeer, account
from tests.sim.tracer import TracedWorld as World
from tests.sim.tracer import hpub

SAMPLED = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_message_that_names_a_destination_is_delivered_and_noted() -> None:
    world = World()

    world.publisher.says(hpub(b"a.b", b"Nats-Trace-Dest: t"))

    assert world.subscriber.got() == (
        b"HMSG a.b 7 32 34\r\nNATS/1.0\r\nNats-Trace-Dest: t\r\n\r\nhi\r\n"
    )
    assert world.tracer.steps() == [
        ("in", {"kind": 0, "cid": 1, "name": "pub", "acc": "A", "subj": "a.b"}),
        ("eg", {"kind": 0, "cid": 2, "name": "sub", "sub": "a.>"}),
    ]
    assert (world.tracer.sent[0].dest, world.tracer.sent[0].size) == (b"t", 34)


@pytest.mark.parametrize("value", [b"1", b"true", b"On"])
def test_trace_only_notes_without_delivering(value: bytes) -> None:
    world = World()

    world.publisher.says(hpub(b"a.b", b"Nats-Trace-Dest: t", b"Nats-Trace-Only: " + value))

    assert world.subscriber.got() == b""
    assert [kind for kind, _ in world.tracer.steps()] == ["in", "eg"]
    assert world.account.traffic.out_msgs == 0


@pytest.mark.parametrize("by_import", [False, True])
def test_of_very_many_receivers_a_trace_lists_the_first_and_each_is_work(
    *, by_import: bool
) -> None:
    world = World()
    importer = Account("I", world.account.system.outbox)
    imports = stream_import(world.account, b"b", b"b", allow_trace=True)
    StreamImports(importer, [imports]).start()
    reader = FakePeer(importer if by_import else world.account, 3)
    for number in range(TRACE_NOTES_MAX + 100):
        reader.subscribe(b"b", b"%d" % number)
    world.publisher.outbox.work_left = TURN_WORK

    world.publisher.lane.feed(hpub(b"b", b"Nats-Trace-Dest: t") * 2)
    world.publisher.lane.next_line()

    assert len(world.tracer.sent) == 1
    assert reader.got().count(b"HMSG b ") == TRACE_NOTES_MAX + 100
    assert len(world.tracer.sent[0].notes) == TRACE_NOTES_MAX
    assert world.publisher.outbox.work_left <= TURN_WORK - TRACE_NOTES_MAX * NOTE_WORK
    world.tracer.sent[0].note("js", stream="S")
    assert world.tracer.sent[0].notes[-1].type == "js"


def test_trace_only_with_another_value_delivers() -> None:
    world = World()

    world.publisher.says(hpub(b"a.b", b"Nats-Trace-Dest: t", b"Nats-Trace-Only: no"))

    assert world.subscriber.got() != b""


def test_a_message_that_nobody_gets_is_noted_too() -> None:
    world = World()

    world.publisher.says(hpub(b"x", b"Nats-Trace-Dest: t"))

    assert [kind for kind, _ in world.tracer.steps()] == ["in"]


def test_of_a_run_each_message_is_judged_by_its_own_header() -> None:
    world = World()
    one = hpub(b"a.b", b"Nats-Trace-Dest: t")
    other = hpub(b"a.b", b"Nobody-Trace-It: t")
    assert len(one) == len(other)

    world.publisher.says(other + one + other + one + one)

    assert len(world.tracer.sent) == 3
    assert world.subscriber.got().count(b"HMSG a.b 7 ") == 5
    assert world.account.traffic.in_msgs == 5


def test_without_a_tracer_who_asks_is_judged_as_other_servers_would() -> None:
    """One behind a leaf link may trace it: to where its publisher may not publish."""
    world = World()
    world.account.tracer = None
    world.publisher.says(hpub(b"a.b", b"Nats-Trace-Dest: t"))
    assert world.subscriber.got().count(b"HMSG") == 1
    world.publisher.says(hpub(b"a.b", b"Nats-Trace-Dest: t", b"Nats-Trace-Only: 1"))
    world.publisher.permissions = Permissions(Rules(allow=[b"a.>"]), Rules())

    world.publisher.says(hpub(b"a.b", b"Nats-Trace-Dest: t"))

    assert b'Violation for Publish to "t"' in world.publisher.got()
    assert world.subscriber.got() == b""


def test_the_name_in_a_payload_traces_nothing() -> None:
    world = World()

    world.publisher.says(hpub(b"a.b", b"X: 1", payload=b"\r\nNats-Trace-Dest: t\r\n"))

    assert world.tracer.sent == []


def test_a_destination_that_the_publisher_may_not_publish_to_is_refused_with_the_message() -> None:
    world = World()
    world.publisher.permissions = Permissions(Rules(allow=[b"a.>"]), Rules())

    world.publisher.says(hpub(b"a.b", b"Nats-Trace-Dest: secret.x"))

    assert world.publisher.got() == (
        b"-ERR 'Permissions Violation for Publish to \"secret.x\"'\r\n"
    )
    assert (world.subscriber.got(), world.tracer.sent) == (b"", [])


@pytest.mark.parametrize("dest", [b"_GR_.x", b"$NRG.x"])
def test_a_destination_between_servers_is_refused(dest: bytes) -> None:
    world = World()

    world.publisher.says(hpub(b"a.b", b"Nats-Trace-Dest: " + dest))

    assert b"Permissions Violation" in world.publisher.got()
    assert world.tracer.sent == []


@pytest.mark.parametrize("dest", [b"a.*", b"a..b", b"with blank"])
def test_a_destination_that_is_no_subject_delivers_untraced(dest: bytes) -> None:
    world = World()

    world.publisher.says(hpub(b"a.b", b"Nats-Trace-Dest: " + dest))

    assert world.subscriber.got() != b""
    assert (world.tracer.sent, len(world.tracer.complaints)) == ([], 1)


def test_trace_only_without_a_possible_destination_delivers_nothing() -> None:
    world = World()

    world.publisher.says(hpub(b"a.b", b"Nats-Trace-Dest: a.*", b"Nats-Trace-Only: 1"))

    assert (world.subscriber.got(), world.tracer.sent) == (b"", [])


def test_the_header_of_an_old_server_ends_tracing_for_everybody() -> None:
    world = World()

    world.publisher.says(hpub(b"a.b", b"Nats-Trace-Dest: t", b"Nats-Trace-Origin-Account: B"))

    assert world.tracer.sent == []
    assert b"Nats-Trace-Dest: trace disabled\r\n" in world.subscriber.got()


def test_a_denied_publish_is_noted_with_the_error() -> None:
    world = World()
    world.publisher.permissions = Permissions(Rules(allow=[b"t"]), Rules())

    world.publisher.says(hpub(b"a.b", b"Nats-Trace-Dest: t"))

    [(_, fields)] = world.tracer.steps()
    assert fields["error"] == 'Permissions Violation for Publish to "a.b"'


def test_why_somebody_does_not_get_it_is_noted() -> None:
    world = World()
    world.subscriber.permissions = Permissions(Rules(), Rules(deny=[b"a.b"]))
    world.publisher.subscribe(b"a.b", b"1")
    world.publisher.echo = False

    world.publisher.says(hpub(b"a.b", b"Nats-Trace-Dest: t"))

    errors = {fields["cid"]: fields.get("error") for _, fields in world.tracer.steps()[1:]}
    assert errors == {
        1: "Not delivered because of no echo",
        2: "Not delivered because subscription denies this subject",
    }


def test_what_ended_is_noted_as_closed_until_its_very_many_shadows_are_gone() -> None:
    world = World()
    importer = Account("I", world.account.system.outbox)
    many = [stream_import(world.account, b"b.%d" % one, b"in.%d" % one) for one in range(1000)]
    StreamImports(importer, many).start()
    reader = FakePeer(importer, 3)
    sub = reader.subscribe(b"in.>", b"1")
    reader.says(b"")
    Slices(world.account.system.outbox)

    importer.remove(sub)
    world.publisher.says(hpub(b"b.999", b"Nats-Trace-Dest: t"))

    [_, (_, fields)] = world.tracer.steps()
    assert (fields["cid"], fields["error"]) == (3, "Not delivered because subscription is closed")
    assert reader.got() == b""


def test_a_member_of_a_group_is_noted_with_its_queue() -> None:
    world = World()
    member = FakePeer(world.account, 3)
    member.subscribe(b"q", b"1", b"workers")

    world.publisher.says(hpub(b"q", b"Nats-Trace-Dest: t"))

    assert world.tracer.steps()[1] == ("eg", {"kind": 0, "cid": 3, "sub": "q", "queue": "workers"})


def test_a_mapping_is_noted() -> None:
    world = World()
    mapped = MappedSubject(b"old", [Weighted(b"a.new", 100)])
    world.account.mappings = Mappings([mapped], random.Random(1))

    world.publisher.says(hpub(b"old", b"Nats-Trace-Dest: t"))

    assert [step for step in world.tracer.steps() if step[0] != "eg"] == [
        ("in", {"kind": 0, "cid": 1, "name": "pub", "acc": "A", "subj": "old"}),
        ("sm", {"to": "a.new"}),
    ]


def test_a_mapping_that_leaves_a_subject_where_it_is_is_noted_too() -> None:
    world = World()
    mapped = MappedSubject(b"old", [Weighted(b"a.new", 0)])
    world.account.mappings = Mappings([mapped], random.Random(1))

    world.publisher.says(hpub(b"old", b"Nats-Trace-Dest: t"))

    assert world.tracer.steps()[1] == ("sm", {"to": "old"})


def test_another_server_is_told_the_way_and_gets_it_even_when_nobody_is_to() -> None:
    world = World()
    link = FakePeer(world.account, 9, Kind.LEAF)
    link.subscribe(b"z", b"")

    world.publisher.says(hpub(b"z", b"Nats-Trace-Dest: t", b"Nats-Trace-Only: 1"))

    assert b"Nats-Trace-Hop: 1\r\n" in link.got()
    assert world.tracer.steps()[1] == ("eg", {"kind": 4, "cid": 9, "hop": "1"})
    assert world.tracer.sent[0].hops == 1


def test_a_server_that_does_not_trace_gets_no_message_that_is_only_traced() -> None:
    world = World()
    link = FakePeer(world.account, 9, Kind.LEAF)
    link.traces = False
    link.subscribe(b"z", b"")

    world.publisher.says(hpub(b"z", b"Nats-Trace-Dest: t", b"Nats-Trace-Only: 1"))

    assert link.got() == b""
    error = "Not delivered because remote does not support message tracing"
    assert world.tracer.steps()[1] == ("eg", {"kind": 4, "cid": 9, "hop": "1", "error": error})


def test_a_server_that_does_not_trace_gets_a_traced_message_and_nothing_more_is_told() -> None:
    world = World()
    link = FakePeer(world.account, 9, Kind.LEAF)
    link.traces = False
    link.subscribe(b"z", b"")

    world.publisher.says(hpub(b"z", b"Nats-Trace-Dest: t"))

    assert link.got().startswith(b"HMSG z ")
    error = str(world.tracer.steps()[1][1]["error"])
    assert error.startswith("Message delivered but remote does not support message tracing so no")


def test_the_way_that_a_client_claims_is_not_believed_a_servers_is() -> None:
    world = World()
    link = FakePeer(world.account, 9, Kind.LEAF)
    link.subscribe(b"z", b"")

    world.publisher.says(hpub(b"z", b"Nats-Trace-Dest: t", b"Nats-Trace-Hop: 5"))

    assert b"Nats-Trace-Hop: 1\r\n" in link.got()


def test_a_message_from_a_leaf_is_traced_under_its_kind() -> None:
    world = World()
    link = FakePeer(world.account, 9, Kind.LEAF)

    link.says(hpub(b"a.b", b"Nats-Trace-Dest: t", b"Nats-Trace-Hop: 1.2", verb=b"HMSG"))

    assert world.tracer.steps()[0] == ("in", {"kind": 4, "cid": 9, "acc": "A", "subj": "a.b"})
    assert world.subscriber.got() != b""


def test_a_stream_import_is_noted_and_followed_only_where_it_allows_that() -> None:
    for allow, kinds in ((False, ["in", "se", "eg"]), (True, ["in", "se", "eg", "eg"])):
        world = World()
        importer = account("B")
        reader = FakePeer(importer, 5)
        stream = stream_import(world.account, b"a.>", b"from.a.>", allow_trace=allow)
        StreamImports(importer, [stream]).start()
        reader.subscribe(b"from.a.b", b"1")

        world.publisher.says(hpub(b"a.b", b"Nats-Trace-Dest: t"))

        steps = world.tracer.steps()
        assert sorted(kind for kind, _ in steps) == sorted(kinds)
        assert ("se", {"acc": "B", "to": "from.a.b"}) in steps
        assert reader.got() != b""


def test_who_gets_a_message_through_a_stream_import_is_noted_by_the_exporters_subject() -> None:
    world = World()
    importer = account("B")
    stream = stream_import(world.account, b"a.*", b"from.a.*", allow_trace=True)
    StreamImports(importer, [stream]).start()
    FakePeer(importer, 5).subscribe(b"from.>", b"1", b"q")

    world.publisher.says(hpub(b"a.b", b"Nats-Trace-Dest: t"))

    there = {"kind": 0, "cid": 5, "acc": "B", "sub": "a.*", "queue": "q"}
    assert ("eg", there) in world.tracer.steps()


def test_trace_only_does_not_reach_through_a_stream_import() -> None:
    world = World()
    importer = account("B")
    reader = FakePeer(importer, 5)
    StreamImports(importer, [stream_import(world.account, b"a.>", b"from.a.>")]).start()
    reader.subscribe(b"from.a.b", b"1")

    world.publisher.says(hpub(b"a.b", b"Nats-Trace-Dest: t", b"Nats-Trace-Only: 1"))

    assert reader.got() == b""


@pytest.mark.parametrize("name", [b"traceparent", b"Traceparent", b"TRACEPARENT"])
def test_a_traceparent_is_traced_to_where_the_account_says(name: bytes) -> None:
    world = World()
    world.account.trace_dest = b"acc.traces"

    world.publisher.says(hpub(b"a.b", name + b": " + SAMPLED))

    assert world.tracer.sent[0].dest == b"acc.traces"
    assert world.subscriber.got() != b""


@pytest.mark.parametrize("value", [SAMPLED[:-1] + b"0", b"00-1-01", b"x-y-z-zz", b"a-b-c-ff"])
def test_a_traceparent_that_is_not_sampled_is_not_traced(value: bytes) -> None:
    world = World()
    world.account.trace_dest = b"acc.traces"

    world.publisher.says(hpub(b"a.b", b"traceparent: " + value))

    assert world.tracer.sent == []


def test_an_account_without_a_destination_traces_no_traceparent() -> None:
    world = World()

    world.publisher.says(hpub(b"a.b", b"traceparent: " + SAMPLED))

    assert world.tracer.sent == []


def test_what_the_dice_leave_out_is_traced_by_no_other_server_either() -> None:
    world = World(sampled=False)
    world.account.trace_dest = b"acc.traces"

    world.publisher.says(hpub(b"a.b", b"traceparent: " + SAMPLED))

    assert world.tracer.sent == []
    assert b"Nats-Trace-Dest: trace disabled\r\n" in world.subscriber.got()


def test_a_header_is_made_untraceable() -> None:
    block = without_trace(b"NATS/1.0\r\nNats-Trace-Dest: t\r\nA: 1\r\n\r\n")

    assert header.get(block, DEST) == DISABLED
    assert block.count(DEST) == 1
    assert header.get(block, b"A") == b"1"


def test_a_requester_hears_that_nobody_is_there_also_when_it_traces() -> None:
    world = World()
    world.publisher.no_responders = True
    world.publisher.subscribe(b"in", b"3")

    world.publisher.says(hpub(b"x in", b"Nats-Trace-Dest: t"))

    assert b"NATS/1.0 503" in world.publisher.got()
    assert len(world.tracer.sent) == 1


def test_a_trace_waits_for_all_that_have_something_to_add() -> None:
    world = World()
    held = []

    world.account.subscribe(b"s", lambda delivery: held.append(delivery.trace))
    world.account.subscribe(b"s", lambda delivery: delivery.trace and delivery.trace.hold())
    world.publisher.says(hpub(b"s", b"Nats-Trace-Dest: t"))
    before = len(world.tracer.sent)
    held[0].release()

    assert (before, len(world.tracer.sent)) == (0, 1)


def test_a_message_that_is_too_large_is_noted_with_the_error() -> None:
    world = World()

    with pytest.raises(MaxPayloadViolation):
        world.publisher.says(hpub(b"a.b", b"Nats-Trace-Dest: t", payload=b"x" * 2000))

    [(kind, fields)] = world.tracer.steps()
    assert (kind, fields["error"]) == ("in", "maximum payload exceeded")
