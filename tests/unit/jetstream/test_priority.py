"""Priority groups of pull consumers (ADR-42), measured on nats-server 2.15.1."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.errors import JetStreamError
from leafnode.jetstream import pull
from leafnode.jetstream.api_types import ConsumerConfig, NextRequest
from leafnode.jetstream.priority import check_config
from leafnode.jetstream.pull import parse
from tests.unit.jetstream.world import Msg, World

MINUTE_NS = 60 * NS_PER_S


def world(policy: str, messages: int = 3, **config: Any) -> World:
    made = World()
    made.create_stream()
    made.create_consumer(priority_policy=policy, priority_groups=["A"], **config)
    for number in range(messages):
        made.publish("s.a", b"%d" % (number + 1))
    return made


def ask(world: World, **body: Any) -> list[Msg]:
    return world.fetch({"batch": 1, "group": "A", "expires": MINUTE_NS, **body})


def pin_of(message: Msg) -> str:
    return message.block.split(b"Nats-Pin-Id: ")[1].split(b"\r\n")[0].decode()


@pytest.mark.parametrize(
    ("config", "err_code"),
    [
        ({"priority_groups": ["g"]}, 10196),
        ({"priority_timeout": 1}, 10197),
        ({"priority_policy": "overflow"}, 10159),
        ({"priority_policy": "overflow", "priority_groups": [""]}, 10161),
        ({"priority_policy": "overflow", "priority_groups": ["bad group!"]}, 10162),
        ({"priority_policy": "overflow", "priority_groups": ["x" * 17]}, 10162),
        ({"priority_policy": "overflow", "priority_groups": ["g"], "deliver_subject": "d"}, 10178),
    ],
)
def test_what_is_no_group_is_refused(config: dict[str, Any], err_code: int) -> None:
    with pytest.raises(JetStreamError) as caught:
        check_config(ConsumerConfig(**config))

    assert caught.value.err_code == err_code


@pytest.mark.parametrize(
    ("policy", "body", "status"),
    [
        ("overflow", {"group": ""}, b"400 Bad Request - Priority Group missing"),
        ("overflow", {"group": "Z"}, b"400 Bad Request - Invalid Priority Group"),
        ("overflow", {"id": "x"}, b"400 Bad Request - Not a Pinned Client Priority consumer"),
        ("overflow", {"priority": 10}, b"400 Bad Request - Priority must be between 0 and 9"),
        (
            "pinned_client",
            {"min_pending": 1},
            b"400 Bad Request - Not a Overflow Priority consumer",
        ),
    ],
)
def test_a_request_that_does_not_fit_ends_at_once(
    policy: str, body: dict[str, Any], status: bytes
) -> None:
    (answer,) = ask(world(policy), **body)

    assert answer.status == b"NATS/1.0 " + status


def test_a_request_without_json_needs_no_group() -> None:
    assert [message.payload for message in world("overflow").fetch()] == [b"1"]


def test_an_overflow_request_waits_until_enough_is_pending() -> None:
    busy = world("overflow", messages=2)
    heard = ask(busy, min_pending=3)
    assert heard == []

    busy.publish("s.a", b"3")

    assert [message.payload for message in heard] == [b"1"]


def test_or_until_enough_is_not_acknowledged() -> None:
    busy = world("overflow")
    heard = ask(busy, min_ack_pending=1, min_pending=100)
    assert heard == []

    (first,) = ask(busy)

    assert first.payload == b"1"
    assert [message.payload for message in heard] == [b"2"]


def test_what_is_delivered_once_more_counts_as_pending() -> None:
    """Else it waited for a new message where each request has a `min_pending`."""
    busy = world("overflow")
    first, *_ = ask(busy, batch=3)
    one, two = ask(busy, min_pending=1), ask(busy, min_pending=2)

    busy.js.context.account.publish(first.reply, b"-NAK")
    busy.clock.advance(0)
    assert ([message.payload for message in one], two) == ([b"1"], [])

    busy.publish("s.a", b"4")
    assert two == []
    busy.js.context.account.publish(one[0].reply, b"-NAK")
    busy.clock.advance(0)
    assert [message.payload for message in two] == [b"1"]


@pytest.mark.parametrize(
    ("policy", "passed", "served"),
    [
        ("overflow", {"min_pending": 9}, {}),
        ("pinned_client", {}, {"id": "pin"}),
    ],
)
def test_who_is_passed_over_goes_behind_the_others(
    policy: str, passed: dict[str, Any], served: dict[str, Any]
) -> None:
    busy = world(policy, messages=1)
    (first,) = ask(busy)
    if served:
        served = {"id": pin_of(first)}
    early = ask(busy, batch=3, **passed)
    serving, late = ask(busy, **served), ask(busy, batch=3, **passed)

    busy.publish("s.a", b"2")
    assert [message.payload for message in serving] == [b"2"]
    if policy == "pinned_client":
        busy.api("CONSUMER.UNPIN.S.C", {"group": "A"})
        busy.clock.advance(0)
        busy.publish("s.a", b"3")
    else:
        busy.api("CONSUMER.PAUSE.S.C", {"pause_until": "2100-01-01T00:00:00Z"})
        for number in range(3, 12):
            busy.publish("s.a", b"%d" % number)
        busy.api("CONSUMER.PAUSE.S.C", {})
        busy.clock.advance(0)

    assert [message.payload for message in late][:1] == [b"3"]
    assert early == []


def test_one_client_is_pinned_and_others_wait() -> None:
    pinned = world("pinned_client")
    (first,) = ask(pinned)
    pin = pin_of(first)
    assert pinned.info()["priority_groups"][0]["pinned_client_id"] == pin

    other = ask(pinned)
    (second,) = ask(pinned, id=pin)

    assert (other, second.payload) == ([], b"2")
    assert ask(pinned, id="bogus")[0].status == b"NATS/1.0 423 Nats-Pin-Id mismatch"


def test_the_next_is_pinned_when_the_first_stops_asking() -> None:
    pinned = world("pinned_client", priority_timeout=2 * NS_PER_S)
    told = pinned.listen("$JS.EVENT.ADVISORY.CONSUMER.*.S.C")
    (first,) = ask(pinned)
    waiting = ask(pinned)

    pinned.clock.advance(2 * NS_PER_S)

    (second,) = waiting
    assert pin_of(second) != pin_of(first)
    assert [json.loads(one.payload).get("reason", "pinned") for one in told] == [
        "pinned",
        "timeout",
        "pinned",
    ]


def test_the_old_pin_is_refused_after_unpin() -> None:
    pinned = world("pinned_client")
    (first,) = ask(pinned)

    assert "error" not in pinned.api("CONSUMER.UNPIN.S.C", {"group": "A"})

    (answer,) = ask(pinned, id=pin_of(first))
    assert answer.status == b"NATS/1.0 423 Nats-Wrong-Pin-Id"


def test_who_names_no_group_has_an_empty_pin_and_waits_while_one_is_pinned() -> None:
    pinned = world("pinned_client", priority_timeout=2 * NS_PER_S)
    (first,) = pinned.fetch(1)
    (second,) = ask(pinned)

    third = pinned.fetch(1)
    assert (pin_of(first), third) == ("", [])
    assert pin_of(second)
    pinned.clock.advance(2 * NS_PER_S)

    assert [pin_of(one) for one in third] == [""]


@pytest.mark.parametrize("policy", ["overflow", "prioritized", ""])
def test_a_pin_binds_until_it_ends_though_the_policy_is_another_by_then(policy: str) -> None:
    pinned = world("pinned_client", messages=4, priority_timeout=2 * NS_PER_S)
    ask(pinned)
    early = ask(pinned)
    groups = {"priority_policy": policy, "priority_groups": ["A"]} if policy else {}
    pinned.create_consumer(**groups)

    late, plain = ask(pinned), pinned.fetch(1)
    pinned.clock.advance(0)
    assert (early, late, plain) == ([], [], [])
    pinned.clock.advance(2 * NS_PER_S)

    assert [one.payload for one in (*early, *late, *plain)] == [b"2", b"3", b"4"]
    assert all(b"Nats-Pin-Id" not in one.block for one in (*early, *late, *plain))


def test_the_lower_number_goes_first() -> None:
    ranked = world("prioritized", messages=0)
    low, high = ask(ranked, priority=5), ask(ranked, priority=1, batch=2)

    for number in range(3):
        ranked.publish("s.a", b"%d" % number)

    assert [message.payload for message in high] == [b"0", b"1"]
    assert [message.payload for message in low] == [b"2"]


def test_who_came_under_another_policy_keeps_its_place() -> None:
    made = world("overflow", messages=0)
    asked = {priority: ask(made, priority=priority) for priority in (9, 0, 8)}
    made.create_consumer(priority_policy="prioritized", priority_groups=["A"])
    asked |= {priority: ask(made, priority=priority) for priority in (5, 1)}

    for number in range(5):
        made.publish("s.a", b"%d" % number)

    order = sorted(asked, key=lambda priority: asked[priority][0].payload)
    assert order == [1, 5, 9, 0, 8]


def test_who_came_under_another_policy_makes_others_wait_in_order_again() -> None:
    made = world("overflow", messages=0)
    came = {priority: ask(made, priority=priority) for priority in (9, 0)}
    made.create_consumer(priority_policy="prioritized", priority_groups=["A"])
    asked = {priority: ask(made, priority=priority) for priority in (5, 1)}
    for _ in range(3):  # to 1, 5 and 9: 0 is left
        made.publish("s.a")
    asked |= {priority: ask(made, priority=priority) for priority in (8, 3)}

    for number in range(3):
        made.publish("s.a", b"%d" % number)

    assert [len(got) for got in (came[9], asked[1], asked[5])] == [1, 1, 1]
    assert [got[0].payload for got in (came[0], asked[3], asked[8])] == [b"0", b"1", b"2"]


class Watched(int):
    """A priority that counts how often it is held against another."""

    looks = 0

    def __lt__(self, other: int) -> bool:
        Watched.looks += 1
        return int(self) < int(other)

    def __gt__(self, other: int) -> bool:
        Watched.looks += 1
        return int(self) > int(other)


@pytest.mark.parametrize("priorities", [1, 10])
def test_of_many_who_wait_few_are_looked_at_for_a_message(
    priorities: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def watched(payload: bytes) -> NextRequest:
        wish = parse(payload)
        return replace(wish, priority=Watched(wish.priority))

    made = world("prioritized", messages=0, max_waiting=256)
    monkeypatch.setattr(pull, "parse", watched)
    asked = [ask(made, batch=9, priority=number % priorities) for number in range(256)]
    Watched.looks = 0

    for _ in range(100):
        made.publish("s.a")

    assert sum(map(len, asked)) == 100
    assert Watched.looks <= 100 * 9  # 2 ** 8 wait


def test_of_requests_that_come_together_the_lower_number_goes_first() -> None:
    ranked = world("prioritized")
    low, high = ask(ranked, priority=5, batch=2), ask(ranked, priority=1, batch=2)

    ranked.clock.advance(0)

    assert [message.payload for message in high] == [b"1", b"2"]
    assert [message.payload for message in low] == [b"3"]


def test_who_is_passed_over_takes_part_of_a_turn() -> None:
    made = world("overflow", 400, max_waiting=512)
    for _ in range(2 * limits.PASSED_OVER_PER_MSG):
        assert ask(made, min_pending=10_000) == []

    got = ask(made, batch=400)

    assert len(got) == -(-limits.DELIVER_TURN_MSGS // 3)  # each counts for two more
    made.clock.turn()
    assert len(got) == 400
