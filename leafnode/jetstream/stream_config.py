"""Checks and completes a stream's configuration, as nats-server does.

Pure: knows one configuration, and for an update the present one; not other streams or accounts.
Truth: measured on nats-server 2.15.1; order and texts as its server/stream.go checkStreamCfg.
"""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.errors import TransformError, WalkError
from leafnode.go_time import format_duration
from leafnode.jetstream import origin_config, provenance, reshape
from leafnode.jetstream.api_types import Placement, StreamConfig
from leafnode.jetstream.errors import js_error
from leafnode.jetstream.names import is_stream_name
from leafnode.protocol.patterns import PatternSet, Walk
from leafnode.protocol.subject import collides, is_subset, is_valid
from leafnode.protocol.transform import Transform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from leafnode.errors import JetStreamError
    from leafnode.jetstream.api_types import StreamConfigRequest

LEVEL_KEY: Final = "_nats.req.level"
DYNAMIC_KEYS: Final = ("_nats.ver", "_nats.level", provenance.KEY)
_COUNTS: Final = ("max_consumers", "max_msgs", "max_bytes", "max_msgs_per_subject", "max_msg_size")
_RESERVED: Final = (b"$JS.>", b"$JSC.>", b"$NRG.>")


def invalid(text: str) -> JetStreamError:
    """Return the general refusal of a stream configuration."""
    return js_error(10052, text)


@contextmanager
def walks_refused() -> Iterator[None]:
    """Refuse patterns that cross in more ways than are looked at."""
    try:
        yield
    except WalkError as error:
        raise invalid(str(error)) from error


def check_request(request: StreamConfigRequest) -> None:
    """Raise what is wrong with a request for a new stream, before what the account may have."""
    if "/" in request.name or "\\" in request.name:
        raise js_error(10128)
    if request.sealed:
        raise invalid("stream configuration for create can not be sealed")
    if request.mirror_direct and request.mirror is None:
        raise invalid("stream has no mirror but does have mirror direct")


def checked_create(
    request: StreamConfigRequest,
    window_max_ns: int = 0,
    *,
    check_size: Callable[[StreamConfig], None] | None = None,
) -> StreamConfig:
    """Return the effective configuration of a new stream. Raises JetStreamError, and what
    `check_size` does, which is asked before what one server cannot do.
    """
    config = checked(request, window_max_ns, pedantic=request.pedantic)
    if check_size is not None:
        check_size(config)
    _check_one_server(config)
    return config


def checked_restore(request: StreamConfig, window_max_ns: int = 0) -> StreamConfig:
    """Return the effective configuration of a stream that comes out of an archive; it may be
    sealed. Raises JetStreamError.
    """
    config = checked(request, window_max_ns)
    _check_one_server(config)
    return config


def checked_update(old: StreamConfig, config: StreamConfig) -> StreamConfig:
    """Return the effective configuration after an update to one that was checked. Raises
    JetStreamError.
    """
    _check_counter(config)  # again, unlike for a new one: markers turned TTLs on
    _check_one_server(config)
    if config.storage != old.storage:
        raise invalid("stream configuration update can not change storage type")
    if config.retention != old.retention and "workqueue" in {config.retention, old.retention}:
        raise invalid(
            "stream configuration update can not change retention policy to/from workqueue"
        )
    if old.sealed and not config.sealed:
        raise invalid("stream configuration update can not unseal a sealed stream")
    if old.deny_delete and not config.deny_delete:
        raise invalid("stream configuration update can not cancel deny message deletes")
    if old.deny_purge and not config.deny_purge:
        raise invalid("stream configuration update can not cancel deny purge")
    if config.mirror is not None and config.mirror != old.mirror:
        raise js_error(10055)
    if old.allow_msg_ttl and not config.allow_msg_ttl:
        raise invalid("message TTL status can not be disabled")
    if config.allow_msg_counter != old.allow_msg_counter:
        raise invalid("stream configuration update can not change message counter setting")
    if old.allow_msg_schedules and not config.allow_msg_schedules:
        raise invalid("message schedules can not be disabled")
    if config.persist_mode != old.persist_mode:
        raise invalid("stream configuration update can not change persist mode")
    if config.sealed:
        config.max_age = 0
        config.discard = "new"
        config.deny_delete = config.deny_purge = True
        config.allow_rollup_hdrs = False
    if config.republish is not None and not config.republish.dest:
        raise js_error(10069, _not_to_all(config.republish.src))
    return config


def _not_to_all(src: str) -> str:
    """Say why what is stored cannot be published again under every subject, its own among them."""
    return f"stream configuration for republish from '{src}' to '>': invalid subject"


def _check_one_server(config: StreamConfig) -> None:
    if config.num_replicas > 1:
        raise js_error(10074)


