"""leafnode.jetstream.member: one message of a batch, behind those that are not stored yet."""

from __future__ import annotations

from typing import Any

import pytest

from leafnode.errors import JetStreamError
from leafnode.jetstream.judge import Judge
from leafnode.jetstream.member import Ahead, Member, MemberCheck
from leafnode.protocol import header
from tests.unit.jetstream.world import World

ALL = {"allow_rollup_hdrs": True, "allow_batched": True}


def checks(**config: Any) -> MemberCheck:
    world = World()
    world.create_stream(**config)
    world.publish("s.a", b"x", headers={"Nats-Msg-Id": "stored"})
    stream = world.js.streams["S"]
    return MemberCheck(stream, Judge(stream))


def member(subject: bytes = b"s.a", payload: bytes = b"x", **more: str) -> Member:
    fields = {b"Nats-" + k.replace("_", "-").encode(): v.encode() for k, v in more.items()}
    block = header.build(fields.items()) if fields else b""
    return Member(subject, len(block), block + payload, fields)


def code(check: MemberCheck, one: Member, ahead: Ahead | None = None) -> int:
    with pytest.raises(JetStreamError) as caught:
        check.judge(one, ahead or Ahead())
    return caught.value.err_code


@pytest.mark.parametrize(
    ("fields", "err_code"),
    [
        ({"Expected_Stream": "T", "TTL": "1"}, 10060),
        ({"TTL": "1", "Msg_Id": "stored"}, 10166),
        ({"TTL": "zz"}, 10166),
        ({"Stream_Source": "x", "Expected_Last_Sequence": "9"}, 10227),
        ({"Expected_Last_Sequence": "9", "Expected_Last_Subject_Sequence": "9"}, 10071),
        ({"Expected_Last_Subject_Sequence_Subject": "s.b", "Rollup": "foo"}, 10193),
        ({"Rollup": "foo"}, 10111),
    ],
)
def test_the_first_thing_that_is_wrong_in_their_order(
    fields: dict[str, str], err_code: int
) -> None:
    assert code(checks(**ALL), member(**fields)) == err_code


def test_a_lifetime_that_is_none_is_wrong_where_lifetimes_are_allowed() -> None:
    assert code(checks(allow_msg_ttl=True), member(TTL="zz", Msg_Id="stored")) == 10165


def test_a_repeat_is_one_whatever_else_it_expects() -> None:
    check, ahead = checks(**ALL), Ahead()
    check.judge(member(Msg_Id="q"), ahead)

    stored = check.judge(member(Msg_Id="stored", Expected_Last_Sequence="99"), ahead)
    own = check.judge(member(Msg_Id="q"), ahead)

    assert (stored.duplicate_of, own.duplicate_of) == (1, 0)
    assert ahead.count == 1


@pytest.mark.parametrize(
    ("fields", "err_code"),
    [
        ({"Expected_Last_Sequence": "1"}, 10071),
        ({"Expected_Last_Sequence": "2"}, 10164),
        ({"Expected_Last_Subject_Sequence": "1"}, 10164),
        ({"Rollup": "sub"}, 10111),
        ({"Rollup": "all"}, 10111),
    ],
)
def test_what_is_ahead_counts(fields: dict[str, str], err_code: int) -> None:
    check, ahead = checks(**ALL), Ahead()
    check.judge(member(), ahead)

    assert code(check, member(**fields), ahead) == err_code


def test_what_is_ahead_fills_the_stream_and_adds_to_the_counter() -> None:
    check, ahead = checks(discard="new", max_msgs=2), Ahead()
    check.judge(member(), ahead)
    assert code(check, member(), ahead) == 10077

    counting, ahead = checks(allow_msg_counter=True), Ahead()
    for total in (2, 4):
        judged = counting.judge(member(b"s.n", b"", Incr="2"), ahead)
        assert judged.body.endswith(b'{"val":"%d"}' % total)


def test_what_is_ahead_counts_for_its_subject_but_not_against_a_roll_up() -> None:
    limited = {"discard": "new", "discard_new_per_subject": True, "max_msgs_per_subject": 2}
    check, ahead = checks(**ALL, **limited), Ahead()
    check.judge(member(), ahead)

    assert code(check, member(), ahead) == 10077
    check.judge(member(b"s.b"), ahead)
    check.judge(member(Rollup="sub"), Ahead())


def test_a_schedule_that_is_ahead_may_be_ended_and_another_message_may_not() -> None:
    check, ahead = checks(allow_msg_schedules=True), Ahead()
    plan = {"Schedule": "@every 1h", "Schedule_Target": "s.t"}
    check.judge(member(b"s.plan", **plan), ahead)
    check.judge(member(b"s.b"), ahead)
    ending = {"Schedule_Next": "purge"}

    judged = check.judge(member(b"s.c", **ending, Scheduler="s.plan"), ahead)

    assert judged.ends == b"s.plan"
    assert code(check, member(b"s.c", **ending, Scheduler="s.b"), ahead) == 10212
