"""A board chooses the end of a subject, never its beginning."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode import limits
from leafnode.bridge.mapping.template import HeaderTemplate, SubjectTemplate, device_pattern
from leafnode.bridge.reading import BadReading, Reading
from leafnode.protocol import subject


def reading(*, device: bytes = b"node1", name: bytes = b"temp") -> Reading:
    return Reading(b"node1.7.1", b"21.5", device=device, name=name)


def test_places_are_filled() -> None:
    template = SubjectTemplate("factory.{port}.{device}.{name}", "line1")

    assert template.subject(reading()) == b"factory.line1.node1.temp"


def test_a_name_may_have_several_tokens() -> None:
    template = SubjectTemplate("s.{name}", "line1")

    assert template.subject(reading(name=b"tank.2.level")) == b"s.tank.2.level"


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
        SubjectTemplate("s.{name}", "p").subject(reading(name=name))


@pytest.mark.parametrize("device", [b"", b"a.b", b"*", b">", b"$SYS", b"a b", b"a\n"])
def test_a_device_id_that_is_not_one_token_is_bad(device: bytes) -> None:
    with pytest.raises(BadReading):
        SubjectTemplate("s.{device}", "p").subject(reading(device=device))


def test_a_subject_has_at_most_its_bound_of_tokens() -> None:
    template = SubjectTemplate("s.{name}", "p")
    most = b".".join([b"x"] * (limits.MAX_SUBJECT_TOKENS - 1))

    assert template.subject(reading(name=most)) == b"s." + most
    with pytest.raises(BadReading):
        template.subject(reading(name=most + b".x"))


def test_a_board_may_not_choose_the_first_token() -> None:
    with pytest.raises(AssertionError, match="first token"):
        SubjectTemplate("{name}", "p")


@pytest.mark.parametrize(
    ("template", "pattern"),
    [
        ("s.{device}.{name}", b"s.node1.>"),
        ("s.{port}.{device}", b"s.p.node1"),
        ("s.{port}", b"s.p"),
        ("s.{device}.{field}", b"s.node1.*"),
        ("s.x{kind}.{device}.a", b"s.*.node1.a"),
        ("s.{device}.{kind}.{name}", b"s.node1.*.>"),
        ("s.{device}.{name}.{field}", b"s.node1.>"),
        ("s.{name}.{device}", b"s.>"),
        ("s.x{name}", b"s.>"),
    ],
)
def test_all_readings_of_a_device_have_a_pattern(template: str, pattern: bytes) -> None:
    assert device_pattern(template, "p", "node1") == pattern
    made = SubjectTemplate(template, "p")
    said = reading(device=b"node1", name=b"a.b.c")
    assert subject.matches(pattern, made.subject(said, {"kind": "warm"}, "x.y"))


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_whatever_a_board_says_the_subject_is_under_the_prefix_or_refused(
    device: bytes, name: bytes
) -> None:
    template = SubjectTemplate("factory.{port}.{device}.{name}", "line1")
    try:
        built = template.subject(reading(device=device, name=name))
    except BadReading:
        return
    assert subject.matches(b"factory.line1.*.>", built)
    assert subject.is_valid_literal(built)


# --- fields of a reading

FIELDS = {"talker": "GP", "type": "RMC", "n": 7, "on": True, "f": 1.5, "bad": "a.b", "list": [1]}


def test_fields_of_the_codec_fill_places() -> None:
    template = SubjectTemplate("nmea.{talker}.{type}.{n}.{on}", "p")

    assert template.subject(reading(), FIELDS) == b"nmea.GP.RMC.7.true"


@pytest.mark.parametrize("name", ["f", "bad", "list", "missing"])
def test_a_field_that_is_no_token_makes_a_bad_reading(name: str) -> None:
    with pytest.raises(BadReading):
        SubjectTemplate(f"s.{{{name}}}", "p").subject(reading(), FIELDS)


@pytest.mark.parametrize(
    ("field", "token"),
    [
        ("temp", b"temp"),
        ("1-0:1.7.0", b"1-0:1_7_0"),
        ("a b", b"a_b"),
        ("$x*>", b"_x__"),
        ("", b"_"),
    ],
)
def test_the_name_of_a_field_is_made_a_token(field: str, token: bytes) -> None:
    template = SubjectTemplate("s.{field}", "p")

    assert template.by_field
    assert template.subject(reading(), {}, field) == b"s." + token


@given(st.dictionaries(st.sampled_from(["a", "b"]), st.one_of(st.text(), st.integers())), st.text())
def test_whatever_the_fields_say_the_subject_is_under_the_prefix_or_refused(
    fields: dict[str, object], field: str
) -> None:
    try:
        built = SubjectTemplate("s.{a}.{b}.{field}", "p").subject(reading(), fields, field)
    except BadReading:
        return
    assert subject.matches(b"s.*.*.*", built)
    assert subject.is_valid_literal(built)


def test_a_header_has_texts_and_fields() -> None:
    template = HeaderTemplate("{port} {talker}/{missing}{n} {device}", "p")

    assert template.value(reading(), FIELDS) == b"p GP/7 node1"


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\n", "\0", "x" * 257])
def test_a_field_that_could_end_a_header_is_bad(value: str) -> None:
    with pytest.raises(BadReading):
        HeaderTemplate("{a}", "p").value(reading(), {"a": value})
