"""Whether anybody gets a request."""

from __future__ import annotations

import pytest

from leafnode.routing.fate import Fate


def test_nobody_is_found_out_when_the_last_one_is_through() -> None:
    asked: list[str] = []
    fate = Fate(lambda: asked.append("nobody"))
    fate.hold()
    fate.release()
    assert not asked

    fate.release()

    assert asked == ["nobody"]
    with pytest.raises(AssertionError):
        fate.release()


def test_one_way_without_anybody_is_not_all_of_them() -> None:
    asked: list[str] = []
    whole = Fate(lambda: asked.append("whole"))
    barren, good = (Fate(lambda name=name: asked.append(name), whole) for name in ("a", "b"))
    whole.release()

    barren.release()
    good.is_received()
    good.release()

    assert asked == ["a"]


def test_who_holds_it_within_is_waited_for() -> None:
    asked: list[str] = []
    whole = Fate(lambda: asked.append("whole"))
    way = Fate(lambda: asked.append("way"), whole)
    whole.release()
    assert not asked

    way.release()

    assert asked == ["way", "whole"]
