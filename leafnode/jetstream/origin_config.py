"""Checks what a stream says about its origins: one mirror, or any number of sources.

Pure: knows the configuration, and for `check_among` those of the account's other streams. Order and
texts as nats-server 2.15.1 server/stream.go checkStreamCfg.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.errors import JetStreamError, TransformError, WalkError
from leafnode.jetstream.errors import js_error
from leafnode.jetstream.names import is_stream_name
from leafnode.nuid import hash8
from leafnode.protocol.patterns import PatternSet, Walk
from leafnode.protocol.subject import collides, is_literal, is_valid
from leafnode.protocol.transform import Transform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from leafnode.jetstream.api_types import StreamConfig, StreamSource, SubjectTransformConfig

    Lookup = Callable[[str], StreamConfig | None]

_API: Final = b"$JS.API"
# What a mirror may not have, with the refusal, in the order nats-server looks.
_NOT_ON_MIRRORS: Final = (
    ("first_seq", 10143),
    ("subjects", 10034),
    ("sources", 10031),
    ("allow_msg_counter", 10173),
    ("allow_atomic", 10198),
    ("allow_batched", 10209),
    ("allow_msg_schedules", 10186),
)


def index_name(source: StreamSource) -> str:
    """Return what tells a source from the others, as `Nats-Stream-Source` spells it."""
    name = source.name
    if source.external is not None:
        name += ":" + hash8(source.external.api)
    if source.consumer is not None:
        name += ":C=" + hash8(source.consumer.name)
    if not source.subject_transforms:
        return f"{name} {source.filter_subject or '>'} >"
    sources = "\f".join(one.src or ">" for one in source.subject_transforms)
    destinations = "\f".join(one.dest or ">" for one in source.subject_transforms)
    return f"{name} {sources} {destinations}"


def check(config: StreamConfig) -> None:
    """Raise what is wrong about a stream's mirror and sources by themselves."""
    _check_counts(config)
    if config.mirror is not None:
        _check_mirror(config, config.mirror)
    if config.sources and config.allow_msg_schedules:
        raise js_error(10187)
    _check_sources(config.sources)
    for origin in _origins(config):
        external = origin.external
        if external is not None and external.deliver and not _is_publishable(external.deliver):
            raise js_error(10024, external.deliver)


def _check_counts(config: StreamConfig) -> None:
    counts = [len(origin.subject_transforms) for origin in _origins(config)]
    for what, count, most in (
        ("sources", len(config.sources), limits.STREAM_SOURCES_MAX),
        ("subject transforms", sum(counts), limits.STREAM_TRANSFORMS_MAX),
        ("subject transforms of one origin", max(counts, default=0), limits.ORIGIN_TRANSFORMS_MAX),
    ):
        if count > most:
            raise js_error(10052, f"too many {what}, maximum allowed is {most}")


def check_filters(config: StreamConfig) -> None:
    """Raise for a filter of a new stream that is no subject; an update may bring one."""
    for origin in _origins(config):
        wanted = origin.filter_subject
        if wanted and not is_valid(wanted.encode()):
            to = "mirror" if config.mirror is not None else "source:"
            raise js_error(10049, f"subject filter '{wanted}' for the {to} invalid subject")


def check_among(config: StreamConfig, lookup: Lookup, *, pedantic: bool = False) -> None:
    """Raise what is wrong about it in view of the streams that are there, and let a mirror take
    over whether its origin may be read directly.
    """
    subjects: list[str] = []
    for origin in _origins(config):
        local = lookup(origin.name) if origin.external is None else None
        if local is None:
            continue
        subjects += local.subjects
        if 0 < config.max_msg_size < local.max_msg_size:
            raise js_error(10030 if config.mirror is not None else 10046)
        if config.mirror is not None:
            if pedantic and config.mirror_direct != local.allow_direct:
                raise js_error(10157, "origin stream has direct get set, mirror has it disabled")
            config.mirror_direct = local.allow_direct
    for origin in _origins(config):
        if origin.external is not None and origin.external.deliver:
            _check_deliver(origin.external.deliver, subjects)
    for origin in _origins(config):
        if origin.external is not None and origin.external.api:
            _check_api(origin.external.api)
    _check_cycle(config, lookup)


def _origins(config: StreamConfig) -> Iterator[StreamSource]:
    if config.mirror is not None:
        yield config.mirror
    yield from config.sources


