from __future__ import annotations

from typing import Any

import pytest

from leafnode import limits
from leafnode.errors import JetStreamError
from leafnode.jetstream.api_types import (
    ExternalStream,
    StreamConfig,
    StreamConsumerSource,
    StreamSource,
    SubjectTransformConfig,
)
from leafnode.jetstream.origin_config import check, check_among, index_name
from leafnode.nuid import hash8

ORIGIN = StreamSource(name="O")


def move(source: str, destination: str) -> SubjectTransformConfig:
    return SubjectTransformConfig(src=source, dest=destination)


def config(**fields: Any) -> StreamConfig:
    return StreamConfig(name="M", **fields)


def refused(one: StreamConfig, *others: StreamConfig, pedantic: bool = False) -> tuple[int, str]:
    known = {other.name: other for other in others}

    def all_checks() -> None:
        check(one)
        check_among(one, known.get, pedantic=pedantic)

    with pytest.raises(JetStreamError) as caught:
        all_checks()
    return caught.value.err_code, caught.value.description


@pytest.mark.parametrize(
    ("fields", "err_code"),
    [
        ({"first_seq": 5}, 10143),
        ({"subjects": ["m"]}, 10034),
        ({"sources": [ORIGIN]}, 10031),
        ({"allow_msg_counter": True}, 10173),
        ({"allow_atomic": True}, 10198),
        ({"allow_batched": True}, 10209),
        ({"allow_msg_schedules": True}, 10186),
        ({"subject_delete_marker_ttl": 10**9}, 10052),
    ],
)
def test_what_a_mirror_may_not_have(fields: dict[str, Any], err_code: int) -> None:
    assert refused(config(mirror=ORIGIN, **fields))[0] == err_code


@pytest.mark.parametrize(
    ("fields", "mirrors", "sources"),
    [
        ({"name": "a.b"}, 10142, 10141),
        ({"filter_subject": "a", "subject_transforms": [move("a", "b")]}, 10150, 10144),
        ({"subject_transforms": [move("a..b", "b")]}, 10151, 10145),
        ({"subject_transforms": [move("a.*", "b.{{wildcard(2)}}")]}, 10154, 10146),
        ({"subject_transforms": [move("a.*", "b.$1"), move("a.b", "c")]}, 10152, 10147),
        ({"consumer": StreamConsumerSource("a.b", "d")}, 10213, 10215),
        ({"consumer": StreamConsumerSource("c", "d.*")}, 10213, 10215),
        ({"consumer": StreamConsumerSource("c", "d"), "opt_start_seq": 1}, 10213, 10215),
        ({"consumer": StreamConsumerSource("c", "d"), "filter_subject": "a"}, 10213, 10215),
        ({"external": ExternalStream("$JS.x.API", "d.*")}, 10024, 10024),
        ({"external": ExternalStream("$JS.API", "d")}, 10021, 10021),
        ({"external": ExternalStream("$JS.*.API", "d")}, 10052, 10052),
    ],
)
def test_an_origin_that_is_wrong(fields: dict[str, Any], mirrors: int, sources: int) -> None:
    origin = StreamSource(**{"name": "O", **fields})

    assert refused(config(mirror=origin))[0] == mirrors
    assert refused(config(sources=[origin]))[0] == sources


def test_a_transform_without_a_destination_is_a_filter() -> None:
    check(config(sources=[StreamSource(name="O", subject_transforms=[move("a.*", "")])]))


def test_sources_that_can_not_be_told_apart() -> None:
    twice = [StreamSource(name="O", filter_subject="a"), StreamSource(name="O", filter_subject="a")]
    reader = StreamConsumerSource("c", "d")
    shared = [
        StreamSource(name="O", consumer=reader, subject_transforms=[move("a", "b")]),
        StreamSource(name="O", consumer=reader, subject_transforms=[move("c", "b")]),
    ]

    assert refused(config(sources=twice))[0] == 10140
    assert refused(config(sources=shared))[0] == 10216
    check(config(sources=[StreamSource(name="O", filter_subject="a"), ORIGIN]))


