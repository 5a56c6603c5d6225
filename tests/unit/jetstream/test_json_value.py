"""Values of a JSON text as Go's decoder sees them. Texts measured on nats-server 2.15.1."""

from __future__ import annotations

import contextlib
import gc
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.jetstream import json_value
from leafnode.jetstream.json_value import (
    Members,
    NotJson,
    Number,
    each,
    has_more_commas,
    mended,
    only,
)
from leafnode.limits import JSON_VALUES_MAX


def refusal(body: bytes) -> str:
    with pytest.raises(NotJson) as caught:
        list(each(body))
    return str(caught.value)


def test_members_keep_their_order_and_are_there_as_often_as_written() -> None:
    value, _ = only(b'{"b":1,"a":2,"b":null}')

    assert isinstance(value, Members)
    assert value == [("b", "1"), ("a", "2"), ("b", None)]


@pytest.mark.parametrize("text", ["1e400", "1E2", "-0", "1.50", "9" * 5_000])
def test_numbers_are_kept_as_they_are_written(text: str) -> None:
    value, _ = only(text.encode())

    assert isinstance(value, Number)
    assert value == text


def test_one_value_after_another_is_read_until_something_else_comes() -> None:
    values = each(b' {} null\n"\xc3\xa9"1 x')

    assert [next(values) for _ in range(4)] == [([], 1), (None, 4), ("\u00e9", 9), ("1", 13)]
    with pytest.raises(NotJson, match=r"invalid character 'x' looking for .* at offset 16"):
        next(values)


def test_where_values_begin_is_counted_once_through(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[int] = []

    def counted(text: str) -> bytes:
        encoded.append(len(text))
        return text.encode("utf-8", "surrogateescape")

    monkeypatch.setattr(json_value, "_bytes", counted)
    body = '{"a":"\u00e9"}' + "{} " * 60 + '"\U0001f600" 1'

    starts = [at for _, at in each(body.encode())]

    assert starts[:4] == [0, 10, 13, 16]
    assert starts[-2:] == [190, 197]
    assert sum(encoded) == len(body)


@pytest.mark.parametrize("body", [b"", b" \t\r\n"])
def test_nothing_is_no_value(body: bytes) -> None:
    assert list(each(body)) == []
    with pytest.raises(NotJson, match="unexpected end of JSON input"):
        only(body)


def test_another_value_behind_the_only_one_is_an_error() -> None:
    with pytest.raises(NotJson, match=r"invalid character '{' after top-level value"):
        only(b"{}{}")


@pytest.mark.parametrize("body", [b"NaN", b'{"a":Infinity}', b"-Infinity", b"+1", b"\x0b{}"])
def test_what_only_other_decoders_take_is_refused(body: bytes) -> None:
    assert refusal(body).startswith("invalid character")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"\xff", r"invalid character '\xff' looking for beginning of value at offset 1"),
        (
            b'{"a":\xc3\xa9}',
            "invalid character '\u00e9' looking for beginning of value at offset 7",
        ),
        (
            b"\xef\xbb\xbf{}",
            r"invalid character '\ufeff' looking for beginning of value at offset 3",
        ),
        (b'{}{"a":', "unexpected EOF"),
    ],
)
def test_what_is_wrong_is_said_with_the_byte_it_ends_at(body: bytes, text: str) -> None:
    assert refusal(body) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('"\\ud800x"', "\ufffdx"),
        ('"\\udc00\\ud800"', "\ufffd\ufffd"),
        ('"\\ud83d\\ude00"', "\U0001f600"),
    ],
)
def test_half_of_a_pair_is_a_replacement_character(text: str, shown: str) -> None:
    assert mended(only(text.encode())[0]) == shown


@pytest.mark.parametrize("raw", [b"\xff", b"\xed\xa0\x80", b"\xf0\x90\x80", b"a\xc3"])
def test_each_byte_that_is_no_utf8_is_a_replacement_character(raw: bytes) -> None:
    bad = raw.lstrip(b"a")

    assert mended(only(b'"%b"' % raw)[0]).count("\ufffd") == len(bad)


