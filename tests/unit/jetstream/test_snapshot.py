"""A stream on its way out: what is sent when, and how it ends."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from leafnode import limits
from leafnode.errors import StoreBusy, StoreCorrupt, StoreError, StoreFailed
from leafnode.jetstream import consumer_state
from leafnode.jetstream.archive import ArchiveReader, Begin, KeptConsumer, KeptSources
from leafnode.jetstream.snapshot import _Pages
from leafnode.store.api import StoredMsg
from tests.unit.jetstream.archives import ask, error_of, take
from tests.unit.jetstream.real_world import RealWorld
from tests.unit.jetstream.world import World

if TYPE_CHECKING:
    from pathlib import Path

    from leafnode.jetstream.archive import Record

S = 1_000_000_000
SMALL = {"chunk_size": 1024, "window_size": 2048}


def filled(count: int = 10, size: int = 1000) -> World:
    world = World()
    world.create_stream()
    for number in range(count):
        world.publish(f"s.{number}", b"x" * size)
    return world


def records(data: bytes) -> list[Record]:
    reader = ArchiveReader(message_bytes_max=limits.MAX_PAYLOAD_BYTES)
    reader.feed(data)
    found: list[Record] = []
    while (record := reader.take()) is not None or reader.has_more:
        if record is not None:
            found.append(record)
    reader.close()
    return found


def told(world: World, word: str) -> list[dict[str, object]]:
    """Listen for advisories; the list grows."""
    heard: list[dict[str, object]] = []
    subject = f"$JS.EVENT.ADVISORY.STREAM.SNAPSHOT_{word}.S"
    world.account.subscribe(
        subject.encode(), lambda run: heard.extend(json.loads(m[2]) for m in run.messages)
    )
    return heard


def test_the_answer_says_what_the_stream_is_and_the_archive_holds_it() -> None:
    world = filled(3, 5)
    world.api("STREAM.MSG.DELETE.S", {"seq": 2})
    world.create_consumer()

    heard = world.listen("chunks")
    answer = ask(world)
    found = records(heard[0].payload)

    assert answer["type"] == "io.nats.jetstream.api.v1.stream_snapshot_response"
    assert answer["state"] == world.state()
    assert answer["config"]["metadata"] == {"_nats.req.level": "0"}
    begin, consumer, first, third, end = found
    assert isinstance(begin, Begin)
    assert (begin.name, begin.first_seq, begin.last_seq, begin.messages) == ("S", 1, 3, 2)
    assert isinstance(consumer, KeptConsumer)
    assert (first, third) == (
        world.store.stores["$G", "S"].msgs[1],
        world.store.stores["$G", "S"].msgs[3],
    )
    assert end is found[-1]


def test_consumers_are_left_out_where_nobody_wants_them_and_those_in_memory_always() -> None:
    world = filled(1)
    world.create_consumer(name="C")
    world.create_consumer(name="M", mem_storage=True)

    def names(**asked: bool) -> list[str]:
        found = records(take(world, **asked))
        return [one.name for one in found if isinstance(one, KeptConsumer)]

    with_them, without = names(), names(no_consumers=True)

    assert (with_them, without) == (["C"], [])


def test_positions_of_sources_go_along() -> None:
    world = filled(1)
    world.store.put_consumer("$G", "S", ".sources", 1, b"{}", b'{"o":[7,"i"]}')

    assert KeptSources(b'{"o":[7,"i"]}') in records(take(world))


def test_what_is_stored_later_is_not_in_it_and_what_is_removed_is_missing() -> None:
    world = filled(4)
    heard = world.listen("chunks")
    ask(world, **SMALL)

    world.publish("s.later", b"")
    world.api("STREAM.MSG.DELETE.S", {"seq": 4})
    while heard[-1].payload:
        for chunk in tuple(heard):
            if chunk.reply:
                world.publish(chunk.reply.decode())
        world.settle()

    data = b"".join(chunk.payload for chunk in heard)
    seqs = [one.seq for one in records(data) if isinstance(one, StoredMsg)]
    assert seqs[:3] == [1, 2, 3]
    assert 5 not in seqs


def test_chunks_have_a_reply_that_says_size_and_number_but_for_the_last() -> None:
    world = filled(3)
    heard = world.listen("chunks")

    ask(world, chunk_size=1024)

    *whole, rest, end = heard
    prefix = whole[0].reply.rsplit(b".", 2)[0]
    assert prefix.startswith(b"$JS.SNAPSHOT.ACK.S.")
    assert [one.reply for one in whole] == [prefix + b".1024.%d" % n for n in (1, 2, 3)]
    assert {len(one.payload) for one in whole} == {1024}
    assert (rest.reply, end.reply, end.payload) == (b"", b"", b"")
    assert 0 < len(rest.payload) < 1024
    assert end.status == b"NATS/1.0 204"


def test_where_nothing_was_to_be_acknowledged_the_end_has_no_status() -> None:
    world = filled(1, 10)
    heard = world.listen("chunks")

    ask(world)

    assert [(one.status, bool(one.payload)) for one in heard] == [(b"", True), (b"", False)]


@pytest.mark.parametrize(
    ("asked", "chunk", "slots"),
    [
        ({}, 128 * 1024, 64),
        ({"chunk_size": 1}, 1024, 8192),
        ({"chunk_size": -5, "window_size": -5}, 1024, 1),
        ({"chunk_size": 1 << 30}, 1 << 20, 8),
        ({"window_size": 1 << 30}, 128 * 1024, 256),
        ({"window_size": 1}, 128 * 1024, 1),
    ],
)
def test_sizes_are_kept_within_their_bounds(asked: dict[str, int], chunk: int, slots: int) -> None:
    world = filled(12, 1_000_000)
    heard = world.listen("chunks")

    ask(world, **asked)

    sent = [one for one in heard if one.reply]
    assert len(sent[0].payload) == chunk
    assert len(sent) == min(slots, 12_000_000 // chunk)


def test_no_more_is_out_than_the_window_and_each_answer_lets_one_out() -> None:
    world = filled()
    heard = world.listen("chunks")
    ask(world, **SMALL)
    assert len(heard) == 2

    world.publish(heard[0].reply.decode())
    world.settle()

    assert len(heard) == 3


def test_who_does_not_answer_hears_why_it_ended() -> None:
    world = filled()
    heard = world.listen("chunks")
    complete = told(world, "COMPLETE")
    ask(world, **SMALL)
    world.clock.advance(3 * S)
    world.publish(heard[0].reply.decode())
    world.clock.advance(4 * S)
    assert len(heard) == 3

    world.clock.advance(2 * S)

    assert heard[-1].status == b"NATS/1.0 408 No Flow Response"
    assert complete[0]["error"] == "no flow response"
    assert not world.js.transfers
    assert world.clock.pending() == 0


def test_a_reader_that_goes_ends_it() -> None:
    world = filled()
    complete = told(world, "COMPLETE")
    before = world.clock.pending()
    heard: list[bytes] = []
    sub = world.account.subscribe(b"chunks", lambda run: heard.append(run.subject))
    ask(world, **SMALL)

    world.account.unsubscribe(sub)
    world.settle()

    assert complete[0]["error"] == "no interest"
    assert (len(world.js.transfers), world.account.watchers) == (0, {})
    assert world.clock.pending() == before


def test_a_wildcard_is_no_reader() -> None:
    """The nats tool subscribes when it has the answer; all its inboxes match one wildcard."""
    world = filled(1)
    early = world.listen("_INBOX.tool.*")
    ask(world, deliver_subject="_INBOX.tool.chunks")
    assert early == []

    heard = world.listen("_INBOX.tool.chunks")
    world.settle()

    assert heard[-1].payload == b""
    assert len(heard) > 1


def test_it_waits_a_while_for_a_reader_to_come() -> None:
    world = filled(1)
    ask(world)
    world.clock.advance(S)

    heard = world.listen("chunks")
    world.settle()

    assert heard[-1].payload == b""


def test_with_nobody_there_it_is_sent_to_nobody() -> None:
    world = filled(1)
    complete = told(world, "COMPLETE")
    ask(world)

    world.clock.advance(limits.SNAPSHOT_INTEREST_NS)

    assert "error" not in complete[0]


def test_both_moments_are_told_with_who_asked() -> None:
    world = filled(1)
    create, complete = told(world, "CREATE"), told(world, "COMPLETE")

    take(world)

    assert create[0]["type"] == "io.nats.jetstream.advisory.v1.snapshot_create"
    assert create[0]["state"] == world.state()
    assert create[0]["client"] == {"acc": "$G"}
    assert set(complete[0]) == {"type", "id", "timestamp", "stream", "start", "end", "client"}


def test_a_stream_that_is_deleted_meanwhile_ends_it() -> None:
    world = filled(3000, 1000)
    heard = world.listen("chunks")
    ask(world, **SMALL)

    world.api("STREAM.DELETE.S")
    for _ in range(10_000):
        if not heard[-1].payload:
            break
        world.publish(heard[-1].reply.decode())
        world.settle()

    assert heard[-1].status == b"NATS/1.0 500 the stream is deleted"


def test_a_page_that_is_read_behind_a_deletion_is_not_the_end() -> None:
    asked: list[Any] = []
    store = SimpleNamespace(read=lambda *wanted: asked.append(wanted[-1]), damage=lambda: None)
    stream: Any = SimpleNamespace(closed=False, store=store)
    failed: list[StoreError] = []
    pages = _Pages(stream, 10, pytest.fail, failed.append)

    pages.read()
    stream.closed = True
    asked[0]([])

    assert [str(error) for error in failed] == ["the stream is deleted"]


def test_an_update_meanwhile_changes_nothing_of_it() -> None:
    world = filled(5)
    heard = world.listen("chunks")
    answer = ask(world, **SMALL)

    world.api("STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], "description": "new"})
    while heard[-1].payload:
        world.publish(heard[-1].reply.decode() or "nowhere")
        world.settle()

    begin = records(b"".join(chunk.payload for chunk in heard))[0]
    assert isinstance(begin, Begin)
    assert json.loads(begin.config) == answer["config"]
    assert "description" not in answer["config"]


def test_the_answer_waits_for_what_is_staged() -> None:
    world = filled(1)
    world.store.hold()
    world.publish("s.b", b"staged")

    answers = world.request("$JS.API.STREAM.SNAPSHOT.S", b'{"deliver_subject":"chunks"}')
    world.settle()
    assert answers == []
    world.store.commit()

    assert json.loads(answers[0].payload)["state"]["messages"] == 2


def test_a_commit_that_fails_refuses_it() -> None:
    world = filled(1)
    world.store.hold()
    world.publish("s.b", b"staged")
    answers = world.request("$JS.API.STREAM.SNAPSHOT.S", b'{"deliver_subject":"chunks"}')

    world.store.fail(StoreFailed("fsync failed"))

    assert error_of(json.loads(answers[0].payload)) == (503, 10077, "fsync failed")
    assert not world.js.transfers


def test_a_store_that_is_busy_is_asked_again() -> None:
    world = filled(2)
    heard = world.listen("chunks")
    world.store.read_error = StoreBusy("too many")
    ask(world)
    assert heard == []

    world.store.read_error = None
    world.clock.advance(limits.DELIVER_RETRY_NS)

    assert heard[-1].payload == b""


def test_a_damaged_stream_is_refused() -> None:
    world = filled(1)
    world.store.stores["$G", "S"].damaged = StoreCorrupt("segment 3: bad")

    assert error_of(ask(world)) == (500, 10064, "snapshot failed: segment 3: bad")


def test_damage_that_is_found_on_the_way_ends_it() -> None:
    world = filled(3)
    heard = world.listen("chunks")
    world.store.slow_reads = True
    ask(world)
    world.store.stores["$G", "S"].damaged = StoreCorrupt("segment 3: bad")

    world.store.answer_reads()

    assert heard[-1].status == b"NATS/1.0 500 segment 3: bad"


def test_with_a_check_damage_is_found_before_the_answer(tmp_path: Path) -> None:
    world = RealWorld(tmp_path)
    world.create_stream()
    for _ in range(3):
        world.put("s.a", b"x")
    world.restart()
    segment = "m1_1"
    conn = world.store._writer._conn
    conn.execute(f"UPDATE {segment} SET body=x'00' WHERE seq=2")

    code, err_code, text = error_of(ask(world, jsck=True))

    assert (code, err_code) == (500, 10064)
    assert text.startswith("snapshot failed: ")


def test_a_check_of_what_is_whole_changes_nothing() -> None:
    world = filled(3)

    assert take(world, jsck=True) == take(world)


def test_a_position_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    world = filled(1)
    world.create_consumer()
    monkeypatch.setattr(limits, "ARCHIVE_CONSUMERS_BYTES_MAX", 10)

    text = "snapshot failed: the position of consumer C is too large"
    assert error_of(ask(world)) == (500, 10064, text)
    assert not world.js.transfers


def test_a_long_position_is_made_into_bytes_by_who_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the moment when it was asked for. 65,536 messages that are out take 30 ms."""
    monkeypatch.setattr(limits, "POSITION_ENCODED_MAX", 2)
    world = RealWorld(tmp_path / "store")
    world.create_stream()
    for _ in range(5):
        world.put("s.a")
    world.create_consumer()
    out = world.fetch(5)
    made: list[tuple[int, ...]] = []
    encode = consumer_state.encode

    def counted(*parts: Any) -> bytes:
        made.append(parts[0])
        return encode(*parts)

    monkeypatch.setattr(consumer_state, "encode", counted)
    heard = world.listen("chunks")
    world.request("$JS.API.STREAM.SNAPSHOT.S", b'{"deliver_subject":"chunks"}')
    assert made == []
    world.publish(out[0].reply.decode(), b"+ACK")
    world.settle()

    assert made == [(5, 5, 0, 0)]
    _, kept, *_ = records(b"".join(one.payload for one in heard))
    assert isinstance(kept, KeptConsumer)
    assert [seq for seq, _, _ in consumer_state.decode(kept.state).entries] == [1, 2, 3, 4, 5]


def test_no_more_than_so_many_at_a_time() -> None:
    world = filled(1)
    for _ in range(limits.TRANSFERS_ACCOUNT_MAX):
        assert "error" not in ask(world)

    assert error_of(ask(world)) == (429, 10167, "too many requests")
    world.clock.advance(limits.SNAPSHOT_INTEREST_NS)
    assert "error" not in ask(world)


def test_the_account_shuts_down_and_nothing_more_is_sent() -> None:
    world = filled()
    heard = world.listen("chunks")
    ask(world, **SMALL)

    world.js.shut_down()
    world.publish(heard[0].reply.decode())
    world.settle()

    assert len(heard) == 2
    assert not world.js.transfers
