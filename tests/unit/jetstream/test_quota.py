"""max_file_store and max_memory_store, measured on nats-server 2.15.1."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from leafnode import limits
from leafnode.errors import StoreCorrupt
from leafnode.jetstream.quota import Quota
from leafnode.routing.account import Account
from leafnode.routing.peer import Outbox
from tests.unit.jetstream.archives import give, take
from tests.unit.jetstream.world import World

if TYPE_CHECKING:
    from leafnode.jetstream.jetstream import AccountJetStream

REFUSED = {"code": 503, "err_code": 10023, "description": "insufficient resources"}


class Bounded(World):
    """A world in which all streams of a storage hold 1,000 bytes together."""

    def enable(self, account: Account, **facts: int) -> AccountJetStream:
        bounds = {"max_file_bytes": 1000, "max_memory_bytes": 1000}
        return super().enable(account, **bounds, **facts)


def publish(world: World, subject: str, size: int) -> dict[str, Any]:
    (answer,) = world.request(subject, b"x" * size)
    result: dict[str, Any] = json.loads(answer.payload)
    return result


@pytest.mark.parametrize("storage", ["file", "memory"])
def test_a_stream_without_max_bytes_is_stopped_by_the_servers_bound(storage: str) -> None:
    world = Bounded()
    world.create_stream(storage=storage)

    answers = [publish(world, "s.a", 500) for _ in range(4)]

    # The message that passes the bound is stored, as by nats-server.
    assert [answer["seq"] for answer in answers] == [1, 2, 0, 0]
    assert answers[2] == {"error": REFUSED, "stream": "S", "seq": 0}
    assert world.state()["messages"] == 2


def test_another_stream_and_a_message_with_headers_are_refused_too() -> None:
    world = Bounded()
    world.create_stream()
    world.create_stream("T")
    publish(world, "s.a", 1000)

    (answer,) = world.request("t.a", b"x", headers={"A": "b"})

    assert json.loads(answer.payload)["error"] == REFUSED


def test_another_account_on_the_same_store_is_refused_within_a_second() -> None:
    world = Bounded()
    other = Account("B", Outbox(lambda: None))
    world.enable(other).recover(lambda: None)
    heard = []
    other.subscribe(b"r", lambda run: heard.extend(body for _, _, body in run.messages))
    create = json.dumps({"name": "S", "subjects": ["s.>"]}).encode()
    other.publish(b"$JS.API.STREAM.CREATE.S", create)
    other.publish(b"s.a", b"x", reply=b"r")
    world.create_stream()
    publish(world, "s.a", 1000)

    world.clock.advance(limits.QUOTA_COUNT_NS)
    other.publish(b"s.a", b"x", reply=b"r")

    assert [b"10023" in body for body in heard] == [False, True]


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("STREAM.PURGE.S", None),
        ("STREAM.PURGE.S", {"filter": "s.a"}),
        ("STREAM.MSG.DELETE.S", {"seq": 1}),
        ("STREAM.DELETE.S", None),
    ],
)
def test_removing_makes_room_at_once(endpoint: str, body: Any) -> None:
    world = Bounded()
    world.create_stream()
    world.create_stream("T")
    publish(world, "s.a", 1000)
    assert publish(world, "t.a", 1)["seq"] == 0

    assert "error" not in world.api(endpoint, body)

    assert publish(world, "t.a", 1)["seq"] == 1


def test_what_a_limit_drops_does_not_add_up() -> None:
    world = Bounded()
    world.create_stream(max_msgs=1)

    assert [publish(world, "s.a", 500)["seq"] for _ in range(5)] == [1, 2, 3, 4, 5]


def test_space_that_comes_back_by_itself_is_noticed() -> None:
    world = Bounded()
    world.create_stream(max_age=10**9)
    publish(world, "s.a", 1000)
    assert publish(world, "s.a", 1)["seq"] == 0

    world.clock.advance(2 * 10**9)

    assert publish(world, "s.a", 1)["seq"] == 2


def test_a_damaged_stream_does_not_keep_the_others_from_storing() -> None:
    world = Bounded()
    world.create_stream()

    class Damaged:
        def state(self) -> None:
            raise StoreCorrupt("bad")

    class Store:
        def streams(self) -> list[Any]:
            return [type("Record", (), {"store": Damaged()})]

    quota = Quota(Store(), 10, world.clock)  # type: ignore[arg-type]
    quota.refresh()

    quota.admit(5)


def test_without_a_bound_nothing_is_counted() -> None:
    world = World()
    world.create_stream()

    assert world.js.streams["S"].quota is None
    assert publish(world, "s.a", 5000)["seq"] == 1


def test_a_stream_that_was_one_of_interest_is_counted_again() -> None:
    world = Bounded()
    world.create_stream(retention="interest")
    publish(world, "s.a", 500)  # nobody wants it
    update = {"name": "S", "subjects": ["s.>"], "retention": "limits", "max_msg_size": 5000}
    world.api("STREAM.UPDATE.S", update)

    answers = [publish(world, "s.a", 500) for _ in range(3)]

    assert [answer["seq"] for answer in answers] == [2, 3, 0]


def test_what_comes_out_of_an_archive_is_counted_once() -> None:
    world = Bounded()
    world.create_stream(storage="memory")
    for _ in range(2):
        publish(world, "s.a", 400)
    data = take(world)
    world.api("STREAM.DELETE.S")

    answer = give(world, data)

    assert answer["state"]["messages"] == 2
    assert publish(world, "s.a", 100)["seq"] == 3  # 1,000 bytes are not passed before this one


def test_it_says_which_bound_refuses_messages_now() -> None:
    world = Bounded()
    world.create_stream()
    quota = world.js.streams["S"].quota
    assert quota is not None
    assert quota.used_up() is None

    publish(world, "s.a", 1000)
    bound = quota.used_up()
    assert (bound, quota.max_bytes, quota.is_of_account) == (quota, 1000, False)

    world.api("STREAM.PURGE.S")
    world.clock.advance(limits.QUOTA_FULL_COUNT_NS)
    assert quota.used_up() is None


def test_the_servers_bound_is_named_before_that_of_an_account() -> None:
    world = Bounded()
    world.create_stream()
    publish(world, "s.a", 1000)
    store, clock = world.js.context.file_store, world.clock
    outer = world.js.streams["S"].quota

    inner = Quota(store, 10, clock, account="$G", outer=outer)
    assert inner.used_up() is outer

    alone = Quota(store, 10, clock, account="$G")
    assert (alone.used_up(), alone.is_of_account) == (alone, True)
    assert Quota(store, 10, clock, account="B").used_up() is None
