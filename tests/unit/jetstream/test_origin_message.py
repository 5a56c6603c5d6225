from __future__ import annotations

from random import Random
from typing import Any

import pytest

from leafnode.jetstream.api_types import StreamSource, SubjectTransformConfig
from leafnode.jetstream.origin_message import Sourced, Transforms, kept, source_of, sourced, wanted
from leafnode.protocol import header


def message(*lines: tuple[bytes, bytes]) -> tuple[int, bytes]:
    block = header.build(lines) if lines else b""
    return len(block), block + b"x"


def test_what_was_demanded_of_the_origin_is_not_demanded_again() -> None:
    mine = (b"Nats-Msg-Id", b"1")

    assert kept(*message(mine, (b"Nats-Expected-Stream", b"O"))) == message(mine)
    assert kept(*message((b"Nats-Batch-Id", b"b"), (b"Nats-Batch-Sequence", b"1"))) == message()
    assert kept(*message(mine)) == message(mine)
    assert kept(*message()) == message()


def test_a_sourced_message_says_where_it_is_from() -> None:
    info = b'{"acc":"U"}'
    before = message(
        (b"A", b"1"), (b"Nats-Request-Info", info), (b"Nats-Stream-Source", b"OLD 1 > > a")
    )

    after = sourced(*before, index_name="O a.* >", seq=5, subject=b"a.b", identity=b"j3oYtT1g")

    assert after == message((b"A", b"1"), (b"Nats-Stream-Source", b"O 5 a.* > a.b j3oYtT1g"))
    assert source_of(after[1][: after[0]]) == Sourced("O a.* >", 5, b"j3oYtT1g")


def test_a_message_without_a_header_gets_one() -> None:
    size, body = sourced(*message(), index_name="O > >", seq=5, subject=b"a", identity=b"")

    assert body[size:] == b"x"
    assert source_of(body[:size]) == Sourced("O > >", 5, b"")


@pytest.mark.parametrize(
    "value", [b"", b"O", b"O 1", b"O x > > a", b"O 99999999999999999999 > > a"]
)
def test_what_says_nothing_about_a_source(value: bytes) -> None:
    assert source_of(header.build([(b"Nats-Stream-Source", value)])) is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {}),
        ({"filter_subject": "a"}, {"filter_subject": "a"}),
        ({"subject_transforms": [("", "b")]}, {"filter_subject": ">"}),
        ({"subject_transforms": [("a", "b"), ("c", "")]}, {"filter_subjects": ["a", "c"]}),
    ],
)
def test_what_is_read(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    assert wanted(origin(**fields)) == expected


def test_the_first_transform_that_matches_counts() -> None:
    transforms = Transforms(
        origin(subject_transforms=[("a.*", "one.$1"), ("b.>", ""), (">", "rest.>")]), Random(1)
    )

    assert transforms.apply(b"a.x") == b"one.x"
    assert transforms.apply(b"c.x") == b"rest.c.x"


def origin(**fields: Any) -> StreamSource:
    moves = fields.pop("subject_transforms", [])
    moves = [SubjectTransformConfig(src=src, dest=dest) for src, dest in moves]
    return StreamSource(name="O", subject_transforms=moves, **fields)
