"""Reset and unpin of a consumer, measured on nats-server 2.15.1."""

from __future__ import annotations

from typing import Any

import pytest

from leafnode.jetstream.pending import Pending
from tests.unit.jetstream.world import World


def world(**config: Any) -> World:
    made = World()
    made.create_stream()
    for number in range(4):
        made.publish("s.a", b"%d" % (number + 1))
    made.create_consumer(**config)
    return made


def test_back_to_the_ack_floor() -> None:
    steered = world()
    first, *_ = steered.fetch(3)
    steered.publish(first.reply.decode(), b"+ACK")

    answer = steered.api("CONSUMER.RESET.S.C")

    assert (answer["reset_seq"], answer["num_pending"], answer["num_ack_pending"]) == (2, 3, 0)
    assert answer["delivered"] == {"consumer_seq": 0, "stream_seq": 1}
    (again,) = steered.fetch(1)
    assert again.payload == b"2"
    assert again.reply.split(b".")[4:7] == [b"1", b"2", b"1"]


def test_of_what_is_out_nothing_is_copied_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    steered = world()
    steered.fetch(3)
    monkeypatch.setattr(Pending, "copy", None)

    assert steered.api("CONSUMER.RESET.S.C")["num_pending"] == 4


def test_back_to_a_sequence() -> None:
    steered = world()
    steered.fetch(4)

    answer = steered.api("CONSUMER.RESET.S.C", {"seq": 2, "bogus": 1})

    assert answer["reset_seq"] == 2
    assert [message.payload for message in steered.fetch(9)] == [b"2", b"3", b"4"]


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"deliver_policy": "new"}, "not allowed"),
        ({"deliver_policy": "by_start_sequence", "opt_start_seq": 3}, "below start seq"),
        (
            {"deliver_policy": "by_start_time", "opt_start_time": "2099-01-01T00:00:00Z"},
            "below start time",
        ),
    ],
)
def test_not_to_before_the_beginning(config: dict[str, Any], text: str) -> None:
    answer = world(**config).api("CONSUMER.RESET.S.C", {"seq": 1})

    assert answer["error"] == {
        "code": 400,
        "err_code": 10204,
        "description": f"invalid reset: {text}",
    }
    assert answer["reset_seq"] == 0


def test_what_lies_before_is_of_no_interest_any_more() -> None:
    world = World()
    world.create_stream(retention="interest")
    world.create_consumer()
    world.create_consumer(name="D", filter_subject="s.d")
    for subject in ("s.a", "s.d", "s.a"):
        world.publish(subject)

    world.api("CONSUMER.RESET.S.C", {"seq": 3})

    assert world.state()["messages"] == 2
    assert world.state()["first_seq"] == 2


def test_beyond_the_end_everything_stays_for_the_next_reset() -> None:
    """As nats-server, which takes a floor beyond the stream's end for none."""
    world = World()
    world.create_stream(retention="interest")
    world.create_consumer()
    for _ in range(6):
        world.publish("s.a")

    world.api("CONSUMER.RESET.S.C", {"seq": 20})
    assert world.state()["messages"] == 6
    world.api("CONSUMER.RESET.S.C", {"seq": 3})

    assert world.state()["messages"] == 4
    assert world.api("CONSUMER.INFO.S.C")["num_pending"] == 4


def test_nobody_answers_for_a_consumer_that_is_not_there() -> None:
    assert world().request("$JS.API.CONSUMER.RESET.S.NOPE") == []
    assert world().request("$JS.API.CONSUMER.RESET.NOPE.NOPE") == []


def test_a_reset_with_bad_json() -> None:
    assert world().error("CONSUMER.RESET.S.C", b"{bad")[1] == 10025


@pytest.mark.parametrize(
    ("body", "err_code"),
    [
        (b"", 10025),
        (b"{}", 10025),
        (b'{"group":"Z"}', 10160),
        (b'{"group":"bad group"}', 10162),
        (b'{"group":"A"}', 0),
    ],
)
def test_unpin_names_a_group(body: bytes, err_code: int) -> None:
    steered = world(priority_policy="pinned_client", priority_groups=["A"])

    answer = steered.api("CONSUMER.UNPIN.S.C", body)

    assert answer.get("error", {}).get("err_code", 0) == err_code
