"""Direct Get of several messages (ADR-31): numbers and order as measured on nats-server 2.15.1."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from leafnode import limits
from leafnode.errors import StoreBusy
from leafnode.go_time import format_time
from leafnode.jetstream import rounds
from tests.unit.jetstream.real_world import RealWorld
from tests.unit.jetstream.world import Msg, World

if TYPE_CHECKING:
    from pathlib import Path


def filled(count: int = 6) -> World:
    """s.0 to s.2 in turn, the third message deleted."""
    world = World()
    world.create_stream(allow_direct=True)
    for number in range(count):
        world.publish(f"s.{number % 3}", b"m%d" % (number + 1))
    world.api("STREAM.MSG.DELETE.S", {"seq": 3})
    return world


def ask(world: World, **body: Any) -> list[Msg]:
    answers = world.request("$JS.API.DIRECT.GET.S", json.dumps(body).encode())
    for _ in range(40):
        world.clock.advance(0)
    return answers


def payloads(answers: list[Msg]) -> list[bytes]:
    return [answer.payload for answer in answers[:-1]]


def test_a_batch_steps_over_what_is_gone_and_ends_with_what_is_left() -> None:
    answers = ask(filled(), seq=1, batch=3)

    assert payloads(answers) == [b"m1", b"m2", b"m4"]
    assert answers[-1].block == (
        b"NATS/1.0 204 EOB\r\nNats-Num-Pending: 2\r\nNats-Last-Sequence: 4\r\n\r\n"
    )


def test_each_message_says_how_many_follow_and_which_came_before() -> None:
    answers = ask(filled(), seq=2, batch=2)

    assert answers[1].block.endswith(b"Nats-Num-Pending: 2\r\nNats-Last-Sequence: 2\r\n\r\n")


def test_a_batch_of_one_subject() -> None:
    assert payloads(ask(filled(), next_by_subj="s.0", batch=9)) == [b"m1", b"m4"]


def test_a_batch_ends_when_its_bytes_are_used_up() -> None:
    answers = ask(filled(), seq=1, batch=9, max_bytes=6)

    assert payloads(answers) == [b"m1", b"m2"]


def test_a_batch_of_nothing_is_not_found() -> None:
    (answer,) = ask(filled(), seq=50, batch=3)

    assert answer.status == b"NATS/1.0 404 Message Not Found"


def test_a_batch_longer_than_a_page_comes_whole() -> None:
    count = limits.READ_BATCH_MSGS + 10

    assert len(ask(filled(count), seq=1, batch=2 * count)) == count  # one is gone, one is the end


def test_without_headers_payloads_come_and_the_end_counts_from_the_beginning() -> None:
    answers = ask(filled(), seq=1, batch=2, no_hdr=True)

    assert [answer.block for answer in answers[:-1]] == [b"", b""]
    assert b"Nats-Num-Pending: 5\r\n" in answers[-1].block


def test_the_last_of_each_subject_in_order() -> None:
    answers = ask(filled(), multi_last=["s.>"])

    assert payloads(answers) == [b"m4", b"m5", b"m6"]
    assert answers[-1].block == (
        b"NATS/1.0 204 EOB\r\nNats-Num-Pending: 0\r\nNats-Last-Sequence: 6\r\n"
        b"Nats-UpTo-Sequence: 6\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"up_to_seq": 4}, [b"m2", b"m4"]),
        ({"up_to_seq": 1}, [b"m1"]),
        ({"seq": 5}, [b"m5", b"m6"]),
        ({"batch": 1}, [b"m4"]),
        ({"up_to_time": "2099-01-01T00:00:00Z"}, [b"m4", b"m5", b"m6"]),
    ],
)
def test_the_last_ones_within_bounds(body: dict[str, Any], expected: list[bytes]) -> None:
    assert payloads(ask(filled(), multi_last=["s.*"], **body)) == expected


@pytest.mark.parametrize(
    "body",
    [
        {"multi_last": ["z"]},
        {"multi_last": ["s.*"], "up_to_time": "2020-01-01T00:00:00Z"},
    ],
)
def test_no_last_ones(body: dict[str, Any]) -> None:
    (answer,) = ask(filled(), **body)

    assert answer.status == b"NATS/1.0 404 No Results"


def test_last_ones_that_are_before_the_asked_sequence_end_at_once() -> None:
    (answer,) = ask(filled(), multi_last=["s.*"], seq=9)

    assert answer.status == b"NATS/1.0 204 EOB"


def test_a_batch_below_zero_ends_at_once() -> None:
    (answer,) = ask(filled(), seq=1, batch=-1)

    assert answer.status == b"NATS/1.0 204 EOB"


def test_too_many_subjects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DIRECT_SUBJECTS_MAX", 2)

    (answer,) = ask(filled(), multi_last=["s.*"])

    assert answer.status == b"NATS/1.0 413 Too Many Results"


@pytest.mark.parametrize("body", [{"seq": 1, "batch": 2}, {"multi_last": ["s.*"]}])
def test_a_read_that_the_store_refuses_is_a_status(body: dict[str, Any]) -> None:
    world = filled()
    world.store.read_error = StoreBusy("4096 reads wait for the disk")

    (answer,) = ask(world, **body)

    assert answer.status == b"NATS/1.0 429 Too Many Requests"


@pytest.mark.parametrize("body", [b'{"seq":1,"batch":99}', b'{"multi_last":["s.*"]}'])
def test_an_answer_that_nobody_hears_ends(body: bytes) -> None:
    world = filled()
    sent: list[bytes] = []
    answer = world.account.answer

    def counted(subject: bytes, *args: Any, **options: Any) -> int:
        sent.append(subject)
        return answer(subject, *args, **options)

    world.publish("$JS.API.DIRECT.GET.S", body, reply="_INBOX.gone")
    world.account.answer = counted  # type: ignore[method-assign]
    for _ in range(40):
        world.clock.advance(0)

    assert sent == [b"_INBOX.gone"] * 2  # a message, and that this is all


def test_requests_beyond_the_bound_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "DIRECT_BATCHES_MAX", 1)
    world = filled()
    body = b'{"seq":1,"batch":2}'
    first, second = (world.request("$JS.API.DIRECT.GET.S", body) for _ in range(2))
    for _ in range(3):
        world.clock.advance(0)

    assert payloads(first) == [b"m1", b"m2"]
    assert [answer.status for answer in second] == [b"NATS/1.0 429 Too Many Requests"]


def test_no_more_subjects_are_looked_at_than_say_that_it_is_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "DIRECT_SUBJECTS_MAX", 3)
    monkeypatch.setattr(limits, "SUBJECTS_PER_STEP", 2)
    world = World()
    world.create_stream(allow_direct=True)
    for number in range(20):
        world.publish(f"s.{number}", b"x")
    store = world.js.streams["S"].store
    looked: list[bytes] = []
    last_of = store.last_of

    def counted(subject: bytes) -> int:
        looked.append(subject)
        return last_of(subject)

    monkeypatch.setattr(store, "last_of", counted)
    (answer,) = ask(world, multi_last=[">"])

    assert answer.status == b"NATS/1.0 413 Too Many Results"
    assert len(looked) == 4


def test_subjects_are_looked_at_so_many_in_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SUBJECTS_PER_STEP", 2)
    world = filled(60)
    answers = world.request("$JS.API.DIRECT.GET.S", b'{"multi_last": ["s.*"]}')
    turns = 0
    while not answers:
        world.clock.turn()
        turns += 1

    assert turns >= 2
    assert payloads(ask(world, multi_last=["s.*"])) == [b"m58", b"m59", b"m60"]


def test_a_subject_that_begins_beyond_the_end_is_not_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "DIRECT_SUBJECTS_MAX", 1)
    world = World()
    world.create_stream(allow_direct=True)
    for subject in ("s.a", "s.b", "s.c"):
        world.publish(subject, b"x" + subject.encode())

    assert payloads(ask(world, multi_last=["s.*"], up_to_seq=1)) == [b"xs.a"]


def keys(tmp_path: Path, **config: Any) -> RealWorld:
    """Two keys of one value each, on a disk that takes its time."""
    world = RealWorld(tmp_path / "store")
    world.create_stream(allow_direct=True, max_msgs_per_subject=1, **config)
    world.put("s.k", b"old")
    world.put("s.other", b"other")
    return world


@pytest.mark.parametrize("upto", [{}, {"up_to_seq": 2}])
@pytest.mark.parametrize("pattern", ["s.k", "s.*"])
def test_a_key_has_its_old_value_until_the_new_one_is_on_disk(
    tmp_path: Path, pattern: str, upto: dict[str, int]
) -> None:
    world = keys(tmp_path)
    world.publish("s.k", b"new")

    answers = ask(world, multi_last=[pattern], **upto)

    assert b"old" in payloads(answers)
    assert answers[-1].block.startswith(b"NATS/1.0 204 EOB")


@pytest.mark.parametrize("turn", range(6))
def test_a_key_that_is_replaced_while_it_is_looked_for_has_the_new_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, turn: int
) -> None:
    monkeypatch.setattr(limits, "SUBJECTS_PER_STEP", 1)
    world = keys(tmp_path)
    answers = world.request("$JS.API.DIRECT.GET.S", b'{"multi_last": ["s.*"]}')
    for _ in range(turn):
        world.clock.turn()
    world.publish("s.k", b"new")
    world.settle()
    for _ in range(20):
        world.clock.turn()
    world.settle()

    assert sorted(payloads(answers)) in ([b"new", b"other"], [b"old", b"other"])


def test_a_value_of_then_that_is_replaced_before_it_is_read_is_left_out_unlike_on_nats_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SUBJECTS_PER_STEP", 1)
    world = keys(tmp_path)
    body = b'{"multi_last": ["s.*"], "up_to_seq": 2}'
    answers = world.request("$JS.API.DIRECT.GET.S", body)
    world.publish("s.k", b"new")
    world.settle()
    for _ in range(20):
        world.clock.turn()
    world.settle()

    assert payloads(answers) == [b"other"]
    assert answers[-1].block.startswith(b"NATS/1.0 204 EOB\r\nNats-Num-Pending: 0\r\n")


def test_a_key_that_begins_behind_the_end_that_was_asked_for_is_none_while_it_is_written(
    tmp_path: Path,
) -> None:
    world = keys(tmp_path)
    world.publish("s.fresh", b"new")
    answers = ask(world, multi_last=["s.*"], up_to_seq=2)
    world.settle()
    world.settle()

    assert payloads(answers) == [b"old", b"other"]


@pytest.mark.parametrize("ahead_ns", [1, 10**9, 10**13])
def test_a_time_that_is_not_past_finds_all_keys_while_somebody_publishes(
    tmp_path: Path, ahead_ns: int
) -> None:
    world = keys(tmp_path)
    world.publish("s.k", b"new")
    until = format_time(world.clock.wall_ns() + ahead_ns)

    answers = ask(world, multi_last=["s.*"], up_to_time=until)

    assert payloads(answers) == [b"old", b"other"]
    assert answers[-1].block.endswith(b"Nats-UpTo-Sequence: 2\r\n\r\n")


@pytest.mark.parametrize("turn", range(6))
@pytest.mark.parametrize("passes_ns", [0, 10**6], ids=["before", "at that time"])
def test_a_key_that_is_replaced_meanwhile_has_the_new_value_if_that_is_before_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passes_ns: int, turn: int
) -> None:
    monkeypatch.setattr(limits, "SUBJECTS_PER_STEP", 1)
    world = keys(tmp_path)
    body = {"multi_last": ["s.*"], "up_to_time": format_time(world.clock.wall_ns() + 10**6)}
    answers = world.request("$JS.API.DIRECT.GET.S", json.dumps(body).encode())
    for _ in range(turn):
        world.clock.turn()
    world.clock.jump_wall(passes_ns)
    world.publish("s.k", b"new")
    world.settle()
    for _ in range(20):
        world.clock.turn()
    world.settle()

    found = sorted(payloads(answers))
    assert found in ([[b"other"]] if passes_ns else [[b"new", b"other"]]) + [[b"old", b"other"]]
