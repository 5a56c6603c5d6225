"""Configurations and request bodies of the JetStream API, field by field as nats-server has them.

Knows names, types, defaults and what is always written; validation is in stream_config and
consumer_config. Truth: nats-server 2.15.1 server/stream.go, consumer.go, jetstream_api.go.
"""
# ruff: noqa: RUF009 -- wire() is a field specifier, like dataclasses.field()

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from leafnode import limits
from leafnode.jetstream.wire import (
    BOOL,
    DURATION,
    INT,
    INT32,
    INT64,
    SEQ,
    STR,
    STR_MAP,
    SUBJECT,
    TIME,
    UINT64,
    array,
    enum,
    named,
    pointer,
    string_map,
    struct,
    wire,
)

RESPONSE_TYPE: Final = "io.nats.jetstream.api.v1."
STRINGS: Final = array(STR)
SUBJECTS: Final = array(SUBJECT)
_OF_STREAM: Final = array(SUBJECT, limits.STREAM_SUBJECTS_MAX)
_FILTERS: Final = array(SUBJECT, limits.CONSUMER_FILTERS_MAX)
_GROUPS: Final = array(STR, limits.CONSUMER_FILTERS_MAX)
DURATIONS: Final = array(DURATION, limits.CONSUMER_FILTERS_MAX)
_SEQUENCES: Final = array(UINT64)
RETENTION: Final = enum("limits", "interest", "workqueue")
DISCARD: Final = enum("old", "new")
STORAGE: Final = enum("file", "memory")
_STORAGE_ASKED: Final = enum("file", "memory", zero="")
COMPRESSION: Final = named("none", "s2", error="unknown compression algorithm")
PERSIST: Final = enum("", "default", "async")
DELIVER: Final = enum(
    "all", "undefined", "last", "new", "by_start_sequence", "by_start_time", "last_per_subject"
)
ACK: Final = enum("none", "all", "explicit", "flow_control")
REPLAY: Final = enum("instant", "original")
PRIORITY: Final = enum(
    *("", "none", "overflow", "pinned_client", "prioritized"),
    refusal="unknown priority policy: {}".format,
)
ACTION: Final = enum("", "create", "update", refusal="unknown consumer action: {}".format)
_MOMENT: Final = pointer(TIME)


@dataclass(slots=True)
class Placement:
    """Where in a cluster a stream should live: stored and shown, without effect on one server."""

    cluster: str = wire(STR)
    tags: list[str] = wire(STRINGS)
    preferred: str = wire(STR)


_PLACEMENT: Final = pointer(struct(Placement))


@dataclass(slots=True)
class SubjectTransformConfig:
    """A mapping of subjects."""

    src: str = wire(SUBJECT, always=True)
    dest: str = wire(SUBJECT, always=True)


_TRANSFORM: Final = pointer(struct(SubjectTransformConfig))
_TRANSFORMS: Final = array(struct(SubjectTransformConfig), limits.STREAM_TRANSFORMS_MAX)


@dataclass(slots=True)
class RePublish:
    """Where stored messages are published once more."""

    src: str = wire(SUBJECT)
    dest: str = wire(SUBJECT, always=True)
    headers_only: bool = wire(BOOL)


_REPUBLISH: Final = pointer(struct(RePublish))


@dataclass(slots=True)
class ExternalStream:
    """How to reach a stream of another account or domain."""

    api: str = wire(STR, always=True)
    deliver: str = wire(SUBJECT, always=True)


_EXTERNAL: Final = pointer(struct(ExternalStream))


@dataclass(slots=True)
class StreamConsumerSource:
    """The durable consumer that a source uses."""

    name: str = wire(STR)
    deliver_subject: str = wire(SUBJECT)


_CONSUMER_SOURCE: Final = pointer(struct(StreamConsumerSource))


@dataclass(slots=True)
class StreamSource:
    """A mirror's or source's origin."""

    name: str = wire(STR, always=True)
    opt_start_seq: int = wire(UINT64)
    opt_start_time: int | None = wire(_MOMENT)
    filter_subject: str = wire(SUBJECT)
    subject_transforms: list[SubjectTransformConfig] = wire(_TRANSFORMS)
    external: ExternalStream | None = wire(_EXTERNAL)
    consumer: StreamConsumerSource | None = wire(_CONSUMER_SOURCE)


_SOURCE: Final = pointer(struct(StreamSource))
_SOURCES: Final = array(_SOURCE, limits.STREAM_SOURCES_MAX)


@dataclass(slots=True)
class StreamConsumerLimits:
    """Defaults and bounds for the consumers of a stream."""

    inactive_threshold: int = wire(DURATION)
    max_ack_pending: int = wire(INT)


