"""Whose durable a consumer is.

Truth: docs/uplink.md, "Names and durables".
"""

from __future__ import annotations

import pytest

from leafnode.uplink.owner import Owner, name_of, owner_of, place_of, uplink_in

A = Owner("a", "AGG@hub")


@pytest.mark.parametrize(
    ("name", "stream", "uplink"),
    [
        ("leafnode-uplink-EV", "EV", ""),
        ("leafnode-uplink-a-EV", "EV", "a"),
        ("leafnode-uplink-a-b-EV", "EV", "a-b"),
        ("leafnode-uplink-a-EV", "a-EV", ""),
        ("leafnode-uplink-aEV", "EV", None),
        ("leafnode-uplink-EV-2", "EV", None),
        ("leafnode-uplink-", "EV", None),
        ("dashboard", "EV", None),
        ("EV", "EV", None),
    ],
)
def test_a_durable_is_called_after_its_uplink_and_its_stream(
    name: str, stream: str, uplink: str | None
) -> None:
    assert uplink_in(name, stream) == uplink
    if uplink is not None:
        assert name_of(uplink, stream) == name
        assert owner_of(name, stream, {}) == Owner(uplink, None)


def test_what_its_metadata_says_counts_more_than_its_name() -> None:
    assert owner_of("leafnode-uplink-EV", "EV", A.metadata()) == A
    assert owner_of("leafnode-uplink-a-EV-2", "EV", A.metadata()) == A
    assert owner_of("dashboard", "EV", A.metadata()) is None


def test_its_place_is_kept_under_the_name_that_it_began_with() -> None:
    assert place_of("leafnode-uplink-EV", "EV") == "main"
    assert place_of("leafnode-uplink-a-EV", "EV") == "a"
    assert place_of("leafnode-uplink-a-EV-2", "EV") == "a-EV-2"
