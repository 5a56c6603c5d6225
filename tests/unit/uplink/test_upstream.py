"""What a message is called at the hub, and what the hub is asked for."""

from __future__ import annotations

import pytest

from leafnode.uplink.upstream import Upstream


def test_a_subject_goes_under_the_prefix() -> None:
    assert Upstream("edge.").subject(b"ev.a") == b"edge.ev.a"


def test_the_first_transform_that_matches_holds_and_the_prefix_comes_before_it() -> None:
    transforms = [("ev.*.temp", "t.{{wildcard(1)}}"), ("ev.>", "rest.>")]
    upstream = Upstream("edge.", transforms)

    assert upstream.subject(b"ev.boiler.temp") == b"edge.t.boiler"
    assert upstream.subject(b"ev.boiler.level") == b"edge.rest.boiler.level"
    assert upstream.subject(b"other") == b"edge.other"


def test_a_stream_is_asked_for_by_each_of_its_subjects_under_the_prefix() -> None:
    assert Upstream("edge.").patterns(["ev.>", "alarm.*"]) == ["edge.ev.>", "edge.alarm.*"]


def test_what_a_transform_makes_is_asked_for_and_what_it_leaves_too() -> None:
    upstream = Upstream("edge.", [("ev.*.temp", "t.{{wildcard(1)}}")])

    assert upstream.patterns(["ev.>"]) == ["edge.t.*", "edge.ev.>"]
    assert upstream.patterns(["ev.*.temp"]) == ["edge.t.*"]
    assert upstream.patterns(["alarm.>"]) == ["edge.alarm.>"]


@pytest.mark.parametrize("function", ["split(1,-)", "partition(3,1)", "left(1,2)"])
def test_behind_a_function_anything_may_come(function: str) -> None:
    upstream = Upstream("edge.", [("ev.*", f"t.{{{{{function}}}}}.x")])

    assert upstream.patterns(["ev.*"]) == ["edge.t.>"]
