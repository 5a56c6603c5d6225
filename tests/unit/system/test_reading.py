"""leafnode.system.reading: requests read as Go reads them; the texts were measured."""

from __future__ import annotations

import pytest

from leafnode.system.options import ACCOUNT_STATZ, CONNZ, HEALTHZ, PROFILEZ, BadRequest
from leafnode.system.reading import given_in


def test_names_come_in_any_case_null_is_absent_and_the_unknown_is_skipped() -> None:
    given = given_in(b'{"ACC":"A","sort":null,"nobody":1,"limit":5,"auth":true}', CONNZ)

    assert given == {"acc": "A", "limit": 5, "auth": True}


@pytest.mark.parametrize("body", [b"null", b"{}"])
def test_nothing_asked_is_nothing_given(body: bytes) -> None:
    assert given_in(body, CONNZ) == {}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{bad", "invalid character 'b' looking for beginning of object key string"),
        (b"{", "unexpected end of JSON input"),
        (
            b'{"server_name":5}',
            "json: cannot unmarshal number into Go struct field "
            "ConnzEventOptions.server_name of type string",
        ),
        (
            b'{"sort":5}',
            "json: cannot unmarshal number into Go struct field "
            "ConnzEventOptions.sort of type server.SortOpt",
        ),
        (
            b'{"auth":1}',
            "json: cannot unmarshal number into Go struct field "
            "ConnzEventOptions.auth of type bool",
        ),
        (
            b'{"limit":true}',
            "json: cannot unmarshal bool into Go struct field ConnzEventOptions.limit of type int",
        ),
        (
            b'{"limit":1.5}',
            "json: cannot unmarshal number 1.5 into Go struct field "
            "ConnzEventOptions.limit of type int",
        ),
        (
            b'{"cid":-1}',
            "json: cannot unmarshal number -1 into Go struct field "
            "ConnzEventOptions.cid of type uint64",
        ),
        (
            b'{"limit":9223372036854775808}',
            "json: cannot unmarshal number 9223372036854775808 into Go struct field "
            "ConnzEventOptions.limit of type int",
        ),
        (b"[]", "json: cannot unmarshal array into Go value of type server.ConnzEventOptions"),
        (
            b'{"tags":"a"}',
            "json: cannot unmarshal string into Go struct field "
            "ConnzEventOptions.tags of type []string",
        ),
        (
            b'{"tags":["a",1]}',
            "json: cannot unmarshal number into ConnzEventOptions.tags.1 of type string",
        ),
        (
            b'{"cid":-0}',
            "json: cannot unmarshal number -0 into Go struct field "
            "ConnzEventOptions.cid of type uint64",
        ),
        (
            b'{"limit":1e2}',
            "json: cannot unmarshal number 1e2 into Go struct field "
            "ConnzEventOptions.limit of type int",
        ),
        (
            b'{"LIMIT":"a","limit":1}',
            "json: cannot unmarshal string into Go struct field "
            "ConnzEventOptions.LIMIT of type int",
        ),
        (
            b'{"nope":1e999,"user":{}}',
            "json: cannot unmarshal object into Go struct field "
            "ConnzEventOptions.user of type string",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_in_gos_words(body: bytes, text: str) -> None:
    with pytest.raises(BadRequest) as caught:
        given_in(body, CONNZ)

    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("body", "given"),
    [
        (b'{"user":"\\ud800x"}', {"user": "\ufffdx"}),
        (b'{"user":"\\ud83d\\ude00"}', {"user": "\U0001f600"}),
        (b'{"user":"\xff"}', {"user": "\ufffd"}),
        (b'{"tags":[null,"a"]}', {"tags": ["", "a"]}),
        ('{"u\u017fer":"a"}'.encode(), {"user": "a"}),
        (b'{"limit":-0}', {"limit": 0}),
        (b'{"limit":1,"limit":2}', {"limit": 2}),
        (b'{"limit":1,"limit":null}', {"limit": 1}),
        (b'{"nope":1e999}', {}),
    ],
)
def test_go_reads_more_than_others_take_for_json(body: bytes, given: dict[str, object]) -> None:
    assert given_in(body, CONNZ) == given


def test_deep_nesting_is_refused_and_not_followed() -> None:
    with pytest.raises(BadRequest):
        given_in(b'{"a":' + b"[" * 60_000, CONNZ)


def test_names_with_a_dash_and_lists_are_given_in() -> None:
    assert given_in(b'{"js-enabled-only":true}', HEALTHZ) == {"js-enabled-only": True}
    assert given_in(b'{"accounts":["A"]}', ACCOUNT_STATZ) == {"accounts": ["A"]}
    assert given_in(b'{"duration":1000}', PROFILEZ) == {"duration": 1000}
