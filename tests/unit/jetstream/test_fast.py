"""Fast batches (ADR-50): what is said of them, and when.

What the wire shows is compared with nats-server in tests/conformance/jetstream/samples/fast.txt.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.errors import StoreBusy, StoreFailed, StoreFull
from leafnode.jetstream.fast import Said, said
from tests.unit.jetstream.fake_store import FakeStream
from tests.unit.jetstream.world import World

START, APPEND, COMMIT, EOB, PING = range(5)


class Batched(World):
    """A stream S on s.>, and what was answered."""

    def __init__(self, **config: Any) -> None:
        super().__init__()
        self.create_stream(**{"allow_batched": True, **config})

    def start(self) -> None:
        super().start()
        self.said = self.listen("_D.>")

    def put(
        self, seq: int, op: int = APPEND, *, batch: str = "b", mode: str = "ok", flow: int = 10
    ) -> list[dict[str, Any]]:
        """Publish one message of a batch, and return what was answered since."""
        self.publish("s.a", b"x", reply=f"_D.{batch}.{flow}.{mode}.{seq}.{op}.$FI")
        return self.answers()

    def answers(self) -> list[dict[str, Any]]:
        answers = [json.loads(one.payload) for one in self.said]
        self.said.clear()
        return answers

    def count(self) -> int:
        count: int = self.state()["messages"]
        return count


def ack(seq: int, msgs: int = 10) -> dict[str, Any]:
    return {"type": "ack", "seq": seq, "msgs": msgs}


def pub_ack(seq: int, count: int, batch: str = "b") -> dict[str, Any]:
    return {"stream": "S", "seq": seq, "batch": batch, "count": count}


def code(answers: list[dict[str, Any]]) -> int:
    (answer,) = answers
    found: int = answer["error"]["err_code"]
    return found


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (b"p.b.7.ok.1.0.$FI", Said("b", 7, True, 1, START)),
        (b"p.q.b.7.fail.2.01.$FI", Said("b", 7, False, 2, APPEND)),
        (b"p.b.0.ok.1.2.$FI", Said("b", 10, True, 1, COMMIT)),
        (b"p.b.x.ok.2.3.$FI", Said("b", 10, True, 2, EOB)),
        (b"p.b.70000.ok.1.4.$FI", Said("b", 65535, True, 1, PING)),
        (b"b.7.ok.1.0.$FI", None),
        (b".$FI", None),
        (b"p.b.7.OK.1.0.$FI", None),
        (b"p.b.7.ok.1.5.$FI", None),
        (b"p.b.7.ok.2.0.$FI", None),
        (b"p.b.7.ok.1.1.$FI", None),
        (b"p.b.7.ok.1.3.$FI", None),
        (b"p.b.7.ok.0.4.$FI", None),
        (b"p.b.7.ok.18446744073709551615.1.$FI", None),
        (b"p.b.7.ok." + b"9" * 5000 + b".1.$FI", None),
    ],
)
def test_what_a_reply_subject_says(reply: bytes, expected: Said | None) -> None:
    assert said(reply) == expected


def test_messages_are_stored_as_they_come_and_acknowledged_now_and_then() -> None:
    world = Batched()

    assert world.put(1, START, flow=2) == [ack(0, 2)]
    assert world.count() == 1
    assert world.put(2, flow=2) == [ack(2, 2)]
    assert world.put(3, flow=2) == []
    assert world.put(4, COMMIT, flow=2) == [pub_ack(4, 4)]
    assert code(world.put(5)) == 10208


def test_what_nobody_wants_of_a_stream_of_interest_is_not_kept() -> None:
    world = Batched(retention="interest")

    world.put(1, START)
    world.put(2)

    assert (world.count(), world.state()["last_seq"]) == (0, 2)


def test_the_end_may_be_no_message() -> None:
    world = Batched()
    world.put(1, START)

    assert world.put(2, EOB) == [pub_ack(1, 1)]
    assert world.count() == 1


@pytest.mark.parametrize("op", [APPEND, EOB])
def test_a_gap_ends_a_batch_that_allows_none(op: int) -> None:
    world = Batched()
    world.put(1, START, mode="fail")

    gap = {"type": "gap", "last_seq": 2, "seq": 4}
    assert world.put(4, op, mode="fail") == [gap, pub_ack(1, 1)]
    assert code(world.put(2, mode="fail")) == 10208


def test_a_gap_is_told_and_no_more_where_it_is_allowed() -> None:
    world = Batched()
    world.put(1, START)

    assert world.put(4) == [{"type": "gap", "last_seq": 2, "seq": 4}]
    assert world.put(6, PING) == [{"type": "gap", "last_seq": 5, "seq": 7}, ack(0)]
    assert world.put(7, COMMIT) == [pub_ack(3, 7)]


def test_what_comes_again_ends_the_batch() -> None:
    world = Batched()
    world.put(1, START)

    assert world.put(1, START) == [{"type": "gap", "last_seq": 2, "seq": 1}, pub_ack(1, 1)]
    assert world.count() == 1


def test_several_batches_share_the_pace() -> None:
    world = Batched()
    world.put(1, START, flow=4)
    assert world.put(1, START, batch="c", flow=4) == [ack(0, 1), ack(1, 2)]
    assert world.put(2, batch="c", flow=4) == []
    assert world.put(3, batch="c", flow=4) == [ack(3, 4)]


def test_nothing_is_promised_before_it_is_on_disk() -> None:
    world = Batched()
    world.store.hold()

    assert world.put(1, START, flow=1) == []
    assert world.put(2, PING, flow=1) == []
    assert world.put(3, COMMIT, flow=1) == []
    world.store.commit()
    gap = {"type": "gap", "last_seq": 2, "seq": 3}
    assert world.answers() == [ack(0, 1), ack(1, 1), gap, ack(2, 1), pub_ack(2, 3)]


def test_a_commit_that_fails_is_told_and_ends_the_batches_that_lost_messages() -> None:
    world = Batched()
    world.put(1, START, batch="quiet")
    world.put(1, START, batch="kept")
    world.store.hold()
    world.put(2, batch="quiet")
    world.put(1, START, batch="asked")

    world.store.fail(StoreFull("full"))
    world.store.holding = False

    start, failure = world.answers()
    assert (start, failure["error"]["err_code"]) == (ack(0, 1), 10047)
    assert code(world.put(3, batch="quiet")) == 10208
    assert code(world.put(2, batch="asked")) == 10208
    assert world.put(2, COMMIT, batch="kept") == [pub_ack(3, 2, "kept")]


def test_while_the_store_is_read_anew_nothing_is_promised_of_what_may_be_lost() -> None:
    """A failed disk tells at once; what is there again is known only later."""
    world = Batched()
    world.store.hold()
    world.put(1, START)
    world.store.error = StoreFailed("gone")
    world.store.staged = 0
    for callback in world.store.callbacks:
        callback(world.store.error)
    world.answers()

    assert code(world.put(2, EOB)) == 10077
    world.store.error = None
    assert code(world.put(2, EOB)) == 10208


def test_a_message_that_there_is_no_room_for_has_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Batched()
    world.put(1, START)

    def busy(*args: object, **more: object) -> int:
        raise StoreBusy("too much waits")

    with monkeypatch.context() as patched:
        patched.setattr(FakeStream, "append", busy)
        world.publish("s.a", b"x", reply="_D.b.10.ok.2.2.$FI")
    (refused,) = world.said
    assert refused.status == b"NATS/1.0 429 Too Many Requests"
    world.said.clear()

    assert world.put(2, COMMIT) == [pub_ack(2, 2)]


@pytest.mark.parametrize(("mode", "ends"), [("ok", []), ("fail", [pub_ack(1, 1)])])
def test_a_store_that_refuses_is_an_error_of_the_message(
    monkeypatch: pytest.MonkeyPatch, mode: str, ends: list[dict[str, Any]]
) -> None:
    world = Batched()
    world.put(1, START, mode=mode)

    def full(*args: object, **more: object) -> int:
        raise StoreFull("full")

    with monkeypatch.context() as patched:
        patched.setattr(FakeStream, "append", full)
        answers = world.put(2, mode=mode)

    assert (answers[0]["type"], answers[0]["error"]["err_code"]) == ("err", 10047)
    assert answers[1:] == ends


def test_an_id_that_does_not_follow_is_an_error_like_others() -> None:
    """nats-server answers with a plain error and never ends the batch."""
    world = Batched()
    world.put(1, START)

    reply = "_D.b.10.ok.2.1.$FI"
    world.publish("s.a", b"x", headers={"Nats-Expected-Last-Msg-Id": "q"}, reply=reply)

    (answer,) = world.answers()
    assert (answer["type"], answer["error"]["err_code"]) == ("err", 10070)
    assert world.put(3, COMMIT) == [pub_ack(2, 3)]


def test_so_many_batches_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FAST_OPEN_MAX", 2)
    world = Batched()
    for name in "ab":
        world.put(1, START, batch=name)

    assert code(world.put(1, START, batch="c")) == 10211
    world.put(2, EOB, batch="a")
    assert world.put(1, COMMIT, batch="c") == [pub_ack(3, 1, "c")]


def test_so_many_batches_of_the_server_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FAST_OPEN_TOTAL_MAX", 1)
    world = Batched()
    world.create_stream("T", allow_batched=True)
    world.put(1, START)

    world.publish("t.a", b"x", reply="_D.c.10.ok.1.0.$FI")
    assert code(world.answers()) == 10211
    world.api("STREAM.DELETE.S")
    world.publish("t.a", b"x", reply="_D.c.10.ok.1.0.$FI")
    assert world.answers() == [ack(0)]


def test_a_batch_that_is_silent_is_over() -> None:
    world = Batched()
    world.put(1, START)
    world.clock.advance(9 * NS_PER_S)
    world.put(1, PING)
    world.clock.advance(9 * NS_PER_S)
    assert world.put(2) == []

    world.clock.advance(limits.FAST_IDLE_NS)
    assert code(world.put(3)) == 10208


def test_a_process_that_starts_again_knows_of_no_batch() -> None:
    world = Batched()
    world.put(1, START)

    world.restart()

    assert code(world.put(2)) == 10208
    assert world.count() == 1
