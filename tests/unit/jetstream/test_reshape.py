"""Transforms of subjects and republishing, measured on nats-server 2.15.1."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from leafnode.errors import JetStreamError, StoreFull
from leafnode.jetstream.api_types import (
    RePublish,
    StreamConfig,
    StreamConfigRequest,
    SubjectTransformConfig,
)
from leafnode.jetstream.reshape import SubjectTransform
from leafnode.jetstream.stream_config import checked_create
from leafnode.routing import parked, sublist
from leafnode.routing.peer import Kind, Outbox, Peer
from leafnode.routing.subscription import Delivery, Subscription
from tests.unit.jetstream.world import World

if TYPE_CHECKING:
    from collections.abc import Callable


def world(**config: Any) -> World:
    made = World()
    made.create_stream(**config)
    return made


def stored(world: World, seq: int) -> str:
    subject: str = world.api("STREAM.MSG.GET.S", {"seq": seq})["message"]["subject"]
    return subject


def test_a_message_is_stored_under_another_subject() -> None:
    moved = world(subject_transform={"src": "s.*", "dest": "t.{{wildcard(1)}}.{{partition(3,1)}}"})

    (answer,) = moved.request("s.k1", b"x")
    moved.publish("s.not.so", b"x")

    assert answer.payload == b'{"stream":"S","seq":1}'
    assert (stored(moved, 1), stored(moved, 2)) == ("t.k1.0", "s.not.so")


def test_chance_decides_for_each_message() -> None:
    config = StreamConfig(subject_transform=SubjectTransformConfig("s.*", "t.{{random(1000)}}"))
    run = Delivery(b"s.a", [(b"", 0, b"x")] * 8, Peer(1, Kind.CLIENT, Outbox(lambda: None)))

    stored_as = [one.subject for one in SubjectTransform(config, Random(1)).runs(run)]

    assert len(stored_as) == 8
    assert len(set(stored_as)) > 4


def test_a_copy_says_where_it_is_stored() -> None:
    copied = world(republish={"src": "s.>", "dest": "r.>"})
    heard = copied.listen("r.>")

    copied.publish("s.a", b"one", headers={"X": "1"})
    copied.publish("s.a", b"two")

    assert heard[0].subject == b"r.a"
    assert heard[0].block == (
        b"NATS/1.0\r\nX: 1\r\nNats-Stream: S\r\nNats-Subject: s.a\r\nNats-Sequence: 1\r\n"
        b"Nats-Time-Stamp: 2027-01-15T08:00:00Z\r\nNats-Last-Sequence: 0\r\n\r\n"
    )
    assert b"Nats-Last-Sequence: 1\r\n" in heard[1].block
    assert [one.payload for one in heard] == [b"one", b"two"]


def test_a_copy_without_payload_says_how_long_it_was() -> None:
    copied = world(republish={"src": "s.>", "dest": "r.>", "headers_only": True})
    heard = copied.listen("r.>")

    copied.publish("s.a", b"hello")

    assert heard[0].payload == b""
    assert heard[0].block.endswith(b"Nats-Msg-Size: 5\r\n\r\n")


def test_a_subject_that_is_not_meant_is_not_copied() -> None:
    copied = world(republish={"src": "s.a", "dest": "r.a"})
    heard = copied.listen("r.>")

    copied.publish("s.b", b"x")

    assert heard == []


def test_a_copy_leaves_after_the_commit_and_not_without_it() -> None:
    copied = world(republish={"src": "s.>", "dest": "r.>"})
    heard = copied.listen("r.>")
    copied.store.hold()

    copied.publish("s.a", b"1")
    assert heard == []
    copied.store.commit()
    assert len(heard) == 1
    copied.publish("s.a", b"2")
    copied.store.fail(StoreFull("full"))

    assert len(heard) == 1


def very_many_copies(patch: pytest.MonkeyPatch) -> tuple[World, Peer, list[Callable[[], None]]]:
    """A stream whose copies of `s.a` go to more than one turn is for, and who hears them."""
    copied = world(republish={"src": "s.>", "dest": "r.>"})
    later: list[Callable[[], None]] = []
    patch.setattr(sublist, "RECEIVERS_MAX", 1)
    patch.setattr(copied.account.system.outbox, "end_later", later.append)
    reader = Peer(8, Kind.CLIENT, copied.account.system.outbox)
    reader.account = copied.account
    for number in range(20):
        copied.account.insert(Subscription(reader, b"r.a", sid=b"%d" % number))
    copied.account.insert(Subscription(reader, b"r.b", sid=b"b"))
    return copied, reader, later


def test_a_copy_overtakes_none_that_goes_to_very_many(monkeypatch: pytest.MonkeyPatch) -> None:
    copied, reader, later = very_many_copies(monkeypatch)

    for number, subject in enumerate(("s.b", "s.a", "s.b", "s.a")):
        (answer,) = copied.request(subject, b"m%d" % number)
        assert answer.payload.startswith(b'{"stream":"S","seq":')
    while later:
        later.pop(0)()

    got = b"".join(reader.out)
    assert [got.count(b"\r\nm%d\r\n" % number) for number in range(4)] == [1, 20, 1, 20]
    order = [got.index(b"\r\nm%d\r\n" % number) for number in range(4)]
    assert order == sorted(order)
    assert got.rindex(b"\r\nm1\r\n") < order[2]


def test_who_publishes_into_a_stream_whose_copies_wait_has_to_wait_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parked, "BACKLOG_MAX", 2)
    copied, _, later = very_many_copies(monkeypatch)

    copied.publish("s.a")
    assert copied.client.parked is None
    copied.publish("s.a")
    copied.account.system.outbox.work_left = 1
    copied.publish("s.c")
    assert copied.client.parked is not None
    while later:
        later.pop(0)()

    copied.account.system.outbox.renew_work()
    assert parked.go_on(copied.client)


@pytest.mark.parametrize(
    ("transform", "err_code", "text"),
    [
        (("a..b", "x"), 10155, "stream transform source: invalid subject a..b"),
        (
            ("a.*", "x.{{foo(1)}}"),
            10156,
            "stream transform: invalid mapping destination: unknown function in {{foo(1)}}",
        ),
    ],
)
def test_a_transform_that_is_none(transform: tuple[str, str], err_code: int, text: str) -> None:
    request = StreamConfigRequest(name="S", subject_transform=SubjectTransformConfig(*transform))

    with pytest.raises(JetStreamError) as caught:
        checked_create(request)

    assert (caught.value.err_code, caught.value.description) == (err_code, text)


@pytest.mark.parametrize(
    ("republish", "pedantic", "text"),
    [
        (RePublish("s.>", "s.x.>"), False, "stream configuration for republish destination forms"),
        (RePublish("s.*", "o.>"), False, "republish with transform from 's.*' to 'o.>' not valid"),
        (RePublish("", "o.>"), True, "pedantic mode: republish source can not be empty"),
    ],
)
def test_a_republishing_that_is_none(republish: RePublish, pedantic: bool, text: str) -> None:
    request = StreamConfigRequest(
        name="S", subjects=["s.>"], republish=republish, pedantic=pedantic
    )

    with pytest.raises(JetStreamError) as caught:
        checked_create(request)

    assert text in caught.value.description


def test_everything_is_republished_as_transformed() -> None:
    request = StreamConfigRequest(
        name="S",
        subjects=["s.>"],
        subject_transform=SubjectTransformConfig("s.>", "t.>"),
        republish=RePublish(">", ">"),
    )

    config = checked_create(request)

    assert config.republish == RePublish("t.>", "t.>")
