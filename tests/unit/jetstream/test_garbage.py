"""What messages leave on their way through JetStream: nothing that waits for a full collection."""

from __future__ import annotations

import gc
import weakref
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from tests.sim.garbage import left_by
from tests.unit.jetstream.real_world import RealWorld

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def uncollected() -> Iterator[None]:
    """No collection while the test runs: what goes, goes by itself."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


KINDS: dict[str, dict[str, Any]] = {
    "pull": {"ack_policy": "explicit"},
    "push": {"deliver_subject": "heard", "flow_control": True, "idle_heartbeat": NS_PER_S},
    "grouped": {
        "ack_policy": "explicit",
        "priority_policy": "pinned_client",
        "priority_groups": ["A"],
        "priority_timeout": NS_PER_S,
    },
    "slow": {
        "ack_policy": "explicit",
        "max_deliver": 1,
        "ack_wait": NS_PER_S,
        "replay_policy": "original",
    },
    "paused": {"ack_policy": "explicit", "pause_until": "2100-01-01T00:00:00Z"},
}


def test_publishing_fetching_and_acking_leave_no_cycles(tmp_path: Path) -> None:
    world = RealWorld(tmp_path / "store")
    world.create_stream("S", subjects=["s.>"])
    world.create_consumer("S", "C", ack_policy="explicit")
    number = iter(range(1000))

    def one() -> None:
        world.put("s.a", b"x", headers={"Nats-Msg-Id": str(next(number))})
        world.put("s.b", b"y")
        first, second = world.fetch({"batch": 2, "expires": NS_PER_S})
        world.publish(first.reply.decode(), b"+ACK")
        world.publish(second.reply.decode(), b"-NAK")
        world.settle()
        (again,) = world.fetch({"batch": 1, "expires": NS_PER_S})
        world.publish(again.reply.decode(), b"+ACK")
        world.settle()
        world.api("STREAM.INFO.S")
        world.api("CONSUMER.INFO.S.C")

    assert left_by(one) == []


@pytest.mark.parametrize("storage", ["file", "memory"])
def test_streams_that_were_deleted_leave_no_cycles(tmp_path: Path, storage: str) -> None:
    world = RealWorld(tmp_path / "store")

    def one() -> None:
        world.create_stream("S", subjects=["s.>"], storage=storage)
        world.put("s.a", b"x")
        world.api("STREAM.PURGE.S")
        world.put("s.b", b"x")
        world.settle()
        world.api("STREAM.DELETE.S")
        world.settle()
        world.clock.advance(20 * NS_PER_S)
        world.settle()

    assert left_by(one) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("uncollected")
def test_a_consumer_that_was_deleted_goes_without_a_collection(tmp_path: Path, kind: str) -> None:
    world = RealWorld(tmp_path / "store")
    world.create_stream("S", subjects=["s.>"])
    world.put("s.a", b"x")
    world.create_consumer("S", "C", **KINDS[kind])
    if "deliver_subject" not in KINDS[kind]:
        world.fetch({"batch": 2, "expires": NS_PER_S, "group": "A"})
    consumer = weakref.ref(world.js.consumer("S", "C"))
    parts = weakref.ref(world.js.consumer("S", "C").outlet)

    world.api("CONSUMER.DELETE.S.C")
    world.settle()

    assert consumer() is None
    assert parts() is None


@pytest.mark.usefixtures("uncollected")
def test_a_consumer_that_nobody_used_goes_without_a_collection(tmp_path: Path) -> None:
    world = RealWorld(tmp_path / "store")
    world.create_stream("S", subjects=["s.>"])
    world.create_consumer("S", "C", ack_policy="explicit", inactive_threshold=NS_PER_S)
    consumer = weakref.ref(world.js.consumer("S", "C"))

    world.clock.advance(10 * NS_PER_S)
    world.settle()

    assert consumer() is None


def test_who_holds_a_deleted_consumer_reads_all_of_it(tmp_path: Path) -> None:
    world = RealWorld(tmp_path / "store")
    world.create_stream("S", subjects=["s.>"])
    world.put("s.a", b"x")
    for kind, options in KINDS.items():
        world.create_consumer("S", kind, **options)
    held = [world.js.consumer("S", kind) for kind in KINDS]
    before = [one.info() for one in held]

    for kind in KINDS:
        world.api(f"CONSUMER.DELETE.S.{kind}")
    world.settle()

    for one, shown in zip(held, before, strict=True):
        assert one.closed
        assert one.info() | {"ts": "", "pause_remaining": 0} == shown | {
            "ts": "",
            "pause_remaining": 0,
        }


def test_an_ack_is_confirmed_though_its_consumer_went_meanwhile(tmp_path: Path) -> None:
    world = RealWorld(tmp_path / "store")
    world.create_stream("S", subjects=["s.>"])
    world.put("s.a", b"x")
    world.create_consumer("S", "C", ack_policy="explicit")
    (msg,) = world.fetch({"batch": 1, "expires": NS_PER_S})
    heard = world.listen("confirmed")

    world.publish(msg.reply.decode(), b"+ACK", reply="confirmed")
    world.js.consumers.delete(world.js.consumer("S", "C"))
    world.clock.advance(0)
    world.settle()

    assert len(heard) == 1


@pytest.mark.usefixtures("uncollected")
def test_what_a_deleted_stream_held_goes_without_a_collection_and_in_slices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LET_GO_MSGS", 10)
    world = RealWorld(tmp_path / "store")
    world.create_stream("S", subjects=["s.>"], allow_msg_ttl=True)
    for number in range(40):
        headers = {"Nats-Msg-Id": str(number), "Nats-TTL": "1h"}
        world.put(f"s.{number}", b"x", headers=headers)
    stream = world.js.streams["S"]
    store: Any = stream.store
    subjects = store.index.subjects.by_name

    world.request("$JS.API.STREAM.DELETE.S")
    left = []
    for _ in range(20):
        world.turns(1)
        left.append((len(stream.dedupe), len(subjects)))

    assert left[-1] == (0, 0)
    assert all(before - after <= 10 for before, after in pairwise(ids for ids, _ in left))
    assert all(before - after <= 10 for before, after in pairwise(names for _, names in left))
    assert stream.ages._ttls.next_ns() is None
    assert stream.state()["messages"] == 0


STREAMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "memory": {"storage": "memory"},
    "everything": {
        "allow_direct": True,
        "allow_msg_ttl": True,
        "allow_atomic": True,
        "allow_batched": True,
        "allow_msg_schedules": True,
        "subject_delete_marker_ttl": 10 * NS_PER_S,
        "max_age": 3600 * NS_PER_S,
        "max_msgs_per_subject": 3,
        "republish": {"src": "s.>", "dest": "out.>"},
    },
    "mirror": {"mirror": {"name": "O"}, "subjects": None},
    "sources": {"sources": [{"name": "O"}]},
}


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.usefixtures("uncollected")
def test_a_stream_that_was_deleted_goes_without_a_collection(tmp_path: Path, kind: str) -> None:
    world = RealWorld(tmp_path / "store")
    world.create_stream("O", subjects=["o.>"])
    world.put("o.1", b"x")
    config = {key: value for key, value in STREAMS[kind].items() if value is not None}
    if "subjects" not in STREAMS[kind]:
        config["subjects"] = ["s.>"]
    assert "error" not in world.api("STREAM.CREATE.S", {"name": "S", **config})
    if kind != "mirror":
        for number in range(9):
            world.put(f"s.{number % 2}", b"x", headers={"Nats-Msg-Id": str(number)})
    world.create_consumer("S", "C", ack_policy="explicit")
    world.fetch({"batch": 2, "no_wait": True})
    world.api("STREAM.PURGE.S", {"filter": "s.1"})
    world.request("$JS.API.DIRECT.GET.S.s.0")
    world.api("STREAM.INFO.S")
    stream = weakref.ref(world.js.streams["S"])
    consumer = weakref.ref(world.js.consumer("S", "C"))

    world.api("STREAM.DELETE.S")
    world.settle()
    world.clock.advance(limits.TAKEN_APART_NS)
    world.settle()

    assert stream() is None
    assert consumer() is None
