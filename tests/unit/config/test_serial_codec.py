"""What a codec may be told. Truth: docs/serial/codecs.md."""

from __future__ import annotations

import pytest

from leafnode.bridge.codecs import CODECS
from leafnode.config import serial_bounds
from leafnode.config.serial_codec import KNOW_FIELDS, TABLES
from leafnode.config.serial_stage_options import CodecOptions
from tests.unit.config.test_serial_framing import port, refused


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", CodecOptions()),
        ("codec: nmea", CodecOptions("nmea")),
        ("codec: csv, fields: [a, b]", CodecOptions("csv", ("a", "b"))),
        (
            'codec { type: csv, fields: [a, b], separator: ";" }',
            CodecOptions("csv", ("a", "b"), separator=";"),
        ),
        (
            r'codec { type: keyvalue, separator: "\r\n", assign: "\t" }',
            CodecOptions("keyvalue", separator="\r\n", assign="\t"),
        ),
        (
            'codec { type: struct, format: "<Hf2x", fields: [n, t] }',
            CodecOptions("struct", ("n", "t"), layout="<Hf2x"),
        ),
        (
            'codec { type: struct, format: ">3B4s" }, fields: [a, b, c, d]',
            CodecOptions("struct", ("a", "b", "c", "d"), layout=">3B4s"),
        ),
        (
            "codec { type: regex, pattern: '(?P<t>\\d+)C', max_input: 16 }",
            CodecOptions("regex", ("t",), pattern="(?P<t>\\d{1,})C", max_input=16),
        ),
    ],
)
def test_a_codec_has_the_keys_of_its_type(text: str, options: CodecOptions) -> None:
    assert port(text).codec == options


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("codec: xml", "x.conf:2:1: ….codec: expected text or raw or json"),
        ("codec { type: json, fields: [a] }", '….codec: unknown field "fields"'),
        ("codec: csv", "….codec: expected fields, the names of the columns, beside codec csv"),
        ("codec: nmea, fields: [a]", "x.conf:2:14: ….fields: expected codec csv or struct"),
        ("codec { type: csv, fields: [a] }, fields: [b]", "….fields: expected fields only once"),
        ("codec { type: csv, fields: [a, a] }", 'the field "a" stands twice'),
        ('codec { type: csv, fields: a, separator: ";;" }', "….codec.separator: expected one char"),
        ("codec: struct, fields: [a]", "….codec: expected a block with format"),
        (
            'codec { type: struct, format: "Hf", fields: [a, b] }',
            "….codec.format: expected a format of",
        ),
        (
            'codec { type: struct, format: "<P", fields: [a] }',
            "….codec.format: expected a format of",
        ),
        (
            'codec { type: struct, format: "<H", fields: [a, b] }',
            "expected 1 fields for this format",
        ),
        ('codec { type: struct, format: "<9999f", fields: [a] }', "expected 9999 fields"),
        ("codec { type: regex }", "….codec: expected pattern, a regular expression"),
        (
            "codec { type: regex, pattern: 'abc' }",
            "x.conf:2:22: ….codec.pattern: no (?P<name>…): nothing would be taken from a reading",
        ),
        (
            "codec { type: regex, pattern: '(?P<a>x)\\b' }",
            "….codec.pattern: \\b may not be used, at character 9",
        ),
        (
            "codec { type: regex, pattern: '(?P<a>(x+)+)y' }",
            "….codec.pattern: a reading of 256 characters may take more than 50000 steps: "
            "set max_input to at most 15,",
        ),
        (
            "codec { type: regex, pattern: '.*(?P<a>\\d+).*' }",
            "set max_input to at most 65, or let what follows a repetition differ from it",
        ),
        (
            "codec { type: regex, pattern: '(?P<a>x)', max_input: 9999 }",
            "….codec.max_input: expected",
        ),
    ],
)
def test_a_codec_is_checked(text: str, error: str) -> None:
    assert error in refused(text)


def test_the_codecs_of_the_bridge_are_those_of_the_configuration() -> None:
    assert set(CODECS) == set(TABLES) - {"exec"}  # bridge.exec
    assert set(CODECS) - KNOW_FIELDS == {"text", "raw"}


def test_there_are_no_more_names_than_a_reading_may_have_fields() -> None:
    names = [f"f{number}" for number in range(serial_bounds.READING_FIELDS_MAX + 1)]

    assert port(f"codec: csv, fields: [{', '.join(names[1:])}]").codec.fields == tuple(names[1:])
    assert "fields: expected at most 128 names" in refused(
        f"codec: csv, fields: [{', '.join(names)}]"
    )
