"""A bad reading carries its reason and nothing of its payload."""

from __future__ import annotations

from leafnode.bridge.reading import BadReading
from leafnode.errors import LeafnodeError


def test_a_bad_reading_is_an_error_of_this_project_and_says_why() -> None:
    bad = BadReading("is not UTF-8")

    assert isinstance(bad, LeafnodeError)
    assert str(bad) == bad.reason == "is not UTF-8"
