"""Consumer configurations: refusals and defaults. Texts measured on nats-server 2.15.1."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from leafnode import limits
from leafnode.errors import JetStreamError
from leafnode.go_time import ZERO_TIME_NS
from leafnode.jetstream.api_types import (
    ConsumerConfig,
    StreamConfig,
    StreamConfigRequest,
    StreamConsumerLimits,
)
from leafnode.jetstream.consumer_config import (
    check_update,
    check_work_queue,
    checked,
    with_level_of,
    with_threshold,
)
from leafnode.jetstream.stream_config import checked_create

STREAM = checked_create(StreamConfigRequest(name="S", subjects=["s.>"]))
POLICY = "consumer delivery policy is "


FLOW: dict[str, Any] = {"ack_policy": "flow_control", "deliver_subject": "x"}


def unbound(_: bytes) -> bool:
    return False


def refusal(
    stream: StreamConfig = STREAM, *, pedantic: bool = False, **fields: Any
) -> tuple[int, str]:
    with pytest.raises(JetStreamError) as caught:
        checked(ConsumerConfig(**fields), stream, pedantic=pedantic)
    return caught.value.err_code, caught.value.description


@pytest.mark.parametrize(
    ("fields", "err_code"),
    [
        ({"name": "a b"}, 10052),
        ({"num_replicas": -1}, 10133),
        ({"ack_wait": -1}, 10183),
        ({"backoff": [-1], "ack_policy": "explicit"}, 10184),
        ({"backoff": [1, 2, 3], "max_deliver": 2, "ack_policy": "explicit"}, 10116),
        ({"description": "x" * 4097}, 10107),
        ({"metadata": {"k": "x" * 131_072}}, 10135),
        ({"rate_limit_bps": 1}, 10086),
        ({"idle_heartbeat": 10**9}, 10088),
        ({"flow_control": True}, 10089),
        ({"max_expires": 1000}, 10115),
        ({"direct": True}, 10090),
        ({"direct": True, "deliver_subject": "x", "durable_name": "C"}, 10091),
        ({"deliver_subject": "x.*"}, 10079),
        ({"deliver_subject": "x..y"}, 10112),
        ({"deliver_subject": "s.x"}, 10081),
        ({"deliver_subject": "x", "max_waiting": 5}, 10080),
        ({"deliver_subject": "x", "max_ack_pending": 5}, 10082),
        ({"deliver_subject": "x", "idle_heartbeat": 50_000_000}, 10083),
        ({"deliver_subject": "x", "flow_control": True}, 10108),
        ({"filter_subject": "s.a", "filter_subjects": ["s.b"]}, 10136),
        ({"filter_subjects": [""]}, 10139),
        ({"filter_subjects": ["s.>", "s.a"]}, 10138),
        ({"filter_subject": "a..b"}, 10052),
        ({"name": "A", "durable_name": "B"}, 10132),
        ({"ack_policy": "flow_control"}, 10218),
        ({**FLOW, "max_ack_pending": -1}, 10220),
        ({**FLOW, "ack_wait": 1}, 10221),
        ({**FLOW, "backoff": [1]}, 10221),
        ({**FLOW, "max_deliver": 3}, 10222),
        ({"priority_policy": "overflow", "ack_policy": "explicit"}, 10159),
        ({"priority_groups": ["g"]}, 10196),
        ({"priority_timeout": 1}, 10197),
    ],
)
def test_a_bad_configuration_is_refused_with_the_servers_number(
    fields: dict[str, Any], err_code: int
) -> None:
    assert refusal(**fields)[0] == err_code


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"opt_start_seq": 5}, "deliver all, but optional start sequence is also set"),
        ({"opt_start_time": 1}, "deliver all, but optional start time is also set"),
        (
            {"deliver_policy": "last", "opt_start_seq": 5},
            "deliver last, but optional start sequence is also set",
        ),
        (
            {"deliver_policy": "new", "opt_start_time": 5},
            "deliver new, but optional start time is also set",
        ),
        (
            {"deliver_policy": "by_start_sequence"},
            "deliver by start sequence, but optional start sequence is not set",
        ),
        (
            {"deliver_policy": "by_start_time"},
            "deliver by start time, but optional start time is not set",
        ),
        (
            {"deliver_policy": "by_start_time", "opt_start_time": 1, "opt_start_seq": 4},
            "deliver by start time, but optional start start sequence is also set",
        ),
        (
            {"deliver_policy": "last_per_subject"},
            "deliver last per subject, but optional filter subject is not set",
        ),
    ],
)
def test_a_start_that_does_not_fit_the_policy_is_named(fields: dict[str, Any], text: str) -> None:
    assert refusal(**fields) == (10094, POLICY + text)


@pytest.mark.parametrize(
    ("sample", "text"),
    [("abc", 'strconv.Atoi: parsing "abc": invalid syntax'), ("-5", "<nil>")],
)
def test_a_bad_sampling_is_refused(sample: str, text: str) -> None:
    expected = f"failed to parse consumer sampling configuration: {text}"

    assert refusal(sample_freq=sample) == (10095, expected)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"max_deliver": -5}, "max_deliver must be set to -1"),
        ({"max_waiting": -1}, "max_waiting must not be negative"),
        ({"max_ack_pending": -2}, "max_ack_pending must be set to -1"),
        ({"max_batch": -1}, "max_batch must not be negative"),
        ({"max_expires": -1}, "max_expires must not be negative"),
        ({"max_bytes": -1}, "max_bytes must not be negative"),
        ({"idle_heartbeat": -1}, "idle_heartbeat must not be negative"),
        ({"inactive_threshold": -1}, "inactive_threshold must not be negative"),
        ({"priority_timeout": -1}, "priority_timeout must not be negative"),
        (
            {"backoff": [1, 2], "ack_policy": "explicit"},
            "first backoff value has to equal batch AckWait",
        ),
    ],
)
def test_pedantic_mode_names_what_would_be_corrected(fields: dict[str, Any], text: str) -> None:
    assert refusal(pedantic=True, **fields) == (10157, f"pedantic mode: {text}")


def test_what_means_nothing_is_corrected_without_pedantic_mode() -> None:
    wrong = {"max_waiting": -1, "max_ack_pending": -5, "max_batch": -1, "priority_timeout": -1}

    config = checked(ConsumerConfig(ack_policy="explicit", **wrong), STREAM)

    assert (config.max_waiting, config.max_ack_pending) == (512, -1)
    assert (config.max_batch, config.priority_timeout) == (0, 0)


def test_acknowledging_by_flow_control_turns_flow_control_on_unless_pedantic() -> None:
    config = checked(ConsumerConfig(**FLOW, idle_heartbeat=5 * 10**9), STREAM)

    assert (config.flow_control, config.idle_heartbeat) == (True, 10**9)
    assert (config.ack_wait, config.max_ack_pending) == (0, 1000)
    assert config.metadata == {"_nats.req.level": "4"}
    assert refusal(pedantic=True, **FLOW)[0] == 10219
    slow = {**FLOW, "flow_control": True, "idle_heartbeat": 2 * 10**9}
    assert refusal(pedantic=True, **slow) == (
        10052,
        "flow control ack policy heartbeat needs to be 1s",
    )


def test_filters_may_overlap_as_long_as_none_is_part_of_another() -> None:
    config = ConsumerConfig(filter_subjects=["s.*.x", "s.y.*"])

    assert checked(config, STREAM).filter_subjects == ["s.*.x", "s.y.*"]


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"filter_subjects": [f"s.{one}" for one in range(257)]}, "filter subjects"),
        ({"priority_groups": [f"g{one}" for one in range(257)]}, "priority groups"),
        ({"backoff": [1] * 257, "max_deliver": 300}, "backoff values"),
    ],
)
def test_lists_that_one_turn_looks_at_are_bounded(fields: dict[str, Any], what: str) -> None:
    assert refusal(**fields) == (10052, f"too many {what}, maximum allowed is 256")


def test_a_durable_pull_consumer_gets_the_servers_defaults() -> None:
    config = checked(ConsumerConfig(durable_name="D", ack_policy="explicit"), STREAM)

    assert (config.name, config.deliver_policy, config.max_deliver) == ("D", "all", -1)
    assert (config.ack_wait, config.max_waiting, config.max_ack_pending) == (30 * 10**9, 512, 1000)
    assert config.inactive_threshold == 0


def test_an_ephemeral_without_acks_gets_a_threshold_and_no_ack_settings() -> None:
    config = checked(ConsumerConfig(deliver_policy="undefined"), STREAM)

    assert (config.ack_wait, config.max_ack_pending) == (0, 0)
    assert (config.inactive_threshold, config.deliver_policy) == (0, "all")
    assert with_threshold(config, durable=False).inactive_threshold == 5 * 10**9
    assert with_threshold(config, durable=True) == config


def test_what_level_a_consumer_needs_is_said_and_not_compared() -> None:
    old = checked(ConsumerConfig(durable_name="D"), STREAM)
    new = checked(ConsumerConfig(durable_name="D", priority_timeout=-1), STREAM)

    assert (old.metadata, new.metadata) == (
        {"_nats.req.level": "0"},
        {"_nats.req.level": "1"},
    )
    assert with_level_of(old, new) == old


def test_a_pause_until_the_zero_time_is_none() -> None:
    """As Go clients write it that always send the field."""
    never = checked(ConsumerConfig(durable_name="D", pause_until=ZERO_TIME_NS), STREAM)
    once = checked(ConsumerConfig(durable_name="D", pause_until=1), STREAM)

    assert [one.metadata["_nats.req.level"] for one in (never, once)] == ["0", "1"]


def test_backoff_sets_the_ack_wait() -> None:
    config = checked(ConsumerConfig(ack_policy="explicit", backoff=[10**9, 2 * 10**9]), STREAM)

    assert config.ack_wait == 10**9


def test_as_many_deliveries_as_backoff_values_are_accepted() -> None:
    config = ConsumerConfig(ack_policy="explicit", backoff=[1, 2], max_deliver=2)

    assert checked(config, STREAM).max_deliver == 2


def test_limits_of_the_stream_are_defaults_and_bounds() -> None:
    limited = replace(
        STREAM, consumer_limits=StreamConsumerLimits(inactive_threshold=10**9, max_ack_pending=50)
    )

    config = checked(ConsumerConfig(ack_policy="explicit"), limited)

    assert (config.max_ack_pending, config.inactive_threshold) == (50, 10**9)
    assert refusal(limited, ack_policy="explicit", max_ack_pending=51)[0] == 10121
    assert refusal(limited, inactive_threshold=2 * 10**9) == (
        10153,
        "consumer inactive threshold exceeds system limit of 1s",
    )


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"mem_storage": True}, "storage type can not be updated"),
        ({"direct": True}, "direct can not be updated"),
        ({"sourcing": True}, "sourcing can not be updated"),
        ({"deliver_policy": "new"}, "deliver policy can not be updated"),
        ({"ack_policy": "all"}, "ack policy can not be updated"),
        ({"replay_policy": "original"}, "replay policy can not be updated"),
        ({"max_waiting": 10}, "max waiting can not be updated"),
        ({"deliver_subject": "zz"}, "can not update pull consumer to push based"),
    ],
)
def test_what_an_update_may_not_change_is_refused(change: dict[str, Any], text: str) -> None:
    old = checked(ConsumerConfig(durable_name="D", ack_policy="explicit"), STREAM)

    with pytest.raises(JetStreamError) as caught:
        check_update(old, replace(old, **change), is_bound=unbound)

    assert (caught.value.err_code, caught.value.description) == (10012, text)


def test_limits_filters_and_descriptions_may_change() -> None:
    old = checked(ConsumerConfig(durable_name="D", ack_policy="explicit"), STREAM)

    changed = replace(old, description="d", ack_wait=1, filter_subject="s.a")
    check_update(old, changed, is_bound=unbound)


def test_a_push_consumer_moves_away_only_where_nobody_listens() -> None:
    old = checked(ConsumerConfig(durable_name="D", deliver_subject="d"), STREAM)
    moved = replace(old, deliver_subject="e")

    check_update(old, moved, is_bound=unbound)
    with pytest.raises(JetStreamError) as caught:
        check_update(old, moved, is_bound=lambda subject: subject == b"d")

    assert caught.value.err_code == 10013


@pytest.mark.parametrize(
    ("mine", "theirs", "err_code"),
    [
        ({"ack_policy": "none", "deliver_subject": "d"}, [], 10098),
        ({"ack_policy": "all"}, [], 10098),
        ({"ack_policy": "explicit", "deliver_policy": "new"}, [], 10101),
        ({"ack_policy": "explicit"}, [{}], 10099),
        ({"ack_policy": "explicit"}, [{"filter_subject": "s.a"}], 10099),
        ({"ack_policy": "explicit", "filter_subject": "s.a"}, [{}], 10100),
        (
            {"ack_policy": "explicit", "filter_subject": "s.>"},
            [{"filter_subject": "s.a"}],
            10100,
        ),
    ],
)
def test_consumers_of_a_work_queue_may_not_compete(
    mine: dict[str, Any], theirs: list[dict[str, Any]], err_code: int
) -> None:
    with pytest.raises(JetStreamError) as caught:
        check_work_queue(ConsumerConfig(**mine), [ConsumerConfig(**one) for one in theirs])

    assert caught.value.err_code == err_code


def test_disjoint_consumers_share_a_work_queue() -> None:
    mine = ConsumerConfig(ack_policy="explicit", filter_subject="s.a")

    check_work_queue(mine, [ConsumerConfig(filter_subject="s.b")])


def test_more_waiting_requests_than_the_system_limit_are_refused_by_name() -> None:
    most = limits.MAX_WAITING_MAX

    assert checked(ConsumerConfig(max_waiting=most), STREAM).max_waiting == most
    assert refusal(max_waiting=most + 1) == (
        10052,
        "consumer max waiting exceeds system limit of 4096",
    )