def test_sources_can_not_be_scheduled_counted_or_too_many() -> None:
    many = [StreamSource(name=f"O{one}") for one in range(limits.STREAM_SOURCES_MAX + 1)]

    assert refused(config(sources=[ORIGIN], allow_msg_schedules=True))[0] == 10187
    assert refused(config(sources=many))[1] == "too many sources, maximum allowed is 256"


def moves(count: int, of: int = 0) -> list[SubjectTransformConfig]:
    return [move(f"a.{of}.{number}.*", f"b.{number}.$1") for number in range(count)]


def test_transforms_are_as_many_as_a_consumer_has_filters_and_in_all_a_thousand() -> None:
    most = limits.ORIGIN_TRANSFORMS_MAX
    full = [StreamSource(name=f"O{of}", subject_transforms=moves(most, of)) for of in range(5)]
    above = StreamSource(name="O", subject_transforms=moves(most + 1))

    check(config(sources=full[:4]))
    check(config(mirror=full[0]))
    assert refused(config(sources=full))[1] == (
        "too many subject transforms, maximum allowed is 1024"
    )
    for fields in ({"mirror": above}, {"sources": [above]}):
        assert refused(config(**fields))[1] == (
            "too many subject transforms of one origin, maximum allowed is 256"
        )


@pytest.mark.parametrize("last", ["a.0.7.*", "a.0.7.b"])
def test_of_many_transforms_one_that_overlaps_another_is_found(last: str) -> None:
    origin = StreamSource(name="O", subject_transforms=[*moves(200), move(last, "c")])

    assert refused(config(mirror=origin))[0] == 10152
    assert refused(config(sources=[origin]))[0] == 10147


@pytest.mark.parametrize("fields", [{"mirror": ORIGIN}, {"sources": [ORIGIN]}])
def test_an_origin_with_larger_messages(fields: dict[str, Any]) -> None:
    origin = StreamConfig(name="O", max_msg_size=11)
    expected = 10030 if "mirror" in fields else 10046

    assert refused(config(max_msg_size=10, **fields), origin)[0] == expected
    check_among(config(max_msg_size=11, **fields), {"O": origin}.get)


def test_a_mirror_is_read_directly_when_its_origin_is() -> None:
    mirror = config(mirror=ORIGIN)
    origin = StreamConfig(name="O", allow_direct=True)

    check_among(mirror, {"O": origin}.get)

    assert mirror.mirror_direct
    assert refused(config(mirror=ORIGIN), origin, pedantic=True)[0] == 10157


def test_a_stream_that_gets_its_own_messages() -> None:
    mirror_of_m = StreamConfig(name="O", mirror=StreamSource(name="M"))
    around = StreamConfig(name="O", sources=[StreamSource(name="M", filter_subject="m.x")])

    assert refused(config(mirror=StreamSource(name="M")))[1] == "detected cycle"
    assert refused(config(sources=[ORIGIN], subjects=["m"]), mirror_of_m)[1] == "detected cycle"
    check_among(config(sources=[ORIGIN], subjects=["other"]), {"O": around}.get)
    elsewhere = StreamSource(name="M", external=ExternalStream("$JS.hub.API", "d"))
    check_among(config(mirror=elsewhere), {}.get)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "O > >"),
        ({"filter_subject": "a.*"}, "O a.* >"),
        ({"subject_transforms": [move("", "b"), move("a", "")]}, "O >\fa b\f>"),
        ({"external": ExternalStream("$JS.hub.API", "d")}, f"O:{hash8('$JS.hub.API')} > >"),
    ],
)
def test_a_sources_name_among_others(fields: dict[str, Any], expected: str) -> None:
    assert index_name(StreamSource(name="O", **fields)) == expected
