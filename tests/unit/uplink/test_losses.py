"""By what messages went before the hub had them, and how long that is said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from leafnode.clock import NS_PER_S
from leafnode.go_time import format_time
from leafnode.uplink.answers import StreamInfo
from leafnode.uplink.losses import Losses, bound_of

if TYPE_CHECKING:
    import pytest

NOW_NS = 1_800_000_000 * NS_PER_S
AGE = {"max_age": 60 * NS_PER_S}


def stream(*, messages: int = 10, age_s: int = 0, **config: Any) -> StreamInfo:
    """Give a stream whose first message is so old."""
    first_ts = format_time(NOW_NS - age_s * NS_PER_S) if messages else "0001-01-01T00:00:00Z"
    state = {"messages": messages, "bytes": 100 * messages, "first_ts": first_ts}
    return msgspec.convert({"config": config, "state": state}, StreamInfo)


def cause(before: StreamInfo, after: StreamInfo) -> str:
    losses = Losses("EV")
    losses.note(before, 0, NOW_NS, is_over=False)
    losses.note(after, 1, NOW_NS + 3 * NS_PER_S, is_over=False)
    return losses.words.removesuffix(" removed 1 messages that the hub does not have")


def test_a_bound_is_reached_where_one_more_has_no_room() -> None:
    assert bound_of(stream(max_msgs=10, max_bytes=1000)) == "max_msgs 10"
    assert bound_of(stream(max_msgs=11, max_bytes=1099)) == "max_bytes 1099"
    assert bound_of(stream(max_msgs=11, max_bytes=1100)) == ""
    assert bound_of(stream(messages=0, max_msgs=1)) == ""


def test_the_cause_is_what_shows() -> None:
    assert cause(stream(), stream(max_msgs=10, **AGE)) == "max_msgs 10"
    assert cause(stream(age_s=58), stream(**AGE)) == "max_age 1m0s"
    assert cause(stream(age_s=56), stream(**AGE)) == "a delete or a purge"
    assert cause(stream(age_s=58), stream(max_msgs=10, discard="new", **AGE)) == "max_age 1m0s"
    assert cause(stream(), stream(allow_msg_ttl=True)) == "a TTL or a delete"


def test_in_an_empty_stream_nothing_was_old() -> None:
    second = {"max_age": NS_PER_S}
    assert cause(stream(messages=0), stream(messages=0, **AGE)) == "a delete or a purge"
    assert cause(stream(messages=0), stream(messages=0, **second)) == "max_age 1s"


def test_what_went_before_the_first_look_may_have_been_too_old() -> None:
    losses = Losses("EV")
    losses.note(stream(**AGE), 0, NOW_NS, is_over=False)
    losses.forget()

    losses.note(stream(**AGE), 2, NOW_NS, is_over=False)

    assert losses.words == "max_age 1m0s removed 2 messages that the hub does not have"


def test_what_went_before_the_first_look_may_have_been_at_a_hub_that_lost_it() -> None:
    """As one of an older copy: nobody deleted anything here."""
    losses = Losses("EV")
    losses.note(stream(), 0, NOW_NS, is_over=False)
    losses.forget()

    losses.note(stream(), 2, NOW_NS, is_over=False)
    losses.note(stream(), 1, NOW_NS, is_over=False)

    assert losses.words == (
        "a delete, a purge or a hub that lost them removed 2 messages that the hub does not have, "
        "a delete or a purge removed 1 messages that the hub does not have"
    )


def test_each_cause_has_its_number_and_all_end_together(caplog: pytest.LogCaptureFixture) -> None:
    losses = Losses("EV")
    losses.note(stream(), 2, NOW_NS, is_over=True)
    losses.note(stream(max_msgs=10), 3, NOW_NS, is_over=False)
    losses.note(stream(), 1, NOW_NS, is_over=False)
    assert losses.words == (
        "a delete or a purge removed 3 messages that the hub does not have, "
        "max_msgs 10 removed 3 messages that the hub does not have"
    )

    losses.note(stream(), 0, NOW_NS, is_over=True)
    losses.note(stream(), 0, NOW_NS, is_over=True)

    assert losses.words == ""
    assert [record.getMessage().split("=")[0] for record in caplog.records] == [
        "Uplink problem: stream",
        "Uplink goes on behind a loss: stream",
    ]


def test_what_is_replaced_by_the_newest_of_its_subject_is_not_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert cause(stream(), stream(max_msgs_per_subject=1)) == ""
    assert cause(stream(age_s=58), stream(max_msgs_per_subject=1, **AGE)) == "max_age 1m0s"
    assert len(caplog.records) == 1
