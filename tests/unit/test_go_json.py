"""leafnode.go_json: what Go escapes is escaped."""

from __future__ import annotations

import pytest

from leafnode import go_json


def test_what_could_be_markup_or_end_a_line_is_escaped() -> None:
    assert go_json.encode({"a.>": ["<", "&"]}) == rb'{"a.\u003e":["\u003c","\u0026"]}'
    assert go_json.encode("\u2028 \u2029 \u2027") == b'"\\u2028 \\u2029 \xe2\x80\xa7"'


def test_other_text_is_left_alone() -> None:
    assert go_json.encode({"a": "b.*", "ä": 1}) == '{"a":"b.*","ä":1}'.encode()
    assert go_json.encode("\b\f\t\x01\x7f") == b'"\\b\\f\\t\\u0001\x7f"'


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"a b\xc3\xa4\xef\xbf\xbd", '"a b\xe4\ufffd"'),
        (b"\xff\x00\x7f\x1b", r'"\xff\x00\x7f\x1b"'),
        (b"\r\nX:1\t\a\v", r'"\r\nX:1\t\a\v"'),
        (b'"\\', r'"\"\\"'),
        (b"\xc2\x85\xe2\x80\xa8\xf3\xa0\x80\x81", r'"\u0085\u2028\U000e0001"'),
    ],
)
def test_quoted_text_shows_what_cannot_be_shown_by_its_number(raw: bytes, text: str) -> None:
    assert go_json.quoted(raw.decode(errors="surrogateescape")) == text
