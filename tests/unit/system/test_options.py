"""leafnode.system.options: how large a request may be, and of whom it asks."""

from __future__ import annotations

import pytest

from leafnode.limits import SYSTEM_REQUEST_BYTES_MAX
from leafnode.system.envelope import About
from leafnode.system.options import (
    CONNZ,
    BadRequest,
    concerns,
    read,
)

ABOUT = About(id="N", name="edge-7", host="10.0.0.7", domain="edge", tags=("a:1", "b:2"))


def test_a_request_at_the_bound_is_read_and_a_larger_one_refused() -> None:
    assert read(b"", CONNZ) == {}
    at_bound = b'{"acc":"A"}'.ljust(SYSTEM_REQUEST_BYTES_MAX)

    assert read(at_bound, CONNZ) == {"acc": "A"}
    with pytest.raises(BadRequest, match="too large"):
        read(at_bound + b" ", CONNZ)


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ({}, True),
        ({"server_name": "edge"}, True),
        ({"server_name": "edge", "exact_match": True}, False),
        ({"server_name": "edge-7", "exact_match": True}, True),
        ({"host": "10.0"}, True),
        ({"host": "10.0", "exact_match": True}, False),
        ({"cluster": "c"}, False),
        ({"tags": ["a:1", "b:2"]}, True),
        ({"tags": [" A:1", "B:2 "]}, True),
        ({"tags": ["a:1", "c:3"]}, False),
        ({"domain": "edge"}, True),
        ({"domain": "ed"}, False),
    ],
)
def test_a_filter_says_which_servers_are_asked(given: dict[str, object], answer: bool) -> None:
    assert concerns(ABOUT, given) is answer
