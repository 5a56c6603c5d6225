"""Counter streams (ADR-49), measured on nats-server 2.15.1."""

from __future__ import annotations

import json
from typing import Any

import pytest

from leafnode import limits
from leafnode.errors import JetStreamError
from leafnode.jetstream.counters import Total, check, summed, total_of, value_of
from tests.unit.jetstream.world import World

S = 1_000_000_000


def world(**config: Any) -> World:
    made = World()
    made.create_stream(**{"allow_msg_counter": True, **config})
    return made


def add(world: World, increment: str, subject: str = "s.a", **more: str) -> dict[str, Any]:
    headers = {"Nats-Incr": increment} | {
        "Nats-" + name.replace("_", "-"): value for name, value in more.items()
    }
    (answer,) = world.request(subject, b"", headers=headers)
    found: dict[str, Any] = json.loads(answer.payload)
    return found


def test_each_message_adds_to_its_subject() -> None:
    counting = world()

    answers = [add(counting, "+5"), add(counting, "-7"), add(counting, "1", "s.b")]

    assert [one["val"] for one in answers] == ["5", "-2", "1"]
    stored = counting.js.streams["S"].store
    found: list[Any] = []
    stored.get(2, found.append)
    assert found[0].payload == b'{"val":"-2"}'


def test_a_number_may_be_large() -> None:
    counting = world()
    add(counting, "1" + "0" * 30)

    assert add(counting, "1")["val"] == "1" + "0" * 29 + "1"


def test_a_repeat_has_no_value() -> None:
    counting = world()
    add(counting, "1", Msg_Id="q")

    assert add(counting, "1", Msg_Id="q") == {"stream": "S", "seq": 1, "duplicate": True}


@pytest.mark.parametrize(
    ("fields", "payload_size", "allowed", "err_code"),
    [
        ({b"Nats-Incr": b"x"}, 0, False, 10171),
        ({b"Nats-Incr": b"1.5"}, 0, True, 10171),
        ({b"Nats-Incr": b"1_0"}, 0, True, 10171),
        ({b"Nats-Incr": b"1" * (limits.COUNTER_DIGITS_MAX + 1)}, 0, True, 10171),
        ({b"Nats-Incr": b"1"}, 0, False, 10168),
        ({b"Nats-Incr": b"1"}, 1, True, 10170),
        ({b"Nats-Incr": b"1", b"Nats-Rollup": b"sub"}, 0, True, 10171),
        ({b"Nats-Incr": b"1", b"Nats-Expected-Last-Sequence": b"1"}, 0, True, 10171),
    ],
)
def test_what_is_no_increment(
    fields: dict[bytes, bytes], payload_size: int, allowed: bool, err_code: int
) -> None:
    with pytest.raises(JetStreamError) as caught:
        check(fields, payload_size, allowed=allowed)

    assert caught.value.err_code == err_code


def test_the_longest_increment_is_taken() -> None:
    check({b"Nats-Incr": b"1" * limits.COUNTER_DIGITS_MAX}, 0, allowed=True)


def test_a_message_without_an_increment_is_refused() -> None:
    (answer,) = world().request("s.a", b"")

    assert json.loads(answer.payload)["error"]["err_code"] == 10169


def test_totals_go_on_after_a_restart() -> None:
    counting = world()
    add(counting, "5")
    counting.restart()

    assert add(counting, "1")["val"] == "6"


def test_a_total_that_was_deleted_is_read_back_from_the_one_before() -> None:
    counting = world()
    add(counting, "5")
    add(counting, "1")
    counting.api("STREAM.MSG.DELETE.S", {"seq": 2})

    (status,) = counting.request("s.a", b"", headers={"Nats-Incr": "1"})

    assert status.status == b"NATS/1.0 429 Too Many Requests"
    assert add(counting, "1")["val"] == "6"


def test_a_purged_subject_begins_at_nothing() -> None:
    counting = world()
    add(counting, "5")
    counting.api("STREAM.PURGE.S")

    assert add(counting, "1")["val"] == "1"


