"""A configuration that can never work with the stream that is there."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from leafnode.uplink.answers import StreamInfo
from leafnode.uplink.unfit import unfit
from tests.sim.uplink_world import OPTIONS

FILED = b'{"domain": "edge", "config": {"retention": "limits"}}'
QUEUE = b'{"domain": "edge", "config": {"retention": "workqueue"}}'


@pytest.mark.parametrize(
    ("options", "prefix", "stream", "problem"),
    [
        (OPTIONS, "edge.", QUEUE, ""),
        (replace(OPTIONS, newest_first=True), "edge.", FILED, ""),
        (OPTIONS, "$JS.", FILED, "subject_prefix '$JS.' is not the start of a stream's subject"),
        (OPTIONS, "a..", FILED, "subject_prefix 'a..' is not the start of a stream's subject"),
        (
            replace(OPTIONS, domain="edge"),
            "edge.",
            FILED,
            "domain edge is this server's own, not the hub's",
        ),
        (
            replace(OPTIONS, newest_first=True),
            "edge.",
            QUEUE,
            "newest_first needs a stream with limits retention, this one has workqueue",
        ),
    ],
)
def test_it_is_said_why(options: object, prefix: str, stream: bytes, problem: str) -> None:
    assert unfit(options, prefix, msgspec.json.decode(stream, type=StreamInfo)) == problem
