"""When what waits for the hub fills its stream."""

from __future__ import annotations

import msgspec
import pytest

from leafnode.uplink.answers import ConsumerInfo, StreamInfo
from leafnode.uplink.backlog import full


def words(*, acked: int, first: int = 1, messages: int = 10, **config: object) -> str:
    state = {"messages": messages, "bytes": 100 * messages, "first_seq": first}
    state["last_seq"] = first + messages - 1
    stream = msgspec.convert({"config": config, "state": state}, StreamInfo)
    consumer = msgspec.convert({"ack_floor": {"stream_seq": acked}}, ConsumerInfo)
    return full(stream, consumer)


def test_a_stream_without_bounds_is_never_full() -> None:
    assert words(acked=0, max_msgs=-1, max_bytes=-1) == ""


@pytest.mark.parametrize(
    ("config", "bound"),
    [
        ({"max_msgs": 10}, "max_msgs 10"),
        ({"max_bytes": 1000}, "max_bytes 1000"),
        ({"max_bytes": 1099}, "max_bytes 1099"),  # another of the mean size has no room
    ],
)
def test_all_that_waits_fills_the_stream(config: dict[str, int], bound: str) -> None:
    old = words(acked=0, **config)
    new = words(acked=0, discard="new", **config)

    start = f"the backlog is full: {bound} of messages that the hub does not have, "
    assert (old, new) == (start + "the oldest are lost", start + "what comes is refused")


@pytest.mark.parametrize("config", [{"max_msgs": 11}, {"max_bytes": 1100}])
def test_there_is_room_for_one_more(config: dict[str, int]) -> None:
    assert words(acked=0, **config) == ""


def test_a_stream_that_keeps_what_the_hub_has_loses_that_first() -> None:
    assert words(acked=1, max_msgs=10) == ""
    assert words(acked=10, max_msgs=10) == ""
    assert words(acked=4, first=5, max_msgs=10) != ""


@pytest.mark.parametrize(
    ("config", "bound"),
    [({"max_msgs": 10}, "max_msgs 10"), ({"max_bytes": 1000}, "max_bytes 1000")],
)
@pytest.mark.parametrize("acked", [1, 9, 10])
def test_a_stream_that_refuses_what_comes_is_full_though_the_hub_has_some(
    acked: int, config: dict[str, int], bound: str
) -> None:
    assert words(acked=acked, discard="new", **config) == (
        f"the stream is full: {bound}, what comes is refused"
    )


def test_an_empty_stream_is_not_full() -> None:
    assert words(acked=10, first=11, messages=0, max_msgs=10) == ""