def test_what_is_stored_may_be_no_counter() -> None:
    counting = world()
    stream = counting.js.streams["S"]
    stream.store.append(b"s.a", 0, b"junk", stream.next_time_ns())

    counting.request("s.a", b"", headers={"Nats-Incr": "1"})

    assert add(counting, "1")["error"]["err_code"] == 10172


def test_counters_in_a_batch_add_to_each_other() -> None:
    counting = world(allow_atomic=True)
    for seq in (1, 2):
        counting.request(
            "s.a",
            b"",
            headers={
                "Nats-Incr": "3",
                "Nats-Batch-Id": "b",
                "Nats-Batch-Sequence": str(seq),
                **({"Nats-Batch-Commit": "1"} if seq == 2 else {}),
            },
        )

    assert add(counting, "1")["val"] == "7"


@pytest.mark.parametrize(
    ("payload", "value"),
    [(b'{"val":"5"}', 5), (b"", None), (b'{"val":"x"}', None), (b"[]", None), (b"{}", None)],
)
def test_the_value_of_what_is_stored(payload: bytes, value: int | None) -> None:
    assert value_of(payload) == value


BLOCK = b"NATS/1.0\r\nNats-Incr: 9\r\n\r\n"


def test_a_source_adds_what_its_counter_grew_by_since_it_was_last_heard_of() -> None:
    first, block = summed(Total(100), BLOCK, b'{"val":"9"}', ("A", "a"))
    second, again = summed(first, BLOCK, b'{"val":"4"}', ("A", "a"))
    third, _ = summed(second, BLOCK, b'{"val":"1"}', ("B", "a"))

    assert (first.value, second.value, third.value) == (109, 104, 105)
    assert third.sources == b'{"A":{"a":"4"},"B":{"a":"1"}}'
    assert (block, again) == (BLOCK, b"NATS/1.0\r\nNats-Incr: -5\r\n\r\n")


def test_what_is_no_counter_is_not_summed() -> None:
    for present, payload in ((Total(), b"x"), (Total(1, b"x"), b'{"val":"1"}')):
        with pytest.raises(JetStreamError) as caught:
            summed(present, BLOCK, payload, ("A", "a"))
        assert caught.value.err_code == 10172


@pytest.mark.parametrize(
    "said", [b"{}", b'{"A":{"a":"x"}}', b"[]", b'{"A":{"a":"' + b"1" * 9999 + b'"}}']
)
def test_sources_that_cannot_be_read_break_a_counter(said: bytes) -> None:
    block = b"NATS/1.0\r\nNats-Counter-Sources: %b\r\n\r\n" % said

    expected = Total(1, said) if said == b"{}" else None
    assert total_of(block, b'{"val":"1"}') == expected


def test_subjects_that_have_no_messages_any_more_are_forgotten() -> None:
    counting = world(max_age=S, duplicate_window=S)
    most = 0
    for number in range(300):
        add(counting, "1", f"s.{number}")
        counting.clock.advance(S // 10)
        most = max(most, counting.js.streams["S"].counters.remembered)

    assert counting.state()["messages"] <= 13
    assert most <= 2 * 13
    assert add(counting, "1", "s.299")["val"] == "2"


def test_totals_are_remembered_while_their_messages_are_there() -> None:
    counting = world()
    for _ in range(3):
        for number in range(50):
            add(counting, "1", f"s.{number}")

    assert counting.js.streams["S"].counters.remembered == 50
    assert add(counting, "1", "s.0")["val"] == "4"


def test_a_counter_that_is_added_to_after_a_purge_begins_anew() -> None:
    counting = world()
    for number in range(5):
        add(counting, "1", f"s.{number}")
    counting.api("STREAM.PURGE.S")

    assert [add(counting, "2", f"s.{number}")["val"] for number in range(5)] == ["2"] * 5
    assert counting.js.streams["S"].counters.remembered == 5
