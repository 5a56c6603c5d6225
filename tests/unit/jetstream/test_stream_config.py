"""Stream configurations: refusals and defaults. Texts measured on nats-server 2.15.1."""

from __future__ import annotations

from typing import Any

import pytest

from leafnode import limits
from leafnode.errors import JetStreamError
from leafnode.jetstream import stream_config
from leafnode.jetstream.api_types import Placement, StreamConfig, StreamConfigRequest, StreamSource
from leafnode.jetstream.stream_config import check_request, checked, checked_create, checked_update

DAY_NS = 86_400_000_000_000
NAME = "stream name is required and can not contain '.', '*', '>', '\\', '/'"
UPDATE = "stream configuration update can not "


def create(request: StreamConfigRequest) -> StreamConfig:
    check_request(request)
    return checked_create(request)


def refusal(**fields: Any) -> tuple[int, str]:
    with pytest.raises(JetStreamError) as caught:
        create(StreamConfigRequest(**{"name": "S", **fields}))
    return caught.value.err_code, caught.value.description


@pytest.mark.parametrize(
    ("fields", "err_code", "text"),
    [
        ({"name": ""}, 10052, NAME),
        ({"name": "a.b"}, 10052, NAME),
        ({"name": "a b"}, 10052, NAME),
        ({"name": "a\r\nb"}, 10052, NAME),
        ({"name": "a\0b"}, 10052, NAME),
        ({"name": "a/b"}, 10128, "Stream name can not contain path separators"),
        ({"name": "x" * 256}, 10052, "stream name is too long, maximum allowed is 255"),
        (
            {"description": "x" * 4097},
            10052,
            "stream description is too long, maximum allowed is 4096",
        ),
        (
            {"metadata": {"k": "x" * 131_072}},
            10052,
            "stream metadata exceeds maximum size of 131072 bytes",
        ),
        ({"sealed": True}, 10052, "stream configuration for create can not be sealed"),
        ({"num_replicas": 6}, 10052, "maximum replicas is 5"),
        ({"num_replicas": -1}, 10133, "replicas count cannot be negative"),
        ({"num_replicas": 3}, 10074, "replicas > 1 not supported in non-clustered mode"),
        ({"max_age": -1}, 10052, "max age can not be negative"),
        ({"max_age": 50_000_000}, 10052, "max age needs to be >= 100ms"),
        ({"duplicate_window": -1}, 10052, "duplicates window can not be negative"),
        ({"duplicate_window": 50_000_000}, 10052, "duplicates window needs to be >= 100ms"),
        (
            {"max_age": 10**9, "duplicate_window": 2 * 10**9},
            10052,
            "duplicates window can not be larger then max age",
        ),
        (
            {"deny_purge": True, "allow_rollup_hdrs": True},
            10052,
            "roll-ups require the purge permission",
        ),
        (
            {"discard_new_per_subject": True},
            10052,
            "discard new per subject requires discard new policy to be set",
        ),
        (
            {"discard_new_per_subject": True, "discard": "new"},
            10052,
            "discard new per subject requires max msgs per subject > 0",
        ),
        (
            {"persist_mode": "async", "storage": "memory"},
            10052,
            "async persist mode is only supported on file storage",
        ),
        (
            {"mirror_direct": True},
            10052,
            "stream has no mirror but does have mirror direct",
        ),
        ({"subjects": ["foo..bar"]}, 10052, "invalid subject"),
        ({"subjects": ["foo", "foo"]}, 10052, 'subject "foo" overlaps with "foo"'),
        ({"subjects": ["foo.*", "foo.bar"]}, 10052, 'subject "foo.*" overlaps with "foo.bar"'),
        ({"subjects": [">"]}, 10052, "capturing all subjects requires no-ack to be true"),
        (
            {"subjects": ["*.API.>"]},
            10052,
            "subjects that overlap with jetstream api require no-ack to be true",
        ),
        (
            {"subjects": ["$SYS.foo"]},
            10052,
            "subjects that overlap with system api require no-ack to be true",
        ),
        (
            {"placement": Placement(preferred="x")},
            10052,
            "preferred server not permitted in placement",
        ),
        ({"pedantic": True, "max_msgs": -5}, 10157, "pedantic mode: max_msgs must be set to -1"),
        (
            {"allow_msg_schedules": True, "discard": "new"},
            10052,
            "message scheduling cannot use discard new",
        ),
        (
            {"allow_msg_schedules": True, "pedantic": True},
            10052,
            "message scheduling cannot be set if roll-ups are disabled",
        ),
        (
            {"allow_msg_counter": True, "allow_msg_schedules": True},
            10052,
            "counter stream cannot use message schedules",
        ),
        (
            {"allow_msg_counter": True, "discard": "new"},
            10052,
            "counter stream cannot use discard new",
        ),
        (
            {"allow_msg_counter": True, "allow_msg_ttl": True},
            10052,
            "counter stream cannot use message TTLs",
        ),
        (
            {"allow_msg_counter": True, "retention": "workqueue"},
            10052,
            "counter stream can only use limits retention",
        ),
        (
            {"subject_delete_marker_ttl": -1},
            10052,
            "subject delete marker TTL must not be negative",
        ),
        (
            {"subject_delete_marker_ttl": 5},
            10052,
            "subject delete marker TTL must be at least 1 second",
        ),
        (
            {"subject_delete_marker_ttl": 10**9, "pedantic": True},
            10052,
            "subject delete marker cannot be set if message TTLs are disabled",
        ),
        ({"pedantic": True, "max_bytes": -5}, 10157, "pedantic mode: max_bytes must be set to -1"),
        (
            {"pedantic": True, "max_age": 10**9},
            10157,
            "pedantic mode: duplicate window cannot be bigger than max age",
        ),
    ],
)
def test_a_bad_configuration_is_refused_with_the_servers_text(
    fields: dict[str, Any], err_code: int, text: str
) -> None:
    assert refusal(**fields) == (err_code, text)


