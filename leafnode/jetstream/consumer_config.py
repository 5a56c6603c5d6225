"""Checks and completes a consumer's configuration, as nats-server does.

Pure: knows the consumer's and its stream's configuration; not other consumers, except in
`check_work_queue`. Truth: measured on nats-server 2.15.1; order and texts as its
server/consumer.go.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode import limits
from leafnode.clock import NS_PER_MS
from leafnode.go_time import ZERO_TIME_NS, format_duration
from leafnode.jetstream import priority
from leafnode.jetstream.errors import js_error
from leafnode.jetstream.names import is_stream_name
from leafnode.jetstream.stream_config import (
    DYNAMIC_KEYS,
    LEVEL_KEY,
    invalid,
    metadata_bytes,
    walks_refused,
)
from leafnode.protocol.patterns import PatternSet, Walk
from leafnode.protocol.subject import collides, is_literal, is_valid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from leafnode.jetstream.api_types import ConsumerConfig, StreamConfig

# The least that these fields may say, in the order nats-server looks at them.
_LEAST: Final = (
    ("max_deliver", -1, "be set to -1"),
    ("max_waiting", 0, "not be negative"),
    ("max_ack_pending", -1, "be set to -1"),
    ("max_batch", 0, "not be negative"),
    ("max_expires", 0, "not be negative"),
    ("max_bytes", 0, "not be negative"),
    ("idle_heartbeat", 0, "not be negative"),
    ("inactive_threshold", 0, "not be negative"),
    ("priority_timeout", 0, "not be negative"),
)
# Fields that an update may not touch, in the order nats-server looks at them.
_FIXED: Final = (
    ("deliver_policy", "deliver policy can not be updated"),
    ("mem_storage", "storage type can not be updated"),
    ("direct", "direct can not be updated"),
    ("sourcing", "sourcing can not be updated"),
    ("opt_start_seq", "start sequence can not be updated"),
    ("opt_start_time", "start time can not be updated"),
    ("ack_policy", "ack policy can not be updated"),
    ("replay_policy", "replay policy can not be updated"),
    ("idle_heartbeat", "heart beats can not be updated"),
    ("flow_control", "flow control can not be updated"),
)
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,64}", re.ASCII)
_POLICY_TEXT: Final = {
    "all": "deliver all",
    "last": "deliver last",
    "new": "deliver new",
    "last_per_subject": "deliver last per subject",
}


class Most(NamedTuple):
    """What server and account let any consumer have; 0 or less: anything."""

    ack_pending: tuple[int, ...] = ()  # in the order in which they are looked at
    request_batch: int = 0


ANYTHING: Final = Most()


def checked(
    wanted: ConsumerConfig,
    stream: StreamConfig,
    most: Most = ANYTHING,
    *,
    pedantic: bool = False,
) -> ConsumerConfig:
    """Return the effective configuration on that stream. Raises JetStreamError."""
    config = dataclasses.replace(
        wanted, metadata=dict(wanted.metadata), backoff=list(wanted.backoff)
    )
    level = _level(config)  # of what was asked for, before it is corrected
    _fill(config, stream, most, pedantic=pedantic)
    for text, name in (("name", config.name), ("durable name", config.durable_name)):
        if name and not is_stream_name(name):
            raise invalid(f"consumer {text} can not contain '.', '*', '>', '\\', '/'")
    if config.num_replicas < 0:
        raise js_error(10133)
    _check_acks(config)
    if len(config.description.encode()) > limits.DESCRIPTION_BYTES_MAX:
        raise js_error(10107, limits.DESCRIPTION_BYTES_MAX)
    if config.deliver_subject:
        _check_push(config, stream)
    else:
        _check_pull(config, stream, most)
    for bound in most.ack_pending:
        if 0 < bound < config.max_ack_pending:
            raise js_error(10121, bound)
    check_limits(config, stream)
    _check_direct(config)
    _check_filters(config)
    _check_start(config)
    _check_sampling(config)
    if config.flow_control and not config.idle_heartbeat:
        raise js_error(10108)
    if config.name and config.durable_name and config.name != config.durable_name:
        raise js_error(10132)
    if metadata_bytes(config.metadata) > limits.METADATA_BYTES_MAX:
        raise js_error(10135, "128KB")
    priority.check_config(config)
    for key in DYNAMIC_KEYS:
        config.metadata.pop(key, None)
    config.metadata[LEVEL_KEY] = level
    return config


def with_threshold(config: ConsumerConfig, *, durable: bool) -> ConsumerConfig:
    """Return the configuration of a consumer that is, or was made, durable or not: one that is not
    ends when it is not used.
    """
    if durable or config.inactive_threshold:
        return config
    return dataclasses.replace(config, inactive_threshold=limits.INACTIVE_THRESHOLD_NS)


def as_paused(config: ConsumerConfig, until_ns: int | None) -> ConsumerConfig:
    """Return the configuration with another pause."""
    paused = dataclasses.replace(config, pause_until=until_ns)
    paused.metadata = config.metadata | {LEVEL_KEY: _level(paused)}
    return paused


def _level(config: ConsumerConfig) -> str:
    """Return the API level that a server needs for this."""
    if config.ack_policy == "flow_control":
        return "4"
    grouped = config.priority_policy not in {"", "none"} or config.priority_groups
    paused = config.pause_until not in {None, ZERO_TIME_NS}
    return str(int(bool(paused or grouped or config.priority_timeout)))


def with_level_of(old: ConsumerConfig, new: ConsumerConfig) -> ConsumerConfig:
    """Return the new one with the level that the old one was said to need: it is not compared."""
    level = {LEVEL_KEY: old.metadata.get(LEVEL_KEY, "0")}
    return dataclasses.replace(new, metadata=new.metadata | level)


def check_update(
    old: ConsumerConfig, new: ConsumerConfig, *, is_bound: Callable[[bytes], bool]
) -> None:
    """Raise 10012 when `new` changes what a living consumer must keep, and 10013 when it moves away
    from a subject that somebody listens to.
    """
    for name, text in _FIXED:
        if getattr(old, name) != getattr(new, name):
            raise js_error(10012, text)
    if bool(old.deliver_subject) != bool(new.deliver_subject):
        towards = ("push", "pull") if old.deliver_subject else ("pull", "push")
        raise js_error(10012, f"can not update {towards[0]} consumer to {towards[1]} based")
    if old.deliver_subject != new.deliver_subject and is_bound(old.deliver_subject.encode()):
        raise js_error(10013)
    if old.max_waiting != new.max_waiting:
        raise js_error(10012, "max waiting can not be updated")


def check_work_queue(config: ConsumerConfig, others: Sequence[ConsumerConfig]) -> None:
    """Raise when a new consumer may not join `others` on a work-queue stream."""
    if config.ack_policy not in {"explicit", "flow_control"}:
        raise js_error(10098)
    if config.deliver_policy != "all":
        raise js_error(10101)
    if others and not config.filters:
        raise js_error(10099)
    check_partition(config, others)


def check_partition(config: ConsumerConfig, others: Iterable[ConsumerConfig]) -> None:
    """Raise 10100 when it wants what one of the others on a work-queue stream wants."""
    wanted = PatternSet(config.filters)
    with walks_refused():
        if any(wanted.meet(other.filters or [b">"], Walk()) for other in others):
            raise js_error(10100)


def _fill(config: ConsumerConfig, stream: StreamConfig, most: Most, *, pedantic: bool) -> None:
    """Set what the server chooses for fields left at zero, or set to what means nothing."""
    if config.durable_name and not config.name:
        config.name = config.durable_name
    if config.deliver_policy == "undefined":
        config.deliver_policy = "all"
    _raise_to_least(config, pedantic=pedantic)
    if not config.deliver_subject and config.max_waiting == 0:
        config.max_waiting = limits.MAX_WAITING
    if config.ack_policy in {"explicit", "all"} and config.ack_wait == 0:
        config.ack_wait = limits.ACK_WAIT_NS
    if config.backoff:
        if pedantic and config.ack_wait != config.backoff[0]:
            raise js_error(10157, "first backoff value has to equal batch AckWait")
        config.ack_wait = config.backoff[0]
    _take_from_stream(config, stream, pedantic=pedantic)
    if config.ack_policy != "none" and config.max_ack_pending == 0:
        bounds = [bound for bound in most.ack_pending if bound > 0]
        config.max_ack_pending = min([limits.MAX_ACK_PENDING, *bounds])
    if not config.deliver_subject and config.max_batch == 0 and most.request_batch > 0:
        if pedantic:
            raise js_error(10157, "max_request_batch must be set if it's JetStream limits are set")
        config.max_batch = most.request_batch
    if config.priority_policy == "pinned_client" and config.priority_timeout == 0:
        config.priority_timeout = limits.PIN_NS
    if config.ack_policy == "flow_control" and not pedantic:
        config.flow_control = True
        config.idle_heartbeat = limits.ORIGIN_HEARTBEAT_NS


def _raise_to_least(config: ConsumerConfig, *, pedantic: bool) -> None:
    if config.max_deliver == 0:
        config.max_deliver = -1
    for name, least, text in _LEAST:
        if getattr(config, name) < least:
            if pedantic:
                raise js_error(10157, f"{name} must {text}")
            setattr(config, name, least)


def _take_from_stream(config: ConsumerConfig, stream: StreamConfig, *, pedantic: bool) -> None:
    for name in ("max_ack_pending", "inactive_threshold"):
        bound = getattr(stream.consumer_limits, name)
        if getattr(config, name) == 0:
            if pedantic and bound > 0:
                text = f"{name} must be set if it's configured in stream limits"
                raise js_error(10157, text)
            setattr(config, name, bound)


def _check_acks(config: ConsumerConfig) -> None:
    if any(wait < 0 for wait in config.backoff):
        raise js_error(10184)
    if config.ack_wait < 0:
        raise js_error(10183)
    if config.ack_policy == "flow_control":
        _check_flow_acks(config)
    if config.max_deliver != -1 and config.max_deliver < len(config.backoff):
        raise js_error(10116)


def _check_flow_acks(config: ConsumerConfig) -> None:
    """A consumer that is acknowledged with the answers to flow control is one of an origin."""
    if not config.deliver_subject:
        raise js_error(10218)
    if not config.flow_control:
        raise js_error(10219)
    if config.idle_heartbeat != limits.ORIGIN_HEARTBEAT_NS:
        raise invalid("flow control ack policy heartbeat needs to be 1s")
    if config.max_ack_pending <= 0:
        raise js_error(10220)
    if config.ack_wait or config.backoff:
        raise js_error(10221)
    if config.max_deliver > 0:
        raise js_error(10222)


def _check_push(config: ConsumerConfig, stream: StreamConfig) -> None:
    subject = config.deliver_subject.encode()
    if not is_literal(subject):
        raise js_error(10079)
    if not is_valid(subject):
        raise js_error(10112)
    if any(collides(subject, own.encode()) for own in stream.subjects):
        raise js_error(10081)
    if config.max_waiting:
        raise js_error(10080)
    if config.max_ack_pending > 0 and config.ack_policy == "none":
        raise js_error(10082)
    if 0 < config.idle_heartbeat < 100 * NS_PER_MS:
        raise js_error(10083)


def _check_pull(config: ConsumerConfig, stream: StreamConfig, most: Most) -> None:
    if stream.retention == "workqueue" and config.ack_policy == "none":
        raise js_error(10084)
    if config.rate_limit_bps:
        raise js_error(10086)
    if config.idle_heartbeat:
        raise js_error(10088)
    if config.flow_control:
        raise js_error(10089)
    if config.max_waiting > limits.MAX_WAITING_MAX:  # ours: nats-server takes any number
        raise invalid(f"consumer max waiting exceeds system limit of {limits.MAX_WAITING_MAX}")
    if 0 < config.max_expires < NS_PER_MS:
        raise js_error(10115)
    if 0 < most.request_batch < config.max_batch:
        raise js_error(10125, most.request_batch)


def check_limits(config: ConsumerConfig, stream: StreamConfig) -> None:
    """Raise when a consumer is beyond its stream's `consumer_limits`."""
    bound = stream.consumer_limits
    if 0 < bound.max_ack_pending < config.max_ack_pending:
        raise js_error(10121, bound.max_ack_pending)
    if 0 < bound.inactive_threshold < config.inactive_threshold:
        raise js_error(10153, format_duration(bound.inactive_threshold))