def checked(
    request: StreamConfig, window_max_ns: int = 0, *, pedantic: bool = False
) -> StreamConfig:
    """Return the effective configuration, whatever there was before. Raises JetStreamError.

    `window_max_ns`: the server's bound on duplicate windows, 0 for none.
    """
    config = StreamConfig(
        **{field.name: getattr(request, field.name) for field in fields(StreamConfig)}
    )
    config.storage = config.storage or "file"
    if config.persist_mode == "default":
        config.persist_mode = ""
    config.metadata = dict(request.metadata)
    if request.republish is not None:
        config.republish = dataclasses.replace(request.republish)
    config.consumer_limits = dataclasses.replace(request.consumer_limits)
    _check_names(config)
    _check_replicas(config)
    _check_counts(config, pedantic=pedantic)
    _check_ages(config)
    _check_window(config, window_max_ns, pedantic=pedantic)
    if config.deny_purge and config.allow_rollup_hdrs:
        raise invalid("roll-ups require the purge permission")
    _check_counter(config)
    _check_discard(config)
    _check_markers(config, pedantic=pedantic)
    _check_schedules(config, pedantic=pedantic)
    _check_persistence(config)
    origin_config.check(config)
    _check_subjects(config)
    reshape.check_transform(config)
    _check_republish(config, pedantic=pedantic)
    if config.placement is not None:
        if config.placement.preferred:
            raise invalid("preferred server not permitted in placement")
        if config.placement == Placement():
            config.placement = None
    for key in DYNAMIC_KEYS:
        config.metadata.pop(key, None)
    newer = config.persist_mode == "async" or config.allow_atomic or config.allow_msg_counter
    newer = newer or config.allow_msg_schedules
    level = 4 if config.allow_batched else 2 if newer else int(config.allow_msg_ttl)
    config.metadata[LEVEL_KEY] = str(level)
    return config


def _check_names(config: StreamConfig) -> None:
    if "/" in config.name or "\\" in config.name:
        raise js_error(10128)
    if not is_stream_name(config.name):
        raise invalid("stream name is required and can not contain '.', '*', '>', '\\', '/'")
    if len(config.name) > limits.STREAM_NAME_MAX:
        raise invalid(f"stream name is too long, maximum allowed is {limits.STREAM_NAME_MAX}")
    if len(config.description.encode()) > limits.DESCRIPTION_BYTES_MAX:
        raise invalid(
            f"stream description is too long, maximum allowed is {limits.DESCRIPTION_BYTES_MAX}"
        )
    if metadata_bytes(config.metadata) > limits.METADATA_BYTES_MAX:
        raise invalid(f"stream metadata exceeds maximum size of {limits.METADATA_BYTES_MAX} bytes")


def metadata_bytes(metadata: dict[str, str]) -> int:
    """Return the size that the limit on metadata counts."""
    return sum(len(key.encode()) + len(value.encode()) for key, value in metadata.items())


def _check_replicas(config: StreamConfig) -> None:
    if config.num_replicas > 5:
        raise invalid("maximum replicas is 5")
    if config.num_replicas < 0:
        raise js_error(10133)
    config.num_replicas = config.num_replicas or 1


def _check_counts(config: StreamConfig, *, pedantic: bool) -> None:
    for name in _COUNTS:
        value: int = getattr(config, name)
        if value < -1 and pedantic:
            raise js_error(10157, f"{name} must be set to -1")
        if value <= 0:
            setattr(config, name, -1)


def _check_ages(config: StreamConfig) -> None:
    if config.max_age < 0:
        raise invalid("max age can not be negative")
    if 0 < config.max_age < 100 * NS_PER_MS:
        raise invalid("max age needs to be >= 100ms")


def _check_window(config: StreamConfig, most_ns: int, *, pedantic: bool) -> None:
    if config.duplicate_window == 0:
        if config.mirror is not None or config.sources:
            return  # no window unless one is asked for
        config.duplicate_window = _default_window(config, most_ns, pedantic=pedantic)
    if config.duplicate_window < 0:
        raise invalid("duplicates window can not be negative")
    if 0 < config.max_age < config.duplicate_window:
        raise invalid("duplicates window can not be larger then max age")
    if 0 < most_ns < config.duplicate_window:
        most = format_duration(most_ns)
        raise invalid(f"duplicates window can not be larger then server limit of {most}")
    if config.duplicate_window < 100 * NS_PER_MS:
        raise invalid("duplicates window needs to be >= 100ms")


def _default_window(config: StreamConfig, most_ns: int, *, pedantic: bool) -> int:
    window_ns = limits.DUPLICATE_WINDOW_NS
    if 0 < most_ns < window_ns:
        if pedantic:
            raise js_error(10157, "duplicate window limits are higher than current limits")
        window_ns = most_ns
    if 0 < config.max_age < window_ns:
        if pedantic:
            raise js_error(10157, "duplicate window cannot be bigger than max age")
        window_ns = config.max_age
    return window_ns