_CONSUMER_LIMITS: Final = struct(StreamConsumerLimits)


@dataclass(slots=True)
class StreamConfig:
    """A stream as its owner wants it. Limits: -1 is none; times in nanoseconds."""

    name: str = wire(STR, always=True)
    description: str = wire(STR)
    subjects: list[str] = wire(_OF_STREAM)
    retention: str = wire(RETENTION, always=True)
    max_consumers: int = wire(INT, always=True)
    max_msgs: int = wire(INT64, always=True)
    max_bytes: int = wire(INT64, always=True)
    max_age: int = wire(DURATION, always=True)
    max_msgs_per_subject: int = wire(INT64, always=True)
    max_msg_size: int = wire(INT32, always=True)
    discard: str = wire(DISCARD, always=True)
    storage: str = wire(STORAGE, always=True)
    num_replicas: int = wire(INT, always=True)
    no_ack: bool = wire(BOOL)
    duplicate_window: int = wire(DURATION)
    placement: Placement | None = wire(_PLACEMENT)
    mirror: StreamSource | None = wire(_SOURCE)
    sources: list[StreamSource] = wire(_SOURCES)
    compression: str = wire(COMPRESSION, always=True)
    first_seq: int = wire(UINT64)
    subject_transform: SubjectTransformConfig | None = wire(_TRANSFORM)
    republish: RePublish | None = wire(_REPUBLISH)
    allow_direct: bool = wire(BOOL, always=True)
    mirror_direct: bool = wire(BOOL, always=True)
    discard_new_per_subject: bool = wire(BOOL)
    sealed: bool = wire(BOOL, always=True)
    deny_delete: bool = wire(BOOL, always=True)
    deny_purge: bool = wire(BOOL, always=True)
    allow_rollup_hdrs: bool = wire(BOOL, always=True)
    consumer_limits: StreamConsumerLimits = wire(_CONSUMER_LIMITS, always=True)
    allow_msg_ttl: bool = wire(BOOL, always=True)
    subject_delete_marker_ttl: int = wire(DURATION)
    allow_msg_counter: bool = wire(BOOL)
    allow_atomic: bool = wire(BOOL)
    allow_msg_schedules: bool = wire(BOOL)
    allow_batched: bool = wire(BOOL)
    persist_mode: str = wire(PERSIST)
    metadata: dict[str, str] = wire(STR_MAP)


@dataclass(slots=True)
class StreamConfigRequest(StreamConfig):
    """Body of STREAM.CREATE and STREAM.UPDATE."""

    storage: str = wire(_STORAGE_ASKED)  # empty where nothing is said of it
    first_seq: int = wire(SEQ)
    pedantic: bool = wire(BOOL)


@dataclass(slots=True)
class ConsumerConfig:
    """A consumer as its owner wants it; times in nanoseconds."""

    durable_name: str = wire(STR)
    name: str = wire(STR)
    description: str = wire(STR)
    deliver_policy: str = wire(DELIVER, always=True)
    opt_start_seq: int = wire(UINT64)
    opt_start_time: int | None = wire(_MOMENT)
    ack_policy: str = wire(ACK, always=True)
    ack_wait: int = wire(DURATION)
    max_deliver: int = wire(INT)
    backoff: list[int] = wire(DURATIONS)
    filter_subject: str = wire(SUBJECT)
    filter_subjects: list[str] = wire(_FILTERS)
    replay_policy: str = wire(REPLAY, always=True)
    rate_limit_bps: int = wire(UINT64)
    sample_freq: str = wire(STR)
    max_waiting: int = wire(INT)
    max_ack_pending: int = wire(INT)
    flow_control: bool = wire(BOOL)
    headers_only: bool = wire(BOOL)
    max_batch: int = wire(INT)
    max_expires: int = wire(DURATION)
    max_bytes: int = wire(INT)
    deliver_subject: str = wire(SUBJECT)
    deliver_group: str = wire(STR)
    idle_heartbeat: int = wire(DURATION)
    inactive_threshold: int = wire(DURATION)
    num_replicas: int = wire(INT, always=True)
    mem_storage: bool = wire(BOOL)
    direct: bool = wire(BOOL)
    sourcing: bool = wire(BOOL)
    metadata: dict[str, str] = wire(STR_MAP)
    pause_until: int | None = wire(_MOMENT)
    priority_groups: list[str] = wire(_GROUPS)
    priority_policy: str = wire(PRIORITY)
    priority_timeout: int = wire(DURATION)

    @property
    def filters(self) -> list[bytes]:
        """The subjects that it wants; none: all of the stream."""
        if self.filter_subject:
            return [self.filter_subject.encode()]
        return [subject.encode() for subject in self.filter_subjects]

    @property
    def is_of_origin(self) -> bool:
        """Whether another stream reads by it: such a one does not count as a consumer."""
        return self.direct or self.sourcing


