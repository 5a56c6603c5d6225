"""leafnode.go_json: what Go escapes is escaped."""

from __future__ import annotations

from leafnode import go_json


def test_what_could_be_markup_or_end_a_line_is_escaped() -> None:
    assert go_json.encode({"a.>": ["<", "&"]}) == rb'{"a.\u003e":["\u003c","\u0026"]}'
    assert go_json.encode("\u2028 \u2029 \u2027") == b'"\\u2028 \\u2029 \xe2\x80\xa7"'


def test_other_text_is_left_alone() -> None:
    assert go_json.encode({"a": "b.*", "ä": 1}) == '{"a":"b.*","ä":1}'.encode()
    assert go_json.encode("\b\f\t\x01\x7f") == b'"\\b\\f\\t\\u0001\x7f"'
