"""Texts as nats-server writes them."""

from __future__ import annotations

import pytest

from leafnode.clock import NS_PER_S
from leafnode.monitor.text import compact, pretty, shown, uptime


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59, "59s"),
        (60, "1m0s"),
        (3601, "1h0m1s"),
        (86400, "1d0h0m0s"),
        (366 * 86400 + 3661, "1y1d1h1m1s"),
        (-5, "0s"),
    ],
)
def test_uptime_has_no_parts_that_are_not_needed(seconds: int, text: str) -> None:
    assert uptime(seconds * NS_PER_S) == text


def test_json_is_indented_by_two_and_escaped_as_go_does() -> None:
    assert pretty({"a": ["x.>"]}) == b'{\n  "a": [\n    "x.\\u003e"\n  ]\n}'
    assert compact({"a": "<&"}) == b'{"a":"\\u003c\\u0026"}'


def test_bytes_that_are_no_text_are_shown_all_the_same() -> None:
    assert shown(b"a\xff") == "a\ufffd"
