"""What mapping and subject may be told. Truth: docs/serial/mapping.md."""

from __future__ import annotations

import pytest

from leafnode.clock import NS_PER_S
from leafnode.config.serial_mapping import needs_fields, template_problem
from leafnode.config.serial_options import SerialPort
from leafnode.config.serial_stage_options import (
    CodecOptions,
    FieldOptions,
    FramingOptions,
    MappingOptions,
)
from tests.unit.config.test_serial_framing import port, refused

JSON = "codec: json, "


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", MappingOptions()),
        ("mapping { select: [a, b] }", MappingOptions(select=("a", "b"))),
        (
            'mapping { fields { "1-0:1.7.0" { rename: power, unit: kW, scale: 0.1, offset: -4, '
            "digits: 2, deadband: 0 }, b {} } }",
            MappingOptions(
                fields=(
                    FieldOptions("1-0:1.7.0", "power", "kW", 0.1, -4, 2, 0),
                    FieldOptions("b"),
                )
            ),
        ),
        (
            "mapping { min_interval: 1s, max_silence: 60s, ignore_repeats: 2s }",
            MappingOptions(
                min_interval_ns=NS_PER_S,
                max_silence_ns=60 * NS_PER_S,
                ignore_repeats_ns=2 * NS_PER_S,
            ),
        ),
        # The defaults of docs/serial/mapping.md.
        ("mapping { min_interval: 0, ignore_repeats: 0 }", MappingOptions()),
        ("mapping { min_interval: 0s, ignore_repeats: 0ms }", MappingOptions()),
        (
            "mapping { aggregate { every: 60s, functions: [min, max] } }",
            MappingOptions(every_ns=60 * NS_PER_S, functions=("min", "max")),
        ),
        ("mapping { aggregate { every: 5s } }", MappingOptions(every_ns=5 * NS_PER_S)),
        (
            'mapping { timestamp: header, headers { Site: north, Kind: "{kind}" } }',
            MappingOptions(timestamp="header", headers=(("Site", "north"), ("Kind", "{kind}"))),
        ),
    ],
)
def test_a_mapping_has_its_keys(text: str, options: MappingOptions) -> None:
    assert port(JSON + text).mapping == options


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "mapping { field: a }",
            'x.conf:2:24: ….mapping: unknown field "field", did you mean "fields"',
        ),
        (
            "mapping { fields { a { scale: 0 } } }",
            "….mapping.fields.a.scale: expected a number other",
        ),
        ("mapping { fields { a { scale: x } } }", "….mapping.fields.a.scale: expected a number"),
        (
            "mapping { fields { a { deadband: -1 } } }",
            "….mapping.fields.a.deadband: expected zero or more",
        ),
        (
            "mapping { fields { a { digits: 13 } } }",
            "….mapping.fields.a.digits: expected digits from 0 to 12",
        ),
        (
            "mapping { fields { a { rename: c }, b { rename: c } } }",
            "….mapping: two fields have the same name",
        ),
        ("mapping { aggregate {} }", "….mapping.aggregate: expected every"),
        (
            "mapping { aggregate { every: 1s, functions: [sum] } }",
            "….mapping.aggregate.functions[0]: expected min or max",
        ),
        (
            "mapping { aggregate { every: 1s, functions: [min, min] } }",
            'the function "min" stands twice',
        ),
        (
            "mapping { aggregate { every: 1s }, min_interval: 1s }",
            "….mapping.min_interval: has no place beside aggregate",
        ),
        (
            "mapping { aggregate { every: 1s }, fields { a { deadband: 1 } } }",
            "….mapping.fields: a deadband has no place beside aggregate",
        ),
        ("mapping { timestamp: payload }", "….mapping.timestamp: expected field or header"),
        ("mapping { headers { 'a b': c } }", "….mapping.headers.a b: expected a header name"),
        ("mapping { headers { Nats-Msg-Id: c } }", "Nats- and Leafnode- are not for headers"),
        ("mapping { headers { leafnode-x: c } }", "Nats- and Leafnode- are not for headers"),
        ("mapping { headers { A: '{field}' } }", "{field} is unknown: use {port}"),
        (
            "mapping { headers { A: '{device}' } }",
            "{device} and {name} need modbus, link or text_link",
        ),
    ],
)
def test_a_mapping_is_checked(text: str, error: str) -> None:
    assert error in refused(JSON + text)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("mapping { select: [a] }", "….mapping: codec text knows no fields"),
        ("mapping { timestamp: field }", "….mapping: codec text knows no fields"),
        ("codec: raw, mapping { aggregate { every: 1s } }", "….mapping: codec raw knows no fields"),
        ("codec: csv, fields: [a], mapping { select: [b] }", 'the codec has no field "b"'),
        ("codec: csv, fields: [a], mapping { fields { b {} } }", 'the codec has no field "b"'),
        (
            "codec: csv, fields: [a, b], mapping { fields { a { rename: b } } }",
            "….mapping: two fields have the same name",
        ),
        (
            "codec: json, mapping { select: [a, b], fields { a { rename: b } } }",
            "….mapping: two fields have the same name",
        ),
    ],
)
def test_a_mapping_must_suit_its_codec(text: str, error: str) -> None:
    assert error in refused(text)