_CONSUMER_CONFIG: Final = struct(ConsumerConfig)


@dataclass(slots=True)
class CreateConsumerRequest:
    """Body of the three consumer create endpoints."""

    stream_name: str = wire(STR)
    config: ConsumerConfig = wire(_CONSUMER_CONFIG)
    action: str = wire(ACTION)
    pedantic: bool = wire(BOOL)


@dataclass(slots=True)
class StreamNamesRequest:
    """Body of STREAM.NAMES and STREAM.LIST."""

    offset: int = wire(INT)
    subject: str = wire(SUBJECT)


@dataclass(slots=True)
class StreamInfoRequest:
    """Body of STREAM.INFO."""

    offset: int = wire(INT)
    deleted_details: bool = wire(BOOL)
    subjects_filter: str = wire(SUBJECT)


@dataclass(slots=True)
class SnapshotRequest:
    """Body of STREAM.SNAPSHOT."""

    deliver_subject: str = wire(SUBJECT)
    no_consumers: bool = wire(BOOL)
    chunk_size: int = wire(INT)
    window_size: int = wire(INT)
    jsck: bool = wire(BOOL)


@dataclass(slots=True)
class LostData:
    """What a server lost of a stream, as it says itself."""

    msgs: list[int] = wire(_SEQUENCES)
    bytes: int = wire(UINT64)


@dataclass(slots=True)
class ArchivedState:
    """What a client says of the stream that it brings back; the archive says it, too."""

    messages: int = wire(UINT64)
    bytes: int = wire(UINT64)
    first_seq: int = wire(UINT64)
    first_ts: int | None = wire(TIME)
    last_seq: int = wire(UINT64)
    last_ts: int | None = wire(TIME)
    num_subjects: int = wire(INT)
    subjects: dict[str, int] = wire(string_map(UINT64))
    num_deleted: int = wire(INT)
    deleted: list[int] = wire(_SEQUENCES)
    lost: LostData | None = wire(pointer(struct(LostData, "LostStreamData")))
    consumer_count: int = wire(INT)


@dataclass(slots=True)
class RestoredConfig(StreamConfig):
    """The configuration of a stream that is brought back."""

    first_seq: int = wire(SEQ)


@dataclass(slots=True)
class RestoreRequest:
    """Body of STREAM.RESTORE."""

    config: RestoredConfig = wire(struct(RestoredConfig, "StreamConfig"))
    state: ArchivedState = wire(struct(ArchivedState, "StreamState"))


@dataclass(slots=True)
class PurgeRequest:
    """Body of STREAM.PURGE."""

    seq: int = wire(UINT64)
    filter: str = wire(SUBJECT)
    keep: int = wire(UINT64)


@dataclass(slots=True)
class MsgGetRequest:
    """Body of STREAM.MSG.GET and of Direct Get."""

    seq: int = wire(UINT64)
    last_by_subj: str = wire(SUBJECT)
    next_by_subj: str = wire(SUBJECT)
    start_time: int | None = wire(_MOMENT)
    batch: int = wire(INT)
    max_bytes: int = wire(INT)
    multi_last: list[str] = wire(SUBJECTS)
    up_to_seq: int = wire(UINT64)
    up_to_time: int | None = wire(_MOMENT)
    no_hdr: bool = wire(BOOL)


@dataclass(slots=True)
class MsgDeleteRequest:
    """Body of STREAM.MSG.DELETE."""

    seq: int = wire(UINT64)
    no_erase: bool = wire(BOOL)


@dataclass(slots=True)
class ConsumersRequest:
    """Body of CONSUMER.NAMES and CONSUMER.LIST."""

    offset: int = wire(INT)


@dataclass(slots=True)
class PauseRequest:
    """Body of CONSUMER.PAUSE."""

    pause_until: int | None = wire(TIME)


@dataclass(slots=True)
class UnpinRequest:
    """Body of CONSUMER.UNPIN."""

    group: str = wire(STR)


@dataclass(slots=True)
class ResetRequest:
    """Body of CONSUMER.RESET."""

    seq: int = wire(SEQ)


@dataclass(slots=True)
class NextRequest:
    """Body of CONSUMER.MSG.NEXT, and of +NXT."""

    expires: int = wire(DURATION)
    batch: int = wire(INT)
    max_bytes: int = wire(INT)
    no_wait: bool = wire(BOOL)
    idle_heartbeat: int = wire(DURATION)
    group: str = wire(STR)
    min_pending: int = wire(INT64)
    min_ack_pending: int = wire(INT64)
    id: str = wire(STR)
    priority: int = wire(INT)
