"""A board chooses the end of a subject, never its beginning."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode import limits
from leafnode.bridge.mapping import SubjectTemplate, device_pattern
from leafnode.bridge.reading import BadReading, Reading
from leafnode.protocol import subject


def reading(*, device: bytes = b"node1", name: bytes = b"temp") -> Reading:
    return Reading(b"node1.7.1", b"21.5", device=device, name=name)


def test_places_are_filled() -> None:
    template = SubjectTemplate("factory.{port}.{device}.{name}", "line1", framing="link")

    assert template.subject(reading()) == b"factory.line1.node1.temp"


def test_a_name_may_have_several_tokens() -> None:
    template = SubjectTemplate("s.{name}", "line1", framing="link")

    assert template.subject(reading(name=b"tank.2.level")) == b"s.tank.2.level"


def test_headers_carry_the_id_and_the_port() -> None:
    template = SubjectTemplate("s.{name}", "line1", framing="link")

    assert template.headers(reading()) == (
        b"NATS/1.0\r\nNats-Msg-Id: node1.7.1\r\nLeafnode-Port: line1\r\n\r\n"
    )


@pytest.mark.parametrize(
    "name",
    [
        b"",
        b"*",
        b">",
        b"a.*",
        b"a.>",
        b".a",
        b"a.",
        b"a..b",
        b"$JS.API.STREAM.DELETE.S",
        b"a b",
        b"a\tb",
        b"a\r\nPUB x 0",
        b"a\x00",
        b"a\x1b[2J",
        b"a\x7f",
        b"\xff",
    ],
)
def test_a_name_that_is_no_plain_subject_is_bad(name: bytes) -> None:
    with pytest.raises(BadReading):
        SubjectTemplate("s.{name}", "p", framing="link").subject(reading(name=name))


@pytest.mark.parametrize("device", [b"", b"a.b", b"*", b">", b"$SYS", b"a b", b"a\n"])
def test_a_device_id_that_is_not_one_token_is_bad(device: bytes) -> None:
    with pytest.raises(BadReading):
        SubjectTemplate("s.{device}", "p", framing="link").subject(reading(device=device))


def test_a_subject_has_at_most_its_bound_of_tokens() -> None:
    template = SubjectTemplate("s.{name}", "p", framing="link")
    most = b".".join([b"x"] * (limits.MAX_SUBJECT_TOKENS - 1))

    assert template.subject(reading(name=most)) == b"s." + most
    with pytest.raises(BadReading):
        template.subject(reading(name=most + b".x"))


def test_a_board_may_not_choose_the_first_token() -> None:
    with pytest.raises(AssertionError, match="first token"):
        SubjectTemplate("{name}", "p", framing="link")


@pytest.mark.parametrize(
    ("template", "pattern"),
    [
        ("s.{device}.{name}", b"s.node1.>"),
        ("s.{port}.{device}", b"s.p.node1"),
        ("s.{port}", b"s.p"),
        ("s.{name}.{device}", None),
        ("s.x{name}", None),
    ],
)
def test_all_readings_of_a_device_have_a_pattern(template: str, pattern: bytes | None) -> None:
    assert device_pattern(template, "p", "node1") == pattern


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_whatever_a_board_says_the_subject_is_under_the_prefix_or_refused(
    device: bytes, name: bytes
) -> None:
    template = SubjectTemplate("factory.{port}.{device}.{name}", "line1", framing="link")
    try:
        built = template.subject(reading(device=device, name=name))
    except BadReading:
        return
    assert subject.matches(b"factory.line1.*.>", built)
    assert subject.is_valid_literal(built)