@pytest.mark.parametrize("depth", [500, 5_000, 9_999])
def test_what_lies_deep_is_read_without_the_stack(depth: int) -> None:
    inner = b'"]\\"["' + b"," + b'{"x":' * 20 + b"1" + b"}" * 20
    body = (
        b'\xc3\xa9"'.join((b'{"', b":")) + b"[" * (depth - 21) + inner + b"]" * (depth - 21) + b"}"
    )

    values = list(each(body + b" 7"))

    assert values[0][0][0][0] == "\u00e9"
    assert values[1] == ("7", len(body) + 1)


def test_ten_thousand_containers_may_lie_in_each_other() -> None:
    assert list(each(b"[" * 10_000 + b"]" * 10_000))
    assert refusal(b"[" * 10_001) == "exceeded max depth at offset 10001"
    assert refusal(b"[" * 5_000) == "unexpected EOF"


JSON = st.recursive(
    st.none() | st.booleans() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def plain(value: Any) -> Any:
    if isinstance(value, Members):
        return {key: plain(item) for key, item in value}
    return [plain(item) for item in value] if isinstance(value, list) else value


@given(JSON, JSON)
def test_what_another_encoder_wrote_is_read(first: object, second: object) -> None:
    text = json.dumps(first, ensure_ascii=False) + "\n" + json.dumps(second)

    assert [plain(value) for value, _ in each(text.encode("utf-8", "replace"))] == [first, second]


@given(st.binary(max_size=40))
def test_any_bytes_are_values_or_refused(body: bytes) -> None:
    starts: list[int] = []
    with contextlib.suppress(NotJson):
        starts += (at for _, at in each(body))

    assert starts == sorted(set(starts))
    assert all(0 <= at < len(body) for at in starts)


@pytest.mark.parametrize("collects", [True, False])
@pytest.mark.parametrize("text", [b'{"a":[1,2]}', b'{"a":[1,2}', b"[" * 100_000 + b"]" * 100_000])
def test_no_garbage_is_looked_for_while_a_text_is_read_and_then_as_before(
    text: bytes, collects: bool
) -> None:
    began: list[str] = []

    def note(phase: str, _: dict[str, int]) -> None:
        began.append(phase)

    before, thresholds = gc.isenabled(), gc.get_threshold()
    gc.enable() if collects else gc.disable()
    gc.callbacks.append(note)
    gc.set_threshold(1, 1, 1)
    try:
        with contextlib.suppress(NotJson):
            only(b'{"a":[%b]}' % b",".join([b"{}"] * 1000) if len(text) < 99 else text)
        with contextlib.suppress(NotJson):
            only(text)
        after = gc.isenabled()
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(note)
        gc.enable() if before else gc.disable()

    assert after is collects
    assert len(began) < 500


@pytest.mark.parametrize(
    ("data", "commas"),
    [
        (rb'{"a,,":1,"b":"x\\","c":[1,2]}', 3),
        (rb'{"a\",,":1,"b":2}', 1),
        (b'[1,"' + rb"\"" * 100_000, 1),  # a string that does not end is looked at once
        (b'[1,",,\\', 1),
        (rb'["\\\",,",1]', 1),
        (rb'["\\\\",","]', 1),
    ],
)
def test_commas_count_outside_strings(data: bytes, commas: int) -> None:
    assert has_more_commas(data, commas - 1)
    assert not has_more_commas(data, commas)


def test_more_strings_than_members_can_be_are_not_looked_at_one_by_one() -> None:
    members, inside = b'"a":"b",' * 9 + b'"a":"b"', b'",,,,,,,,,,,"'

    assert not has_more_commas(b'{"c":%b,%b}' % (inside, members), 10)
    assert has_more_commas(inside + b'""' * (2 * 10 + JSON_VALUES_MAX), 10)
