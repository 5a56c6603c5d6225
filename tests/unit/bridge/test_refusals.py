"""Pauses between tries grow while nothing is stored, and begin anew when something is."""

from __future__ import annotations

import logging

import pytest

from leafnode import limits
from leafnode.bridge.refusals import Newer, Refusals
from leafnode.bridge.status import PortCounters


def refusals(whose: str = "") -> Refusals:
    return Refusals(PortCounters(), port="scale", whose=whose)


def pauses(refusals: Refusals, count: int) -> list[int]:
    found = []
    for _ in range(count):
        refusals.note("full", 1)
        found.append(refusals.begin_pause_ns())
    return found


def test_pauses_double_up_to_the_longest() -> None:
    found = pauses(refusals(), 8)

    assert found[:3] == [limits.READING_RETRY_NS * factor for factor in (1, 2, 4)]
    assert found[-1] == limits.READING_RETRY_MAX_NS


def test_behind_a_refusal_readings_go_one_by_one_until_one_is_stored() -> None:
    some = refusals()
    pauses(some, 3)
    assert (some.burst_max, some.in_a_row, some.last_error, some.reason) == (1, 3, "full", "")

    some.stored(0)

    assert (some.burst_max, some.in_a_row) == (limits.READINGS_BURST_MAX, 0)
    assert some.last_error == ""
    assert pauses(some, 1) == [limits.READING_RETRY_NS]


def test_who_ends_counts_and_waits_anew() -> None:
    some = refusals()
    pauses(some, 5)

    some.begin_anew()

    assert (some.in_a_row, some.last_error) == (0, "full")
    assert pauses(some, 1) == [limits.READING_RETRY_NS]


@pytest.mark.parametrize("newer", list(Newer))
def test_what_is_newer_waits_behind_a_refusal_and_behind_what_is_stored(newer: Newer) -> None:
    some = refusals()

    some.newer = newer
    some.note("full", 1)
    assert some.newer is Newer.WAITS
    some.newer = newer
    some.stored(1)
    assert some.newer is Newer.WAITS


@pytest.mark.parametrize(("whose", "where"), [("", "scale"), ("what was", "scale of=what was")])
def test_the_first_refusal_is_logged_and_all_are_counted(
    whose: str, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    counters = PortCounters()
    some = Refusals(counters, port="scale", whose=whose)

    some.note("full", 2)
    some.note("full", 3)

    assert counters.refused == 2
    assert [record.getMessage() for record in caplog.records] == [
        f"Readings cannot be stored: port={where} reason=full queued=2"
    ]


def test_that_something_is_stored_again_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    some = refusals()
    some.stored(1)
    some.note("full", 2)

    some.stored(1)

    assert caplog.records[-1].getMessage() == "Readings are stored again: port=scale queued=1"
    assert len(caplog.records) == 2