def _check_direct(config: ConsumerConfig) -> None:
    if not config.direct:
        return
    if not config.deliver_subject:
        raise js_error(10090)
    if config.durable_name:
        raise js_error(10091)


def _check_filters(config: ConsumerConfig) -> None:
    if config.filter_subject and config.filter_subjects:
        raise js_error(10136)
    if "" in config.filter_subjects:
        raise js_error(10139)
    most = limits.CONSUMER_FILTERS_MAX
    for what, count in (
        ("filter subjects", len(config.filter_subjects)),
        ("priority groups", len(config.priority_groups)),
        ("backoff values", len(config.backoff)),
    ):
        if count > most:
            raise invalid(f"too many {what}, maximum allowed is {most}")
    filters = config.filters
    if not all(is_valid(subject) for subject in filters):
        raise invalid("invalid subject")
    patterns, walk = PatternSet(filters), Walk()
    with walks_refused():
        if any(len(patterns.including(one, walk)) > 1 for one in filters):
            raise js_error(10138)


def _check_start(config: ConsumerConfig) -> None:
    has_seq = config.opt_start_seq > 0
    has_time = config.opt_start_time is not None
    problem = ""
    match config.deliver_policy:
        case "by_start_sequence":
            if not has_seq:
                problem = "deliver by start sequence, but optional start sequence is not set"
            elif has_time:
                problem = "deliver by start sequence, but optional start time is also set"
        case "by_start_time":
            if not has_time:
                problem = "deliver by start time, but optional start time is not set"
            elif has_seq:
                problem = "deliver by start time, but optional start start sequence is also set"
        case policy:
            name = _POLICY_TEXT[policy]
            if has_seq:
                problem = f"{name}, but optional start sequence is also set"
            elif has_time:
                problem = f"{name}, but optional start time is also set"
            elif policy == "last_per_subject" and not config.filters:
                problem = f"{name}, but optional filter subject is not set"
    if problem:
        raise js_error(10094, f"consumer delivery policy is {problem}")


def _check_sampling(config: ConsumerConfig) -> None:
    if not config.sample_freq:
        return
    digits = config.sample_freq.removesuffix("%")
    if not _NUMBER.fullmatch(digits):
        raise js_error(10095, f'strconv.Atoi: parsing "{digits}": invalid syntax')
    if not -(2**63) <= int(digits) < 2**63:
        raise js_error(10095, f'strconv.Atoi: parsing "{digits}": value out of range')
    if int(digits) < 0:
        raise js_error(10095, "<nil>")
