"""Bodies and pages of requests."""

from __future__ import annotations

import pytest

from leafnode.errors import JetStreamError
from leafnode.jetstream.api_types import StreamNamesRequest
from leafnode.jetstream.request import Request, page


def request(payload: bytes) -> Request:
    return Request([], b"r", b"", payload, lambda answer: None, lambda answer: None)


@pytest.mark.parametrize(
    ("payload", "empty"),
    [
        (b"", True),
        (b"  ", False),
        (b"{}", True),
        (b" { } ", True),
        (b'{"a":1}', False),
        (b"junk", False),
        (b"[]", False),
        (b"{", False),
        (b'{"a":"\xff"}', False),
    ],
)
def test_an_empty_object_is_empty(payload: bytes, empty: bool) -> None:
    assert request(payload).is_empty() is empty


def test_an_optional_body_is_read_only_when_it_looks_like_json() -> None:
    names = "JSApiStreamNamesRequest"

    assert request(b"hello").optional(StreamNamesRequest, names).offset == 0
    assert request(b' {"offset":3}').optional(StreamNamesRequest, names).offset == 3
    with pytest.raises(JetStreamError, match="cannot unmarshal array into Go value"):
        request(b"[1]").optional(StreamNamesRequest, names)


@pytest.mark.parametrize(("asked", "offset"), [(-5, 0), (0, 0), (3, 3), (5, 5), (99, 5)])
def test_an_offset_is_clamped_to_the_total(asked: int, offset: int) -> None:
    assert page(5, asked, 256) == (offset, {"total": 5, "offset": offset, "limit": 256})
