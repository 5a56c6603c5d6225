"""What a stream on its way back may not be, and how much of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from leafnode import limits
from leafnode.jetstream.archive import ArchiveWriter, Begin, KeptConsumer, KeptSources
from leafnode.jetstream.consumer_state import ConsumerState
from leafnode.store.api import StoredMsg
from tests.sim.positions import encoded
from tests.unit.jetstream.archives import (
    archive,
    ask,
    begin,
    error_of,
    give,
    kept,
    message,
    refusal,
    send,
    stored,
)
from tests.unit.jetstream.real_world import RealWorld
from tests.unit.jetstream.world import World

if TYPE_CHECKING:
    from pathlib import Path


S = 1_000_000_000
FAR = 16 * 65536


def bounded(**facts: Any) -> World:
    world = World()
    world.js.shut_down()
    world.js = world.enable(world.account, **facts)
    world.js.recover(lambda: None)
    return world


def test_what_says_it_is_larger_than_the_room_is_refused_before_it_is_stored() -> None:
    world = bounded(max_file_bytes=1000)
    data = archive(message(1), size=1001)
    subject = begin(world)

    (answer,) = send(world, subject, data)

    text = "insufficient storage resources available"
    assert error_of(json.loads(answer.payload)) == (500, 10047, text)
    assert stored(world) == []


def test_what_lies_about_its_size_is_refused() -> None:
    assert refusal(give(World(), archive(message(1), size=3))) == "holds more than it says"


def test_messages_beyond_the_streams_own_bound_are_refused() -> None:
    answer = give(World(), archive(message(1, b"12345")), max_msg_size=4)

    assert refusal(answer) == "holds message 1, which exceeds maximum message size"


def test_messages_beyond_the_servers_bound_are_refused_unread() -> None:
    world = bounded(max_payload=lambda: 10)
    subject = begin(world)

    (answer,) = send(world, subject, archive(message(1, b"x" * 70_000)))

    assert refusal(json.loads(answer.payload)).startswith("holds a message of ")


def test_messages_larger_than_a_client_may_send_are_refused() -> None:
    answer = give(bounded(max_payload=lambda: 10), archive(message(1, b"x" * 11)))

    assert refusal(answer) == "holds message 1, which exceeds maximum payload size"
    assert "error" not in give(bounded(max_payload=lambda: 11), archive(message(1, b"x" * 11)))


def test_a_lifetime_that_is_none_is_refused_where_there_are_any() -> None:
    block = b"NATS/1.0\r\nNats-TTL: zz\r\n\r\n"
    data = archive(StoredMsg(1, b"s.a", 1, len(block), block + b"x"))

    answer = give(World(), data, allow_msg_ttl=True)

    assert refusal(answer) == "holds message 1 with an invalid per-message TTL"
    assert "error" not in give(World(), data)


@pytest.mark.parametrize("subject", ["s.*", "s.>", "other.a", "$SYS.REQ.x", "a..b", ".a"])
def test_a_subject_that_no_publish_has_comes_back_as_by_nats_server(subject: str) -> None:
    world = World()

    answer = give(world, archive(message(1, subject=subject.encode())))

    assert answer["state"]["messages"] == 1
    assert world.api("STREAM.MSG.GET.S", {"seq": 1})["message"]["subject"] == subject
    world.create_consumer()
    [got] = world.fetch({"batch": 1, "no_wait": True})
    assert (got.subject.decode(), got.payload) == (subject, b"x")
    assert world.api("STREAM.PURGE.S", {"filter": subject})["purged"] == 1


@pytest.mark.parametrize("block", [b"abcde", b"\r\n\r\n", b"NATS/1.0", b"NATS/1.0\r\n:\r\nA"])
def test_a_header_that_is_none_is_passed_on_as_it_is(block: bytes) -> None:
    options = {
        "allow_msg_ttl": True,
        "subject_delete_marker_ttl": S,
        "allow_rollup_hdrs": True,
        "allow_direct": True,
    }
    world = World()

    give(world, archive(StoredMsg(1, b"s.a", 1, len(block), block + b"x")), **options)
    world.restart()
    world.create_consumer()
    [got] = world.fetch({"batch": 1, "no_wait": True})

    assert (got.block, got.payload) == (block, b"x")


def test_messages_that_each_take_a_table_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RESTORE_SPANS_MAX", 3)
    seqs = [seq * limits.SEGMENT_SPAN_MAX for seq in range(1, 6)]
    far = archive(*(message(seq) for seq in seqs), last_seq=FAR)

    assert refusal(give(World(), far)).startswith("is too sparse")
    near = archive(*(message(seq) for seq in seqs[:3]), last_seq=FAR)
    assert "error" not in give(World(), near)


def test_an_end_far_away_takes_no_room(tmp_path: Path) -> None:
    world = RealWorld(tmp_path)

    answer = give(world, archive(message(1), last_seq=2**60))

    assert answer["state"]["last_seq"] == 2**60
    assert world.put("s.a")["seq"] == 2**60 + 1


@pytest.mark.parametrize(
    ("consumer", "err_code", "text"),
    [
        (kept(b"junk"), 10062, "consumer state cannot be read"),
        (kept(encoded(ConsumerState(entries=[(-1, 1, 1)]))), 10062, "consumer state cannot be"),
        (kept(encoded(ConsumerState(listed=[2**63]))), 10062, "consumer state cannot be"),
        (
            kept(encoded(ConsumerState(entries=[(n, n, 1) for n in range(65537)]))),
            10062,
            "consumer state cannot be",
        ),
        (kept(name="a.b"), 10052, "consumer name can not contain"),
        (KeptConsumer("C", 7, b'{"durable_name":"D"}', b""), 10062, "a consumer cannot be"),
        (kept(direct=True, deliver_subject="d"), 10091, ""),
        (kept(deliver_subject="a.*"), 10079, ""),
        (kept(filter_subject="a", filter_subjects=["b"]), 10136, ""),
        (KeptConsumer("C", 7, b"[]", b""), 10025, ""),
    ],
)
def test_consumers_that_could_not_be_made_are_not_restored(
    consumer: KeptConsumer, err_code: int, text: str
) -> None:
    world = World()

    code = error_of(give(world, archive(message(1), consumers=(consumer,)), size=1_000_000))

    assert code[1] == err_code
    assert text in code[2]
    assert stored(world) == []


def test_one_consumer_does_not_come_twice() -> None:
    answer = give(World(), archive(message(1), consumers=(kept(), kept())))

    assert refusal(answer) == "is damaged: a consumer cannot be"


def test_a_stream_has_no_more_consumers_than_it_may() -> None:
    two = tuple(kept(name=name) for name in "CD")

    assert error_of(give(World(), archive(consumers=two), max_consumers=1))[1] == 10026


def test_all_consumers_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ARCHIVE_CONSUMERS_BYTES_MAX", 10)

    assert refusal(give(World(), archive(consumers=(kept(),)))) == "holds too much of consumers"


def test_consumers_of_a_work_queue_do_not_share() -> None:
    two = tuple(kept(name=name) for name in "CD")

    answer = give(World(), archive(consumers=two), retention="workqueue")

    assert error_of(answer)[1] == 10099


def test_positions_of_sources_that_cannot_be_read_are_refused() -> None:
    writer = ArchiveWriter()
    beginning = Begin("S", 5, b"{}", 1, 0, 0, 0, 0)
    data = writer.begin(beginning) + writer.sources(KeptSources(b"[1]")) + writer.end()

    text = "restore failed: the sources' positions cannot be read"
    assert error_of(give(World(), data)) == (500, 10062, text)


def test_snapshots_and_restores_share_a_bound() -> None:
    world = World()
    world.create_stream("T")
    for _ in range(limits.TRANSFERS_ACCOUNT_MAX - 1):
        begin(world)
    assert "error" not in ask(world, "T")

    refused = world.error("STREAM.RESTORE.S", {"config": {"name": "S"}, "state": {}})

    assert refused == (429, 10167, "too many requests")
    world.clock.advance(limits.RESTORE_IDLE_NS)
    begin(world)


def test_a_stream_that_is_deleted_before_its_limits_hold_was_not_restored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "PURGE_TURN_MSGS", 1)
    world = World()
    subject = begin(world, max_msgs_per_subject=1)
    send(world, subject, archive(*(message(seq) for seq in range(1, 11))))
    last = world.request(subject, b"")
    while world.api("STREAM.INFO.S").get("state", {}).get("messages", 10) == 10:
        world.clock.turn()

    assert world.state()["messages"] > 1
    assert last == []
    world.api("STREAM.DELETE.S")
    world.settle()

    assert json.loads(last[0].payload)["error"]["err_code"] == 10059