def _check_mirror(config: StreamConfig, mirror: StreamSource) -> None:
    for name, err_code in _NOT_ON_MIRRORS:
        if getattr(config, name):
            raise js_error(err_code)
    if mirror.consumer is not None and not _is_consumer_right(mirror):
        raise js_error(10213)
    if mirror.filter_subject and mirror.subject_transforms:
        raise js_error(10150)
    if config.subject_delete_marker_ttl > 0:
        raise js_error(10052, "subject delete markers forbidden on mirrors")
    _check_transforms(mirror.subject_transforms, 10151, 10154)
    _check_overlap(mirror.subject_transforms, PatternSet.colliding, 10152)
    if mirror.external is None and not is_stream_name(mirror.name):
        raise js_error(10142)


def _check_sources(sources: list[StreamSource]) -> None:
    names: set[str] = set()
    consumers: set[tuple[str, str]] = set()
    for source in sources:
        if not is_stream_name(source.name):
            raise js_error(10141)
        name = index_name(source)
        if name in names:
            raise js_error(10140)
        names.add(name)
        if source.filter_subject and source.subject_transforms:
            raise js_error(10144)
        _check_transforms(source.subject_transforms, 10145, 10146)
        _check_overlap(source.subject_transforms, PatternSet.including, 10147)
        if source.consumer is not None:
            if not _is_consumer_right(source):
                raise js_error(10215)
            api = source.external.api if source.external is not None else ""
            reads = (f"{source.name}:{api}", source.consumer.name)
            if reads in consumers:
                raise js_error(10216)
            consumers.add(reads)


def _is_consumer_right(origin: StreamSource) -> bool:
    consumer = origin.consumer
    assert consumer is not None, "asked about one that is there"
    subject = consumer.deliver_subject.encode()
    return (
        is_stream_name(consumer.name)
        and is_literal(subject)
        and is_valid(subject)
        and not (origin.opt_start_seq or origin.opt_start_time is not None)
        and not origin.filter_subject
    )


def _check_transforms(
    transforms: list[SubjectTransformConfig], source_code: int, destination_code: int
) -> None:
    for one in transforms:
        if one.src and not is_valid(one.src.encode()):
            raise js_error(source_code, f"invalid subject {one.src}")
        if not one.dest:
            continue  # a filter, no more
        try:
            Transform(one.src.encode(), one.dest.encode())
        except TransformError as error:
            raise js_error(destination_code, str(error)) from error


def _check_overlap(
    transforms: list[SubjectTransformConfig],
    overlapping: Callable[[PatternSet, bytes, Walk], Iterable[int]],
    err_code: int,
) -> None:
    sources = [(one.src or ">").encode() for one in transforms]
    patterns, walk = PatternSet(sources), Walk()
    try:
        for number, one in enumerate(sources):
            if any(other != number for other in overlapping(patterns, one, walk)):
                raise js_error(err_code)
    except WalkError as error:
        raise js_error(10052, str(error)) from error


def _check_deliver(prefix: str, subjects: list[str]) -> None:
    for subject in subjects:
        if collides(subject.encode(), f"{prefix}.{subject}".encode()):
            raise js_error(10022, f"{prefix} overlaps with stream subject {subject}")


def _check_api(prefix: str) -> None:
    if not _is_publishable(prefix):
        raise js_error(
            10052,
            f'stream external api prefix "{prefix}" must be a valid subject without wildcards',
        )
    if collides(prefix.encode(), _API):
        raise js_error(10021, prefix)


def _is_publishable(prefix: str) -> bool:
    subject = prefix.encode()
    return is_valid(subject) and is_literal(subject)


def _check_cycle(config: StreamConfig, lookup: Lookup) -> None:
    """Refuse a stream that gets its own messages, however many streams lie between."""
    waiting = [config]
    visited: set[str] = set()
    while waiting:
        one = waiting.pop(0)
        visited.add(one.name)
        for origin in _origins(one):
            if origin.external is not None:
                continue
            if origin.name in visited:
                if one.mirror is not None or _reaches(one.subjects, origin.filter_subject):
                    raise _cycle()
            elif (local := lookup(origin.name)) is not None:
                waiting.append(local)


def _reaches(subjects: list[str], filter_subject: str) -> bool:
    wanted = filter_subject.encode()
    return not wanted or any(collides(subject.encode(), wanted) for subject in subjects)


def _cycle() -> JetStreamError:
    return js_error(10052, "detected cycle")