@pytest.mark.parametrize(
    "fields", ["a { rename: b }, b { rename: a }", "a { rename: c }"], ids=["swapped", "free"]
)
def test_a_name_that_no_other_field_keeps_may_be_given(fields: str) -> None:
    assert port(f"codec: csv, fields: [a, b], mapping {{ fields {{ {fields} }} }}").mapping.fields


@pytest.mark.parametrize("fields", ["a { rename: b }", "b { rename: a }"])
def test_the_name_of_a_field_that_is_not_selected_may_be_given(fields: str) -> None:
    text = f"codec: csv, fields: [a, b], mapping {{ select: [a], fields {{ {fields} }} }}"

    assert port(text).mapping.select == ("a",)


@pytest.mark.parametrize("codec", ["json", "keyvalue", "cbor"])
def test_a_codec_that_looks_at_each_byte_takes_no_large_frame(codec: str) -> None:
    assert port(f"codec: {codec}, max_frame: 65536").framing.max_frame_bytes == 65536

    said = refused(f"codec: {codec}, framing {{ type: line, max_frame: 65537 }}")

    assert f"….framing: codec {codec} takes frames of 65536 bytes at most" in said
    assert "max_frame is 65537: raw, text and exec take larger ones" in said


@pytest.mark.parametrize("codec", ["raw", "text"])
def test_others_take_a_megabyte(codec: str) -> None:
    assert port(f"codec: {codec}, max_frame: 1000000").framing.max_frame_bytes == 10**6


def test_a_line_in_text_has_64_kib_at_most_whatever_the_codec() -> None:
    assert port("framing: text_link, max_frame: 65536").framing.max_frame_bytes == 65536

    said = refused("framing { type: text_link, max_frame: 65537 }")

    assert said.endswith("text_link takes lines of 65536 bytes at most, and max_frame is 65537")


def test_gathering_has_no_messages_for_fields() -> None:
    text = "subject: 's.{field}', codec: json, mapping { aggregate { every: 1s } }"

    assert "aggregate publishes whole readings" in refused(text)


@pytest.mark.parametrize(
    ("template", "framing", "codec", "problem"),
    [
        ("readings.{port}", "line", "text", ""),
        ("{port}.x", "line", "text", ""),
        ("r.{port}.{device}.{name}", "link", "text", ""),
        ("nmea.{talker}.{type}", "line", "nmea", ""),
        ("r.{field}", "line", "json", ""),
        ("r.{a}", "line", "csv", ""),
        ("r.{b}", "line", "csv", "{b} is no field of the codec"),
        ("r.{field}", "line", "text", "codec text knows no fields"),
        (
            "r.{device}",
            "line",
            "json",
            "{device} and {name} need modbus, link or text_link: others name",
        ),
        ("r.{sensor}", "line", "text", "{sensor} is a field, and codec text knows none"),
        ("r.{a b}", "line", "json", "{a b} is unknown: use {port}, {device}, {name} or a field"),
        ("{device}.x", "link", "text", "expected a first token that the device does not choose"),
        ("a{name}.x", "link", "text", "expected a first token that the device does not choose"),
        ("{field}", "line", "json", "expected a first token that the device does not choose"),
        ("$JS.{port}", "link", "text", "a subject of readings must not start with $JS"),
        ("_INBOX.x", "line", "text", "a subject of readings must not start with _INBOX"),
        ("r.*", "line", "text", 'expected a subject without wildcards, got "r.*"'),
        ("r..x", "line", "text", 'expected a subject without wildcards, got "r..x"'),
        ("r.{", "line", "text", 'expected a subject without wildcards, got "r.{"'),
    ],
)
def test_the_device_fills_only_later_tokens_of_a_subject(
    template: str, framing: str, codec: str, problem: str
) -> None:
    options = SerialPort(
        "/dev/x",
        "p1",
        template,
        framing=FramingOptions(framing),
        codec=CodecOptions(codec, ("a",) if codec == "csv" else ()),
    )
    if problem.startswith("codec text"):
        assert needs_fields(options)
    else:
        assert template_problem(options).startswith(problem)
        assert bool(template_problem(options)) == bool(problem)


def test_json_is_decoded_only_where_fields_are_wanted() -> None:
    assert not needs_fields(port(JSON + "mapping { min_interval: 1s, headers { A: '{port}' } }"))
    assert needs_fields(port(JSON + "mapping { headers { A: '{b}' } }"))