@pytest.mark.parametrize(
    ("fields", "level"),
    [
        ({}, "0"),
        ({"allow_msg_ttl": True}, "1"),
        ({"allow_atomic": True, "allow_msg_ttl": True}, "2"),
        ({"allow_batched": True, "allow_atomic": True}, "4"),
    ],
)
def test_the_level_is_that_of_the_newest_feature(fields: dict[str, Any], level: str) -> None:
    config = checked_create(StreamConfigRequest(name="S", **fields))

    assert config.metadata == {"_nats.req.level": level}


def test_a_minimal_stream_gets_the_servers_defaults() -> None:
    config = checked_create(StreamConfigRequest(name="S"))

    assert config.subjects == ["S"]
    assert (config.max_msgs, config.max_bytes, config.max_msg_size) == (-1, -1, -1)
    assert (config.max_consumers, config.max_msgs_per_subject) == (-1, -1)
    assert config.num_replicas == 1
    assert config.duplicate_window == 120_000_000_000
    assert config.metadata == {"_nats.req.level": "0"}


def test_the_duplicate_window_is_not_longer_than_max_age() -> None:
    assert checked_create(StreamConfigRequest(name="S", max_age=10**10)).duplicate_window == 10**10


def test_negative_limits_mean_none() -> None:
    config = checked_create(StreamConfigRequest(name="S", max_msgs=-5, max_bytes=0))

    assert (config.max_msgs, config.max_bytes) == (-1, -1)


@pytest.mark.parametrize(
    "fields",
    [
        {"subjects": ["$JS.EVENT.>"]},
        {"subjects": ["$SYS.ACCOUNT.A.>"]},
        {"subjects": ["$JS.ACK.zz.>"], "no_ack": True},
    ],
)
def test_event_subjects_and_streams_without_acks_are_allowed(fields: dict[str, Any]) -> None:
    assert checked_create(StreamConfigRequest(name="S", **fields))


def test_metadata_of_the_user_does_not_set_the_level() -> None:
    metadata = {"_nats.req.level": "99", "_nats.ver": "1", "_nats.level": "1", "x": "y"}

    config = checked_create(StreamConfigRequest(name="S", metadata=metadata))

    assert config.metadata == {"x": "y", "_nats.req.level": "0"}


def test_an_empty_placement_is_dropped() -> None:
    assert checked_create(StreamConfigRequest(name="S", placement=Placement())).placement is None


def test_as_many_subjects_as_allowed_pass_and_one_more_does_not() -> None:
    most = [f"s{number}" for number in range(limits.STREAM_SUBJECTS_MAX)]

    assert checked_create(StreamConfigRequest(name="S", subjects=most))
    assert refusal(subjects=[*most, "one.more"])[1].startswith("too many subjects")


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ({}, {"storage": "memory"}, UPDATE + "change storage type"),
        (
            {},
            {"retention": "workqueue"},
            UPDATE + "change retention policy to/from workqueue",
        ),
        ({"deny_delete": True}, {}, UPDATE + "cancel deny message deletes"),
        ({"deny_purge": True}, {}, UPDATE + "cancel deny purge"),
        ({"allow_msg_ttl": True}, {}, "message TTL status can not be disabled"),
        ({}, {"allow_msg_counter": True}, UPDATE + "change message counter setting"),
        ({}, {"persist_mode": "async"}, UPDATE + "change persist mode"),
    ],
)
def test_what_an_update_may_not_change_is_refused(
    old: dict[str, Any], new: dict[str, Any], text: str
) -> None:
    present = checked_create(StreamConfigRequest(name="S", **old))

    with pytest.raises(JetStreamError) as caught:
        checked_update(present, checked(StreamConfigRequest(name="S", **new)))

    assert (caught.value.err_code, caught.value.description) == (10052, text)


def test_a_mirror_can_not_be_added() -> None:
    present = checked_create(StreamConfigRequest(name="S"))

    with pytest.raises(JetStreamError) as caught:
        checked_update(
            present, checked(StreamConfigRequest(name="S", mirror=StreamSource(name="O")))
        )

    assert caught.value.err_code == 10055


def test_sealing_closes_every_way_in_and_can_not_be_undone() -> None:
    present = checked_create(StreamConfigRequest(name="S"))

    sealed = checked_update(
        present, checked(StreamConfigRequest(name="S", sealed=True, max_age=DAY_NS))
    )

    assert (sealed.max_age, sealed.discard) == (0, "new")
    assert sealed.deny_delete
    assert sealed.deny_purge
    with pytest.raises(JetStreamError, match="can not unseal a sealed stream"):
        checked_update(sealed, checked(StreamConfigRequest(name="S")))


def test_is_stream_name_refuses_what_could_break_a_subject() -> None:
    for name in ("", "a.b", "a*", ">", "a b", "a\tb", "a\nb", "a\0b", "a/b", "a\\b"):
        assert not stream_config.is_stream_name(name)
    assert stream_config.is_stream_name("KV_Bücher-1_x")