def _check_counter(config: StreamConfig) -> None:
    if not config.allow_msg_counter:
        return
    if config.discard == "new":
        raise invalid("counter stream cannot use discard new")
    if config.allow_msg_ttl:
        raise invalid("counter stream cannot use message TTLs")
    if config.allow_msg_schedules:
        raise invalid("counter stream cannot use message schedules")
    if config.retention != "limits":
        raise invalid("counter stream can only use limits retention")


def _check_markers(config: StreamConfig, *, pedantic: bool) -> None:
    ttl_ns = config.subject_delete_marker_ttl
    if ttl_ns < 0:
        raise invalid("subject delete marker TTL must not be negative")
    if not ttl_ns:
        return
    if ttl_ns < NS_PER_S:
        raise invalid("subject delete marker TTL must be at least 1 second")
    without = "subject delete marker cannot be set if {} are disabled"
    if pedantic and not config.allow_msg_ttl:
        raise invalid(without.format("message TTLs"))
    if pedantic and not config.allow_rollup_hdrs:
        raise invalid(without.format("roll-ups"))
    config.allow_msg_ttl = True
    if not config.allow_rollup_hdrs:
        config.allow_rollup_hdrs, config.deny_purge = True, False


def _check_schedules(config: StreamConfig, *, pedantic: bool) -> None:
    if not config.allow_msg_schedules:
        return
    if config.discard == "new":
        raise invalid("message scheduling cannot use discard new")
    if not config.allow_rollup_hdrs:
        if pedantic:
            raise invalid("message scheduling cannot be set if roll-ups are disabled")
        config.allow_rollup_hdrs, config.deny_purge = True, False


def _check_discard(config: StreamConfig) -> None:
    if not config.discard_new_per_subject:
        return
    if config.discard != "new":
        raise invalid("discard new per subject requires discard new policy to be set")
    if config.max_msgs_per_subject <= 0:
        raise invalid("discard new per subject requires max msgs per subject > 0")


def _check_persistence(config: StreamConfig) -> None:
    if config.persist_mode == "async" and config.storage != "file":
        raise invalid("async persist mode is only supported on file storage")
    if config.persist_mode == "async" and config.allow_atomic:
        raise invalid("async persist mode is not supported with atomic batch publish")


def _check_republish(config: StreamConfig, *, pedantic: bool) -> None:
    wanted = config.republish
    if wanted is None:
        return
    if not wanted.src:
        if pedantic:
            raise js_error(10157, "republish source can not be empty")
        wanted.src = ">"
    transform = config.subject_transform
    everything = wanted.src == wanted.dest == ">"
    if everything and transform is not None and config.subjects == [transform.src]:
        if pedantic:
            raise js_error(10157, "implicit republish based on subject transform")
        wanted.src = wanted.dest = transform.dest
    if not wanted.dest:
        return
    if any(collides(wanted.dest.encode(), subject.encode()) for subject in config.subjects):
        raise invalid("stream configuration for republish destination forms a cycle")
    try:
        Transform(wanted.src.encode(), wanted.dest.encode())
    except TransformError as error:
        raise invalid(
            f"stream configuration for republish with transform from '{wanted.src}' to "
            f"'{wanted.dest}' not valid"
        ) from error


def _check_subjects(config: StreamConfig) -> None:
    if not config.subjects and config.mirror is None and not config.sources:
        config.subjects = [config.name]
    if len(config.subjects) > limits.STREAM_SUBJECTS_MAX:
        raise invalid(f"too many subjects, maximum allowed is {limits.STREAM_SUBJECTS_MAX}")
    seen, walk = PatternSet(), Walk()
    for text in config.subjects:
        subject = text.encode()
        if not is_valid(subject):
            raise invalid("invalid subject")
        if not config.no_ack:
            _check_reserved(subject)
        with walks_refused():
            other = min(seen.colliding(subject, walk), default=None)
        if other is not None:
            raise invalid(f'subject "{config.subjects[other]}" overlaps with "{text}"')
        seen.add(subject)


def _check_reserved(subject: bytes) -> None:
    if subject == b">":
        raise invalid("capturing all subjects requires no-ack to be true")
    if any(collides(subject, space) for space in _RESERVED) and not is_subset(
        subject, b"$JS.EVENT.>"
    ):
        raise invalid("subjects that overlap with jetstream api require no-ack to be true")
    if collides(subject, b"$SYS.>") and not is_subset(subject, b"$SYS.ACCOUNT.>"):
        raise invalid("subjects that overlap with system api require no-ack to be true")
