"""Texts as nats-server writes them."""

from __future__ import annotations

import json

import pytest

from leafnode.clock import NS_PER_S
from leafnode.go_json import encode
from leafnode.monitor.text import number, pretty, pretty_steps, shown, uptime, uptime_ns
from leafnode.slices import finish


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
    assert uptime_ns(text) == max(0, seconds) * NS_PER_S


@pytest.mark.parametrize(("value", "text"), [(2.0, b"2"), (0.0, b"0"), (0.5, b"0.5")])
def test_a_whole_number_has_no_point(value: float, text: bytes) -> None:
    assert encode({"n": number(value)}) == b'{"n":%b}' % text


def test_json_is_indented_by_two_and_escaped_as_go_does() -> None:
    assert pretty({"a": ["x.>"]}) == b'{\n  "a": [\n    "x.\\u003e"\n  ]\n}'
    assert encode({"a": "<&"}) == b'{"a":"\\u003c\\u0026"}'


def test_bytes_that_are_no_text_are_shown_all_the_same() -> None:
    assert shown(b"a\xff") == "a\ufffd"


def nested(streams: int) -> dict[str, object]:
    some = [[{"n": index} for index in range(count)] for count in (0, 70, 140)]
    rows = [{"name": f"<{len(one)}>", "consumers": one} for one in some]
    numbers = [{"n": index} for index in range(200)]
    return {"a": 1, "empty": {}, "none": [], "rows": numbers, "streams": rows * streams}


@pytest.mark.parametrize("value", [{}, {"a": []}, nested(1), nested(30)])
@pytest.mark.parametrize("indent", [2, 3])
def test_slices_give_the_same_text_as_json_in_one_piece(
    value: dict[str, object], indent: int
) -> None:
    whole = json.dumps(value, indent=indent).replace("<", "\\u003c").replace(">", "\\u003e")

    assert b"".join(finish(pretty_steps(value, indent))).decode() == whole


def test_a_long_answer_takes_several_turns() -> None:
    assert len(list(pretty_steps(nested(100)))) > 5


def test_the_lists_at_the_top_are_let_go_as_they_are_written_and_no_others() -> None:
    inner = list(range(100))
    answer = {"rows": list(range(100)), "one": {"inner": inner}}

    finish(pretty_steps(answer))

    assert answer["rows"] == [None] * 100
    assert inner == list(range(100))
