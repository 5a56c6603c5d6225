"""Publishing into a stream. PubAcks and refusals are literal, measured on nats-server 2.15.1."""

from __future__ import annotations

import json
from typing import Any

import pytest

from leafnode import limits
from leafnode.errors import StoreBusy, StoreFailed, StoreFull
from tests.unit.jetstream.world import World

S = 1_000_000_000


def publish(world: World, subject: str = "s.a", payload: bytes = b"x", **headers: str) -> bytes:
    """Publish with a reply, and return the one answer; header names use _ for -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answers = world.request(subject, payload, headers=named or None)
    assert len(answers) == 1, answers
    return answers[0].payload


def error(code: int, err_code: int, text: str) -> bytes:
    body = f'{{"code":{code},"err_code":{err_code},"description":"{text}"}}'
    return f'{{"error":{body},"stream":"S","seq":0}}'.encode()


def test_a_stored_message_is_acknowledged_with_stream_and_sequence() -> None:
    world = World()
    world.create_stream()

    assert publish(world) == b'{"stream":"S","seq":1}'
    assert publish(world) == b'{"stream":"S","seq":2}'


def test_the_ack_names_the_domain() -> None:
    world = World(domain="D")
    world.create_stream()

    assert publish(world) == b'{"stream":"S","domain":"D","seq":1}'


def test_no_ack_leaves_before_the_commit() -> None:
    world = World()
    world.create_stream()
    world.store.hold()

    answers = world.request("s.a", b"x")
    assert answers == []
    world.store.commit()

    assert [answer.payload for answer in answers] == [b'{"stream":"S","seq":1}']


def test_a_duplicate_is_answered_only_when_the_original_is_on_disk() -> None:
    world = World()
    world.create_stream()
    world.store.hold()
    first = world.request("s.a", b"x", headers={"Nats-Msg-Id": "A"})

    second = world.request("s.a", b"x", headers={"Nats-Msg-Id": "A"})
    assert (first, second) == ([], [])
    world.store.commit()

    assert second[0].payload == b'{"stream":"S","seq":1,"duplicate": true}'


def test_a_failed_commit_refuses_every_message_of_its_batch() -> None:
    world = World()
    world.create_stream()
    world.store.hold()
    answers = world.request("s.a", b"x", headers={"Nats-Msg-Id": "A"})

    world.store.fail(StoreFailed("fsync failed"))

    assert [answer.payload for answer in answers] == [error(503, 10077, "fsync failed")]


def test_an_id_whose_commit_failed_may_come_again() -> None:
    world = World()
    world.create_stream()
    world.store.hold()
    world.request("s.a", b"x", headers={"Nats-Msg-Id": "A"})
    world.store.fail(StoreFailed("fsync failed"))
    world.store.holding = False

    assert publish(world, Nats_Msg_Id="A") == b'{"stream":"S","seq":1}'


@pytest.mark.parametrize(
    ("trouble", "refused"),
    [
        (StoreFull("disk"), error(500, 10047, "insufficient storage resources available")),
        (StoreFailed("fsync failed"), error(503, 10077, "fsync failed")),
    ],
)
def test_a_store_that_takes_nothing_is_reported_at_once(trouble: Any, refused: bytes) -> None:
    world = World()
    world.create_stream()
    world.store.error = trouble

    assert publish(world) == refused


def test_too_many_staged_messages_get_a_429_and_are_counted() -> None:
    world = World()
    world.create_stream()
    world.store.error = StoreBusy("65536 messages wait for the disk")

    answer = world.request("s.a", b"x")[0]

    assert answer.block == b"NATS/1.0 429 Too Many Requests\r\n\r\n"
    assert answer.payload == error(429, 10167, "too many requests")
    assert world.js.streams["S"].refused == 1


@pytest.mark.parametrize("no_ack", [False, True])
def test_a_part_of_the_server_hears_of_a_refusal_at_once_and_a_client_behind_what_came_before(
    *, no_ack: bool
) -> None:
    world = World()
    world.create_stream(discard="new", max_msgs=1, no_ack=no_ack)
    world.store.hold()
    first = world.listen("_INBOX.a.1")
    behind = world.listen("_INBOX.a.2")
    own = world.listen("_INBOX.a.3")
    world.publish("s.a", b"1", reply="_INBOX.a.1")

    world.publish("s.a", b"2", reply="_INBOX.a.2")
    world.account.publish(b"s.a", b"3", reply=b"_INBOX.a.3")

    told = [error(503, 10077, "maximum messages exceeded")]
    assert [one.payload for one in own] == ([] if no_ack else told)
    assert (first, behind) == ([], [])
    world.store.commit()
    assert [one.payload for one in behind] == ([] if no_ack else told)
    assert len(own) == (not no_ack)


def test_a_message_without_reply_is_stored_in_silence() -> None:
    world = World()
    world.create_stream()

    world.publish("s.a", b"x")

    assert world.state()["messages"] == 1


def test_a_stream_without_acks_stores_and_says_nothing() -> None:
    world = World()
    world.create_stream(no_ack=True)

    assert world.request("s.a", b"x") == []
    assert world.state()["messages"] == 1


def test_a_repeated_id_is_not_stored_again_whatever_its_subject() -> None:
    world = World()
    world.create_stream()
    publish(world, "s.a", Nats_Msg_Id="A")

    assert publish(world, "s.b", Nats_Msg_Id="A") == b'{"stream":"S","seq":1,"duplicate": true}'
    assert world.state()["messages"] == 1


def test_an_id_may_come_again_after_the_window() -> None:
    world = World()
    world.create_stream(duplicate_window=S)
    publish(world, Nats_Msg_Id="A")

    world.clock.advance(S)

    assert publish(world, Nats_Msg_Id="A") == b'{"stream":"S","seq":2}'


@pytest.mark.parametrize("by_ns", [3600 * S, -3600 * S])
def test_an_id_is_known_for_the_window_though_the_wall_clock_is_set_meanwhile(by_ns: int) -> None:
    """As by NTP, a while after a board without a battery started."""
    world = World()
    world.create_stream(duplicate_window=10 * S)
    publish(world, Nats_Msg_Id="A")

    world.clock.jump_wall(by_ns)
    world.clock.advance(10 * S - 1)
    assert publish(world, Nats_Msg_Id="A") == b'{"stream":"S","seq":1,"duplicate": true}'
    world.clock.advance(1)

    assert publish(world, Nats_Msg_Id="A") == b'{"stream":"S","seq":2}'


def test_an_id_survives_the_purge_of_its_message() -> None:
    world = World()
    world.create_stream()
    publish(world, Nats_Msg_Id="A")
    world.api("STREAM.PURGE.S")

    assert publish(world, Nats_Msg_Id="A") == b'{"stream":"S","seq":1,"duplicate": true}'


@pytest.mark.parametrize(
    ("headers", "answer"),
    [
        (
            {"Nats_Expected_Stream": "NOPE"},
            error(400, 10060, "expected stream does not match"),
        ),
        (
            {"Nats_Expected_Last_Sequence": "99"},
            error(400, 10071, "wrong last sequence: 2"),
        ),
        (
            {"Nats_Expected_Last_Sequence": "abc"},
            error(400, 10071, "wrong last sequence: 2"),
        ),
        ({"Nats_Expected_Last_Sequence": "2"}, b'{"stream":"S","seq":3}'),
        (
            {"Nats_Expected_Last_Subject_Sequence": "0"},
            error(400, 10071, "wrong last sequence: 2"),
        ),
        ({"Nats_Expected_Last_Subject_Sequence": "2"}, b'{"stream":"S","seq":3}'),
        (
            {
                "Nats_Expected_Last_Subject_Sequence": "1",
                "Nats_Expected_Last_Subject_Sequence_Subject": "s.other",
            },
            b'{"stream":"S","seq":3}',
        ),
        (
            {
                "Nats_Expected_Last_Subject_Sequence": "1",
                "Nats_Expected_Last_Subject_Sequence_Subject": "s.*",
            },
            error(400, 10071, "wrong last sequence: 2"),
        ),
        (
            {"Nats_Expected_Last_Subject_Sequence_Subject": "s.a"},
            error(400, 10193, "missing sequence for expected last sequence per subject"),
        ),
        (
            {"Nats_Expected_Last_Msg_Id": "ZZ"},
            error(400, 10070, "wrong last msg ID: last"),
        ),
        ({"Nats_Expected_Last_Msg_Id": "last"}, b'{"stream":"S","seq":3}'),
        ({"Nats_TTL": "5s"}, error(400, 10166, "per-message TTL is disabled")),
        ({"Nats_TTL": "never"}, error(400, 10166, "per-message TTL is disabled")),
        ({"Nats_TTL": "0"}, error(400, 10165, "invalid per-message TTL")),
        ({"Nats_TTL": "500ms"}, error(400, 10165, "invalid per-message TTL")),
        ({"Nats_TTL": "abc"}, error(400, 10165, "invalid per-message TTL")),
        ({"Nats_TTL": ""}, b'{"stream":"S","seq":3}'),
        ({"Nats_Expected_Stream": ""}, b'{"stream":"S","seq":3}'),
        ({"Nats_Expected_Last_Msg_Id": ""}, b'{"stream":"S","seq":3}'),
        ({"Nats_Stream_Source": ""}, b'{"stream":"S","seq":3}'),
        (
            {"Nats_TTL": "abc", "Nats_Expected_Last_Sequence": "9"},
            error(400, 10071, "wrong last sequence: 2"),
        ),
        (
            {"Nats_Schedule": "zzz", "Nats_Expected_Last_Msg_Id": "ZZ"},
            error(400, 10188, "message schedules is disabled"),
        ),
        ({"Nats_Incr": "1"}, error(400, 10168, "message counters is disabled")),
        ({"Nats_Schedule": "zzz"}, error(400, 10188, "message schedules is disabled")),
        ({"Nats_Batch_Id": "b"}, error(400, 10174, "atomic publish is disabled")),
        (
            {"Nats_Stream_Source": "X 1 > > a"},
            error(400, 10227, "message stream source header is not allowed"),
        ),
        ({"Nats_Rollup": "sub"}, error(500, 10111, "rollup not permitted")),
        ({"nats-expected-stream": "NOPE"}, b'{"stream":"S","seq":3}'),
    ],
)
def test_each_header_is_checked(headers: dict[str, str], answer: bytes) -> None:
    world = World()
    world.create_stream()
    publish(world, "s.other")
    publish(world, "s.a", Nats_Msg_Id="last")

    assert publish(world, "s.a", **headers) == answer


def test_a_failed_expectation_wins_over_a_duplicate_and_is_not_remembered() -> None:
    world = World()
    world.create_stream()
    wrong = {"Nats_Msg_Id": "n1", "Nats_Expected_Last_Sequence": "9"}

    assert publish(world, **wrong) == error(400, 10071, "wrong last sequence: 0")
    assert publish(world, Nats_Msg_Id="n1") == b'{"stream":"S","seq":1}'
    assert publish(world, **wrong) == error(400, 10071, "wrong last sequence: 1")


def test_the_last_id_is_empty_after_a_message_without_one() -> None:
    world = World()
    world.create_stream()
    publish(world, Nats_Msg_Id="A")
    publish(world)

    refused = publish(world, Nats_Expected_Last_Msg_Id="A")

    assert refused == error(400, 10070, "wrong last msg ID: ")


def test_a_fast_batch_is_refused_by_its_reply_subject() -> None:
    world = World()
    world.create_stream()
    heard = world.listen("r.>")

    world.publish("s.a", b"x", reply="r.b.1.ok.1.0.$FI")

    assert heard[0].payload == error(400, 10205, "batch publish is disabled")


@pytest.mark.parametrize("size", [10, 11])
def test_the_largest_message_counts_headers_and_payload(size: int) -> None:
    world = World()
    world.create_stream(max_msg_size=10)

    answer = publish(world, payload=b"x" * size)

    large = error(400, 10054, "message size exceeds maximum allowed")
    assert answer == (b'{"stream":"S","seq":1}' if size == 10 else large)


@pytest.mark.parametrize("value_size", [65513, 65514])
def test_a_header_block_above_64_kib_is_refused(value_size: int) -> None:
    world = World()
    world.create_stream()

    answer = publish(world, Xx1234="y" * value_size)

    block_size = len(b"NATS/1.0\r\nXx1234: \r\n\r\n") + value_size
    large = error(400, 10097, "header size exceeds maximum allowed of 64k")
    fits = block_size <= limits.MAX_HEADER_BYTES
    assert answer == (b'{"stream":"S","seq":1}' if fits else large)


def test_discard_new_refuses_what_is_beyond_the_limits() -> None:
    world = World()
    world.create_stream(discard="new", max_msgs=1)
    publish(world)

    assert publish(world) == error(503, 10077, "maximum messages exceeded")


def test_discard_new_per_subject_lets_a_rollup_through() -> None:
    world = World()
    world.create_stream(
        discard="new",
        max_msgs_per_subject=1,
        discard_new_per_subject=True,
        allow_rollup_hdrs=True,
    )
    publish(world)

    assert publish(world) == error(503, 10077, "maximum messages per subject exceeded")
    assert publish(world, Nats_Rollup="sub") == b'{"stream":"S","seq":2}'
    assert world.state()["messages"] == 1


def test_a_rollup_on_a_subject_with_wildcards_replaces_what_it_matches() -> None:
    world = World()
    world.create_stream(allow_rollup_hdrs=True)
    for number in range(3):
        publish(world, f"s.a.{number}")
    publish(world, "s.b")

    publish(world, "s.a.*", Nats_Rollup="sub")
    world.clock.advance(0)

    assert (world.state()["messages"], world.state()["first_seq"]) == (2, 4)


def test_a_rollup_replaces_its_subject_or_everything() -> None:
    world = World()
    world.create_stream(allow_rollup_hdrs=True)
    for subject in ("s.a", "s.b", "s.a"):
        publish(world, subject)

    publish(world, "s.a", Nats_Rollup="sub")
    assert (world.state()["messages"], world.state()["first_seq"]) == (2, 2)
    publish(world, "s.a", Nats_Rollup="ALL")

    assert (world.state()["messages"], world.state()["first_seq"]) == (1, 5)
    bad = publish(world, Nats_Rollup="foo")
    assert bad == error(500, 10111, 'rollup value invalid: \\"foo\\"')


def test_a_status_line_is_not_stored() -> None:
    world = World()
    world.create_stream()
    block = b"NATS/1.0 404 No\r\nA: b\r\n\r\n"

    world.account.publish(b"s.a", block + b"x", header_size=len(block), origin=world.client)

    stored = world.store.stores["$G", "S"].msgs[1]
    assert stored.header == b"NATS/1.0\r\nA: b\r\n\r\n"
    assert stored.payload == b"x"


@pytest.mark.parametrize("kept", [b"", b"NATS/1.0\r\nA: b\r\n\r\n"])
def test_who_published_through_an_import_is_not_stored_nor_counted(kept: bytes) -> None:
    world = World()
    world.create_stream(max_msg_size=len(kept) + 1)
    info = b'Nats-Request-Info: {"acc":"U","rtt":477951}\r\n'
    block = (kept[:-2] or b"NATS/1.0\r\n") + info + info + b"\r\n"

    world.account.publish(b"s.a", block + b"x", header_size=len(block), origin=world.client)

    stored = world.store.stores["$G", "S"].msgs[1]
    assert (stored.header, stored.payload) == (kept, b"x")


def test_a_sealed_stream_takes_nothing() -> None:
    world = World()
    world.create_stream()
    world.api("STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], "sealed": True})

    assert publish(world) == error(400, 10109, "invalid operation on sealed stream")


def test_timestamps_never_go_backward() -> None:
    world = World()
    world.create_stream()
    publish(world)

    world.clock.jump_wall(-3600 * S)
    publish(world)

    messages = world.store.stores["$G", "S"].msgs
    assert messages[2].ts_ns >= messages[1].ts_ns


def test_ids_that_differ_in_a_blank_behind_them_are_two() -> None:
    world = World()
    world.create_stream()

    for msg_id in ("a", "a ", "a\t"):
        [answer] = world.request("s.a", headers={"Nats-Msg-Id": msg_id})
        assert b"duplicate" not in answer.payload
    [again] = world.request("s.a", headers={"Nats-Msg-Id": "a "})
    assert json.loads(again.payload)["duplicate"]
    assert world.state()["messages"] == 3


def test_what_is_stored_and_what_goes_for_it_cost_the_turn_of_who_publishes() -> None:
    world = World()
    world.create_stream(max_msgs_per_subject=1, allow_rollup_hdrs=True)
    outbox = world.client.outbox

    def cost(subject: str, **headers: str) -> int:
        before = outbox.work_left
        world.publish(subject, b"x", headers={"Nats-" + key: one for key, one in headers.items()})
        return before - outbox.work_left

    unheard, first, second = cost("nobody"), cost("s.a"), cost("s.a")
    rolled = cost("s.b", Rollup="sub")

    assert first >= unheard + limits.STORED_WORK
    assert second >= first + limits.REPLACED_WORK
    assert rolled >= first + limits.ROLLUP_WORK
