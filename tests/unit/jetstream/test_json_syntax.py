"""Error texts of broken JSON, each measured on nats-server 2.15.1."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.jetstream.json_syntax import (
    NOT_HELD,
    JsonSyntaxError,
    end_of_value,
    first_error,
    written,
)
from leafnode.limits import JSON_STEPS_MAX


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{bad", "invalid character 'b' looking for beginning of object key string at offset 2"),
        (b'{"name":"X"', "unexpected EOF"),
        (b"{", "unexpected EOF"),
        (b'{"a', "unexpected EOF"),
        (b'{"name":"TG"} xx', "invalid character 'x' looking for beginning of value at offset 15"),
        (b'{"name":"X"}]', "invalid character ']' looking for beginning of value at offset 13"),
        (
            b'{"name":"X",}',
            "invalid character '}' looking for beginning of object key string at offset 13",
        ),
        (b'{"name" "X"}', "invalid character '\"' after object key at offset 9"),
        (b'{"name":"X" "b":1}', "invalid character '\"' after object key:value pair at offset 13"),
        (b'{"name":tru}', "invalid character '}' in literal true (expecting 'e') at offset 12"),
        (b'{"a":01}', "invalid character '1' after object key:value pair at offset 7"),
        (b'{"a":1.}', "invalid character '}' in numeric literal at offset 8"),
        (b'{"a":-}', "invalid character '}' in numeric literal at offset 7"),
        (b'{"a":1ex}', "invalid character 'x' in numeric literal at offset 8"),
        (b'{"a":"\x01"}', "invalid character '\\x01' in string at offset 7"),
        (b'{"a":"\\q"}', "invalid escape sequence `\\q` in string at offset 8"),
        (b'{"a":"\\ux"', 'invalid escape sequence `\\ux"` in string at offset 10'),
        (b'{"a":"\\u12', "unexpected EOF"),
        (b'{"a":"\\u12x4"}', "invalid escape sequence `\\u12x4` in string at offset 12"),
        (b'{"a":[1 2]}', "invalid character '2' after array element at offset 9"),
        (b'{"a":nulx}', "invalid character 'x' in literal null (expecting 'l') at offset 9"),
    ],
)
def test_the_strict_decoder_says_what_and_where(body: bytes, text: str) -> None:
    assert first_error(body, strict=True) == text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{bad", "invalid character 'b' looking for beginning of object key string"),
        (b"\xff", r"invalid character '\xff' looking for beginning of value"),
        (b"\xed\xa0\x80", r"invalid character '\xed' looking for beginning of value"),
        (b"\xc2\x80", r"invalid character '\u0080' looking for beginning of value"),
        (b"\xef\xbb\xbf{}", r"invalid character '\ufeff' looking for beginning of value"),
        (b"\xc3\xa9", "invalid character '\u00e9' looking for beginning of value"),
        (b"\\", r"invalid character '\\' looking for beginning of value"),
        (b"'", r"invalid character '\'' looking for beginning of value"),
        (b"\x7f", r"invalid character '\x7f' looking for beginning of value"),
        (b'{"batch":1', "unexpected end of JSON input"),
        (b'{"batch":1} xx', "invalid character 'x' after top-level value"),
    ],
)
def test_the_lax_decoder_says_only_what(body: bytes, text: str) -> None:
    assert first_error(body, strict=False) == text


def test_a_part_is_found_as_it_is_written() -> None:
    body = b' {"a":[1, {"b" : "x"}, [ ]], "c":{}}'

    assert written(body, 1, [0, 1]) == b'{"b" : "x"}'
    assert written(body, 1, [0, 1, 0]) == b'"x"'
    assert written(body, 0, [0, 2]) == b"[ ]"
    assert written(body, 0, [1]) == b"{}"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_a_value_ends_where_its_text_ends(value: object) -> None:
    text = json.dumps(value).encode()

    assert end_of_value(text + b" ") == len(text)


@given(st.binary())
def test_any_bytes_end_in_a_text_and_never_in_another_exception(body: bytes) -> None:
    assert first_error(body, strict=True)
    assert first_error(body, strict=False)


def test_depth_costs_no_stack_and_has_a_bound() -> None:
    with pytest.raises(JsonSyntaxError, match="exceeded max depth"):
        end_of_value(b"[" * 20_000)


class Text(bytes):
    """A text that counts how often a piece of it is taken."""

    pieces = 0

    def __getitem__(self, at: Any) -> Any:
        Text.pieces += 1
        return super().__getitem__(at)


@pytest.mark.parametrize(
    ("before", "repeated", "behind"),
    [
        (b"", b"9", b"x"),
        (b"0.", b"1", b"x"),
        (b"1e", b"9", b"x"),
        (b'"', b"\\n", b'"x'),
        (b'"', b"\\u0041", b'"x'),
        (b"[", b"1,", b"x"),
        (b"[", b'"a", true,-0.5,', b"x"),
    ],
)
def test_what_is_long_is_not_walked_byte_by_byte(
    before: bytes, repeated: bytes, behind: bytes
) -> None:
    Text.pieces = 0
    text = Text(before + 1000 * repeated + behind)

    assert first_error(text, strict=True).endswith(f"at offset {len(text)}")
    assert Text.pieces < 50


def test_so_many_values_are_looked_at_and_no_more() -> None:
    near = b"[" + (JSON_STEPS_MAX - 2) * b"{}," + b"x"
    far = b"[" + JSON_STEPS_MAX * b"{}," + b"x"

    assert first_error(near, strict=True).endswith(f"at offset {len(near)}")
    assert first_error(far, strict=True) == NOT_HELD
    with pytest.raises(JsonSyntaxError):
        end_of_value(far)
