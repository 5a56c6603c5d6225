"""max_file_store and max_memory_store, measured on nats-server 2.15.1."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from leafnode import limits
from leafnode.config.account_options import AccountJetStream as Bounds
from leafnode.errors import JetStreamError
from leafnode.jetstream.quota import Quota
from leafnode.routing.account import Account
from leafnode.routing.peer import Outbox
from leafnode.routing.subscription import Delivery
from tests.unit.jetstream.archives import give, take
from tests.unit.jetstream.world import World

if TYPE_CHECKING:
    from leafnode.jetstream.jetstream import AccountJetStream

S = 10**9
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


# --- the bound of an account


def of_account(bytes_max: int = 1000, **config: Any) -> tuple[World, Quota]:
    world = World()
    world.js.limit(Bounds(max_file_bytes=bytes_max, max_memory_bytes=bytes_max))
    world.create_stream(**config)
    quota = world.js.streams["S"].quota
    assert quota is not None
    return world, quota


@pytest.mark.parametrize("storage", ["file", "memory"])
def test_no_message_passes_the_bound_of_an_account(storage: str) -> None:
    world, _ = of_account(storage=storage)

    answers = [publish(world, "s.a", size) for size in (400, 2000, 400, 400, 1)]

    assert [answer["seq"] for answer in answers] == [1, 0, 2, 0, 3]
    assert world.state()["bytes"] <= 1000


def test_what_a_limit_drops_of_a_run_makes_room_for_the_rest_of_it() -> None:
    world, _ = of_account(max_msgs=1)
    answers = world.listen("r")

    run = [(b"r", 0, b"x" * 400)] * 4
    world.js.streams["S"]._ingest.receive(Delivery(b"s.a", run, world.client))
    world.settle()

    assert [json.loads(answer.payload)["seq"] for answer in answers] == [1, 2, 3, 4]


@pytest.mark.parametrize("retention", ["workqueue", "interest"])
@pytest.mark.parametrize("storage", ["file", "memory"])
def test_what_an_acknowledgement_lets_go_makes_room_at_once(storage: str, retention: str) -> None:
    world, _ = of_account(storage=storage, retention=retention)
    world.create_consumer()
    for size in (400, 400, 400):
        publish(world, "s.a", size)
    (message, *_) = world.fetch({"batch": 1, "expires": 10**9})

    world.publish(message.reply.decode(), b"+ACK")

    assert publish(world, "s.a", 400)["seq"] == 3
    assert publish(world, "s.a", 400)["seq"] == 0


def test_what_a_ttl_or_an_age_lets_go_makes_room_at_once() -> None:
    world, _ = of_account(allow_msg_ttl=True, max_age=3 * S)
    world.request("s.a", b"x" * 400, headers={"Nats-TTL": "1s"})
    publish(world, "s.b", 400)

    def tried() -> int:
        seq: int = publish(world, "s.b", 400)["seq"]
        return seq

    seqs: list[int] = []
    late = limits.EXPIRY_GRANULARITY_NS
    for at_ns in (S - 1, S + late, 3 * S + 2 * late):
        world.clock.call_later(at_ns, lambda: seqs.append(tried()))
    world.clock.advance(4 * S)

    assert seqs == [0, 3, 4]


def test_an_account_is_used_up_from_a_refusal_until_there_is_room_for_as_much() -> None:
    world, quota = of_account()
    publish(world, "s.a", 800)
    assert quota.used_up() is None

    publish(world, "s.a", 400)
    assert (quota.used_up(), quota.is_of_account) == (quota, True)

    world.api("STREAM.PURGE.S")
    assert quota.used_up() is None
    publish(world, "s.a", 800)
    assert quota.used_up() is None


def test_an_account_that_goes_on_storing_smaller_messages_is_not_used_up_for_ever() -> None:
    world, quota = of_account()
    publish(world, "s.a", 800)
    publish(world, "s.a", 400)

    publish(world, "s.a", 1)
    assert quota.used_up() is quota
    world.clock.advance(limits.QUOTA_REFUSED_NS)
    assert quota.used_up() is quota

    publish(world, "s.a", 1)
    assert quota.used_up() is None


def test_a_message_for_which_an_account_never_has_room_uses_nothing_up() -> None:
    world, quota = of_account()

    assert publish(world, "s.a", 5000)["seq"] == 0

    assert quota.used_up() is None


def test_that_messages_are_refused_is_logged_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world, _ = of_account()
    for _ in range(9):
        publish(world, "s.a", 400)

    (line,) = [one.getMessage() for one in caplog.records]

    assert line.startswith("JetStream has used up what it may store: account=$G max_bytes=1000 ")


@pytest.mark.parametrize("bound", ["account", "server"])
def test_what_a_batch_adds_before_a_message_is_no_room_for_it(bound: str) -> None:
    world = World()
    account = "$G" if bound == "account" else ""
    quota = Quota(world.store, 1000, world.clock, account=account)
    code = 10002 if bound == "account" else 10023

    quota.check(900, before=0)
    with pytest.raises(JetStreamError) as refusal:
        quota.admit(200, before=1001)

    assert refusal.value.err_code == code
    quota.admit(300, before=700)
